"""Least squares, against closed forms and against scikit-learn's own refits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    LinearRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)

from sklearn_relatif import RelatIFExplainer
from tests import cases

EXACT = 1e-10
GROUPS = [[0], [7, 8, 9], list(range(20, 45))]


def numbers(n_rows=60, n_features=5, seed=0, n_targets=None):
    """Rows with columns far from zero, and some more to ask for."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows + 4, n_features)) + 3 * np.arange(n_features) % 7
    shape = n_features if n_targets is None else (n_features, n_targets)
    y = X @ rng.normal(size=shape)
    y = y + rng.normal(size=y.shape)
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def without(model, X, y, rows, weight=None):
    kept = np.delete(np.arange(len(y)), rows)
    given = {} if weight is None else {"sample_weight": weight[kept]}
    return clone(model).fit(X[kept], y[kept], **given)


def labels_of(groups, n_rows):
    labels = np.full(n_rows, None)
    for label, rows in enumerate(groups):
        labels[rows] = label
    return labels


def half_squares(model, X, y):
    return ((model.predict(X) - y) ** 2).reshape(len(X), -1).sum(axis=1) / 2


# --- removal is exact ------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["newton", "retrain"])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize(
    "model",
    [LinearRegression(), LinearRegression(fit_intercept=False), Ridge(alpha=3.0, solver="svd")],
    ids=str,
)
def test_every_row_and_group_as_refits_have_it(model, is_weighted, order):
    X, y, X_new, y_new = numbers()
    weight = cases.weights_with_zeros(len(y)) if is_weighted else None
    explainer = RelatIFExplainer(model).fit(X, y, weight)
    before = half_squares(explainer.estimator_, X_new, y_new)
    each = [np.array([row]) for row in range(len(y))]
    for groups, labels in ((each, None), (GROUPS, labels_of(GROUPS, len(y)))):
        effect = explainer.removal_effect(X_new, y_new, labels, order=order)
        for column, rows in zip(effect.T, groups, strict=True):
            refit = without(model, X, y, rows, weight)
            expected = half_squares(refit, X_new, y_new) - before
            assert_allclose(column, expected, rtol=0, atol=EXACT)


def test_single_precision_is_that_of_its_numbers():
    """Removal is computed in double precision, whatever scikit-learn fits in."""
    X, y, X_new, y_new = numbers()
    X = X.astype(np.float32)
    explainer = RelatIFExplainer(Ridge(alpha=3.0)).fit(X, y)
    exact = [without(Ridge(alpha=3.0), X.astype(float), y, rows) for rows in [[], *GROUPS]]
    before, *after = (half_squares(model, X_new, y_new) for model in exact)
    effect = explainer.removal_effect(X_new, y_new, labels_of(GROUPS, len(y)))
    assert_allclose(effect, np.transpose(after) - before[:, None], rtol=0, atol=EXACT)


@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_predictions_for_rows_that_were_left_out(n_targets, container):
    X, y, *_ = numbers(n_targets=n_targets)
    weight, model = cases.weights_with_zeros(len(y)), Ridge(alpha=3.0, tol=1e-14)
    explainer = RelatIFExplainer(model).fit(container(X), y, weight)
    expected = [without(model, X, y, [i], weight).predict(X[[i]])[0] for i in range(len(y))]
    assert_allclose(explainer.loo_predict(), expected, rtol=0, atol=EXACT)


def test_labels_for_rows_that_were_left_out():
    X, y = cases.noisy_classes(3)
    y = np.array(["a", "b", "c"])[y]
    explainer = RelatIFExplainer(RidgeClassifier(solver="svd")).fit(X, y)
    expected = [without(RidgeClassifier(), X, y, [i]).predict(X[[i]])[0] for i in range(len(y))]
    assert_array_equal(explainer.loo_predict(), expected)
    assert (explainer.loo_predict() != explainer.predict(X)).any()


