from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import build_curvature
from sklearn_relatif.jacobians import LinearJacobian
from sklearn_relatif.losses import SquaredError
from sklearn_relatif.objectives import LinearObjective
from sklearn_relatif.removal import (
    Downdate,
    _batches,
    _models,
    loo_predictor,
    loss_changes,
    newton_step,
    newton_steps,
    parameter_changes,
    polish,
    predictors,
    retrain,
    retraining_curvature,
    training_effects,
)
from sklearn_relatif.removal import _retraining as retraining
from tests import cases, reference


def objective_of(model, X, y, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    model.fit(X, y, sample_weight=weight)
    return reduce_estimator(model, X, np.searchsorted(model.classes_, y), weight)


def optimum_of(model, X, y, weight=None):
    objective = objective_of(model, X, y, weight)
    return replace(objective, weights=polish(objective))


def hessian_of(objective):
    return build_curvature(objective, "hessian", 0.0)


def some_groups(n_rows, sizes=(2, 3, 7, 30, 60), n_single=8, seed=0):
    """Groups of one row, of few rows, and of more rows than a model has parameters."""
    rng = np.random.default_rng(seed)
    return [rng.choice(n_rows, size, replace=False) for size in [1] * n_single + list(sizes)]


def refit_without(model, X, y, weight, rows):
    """scikit-learn's own fit at tight tolerance, the removed rows having weight 0."""
    weight = weight.copy()
    weight[rows] = 0
    tight = LogisticRegression(
        C=model.C,
        fit_intercept=model.fit_intercept,
        solver="newton-cholesky",
        tol=1e-12,
        max_iter=1_000,
    )
    return tight.fit(X, y, sample_weight=weight)


def assert_same_model(objective, weights, table, design):
    """Parameters agree to 1e-6 of their norm, and losses to 1e-8."""
    ours = objective.score_weights(weights)
    assert np.linalg.norm(ours - table) < 1e-6 * np.linalg.norm(table)
    link = "softmax" if objective.loss.couples_outputs else "sigmoid"
    losses = [reference.log_loss(W, design, objective.y, link) for W in (ours, table)]
    np.testing.assert_allclose(*losses, rtol=0, atol=1e-8)


def with_high_leverage(X, y):
    X = X.copy()
    X[:6] *= 30
    return X, y


MODELS = {
    "binary": (LogisticRegression(), cases.breast_cancer),
    "binary without intercept": (LogisticRegression(fit_intercept=False), cases.breast_cancer),
    "binary, little penalty": (LogisticRegression(C=1e4, max_iter=10_000), cases.breast_cancer),
    "binary without penalty": (LogisticRegression(C=np.inf), lambda: cases.noisy_classes(2)),
    "binary, high leverage": (
        LogisticRegression(C=np.inf, max_iter=1_000),
        lambda: with_high_leverage(*cases.noisy_classes(2)),
    ),
    "multinomial": (LogisticRegression(), cases.wine),
    "multinomial without penalty": (
        LogisticRegression(C=np.inf, max_iter=1_000),
        lambda: cases.noisy_classes(4),
    ),
    "multinomial, sparse": (LogisticRegression(C=10, max_iter=1_000), cases.text),
    "digits": (LogisticRegression(max_iter=1_000), lambda: cases.digits(400)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_retrained_models_are_those_of_scikit_learn(name, weighted):
    model, load = MODELS[name]
    X, y = load()
    weight = cases.weights_with_zeros(len(y)) if weighted else np.ones(len(y))
    groups = some_groups(len(y))
    result = retrain(objective_of(model, X, y, weight), groups)
    assert result.converged.all()
    assert not result.active_set_changed.any()
    dense = reference.design(X.toarray() if sparse.issparse(X) else X, model.fit_intercept)
    for rows, weights in zip(groups, result.weights, strict=True):
        refit = refit_without(model, X, y, weight, rows)
        assert_same_model(result.objective, weights, cases.parameters(refit), dense)


def test_one_vs_rest():
    X, y = cases.wine()
    groups = some_groups(len(y), sizes=(2, 4, 12, 60))
    model = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    result = retrain(reduce_estimator(model, X, y, np.ones(len(y))), groups)
    assert result.converged.all()
    for rows, weights in zip(groups, result.weights, strict=True):
        refits = (
            refit_without(LogisticRegression(), X, y == k, np.ones(len(y)), rows) for k in range(3)
        )
        table = np.vstack([cases.parameters(refit) for refit in refits])
        assert_same_model(result.objective, weights, table, reference.design(X))


def test_balanced_class_weights_stay_as_they_are():
    X, y = cases.wine()
    objective = objective_of(LogisticRegression(class_weight="balanced"), X, y)
    groups = some_groups(len(y))
    result = retrain(objective, groups)
    for rows, weights in zip(groups, result.weights, strict=True):
        refit = refit_without(LogisticRegression(), X, y, objective.sample_weight, rows)
        assert_same_model(result.objective, weights, cases.parameters(refit), reference.design(X))


def test_the_most_influential_rows():
    X, y = cases.digits(600)
    optimum = optimum_of(LogisticRegression(), X, y)
    scale = hessian_of(optimum).lengths(optimum.rows, "loss_relative")["loss_relative"]
    rows = np.argsort(-scale * optimum.rows.norm)[:30]
    result = retrain(optimum, rows[:, None])
    assert result.converged.all()
    for row, weights in list(zip(rows, result.weights, strict=True))[:3]:
        refit = refit_without(LogisticRegression(), X, y, np.ones(len(y)), row)
        assert_same_model(optimum, weights, cases.parameters(refit), reference.design(X))


def test_rows_may_be_deleted_instead_of_weighted_with_zero():
    X, y = cases.breast_cancer()
    row = 297
    (weights,) = retrain(objective_of(LogisticRegression(), X, y), [[row]]).weights
    tight = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    tight.fit(np.delete(X, row, axis=0), np.delete(y, row))
    np.testing.assert_allclose(weights, cases.parameters(tight), rtol=1e-6)


@pytest.mark.parametrize("C", [1e-4, 1.0, 1e6])
def test_polish_reaches_the_level_of_rounding(C):
    X, y = cases.breast_cancer()
    loose = objective_of(LogisticRegression(C=C, tol=1e-2, max_iter=10_000), X, y)
    polished = replace(loose, weights=polish(loose))
    assert loose.relative_gradient() > 1e-5
    assert polished.relative_gradient() < 1e-13


def test_linear_svc_with_squared_hinge():
    X, y = cases.wine()
    model = LinearSVC(C=1.0, dual=False, tol=1e-12, max_iter=1_000_000)
    objective = objective_of(model, X, y)
    groups = some_groups(len(y), n_single=5)
    result = retrain(objective, groups)
    assert result.converged.all()
    for rows, weights in zip(groups, result.weights, strict=True):
        weight = np.ones(len(y))
        weight[rows] = 0
        table = cases.parameters(model.fit(X, y, sample_weight=weight))
        assert np.linalg.norm(weights - table) < 1e-6 * np.linalg.norm(table)


# --- L1: the smooth continuation on a fixed active set --------------------------------------


def l1_models():
    options = {"tol": 1e-10, "max_iter": 100_000}
    # `penalty` is deprecated from scikit-learn 1.8 on, where `l1_ratio` alone says it.
    if cases.HAS_MULTI_CLASS:
        return [LogisticRegression(penalty="l1", solver="saga", C=0.3, **options)]
    return [
        LogisticRegression(l1_ratio=ratio, solver="saga", C=0.3, **options) for ratio in (1, 0.5)
    ]


@pytest.mark.parametrize("model", l1_models())
def test_l1_penalty_says_when_the_active_set_changes(model):
    X, y = cases.wine()
    groups = some_groups(len(y), sizes=(3, 20, 50), n_single=6)
    result = retrain(objective_of(model, X, y), groups)
    assert result.converged.all()
    for rows, weights, flagged in zip(
        groups, result.weights, result.active_set_changed, strict=True
    ):
        weight = np.ones(len(y))
        weight[rows] = 0
        table = cases.parameters(model.fit(X, y, sample_weight=weight))
        ours = result.objective.score_weights(weights)
        assert flagged == np.any(np.sign(ours) != np.sign(table))
        if not flagged:
            assert np.linalg.norm(ours - table) < 1e-6 * np.linalg.norm(table)
    assert 0 < result.active_set_changed.sum() < len(groups)


@pytest.mark.parametrize("l1_ratio", [1, 0.5])
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.filterwarnings("ignore:l1_ratio parameter is only used")
def test_l1_models_that_are_not_flagged_are_optimal(l1_ratio):
    """By the conditions of an optimum, over many small problems and all ways to miss them."""
    options = {"solver": "saga", "tol": 1e-12, "max_iter": 100_000, "penalty": "elasticnet"}
    flagged, crossed = 0, 0
    for seed in range(12):
        X, y = cases.noisy_classes(2, n_rows=30, n_features=5, seed=seed)
        model = LogisticRegression(C=0.5, l1_ratio=l1_ratio, random_state=0, **options).fit(X, y)
        if not model.coef_.any():
            continue
        result = retrain(reduce_estimator(model, X, y, np.ones(30)), some_groups(30, (2, 3, 4, 6)))
        for rows, weights, changed in zip(
            some_groups(30, (2, 3, 4, 6)), result.weights, result.active_set_changed, strict=True
        ):
            kept = np.delete(np.arange(30), rows)
            W = result.objective.score_weights(weights)
            D = reference.design(X)
            steep = reference.gradients(W, D, y, "sigmoid")[kept].sum(axis=0)[:-1]
            w, strength = W[0, :-1], 1 / model.C
            steep += strength * (1 - l1_ratio) * w
            least = np.where(w == 0, np.abs(steep) - strength * l1_ratio, 0)
            least = np.where(w != 0, np.abs(steep + strength * l1_ratio * np.sign(w)), least)
            assert changed == (least.max() > 1e-6)
            flagged += changed
            crossed += np.any(w * model.coef_[0] < 0)
    assert flagged > 20 and crossed > 3


# --- one Newton step ------------------------------------------------------------------------


def brute_force_step(model, X, y, rows):
    """Newton step from the optimum in one coefficient row a class, with a pseudo-inverse."""
    W, link = cases.parameters(model), cases.link_of(model)
    design = reference.design(X)
    weight = np.ones(len(y))
    weight[rows] = 0
    penalty = np.append(np.full(X.shape[1], 1 / model.C), 0.0)
    H = reference.hessian(W, design, weight, penalty, link)
    g = weight @ reference.gradients(W, design, y, link) + (penalty * W).ravel()
    return -(np.linalg.pinv(H, rcond=1e-13, hermitian=True) @ g / weight.sum()).reshape(W.shape)


@pytest.mark.parametrize("load", [cases.breast_cancer, cases.wine])
def test_newton_step_by_brute_force(load):
    X, y = load()
    model = LogisticRegression()
    optimum = optimum_of(model, X, y)
    table = optimum.score_weights()
    model.coef_, model.intercept_ = table[:, :-1], table[:, -1]
    groups = some_groups(len(y))
    for rows, weights in zip(
        groups, newton_step(optimum, hessian_of(optimum), groups), strict=True
    ):
        step = optimum.score_weights(weights) - table
        expected = brute_force_step(model, X, y, rows)
        rounding = 10 * np.finfo(float).eps * np.linalg.norm(table)
        assert np.linalg.norm(step - expected) < 1e-8 * np.linalg.norm(expected) + rounding


def least_squares(n_rows=60, n_features=5, penalty=0.0):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    y = X @ rng.normal(size=n_features) + rng.normal(size=n_rows)
    objective = LinearObjective(
        loss=SquaredError(),
        weights=np.zeros((1, n_features + 1)),
        jacobian=LinearJacobian(X, fit_intercept=True),
        y=y,
        sample_weight=rng.uniform(0.5, 2, n_rows),
        penalty=np.full((1, n_features + 1), penalty),
    )
    return replace(objective, weights=polish(objective))


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_least_squares_in_closed_form(penalty):
    objective = least_squares(penalty=penalty)
    x, weight = objective.jacobian.block(slice(None)), objective.sample_weight
    groups = some_groups(len(weight), sizes=(2, 20))
    stepped = newton_step(objective, hessian_of(objective), groups)
    retrained = retrain(objective, groups)
    assert retrained.converged.all()
    for index, rows in enumerate(groups):
        left = weight.copy()
        left[rows] = 0
        gram = (x.T * left) @ x + penalty * np.eye(x.shape[1])
        expected = np.linalg.solve(gram, x.T @ (left * objective.y))
        for weights in (stepped[index, 0], retrained.weights[index, 0]):
            assert np.linalg.norm(weights - expected) < 1e-9 * np.linalg.norm(expected)


def test_loo_predictor_is_the_press_formula_of_least_squares():
    objective = least_squares()
    x, weight = objective.jacobian.block(slice(None)), objective.sample_weight
    hat = np.einsum("ij,ij->i", x @ np.linalg.inv((x.T * weight) @ x), x) * weight
    fitted = x @ objective.weights[0]
    expected = objective.y - (objective.y - fitted) / (1 - hat)
    predictor = loo_predictor(objective, hessian_of(objective))
    np.testing.assert_allclose(predictor[:, 0], expected, rtol=1e-9)


@pytest.mark.parametrize("penalty", [0.0, 1e-9, 1e-3])
@pytest.mark.parametrize("row", range(0, 60, 12))
def test_a_row_with_a_column_of_its_own(row, penalty):
    """Without the row nothing is known of its column, whose coefficient is 0 then."""
    objective = least_squares()
    X = np.column_stack([objective.jacobian.X, np.arange(60) == row])
    penalty = np.append(np.full(6, penalty), 0.0)[None]
    objective = replace(
        objective, jacobian=LinearJacobian(X, True), weights=np.zeros((1, 7)), penalty=penalty
    )
    objective = replace(objective, weights=polish(objective))
    curvature = hessian_of(objective)
    x, left = objective.jacobian.block(slice(None)), objective.sample_weight.copy()
    left[row] = 0
    others = np.delete(x, 5, axis=1)
    gram = (others.T * left) @ others + np.diag(np.delete(penalty[0], 5))
    expected = np.insert(np.linalg.solve(gram, others.T @ (left * objective.y)), 5, 0)
    assert abs(objective.weights[0, 5]) > 0.01
    predictor = loo_predictor(objective, curvature)
    np.testing.assert_allclose(predictor[row], x[row] @ expected, rtol=1e-8)
    retrained = retrain(objective, [[row]])
    assert retrained.converged.all()
    for weights in (retrained.weights, newton_step(objective, curvature, [[row]])):
        np.testing.assert_allclose(weights[0, 0], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("load", [cases.breast_cancer, cases.wine])
def test_loo_predictor_is_that_of_the_stepped_models(load, weighted):
    X, y = load()
    weight = cases.weights_with_zeros(len(y)) if weighted else None
    assert_loo_predictor(optimum_of(LogisticRegression(), X, y, weight))


def test_loo_predictor_of_one_vs_rest():
    X, y = cases.wine()
    model = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    assert_loo_predictor(reduce_estimator(model, X, y, np.ones(len(y))))


def assert_loo_predictor(objective):
    curvature = hessian_of(objective)
    stepped = newton_step(objective, curvature, np.arange(objective.n_rows)[:, None])
    x = objective.jacobian.block(slice(None))
    expected = np.einsum("nkd,nd->nk", stepped, x)
    np.testing.assert_allclose(loo_predictor(objective, curvature), expected, rtol=1e-9, atol=1e-9)


def test_newton_step_is_closer_to_retraining_than_influence():
    X, y = cases.digits(600)
    optimum = optimum_of(LogisticRegression(), X, y)
    curvature = hessian_of(optimum)
    rows = np.arange(0, 600, 20)
    exact = retrain(optimum, rows[:, None]).weights - optimum.weights
    newton = newton_step(optimum, curvature, rows[:, None]) - optimum.weights
    first = curvature.solve(optimum.rows.block(rows)) * optimum.rows.norm[rows, None] / len(y)
    errors = [np.linalg.norm(step - exact) for step in (newton, first.reshape(exact.shape))]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("name", ["binary", "multinomial", "one vs rest"])
def test_a_downdated_hessian_is_that_of_the_rows_that_are_left(name):
    """Rows that hold a third of the weight, so that its sum counts; a model loses fewer."""
    X, y = cases.noisy_classes(2 if name == "binary" else 3, n_rows=60)
    weight = np.where(np.arange(60) % 20 == 0, 10.0, 1.0)
    model = LogisticRegression(C=10)
    if name == "one vs rest":
        model = OneVsRestClassifier(model)
    objective = reduce_estimator(model.fit(X, y), X, y, weight)
    objective = replace(objective, weights=polish(objective))
    groups = [[0, 20], [40]]
    rows, present = np.array([[0, 20], [40, 0]]), np.array([[1.0, 1.0], [1.0, 0.0]])
    removed = Downdate(objective, hessian_of(objective), None, rows, present)
    assert not removed.cancels.any()
    models = _models.Models(objective, [np.array(group) for group in groups])
    before = np.repeat(objective.weights[None], 2, axis=0)
    gradient = models.at(before, np.arange(2)).gradient
    np.testing.assert_allclose(removed.gradient(), gradient, rtol=1e-9, atol=1e-12)
    for index, group in enumerate(groups):
        own = replace(objective, sample_weight=np.where(np.isin(np.arange(60), group), 0, weight))
        expected = hessian_of(own).solve(gradient[[index]].reshape(1, -1).copy())
        expected = expected.reshape(1, *objective.shape)
        solved = removed.solve(gradient[[index]], np.array([index]))
        np.testing.assert_allclose(solved, expected, rtol=1e-8)
        np.testing.assert_allclose(removed.newton_step()[[index]], -expected, rtol=1e-8)


# --- what a removal changed -----------------------------------------------------------------


def test_changes_by_brute_force():
    X, y = cases.wine()
    weight = cases.weights_with_zeros(len(y))
    optimum = optimum_of(LogisticRegression(), X, y, weight)
    weights = retrain(optimum, some_groups(len(y))).weights
    tables = [optimum.score_weights(w) for w in [optimum.weights, *weights]]
    losses = np.array([reference.log_loss(W, reference.design(X), y, "softmax") for W in tables])
    change = losses[1:] - losses[0]

    norms = [np.linalg.norm(table - tables[0]) for table in tables[1:]]
    np.testing.assert_allclose(parameter_changes(optimum, weights), norms, atol=1e-15)
    some = slice(10, 20)
    queries = optimum.query_jacobian(X[some])
    np.testing.assert_allclose(
        loss_changes(optimum, weights, queries, y[some]), change[:, some].T, atol=1e-13
    )
    np.testing.assert_allclose(
        training_effects(optimum, weights), np.sqrt(change**2 @ weight), rtol=1e-9, atol=1e-14
    )


def test_predictors_of_several_models():
    X, y = cases.text()
    objective = objective_of(LogisticRegression(), X, y)
    weights = np.random.default_rng(0).normal(size=(3, *objective.shape))
    eta = np.concatenate([block for _, block in predictors(objective.jacobian, weights)])
    expected = np.einsum("nd,mkd->nmk", reference.design(X.toarray()), weights)
    np.testing.assert_allclose(eta, expected, atol=1e-12)


# --- precision, batches and hard cases ------------------------------------------------------


def test_a_factor_of_single_precision_leads_to_the_same_models(monkeypatch):
    X, y = cases.digits(400)
    optimum = optimum_of(LogisticRegression(), X, y)
    groups = some_groups(len(y))
    expected = retrain(optimum, groups)
    monkeypatch.setattr(retraining, "SINGLE_PRECISION_ABOVE", 0)
    assert retraining_curvature(optimum).dtype == np.float32
    result = retrain(optimum, groups)
    assert result.converged.all()
    scale = np.linalg.norm(optimum.weights)
    assert np.abs(result.weights - expected.weights).max() < 1e-8 * scale


def test_features_of_single_precision_are_retrained_in_double():
    X, y = cases.breast_cancer()
    X = X.astype(np.float32)
    groups = some_groups(len(y))
    result = retrain(objective_of(LogisticRegression(), X, y), groups)
    wide = retrain(objective_of(LogisticRegression(), X.astype(np.float64), y), groups)
    assert result.converged.all()
    scale = np.linalg.norm(wide.objective.weights)
    assert np.abs(result.weights - wide.weights).max() < 1e-7 * scale


def count_evaluations(monkeypatch):
    """Of gradients of single models, as a list that grows."""
    counted, at = [], _models.Models.at

    def counting(models, weights, members):
        counted.extend(members)
        return at(models, weights, members)

    monkeypatch.setattr(_models.Models, "at", counting)
    return counted


def test_a_hessian_that_neglects_little_costs_few_steps(monkeypatch):
    monkeypatch.setattr(retraining, "SINGLE_PRECISION_ABOVE", 0)
    X, y = cases.digits(400)
    objective = objective_of(LogisticRegression(tol=1e-2), X, y)
    counted = count_evaluations(monkeypatch)
    assert retrain(objective, np.arange(12)[:, None]).converged.all()
    assert len(counted) < 100


def test_small_changes_are_as_exact_as_large_ones(monkeypatch):
    """A row of next to no weight moves the model to first order, and by less than PRECISION."""
    monkeypatch.setattr(retraining, "SINGLE_PRECISION_ABOVE", 0)
    X, y = cases.wine()
    weight, rows = np.ones(len(y)), np.arange(0, len(y), 6)
    weight[rows] = 1e-7
    optimum = optimum_of(LogisticRegression(), X, y, weight)
    share = optimum.rows.norm[rows] * weight[rows] / weight.sum()
    expected = hessian_of(optimum).solve(optimum.rows.block(rows) * share[:, None])
    result = retrain(optimum, rows[:, None])
    change = (result.weights - result.objective.weights).reshape(expected.shape)
    error = np.linalg.norm(change - expected, axis=1)
    # Parameters are rounded, of which the change is the difference.
    rounding = 100 * np.finfo(np.float64).eps * np.linalg.norm(optimum.weights)
    assert (error < 1e-5 * np.linalg.norm(expected, axis=1) + rounding).all()
    assert rounding < 0.02 * np.linalg.norm(expected, axis=1).min()


def test_what_counts_as_converged():
    nothing = np.zeros(3, bool)
    relative = np.array([0.9e-10, 1.1e-10, 0.0])
    lacks = np.array([False, False, True])
    result = retraining.Retraining(None, None, None, relative, nothing, lacks)
    assert result.converged.tolist() == [True, False, False]


def test_batches_do_not_matter(monkeypatch):
    X, y = cases.wine()
    optimum = optimum_of(LogisticRegression(), X, y)
    groups = some_groups(len(y))
    expected = retrain(optimum, groups)
    monkeypatch.setattr(_batches, "BATCH_COLUMNS", 4)
    monkeypatch.setattr(_models, "LOSS_BLOCK_BYTES", 100)
    result = retrain(optimum, groups)
    np.testing.assert_allclose(result.weights, expected.weights, rtol=1e-6, atol=1e-8)
    steps = list(newton_steps(optimum, hessian_of(optimum), groups))
    assert sorted(np.concatenate([batch for batch, _ in steps])) == list(range(len(groups)))
    assert max(len(batch) for batch, _ in steps) == 2


def test_a_group_that_does_not_count_changes_nothing():
    X, y = cases.breast_cancer()
    weight = cases.weights_with_zeros(len(y))
    optimum = optimum_of(LogisticRegression(), X, y, weight)
    groups = [[], np.flatnonzero(weight == 0)]
    np.testing.assert_allclose(retrain(optimum, groups).weights, [optimum.weights] * 2, rtol=1e-12)
    stepped = newton_step(optimum, hessian_of(optimum), groups)
    np.testing.assert_array_equal(stepped, [optimum.weights] * 2)


def test_no_groups():
    X, y = cases.wine()
    assert len(retrain(objective_of(LogisticRegression(), X, y), []).weights) == 0


def test_duplicated_constant_and_empty_columns():
    X, y = cases.noisy_classes(2)
    X = np.column_stack([X, X[:, 0], np.ones(len(X)), np.zeros(len(X))])
    result = retrain(objective_of(LogisticRegression(C=np.inf), X, y), some_groups(len(y)))
    assert result.converged.all()


def test_a_model_without_an_optimum_is_not_called_converged():
    X = np.linspace(-1, 1, 40)[:, None]
    y = (X[:, 0] > 0).astype(int)
    y[5] = 1  # without this row, the classes can be told apart
    objective = objective_of(LogisticRegression(C=np.inf, max_iter=1_000), X, y)
    with pytest.warns(ConvergenceWarning, match=r"Without the rows \[5\] training has no optimum"):
        assert retrain(objective, [[5], [6]]).converged.tolist() == [False, True]


def test_the_objective_is_left_alone():
    X, y = cases.wine()
    objective = objective_of(LogisticRegression(), X, y)
    before = objective.weights.copy(), objective.sample_weight.copy(), X.copy()
    retrain(objective, some_groups(len(y)))
    for array, copy in zip((objective.weights, objective.sample_weight, X), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_hinge_loss_is_refused():
    X, y = cases.breast_cancer()
    model = LinearSVC(loss="hinge", C=0.01, max_iter=100_000)
    with pytest.raises(TypeError, match="Hinge has no second derivative"):
        retrain(objective_of(model, X, y), [[0]])


def test_a_group_of_all_rows_is_refused():
    X, y = cases.wine()
    with pytest.raises(ValueError, match="none is left"):
        retrain(objective_of(LogisticRegression(), X, y), [[0], range(len(y))])


def test_models_of_few_columns_and_of_many_are_summed_alike(monkeypatch):
    """In threads, each with rows of its own, or by large products."""
    X, y = cases.noisy_classes(3, n_rows=60)
    objective = objective_of(LogisticRegression(C=10), X, y)
    models = _models.Models(objective, [np.array([0, 7]), np.array([59])])
    rng = np.random.default_rng(0)
    tables = objective.weights + 0.1 * rng.normal(size=(2, *objective.shape))
    monkeypatch.setattr(LinearJacobian, "bytes_at_once", 500)
    narrow = models.at(tables, np.arange(2))
    monkeypatch.setattr(_models, "FEW_COLUMNS", 0)
    wide = models.at(tables, np.arange(2))
    np.testing.assert_allclose(narrow.gradient, wide.gradient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(narrow.relative, wide.relative, rtol=1e-12)


def test_a_retrainer_finds_the_same_models_in_parts():
    X, y = cases.noisy_classes(2, n_rows=60)
    objective = objective_of(LogisticRegression(C=10), X, y)
    groups = [[0], [7], [1, 2, 3], [9], list(range(20, 40))]
    whole = retrain(objective, groups)
    retrainer = retraining.Retrainer.of(objective, None, len(groups))
    for first in range(0, len(groups), 2):
        part = retrainer.without(groups[first : first + 2])
        expected = whole.weights[first : first + 2]
        np.testing.assert_allclose(part.weights, expected, rtol=1e-9, atol=1e-12)
        assert part.converged.all()
