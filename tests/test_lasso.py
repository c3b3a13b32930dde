"""Least squares with an L1 penalty, against scikit-learn's own refits at the same alpha."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
)

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter

N_ROWS = 60
TIGHT = {"tol": 1e-14, "max_iter": 100_000}


@pytest.fixture(scope="module")
def data():
    """Of which the models below hold some features at zero, and not the same without each row."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, 9)) * np.linspace(0.5, 3, 9) + 1
    y = X[:, :3] @ [1.0, -2.0, 0.5] + rng.normal(size=N_ROWS) + 2
    return X, y, rng.uniform(0.3, 2, N_ROWS)


def two_targets(X, y):
    return np.column_stack([y, X[:, 4] + np.sin(9 * X[:, 0])])


def fitted(model, X, y, weight=None):
    given = {} if weight is None else {"sample_weight": weight}
    return clone(model).fit(X, y, **given)


MODELS = {
    "lasso": Lasso(0.1, **TIGHT),
    "no intercept": Lasso(0.1, fit_intercept=False, **TIGHT),
    "elastic net": ElasticNet(0.2, l1_ratio=0.4, **TIGHT),
    "lars": LassoLars(0.1),
}


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_leave_one_out_is_that_of_refits(data, name, is_weighted, n_targets):
    X, y, weight = data
    if is_weighted and name == "lars":
        pytest.skip("It takes no weights.")
    y, weight = y if n_targets == 1 else two_targets(X, y), weight if is_weighted else None
    model = fitted(MODELS[name], X, y, weight)
    check_adapter(adapter_of(model), model, X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    removals = [*np.arange(0, N_ROWS, 2)[:, None], np.arange(10, 30)]
    n_changes, steps = 0, explainer.removal_effect(X[:5], y[:5], order="newton")
    error = np.sum(np.reshape(model.predict(X[:5]) - y[:5], (5, -1)) ** 2, axis=1) / 2
    for rows, without in zip(removals, explainer.retrain_without(removals), strict=True):
        kept = np.delete(np.arange(N_ROWS), rows)
        refit = fitted(model, X[kept], y[kept], None if weight is None else weight[kept])
        assert_allclose(without.predict(X), refit.predict(X), rtol=0, atol=1e-8)
        if np.any(np.sign(refit.coef_) != np.sign(model.coef_)):
            n_changes += 1
        elif len(rows) == 1:  # With the active set that it has, it is least squares.
            change = np.sum(np.reshape(refit.predict(X[:5]) - y[:5], (5, -1)) ** 2, axis=1) / 2
            assert_allclose(steps[:, rows[0]], change - error, rtol=0, atol=1e-8)
    assert 0 < n_changes < len(removals) - 3


def test_first_order_is_the_derivative_of_fits(data):
    """In the weight of a row, at the alpha that its share of the penalty goes with."""
    X, y, weight = data
    model = fitted(MODELS["elastic net"], X, y, weight)
    effect = RelatIFExplainer.from_fitted(model, X, y, weight).removal_effect(X, y, order="first")
    for row in (3, 17):
        ends = []
        for side in (1e-4, -1e-4):
            moved = weight.copy()
            moved[row] *= 1 + side
            ends.append((fitted(model, X, y, moved).predict(X) - y) ** 2 / 2)
        expected = (ends[1] - ends[0]) / 2e-4
        assert_allclose(effect[:, row], expected, rtol=0, atol=1e-4 * np.abs(expected).max())


SEARCHES = [
    LassoCV(cv=3, **TIGHT),
    ElasticNetCV(cv=3, l1_ratio=[0.5, 0.8], **TIGHT),
    LassoLarsCV(cv=3),
    LassoLarsIC(),
]


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: type(search).__name__)
def test_a_searched_alpha_is_held(data, search):
    X, y, _ = data
    model = clone(search).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
    (without,) = RelatIFExplainer.from_fitted(model, X, y).retrain_without([[3, 8]])
    kept = np.delete(np.arange(N_ROWS), [3, 8])
    held = ElasticNet(model.alpha_, l1_ratio=getattr(model, "l1_ratio_", 1.0), **TIGHT)
    refit = held.fit(X[kept], y[kept])
    assert_allclose(without.predict(X), refit.predict(X), rtol=0, atol=1e-8)


def test_a_penalty_that_leaves_the_intercept(data):
    X, y, _ = data
    explainer = RelatIFExplainer(Lasso(100.0)).fit(X, y)
    (without,) = explainer.retrain_without([[3]])
    assert not without.coef_.any()
    assert_allclose(without.intercept_, np.delete(y, 3).mean())
    with pytest.raises(ValueError, match="holds every parameter of the model at zero"):
        RelatIFExplainer(Lasso(100.0, fit_intercept=False)).fit(X, y)


ON_SUPPORT = [
    OrthogonalMatchingPursuit(n_nonzero_coefs=3),
    OrthogonalMatchingPursuit(n_nonzero_coefs=3, fit_intercept=False),
    OrthogonalMatchingPursuitCV(cv=3),
    Lars(),
    Lars(fit_path=False),
]


@pytest.mark.parametrize("model", ON_SUPPORT, ids=repr)
def test_least_squares_on_the_features_that_were_chosen(data, model):
    X, y, _ = data
    model = clone(model).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    support, kept = np.flatnonzero(model.coef_), np.delete(np.arange(N_ROWS), [3, 8])
    held = LinearRegression(fit_intercept=model.fit_intercept)
    refit = held.fit(X[np.ix_(kept, support)], y[kept])
    (without,) = explainer.retrain_without([[3, 8]])
    expected = refit.predict(X[:, support])
    assert_allclose(without.predict(X).ravel(), expected, rtol=0, atol=1e-9)
    groups = np.where(np.isin(np.arange(N_ROWS), [3, 8]), 0.0, np.nan)
    step = -explainer.removal_effect(X, groups=groups, order="newton")[:, 0]
    assert_allclose(step, expected - model.predict(X).ravel(), rtol=0, atol=1e-9)


def test_each_target_has_a_support_of_its_own(data):
    X, y, _ = data
    y = two_targets(X, y)
    model = OrthogonalMatchingPursuit(n_nonzero_coefs=2).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
    (without,) = RelatIFExplainer.from_fitted(model, X, y).retrain_without([0])
    assert ((without.coef_ != 0) == (model.coef_ != 0)).all()
    for target, coef, found in zip(y.T, model.coef_, without.predict(X).T, strict=True):
        refit = LinearRegression().fit(X[1:, coef != 0], target[1:])
        assert_allclose(found, refit.predict(X[:, coef != 0]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", [Lars(n_nonzero_coefs=2), LarsCV(cv=3)], ids=repr)
def test_a_lars_path_that_has_not_come_to_its_end_is_refused(model):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N_ROWS, 9))
    with pytest.raises(ValueError, match="stopped on its path before least squares"):
        RelatIFExplainer(model).fit(X, X[:, 0] + rng.normal(size=N_ROWS))
