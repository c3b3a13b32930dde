"""Results of statsmodels, against its own refits and its own influence measures."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from statsmodels.genmod import families
from statsmodels.stats.outliers_influence import OLSInfluence

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import _registry, adapter_of, kept_data
from sklearn_relatif.adapters.extras._statsmodels import link_of
from sklearn_relatif.testing import check_adapter

links = families.links
pytestmark = pytest.mark.filterwarnings("ignore:The .* link function does not respect the domain")


def rows(n_rows=80):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=["a", "b", "c"])
    X.index = np.arange(n_rows) + 1000
    return sm.add_constant(X), 0.2 + X.to_numpy() @ [0.3, -0.2, 0.1]


def drawn(kind, line, mean=None):
    rng, mean = np.random.default_rng(1), np.exp(line) if mean is None else mean
    return {
        "real": lambda: line + rng.normal(size=len(line)) / 2,
        "count": lambda: rng.poisson(mean).astype(float),
        "positive": lambda: rng.gamma(3, mean / 3),
        "zeros": lambda: np.where(rng.random(len(line)) < 0.3, 0, rng.gamma(2, mean / 2)),
        "binary": lambda: (line + rng.logistic(size=len(line)) > 0).astype(float),
        "near one": lambda: 1 + rng.gamma(3, 1 / 3, size=len(line)) * 0.5,
    }[kind]()


#: Every family with its links, canonical or not, and the targets that it is fitted to.
GLMS = {
    "Gaussian": (families.Gaussian(), "real"),
    "Gaussian, log": (families.Gaussian(links.Log()), "positive"),
    "Poisson": (families.Poisson(), "count"),
    "Poisson, sqrt": (families.Poisson(links.Sqrt()), "count"),
    "Gamma, log": (families.Gamma(links.Log()), "positive"),
    "Gamma, inverse": (families.Gamma(), "near one"),
    "inverse Gaussian": (families.InverseGaussian(), "near one"),
    "inverse Gaussian, log": (families.InverseGaussian(links.Log()), "positive"),
    "Tweedie": (families.Tweedie(var_power=1.6), "zeros"),
    "Binomial": (families.Binomial(), "binary"),
    "Binomial, probit": (families.Binomial(links.Probit()), "binary"),
    "Binomial, cloglog": (families.Binomial(links.CLogLog()), "binary"),
    "Binomial, cauchy": (families.Binomial(links.Cauchy()), "binary"),
    "negative binomial": (families.NegativeBinomial(alpha=0.7), "count"),
}
TIGHT = {"tol": 1e-13, "maxiter": 1000}
VARIANTS = {
    "plain": lambda X: {},
    "weights": lambda X: {
        "freq_weights": np.resize([1.0, 2, 3], len(X)),
        "var_weights": np.resize([0.5, 1.5, 1, 2], len(X)),
    },
    "offset": lambda X: {"offset": np.sin(np.arange(len(X))) / 5},
}


def glm(name, variant="plain", kept=slice(None), as_frame=True):
    family, kind = GLMS[name]
    X, line = rows()
    options = {key: value[kept] for key, value in VARIANTS[variant](X).items()}
    X = X.iloc[kept] if as_frame else X.to_numpy()[kept]
    return sm.GLM(drawn(kind, line)[kept], X, family=family, **options).fit(**TIGHT)


SOME = ["Poisson", "Gamma, inverse", "Binomial, cauchy"]
CASES = [(name, "plain") for name in GLMS]
CASES += [(name, variant) for name in SOME for variant in ("weights", "offset")]


@pytest.mark.parametrize("name, variant", CASES)
def test_glm_without_rows_is_the_refit(name, variant):
    result = glm(name, variant)
    explainer = RelatIFExplainer.from_fitted(result)
    assert explainer.distance_to_optimum_ < 1e-6
    model = explainer.estimator_.estimator
    n_params = len(result.params)
    assert_allclose(model.coef_[:n_params], result.params)
    groups = [[0], [4, 5, 6]]
    for removed, found in zip(groups, explainer.retrain_without(groups), strict=True):
        refit = glm(name, variant, np.delete(np.arange(80), removed))
        assert_allclose(found.coef_[:n_params], refit.params, atol=1e-7)
    assert_allclose(model.predict(kept_data(result).X), result.fittedvalues, rtol=1e-8)


@pytest.mark.parametrize("name", SOME)
def test_adapter_of_glm(name):
    kept = kept_data(glm(name, "offset", as_frame=False))
    model = kept.estimator
    check_adapter(adapter_of(model), model, kept.X, kept.y, kept.sample_weight, refits=1e-4)


def test_derivatives_of_links():
    eta = np.linspace(0.2, 0.6, 5)
    kinds = [links.Identity, links.Log, links.Logit, links.Probit, links.CLogLog, links.LogLog]
    kinds += [links.Cauchy, links.Sqrt, links.InversePower, links.InverseSquared]
    for kind in [*kinds, lambda: links.Power(1.5), links.NegativeBinomial, links.LogC]:
        family, at = SimpleNamespace(link=kind()), -eta if kind is links.LogC else eta
        at = at - 1 if kind is links.NegativeBinomial else at
        link = link_of(family)
        assert_allclose(link.inverse(at), family.link.inverse(at), rtol=1e-12)
        for function, derivative in [(link.inverse, link.slope), (link.slope, link.bend)]:
            differences = (function(at + 1e-6) - function(at - 1e-6)) / 2e-6
            assert_allclose(derivative(at), differences, rtol=1e-6, atol=1e-7)


def test_influence_is_that_of_the_observed_information():
    """And with curvature="fisher" that of the expected one, as statsmodels has them."""
    result = glm("Gamma, log", "weights")
    X, model = result.model.exog, result.model
    slopes = -model.score_factor(result.params, scale=1.0)[:, None] * X
    slopes /= (model.iweights * model.n_trials)[:, None]
    for curvature, is_observed in [("hessian", True), ("fisher", False)]:
        matrix = -model.hessian(result.params, scale=1.0, observed=is_observed)
        expected = slopes[:3] @ np.linalg.solve(matrix, slopes.T) * model.iweights.sum()
        explainer = RelatIFExplainer.from_fitted(result, curvature=curvature)
        found = explainer.pairwise_influence(
            kept_data(result).X[:3], model.endog[:3], criterion="influence"
        )
        assert_allclose(found, expected, rtol=1e-8)


def test_newton_steps_are_those_of_its_glm_influence():
    result = glm("Poisson", as_frame=False)
    influence = result.get_influence(observed=True)
    explainer = RelatIFExplainer.from_fitted(result)
    assert_allclose(explainer.leverage_, influence.hat_matrix_diag, rtol=1e-8)
    effect = explainer.removal_effect(result.model.exog[:2], result.model.endog[:2])
    one = influence.params_one
    eta = result.model.exog[:2] @ one.T
    y = result.model.endog[:2, None]
    before = (result.fittedvalues - result.model.endog * np.log(result.fittedvalues))[:2]
    assert_allclose(effect, np.exp(eta) - y * eta - before[:, None], atol=1e-10)


@pytest.mark.parametrize("weights", [None, np.resize([1.0, 2.0, 0.5], 80)])
def test_least_squares(weights):
    X, line = rows()
    y = pd.Series(drawn("real", line), X.index)
    result = sm.OLS(y, X).fit() if weights is None else sm.WLS(y, X, weights=weights).fit()
    explainer = RelatIFExplainer.from_fitted(result)
    assert explainer.training_rows_.index[0] == 1000
    assert list(explainer.feature_names_in_) == ["const", "a", "b", "c"]
    (without,) = explainer.retrain_without([[3]])
    kept, weight = np.arange(80) != 3, np.ones(80) if weights is None else weights
    refit = sm.WLS(y[kept], X[kept], weights=weight[kept]).fit()
    assert_allclose(without.coef_, refit.params, atol=1e-12)
    assert_allclose(explainer.explain(X[:2]).targets, result.predict(X[:2]))
    if weights is None:  # statsmodels leaves a root of the weight out of the leverage.
        influence = OLSInfluence(result)
        assert_allclose(explainer.leverage_, influence.hat_matrix_diag, rtol=1e-8)
        assert_allclose(result.params - without.coef_, influence.dfbeta[3], atol=1e-10)


@pytest.mark.parametrize("kind", [sm.Logit, sm.Probit, sm.Poisson])
def test_discrete_models(kind):
    X, line = rows()
    y = drawn("count" if kind is sm.Poisson else "binary", line)
    options = {"disp": 0, "method": "newton", "tol": 1e-12}
    result = kind(y, X).fit(**options)
    explainer = RelatIFExplainer.from_fitted(result)
    assert explainer.distance_to_optimum_ < 1e-6
    kept = np.delete(np.arange(80), [4, 9])
    refit = kind(y[kept], X.iloc[kept]).fit(**options)
    (without,) = explainer.retrain_without([[4, 9]])
    assert_allclose(without.coef_, refit.params, atol=1e-8)
    assert_allclose(without.predict(X), refit.predict(X), rtol=1e-7)


def test_shares_of_trials_count_by_these():
    X, line = rows()
    n_trials = np.resize([1, 4, 9], 80)
    hits = np.random.default_rng(0).binomial(n_trials, stats.logistic.cdf(line))
    y = np.column_stack([hits, n_trials - hits])
    result = sm.GLM(y, X, family=families.Binomial()).fit(**TIGHT)
    explainer = RelatIFExplainer.from_fitted(result)
    assert explainer.distance_to_optimum_ < 1e-6
    refit = sm.GLM(y[1:], X[1:], family=families.Binomial()).fit(**TIGHT)
    assert_allclose(explainer.retrain_without([[0]])[0].coef_, refit.params, atol=1e-8)


def test_formulas_exposures_and_missing_rows():
    X, line = rows()
    data = X.assign(y=drawn("count", line), time=np.resize([1.0, 2.0, 5.0], 80))
    data.loc[1003, "b"] = np.nan
    options = {"family": families.Poisson(), "exposure": data["time"].drop(1003)}
    result = smf.glm("y ~ a * b", data.dropna(), **options).fit(**TIGHT)
    explainer = RelatIFExplainer.from_fitted(result)
    assert list(explainer.feature_names_in_) == ["Intercept", "a", "b", "a:b", "offset"]
    assert explainer.training_rows_.index[3] == 1004
    (without,) = explainer.retrain_without([[0]])
    options["exposure"] = options["exposure"].iloc[1:]
    refit = smf.glm("y ~ a * b", data.dropna().iloc[1:], **options).fit(**TIGHT)
    assert_allclose(without.coef_, [*refit.params, 1], atol=1e-8)


def test_the_estimator_that_stands_for_a_result_can_be_fitted_again():
    kept = kept_data(glm("Gamma, log", "offset"))
    again = clone(kept.estimator).fit(kept.X, kept.y)
    assert_allclose(again.coef_, kept.estimator.coef_, rtol=1e-8)
    explainer = RelatIFExplainer(clone(kept.estimator)).fit(kept.X, kept.y)
    assert explainer.distance_to_optimum_ < 1e-6


def test_refusals():
    X, line = rows()
    y = drawn("count", line)
    result = glm("Poisson")
    with pytest.raises(TypeError, match="keeps the rows that it was fitted on"):
        RelatIFExplainer.from_fitted(result, X, y)
    with pytest.raises(TypeError, match="X and y are missing: LinearRegression"):
        RelatIFExplainer.from_fitted(LinearRegression().fit(X, y))
    others = [
        sm.OLS(y, X).fit_regularized(alpha=0.1),
        sm.GLM(y, X, family=families.Poisson()).fit_regularized(alpha=0.1),
        sm.QuantReg(y, X).fit(),
        sm.GLS(y, X).fit(),
        sm.RLM(y, X).fit(),
        sm.Logit(y > 1, X).fit_regularized(alpha=0.1, disp=0),
    ]
    for other in others:
        with pytest.raises(TypeError, match=r"cannot be explained\. Of statsmodels"):
            RelatIFExplainer.from_fitted(other)
    constrained = sm.GLM(y, X, family=families.Poisson()).fit_constrained("a = 0.1")
    with pytest.raises(TypeError, match="fit_constrained"):
        RelatIFExplainer.from_fitted(constrained)
    result.remove_data()
    with pytest.raises(ValueError, match="remove_data"):
        RelatIFExplainer.from_fitted(result)

    class Other(families.Poisson):
        pass

    strange = sm.GLM(y, X, family=Other()).fit()
    with pytest.raises(ValueError, match="The family Other cannot be explained"):
        RelatIFExplainer.from_fitted(strange)


def test_adapters_are_found_where_none_are_registered(monkeypatch):
    monkeypatch.setattr(_registry, "_adapters", {})
    kept = kept_data(glm("Poisson"))
    assert adapter_of(kept.estimator).targets(kept.estimator).domain.low == 0
