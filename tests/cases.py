"""Data sets and models that several test modules share."""

import numpy as np
import pytest
import sklearn
from scipy import sparse
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sklearn_relatif.adapters._head import ClassifierHead
from sklearn_relatif.jacobians import LinearJacobian
from sklearn_relatif.losses import Loss
from sklearn_relatif.objectives import LinearObjective
from tests import reference

CRITERIA = ("influence", "theta_relative", "loss_relative")
#: scikit-learn before 1.8 chooses between softmax and one-vs-rest by `multi_class`.
HAS_MULTI_CLASS = hasattr(LogisticRegression(), "multi_class")
#: scikit-learn before 1.7 balances classes by their numbers of rows, whatever their weights.
BALANCES_BY_WEIGHT = tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 7)
#: What scikit-learn 1.8.0 says to C=inf, which is how it wants to be asked for no penalty.
ignore_warning_about_no_penalty = pytest.mark.filterwarnings(
    "ignore:Setting penalty=None will ignore the C"
)


def standardised(loader):
    X, y = loader(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def breast_cancer():
    return standardised(load_breast_cancer)


def wine():
    return standardised(load_wine)


def digits(n_rows=None):
    """Handwritten digits; three of the 64 columns are constant."""
    X, y = standardised(load_digits)
    return X[:n_rows], y[:n_rows]


def text(n_documents=160, n_words=120, seed=0):
    """TF-IDF of documents of three topics, each of which prefers a third of the words."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n_documents)
    popularity = 1 / np.arange(1, n_words + 1)
    documents = []
    for topic in y:
        preferred = np.where(np.arange(n_words) % 3 == topic, 3.0, 1.0) * popularity
        words = rng.choice(n_words, size=25, p=preferred / preferred.sum())
        documents.append(" ".join(f"word{word}" for word in words))
    return sparse.csr_matrix(TfidfVectorizer().fit_transform(documents)), y


def noisy_classes(n_classes, n_rows=150, n_features=4, seed=0):
    """Rows whose classes overlap, so that a model without penalty exists."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features))
    scores = X @ rng.normal(size=(n_features, n_classes)) + rng.gumbel(size=(n_rows, n_classes))
    return X, (scores + np.linspace(0, 0.5, n_classes)).argmax(axis=1)


class Coupled(Loss):
    """Couples its outputs, and is no softmax: ``log(1 + exp(-c_y · eta)) + |eta|^2 / 20``."""

    n_outputs = 2
    couples_outputs = True
    has_fisher = True
    sides = np.array([[1.0, 0.5], [-1.0, 1.0], [0.2, -1.0]])

    def _sides(self, y, eta):
        return self.sides[y].astype(eta.dtype)

    def value(self, y, eta):
        margin = (self._sides(y, eta) * eta).sum(axis=1)
        return np.logaddexp(0, -margin) + (eta**2).sum(axis=1) / 20

    def residual(self, y, eta):
        sides = self._sides(y, eta)
        return eta / 10 - sides * expit(-(sides * eta).sum(axis=1, keepdims=True))

    def second_derivative(self, y, eta):
        sides = self._sides(y, eta)
        margin = (sides * eta).sum(axis=1)[:, None, None]
        outer = sides[:, :, None] * sides[:, None, :]
        return expit(margin) * expit(-margin) * outer + np.eye(2, dtype=eta.dtype) / 10

    def fisher_weight(self, eta):
        """With all labels as likely."""
        each = [self.residual(np.full(len(eta), k), eta) for k in range(3)]
        return np.mean([r[:, :, None] * r[:, None, :] for r in each], axis=0)

    def predict(self, eta):
        return (eta @ self.sides.T).argmax(axis=1)

    def lead(self, label, rival):
        return self.sides[label] - self.sides[rival]


def coupled(container=np.asarray, n_rows=150, n_features=5, penalty=2.0):
    """Objective of a loss that couples its outputs, somewhere off its optimum."""
    X, y = noisy_classes(3, n_rows, n_features)
    free = np.append(np.ones(n_features), 0.0)
    return LinearObjective(
        loss=Coupled(),
        weights=np.random.default_rng(1).normal(size=(2, n_features + 1)),
        jacobian=LinearJacobian(container(X), fit_intercept=True),
        y=y,
        sample_weight=weights_with_zeros(n_rows),
        penalty=penalty * np.array([free, free]),
    )


def weights_with_zeros(n_rows, seed=1):
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.3, 2.5, n_rows)
    weight[rng.choice(n_rows, n_rows // 10, replace=False)] = 0
    return weight


def parameters(model):
    """Coefficients of a fitted model, the intercept (if any) as the last column."""
    if not model.fit_intercept:
        return model.coef_
    return np.column_stack([model.coef_, model.intercept_])


def link_of(model):
    return "sigmoid" if len(model.coef_) == 1 else "softmax"


def brute_force(
    model,
    X,
    y,
    X_query,
    y_query,
    *,
    row_weight=None,
    strength=None,
    intercept_strength=0.0,
    active=None,
    **options,
):
    """Influence matrices of a fitted LogisticRegression by brute force.

    ``row_weight`` is the product of sample weight and class weight; ``strength`` the L2 penalty
    of the coefficients, 1/C unless told otherwise. ``y`` holds positions in ``classes_``.
    """
    X, X_query = (table.toarray() if sparse.issparse(table) else table for table in (X, X_query))
    penalty = np.full(X.shape[1], 1 / model.C if strength is None else strength)
    if model.fit_intercept:
        penalty = np.append(penalty, intercept_strength)
    return reference.influence_matrices(
        parameters(model),
        reference.design(X, model.fit_intercept),
        y,
        np.ones(len(y)) if row_weight is None else row_weight,
        penalty,
        reference.design(X_query, model.fit_intercept),
        y_query,
        link=link_of(model),
        active=active,
        **options,
    )


def relative_error(actual, expected):
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()


class TrainedHead(ClassifierHead):
    """A head that is given by its numbers, with what trains it elsewhere."""

    def fit(self, X, y, sample_weight=None):
        model = LogisticRegression(C=1 / self.l2, solver="newton-cholesky", tol=1e-10)
        model.fit(X, y, sample_weight)
        self.coef_, self.intercept_ = model.coef_, model.intercept_
        self.classes_, self.n_features_in_ = model.classes_, model.n_features_in_
        return self
