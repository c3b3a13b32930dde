"""Time and peak memory of explaining a model whose training rows stay in a file.

Run ``python -m benchmarks.bench_memmap [--rows N] [--columns D] [--queries M]``. It writes the
data, N x D of float32, to a temporary folder; Linux only (peak memory is read from /proc).
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import SGDClassifier

from benchmarks._measure import in_child, seconds
from sklearn_relatif import RelatIFExplainer

CRITERIA = ["influence", "theta_relative", "loss_relative"]
ROWS_AT_A_TIME = 100_000
PASSES = 5


class Measured(NamedTuple):
    """What one process needed, in seconds and MB."""

    fit: float
    explain: float
    memory_before: float
    memory_peak: float
    distance: float


def prepare(folder, n_rows, n_columns):
    """Draw rows and binary labels, and write them to files block by block."""
    rng = np.random.default_rng(0)
    weights = 2 * rng.normal(size=n_columns) / np.sqrt(n_columns)
    shape = (n_rows, n_columns)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, shape)
    y = np.empty(n_rows, np.int8)
    for rows in row_slices(n_rows):
        block = rng.standard_normal((len(y[rows]), n_columns), dtype=np.float32)
        X[rows] = block
        y[rows] = block @ weights + rng.logistic(size=len(block)) > 0
    X.flush()
    np.save(folder / "y.npy", y)


def fitted(X, y):
    """Return a logistic regression fitted by passes over the file, with a falling step."""
    model = SGDClassifier(loss="log_loss", alpha=1e-4, average=True, random_state=0)
    for _ in range(PASSES):
        for rows in row_slices(len(y)):
            model.partial_fit(np.array(X[rows]), y[rows], classes=[0, 1])
    return model


def row_slices(n_rows):
    return (
        slice(start, min(start + ROWS_AT_A_TIME, n_rows))
        for start in range(0, n_rows, ROWS_AT_A_TIME)
    )


def peak_memory():
    """Return the largest resident set that this process had, in MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in status if line.startswith("VmHWM"))


def measure(folder, model, n_queries):
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    queries, before = np.array(X[:n_queries]), peak_memory()
    fit, explainer = seconds(RelatIFExplainer.from_fitted, model, X, y)
    explain, _ = seconds(lambda: explainer.explain(queries, criterion=CRITERIA))
    return Measured(fit, explain, before, peak_memory(), explainer.distance_to_optimum_)


def fit_from_file(folder):
    return fitted(np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--queries", type=int, default=1_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        in_child(prepare, folder, options.rows, options.columns)
        model = in_child(fit_from_file, folder)
        found = in_child(measure, folder, model, options.queries)
    size = 4e-6 * options.rows * options.columns
    print(f"{options.rows:,} x {options.columns} float32, {options.queries:,} queries, 3 criteria")
    print("| file, MB | peak memory, MB | before, MB | from_fitted, s | explain, s | to optimum |")
    print("|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {size:,.0f} | {found.memory_peak:,.0f} | {found.memory_before:,.0f} "
        f"| {found.fit:.1f} | {found.explain:.1f} | {found.distance:.1e} |"
    )


if __name__ == "__main__":
    main()
