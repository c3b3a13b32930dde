"""Time and memory of explaining a model whose training rows stay in a file, batch after batch.

Run ``python -m benchmarks.bench_memmap [--rows N] [--columns D] [--queries M] [--batches B]``. It
writes the data, N x D of float32, to a temporary folder, and asks B times for M new queries each;
Linux only (memory is read from /proc). The floor of a batch is its 2 N M (D + 1) operations at the
rate of this machine's own matrix product, which is measured after each.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import SGDClassifier

from benchmarks._measure import in_child, seconds
from benchmarks.bench_floor import gemm_rate
from sklearn_relatif import RelatIFExplainer

CRITERIA = ["influence", "theta_relative", "loss_relative"]
ROWS_AT_A_TIME = 100_000
PASSES = 5


class Batch(NamedTuple):
    """What a batch of queries took: seconds, and MB at its end.

    Memory of its own is what a process has beside the pages of files that it has open: these are
    the system's, which takes them back when it needs them.
    """

    took: float
    floor: float
    rate: float
    own_memory: float
    memory: float


class Measured(NamedTuple):
    """What one process needed, in seconds and MB."""

    fit: float
    memory_before: float
    memory_peak: float
    distance: float
    batches: list[Batch]


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


def memory(name):
    """Return a size of this process that Linux knows, in MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in status if line.startswith(f"{name}:"))


def measure(folder, model, n_queries, n_batches):
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    rng, before = np.random.default_rng(1), memory("VmHWM")
    fit, explainer = seconds(RelatIFExplainer.from_fitted, model, X, y)
    operations = 2 * len(X) * n_queries * (X.shape[1] + 1)
    batches, peak = [], 0.0
    for _ in range(n_batches):
        queries = rng.standard_normal((n_queries, X.shape[1]), dtype=np.float32)
        took, _ = seconds(lambda queries=queries: explainer.explain(queries, criterion=CRITERIA))
        own, whole, peak = memory("RssAnon"), memory("VmRSS"), memory("VmHWM")
        rate = gemm_rate(X.dtype)
        batches.append(Batch(took, operations / rate, rate / 1e9, own, whole))
    return Measured(fit, before, peak, explainer.distance_to_optimum_, batches)


def fit_from_file(folder):
    return fitted(np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--batches", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        in_child(prepare, folder, options.rows, options.columns)
        model = in_child(fit_from_file, folder)
        found = in_child(measure, folder, model, options.queries, options.batches)
    report(options, found)


def report(options, found):
    size = 4e-6 * options.rows * options.columns
    print(
        f"{options.rows:,} x {options.columns} float32 ({size:,.0f} MB), batches of "
        f"{options.queries:,} queries, 3 criteria"
    )
    print("| peak memory, MB | before, MB | from_fitted, s | to optimum |\n|--:|--:|--:|--:|")
    print(
        f"| {found.memory_peak:,.0f} | {found.memory_before:,.0f} | {found.fit:.1f} "
        f"| {found.distance:.1e} |\n"
    )
    print("| batch | explain, s | time / floor | gemm, GFLOP/s | own memory, MB | with files, MB |")
    print("|--:|--:|--:|--:|--:|--:|")
    for number, batch in enumerate(found.batches, 1):
        print(
            f"| {number} | {batch.took:.1f} | {batch.took / batch.floor:.2f} | {batch.rate:.0f} "
            f"| {batch.own_memory:,.0f} | {batch.memory:,.0f} |"
        )


if __name__ == "__main__":
    main()
