"""Influence in kernel ridge regression beside pyinfluence: time, memory and agreement.

Run ``python -m benchmarks.bench_kernel_ridge [--envs FOLDER] [--rows N] [--repeats N]`` from the
top of a checkout. pyinfluence is installed once into an environment under FOLDER.

Both start from the same fitted model, an rbf kernel on 20 columns, and give the influence of all
rows on the losses of 200 queries, in a fresh process each time, in turns. Not timed: imports and
the fit. Memory is the peak above that of the process with the data. The error is
max|A/s - B| / max|B|, with B from this package and the least-squares scale s.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from ._measure import in_child
from .peers.environments import interpreter
from .peers.session import CHECKOUT, THREAD_VARIABLES
from .peers.worker import peak_memory

PACKAGES = ("relatif", "pyinfluence")
N_QUERIES, N_COLUMNS = 200, 20


def drawn(n_rows):
    """Return X, y, the queries and their targets."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + N_QUERIES, N_COLUMNS))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + 0.1 * rng.normal(size=len(X))
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def prepare(n_rows, path):
    """Fit the model, and save its coefficients: not every environment has the same scikit-learn."""
    from sklearn.kernel_ridge import KernelRidge

    X, y, *_ = drawn(n_rows)
    np.save(path, KernelRidge(kernel="rbf", gamma=0.05, alpha=0.5).fit(X, y).dual_coef_)


def fitted(n_rows, path):
    from sklearn.kernel_ridge import KernelRidge

    model = KernelRidge(kernel="rbf", gamma=0.05, alpha=0.5)
    model.X_fit_, *_ = drawn(n_rows)
    model.dual_coef_, model.n_features_in_ = np.load(path), N_COLUMNS
    return model


def with_relatif():
    from sklearn_relatif import RelatIFExplainer

    def influence(model, X, y, X_query, y_query):
        explainer = RelatIFExplainer.from_fitted(model, X, y)
        return explainer.pairwise_influence(X_query, y_query, criterion="influence")

    return influence


def with_pyinfluence():
    from pyinfluence import InfluenceFunctions

    def influence(model, X, y, X_query, y_query):
        functions = InfluenceFunctions(mode="loss", damping=0).fit(model, X, y)
        return functions.explain(X_query, y_query)

    return influence


def run(package, n_rows, folder):
    """Time one package in this process, and save its matrix."""
    influence = {"relatif": with_relatif, "pyinfluence": with_pyinfluence}[package]()
    data, model = drawn(n_rows), fitted(n_rows, Path(folder, "duals.npy"))
    before, start = peak_memory(), time.perf_counter()
    scores = influence(model, *data)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "memory": peak_memory() - before}))
    np.save(Path(folder, f"{package}.npy"), scores)


def measure(package, arguments, folder):
    """Return what a fresh process of a package says."""
    python = interpreter(package, arguments.envs)
    command = [python, "-m", "benchmarks.bench_kernel_ridge", "--run", package, folder]
    threads = dict.fromkeys(THREAD_VARIABLES, str(os.cpu_count()))
    done = subprocess.run(
        [*command, "--rows", str(arguments.rows)],
        cwd=CHECKOUT,
        env=os.environ | threads,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", metavar="FOLDER", default="benchmarks/peers/envs")
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        package, folder = arguments.run
        run(package, arguments.rows, folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        in_child(prepare, arguments.rows, Path(folder, "duals.npy"))
        told = {package: [] for package in PACKAGES}
        for _ in range(arguments.repeats):
            for package in PACKAGES:
                told[package].append(measure(package, arguments, folder))
        ours, theirs = (np.load(Path(folder, f"{package}.npy")) for package in PACKAGES)
    scale = np.vdot(theirs, ours) / np.vdot(ours, ours)
    print("| package | seconds | MB |", "|---|--:|--:|", sep="\n")
    for package, runs in told.items():
        seconds, memory = (median(run[what] for run in runs) for what in ("seconds", "memory"))
        print(f"| {package} | {seconds:.2f} | {memory:.0f} |")
    print(f"error {np.abs(theirs / scale - ours).max() / np.abs(ours).max():.1e}")


if __name__ == "__main__":
    sys.exit(main())
