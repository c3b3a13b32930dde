"""Penalties that count rows: the share of each row leaves with it, in every order."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import ElasticNet, LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.multioutput import MultiOutputRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import build_curvature
from sklearn_relatif.explainers import study_of
from sklearn_relatif.objectives import reduce_to_row_space
from sklearn_relatif.removal import loo_predictor, newton_step, remover_of
from sklearn_relatif.testing import check_objective
from tests import cases

N_ROWS = 60


def shares(n_rows, seed=3):
    share = np.random.default_rng(seed).uniform(0, 1, n_rows)
    return share / share.sum()


def objective_of(n_classes, n_features=4, C=0.5, **options):
    """Of a logistic regression at its optimum, as if its penalty counted rows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N_ROWS, n_features)), np.arange(N_ROWS) % n_classes
    X[:, 0] += y
    weight = rng.uniform(0.3, 2, N_ROWS)
    model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000, **options)
    model.fit(X, y, weight)
    objective = reduce_estimator(model, X, y, weight)
    return replace(objective, penalty_share=shares(N_ROWS)), X


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n_features", [4, 80])
def test_steps_and_optima_are_those_of_the_dense_objective(n_classes, n_features):
    objective, X = objective_of(n_classes, n_features)
    check_objective(objective, X)
    if n_features > N_ROWS:
        check_objective(reduce_to_row_space(objective), X)


def test_one_vs_rest_of_few_rows():
    """Where a row's share of the penalty is large."""
    objective, X = objective_of(2)
    few = np.arange(6)
    objective = replace(
        objective,
        jacobian=objective.jacobian[few],
        y=objective.y[few],
        sample_weight=objective.sample_weight[few],
        penalty_share=shares(6),
    )
    check_objective(objective, X)


