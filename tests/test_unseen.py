"""Removals that take along all that was known of a direction: a category with its own column."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize, sparse
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import _memory, build_curvature
from sklearn_relatif.objectives import LinearObjective
from sklearn_relatif.optimality import lacks_optimum
from sklearn_relatif.removal import (
    OwnHessian,
    _batches,
    has_no_optimum,
    newton_step,
    polish,
    retrain,
    without,
)
from sklearn_relatif.removal import _retraining as retraining
from sklearn_relatif.removal._existence import FAR, are_endless
from tests import cases, reference

pytestmark = [
    cases.ignore_warning_about_no_penalty,
    pytest.mark.filterwarnings("ignore:The curvature is ill-conditioned"),
]

STRENGTHS = (1e3, 1e6, 1e12, np.inf)


def logistic(C, **options):
    solver = "lbfgs" if np.isinf(C) else "newton-cholesky"
    return LogisticRegression(C=C, solver=solver, tol=1e-11, max_iter=20_000, **options)


def categories(n_classes, n_rows=300, n_levels=8, n_numbers=3, seed=1):
    """Numbers and two categories, whose first levels have no column; groups are of the first.

    The rows of level 5 of the first are those of level 4 of the second, so that they take two
    columns along; those of level 0 take a combination of all other columns and the intercept.
    """
    rng = np.random.default_rng(seed)
    level = rng.integers(0, n_levels, n_rows)
    other = np.where(level == 5, 4, rng.integers(0, 4, n_rows))
    numbers = rng.normal(size=(n_rows, n_numbers))
    scores = numbers @ rng.normal(size=(n_numbers, n_classes))
    scores += 0.4 * (level[:, None] % 3 == np.arange(n_classes) % 3)
    y = (scores + 1.2 * rng.gumbel(size=scores.shape)).argmax(axis=1)
    return np.hstack([numbers, np.eye(n_levels)[level][:, 1:], np.eye(5)[other][:, 1:]]), y, level


def optimum(X, y, weight, C, n_outputs, link):
    """Parameters (n_outputs, n_columns) by Newton steps where data see, and the penalty elsewhere.

    Without penalty, of least norm.
    """
    D = reference.design(X)
    penalty = np.append(np.full(X.shape[1], 1 / C), 0.0)
    _, values, vt = np.linalg.svd(D[weight > 0])
    rank = np.count_nonzero(values > 1e-10 * values[0])
    seen, unseen = vt[:rank].T, vt[rank:].T
    if np.isfinite(C):
        scaled = penalty[:, None] * unseen
        seen = seen - unseen @ np.linalg.solve(unseen.T @ scaled, scaled.T @ seen)
    features, W = D @ vt[:rank].T, np.zeros((n_outputs, rank))
    forms = np.kron(np.eye(n_outputs), seen.T @ (penalty[:, None] * seen))
    for _ in range(40):
        gradient = weight @ reference.gradients(W, features, y, link) + forms @ W.ravel()
        hessian = data_hessian(features @ W.T, features, weight, link) + forms
        step = (np.linalg.pinv(hessian, 1e-13, hermitian=True) @ gradient).reshape(W.shape)
        W -= step
        if np.abs(step).max() < 1e-11:
            break
    return W @ seen.T


def data_hessian(eta, x, weight, link):
    """Sum over the rows of ``reference.hessian``, all at once."""
    n_outputs = eta.shape[1]
    if link == "softmax":
        p = softmax(eta, axis=1)
        inner = p[:, :, None] * (np.eye(n_outputs) - p[:, None, :])
    else:
        inner = (expit(eta) * expit(-eta))[:, :, None] * np.eye(n_outputs)
    blocks = [
        [(x.T * (weight * inner[:, k, m])) @ x for m in range(n_outputs)] for k in range(n_outputs)
    ]
    return np.block(blocks)


MODELS = {
    "binary": (logistic, 2, 1, "sigmoid"),
    "multinomial": (logistic, 3, 3, "softmax"),
    "one vs rest": (lambda C: OneVsRestClassifier(logistic(C)), 3, 3, "sigmoid"),
}


def loss_changes_by_hand(X, y, level, weight, C, n_outputs, link):
    """Change of each row's loss without each level, shape (n_rows, n_levels)."""
    tables = [optimum(X, y, weight, C, n_outputs, link)]
    for label in range(level.max() + 1):
        tables.append(optimum(X, y, np.where(level == label, 0, weight), C, n_outputs, link))
    losses = [reference.log_loss(W, reference.design(X), y, link) for W in tables]
    return np.transpose(losses[1:]) - losses[0][:, None]


