"""skglm, against its own refits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter
from tests.catalogue import DATA

skglm = pytest.importorskip("skglm")
from skglm import datafits, penalties, solvers  # noqa: E402 (of skglm)

pytestmark = pytest.mark.filterwarnings("ignore:.*is faster on contiguous arrays")
TIGHT = {"tol": 1e-12, "max_iter": 1000}
MODELS = {
    "Lasso": (skglm.Lasso(alpha=0.1, **TIGHT), "number"),
    "Lasso, no intercept": (skglm.Lasso(alpha=0.1, fit_intercept=False, **TIGHT), "number"),
    "WeightedLasso": (
        skglm.WeightedLasso(alpha=0.1, weights=np.array([1.0, 2.0, 0.5, 3.0]), **TIGHT),
        "number",
    ),
    "ElasticNet": (skglm.ElasticNet(alpha=0.1, l1_ratio=0.4, **TIGHT), "number"),
    "SparseLogisticRegression": (
        skglm.SparseLogisticRegression(alpha=0.02, l1_ratio=0.7, **TIGHT),
        "binary",
    ),
}


def generic(datafit, penalty, **params):
    solver = solvers.ProxNewton(tol=1e-12, max_iter=1000, **params)
    return skglm.GeneralizedLinearEstimator(datafit, penalty, solver)


GENERIC = {
    "quadratic": lambda: (
        skglm.GeneralizedLinearEstimator(
            datafits.Quadratic(), penalties.L1(0.1), solvers.AndersonCD(**TIGHT)
        ),
        "number",
    ),
    "Poisson": lambda: (generic(datafits.Poisson(), penalties.L1(0.05)), "count"),
    "Gamma": lambda: (generic(datafits.Gamma(), penalties.L1_plus_L2(0.05, 0.5)), "positive"),
    "Huber": lambda: (
        skglm.GeneralizedLinearEstimator(
            datafits.Huber(0.8), penalties.WeightedL1(0.1, np.ones(4)), solvers.AndersonCD(**TIGHT)
        ),
        "number",
    ),
    "Logistic": lambda: (generic(datafits.Logistic(), penalties.L1_plus_L2(0.02, 0.7)), "binary"),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_without_rows_are_refits_at_the_same_alpha(name):
    model, kind = MODELS[name]
    X, y, _, _ = DATA[kind]
    model = clone(model).fit(X, y)
    check_adapter(adapter_of(model), model, X, y, refits=1e-4)
    assert_refits(model, lambda X, y: clone(model).fit(X, y), kind)


@pytest.mark.parametrize("name", GENERIC)
def test_its_generic_estimator(name):
    model, kind = GENERIC[name]()
    X, y, _, _ = DATA[kind]
    assert_refits(model.fit(X, y), lambda X, y: GENERIC[name]()[0].fit(X, y), kind)


def assert_refits(model, fit, kind):
    X, y, X_new, _ = DATA[kind]
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < 1e-5
    rows = [7, 8, 9]
    (without,) = explainer.retrain_without([rows])
    refit = fit(np.delete(X, rows, 0), np.delete(y, rows))
    assert_allclose(without.coef_, refit.coef_, atol=1e-6)
    assert_allclose(without.predict(X_new), refit.predict(X_new), atol=1e-5)


def test_refusals():
    X, y, _, _ = DATA["number"]
    refused = [
        (skglm.Lasso(alpha=0.1, positive=True), "positive=True"),
        (skglm.MCPRegression(alpha=0.1), "MCPRegression cannot be explained"),
        (generic(datafits.Quadratic(), penalties.MCPenalty(0.1, 3.0)), "The penalty MCPenalty"),
    ]
    for model, message in refused:
        with pytest.raises((TypeError, ValueError), match=message):
            RelatIFExplainer.from_fitted(model.fit(X, y), X, y)
    X, y, _, _ = DATA["classes"]
    model = skglm.SparseLogisticRegression(alpha=0.02).fit(X, y)
    with pytest.raises(ValueError, match="OneVsRestClassifier"):
        RelatIFExplainer.from_fitted(model, X, y)
