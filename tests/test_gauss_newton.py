"""Objectives of models that are not linear in their parameters, by their tangents."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import least_squares
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import validate_data

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import Adapter, _registry, reduce_estimator, register
from sklearn_relatif.criteria import leverages
from sklearn_relatif.curvature import build_curvature, prepare_curvature
from sklearn_relatif.jacobians import FiniteJacobian
from sklearn_relatif.losses import MultinomialLogLoss, SquaredError
from sklearn_relatif.objectives import GaussNewtonObjective, _gauss_newton
from sklearn_relatif.optimality import distance_to_optimum
from sklearn_relatif.removal import remover_of
from sklearn_relatif.serving import ExplanationIndex
from sklearn_relatif.testing import check_adapter, check_curvature, check_objective
from tests import cases

EXACT = 1e-10


class Products(FiniteJacobian):
    """Of ``eta_k = (x u) * (x v_k)``, whose parameters are ``[u, v_1, ..., v_K]``."""

    def __init__(self, X, weights):
        self.X, self.weights = X, weights
        self.n_rows, self.dtype, self.n_params = len(X), X.dtype, weights.size

    def sides(self, vectors, rows):
        """Each vector's ``x u``, shape (n, m, 1), and ``x v_k``, shape (n, m, n_outputs)."""
        tables = vectors.reshape(len(vectors), -1, self.X.shape[1])
        products = np.einsum("nd,mkd->nmk", self.X[rows], tables)
        return products[..., :1], products[..., 1:]

    def predictor(self, weights, rows=slice(None)):
        u, v = self.sides(weights, rows)
        return (u * v)[:, 0]

    def apply(self, vectors, rows=slice(None)):
        (u, v), (du, dv) = self.sides(self.weights, rows), self.sides(vectors, rows)
        return du * v + u * dv

    def gradients(self, residual, rows):
        u, v = self.sides(self.weights, rows)
        pull = np.hstack([(residual * v[:, 0]).sum(axis=1, keepdims=True), u[:, 0] * residual])
        return (pull[:, :, None] * self.X[rows][:, None]).reshape(len(residual), -1)

    def at(self, X):
        return Products(X, self.weights)

    def __getitem__(self, rows):
        return self.at(self.X[rows])


def softmax_of_products(n_rows=80):
    X, y = cases.noisy_classes(3, n_rows)
    weights = np.random.default_rng(1).normal(size=(1, 4 * X.shape[1]))
    return GaussNewtonObjective(
        MultinomialLogLoss(3, use_contrasts=False),
        weights,
        Products(X, weights),
        y,
        cases.weights_with_zeros(n_rows),
        np.linspace(0.5, 2, weights.size)[None],
    )


def test_an_objective_of_tangents():
    objective = softmax_of_products()
    check_objective(objective, cases.noisy_classes(3, 20, seed=1)[0])
    for kind in ("hessian", "fisher", "empirical_fisher", "identity"):
        prepared = prepare_curvature(objective, kind, 0.1)
        check_curvature(prepared.curvature, prepared.objective, kind, 0.1)


@pytest.mark.parametrize(("scale", "most"), [(1, 2.5), (6, 1.5)])
def test_only_roots_that_rounding_leaves_are_summed(scale, most, monkeypatch):
    """Of three outputs: one is a gauge, and sure predictions have next to no second derivative."""
    objective = softmax_of_products()
    weights = scale * objective.weights
    jacobian = Products(objective.jacobian.X, weights)
    objective = replace(objective, weights=weights, jacobian=jacobian)
    summed, add_outer = [], _gauss_newton.add_outer

    def add(matrix, rows, sign):
        summed.append(len(rows))
        add_outer(matrix, rows, sign)

    monkeypatch.setattr(_gauss_newton, "add_outer", add)
    matrix = objective.gauss_newton()[0]
    assert 0 < sum(summed) <= most * np.count_nonzero(objective.sample_weight)
    rows = slice(None)
    J = np.stack([jacobian.gradients(np.tile(e, (objective.n_rows, 1)), rows) for e in np.eye(3)])
    inner = objective.weighted_second_derivative(rows)
    expected = np.einsum("knp,nkl,lnq->pq", J, inner, J) + np.diag(objective.penalty[0])
    assert_allclose(matrix * objective.total_weight, expected, atol=1e-13 * np.abs(expected).max())


