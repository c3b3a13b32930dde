"""All exact models without one row each: time, memory, and proof by refits of scikit-learn.

Run ``python -m benchmarks.bench_leave_one_out [--adult PATH] [--rows N]`` from the top of a
checkout, where PATH is a table with the columns of the Adult data and an ``income`` column (which
needs pandas); without it, the rows are drawn at random, and as wide.

A child process asks for the change of the loss of each of 2,000 queries by the removal of each of
32,561 rows (or N) on its own, ``removal_effect(order="retrain")``. The rows of the largest
effects, and others drawn at random, are then left out of fits by scikit-learn (Newton's method, at
a tight tolerance).
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import in_child, load, save, seconds
from benchmarks.bench_retraining import gemm_rate
from sklearn_relatif import RelatIFExplainer

N_ROWS, N_COLUMNS, N_QUERIES = 32_561, 107, 2000
N_REFITS = 5  # of the rows of the largest effects, and as many of others


def tight():
    return LogisticRegression(solver="newton-cholesky", tol=1e-12, max_iter=100)


def adult_table(path):
    """Return the features, standardised and one-hot, and labels of all rows."""
    from benchmarks.bench_groups import adult, preprocessing  # which need pandas

    X, y = adult(path)
    return preprocessing().fit_transform(X), y


def drawn_table(n_rows):
    """Return a few numbers and many indicators, of which some are rare, and noisy labels."""
    rng = np.random.default_rng(0)
    n_numbers = 6
    numbers = rng.normal(size=(n_rows, n_numbers))
    shares = np.geomspace(3e-4, 0.5, N_COLUMNS - n_numbers)
    X = np.hstack([numbers, rng.random((n_rows, len(shares))) < shares])
    eta = X @ rng.normal(size=N_COLUMNS) - 2
    return X, (rng.random(n_rows) < 1 / (1 + np.exp(-eta))).astype(int)


def labels_of(model, X_query, seed=1):
    """Return labels for the queries, drawn by their probabilities."""
    return (
        np.random.default_rng(seed).random(len(X_query)) < model.predict_proba(X_query)[:, 1]
    ) * 1


def all_without(folder):
    """Return seconds, peak memory in GB, which rows were sampled, and the effects of these."""
    model, X, y, X_query = load(folder)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    y_query = labels_of(model, X_query)
    elapsed, effects = seconds(lambda: explainer.removal_effect(X_query, y_query, order="retrain"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak /= 1e9 if sys.platform == "darwin" else 1e9 / 1024
    order = np.argsort(-np.abs(effects).max(axis=0))
    others = np.random.default_rng(0).choice(order[N_REFITS:], N_REFITS, replace=False)
    rows = np.r_[order[:N_REFITS], others]
    return elapsed, peak, effects.nbytes / 1e9, rows, effects[:, rows]


def losses(model, X, y):
    margins = np.where(y == 1, 1, -1) * model.decision_function(X)
    return np.logaddexp(0, -margins)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="csv file")
    parser.add_argument("--rows", type=int, default=N_ROWS, metavar="N", help="that are left out")
    path, n_rows = (options := parser.parse_args()).adult, options.rows
    if n_rows < 2 * N_REFITS:
        parser.error(f"the proof takes {2 * N_REFITS} rows at least")
    n_all = n_rows + N_QUERIES
    X, y = drawn_table(n_all) if path is None else adult_table(path)
    if len(y) < n_all:
        parser.error(f"{path} has {len(y):,} rows, of {n_all:,} that are left out or queries")
    X, y, X_query = X[:n_rows], y[:n_rows], X[n_rows:n_all]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save(folder, tight().fit(X, y), X, y, X_query)
        elapsed, peak, of_result, rows, effects = in_child(all_without, folder)
        model = load(folder)[0]
    y_query = labels_of(model, X_query)
    before, times, errors = losses(model, X_query, y_query), [], []
    for row, effect in zip(rows, effects.T, strict=True):
        kept = np.arange(len(y)) != row
        own, refit = seconds(tight().fit, X[kept], y[kept])
        times.append(own)
        truth = losses(refit, X_query, y_query) - before
        errors.append(np.abs(truth - effect).max() / np.abs(effect).max())
    print(f"gemm: {gemm_rate(np.float64) / 1e9:.0f} GFLOP/s double precision")
    print(f"{len(y):,} rows, {X.shape[1]} columns, {len(X_query):,} queries")
    print(f"  all models without a row  {elapsed:8.1f} s, peak memory {peak:.2f} GB, of which the")
    print(f"                            effects that are returned take {of_result:.2f} GB")
    refits = len(y) * median(times)
    print(f"  scikit-learn refits       {refits:8.0f} s   ({len(rows)} timed, scaled)")
    print(f"  largest error of an effect, over the largest of its row: {max(errors):.1e}")


if __name__ == "__main__":
    main()