# --- parameters that the rows leave open -----------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_dependent_columns_have_the_least_coefficients(fit_intercept):
    X, y, X_new, y_new = numbers()
    rng = np.random.default_rng(1)
    # What depends on others in the rows need not do so in queries.
    X = np.column_stack([X, X[:, 0] + 9, np.full(len(X), 4.0), np.zeros(len(X))])
    X[3, 5] += fit_intercept
    X_new = np.column_stack([X_new, rng.normal(size=(len(X_new), 3))])
    model = LinearRegression(fit_intercept=fit_intercept)
    explainer = RelatIFExplainer(model).fit(X, y)
    before = half_squares(explainer.estimator_, X_new, y_new)
    groups = [[3], *GROUPS[1:]]
    effect = explainer.removal_effect(X_new, y_new, labels_of(groups, len(y)))
    for column, rows in zip(effect.T, groups, strict=True):
        expected = half_squares(without(model, X, y, rows), X_new, y_new) - before
        assert_allclose(column, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_fewer_rows_than_columns(fit_intercept, n_targets):
    X, y, X_new, y_new = numbers(20, 30, n_targets=n_targets)
    model = LinearRegression(fit_intercept=fit_intercept)
    with pytest.warns(UserWarning, match=r"passes through all.*influence is 0\. removal_effect"):
        explainer = RelatIFExplainer(model).fit(X, y)
    assert not explainer.pairwise_influence(X_new, y_new).any()
    assert (explainer.explain(X_new).indices == -1).all()
    assert explainer.distance_to_optimum_ == 0
    before = half_squares(explainer.estimator_, X_new, y_new)
    groups = [[0], [7, 8], list(range(10, 19))]
    for order in ("newton", "retrain"):
        effect = explainer.removal_effect(X_new, y_new, labels_of(groups, 20), order=order)
        for column, rows in zip(effect.T, groups, strict=True):
            expected = half_squares(without(model, X, y, rows), X_new, y_new) - before
            assert_allclose(column, expected, rtol=1e-8)
    expected = [without(model, X, y, [i]).predict(X[[i]])[0] for i in range(20)]
    assert_allclose(explainer.loo_predict(), expected, rtol=1e-8)


def test_a_row_with_a_column_of_its_own_has_no_influence():
    """Its error is rounding, whose sign no criterion may take for something."""
    X, y, X_new, _ = numbers()
    X, X_new = (np.column_stack([x, np.arange(len(x)) == 5]) for x in (X, X_new))
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    for criterion in cases.CRITERIA:
        scores = explainer.pairwise_influence(X_new, criterion=criterion)
        assert_array_equal(scores.any(axis=0), np.arange(len(X)) != 5)


# --- bounds ----------------------------------------------------------------------------------


def bounded(n_targets=None):
    """Coefficients of which some are at zero, some near it."""
    X, _, X_new, _ = numbers(40, 8)
    X, X_new = X - X.mean(axis=0), X_new - X.mean(axis=0)
    rng = np.random.default_rng(2)
    true = np.array([2.0, 1.0, 0.2, 0.1, 0.05, 0.0, -0.1, -2.0])
    if n_targets is not None:
        true = np.column_stack([rng.permutation(true) for _ in range(n_targets)])
    y, y_new = (x @ true for x in (X, X_new))
    return X, y + rng.normal(size=y.shape), X_new, y_new


@pytest.mark.parametrize("n_targets", [None, 2])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_removal_that_changes_which_coefficients_are_at_zero(fit_intercept, n_targets):
    X, y, X_new, y_new = bounded(n_targets)
    model = LinearRegression(positive=True, fit_intercept=fit_intercept)
    explainer = RelatIFExplainer(model).fit(X, y)
    effect = explainer.removal_effect(X_new, y_new, order="retrain")
    before = half_squares(explainer.estimator_, X_new, y_new)
    active, n_changed = explainer.estimator_.coef_ > 0, 0
    for row in range(len(y)):
        refit = without(model, X, y, [row])
        n_changed += ((refit.coef_ > 0) != active).any()
        expected = half_squares(refit, X_new, y_new) - before
        assert_allclose(effect[:, row], expected, rtol=0, atol=EXACT)
    assert n_changed > 2


def test_retrained_coefficients_keep_to_their_bounds():
    X, y, *_ = bounded()
    model = Ridge(alpha=2.0, positive=True, tol=1e-12, max_iter=10**5)
    explainer = RelatIFExplainer(model).fit(X, y)
    for rows, found in zip(GROUPS[:2], explainer.retrain_without(GROUPS[:2]), strict=True):
        assert found.coef_.min() == 0
        assert_allclose(found.coef_, without(model, X, y, rows).coef_, atol=1e-6)


def test_one_step_ends_at_the_bound():
    X, y, X_new, _ = bounded()
    explainer = RelatIFExplainer(LinearRegression(positive=True)).fit(X, y)
    queries = np.vstack([np.zeros(8), np.eye(8)])
    for row in range(0, 40, 5):
        groups = labels_of([[row]], 40)
        effect = explainer.removal_effect(queries, None, groups)[:, 0]
        # Without a target, the loss is minus the prediction.
        coef = explainer.estimator_.coef_ - (effect[1:] - effect[0])
        assert coef.min() > -1e-12
    assert_allclose(explainer.pairwise_influence(X_new).shape, (4, 40))


def test_influence_is_that_of_the_coefficients_above_zero():
    X, y, X_new, y_new = bounded()
    model = LinearRegression(positive=True).fit(X, y)
    active = model.coef_ > 0
    assert 0 < active.sum() < 8
    alone = LinearRegression().fit(X[:, active], y)
    assert_allclose(alone.coef_, model.coef_[active])
    found, expected = (
        RelatIFExplainer.from_fitted(one, x, y).pairwise_influence(queries, y_new)
        for one, x, queries in ((model, X, X_new), (alone, X[:, active], X_new[:, active]))
    )
    assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_columns_that_could_as_well_have_the_coefficients():
    X, y, *_ = bounded()
    X = np.column_stack([X, 2 * X[:, 0], np.full(len(X), 3.0), np.zeros(len(X))])
    with pytest.warns(UserWarning, match=r"rows do not decide.*column 0|column 8"):
        RelatIFExplainer(LinearRegression(positive=True)).fit(X, y)
    # Neither a constant column nor one of zeros is such.
    RelatIFExplainer(LinearRegression(positive=True)).fit(np.delete(X, 8, axis=1), y)


def test_all_coefficients_at_zero():
    X, y, X_new, _ = numbers(n_features=2)
    x = np.column_stack([X[:, 0]])
    model = LinearRegression(positive=True)
    explainer = RelatIFExplainer(model, criterion="influence").fit(x, -3 * x[:, 0] + y)
    assert explainer.estimator_.coef_ == 0
    # Only the intercept is left, whose influence is that of a mean.
    error = explainer.predict(x) - (-3 * x[:, 0] + y)
    assert_allclose(explainer.pairwise_influence(X_new[:, :1]), np.tile(-error, (4, 1)))
    with pytest.raises(ValueError, match="or positive=True, holds every parameter"):
        RelatIFExplainer(clone(model).set_params(fit_intercept=False)).fit(abs(x), -np.ones(60))


def test_coefficients_far_too_large_meet_no_target():
    """As scikit-learn finds them where it takes rounding for a column."""
    X, y, *_ = numbers()
    model = LinearRegression().fit(X, y)
    model.coef_ = model.coef_ + 1e15
    with pytest.warns(UserWarning, match="not at the optimum"):
        assert RelatIFExplainer.from_fitted(model, X, y).distance_to_optimum_ > 3


# --- classes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_classes_are_targets_of_one_and_minus_one(n_classes, class_weight):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    model = RidgeClassifier(class_weight=class_weight, solver="svd")
    explainer = RelatIFExplainer(model, criterion="influence").fit(X, y, weight)
    assert explainer.distance_to_optimum_ < 1e-12
    count = np.bincount(y)
    by_class = len(y) / n_classes / count if class_weight else np.ones(n_classes)
    codes = 2.0 * (y[:, None] == np.arange(n_classes)) - 1
    if n_classes == 2:
        codes = codes[:, 1:]
    of_codes = RelatIFExplainer(Ridge(solver="svd"), criterion="influence")
    of_codes.fit(X, codes, weight * by_class[y])
    query = np.full((5, 1), 0)
    # The margin of class 0 is minus the prediction of its code, and plus those of the others.
    signs = -np.sign(codes[y == 0][:1]) if n_classes == 2 else 1 - 2 * np.eye(n_classes)[:1]
    by_output = [
        of_codes.removal_effect_on(
            lambda scores, k=k: (0.0, _only(scores, k)), X[:1], order="first"
        )
        for k in range(codes.shape[1])
    ]
    expected = signs[0] @ by_output
    total, s = (weight * by_class[y]).sum(), weight * by_class[y]
    found = explainer.pairwise_influence(X[:1], query[0])[0] * s / total
    assert_allclose(found, expected, rtol=1e-9, atol=1e-13)


def _only(scores, output):
    gradient = np.zeros_like(scores)
    gradient.reshape(len(scores), -1)[:, output] = 1
    return gradient


def test_searches_say_what_removal_holds():
    X, y = cases.noisy_classes(3)
    for model, kind, target in (
        (RidgeCV([0.1, 1.0, 10.0]), Ridge, X[:, 0] + y),
        (RidgeClassifierCV([0.1, 1.0, 10.0]), RidgeClassifier, y),
    ):
        explainer = RelatIFExplainer(model).fit(X, target)
        (found,) = explainer.retrain_without([GROUPS[2]])
        refit = without(kind(alpha=explainer.estimator_.alpha_), X, target, GROUPS[2])
        assert_allclose(found.coef_, refit.coef_, rtol=0, atol=EXACT)
        assert found.alpha_ == explainer.estimator_.alpha_


def test_several_labels_of_a_row_are_refused():
    X, y = cases.noisy_classes(3)
    several = (y[:, None] == np.arange(3)).astype(int)
    with pytest.raises(ValueError, match="1d array"):
        RelatIFExplainer(RidgeClassifier()).fit(X, several)


# --- precisions ------------------------------------------------------------------------------


def test_bayesian_ridge_is_ridge_at_its_precisions():
    X, y, X_new, y_new = numbers()
    bayes = RelatIFExplainer(BayesianRidge()).fit(X, y)
    model = bayes.estimator_
    ridge = RelatIFExplainer(Ridge(model.lambda_ / model.alpha_)).fit(X, y)
    for ask in ("pairwise_influence", "removal_effect"):
        found, expected = (getattr(one, ask)(X_new, y_new) for one in (bayes, ridge))
        assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_columns_that_were_pruned_stay_so():
    X, y, X_new, _ = numbers()
    X, X_new = (np.column_stack([x, np.sin(99 * x)]) for x in (X, X_new))
    model = ARDRegression(threshold_lambda=50.0).fit(X, y)
    kept = model.lambda_ < 50.0
    assert 0 < kept.sum() < len(kept)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < 1e-8
    (found,) = explainer.retrain_without([GROUPS[1]])
    assert_array_equal(found.coef_ != 0, kept)
    x = np.column_stack([X[:, kept], np.ones(len(X))])
    x, target = np.delete(x, GROUPS[1], axis=0), np.delete(y, GROUPS[1])
    penalty = np.diag(np.append(model.lambda_[kept] / model.alpha_, 0))
    expected = np.linalg.solve(x.T @ x + penalty, x.T @ target)
    assert_allclose(found.coef_[kept], expected[:-1], rtol=1e-8)
    changed = X_new.copy()
    changed[:, ~kept] += 1
    assert_array_equal(explainer.pairwise_influence(changed), explainer.pairwise_influence(X_new))


# --- how far from the optimum ----------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sparse_cg", "lsqr", "sag"])
def test_solvers_of_sparse_rows_with_an_intercept(solver):
    X, y, *_ = numbers()
    X = sparse.csr_matrix(X)
    close = RelatIFExplainer(Ridge(solver=solver, tol=1e-10, max_iter=10**5, random_state=0))
    assert close.fit(X, y).distance_to_optimum_ < 1e-3
    far = Ridge(solver=solver, tol=1e-10, max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="not at the optimum"):
        RelatIFExplainer(far).fit(X, y)


def test_the_unit_of_the_target_does_not_matter():
    X, y, *_ = numbers()
    wrong = Ridge(alpha=20.0).fit(X, y)
    distances = []
    for unit in (1e-6, 1.0, 1e6):
        wrong = Ridge(alpha=20.0).fit(X, unit * y)
        wrong.alpha = 2.0
        with pytest.warns(UserWarning, match="not at the optimum"):
            distances.append(RelatIFExplainer.from_fitted(wrong, X, unit * y).distance_to_optimum_)
    assert_allclose(distances, distances[0], rtol=1e-6)


def test_copies_have_intercepts_of_the_same_type():
    X, y, X_new, _ = numbers()
    for target in (y, y[:, None], np.column_stack([y, y])):
        explainer = RelatIFExplainer(Ridge()).fit(X, target)
        (model,) = explainer.retrain_without([[1]])
        assert type(model.intercept_) is type(explainer.estimator_.intercept_)
        assert model.predict(X_new).shape == explainer.predict(X_new).shape
