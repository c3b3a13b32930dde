"""Time of large problems against the time that their flops need at this machine's own gemm rate.

Run ``python -m benchmarks.bench_floor [--mnist PATH]`` from the top of a checkout, where PATH is an
``.npz`` file with ``x_train``, ``y_train`` and ``x_test``.

- **tall**: binary, 1,000,000 x 100 in single precision, 1,000 queries.
- **MNIST**: 60,000 x 784, 10 classes, 10,000 queries, in single and in double precision.

Each runs in a process of its own, which loads the data and the fitted model: ``from_fitted`` and
``explain`` in all three criteria, five rows for each query. With n rows, m queries and
P = (K - 1)(d + 1) parameters, the floor is 3 n P² + 2 m P² + 2 n m P operations (Hessian n P²,
two triangular products with each row's gradient 2 n P², the queries 2 m P², all scores 2 n m P).
The tall problem, which takes seconds, is solved six times: its times are medians, in which the
first time does not count.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

from ._measure import N_EXAMPLES, in_child, load, save, seconds

CRITERIA = ["influence", "theta_relative", "loss_relative"]
GEMM_SIZE = 3000
REST = 0.5  # seconds


def gemm_rate(dtype):
    """Return the flops per second of a matrix product, the fastest of three after a first one."""
    square = np.random.default_rng(0).normal(size=(GEMM_SIZE, GEMM_SIZE)).astype(dtype)
    np.matmul(square, square)
    fastest = min(seconds(np.matmul, square, square)[0] for _ in range(3))
    # The threads of the product keep a core busy for a while, waiting for another one.
    time.sleep(REST)
    return 2 * GEMM_SIZE**3 / fastest


def make_tall(folder):
    """Save a binary problem of a million rows in single precision."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1_001_000, 100), dtype=np.float32)
    y = (X @ rng.standard_normal(100) / 5 + rng.logistic(size=len(X)) > 0).astype(int)
    model = LogisticRegression(max_iter=1000).fit(X[1000:], y[1000:])
    save(folder, model, X[1000:], y[1000:], X[:1000])


def make_mnist(folder, path, dtype):
    """Save MNIST and its model, with the pixels between 0 and 1."""
    with np.load(path) as data:
        X, queries = (
            (data[name].reshape(-1, 784) / 255).astype(dtype) for name in ("x_train", "x_test")
        )
        y = data["y_train"].astype(int)
    save(folder, LogisticRegression(max_iter=1000).fit(X, y), X, y, queries)


def run(folder, repetitions):
    """Explain, and return times in seconds, the floor and memory above the data in GiB."""
    model, X, y, queries = load(folder)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds, peak = [], 0
    for _ in range(repetitions):
        fit, explainer = seconds(
            # With these scales those of the other criteria come from the same products.
            lambda: RelatIFExplainer.from_fitted(model, X, y, criterion="theta_relative")
        )
        explain, _ = seconds(
            lambda explainer=explainer: explainer.explain(
                queries, n_examples=N_EXAMPLES, criterion=CRITERIA
            )
        )
        # Later rounds hold two explainers for a while.
        peak = peak or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rounds.append((fit, explain, gemm_rate(X.dtype)))
    fit, explain, rate = map(median, zip(*(rounds[1:] or rounds), strict=True))
    n, m = len(X), len(queries)
    n_params = (len(model.classes_) - 1) * (X.shape[1] + 1)
    floor = (3 * n * n_params**2 + 2 * m * n_params**2 + 2 * n * m * n_params) / rate
    return fit, explain, floor, (peak - loaded) / 2**20, rate / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", metavar="PATH", help="npz file; without it only the tall data")
    path = parser.parse_args().mnist
    problems = {"1,000,000 x 100, binary, float32": (6, make_tall)}
    if path is not None:
        for dtype in ("float32", "float64"):
            problems[f"MNIST, {dtype}"] = 1, make_mnist, path, dtype
    print("| problem | fit | explain | floor | time / floor | above the data | gemm rate |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for title, (repetitions, make, *arguments) in problems.items():
        with tempfile.TemporaryDirectory() as folder:
            in_child(make, Path(folder), *arguments)
            fit, explain, floor, memory, rate = in_child(run, Path(folder), repetitions)
        print(
            f"| {title} | {fit:.1f} s | {explain:.1f} s | {floor:.1f} s | "
            f"{(fit + explain) / floor:.2f} | {memory:.2f} GiB | {rate:.0f} GFLOP/s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
