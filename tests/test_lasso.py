"""Least squares with an L1 penalty, against scikit-learn's own refits at the same alpha."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
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
    MultiTaskElasticNet,
    MultiTaskLasso,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
)

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of, reduce_estimator
from sklearn_relatif.testing import check_adapter
from sklearn_relatif.testing._dense import DenseObjective

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
    "positive": Lasso(0.1, positive=True, **TIGHT),
    "positive elastic net": ElasticNet(0.2, l1_ratio=0.4, positive=True, **TIGHT),
    "positive lars": LassoLars(0.1, positive=True),
}


@pytest.mark.parametrize("n_targets", [1, 2])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_leave_one_out_is_that_of_refits(data, name, is_weighted, n_targets):
    X, y, weight = data
    if is_weighted and "lars" in name:
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
        # With bounds, a path of LARS can miss the optimum that coordinate descent finds.
        own = MODELS["positive"] if name == "positive lars" else model
        refit = fitted(own, X[kept], y[kept], None if weight is None else weight[kept])
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


@pytest.mark.parametrize(
    "model", [Lasso(0.05, **TIGHT), ElasticNet(0.1, positive=True, **TIGHT)], ids=str
)
def test_steps_that_end_at_zero_do_not_depend_on_the_means_of_features(data, model):
    """The intercept makes up for the coefficients that end there, as the others do."""
    X, y, _ = data
    effects = []
    for shift in (0, 100):
        explainer = RelatIFExplainer(clone(model)).fit(X + shift, y)
        effects.append(explainer.removal_effect(X[:5] + shift, y[:5], order="newton"))
    atol = 1e-6 * np.abs(effects[0]).max()
    assert_allclose(effects[1], effects[0], rtol=0, atol=atol)
    exact = explainer.removal_effect(X[:5] + shift, y[:5], order="retrain")
    assert np.corrcoef(effects[1].ravel(), exact.ravel())[0, 1] > 0.99


def test_steps_of_columns_that_repeat_others_end_at_zero_together():
    """One repeats another as it is, and one is a multiple that lies far from 0."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X, y = (X[:125] - X[:120].mean(axis=0)) / X[:120].std(axis=0), y[:125]
    X = np.column_stack([X, X[:, 0], 3 * X[:, 1] + 1e4])
    model = Lasso(2, **TIGHT).fit(X[:120], y[:120])
    groups = np.full(120, np.nan)
    groups[[3, 7, 11]] = 0
    explainer = RelatIFExplainer.from_fitted(model, X[:120], y[:120])
    step, exact = (
        explainer.removal_effect(X[120:], y[120:], groups, order=order)
        for order in ("newton", "retrain")
    )
    assert_allclose(step, exact, rtol=0, atol=1e-4 * np.abs(exact).max())


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


MULTI_TASK = {
    "lasso": MultiTaskLasso(0.3, **TIGHT),
    "no intercept": MultiTaskLasso(0.3, fit_intercept=False, **TIGHT),
    "elastic net": MultiTaskElasticNet(0.2, l1_ratio=0.4, **TIGHT),
    "intercept only": MultiTaskLasso(100.0, **TIGHT),
}


def half_squares(model, X, y):
    return ((model.predict(X) - y) ** 2).sum(axis=1) / 2


@pytest.mark.parametrize("name", MULTI_TASK)
def test_features_enter_for_all_targets_or_none(data, name):
    X, y, _ = data
    y = np.column_stack([two_targets(X, y), X[:, 1] - y])
    model = clone(MULTI_TASK[name]).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    removals = [*np.arange(0, N_ROWS, 2)[:, None], np.arange(10, 30)]
    first, retrain = (
        explainer.removal_effect(X[:9], y[:9], order=order) for order in ("first", "retrain")
    )
    assert np.corrcoef(first.ravel(), retrain.ravel())[0, 1] > 0.9
    n_changes = 0
    for rows, without in zip(removals, explainer.retrain_without(removals), strict=True):
        kept = np.delete(np.arange(N_ROWS), rows)
        refit = clone(model).fit(X[kept], y[kept])
        assert_allclose(without.predict(X), refit.predict(X), rtol=0, atol=1e-9)
        change = half_squares(refit, X[:9], y[:9]) - half_squares(model, X[:9], y[:9])
        if len(rows) > 1:
            continue
        assert_allclose(retrain[:, rows[0]], change, rtol=0, atol=1e-9)
        n_changes += np.any((refit.coef_ != 0) != (model.coef_ != 0))
    assert (n_changes == 0) == (name == "intercept only")


@pytest.mark.parametrize("name", MULTI_TASK)
def test_predictions_without_a_row_are_those_of_its_step(data, name):
    X, y, _ = data
    y = two_targets(X, y)
    explainer = RelatIFExplainer(MULTI_TASK[name]).fit(X, y)
    without = ((explainer.loo_predict() - y) ** 2).sum(axis=1) / 2
    change = np.diag(explainer.removal_effect(X, y, order="newton"))
    assert_allclose(without - half_squares(explainer, X, y), change, rtol=0, atol=1e-9)