@pytest.mark.parametrize("is_equal", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_loo_predictor_is_that_of_the_steps(n_classes, is_equal):
    objective = remover_of(objective_of(n_classes)[0]).objective
    if is_equal:  # Then one factor does for all rows.
        weight = objective.sample_weight.copy()
        weight[4] = 0
        share = np.full(N_ROWS, 1 / N_ROWS)
        objective = replace(objective, sample_weight=weight, penalty_share=share)
    curvature = build_curvature(objective, "hessian", 0.0)
    weights = newton_step(objective, curvature, np.arange(N_ROWS)[:, None])
    expected = [objective.jacobian[[i]].predictor(w)[0] for i, w in enumerate(weights)]
    assert_allclose(loo_predictor(objective, curvature), expected, rtol=1e-9)


def sgd(**options):
    return SGDClassifier(
        "log_loss", alpha=0.02, tol=None, max_iter=3000, random_state=0, average=100, **options
    )


@pytest.fixture(scope="module")
def fitted():
    X, y = cases.noisy_classes(2, 80)
    return X, y, RelatIFExplainer(sgd(), criterion="influence").fit(X, y)


def test_first_order_is_the_derivative_of_fits_in_weight_and_share(fitted):
    """A row of weight w brings w / n of the penalty, in steps to either side of w = 1."""
    X, y, explainer = fitted
    objective = remover_of(study_of(explainer).objective).objective
    step, row = 1e-3, 5
    ends = []
    for side in (1, -1):
        weight = np.ones(len(y))
        weight[row] += side * step
        factor = 1 + side * step / len(y)
        moved = replace(objective, sample_weight=weight).with_penalties_times(factor)
        optimum = remover_of(replace(moved, penalty_share=None)).objective
        eta = optimum.predictor(optimum.query_jacobian(X))
        ends.append(objective.loss.value(y, eta))
    expected = -(ends[0] - ends[1]) / (2 * step)
    effect = explainer.removal_effect(X, y, order="first")
    assert_allclose(effect[:, row], expected, atol=2e-3 * np.abs(expected).max())
    groups = np.arange(len(y)) % 7
    summed = explainer.removal_effect(X, y, groups, order="first")
    assert_allclose(summed[:, 3], effect[:, groups == 3].sum(axis=1), atol=1e-12)
    # Without all rows and all of the penalty, to first order, nothing pulls the model away.
    assert_allclose(effect.sum(axis=1), 0, atol=0.01 * np.abs(effect).sum(axis=1).max())


def test_first_order_on_a_number_is_the_sum_over_queries(fitted):
    X, y, explainer = fitted

    def mean_loss(scores):
        signs = np.where(y == 1, -1.0, 1.0)
        return np.logaddexp(0, signs * scores).mean(), signs / (1 + np.exp(-signs * scores)) / 80

    found = explainer.removal_effect_on(mean_loss, X, order="first")
    assert_allclose(found, explainer.removal_effect(X, y, order="first").mean(axis=0), atol=1e-12)


def test_rows_of_no_weight_are_counted_by_sgd():
    """The refit without them has a weaker penalty."""
    X, y = cases.noisy_classes(2, 80)
    weight = np.ones(80)
    weight[:20] = 0
    explainer = RelatIFExplainer(sgd()).fit(X, y, weight)
    kept = np.delete(np.arange(80), np.arange(15))
    refit = LogisticRegression(C=1 / (0.02 * 65), tol=1e-10).fit(X[kept], y[kept], weight[kept])
    (without,) = explainer.retrain_without([np.arange(15)])
    assert_allclose(without.decision_function(X), refit.decision_function(X), atol=1e-6)
    groups = np.where(np.arange(80) < 15, 0.0, np.nan)
    stepped, exact = (
        explainer.removal_effect(X[:3], y[:3], groups, order=order)
        for order in ("newton", "retrain")
    )
    assert (exact != 0).all()
    assert_allclose(stepped, exact, rtol=0.1)


def ridge(X, y, alpha):
    x = np.column_stack([X, np.ones(len(X))])
    return np.linalg.solve(x.T @ x + np.diag([alpha * len(y)] * X.shape[1] + [0.0]), x.T @ y)


@pytest.mark.parametrize("groups", [None, np.arange(80) % 2, np.arange(80) // 3])
def test_a_step_of_least_squares_is_the_refit(groups):
    X, _ = cases.noisy_classes(2, 80)
    y = X @ [1.0, -2.0, 0.5, 0.0] + np.sin(9 * X[:, 0])
    model = SGDRegressor(alpha=0.1, tol=None, max_iter=3000, random_state=0, average=100)
    explainer = RelatIFExplainer(model).fit(X, y)
    members = np.arange(80) if groups is None else groups
    rest = [members != label for label in range(members.max() + 1)]
    before, *after = (ridge(X[kept], y[kept], 0.1) for kept in [np.ones(80, bool), *rest])
    expected = -np.column_stack([X[:9], np.ones(9)]) @ np.transpose(after - before)
    for order in ("newton", "retrain"):
        effect = explainer.removal_effect(X[:9], groups=groups, order=order)
        assert_allclose(effect, expected, rtol=0, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("n_rows", [12, 60])
def test_flip_sets_count_the_penalty(n_rows):
    X, y = cases.noisy_classes(2, n_rows)
    explainer = RelatIFExplainer(sgd()).fit(X, y)
    query = X[[np.abs(explainer.decision_function(X)).argmin()]]
    found = explainer.flip_set(query, max_size=n_rows // 2)
    kept = np.delete(np.arange(n_rows), found.positions)
    refit = clone(LogisticRegression(C=1 / (0.02 * len(kept)), tol=1e-10)).fit(X[kept], y[kept])
    assert len(found.positions)
    assert refit.predict(query)[0] == found.new_label != explainer.predict(query)[0]


def test_models_made_of_several_take_the_shares_of_each():
    X, y = cases.noisy_classes(2, 80)
    y = np.column_stack([X @ [1.0, -2.0, 0.5, 0.0] + np.sin(9 * X[:, 0]), y + X[:, 1] ** 2])
    net = ElasticNet(0.2, tol=1e-14, max_iter=100_000)
    whole, made = (RelatIFExplainer(m).fit(X, y) for m in (net, MultiOutputRegressor(net)))
    for order in ("first", "newton", "retrain"):
        for groups in (None, np.arange(80) % 9):
            expected, found = (
                e.removal_effect(X[:5], y[:5], groups, order=order) for e in (whole, made)
            )
            assert_allclose(found, expected, rtol=0, atol=1e-9)
