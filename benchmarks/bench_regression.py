"""Time, memory and agreement of influence and of leave-one-out predictions in regressions.

Run ``python -m benchmarks.bench_regression [--envs FOLDER] [--only CASE] [--repeats N] [--small]``
from the top of a checkout. pyinfluence is installed once into a virtual environment under FOLDER.

**influence** is the matrix of the influence of all rows on the losses of all queries, for their
targets: by this package (``from_fitted``, then ``pairwise_influence``), by pyinfluence
(``InfluenceFunctions.fit``, then ``explain``), and, of ridge regression, in plain NumPy with the
gradients of all rows in memory. How they take turns, and what memory and error are, is that of
``bench_peers``. Agreement beyond 1e-8 counts as failure.

**loo** is what the model without each row predicts for that row: by this package (``from_fitted``
for ``criterion="influence"``, then ``loo_predict``, which trains to the optimum first), and in
plain NumPy by one factorisation of the Hessian and one pass over the rows for their leverages,
block by block.

Fitting the model, and imports, are not timed.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from scipy import linalg
from sklearn.linear_model import Ridge

from sklearn_relatif import RelatIFExplainer

from ._measure import in_child, measure, memory_above_data, save
from .bench_peers import NAMES, OURS, in_turns
from .peers.environments import interpreter
from .peers.problem import RegressionProblem
from .peers.session import Session

#: Largest error of another package's matrix.
AGREEMENT = 1e-8
ROWS_AT_A_TIME = 2_000


class Influence(NamedTuple):
    """A regression, and who tells the influence of its rows; this package first."""

    name: str
    n_rows: int
    n_columns: int
    n_queries: int
    module: str
    kind: str
    alpha: float
    packages: tuple
    kernel: str = ""

    def small(self):
        """The same in a size that is solved at once."""
        n_rows = 500 if self.kernel else 2_000
        return self._replace(n_rows=n_rows, n_columns=20, n_queries=100)


INFLUENCES = [
    Influence(
        "ridge",
        20_000,
        100,
        1_000,
        "sklearn.linear_model",
        "Ridge",
        10.0,
        (OURS, "numpy_ridge", "pyinfluence"),
    ),
    Influence(
        "kernel",
        3_000,
        20,
        200,
        "sklearn.kernel_ridge",
        "KernelRidge",
        0.5,
        (OURS, "pyinfluence"),
        "rbf",
    ),
]
LOO_ROWS, LOO_COLUMNS = 50_000, 100


def draw(n_rows, n_columns, n_queries):
    """Rows far from zero with the targets of a noisy line, and queries with theirs."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows + n_queries, n_columns)) + 1
    y = X @ rng.normal(size=n_columns) / np.sqrt(n_columns) + rng.normal(size=len(X))
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def prepare(case, path):
    """Draw a problem and save it."""
    rows = draw(case.n_rows, case.n_columns, case.n_queries)
    problem = RegressionProblem(*rows, case.module, case.kind, np.float64(case.alpha), case.kernel)
    np.savez(path, **problem._asdict())


def influence(case, envs, repeats, n_threads):
    """Return {(package, "influence"): (median seconds, MB, error)}."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "problem.npz"
        in_child(prepare, case, path)
        sessions = [
            Session(interpreter(package, envs), package, "influence", path, n_threads)
            for package in case.packages
        ]
        return in_turns(sessions, folder, repeats)


class Ours:
    """Leave-one-out predictions by this package."""

    def fit(self, model, X, y):
        # This criterion has no scale a row, which others find in a pass of their own.
        self.explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="influence")

    def explain(self, X):
        return self.explainer.loo_predict()


class Plain:
    """The same by hand: ``y_i - e_i / (1 - h_i)``."""

    def fit(self, model, X, y):
        x = np.column_stack([X, np.ones(len(X))])
        hessian = x.T @ x
        hessian[np.diag_indices(X.shape[1])] += model.alpha
        factor = linalg.cholesky(hessian, lower=True)
        self.inverse = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)
        self.x, self.y, self.error = x, y, model.predict(X) - y

    def explain(self, X):
        leverage = np.empty(len(self.x))
        for start in range(0, len(self.x), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            whitened = self.x[rows] @ self.inverse.T
            leverage[rows] = np.einsum("ij,ij->i", whitened, whitened)
        return self.y + self.error / (1 - leverage)


def prepare_loo(folder, n_rows, n_columns):
    X, y, X_query, _ = draw(n_rows, n_columns, 1)
    save(folder, Ridge(alpha=10.0).fit(X, y), X, y, X_query)


def print_influence(case, envs, repeats, n_threads):
    found = influence(case, envs, repeats, n_threads)
    print(
        f"{case.name}: {case.n_rows:,} x {case.n_columns}, {case.n_queries:,} queries, "
        f"{n_threads} threads",
        "",
        "| package | seconds | times ours | MB | of ours | error |",
        "|---|--:|--:|--:|--:|--:|",
        sep="\n",
    )
    our_seconds, our_memory, _ = found[OURS, "influence"]
    for (package, _), (seconds, memory, error) in found.items():
        name = {"numpy_ridge": "NumPy, by hand", **NAMES}.get(package, package)
        print(
            f"| {name} | {seconds:.3f} | {seconds / our_seconds:.2f} | {memory:.0f} "
            f"| {memory / our_memory:.2f} | {'' if error is None else f'{error:.1e}'} |"
        )
    worst = max(error for *_, error in found.values() if error is not None)
    if not worst < AGREEMENT:
        sys.exit(f"A matrix differs by {worst:.1e} of its largest number.")


def print_loo(n_rows, n_columns, repeats):
    methods = {"sklearn_relatif": Ours, "NumPy, by hand": Plain}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child(prepare_loo, folder, n_rows, n_columns)
        memory = memory_above_data(folder, methods)
        seconds, results = measure(folder, methods, repeats)
    ours, plain = results.values()
    print(
        "",
        f"loo: {n_rows:,} x {n_columns}, all rows",
        "",
        "| | seconds | times plain | MB | difference |",
        "|---|--:|--:|--:|--:|",
        sep="\n",
    )
    total = {name: sum(steps.values()) for name, steps in seconds.items()}
    for name in methods:
        print(
            f"| {name} | {total[name]:.3f} | {total[name] / total['NumPy, by hand']:.2f} "
            f"| {memory[name]:.0f} | {np.abs(ours - plain).max():.1e} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--envs", metavar="FOLDER", default="benchmarks/peers/envs")
    names = [*(case.name for case in INFLUENCES), "loo"]
    parser.add_argument("--only", choices=names, help="one of the problems")
    parser.add_argument("--repeats", type=int, default=4, help="even: each order equally often")
    parser.add_argument("--small", action="store_true", help="small problems, for a first check")
    arguments = parser.parse_args()
    n_threads = joblib.cpu_count(only_physical_cores=True)
    for case in INFLUENCES:
        if arguments.only in (None, case.name):
            case = case.small() if arguments.small else case
            print_influence(case, arguments.envs, arguments.repeats, n_threads)
    if arguments.only in (None, "loo"):
        size = (2_000, 20) if arguments.small else (LOO_ROWS, LOO_COLUMNS)
        print_loo(*size, arguments.repeats)


if __name__ == "__main__":
    main()
