"""Time and memory of the explainer against plain NumPy, on a fitted SVC with an RBF kernel.

Run ``python -m benchmarks.bench_svm``. The README of this folder says what is measured.
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.svm import SVC

from benchmarks._measure import (
    N_EXAMPLES,
    disagreement,
    in_child,
    largest,
    measure,
    memory_above_data,
    save,
)
from sklearn_relatif import RelatIFExplainer

N_ROWS, N_COLUMNS, N_QUERIES = 20_000, 20, 5_000
CRITERIA = ["influence", "loss_relative"]
REPETITIONS = 4  # even, so that each method goes first equally often


class Relatif:
    """The package."""

    def fit(self, model, X, y):
        self.explainer = RelatIFExplainer.from_fitted(model, X, y)

    def explain(self, X):
        explanations = self.explainer.explain(X, n_examples=N_EXAMPLES, criterion=CRITERIA)
        return {name: (e.indices, e.scores) for name, e in explanations.items()}


class QueryGram:
    """What one writes by hand: the kernel of all queries with all training rows in memory."""

    def fit(self, model, X, y):
        self.model, self.X = model, X
        self.gamma = 1 / (X.shape[1] * X.var())
        self.signs = np.where(y == model.classes_[1], 1.0, -1.0)
        self.coefficients = np.zeros(len(X))
        self.coefficients[model.support_] = model.dual_coef_[0]
        self.strength = model.C * len(X)
        self.lengths = np.ones(len(X))  # K(x, x) = exp(0)

    def explain(self, X):
        K = rbf(X, self.X, self.gamma)
        predicted = np.where(self._decision_values(K) > 0, 1.0, -1.0)
        products = predicted[:, np.newaxis] * K * (self.signs * (self.coefficients != 0))
        return {
            "influence": largest(self.strength * products),
            "loss_relative": largest(np.sqrt(self.strength) * products / self.lengths),
        }

    def _decision_values(self, K):
        return K @ self.coefficients + self.model.intercept_[0]


class FullGram(QueryGram):
    """The same after the Gram matrix of the training rows, which gives what the package's fit does.

    That is: the lengths of the gradients, from any kernel's diagonal; the predictions of the
    training rows; and the check that the model is at its optimum.
    """

    def fit(self, model, X, y):
        super().fit(model, X, y)
        K = rbf(X, X, self.gamma)
        self.lengths = np.sqrt(np.diag(K))
        values = self._decision_values(K)
        self.predictions = model.classes_[(values > 0).astype(int)]
        gap = 1 - self.signs * values
        alpha = np.abs(self.coefficients)
        gap = np.where(alpha > 0, gap, np.maximum(gap, 0))
        gap = np.where(alpha < model.C, gap, np.minimum(gap, 0))
        self.violation = np.sqrt(np.mean(gap**2))


METHODS = {"sklearn_relatif": Relatif, "query Gram": QueryGram, "full Gram": FullGram}


def rbf(A, B, gamma):
    """Return the RBF kernel of all rows of A with all rows of B."""
    K = A @ B.T
    K *= -2
    K += np.einsum("ij,ij->i", A, A)[:, np.newaxis]
    K += np.einsum("ij,ij->i", B, B)
    K *= -gamma
    return np.exp(K, out=K)


def prepare(folder):
    """Draw two classes with a curved border and label noise, fit the machine and save it all."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS + N_QUERIES, N_COLUMNS))
    score = X[:, :5] @ rng.normal(size=5) + (X[:, 5:10] ** 2 - 1).sum(axis=1)
    y = (score + rng.logistic(size=len(score)) > 0).astype(int)
    model = SVC(cache_size=1_000).fit(X[:N_ROWS], y[:N_ROWS])
    save(folder, model, X[:N_ROWS], y[:N_ROWS], X[N_ROWS:])
    return len(model.support_)


def main():
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        n_support = in_child(prepare, folder)
        memory = memory_above_data(folder, METHODS)
        medians, results = measure(folder, METHODS, REPETITIONS)
    table = {f"{step}, s": {n: medians[n][step] for n in METHODS} for step in ("fit", "explain")}
    table["total, s"] = {name: sum(medians[name].values()) for name in METHODS}
    print("| measured |", " | ".join(METHODS), "|")
    print("|---|" + "---:|" * len(METHODS))
    for title, values in table.items():
        print(f"| {title} |", " | ".join(f"{value:.2f}" for value in values.values()), "|")
    print("| memory, MB |", " | ".join(f"{value:.0f}" for value in memory.values()), "|")
    print(
        f"\n{N_ROWS:,} x {N_COLUMNS}, {n_support:,} support vectors, {N_QUERIES:,} queries, "
        f"{len(CRITERIA)} criteria."
    )
    ours, *others = results.values()
    for name, result in zip(list(METHODS)[1:], others, strict=True):
        error, same = disagreement(ours, result)
        print(
            f"Against {name}: largest relative difference of the scores {error:.1e}, same rows "
            f"{same:.2%}."
        )


if __name__ == "__main__":
    main()