@pytest.mark.parametrize("name", MODELS)
def test_levels_with_columns_of_their_own(name):
    make, n_classes, n_outputs, link = MODELS[name]
    X, y, level = categories(n_classes)
    ordinary = None
    for C in STRENGTHS:
        explainer = RelatIFExplainer(make(C)).fit(X, y)
        truth = loss_changes_by_hand(X, y, level, np.ones(len(y)), C, n_outputs, link)
        exact = explainer.removal_effect(X, y, groups=level, order="retrain")
        assert_allclose(exact, truth, rtol=0, atol=2e-8)
        error = np.abs(explainer.removal_effect(X, y, groups=level) - truth).max()
        ordinary = ordinary or error
        assert error < 1.2 * ordinary < 0.1
        without = explainer.retrain_without([np.flatnonzero(level == k) for k in (3, 5)])
        for model, columns in zip(without, ([5], [7, 13]), strict=True):
            assert_allclose(coefficients(model)[:, columns], 0, atol=1e-9)


def coefficients(model):
    parts = getattr(model, "estimators_", [model])
    return np.vstack([part.coef_ for part in parts])


@pytest.mark.parametrize("C", [1e6, np.inf])
def test_class_and_sample_weights_and_useless_columns(C):
    X, y, level = categories(2)
    X = np.column_stack([X, X[:, 0], np.ones(len(X)), np.zeros(len(X))])
    weight = cases.weights_with_zeros(len(y))
    model = logistic(C, class_weight={0: 1.0, 1: 3.0})
    explainer = RelatIFExplainer(model).fit(X, y, weight)
    effect = explainer.removal_effect(X, y, groups=level, order="retrain")
    effective = weight * np.where(y == 1, 3, 1)
    truth = loss_changes_by_hand(X, y, level, effective, C, 1, "sigmoid")
    assert_allclose(effect, truth, rtol=0, atol=2e-8)


@pytest.mark.parametrize("kind", ["sparse", "float32", "float32 factor"])
@pytest.mark.parametrize("C", [1e6, np.inf])
def test_sparse_rows_and_single_precision(kind, C, monkeypatch):
    X, y, level = categories(2)
    X = X[:, :10].astype(np.float32)
    if kind == "float32 factor":
        monkeypatch.setattr(retraining, "SINGLE_PRECISION_ABOVE", 0)
    table = X if kind == "float32" else X.astype(np.float64)
    table = sparse.csr_matrix(table) if kind == "sparse" else table
    explainer = RelatIFExplainer(logistic(C)).fit(X.astype(np.float64), y)
    explainer = RelatIFExplainer.from_fitted(explainer.estimator_, table, y)
    truth = loss_changes_by_hand(X, y, level, np.ones(len(y)), C, 1, "sigmoid")
    exact = explainer.removal_effect(table, y, groups=level, order="retrain")
    newton = explainer.removal_effect(table, y, groups=level)
    assert np.abs(exact - truth).max() < (1e-5 if kind == "float32" else 2e-8)
    assert np.abs(newton - truth).max() < 0.1


@pytest.mark.parametrize("C", [1.0, 1e6])
def test_squared_hinge(C):
    X, y, level = categories(2)
    model = LinearSVC(C=C, dual=False, tol=1e-12, max_iter=100_000)
    explainer = RelatIFExplainer(model).fit(X, y)
    signs = 2 * y - 1
    loss = [np.maximum(1 - signs * explainer.decision_function(X), 0) ** 2]
    for label in range(8):
        kept = level != label
        refit = model.fit(X[kept], y[kept])
        loss.append(np.maximum(1 - signs * refit.decision_function(X), 0) ** 2)
    effect = explainer.removal_effect(X, y, groups=level, order="retrain")
    assert_allclose(effect, np.transpose(loss[1:]) - loss[0][:, None], rtol=0, atol=1e-5)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("C", [1.0, 1e3, 1e6])
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.filterwarnings("ignore:l1_ratio parameter is only used")
def test_a_coefficient_of_an_l1_penalty_ends_at_zero(l1_ratio, C):
    """Its slope would lead it past zero, to wherever its L2 penalty takes over."""
    X, y, level = categories(2)
    model = LogisticRegression(
        C=C, l1_ratio=l1_ratio, penalty="elasticnet", solver="saga", tol=1e-12, max_iter=100_000
    ).set_params(random_state=0)
    X = X[:, :10]
    explainer = RelatIFExplainer(model).fit(X, y)
    groups = np.where(np.isin(level, [2, 3]), level.astype(object), None)
    before = reference.log_loss(
        cases.parameters(explainer.estimator_), reference.design(X), y, "sigmoid"
    )
    for column, label in enumerate((2, 3)):
        refit = clone(model).fit(X[level != label], y[level != label])
        assert refit.coef_[0, 2 + label] == 0
        truth = (
            reference.log_loss(cases.parameters(refit), reference.design(X), y, "sigmoid") - before
        )
        exact = explainer.removal_effect(X, y, groups=groups, order="retrain")[:, column]
        newton = explainer.removal_effect(X, y, groups=groups)[:, column]
        assert_allclose(exact, truth, rtol=0, atol=1e-8)
        assert np.abs(newton - truth).max() < 0.06


