"""Time and memory of the explainer against plain NumPy, on fitted logistic regressions.

Run ``python -m benchmarks.bench_explain``. The README of this folder says what is measured.
"""

import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import joblib
import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

CRITERIA = ["influence", "theta_relative", "loss_relative"]
N_EXAMPLES = 5
REPETITIONS = 6  # even, so that each method goes first equally often
GEMM_SIZE = 2000


class Case(NamedTuple):
    """A synthetic classification problem."""

    name: str
    n_rows: int
    n_columns: int
    n_classes: int
    n_queries: int

    def flops(self):
        """Return the floating-point operations that fit and explain cannot do without.

        With P = (K - 1)(d + 1) parameters: n P^2 for the symmetric curvature, 2 n P^2 for the two
        triangular products that give every row's two scales; 2 m P^2 to solve for the queries and
        2 n m P for their products with the rows.
        """
        n, m = self.n_rows, self.n_queries
        n_parameters = (self.n_classes - 1) * (self.n_columns + 1)
        return {
            "fit": 3 * n * n_parameters**2,
            "explain": 2 * m * n_parameters**2 + 2 * n * m * n_parameters,
        }


CASES = [
    Case("binary", n_rows=50_000, n_columns=50, n_classes=2, n_queries=1_000),
    Case("10 classes", n_rows=10_000, n_columns=256, n_classes=10, n_queries=1_000),
]


class Relatif:
    """The package."""

    def fit(self, model, X, y):
        self.explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="theta_relative")

    def explain(self, X):
        """Return {criterion: (indices, scores)}, each (n_queries, N_EXAMPLES), best row first."""
        explanations = self.explainer.explain(X, n_examples=N_EXAMPLES, criterion=CRITERIA)
        return {name: (e.indices, e.scores) for name, e in explanations.items()}


class PlainNumpy:
    """What one writes by hand: all gradients in memory, one factorisation, one product."""

    def fit(self, model, X, y):
        self.model = model
        X = with_ones(X)
        probabilities = model.predict_proba(X[:, :-1])
        self.contrasts = contrasts(len(model.classes_))
        gradients = self._gradients(X, probabilities, y)

        penalty = np.r_[np.full(X.shape[1] - 1, 1 / model.C), 0.0]
        factor = cho_factor(self._hessian(X, probabilities, penalty), lower=True)
        self.solved = cho_solve(factor, gradients.T)
        self.scales = {
            "influence": 1.0,
            "theta_relative": np.linalg.norm(self.solved, axis=0),
            "loss_relative": np.sqrt(np.einsum("ip,pi->i", gradients, self.solved)),
        }

    def explain(self, X):
        """Return {criterion: (indices, scores)}, each (n_queries, N_EXAMPLES), best row first."""
        probabilities = self.model.predict_proba(X)
        predicted = self.model.classes_[probabilities.argmax(axis=1)]
        influence = self._gradients(with_ones(X), probabilities, predicted) @ self.solved
        return {name: largest(influence / scale) for name, scale in self.scales.items()}

    def _gradients(self, X, probabilities, y):
        residuals = (probabilities - (y[:, np.newaxis] == self.model.classes_)) @ self.contrasts
        return np.einsum("nk,np->nkp", residuals, X).reshape(len(X), -1)

    def _hessian(self, X, probabilities, penalty):
        """Assemble the Hessian from its blocks, one for each pair of contrasts."""
        n_contrasts, n_columns = self.contrasts.shape[1], X.shape[1]
        H = np.empty((n_contrasts, n_columns, n_contrasts, n_columns))
        mean = probabilities @ self.contrasts
        for a in range(n_contrasts):
            for b in range(a + 1):
                products = probabilities @ (self.contrasts[:, a] * self.contrasts[:, b])
                weights = products - mean[:, a] * mean[:, b]
                H[a, :, b] = H[b, :, a] = (X.T * weights) @ X
        H = H.reshape(n_contrasts * n_columns, -1)
        H[np.diag_indices_from(H)] += np.tile(penalty, n_contrasts)
        return H / len(X)


METHODS = {"sklearn_relatif": Relatif, "plain NumPy": PlainNumpy}


def with_ones(X):
    return np.column_stack([X, np.ones(len(X))])


def contrasts(n_classes):
    """Return orthonormal columns that sum to zero, (K, K - 1).

    Two classes are one binomial predictor: its residual is the second class's, up to the sign.
    """
    if n_classes == 2:
        return np.array([[0.0], [1.0]])
    basis = np.column_stack([np.ones(n_classes), np.eye(n_classes)[:, 1:]])
    return np.linalg.qr(basis)[0][:, 1:]


def largest(scores):
    """Return the columns and the values of the largest entries of each row, largest first."""
    indices = np.argpartition(scores, -N_EXAMPLES, axis=1)[:, -N_EXAMPLES:]
    values = np.take_along_axis(scores, indices, axis=1)
    order = np.argsort(-values, axis=1)
    return np.take_along_axis(indices, order, axis=1), np.take_along_axis(values, order, axis=1)


