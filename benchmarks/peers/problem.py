"""The problem that all packages solve, in a file that needs nothing but NumPy.

scikit-learn is imported where it is used: not every package's environment has it.
"""

from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """A synthetic problem, and the packages that take part in it."""

    name: str
    n_rows: int
    n_columns: int
    n_classes: int
    n_queries: int
    C: float
    peers: tuple

    def small(self):
        """Return the same problem in a size that is solved at once."""
        return self._replace(n_rows=2_000, n_columns=self.n_columns // 10, n_queries=100)


class Problem(NamedTuple):
    """Rows with a column of ones appended, and the weights of a logistic regression without
    intercept: (n_classes, n_columns + 1), or (1, n_columns + 1) of two classes."""

    X: np.ndarray
    y: np.ndarray
    X_query: np.ndarray
    y_query: np.ndarray
    weights: np.ndarray
    C: np.ndarray

    @property
    def penalty(self):
        """The factor of ||weights||² / 2 beside the mean loss."""
        return float(1 / (self.C * len(self.X)))

    @property
    def is_binary(self):
        return len(self.weights) == 1

    def fitted_model(self):
        """Return the logistic regression, fitted."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=float(self.C), fit_intercept=False)
        model.coef_, model.intercept_ = self.weights, np.zeros(len(self.weights))
        model.classes_, model.n_features_in_ = np.unique(self.y), self.X.shape[1]
        return model


def prepare(case, path):
    """Draw the data, fit the model, and save both."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    X = rng.normal(size=(case.n_rows + case.n_queries, case.n_columns))
    eta = X @ rng.normal(size=(case.n_columns, case.n_classes)) / np.sqrt(case.n_columns)
    y = (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)  # drawn from the softmax of eta
    X = np.column_stack([X, np.ones(len(X))])
    X_train, y_train, X_query = X[: case.n_rows], y[: case.n_rows], X[case.n_rows :]
    # Newton's method where it is cheap: statsmodels, compared with this fit, fits to rounding.
    solver = "newton-cholesky" if case.n_classes == 2 else "lbfgs"
    model = LogisticRegression(
        C=case.C, fit_intercept=False, tol=1e-8, max_iter=10_000, solver=solver
    ).fit(X_train, y_train)
    y_query = model.predict(X_query)
    problem = Problem(X_train, y_train, X_query, y_query, model.coef_, np.float64(case.C))
    np.savez(path, **problem._asdict())


class RegressionProblem(NamedTuple):
    """Rows with a target each, and the names and parameters of a regression that is fast to fit."""

    X: np.ndarray
    y: np.ndarray
    X_query: np.ndarray
    y_query: np.ndarray
    module: str
    kind: str
    alpha: np.ndarray
    kernel: str = ""

    def fitted_model(self):
        """Return the regression, fitted."""
        from importlib import import_module

        kind = getattr(import_module(str(self.module)), str(self.kind))
        kernel = {"kernel": str(self.kernel)} if str(self.kernel) else {}
        return kind(alpha=float(self.alpha), **kernel).fit(self.X, self.y)


class NetworkProblem(NamedTuple):
    """Rows of a network, features or pictures, and its parameters as one vector.

    These are as PyTorch has them: layer by layer, weights and then biases. ``widths`` are those of
    the hidden layers. No layer is penalised;
    the second derivatives of the mean loss are damped by a multiple of the identity, which is
    what all packages can do. ``parameters`` are those explained: "all" or "last_layer".
    """

    X: np.ndarray
    y: np.ndarray
    X_query: np.ndarray
    y_query: np.ndarray
    weights: np.ndarray
    widths: np.ndarray
    parameters: str
    damping: np.ndarray


KINDS = {"alpha": RegressionProblem, "widths": NetworkProblem, "C": Problem}


def load(path):
    """Return the problem in a file, by a field that only its kind has."""
    with np.load(path) as arrays:
        kind = next(kind for field, kind in KINDS.items() if field in arrays)
        return kind(**arrays)