@pytest.mark.parametrize("C", STRENGTHS)
def test_small_groups_and_pairs_of_rows(C):
    """So many columns that a factor is downdated by the rows of a level."""
    X, y, level = categories(2, n_rows=400, n_levels=40, n_numbers=2, seed=3)
    y[np.unique(level, return_index=True)[1]] = 1
    y[400 - 1 - np.unique(level[::-1], return_index=True)[1]] = 0
    explainer = RelatIFExplainer(logistic(C)).fit(X, y)
    chosen = np.flatnonzero(np.bincount(level) <= 12)[:12]
    groups = np.where(np.isin(level, chosen), level.astype(object), None)
    truth = loss_changes_by_hand(X, y, level, np.ones(len(y)), C, 1, "sigmoid")[:, chosen]
    exact = explainer.removal_effect(X, y, groups=groups, order="retrain")
    assert_allclose(exact, truth, rtol=0, atol=2e-8)
    assert np.abs(explainer.removal_effect(X, y, groups=groups) - truth).max() < 0.1


@pytest.mark.parametrize("weak", [1e-2, 3e-5, 1e-7])
@pytest.mark.parametrize("order", ["newton", "retrain"])
def test_little_data_left(weak, order):
    """The column of the level is next to nothing, but not nothing, for the rows that stay."""
    X, y, level = categories(2)
    X = X[:, :10]
    X[np.ix_(level != 3, [5])] = weak * np.random.default_rng(0).normal(
        size=(np.sum(level != 3), 1)
    )
    model, C = logistic(1e3).fit(X, y), 1e6 / weak**2
    objective = reduce_estimator(model, X, y, np.ones(len(y)))
    objective = replace(objective, penalty=1e3 * objective.penalty / C)
    objective = replace(objective, weights=polish(objective))
    W, D = objective.weights, reference.design(X)
    rows = np.flatnonzero(level == 3)
    penalty, weight = np.append(np.full(X.shape[1], 1 / C), 0), (level != 3).astype(float)
    scale = np.where(np.arange(D.shape[1]) == 5, 1 / weak, 1.0)
    for _ in range(1 if order == "newton" else 60):
        gradient = weight @ reference.gradients(W, D, y, "sigmoid") + (penalty * W).ravel()
        hessian = weight.sum() * reference.hessian(W, D, weight, penalty, "sigmoid")
        step = scale * np.linalg.solve(hessian * np.outer(scale, scale), scale * gradient)
        W = W - step
        if not step.any():
            break
    curvature = build_curvature(objective, "hessian", 0.0)
    if order == "newton":
        (weights,) = newton_step(objective, curvature, [rows])
    else:
        (weights,) = retrain(objective, [rows], curvature).weights
    assert_allclose(weights / scale, W / scale, rtol=1e-6, atol=1e-6)


def rows_of_their_own(seed=0):
    """Rows 50 to 59 have a column each, and rows 48 and 49 share one."""
    rng = np.random.default_rng(seed)
    X = np.zeros((60, 13))
    X[:, :2] = rng.normal(size=(60, 2))
    X[np.arange(50, 60), np.arange(3, 13)] = 1
    X[[48, 49], 2] = 1
    y = (X[:, 0] + rng.logistic(size=60) > 0).astype(int)
    y[48:] = 1 - (X[48:, 0] > 0)
    y[[48, 49]] = 0, 1
    return X, y


@pytest.mark.parametrize("C", [1e6, np.inf])
@pytest.mark.parametrize("make", [logistic, lambda C: logistic(C, fit_intercept=False)])
@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.filterwarnings("ignore:Training has no optimum")
def test_no_row_vouches_for_itself(C, make):
    """Without an optimum or nearly so, a row with a column of its own has a leverage of 1."""
    X, y = rows_of_their_own()
    model = make(C)
    explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.leverage_[55] > 0.9
    proba = explainer.loo_proba()
    for row in range(48, 60):
        kept = np.arange(60) != row
        refit = make(C).fit(X[kept], y[kept])
        if row >= 50:
            assert abs(proba[row, 1] - refit.predict_proba(X[[row]])[0, 1]) < 0.1


