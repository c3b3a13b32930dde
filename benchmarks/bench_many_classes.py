"""Time and memory of softmax regressions of many classes, against the floor of their flops.

Run ``python -m benchmarks.bench_many_classes [--rows N] [--classes K ...]`` from the top of a
checkout. Rows of 50 columns are drawn around one centre a class, so that a row's probability sits
on a few of the classes. ``from_fitted`` and ``explain`` (500 queries, all three criteria, five rows
for each query) run in a process of their own, which loads the data and the fitted model.

The floor is that of ``bench_floor``, plus 2/3 P³ operations for the factor of the Hessian and its
inverse, which count where P = 51 (K - 1) is not small beside the number of rows.
"""

import argparse
import resource
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

from ._measure import N_EXAMPLES, in_child, load, save, seconds
from .bench_floor import CRITERIA, gemm_rate

N_COLUMNS = 50
N_QUERIES = 500
#: Length of a coordinate of the centres, beside noise of 1.
SPREAD = 0.6
#: A class counts for a row if its probability is above this.
PRESENT = 1e-3


def prepare(folder, n_rows, n_classes):
    """Save a problem and its fitted model."""
    rng = np.random.default_rng(0)
    centres = SPREAD * rng.normal(size=(n_classes, N_COLUMNS))
    y = rng.integers(n_classes, size=n_rows + N_QUERIES)
    X = centres[y] + rng.normal(size=(len(y), N_COLUMNS))
    model = LogisticRegression(max_iter=300).fit(X[:n_rows], y[:n_rows])
    save(folder, model, X[:n_rows], y[:n_rows], X[n_rows:])


def run(folder):
    """Explain; the measured columns of the table."""
    model, X, y, queries = load(folder)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fit, explainer = seconds(
        lambda: RelatIFExplainer.from_fitted(model, X, y, criterion="theta_relative")
    )
    explain, _ = seconds(
        lambda: explainer.explain(queries, n_examples=N_EXAMPLES, criterion=CRITERIA)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rate = gemm_rate(X.dtype)
    n, m = len(X), len(queries)
    size = (len(model.classes_) - 1) * (N_COLUMNS + 1)
    floor_fit = (3 * n * size**2 + 2 / 3 * size**3) / rate
    floor_explain = (2 * m * size**2 + 2 * n * m * size) / rate
    present = (model.predict_proba(queries) > PRESENT).sum(axis=1).mean()
    return size, present, fit, floor_fit, explain, floor_explain, (peak - loaded) / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 30, 100])
    options = parser.parse_args()
    print(f"{options.rows:,} x {N_COLUMNS}, {N_QUERIES} queries, double precision\n")
    print(
        "| classes | P | classes of a row | fit | floor | explain | floor | time / floor ", end=""
    )
    print("| above the data |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for n_classes in options.classes:
        with tempfile.TemporaryDirectory() as folder:
            in_child(prepare, Path(folder), options.rows, n_classes)
            size, present, fit, floor_fit, explain, floor_explain, memory = in_child(
                run, Path(folder)
            )
        share = (fit + explain) / (floor_fit + floor_explain)
        print(
            f"| {n_classes} | {size:,} | {present:.1f} | {fit:.2f} s | {floor_fit:.2f} s "
            f"| {explain:.2f} s | {floor_explain:.2f} s | {share:.2f} | {memory:.2f} GiB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
