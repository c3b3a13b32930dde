"""Recall and queries per second of indexes of explanations, against ``explain``.

Run ``python -m benchmarks.bench_serving [--rows N ...]``; the approximate index needs faiss.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import N_EXAMPLES, seconds
from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.serving import ExplanationIndex

CRITERIA = ["loss_relative", "theta_relative", "influence"]
N_COLUMNS, N_QUERIES = 50, 1_000


def digits():
    """Return training rows, labels and queries: 10 classes, 576 parameters."""
    X, y = load_digits(return_X_y=True)
    return X[:1_000] / 16, y[:1_000], X[1_000:] / 16


def binary(n_rows):
    """Return training rows, labels and queries of a logistic model."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + N_QUERIES, N_COLUMNS))
    eta = 2 * X @ rng.normal(size=N_COLUMNS) / np.sqrt(N_COLUMNS)
    y = (eta + rng.logistic(size=len(eta)) > 0).astype(int)
    return X[:n_rows], y[:n_rows], X[n_rows:]


def recall(found, expected):
    """Return the share of the right rows that were found."""
    pairs = zip(found.indices, expected.indices, strict=True)
    return np.mean([len(np.intersect1d(*pair)) for pair in pairs]) / N_EXAMPLES


def report(name, X, y, queries):
    """Print a table row for each criterion and way to explain."""
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1_000)).fit(X, y)
    for criterion in CRITERIA:
        explainer.explain(queries[:10], criterion=criterion)
        elapsed, expected = seconds(
            lambda by=criterion: explainer.explain(queries, criterion=by, n_examples=N_EXAMPLES)
        )
        print(f"| {name} | {criterion} | explain | | {len(queries) / elapsed:,.0f} | 1 |")
        for kind in ("exact", "approximate"):
            built, index = seconds(ExplanationIndex, explainer, criterion, kind)
            elapsed, found = seconds(lambda i=index: i.explain(queries, n_examples=N_EXAMPLES))
            print(
                f"| {name} | {criterion} | {kind} | {built:.1f} | {len(queries) / elapsed:,.0f} "
                f"| {recall(found, expected):.4f} |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000])
    options = parser.parse_args()
    print("| data | criterion | index | build, s | queries per second | recall |")
    print("|---|---|---|---:|---:|---:|")
    report("digits, 1,000 rows", *digits())
    for n_rows in options.rows:
        report(f"binary, {n_rows:,} x {N_COLUMNS}", *binary(n_rows))


if __name__ == "__main__":
    main()