def test_without_room_for_a_factor(monkeypatch):
    X, y, level = categories(2)
    explainer = RelatIFExplainer(logistic(1e6)).fit(X, y)
    groups = np.where(level > 0, level.astype(object), None)
    expected = explainer.removal_effect(X, y, groups=groups)
    exact = explainer.removal_effect(X, y, groups=groups, order="retrain")
    with monkeypatch.context() as patch:
        patch.setattr(_batches, "BATCH_BYTES", 1000)
        again = explainer.removal_effect(X, y, groups=groups, order="retrain")
    assert_allclose(again, exact, rtol=0, atol=1e-7)
    monkeypatch.setattr(_memory, "machine_memory", lambda: 1)
    monkeypatch.delattr(LinearObjective, "hessian")
    iterative = RelatIFExplainer(logistic(1e6)).fit(X, y)
    assert iterative.solver_.name == "cg"
    assert_allclose(iterative.removal_effect(X, y, groups=groups), expected, atol=1e-5)


def test_a_flip_set_that_empties_a_column():
    X, y, level = categories(2)
    for C in (1e9, np.inf):
        explainer = RelatIFExplainer(logistic(C)).fit(X, y)
        score = explainer.decision_function(X)
        query = np.flatnonzero(level == 3)[np.abs(score[level == 3]).argmin()]
        flip = explainer.flip_set(X[[query]])
        kept = np.delete(np.arange(len(y)), flip.rows)
        refit = logistic(C).fit(X[kept], y[kept])
        assert flip.found
        assert flip.new_label == refit.predict(X[[query]])[0] != flip.label


def test_a_direction_of_several_columns_under_next_to_no_penalty():
    """No factor tells its curvature from rounding, and no step follows that."""
    X, y, level = categories(2)
    objective = reduce_estimator(logistic(1e3).fit(X, y), X, y, (level != 0).astype(float))
    gradient = objective.rows.block(slice(None)) * objective.rows.norm[:, None]
    for penalty in (1e-12, 1e-16, 1e-20):
        objective = replace(objective, penalty=penalty * np.sign(objective.penalty))
        own = OwnHessian(objective)
        hessian = objective.hessian()[0]
        inverse = np.linalg.pinv(hessian, 1e-11, hermitian=True)
        solved = own.solve(gradient[level != 0])
        x = objective.jacobian.block(level != 0)
        assert_allclose(solved @ x.T, gradient[level != 0] @ inverse @ x.T, rtol=1e-7, atol=1e-8)
        settled = own.settle(objective.weights)
        penalties = [np.sum(w[0, :-1] ** 2) for w in (settled, objective.weights)]
        assert penalties[0] < penalties[1]
        assert_allclose(settled @ x.T, objective.weights @ x.T, atol=1e-12)
        assert_allclose(own.settle(settled), settled, atol=1e-12)


# --- no optimum ------------------------------------------------------------------------------


def nearly_separable():
    """Told apart without row 3 or without row 7."""
    X = np.array([-3.0, -2, -1, 0.4, 1, 2, 3, -0.4])[:, None]
    return X, np.array([0, 0, 0, 0, 1, 1, 1, 1])


def test_retraining_says_that_there_is_no_optimum():
    X, y = nearly_separable()
    explainer = RelatIFExplainer(logistic(np.inf)).fit(X, y)
    said = r"Without the rows \[3\] training has no optimum.*penalty"
    with pytest.warns(ConvergenceWarning, match=said):
        explainer.retrain_without([3, 4])
    with pytest.warns(ConvergenceWarning, match=said):
        explainer.removal_statistics([3], X)
    both = r"Without the rows \[3\], \[7\] training has no optimum"
    with pytest.warns(ConvergenceWarning, match=both):
        explainer.removal_effect(X, order="retrain")
    with pytest.warns(ConvergenceWarning, match=both):
        explainer.score(X)


