"""Wide data in the space that the rows span, against the same solved in all features."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import WoodburyCurvature, prepare_curvature
from sklearn_relatif.objectives import reduce_to_row_space
from sklearn_relatif.removal import parameter_changes, retrain
from tests import cases

CURVATURES = [("hessian", 0.0), ("fisher", 0.0), ("fisher", 0.01), ("empirical_fisher", 0.01)]


def wide(n_classes, *, n_rows=40, n_features=120, is_sparse=False, seed=0):
    """Rows with copies among them, weights with zeros, labels, and queries near and far."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n_rows + 15, n_features))
    if is_sparse:
        table *= rng.uniform(size=table.shape) < 0.1
    X, queries = table[:n_rows], table[n_rows:]
    X[-6:] = X[:6]
    queries[:5] += X[:5]
    y = rng.integers(n_classes, size=n_rows)
    y[:n_classes] = np.arange(n_classes)
    if is_sparse:
        X, queries = sparse.csr_matrix(X), sparse.csr_matrix(queries)
    return X, y, cases.weights_with_zeros(n_rows), queries


def objective_of(model, X, y, weight=None):
    return reduce_estimator(model, X, y, np.ones(len(y)) if weight is None else weight)


def fitted(X, y, weight=None, **params):
    options = {"tol": 1e-10, "max_iter": 10_000, **params}
    return LogisticRegression(**options).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("curvature, damping", CURVATURES)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_agreement_with_cholesky(is_sparse, n_classes, curvature, damping):
    X, y, weight, queries = wide(n_classes, is_sparse=is_sparse)
    model = fitted(X, y, weight)
    explainers = [
        RelatIFExplainer.from_fitted(
            model, X, y, weight, curvature=curvature, damping=damping, solver=solver
        )
        for solver in ("cholesky", "woodbury")
    ]
    full, reduced = explainers
    is_dual = is_sparse and n_classes == 2 and (curvature, damping) != ("fisher", 0.0)
    assert isinstance(reduced._study.curvature, WoodburyCurvature) == is_dual
    assert reduced._study.coordinates[0].rows.n_values < full._study.objective.rows.n_values / 2
    for criterion in cases.CRITERIA:
        expected = full.pairwise_influence(queries, criterion=criterion)
        actual = reduced.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-8
    assert_allclose(reduced.self_influence_, full.self_influence_, rtol=1e-8, atol=1e-14)
    if curvature == "hessian":
        assert_allclose(reduced.leverage_, full.leverage_, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(fit_intercept=False),
        LogisticRegression(solver="liblinear", intercept_scaling=3.0),
        OneVsRestClassifier(LogisticRegression(C=0.3)),
    ],
)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_other_models(model, is_sparse):
    X, y, _, queries = wide(2 if getattr(model, "solver", "") == "liblinear" else 3)
    if is_sparse:
        X, queries = sparse.csr_matrix(X), sparse.csr_matrix(queries)
    model = model.fit(X, y)
    full, reduced = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        for solver in ("cholesky", "woodbury")
    )
    expected = full.pairwise_influence(queries, criterion="theta_relative")
    actual = reduced.pairwise_influence(queries, criterion="theta_relative")
    assert cases.relative_error(actual, expected) < 1e-8


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("n_rows", [40, 200])
def test_rank(n_rows, is_sparse):
    """The dimension is the rank, of tall data too, and empty rows are no trouble."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 12)) @ rng.normal(size=(12, 80))
    X[3] = 0
    y = rng.integers(2, size=n_rows)
    model = fitted(X, y, C=0.01)
    if is_sparse:
        X = sparse.csr_matrix(X)
    objective = objective_of(model, X, y)
    reduced = reduce_to_row_space(objective)
    assert reduced.shape == (1, 13)
    full, small = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        for solver in ("cholesky", "woodbury")
    )
    for criterion in cases.CRITERIA:
        expected = full.pairwise_influence(X[:20], criterion=criterion)
        actual = small.pairwise_influence(X[:20], criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-8


@pytest.mark.parametrize("is_sparse", [False, True])
def test_features_of_very_different_scale(is_sparse):
    X, y, _, queries = wide(3, is_sparse=is_sparse)
    scale = np.geomspace(1e-2, 1e2, X.shape[1])
    X, queries = (
        sparse.csr_matrix(table @ sparse.diags(scale)) if is_sparse else table * scale
        for table in (X, queries)
    )
    model = LogisticRegression(solver="newton-cholesky", tol=1e-10, C=1e-3).fit(X, y)
    full, reduced = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        for solver in ("cholesky", "woodbury")
    )
    for criterion in cases.CRITERIA:
        expected = full.pairwise_influence(queries, criterion=criterion)
        actual = reduced.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-8


@pytest.mark.parametrize("is_sparse", [False, True])
def test_single_precision(is_sparse):
    X, y, weight, queries = wide(3, is_sparse=is_sparse)
    X, queries = X.astype(np.float32), queries.astype(np.float32)
    model = LogisticRegression(max_iter=1000).fit(X, y, sample_weight=weight)
    single, double = (
        RelatIFExplainer.from_fitted(model, X.astype(dtype), y, weight, solver="woodbury")
        for dtype in (np.float32, np.float64)
    )
    for criterion in cases.CRITERIA:
        expected = double.pairwise_influence(queries, criterion=criterion)
        actual = single.pairwise_influence(queries, criterion=criterion)
        assert actual.dtype == np.float32
        assert cases.relative_error(actual, expected) < 2e-5


@pytest.mark.parametrize("is_sparse", [False, True])
def test_coefficients_outside_the_span_of_the_rows(is_sparse):
    """Without a penalty they need not be in it: predictors of all rows stay what they are."""
    X, y, weight, queries = wide(3, is_sparse=is_sparse)
    objective = objective_of(fitted(X, y, weight), X, y, weight)
    shift = np.random.default_rng(1).normal(size=objective.shape)
    objective = replace(objective, weights=objective.weights + shift)
    reduced = reduce_to_row_space(objective)
    assert (
        reduced.shape[1] == reduce_to_row_space(replace(objective, weights=0 * shift)).shape[1] + 2
    )
    assert_allclose(reduced.training_predictor, objective.training_predictor, atol=1e-12)
    assert_allclose(
        reduced.predictor(reduced.query_jacobian(queries)),
        objective.predictor(objective.query_jacobian(queries)),
        atol=1e-12,
    )
    assert_allclose(reduced.jacobian.expand(reduced.weights), objective.weights, atol=1e-12)
    assert_allclose(reduced.score_weights(), objective.score_weights(), atol=1e-12)
    assert reduced.relative_gradient() == pytest.approx(objective.relative_gradient(), rel=1e-10)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_retraining_in_the_span_of_the_rows(is_sparse):
    X, y, weight, _ = wide(3, is_sparse=is_sparse)
    objective = objective_of(fitted(X, y, weight), X, y, weight)
    reduced = reduce_to_row_space(objective)
    groups = [[0], [7], [1, 2, 3]]
    expected, actual = retrain(objective, groups), retrain(reduced, groups)
    assert_allclose(reduced.jacobian.expand(actual.weights), expected.weights, rtol=0, atol=1e-9)
    assert_allclose(
        parameter_changes(actual.objective, actual.weights),
        parameter_changes(expected.objective, expected.weights),
        rtol=1e-7,
    )


def elastic_net(X, y, weight=None, **params):
    how = {"penalty": "elasticnet"} if cases.HAS_MULTI_CLASS else {}
    model = LogisticRegression(solver="saga", tol=1e-8, max_iter=100_000, **params, **how)
    return model.fit(X, y, weight)


def test_active_set_of_a_binary_elastic_net():
    X, y, _, queries = wide(2, n_features=300)
    model = elastic_net(X, y, C=0.5, l1_ratio=0.02)
    objective = objective_of(model, X, y)
    assert objective.shape[1] > len(y) + 1
    full, reduced = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        for solver in ("cholesky", "woodbury")
    )
    assert reduced._study.objective.shape[1] < objective.shape[1]
    for criterion in cases.CRITERIA:
        expected = full.pairwise_influence(queries, criterion=criterion)
        actual = reduced.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-8
    expand = reduced._study.objective.jacobian.expand
    assert_allclose(expand(reduced._study.objective.slope), objective.slope, atol=1e-12)
    expected = full._study.objective.relative_gradient()
    assert reduced._study.objective.relative_gradient() == pytest.approx(expected, rel=1e-6)
    assert max(full.distance_to_optimum_, reduced.distance_to_optimum_) < 1e-4


def test_active_set_after_retraining_in_the_span_of_the_rows():
    """The signs that an L1 penalty chose are those of the user's features."""
    X, y, weight, _ = wide(2, n_features=300)
    model = elastic_net(X, y, weight, C=0.5, l1_ratio=0.02)
    objective = objective_of(model, X, y, weight)
    unused = np.flatnonzero(weight == 0)[0]
    groups = [[unused], [0], [7]]
    expected = retrain(objective, groups)
    actual = retrain(reduce_to_row_space(objective), groups)
    assert_array_equal(expected.active_set_changed, [False, True, True])
    assert_array_equal(actual.active_set_changed, expected.active_set_changed)
    expand = actual.objective.jacobian.expand
    assert_allclose(expand(actual.weights), expected.weights, rtol=0, atol=1e-9)


