"""Time and memory of the explainer against plain NumPy, on fitted logistic regressions.

Run ``python -m benchmarks.bench_explain``. The README of this folder says what is measured.
"""

import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import (
    N_EXAMPLES,
    disagreement,
    in_child,
    largest,
    measure,
    memory_above_data,
    save,
    seconds,
)
from sklearn_relatif import RelatIFExplainer

CRITERIA = ["influence", "theta_relative", "loss_relative"]
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
        gradients, factor = self.factorise(model, X, y)
        self.solved = cho_solve(factor, gradients.T)
        self.scales = {
            "theta_relative": np.linalg.norm(self.solved, axis=0),
            "loss_relative": np.sqrt(np.einsum("ip,pi->i", gradients, self.solved)),
        }

    def explain(self, X):
        """Return {criterion: (indices, scores)}, each (n_queries, N_EXAMPLES), best row first."""
        return {name: largest(scores) for name, scores in self.matrices(X)}

    def matrices(self, X):
        """Yield each criterion with its scores of all rows, (n_queries, n_rows)."""
        influence = self.query_gradients(X) @ self.solved
        yield "influence", influence
        for name, scale in self.scales.items():
            yield name, influence / scale

    def factorise(self, model, X, y):
        """Return the rows' gradients, (n_rows, n_parameters), and the Hessian's factor."""
        self.model = model
        self.contrasts = contrasts(len(model.classes_))
        probabilities = model.predict_proba(X)
        design = self._design(X)
        penalty = np.full(design.shape[1], 1 / model.C)
        if model.fit_intercept:
            penalty[-1] = 0.0
        gradients = self._gradients(design, probabilities, y)
        return gradients, cho_factor(self._hessian(design, probabilities, penalty), lower=True)

    def query_gradients(self, X):
        """Return the gradients of the predicted labels, (n_queries, n_parameters)."""
        probabilities = self.model.predict_proba(X)
        predicted = self.model.classes_[probabilities.argmax(axis=1)]
        return self._gradients(self._design(X), probabilities, predicted)

    def _design(self, X):
        return with_ones(X) if self.model.fit_intercept else X

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


class RelatifMatrix(Relatif):
    """The package, for all scores of one criterion."""

    def fit(self, model, X, y):
        self.explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="loss_relative")

    def explain(self, X):
        return self.explainer.pairwise_influence(X)


class PlainMatrix(PlainNumpy):
    """The plain version, for all scores of one criterion."""

    def fit(self, model, X, y):
        gradients, factor = self.factorise(model, X, y)
        self.solved = cho_solve(factor, gradients.T)
        self.scale = np.sqrt(np.einsum("ip,pi->i", gradients, self.solved))

    def explain(self, X):
        return self.query_gradients(X) @ self.solved / self.scale


METHODS = {"sklearn_relatif": Relatif, "plain NumPy": PlainNumpy}
MATRICES = {"sklearn_relatif": RelatifMatrix, "plain NumPy": PlainMatrix}


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


def prepare(case, folder):
    """Draw the data, fit the model and save both."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(case.n_rows + case.n_queries, case.n_columns))
    W = rng.normal(size=(case.n_columns, case.n_classes)) / np.sqrt(case.n_columns)
    eta = X @ W
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)  # drawn from the softmax of eta
    X_train, y_train, X_query = X[: case.n_rows], y[: case.n_rows], X[case.n_rows :]
    model = LogisticRegression(tol=1e-6, max_iter=1_000).fit(X_train, y_train)
    save(folder, model, X_train, y_train, X_query)


def measure_with_gemm(folder):
    """Return what `measure` does, and the gemm flops per second as the machine's speed."""
    square = np.random.default_rng(0).normal(size=(GEMM_SIZE, GEMM_SIZE))
    times = []
    medians, results = measure(
        folder, METHODS, REPETITIONS, lambda: times.append(seconds(np.matmul, square, square)[0])
    )
    return medians, results, 2 * GEMM_SIZE**3 / median(times[1:])


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


def report_matrices(case, folder):
    """Return the rows of the table for all scores of one criterion, and how far they differ."""
    medians, results = measure(folder, MATRICES, REPETITIONS)
    ours, plain = (results[name] for name in MATRICES)
    error = np.abs(ours - plain).max() / np.abs(plain).max()
    lines = []
    for title, steps in {"pairwise": ["explain"], "fit + pairwise": ["fit", "explain"]}.items():
        ours, plain = (sum(medians[name][step] for step in steps) for name in MATRICES)
        lines.append(
            f"| {case.name} | {title}, s | {ours:.3f} | {plain:.3f} | {ours / plain:.2f} | | | |"
        )
    return lines, error


def main():
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root, str(number)) for number in range(len(CASES))]
        for case, folder in zip(CASES, folders, strict=True):
            folder.mkdir()
            in_child(prepare, case, folder)
        memories = [memory_above_data(folder, METHODS) for folder in folders]
        rows, notes = [], []
        for case, folder, memory in zip(CASES, folders, memories, strict=True):
            medians, results, gemm_rate = measure_with_gemm(folder)
            error, same = disagreement(*(results[name] for name in METHODS))
            rows += report(case, medians, gemm_rate, memory)
            matrices, matrix_error = report_matrices(case, folder)
            rows += matrices
            notes.append(
                f"{case.name}: {case.n_rows:,} x {case.n_columns}, {case.n_queries:,} queries; "
                f"gemm {gemm_rate / 1e9:.1f} GFLOP/s; largest relative difference of the scores "
                f"{error:.1e}, same rows {same:.2%}; of all scores, relative to the largest, "
                f"{matrix_error:.1e}."
            )
    print("| case | measured | sklearn_relatif | plain NumPy | ratio | GFLOP needed ", end="")
    print("| of gemm rate | plain, of gemm rate |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    print(*rows, "", *notes, sep="\n")


if __name__ == "__main__":
    main()