@pytest.mark.parametrize("name", MODELS)
def test_a_level_left_with_one_class(name):
    """Only the column of the level has no optimum then, and other rows still overlap."""
    make, n_classes, *_ = MODELS[name]
    X, y, level = categories(n_classes)
    members = np.flatnonzero(level == 3)
    y[members] = np.arange(len(members)) % (n_classes - 1) if n_classes > 2 else 0
    y[members[0]] = n_classes - 1
    groups = [members[:1], members[1:2], members]
    for C, expected in ((np.inf, [True, False, False]), (1e4, [False] * 3)):
        model = make(C).fit(X, y)
        objective = reduce_estimator(model, X, y, np.ones(len(y)))
        if any(expected):
            with pytest.warns(ConvergenceWarning, match=rf"Without the rows \[{members[0]}\] tr"):
                result = retrain(objective, groups)
        else:
            result = retrain(objective, groups)
        assert result.lacks_optimum.tolist() == expected
        assert result.converged.tolist() == [not lacks for lacks in expected]


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_a_model_that_has_no_optimum_itself():
    X, y, level = categories(2)
    y[level == 3] = 0
    explainer = RelatIFExplainer(logistic(np.inf)).fit(X, y)
    for _ in range(2):  # Not the first question alone.
        with pytest.warns(ConvergenceWarning, match="Training has no optimum: a direction"):
            explainer.retrain_without([0])
        with pytest.warns(ConvergenceWarning, match="Training has no optimum: a direction"):
            explainer.removal_effect(X[:3], y[:3], order="newton")
        with pytest.warns(ConvergenceWarning, match="Training has no optimum: a direction"):
            explainer.loo_proba()


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_row_with_a_column_of_its_own_and_no_penalty(n_classes):
    """The model of all rows has no optimum, and the one without that row has."""
    X, y = cases.noisy_classes(n_classes, n_rows=80, n_features=2)
    X = np.column_stack([X, np.arange(80) == 7])
    without = np.delete(np.arange(80), 7)
    explainer = RelatIFExplainer(logistic(np.inf)).fit(X, y)
    refitted = logistic(np.inf).fit(X[without], y[without])
    losses = [-np.log(model.predict_proba(X)[np.arange(80), y]) for model in (refitted, explainer)]
    expected = losses[0] - losses[1]
    with pytest.warns(ConvergenceWarning, match="Training has no optimum: a direction"):
        effects = explainer.removal_effect(X, y, order="retrain")[:, 7]
        (model,) = explainer.retrain_without([7])
    assert_allclose(effects, expected, atol=1e-5)
    assert_allclose(model.coef_, refitted.coef_, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_classes_that_are_told_apart():
    X, _, _ = categories(2)
    y = (X[:, 0] > 0).astype(int)
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=2_000).fit(X, y)
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, tol=1e-12), damping=1e-3)
    explainer = RelatIFExplainer.from_fitted(model, X, y, damping=1e-3)
    with pytest.raises(ValueError, match="Training has no optimum"):
        explainer.retrain_without([0])


@pytest.mark.parametrize("overlap", [1e-3, 1e-8, 0.0, -1e-3])
def test_classes_that_hardly_overlap(overlap):
    X = np.array([-3.0, -1, overlap, 0, 1, 3])[:, None]
    y = np.array([0, 0, 0, 1, 1, 1])
    model = LogisticRegression().fit(X, y)
    objective = reduce_estimator(model, X, y, np.ones(6))
    assert not lacks_optimum(objective)
    free = replace(objective, penalty=np.zeros((1, 2)), weights=np.zeros((1, 2)))
    assert lacks_optimum(free) == (overlap <= 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_an_optimum_that_is_proved_nearby_asks_no_linear_program(n_classes, monkeypatch):
    """Where predictors are so large that the model may only have been stopped."""
    rng = np.random.default_rng(0)
    X = rng.standard_t(2.5, size=(300, 3))
    score = 3 * X.sum(axis=1) + rng.logistic(size=300)
    y = np.digitize(score, [0] if n_classes == 2 else [-4, 4])
    objective = reduce_estimator(logistic(np.inf).fit(X, y), X, y, np.ones(300))
    groups = [np.array([row]) for row in np.argsort(-np.abs(X).max(axis=1))[:10]]
    groups.append(np.flatnonzero(np.abs(X).max(axis=1) > 8))
    expected = [lacks_optimum(without(objective, rows)) for rows in groups]
    weights = retrain(objective, groups).weights
    polished = replace(objective, weights=polish(objective))
    assert np.abs(polished.training_predictor).max() > FAR
    monkeypatch.setattr(optimize, "linprog", None)
    assert not any(expected)
    assert not has_no_optimum(polished)
    assert are_endless(polished, groups, weights).tolist() == expected


def test_nothing_is_proved_of_models_that_only_stopped():
    """Wherever on the way to infinity that is, down to where their slopes are rounding."""
    X, y = nearly_separable()
    objective = reduce_estimator(logistic(np.inf).fit(X, y), X, y, np.ones(len(y)))
    groups, polished = [np.array([3])] * 40, replace(objective, weights=polish(objective))
    scales = np.geomspace(1, 400, len(groups))
    tables = scales[:, None, None] * np.array([[[1.0, 0.7]]])
    assert are_endless(polished, groups, tables).all()
