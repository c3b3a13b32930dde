"""Generalised linear models, and Huber's regression with its scale."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import linregress
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of, reduce_estimator
from sklearn_relatif.curvature import prepare_curvature
from sklearn_relatif.losses import LogLink, PoissonDeviance, TweedieDeviance
from sklearn_relatif.optimality import lacks_optimum
from sklearn_relatif.removal import newton_step, retrain
from sklearn_relatif.removal._downdate import _largest_share
from sklearn_relatif.testing import check_adapter
from tests import cases
from tests.catalogue.glm import closely

TIGHT = {"solver": "newton-cholesky", "tol": 1e-12, "max_iter": 1000}
LBFGS = {"tol": 1e-10, "max_iter": 1000}


def means(n_rows=120, n_features=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    return X, np.exp(0.5 + X @ np.resize([0.2, -0.35, 0.15, 0.0], n_features))


def targets(mean, power):
    """Of about the distribution that a power stands for."""
    rng = np.random.default_rng(1)
    if power <= 0:
        return mean + 0.7 * rng.normal(size=len(mean))
    if power == 1:
        return rng.poisson(mean).astype(float)
    gamma = rng.gamma(3, mean / 3)
    return np.where((power < 2) & (rng.random(len(mean)) < 0.3), 0.0, gamma)


def fitted(model, power, sample_weight=None):
    X, mean = means()
    y = targets(mean, power)
    return model.fit(X, y, sample_weight), X, y


# --- every power and link --------------------------------------------------------------------

CONVEX = [(0, "identity"), (1, "identity"), (1, "log"), (1.5, "log"), (2, "log")]
OTHERS = [(-1, "log"), (0, "log"), (0.5, "log"), (2.5, "log"), (3, "log"), (3, "identity")]


@pytest.mark.parametrize("power, link", CONVEX + OTHERS)
def test_powers_and_links(power, link):
    """The optimum, the predictions, and removals equal to refits, by scikit-learn itself."""
    weight = cases.weights_with_zeros(120)
    for alpha in (0.0, 0.1):
        options = LBFGS if power == 3 else TIGHT
        model = TweedieRegressor(power=power, link=link, alpha=alpha, **options)
        model, X, y = fitted(model, power, weight)
        check_adapter(adapter_of(model), model, X, y, weight, refits=1e-5)
        loss = reduce_estimator(model, X, y, weight).loss
        assert loss.is_convex == ((power, link) in CONVEX)


@pytest.mark.parametrize("power, link", OTHERS[:2] + OTHERS[4:5])
def test_rows_that_take_curvature_away(power, link):
    model, X, y = fitted(TweedieRegressor(power=power, link=link, alpha=0.05, **LBFGS), power)
    objective = reduce_estimator(model, X, y, np.ones(len(y)))
    assert (objective.loss.second_derivative(y, objective.training_predictor) < 0).any()
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    expected = explainer.pairwise_influence(X[:3])
    for solver in ("cg", "block_diagonal", "woodbury"):
        other = RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        assert_allclose(other.pairwise_influence(X[:3]), expected, rtol=1e-6, atol=1e-10)
    with pytest.raises(ValueError, match="the loss is not convex"):
        RelatIFExplainer.from_fitted(model, X, y, solver="kfac")
    RelatIFExplainer.from_fitted(model, X, y, solver="kfac", curvature="fisher")


def test_wide_sparse_rows_of_a_loss_that_is_not_convex_are_reduced_to_their_span():
    X, mean = means(40, 150)
    X[np.abs(X) < 1] = 0
    y = targets(mean**0.2, 0)
    model = TweedieRegressor(power=0, link="log", alpha=1.0, **TIGHT).fit(X, y)
    expected = RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X[:3])
    other = RelatIFExplainer.from_fitted(model, sparse.csr_matrix(X), y, solver="woodbury")
    assert_allclose(other.pairwise_influence(X[:3]), expected, rtol=1e-6, atol=1e-12)


def test_largest_share_of_curvature_that_rows_of_both_signs_have():
    rng = np.random.default_rng(0)
    inner = np.stack([np.diag(rng.normal(size=5)) for _ in range(8)])
    roots = rng.normal(size=(8, 5, 3))
    forms = roots @ roots.swapaxes(1, 2)
    expected = np.linalg.eigvals(inner @ forms).real.max(axis=1)
    assert_allclose(_largest_share(inner, forms), np.maximum(expected, 0), atol=1e-12)


def test_without_a_row_there_may_be_no_newton_step_and_still_an_optimum():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(9, 1))
    y = np.exp(X[:, 0]) + rng.normal(size=9)
    model = TweedieRegressor(power=0, link="log", alpha=0, **LBFGS).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    groups = np.where(np.arange(9) == 4, 1, None)
    with pytest.raises(ValueError, match=r"Without rows \[4\].*order='retrain'"):
        explainer.removal_effect(X, y, groups, order="newton")
    (without,) = explainer.retrain_without([4])
    refit = clone(model).fit(np.delete(X, 4, 0), np.delete(y, 4))
    assert_allclose(without.predict(X), refit.predict(X), rtol=1e-6)


# --- orders of removal -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [PoissonRegressor, GammaRegressor])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_models_without_rows_are_refits_at_the_same_alpha(kind, container):
    model, X, y = fitted(kind(alpha=0.3, **TIGHT), 1 if kind is PoissonRegressor else 2)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y)
    groups = [0, [3, 50, 51], np.arange(60)]
    for rows, found in zip(groups, explainer.retrain_without(groups), strict=True):
        refit = clone(model).fit(np.delete(X, rows, axis=0), np.delete(y, rows))
        assert_allclose(found.coef_, refit.coef_, atol=1e-9)
        assert_allclose(found.intercept_, refit.intercept_, atol=1e-9)
        assert np.ndim(found.intercept_) == 0
        assert_allclose(found.predict(X), refit.predict(X), rtol=1e-8)


def test_hessian_and_fisher_differ_where_the_link_is_not_canonical():
    for model, power, same in [(PoissonRegressor, 1, True), (GammaRegressor, 2, False)]:
        model, X, y = fitted(model(alpha=0.1, **TIGHT), power)
        hessian, fisher = (
            RelatIFExplainer.from_fitted(model, X, y, curvature=kind, damping=0.01)
            for kind in ("hessian", "fisher")
        )
        penalty = 0.1 * np.append(np.ones(4), 0)
        x = np.column_stack([X, np.ones(len(X))])
        mean = model.predict(X)
        bends = {"hessian": mean if same else y / mean, "fisher": mean if same else 1 + 0 * mean}
        slope = (mean - y if same else 1 - y / mean)[:, None] * x
        for explainer, kind, ridge in [(hessian, "hessian", penalty), (fisher, "fisher", 0)]:
            matrix = (x.T * bends[kind]) @ x / len(x) + np.diag(ridge + 0.01 * np.ones(5))
            expected = slope[:3] @ np.linalg.solve(matrix, slope.T)
            found = explainer.pairwise_influence(X[:3], y[:3], criterion="influence")
            assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def table(name, target, columns=None, step=1):
    data = getattr(sm.datasets, name).load_pandas().data.astype(float).iloc[::step]
    X = data.drop(columns=target) if columns is None else np.log(data[columns])
    return X.to_numpy(), data[target].to_numpy()


REAL = {
    "visits to a doctor": (PoissonRegressor, lambda: table("randhie", "mdvis", step=20)),
    "deaths of cancer": (PoissonRegressor, lambda: table("cancer", "cancer", ["population"])),
    "diabetes": (GammaRegressor, lambda: load_diabetes(return_X_y=True)),
    "murders": (GammaRegressor, lambda: table("statecrime", "murder")),
    "affairs": (TweedieRegressor, lambda: table("fair", "affairs", step=6)),
    "food": (TweedieRegressor, lambda: table("engel", "foodexp", ["income"])),
}


@pytest.mark.parametrize("name", REAL)
def test_newton_steps_come_close_to_refits_on_real_tables(name):
    kind, load = REAL[name]
    X, X_new, y, y_new = train_test_split(*load(), random_state=0)
    scaler = StandardScaler().fit(X)
    X, X_new = scaler.transform(X), scaler.transform(X_new)
    model = kind(alpha=0.01, **TIGHT)
    model = model.set_params(power=1.5) if kind is TweedieRegressor else model
    explainer = RelatIFExplainer(model).fit(X, y)
    strongest = np.argsort(-explainer.self_influence_)
    rows = np.append(strongest[:8], np.random.default_rng(0).choice(strongest[8:], 8, False))
    groups = np.full(len(y), None)
    groups[rows] = np.arange(16)
    value, link = adapter_of(model).loss(model).value, LogLink()

    def losses(model):
        eta = X_new @ model.coef_ + model.intercept_
        assert_allclose(model.predict(X_new), link.inverse(eta))
        return value(y_new, eta[:, None])

    refits = [clone(model).fit(np.delete(X, row, 0), np.delete(y, row)) for row in rows]
    truth = np.column_stack([losses(refit) for refit in refits])
    truth -= losses(explainer.estimator_)[:, None]
    newton = explainer.removal_effect(X_new, y_new, groups, order="newton")
    line = linregress(newton.ravel(), truth.ravel())
    assert abs(line.slope - 1) < 0.05
    assert line.rvalue > 0.99
    exact = explainer.removal_effect(X_new, y_new, groups, order="retrain")
    assert_allclose(exact, truth, atol=1e-7 * np.abs(truth).max())


# --- what has no place in a distribution -----------------------------------------------------


@pytest.mark.parametrize(
    "kind, value, domain",
    [(PoissonRegressor, -1.0, r"\[0, inf\)"), (GammaRegressor, 0.0, r"\(0, inf\)")],
)
def test_targets_outside_of_the_distribution_are_named(kind, value, domain):
    model, X, y = fitted(kind(**TIGHT), 2)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    message = rf"y contains {value:g}, and the distribution of this {kind.__name__} .* {domain}"
    with pytest.raises(ValueError, match=message):
        explainer.explain(X[:2], [1.0, value])
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, np.append(value, y[1:]))


def test_means_outside_of_the_distribution_are_refused():
    X, y = np.linspace(0, 1, 30)[:, None], np.linspace(1, 4, 30) + np.resize([0.2, -0.2], 30)
    model = TweedieRegressor(power=1, link="identity", alpha=0, **TIGHT).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert model.predict([[-1.0]]) < 0
    with pytest.raises(ValueError, match=r"a mean outside of \(0, inf\) for 1 of 2 rows"):
        explainer.explain([[-1.0], [0.5]])
    effect = explainer.removal_effect([[-1.0], [0.5]], [1.0, 1.0])
    assert np.isnan(effect[0]).all() and np.isfinite(effect[1]).all()
    model.intercept_ -= 2
    with pytest.raises(ValueError, match=r"gives \d+ of its training rows a mean"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_rows_of_target_zero_that_a_direction_tells_apart_have_no_optimum():
    X, mean = means(60, 2)
    y = targets(mean, 1)
    X[:, 1] = np.arange(60) < 6
    y[:6] = [1, 0, 0, 0, 0, 0]
    model = PoissonRegressor(alpha=0, **TIGHT).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    with pytest.warns(ConvergenceWarning, match=r"rows \[0\].*no optimum.*counts"):
        explainer.retrain_without([0])
    y[0] = 0
    model = PoissonRegressor(alpha=0, **LBFGS).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="There is no optimum within reach"):
        assert RelatIFExplainer.from_fitted(model, X, y).distance_to_optimum_ == np.inf
    model = PoissonRegressor(alpha=1e-3, **TIGHT).fit(X, y)
    RelatIFExplainer.from_fitted(model, X, y).retrain_without([0])


def test_only_zeros_have_no_optimum_with_a_free_intercept():
    X, _ = means(20)
    for y, expected in [(np.zeros(20), True), (np.ones(20), False), (np.arange(20.0), False)]:
        model = PoissonRegressor(alpha=1.0).fit(X, np.ones(20))
        assert lacks_optimum(reduce_estimator(model, X, y, np.ones(20))) == expected
    assert not TweedieDeviance(2, LogLink()).endless_margins()
    assert_array_equal(
        PoissonDeviance(LogLink()).margin_classes(np.array([0.0, 0.5, 3])), [0, 1, 1]
    )


# --- Huber's regression ----------------------------------------------------------------------


def with_outliers(n_rows=120):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 4))
    return X, X @ [1.0, -1.0, 2.0, 0.0] + rng.standard_t(2, size=n_rows)


@pytest.mark.parametrize("params", [{"alpha": 0.5}, {"alpha": 0, "epsilon": 1.1}])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, np.float32])
def test_huber_without_rows(params, container):
    X, y = with_outliers()
    X, weight = container(X), cases.weights_with_zeros(len(y))
    model = closely(HuberRegressor(**params), X, y, weight)
    check_adapter(adapter_of(model), model, X, y, weight, refits=0.05)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < 1e-5
    for rows, found in zip([[1], [3, 4]], explainer.retrain_without([[1], [3, 4]]), strict=True):
        less = weight.copy()
        less[rows] = 0
        refit = closely(model, X, y, less)
        assert_allclose(found.coef_, refit.coef_, atol=1e-6)
        assert_allclose(found.scale_, refit.scale_, atol=1e-6)
        assert_allclose(found.predict(X), refit.predict(X), atol=1e-6)


def test_huber_without_an_intercept():
    X, y = with_outliers()
    model = HuberRegressor(alpha=0.5, fit_intercept=False, tol=1e-9, max_iter=1000).fit(X, y)
    check_adapter(adapter_of(model), model, X, y, refits=0.05)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    (without,) = explainer.retrain_without([[3, 4]])
    refit = clone(model).fit(np.delete(X, [3, 4], 0), np.delete(y, [3, 4]))
    assert without.intercept_ == 0
    assert_allclose(without.coef_, refit.coef_, atol=1e-3 * np.abs(refit.coef_ - model.coef_).max())


def test_huber_newton_steps_and_curvature_by_hand():
    X, y = with_outliers(40)
    model = closely(HuberRegressor(alpha=0.5), X, y)
    objective = reduce_estimator(model, X, y, np.ones(40))
    curvature = prepare_curvature(objective, "hessian", 0.0).curvature
    stepped = newton_step(objective, curvature, [[0]])[0]
    exact = retrain(objective, [[0]]).weights[0]
    assert_allclose(stepped[1, :4], 0)
    assert_allclose(stepped[:, -1], exact[:, -1], rtol=0.1)
    error, scale = y - model.predict(X), model.scale_
    inside = np.abs(error) <= 1.35 * scale
    x = np.column_stack([X, np.ones(40), error / scale]) * inside[:, None]
    ridge = np.diag([1.0] * 4 + [0, 0])
    expected = np.linalg.inv(2 / scale * x.T @ x / 40 + ridge / 40)
    active = np.flatnonzero(objective.mask.ravel())
    found = curvature.solve(np.eye(10)[active])[:, active]
    assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_huber_of_rows_that_are_fitted_exactly_has_no_scale():
    X, _ = with_outliers()
    y = X @ [1.0, -1.0, 2.0, 0.0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = HuberRegressor(alpha=0, max_iter=2000).fit(X, y)
    model.scale_ = 2e-15
    with pytest.raises(ValueError, match="HuberRegressor has found no scale"):
        RelatIFExplainer.from_fitted(model, X, y)