def prepare(case, folder):
    """Draw the data, fit the model and save both."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(case.n_rows + case.n_queries, case.n_columns))
    W = rng.normal(size=(case.n_columns, case.n_classes)) / np.sqrt(case.n_columns)
    eta = X @ W
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)  # drawn from the softmax of eta
    X_train, y_train, X_query = X[: case.n_rows], y[: case.n_rows], X[case.n_rows :]
    model = LogisticRegression(tol=1e-6, max_iter=1_000).fit(X_train, y_train)
    for name, array in {"X_train": X_train, "y_train": y_train, "X_query": X_query}.items():
        np.save(folder / f"{name}.npy", array)
    joblib.dump(model, folder / "model.joblib")


def load(folder):
    """Return the model, X_train, y_train and X_query."""
    arrays = [np.load(folder / f"{name}.npy") for name in ("X_train", "y_train", "X_query")]
    return joblib.load(folder / "model.joblib"), *arrays


def peak_memory(folder, method):
    """Return this process's peak memory in MB, after the method has run, if one is named."""
    model, X_train, y_train, X_query = load(folder)
    if method is not None:
        runner = METHODS[method]()
        runner.fit(model, X_train, y_train)
        runner.explain(X_query)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def in_child(function, *arguments):
    """Call the function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def memory_above_data(folder):
    """Return each method's peak memory in MB above a process that only loads data and model."""
    baseline = in_child(peak_memory, folder, None)
    return {name: in_child(peak_memory, folder, name) - baseline for name in METHODS}


def seconds(function, *arguments):
    """Return how long the call takes, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(folder):
    """Return ({method: {step: median seconds}}, gemm flops per second, {method: results}).

    The methods take turns, and so does the matrix product that stands for the machine's speed. A
    first round, which starts the threads and touches fresh memory, is not counted.
    """
    model, X_train, y_train, X_query = load(folder)
    square = np.random.default_rng(0).normal(size=(GEMM_SIZE, GEMM_SIZE))
    times = {name: {"fit": [], "explain": []} for name in METHODS}
    gemm, results = [], {}
    order = list(METHODS)
    for _ in range(1 + REPETITIONS):
        gemm.append(seconds(np.matmul, square, square)[0])
        order.reverse()
        for name in order:
            runner = METHODS[name]()
            times[name]["fit"].append(seconds(runner.fit, model, X_train, y_train)[0])
            elapsed, results[name] = seconds(runner.explain, X_query)
            times[name]["explain"].append(elapsed)
            del runner  # its arrays must not stand in the next one's way
    medians = {
        name: {step: median(values[1:]) for step, values in steps.items()}
        for name, steps in times.items()
    }
    return medians, 2 * GEMM_SIZE**3 / median(gemm[1:]), results


def disagreement(results):
    """Return the largest relative difference of the scores, and the share of equal indices."""
    (ours, plain) = (results[name] for name in METHODS)
    errors = [np.abs(ours[c][1] / plain[c][1] - 1).max() for c in CRITERIA]
    same = [np.mean(ours[c][0] == plain[c][0]) for c in CRITERIA]
    return max(errors), np.mean(same)


def report(case, medians, gemm_rate, memory):
    """Return the case's rows of the table."""
    flops = case.flops()
    flops["total"] = flops["fit"] + flops["explain"]
    lines = []
    for step, needed in flops.items():
        ours, plain = (
            sum(steps.values()) if step == "total" else steps[step]
            for steps in (medians[name] for name in METHODS)
        )
        share = needed / gemm_rate
        lines.append(
            f"| {case.name} | {step}, s | {ours:.3f} | {plain:.3f} | {ours / plain:.2f} "
            f"| {needed / 1e9:.1f} | {share / ours:.0%} | {share / plain:.0%} |"
        )
    ours, plain = (memory[name] for name in METHODS)
    lines.append(
        f"| {case.name} | memory, MB | {ours:.0f} | {plain:.0f} | {ours / plain:.2f} | | | |"
    )
    return lines


def main():
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root, str(number)) for number in range(len(CASES))]
        for case, folder in zip(CASES, folders, strict=True):
            folder.mkdir()
            in_child(prepare, case, folder)
        # Before this process grows: a child's ru_maxrss starts from the size of its parent.
        memories = [memory_above_data(folder) for folder in folders]
        rows, notes = [], []
        for case, folder, memory in zip(CASES, folders, memories, strict=True):
            medians, gemm_rate, results = measure(folder)
            error, same = disagreement(results)
            rows += report(case, medians, gemm_rate, memory)
            notes.append(
                f"{case.name}: {case.n_rows:,} x {case.n_columns}, {case.n_queries:,} queries; "
                f"gemm {gemm_rate / 1e9:.1f} GFLOP/s; largest relative difference of the scores "
                f"{error:.1e}, same rows {same:.2%}."
            )
    print("| case | measured | sklearn_relatif | plain NumPy | ratio | GFLOP needed ", end="")
    print("| of gemm rate | plain, of gemm rate |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    print(*rows, "", *notes, sep="\n")


if __name__ == "__main__":
    main()
