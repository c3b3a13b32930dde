"""glum, against its own refits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter
from tests import cases
from tests.catalogue import DATA

glum = pytest.importorskip("glum")
# It divides by the weights, of which some are zero.
pytestmark = pytest.mark.filterwarnings("ignore:divide by zero encountered in divide")


def regressor(**params):
    options = {"gradient_tol": 1e-10, "max_iter": 1000, "alpha": 0.05, **params}
    return glum.GeneralizedLinearRegressor(**options)


def shares(y):
    return (y - y.min()) / np.ptp(y)


MODELS = {
    "normal": (regressor(), "number"),
    "Poisson": (regressor(family="poisson"), "count"),
    "Poisson, L1": (regressor(family="poisson", l1_ratio=1, gradient_tol=1e-8), "count"),
    "gamma, elastic net": (regressor(family="gamma", l1_ratio=0.4, gradient_tol=1e-8), "positive"),
    "inverse Gaussian": (regressor(family="inverse.gaussian", link="log"), "positive"),
    "Tweedie": (regressor(family="tweedie (1.5)"), "count"),
    "binomial": (regressor(family="binomial", fit_intercept=False), "binary"),
    "binomial, cloglog": (regressor(family="binomial", link="cloglog"), "binary"),
    "gamma, canonical": (
        regressor(
            family="gamma", link=glum.TweedieLink(2), start_params=np.array([1.0, 0, 0, 0, 0])
        ),
        "positive",
    ),
    "negative binomial": (regressor(family="negative.binomial (0.7)"), "count"),
    "columns": (
        regressor(
            family="poisson",
            l1_ratio=0.5,
            P1=np.array([1.0, 2.0, 0.0, 0.5]),
            P2=np.array([0.0, 1.0, 3.0, 1.0]),
            gradient_tol=1e-8,
        ),
        "count",
    ),
    "no penalty": (regressor(family="gamma", alpha=0, link="log"), "positive"),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_without_rows_are_refits_at_the_same_alpha(name):
    model, kind = MODELS[name]
    X, y, X_new, _ = DATA[kind]
    y, weight = np.asarray(y, np.float64), cases.weights_with_zeros(len(y))
    model = clone(model).fit(X, y, weight)
    check_adapter(adapter_of(model), model, X, y, weight, refits=1e-4)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < 1e-5
    rows = [7, 8, 9]
    (without,) = explainer.retrain_without([rows])
    refit = clone(model).fit(np.delete(X, rows, 0), np.delete(y, rows), np.delete(weight, rows))
    assert_allclose(without.coef_, refit.coef_, atol=1e-6)
    assert_allclose(without.predict(X_new), refit.predict(X_new), rtol=1e-6)


def test_sparse_rows_and_single_precision():
    X, y, X_new, y_new = DATA["count"]
    model = regressor(family="poisson").fit(X, y)
    expected = RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X_new, y_new)
    for kind, tolerance in [(sparse.csr_matrix, 1e-8), (np.float32, 1e-3)]:
        found = RelatIFExplainer.from_fitted(model, kind(X), y).pairwise_influence(
            kind(X_new), y_new
        )
        assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def test_a_searched_penalty():
    X, y, _, _ = DATA["count"]
    model = glum.GeneralizedLinearRegressorCV(
        family="poisson", l1_ratio=[0, 0.5], gradient_tol=1e-10, n_alphas=5, cv=3
    ).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < 1e-5
    alone = regressor(family="poisson", alpha=model.alpha_, l1_ratio=model.l1_ratio_)
    refit = alone.fit(X[1:], y[1:])
    assert_allclose(explainer.retrain_without([[0]])[0].coef_, refit.coef_, atol=1e-6)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"lower_bounds": np.zeros(4)}, "lower_bounds"),
        ({"scale_predictors": True}, "StandardScaler"),
        ({"P2": np.eye(4)}, "couples coefficients"),
        ({"alpha_search": True, "alpha": None, "n_alphas": 3}, "alpha_search=True"),
        ({"family": "gaussian"}, None),
    ],
)
def test_refusals(params, message):
    X, y, _, _ = DATA["count"]
    model = regressor(**params)
    if message is None:
        RelatIFExplainer.from_fitted(model.fit(X, y), X, y)
        return
    model.fit(X, y)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, y)