class OneSided(Products):
    def apply(self, vectors, rows=slice(None)):
        (u, _), (_, dv) = self.sides(self.weights, rows), self.sides(vectors, rows)
        return u * dv


class Halved(Products):
    def gradients(self, residual, rows):
        return super().gradients(residual, rows) / 2


class Elsewhere(Products):
    def at(self, X):
        return Products(X + 1, self.weights)

    def __getitem__(self, rows):
        return Products(self.X[rows], self.weights)


class Shuffled(Products):
    def __getitem__(self, rows):
        return self.at(self.X[rows][::-1])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (OneSided, "apply is the derivative of the predictor"),
        (Halved, "gradients are J"),
        (Shuffled, "apply is the same for some of the rows"),
    ],
)
def test_broken_jacobians(kind, text):
    objective = softmax_of_products()
    broken = replace(objective, jacobian=kind(objective.jacobian.X, objective.weights))
    with pytest.raises(AssertionError, match=f"Broken promise: {text}"):
        check_objective(broken, objective.jacobian.X[:20])


def test_a_jacobian_that_maps_other_rows_wrongly(product):
    class Misled(ProductAdapter):
        def reduce(self, model, X, y, sample_weight):
            objective = super().reduce(model, X, y, sample_weight)
            return replace(objective, jacobian=Elsewhere(X, objective.weights))

    with pytest.raises(AssertionError, match="the objective predicts what the model does"):
        check_adapter(Misled(), *product)


@pytest.mark.parametrize("kind", ["hessian", "fisher", "empirical_fisher"])
def test_the_tangent_of_a_linear_model_is_the_model(kind):
    X, y = cases.noisy_classes(2)
    weight = cases.weights_with_zeros(len(y))
    model = LogisticRegression(C=0.5, tol=1e-8).fit(X, y, weight)
    linear = reduce_estimator(model, X, y, weight)
    given = (getattr(linear, name) for name in ("loss", "weights", "jacobian", "y"))
    tangent = GaussNewtonObjective(*given, weight, linear.penalty)
    assert_allclose(getattr(tangent, kind)(), getattr(linear, kind)(), atol=1e-14)
    assert_allclose(tangent.gradient(), linear.gradient(), atol=1e-14)
    curvatures = [build_curvature(objective, kind, 0.01) for objective in (tangent, linear)]
    found = [leverages(*pair) for pair in zip((tangent, linear), curvatures, strict=True)]
    assert_allclose(*found, atol=1e-14)
    distances = [
        distance_to_optimum(o, prepare_curvature(o, kind, 0.01), kind, 0.01)
        for o in (tangent, linear)
    ]
    assert_allclose(*distances, rtol=1e-6)


class ProductRegressor(RegressorMixin, BaseEstimator):
    """The product of two linear functions, by least squares with a penalty."""

    def fit(self, X, y):
        X = validate_data(self, X)

        def residuals(weights):
            return np.append(Products(X, weights[None]).predictor(weights[None])[:, 0] - y, weights)

        start = np.random.default_rng(0).normal(size=2 * X.shape[1])
        self.weights_ = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15).x
        return self

    def predict(self, X):
        return Products(X, self.weights_[None]).predictor(self.weights_[None])[:, 0]


class ProductAdapter(Adapter):
    def reduce(self, model, X, y, sample_weight):
        weights = model.weights_[None]
        given = SquaredError(), weights, Products(X, weights), y, sample_weight
        return GaussNewtonObjective(*given, np.ones(weights.shape))

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        return [
            clone(model).fit(np.delete(X, rows, axis=0), np.delete(y, rows)) for rows in removals
        ]