@pytest.mark.parametrize("rows", [[3], np.arange(10, 30)], ids=["one", "some"])
@pytest.mark.parametrize("name", MULTI_TASK)
def test_a_step_has_the_hessian_without_the_rows(data, name, rows):
    X, y, _ = data
    y = two_targets(X, y)
    model = clone(MULTI_TASK[name]).fit(X, y)
    objective = reduce_estimator(model, X, y, np.ones(N_ROWS))
    dense = DenseObjective(objective)
    step = dense.step(dense.parameters, rows).reshape(objective.shape)
    groups = np.where(np.isin(np.arange(N_ROWS), rows), 0.0, np.nan)
    effect = RelatIFExplainer.from_fitted(model, X, y).removal_effect(
        X[:9], groups=groups, order="newton"
    )
    change = objective.jacobian[np.arange(9)].predictor(step).sum(axis=1)
    assert_allclose(-effect[:, 0], change, rtol=1e-9, atol=1e-12)


def test_a_step_of_one_target_is_the_refit(data):
    """Its penalty on lengths is that of the lasso, which does not turn."""
    X, y, _ = data
    model = MultiTaskLasso(0.1, **TIGHT).fit(X, y[:, None])
    lasso = RelatIFExplainer.from_fitted(Lasso(0.1, **TIGHT).fit(X, y), X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y[:, None])
    for order in ("first", "newton", "retrain"):
        found, expected = (e.removal_effect(X, y, order=order) for e in (explainer, lasso))
        if order == "newton":  # Those that end where a coefficient would cross zero.
            same = np.isclose(found, expected, rtol=0, atol=1e-9).all(axis=0)
            assert same.mean() > 0.8
        else:
            assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_conjugate_gradients_know_how_lengths_couple_the_targets(data):
    X, y, _ = data
    y = two_targets(X, y)
    model = clone(MULTI_TASK["elastic net"]).fit(X, y)
    by_factor, by_products = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver, criterion="influence")
        for solver in ("cholesky", "cg")
    )
    found, expected = (e.pairwise_influence(X[:5], y[:5]) for e in (by_products, by_factor))
    assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
    assert by_products.distance_to_optimum_ < 1e-6
    with pytest.raises(ValueError, match="not the same in all directions"):
        RelatIFExplainer.from_fitted(model, X, y, solver="woodbury")


def test_a_feature_that_should_be_active_is_seen(data):
    X, y, _ = data
    y = two_targets(X, y)
    model = clone(MULTI_TASK["lasso"]).fit(X, y)
    model.coef_[:, 1] = 0
    with pytest.warns(ConvergenceWarning, match="not at the optimum"):
        explainer = RelatIFExplainer.from_fitted(model, X, y)
    (without,) = explainer.retrain_without([3])
    refit = clone(model).fit(np.delete(X, 3, axis=0), np.delete(y, 3, axis=0))
    assert_allclose(without.predict(X), refit.predict(X), rtol=0, atol=1e-9)


def test_columns_that_are_the_same_share_their_coefficients(data):
    """Which of them has how much of it, no row tells."""
    X, y, _ = data
    y = two_targets(X, y)
    model = clone(MULTI_TASK["lasso"]).fit(X, y)
    doubled = clone(model).fit(np.column_stack([X, X[:, 1], X[:, 2] + 100]), y)
    doubled.coef_[:, 9], doubled.coef_[:, 10] = 0.3 * model.coef_[:, 1], 0.6 * model.coef_[:, 2]
    doubled.coef_[:, 1], doubled.coef_[:, 2] = 0.7 * model.coef_[:, 1], 0.4 * model.coef_[:, 2]
    doubled.intercept_ = model.intercept_ - 60 * model.coef_[:, 2]
    doubled.coef_[:, [0, *range(3, 9)]] = model.coef_[:, [0, *range(3, 9)]]
    both = np.column_stack([X, X[:, 1], X[:, 2] + 100])
    once = RelatIFExplainer.from_fitted(model, X, y, criterion="influence")
    twice = RelatIFExplainer.from_fitted(doubled, both, y, criterion="influence")
    assert_allclose(twice.predict(both), once.predict(X), atol=1e-12)
    assert twice.distance_to_optimum_ < 1e-6
    (without,) = twice.retrain_without([3])
    (expected,) = once.retrain_without([3])
    assert_allclose(without.predict(both), expected.predict(X), rtol=0, atol=1e-9)


def test_diagnostics_of_several_targets_count_the_penalty_of_lengths(data):
    X, y, _ = data
    y = two_targets(X, y)
    model = clone(MULTI_TASK["lasso"]).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    objective = reduce_estimator(model, X, y, np.ones(N_ROWS))
    dense = DenseObjective(objective)
    inverse = np.linalg.inv(dense.hessian(dense.parameters))
    forms = np.einsum("nkp,pq,nlq->nkl", dense.jacobian, inverse, dense.jacobian)
    assert_allclose(explainer.leverage_, np.einsum("nkk->n", forms), rtol=1e-9)
    pytest.importorskip("pandas")
    assert_allclose(explainer.diagnostics()["leverage"], explainer.leverage_, rtol=1e-9)
