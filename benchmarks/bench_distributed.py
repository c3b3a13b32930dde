"""Time, data moved and equality of worker processes against one process.

Run ``python -m benchmarks.bench_distributed [--backend dask|loky|ray] [--workers W] [--rows N]
[--columns D] [--classes K] [--queries M] [--batches B] [--from-file]``, which asks B times for M
new queries each. The one process uses all cores by the threads of its products, as the workers do
together, so that on one machine there is no time to be gained: what is measured is what sharing
costs. With ``--from-file`` the training rows lie in a file that workers open for themselves.
"Fetched" is how often Dask's workers got data from each other.
"""

import argparse
import pickle
import tempfile
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import seconds
from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.utils import _distribution as _distribute

CRITERIA = ["influence", "theta_relative", "loss_relative"]


@contextmanager
def noted_sizes():
    """While this is open, note how many bytes each parcel is when it is made."""
    make, sizes = _distribute.Parcel.__init__, []

    def note(parcel, content):
        make(parcel, content)
        sizes.append(len(pickle.dumps(content, protocol=5)))

    _distribute.Parcel.__init__ = note
    try:
        yield sizes
    finally:
        _distribute.Parcel.__init__ = make


def problem(n_rows, n_columns, n_classes, n_queries):
    """Return rows with labels of a linear model, and queries."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows + n_queries, n_columns), dtype=np.float32)
    scores = X @ rng.normal(size=(n_columns, n_classes)) * (2 / np.sqrt(n_columns))
    y = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    return X[:n_rows], y[:n_rows], X[n_rows:]


@contextmanager
def workers(backend, n_workers):
    """Start worker processes, with one thread each, and make them joblib's."""
    threads = max(1, joblib.cpu_count() // n_workers)
    options = {"n_jobs": n_workers}
    with ExitStack() as stack:
        if backend == "dask":
            from distributed import Client, LocalCluster

            local = {"threads_per_worker": 1, "dashboard_address": ":0"}
            cluster = stack.enter_context(LocalCluster(n_workers=n_workers, **local))
            client = stack.enter_context(Client(cluster))
        elif backend == "ray":
            import ray
            from ray.util.joblib import register_ray

            ray.init(num_cpus=n_workers, include_dashboard=False, log_to_driver=False)
            stack.callback(ray.shutdown)
            register_ray()
        else:
            options["inner_max_num_threads"] = threads
        stack.enter_context(joblib.parallel_config(backend=backend, **options))
        # Processes start when there is something to do; that is not to be measured.
        _distribute.map_parts(len, [(0,)] * n_workers)
        yield fetches_of(client) if backend == "dask" else lambda: 0


def fetches_of(client):
    """Return a function that counts how often workers have fetched data from each other."""
    return lambda: sum(client.run(_fetched).values())


def _fetched(dask_worker):
    return dask_worker.state.transfer_incoming_count_total


def run(model, X, y, batches, fetches=lambda: 0):
    """Return the seconds, the bytes sent and the fetches of each step, and the explanations."""
    measured, found = [], []

    def step(name, function, *arguments):
        before = fetches()
        with noted_sizes() as sizes:
            took, result = seconds(function, *arguments)
        measured.append((name, took, sizes, fetches() - before))
        return result

    explainer = step("from_fitted", RelatIFExplainer.from_fitted, model, X, y)
    for number, queries in enumerate(batches, 1):
        explain = partial(explainer.explain, criterion=CRITERIA)
        found.append(step(f"explain, batch {number}", explain, queries))
    return measured, found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=("dask", "loky", "ray"), default="dask")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--batches", type=int, default=3)
    parser.add_argument("--from-file", action="store_true")
    options = parser.parse_args()
    n_queries = options.queries * options.batches
    X, y, queries = problem(options.rows, options.columns, options.classes, n_queries)
    batches = np.split(queries, options.batches)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-6).fit(X, y)
    print(
        f"{options.rows:,} x {options.columns} float32 ({X.nbytes / 1e6:,.0f} MB), "
        f"{options.classes} classes, {options.queries:,} queries, 3 criteria, "
        f"{options.workers} workers of {options.backend}"
    )
    with tempfile.TemporaryDirectory() as folder:
        if options.from_file:
            np.save(Path(folder) / "X.npy", X)
            X = np.load(Path(folder) / "X.npy", mmap_mode="r")
        alone, expected = run(model, X, y, batches)
        with workers(options.backend, options.workers) as fetches:
            shared, found = run(model, X, y, batches, fetches)
    report(alone, shared)
    errors, same = [], []
    for one, other in zip(expected, found, strict=True):
        errors += [np.abs(other[c].scores / one[c].scores - 1).max() for c in CRITERIA]
        same += [np.mean(other[c].indices == one[c].indices) for c in CRITERIA]
    print(f"equal rows: {np.mean(same):.2%}; largest relative difference: {max(errors):.1e}")


def report(alone, shared):
    print("| step | one process, s | workers, s | parcels | MB sent | fetched |")
    print("|---|---:|---:|---:|---:|---:|")
    for (name, one, *_), (_, other, sizes, n_fetched) in zip(alone, shared, strict=True):
        size = sum(sizes) / 1e6
        print(f"| {name} | {one:.2f} | {other:.2f} | {len(sizes)} | {size:,.2f} | {n_fetched} |")


if __name__ == "__main__":
    main()