@pytest.fixture
def product(monkeypatch):
    """A fitted model with its rows, which can be explained for as long as a test runs."""
    monkeypatch.setattr(_registry, "_adapters", dict(_registry._adapters))
    register("tests.ProductRegressor", ProductAdapter())
    X, _ = cases.noisy_classes(2)
    y = (X @ [1, -1, 0.5, 0]) * (X @ [0, 1, 1, 0.5]) + np.random.default_rng(0).normal(size=len(X))
    return ProductRegressor().fit(X, y), X, y


def test_what_tangents_tell(product):
    model, X, y = product
    check_adapter(ProductAdapter(), model, X, y)
    explainer = RelatIFExplainer(model, damping=1e-3).fit(X, y)
    assert explainer.distance_to_optimum_ < 1e-6
    scores = explainer.pairwise_influence(X[:5], y[:5], criterion="influence")
    gradients = Products(X, model.weights_[None]).gradients(
        (model.predict(X) - y)[:, None], slice(None)
    )
    jacobian = Products(X, model.weights_[None]).gradients(np.ones((len(X), 1)), slice(None))
    matrix = (jacobian.T @ jacobian + np.eye(8)) / len(X) + 1e-3 * np.eye(8)
    solved = np.linalg.solve(matrix, gradients.T)
    assert_allclose(scores, gradients[:5] @ solved, atol=EXACT)
    own = np.einsum("ij,ji->i", gradients, solved)
    assert_allclose(explainer.self_influence_, own, atol=EXACT)
    leverage = np.einsum("ij,ji->i", jacobian, np.linalg.solve(matrix, jacobian.T)) / len(X)
    assert_allclose(explainer.leverage_, leverage, atol=EXACT)
    embedded = explainer.transform(X[:5]) @ explainer.transform(X, y).T
    assert_allclose(
        embedded, explainer.pairwise_influence(X[:5], criterion="influence"), atol=EXACT
    )
    found = ExplanationIndex(explainer).explain(X[:5], n_examples=3)
    assert_array_equal(found.indices, explainer.explain(X[:5], n_examples=3).indices)
    effect = explainer.removal_effect(X[:5], y[:5], order="first")
    assert_allclose(effect, scores / len(X), atol=EXACT)
    (without,) = explainer.retrain_without([[3, 4]])
    refit = clone(model).fit(np.delete(X, [3, 4], axis=0), np.delete(y, [3, 4]))
    assert_allclose(without.weights_, refit.weights_, atol=1e-6)


def test_what_tangents_do_not_tell(product):
    model, X, y = product
    explainer = RelatIFExplainer(model, damping=1e-3).fit(X, y)
    for asked in (
        lambda: explainer.removal_effect(X[:5], y[:5]),
        lambda: explainer.removal_effect(X[:5], y[:5], order="retrain"),
        lambda: explainer.score(X[:5], y[:5]),
        lambda: explainer.removal_statistics([3], X[:5], y[:5]),
    ):
        with pytest.raises(ValueError, match=r"not linear in its parameters.*order='first'"):
            asked()
    with pytest.raises(ValueError, match="for models that are linear in their parameters"):
        explainer.compact()
    for solver, why in {"kfac": "not known to be dense", "woodbury": "linear in their"}.items():
        with pytest.raises(ValueError, match=f"solver='{solver}' cannot be used, because .*{why}"):
            RelatIFExplainer(model, solver=solver, damping=1e-3).fit(X, y)
    unpenalised = softmax_of_products()
    unpenalised = replace(unpenalised, penalty=0 * unpenalised.penalty)
    with pytest.raises(ValueError, match=r"not positive definite.*damping=1e-3"):
        build_curvature(unpenalised, "hessian", 0.0)
    with pytest.raises(ValueError, match="not linear in its parameters"):
        remover_of(softmax_of_products())