def test_refused_where_the_penalty_is_not_the_same_in_all_directions():
    X, y, _, _ = wide(3, n_features=300)
    model = elastic_net(X, y, C=0.2, l1_ratio=0.5)
    with pytest.raises(ValueError, match=r"woodbury.*L1 penalty.*solver='auto'"):
        RelatIFExplainer.from_fitted(model, X, y, solver="woodbury")
    assert RelatIFExplainer.from_fitted(model, X, y).solver_.name == "cholesky"


@pytest.mark.parametrize("n_classes, solver", [(2, "auto"), (5, "block_diagonal"), (5, "cg")])
def test_sparse_text_is_never_densified(n_classes, solver):
    n_rows, n_features = 2_000, 20_000
    rng = np.random.default_rng(0)
    X = sparse.random(n_rows, n_features, 0.001, format="csr", random_state=rng)
    y = (X @ rng.normal(size=(n_features, n_classes))).argmax(axis=1)
    objective = objective_of(fitted(X, y, tol=1e-6), X, y)
    tracemalloc.start()
    try:
        own, curvature, _ = prepare_curvature(objective, "hessian", 0.0, solver)
        queries = own.query_rows(own.query_jacobian(X[:3]), y[:3])
        solved = curvature.solve(queries.block(slice(None)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(solved).all()
    assert peak < n_rows * n_features * 8


_WEAK = LogisticRegression(C=1e4, max_iter=10_000)


@pytest.mark.parametrize("model", [_WEAK, OneVsRestClassifier(_WEAK)])
def test_sparse_rows_with_hardly_any_weight(model):
    """Rows that are fitted nearly perfectly, and one without features."""
    X, y, _, queries = wide(2 if isinstance(model, LogisticRegression) else 3, is_sparse=True)
    X = sparse.csr_matrix(sparse.diags(np.r_[0, np.geomspace(1e-4, 10, X.shape[0] - 1)]) @ X)
    model = model.fit(X, y)
    full, dual = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        for solver in ("cholesky", "woodbury")
    )
    assert isinstance(dual._study.curvature, WoodburyCurvature)
    for criterion in cases.CRITERIA:
        expected = full.pairwise_influence(queries, criterion=criterion)
        actual = dual.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-7
    assert_allclose(dual.leverage_, full.leverage_, rtol=1e-6, atol=1e-12)
    effects = [explainer.removal_effect(queries) for explainer in (full, dual)]
    assert cases.relative_error(effects[1], effects[0]) < 1e-6
