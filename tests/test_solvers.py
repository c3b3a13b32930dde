"""Solvers that do not factor the whole curvature, against those that do."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from benchmarks.bench_solvers import fidelity
from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import (
    BlockDiagonalCurvature,
    ConjugateGradients,
    DiagonalCurvature,
    KroneckerCurvature,
    Lissa,
    SplitCurvature,
    WoodburyCurvature,
    _choice,
    _iterative,
    _memory,
    build_curvature,
    prepare_curvature,
)
from sklearn_relatif.objectives import CurvatureOperator
from sklearn_relatif.objectives import _operator as _products
from sklearn_relatif.utils import _threads
from tests import cases

CURVATURES = ("hessian", "fisher", "empirical_fisher")


def objective_of(model, X, y, weight=None):
    return reduce_estimator(model, X, y, np.ones(len(y)) if weight is None else weight)


def softmax(n_classes=3, is_sparse=False, dtype=np.float64, **params):
    """Objective of a softmax regression (a logistic one for two classes) with weights."""
    X, y = cases.noisy_classes(n_classes, n_features=6)
    X[:, 1] *= 5
    X = sparse.csr_matrix(X.astype(dtype)) if is_sparse else X.astype(dtype)
    weight = cases.weights_with_zeros(len(y))
    options = {"C": 0.5, "solver": "newton-cholesky", "tol": 1e-8, **params}
    return objective_of(LogisticRegression(**options).fit(X, y, weight), X, y, weight)


def one_vs_rest():
    X, y = cases.noisy_classes(4, n_features=5)
    model = OneVsRestClassifier(LogisticRegression(class_weight="balanced", C=0.3)).fit(X, y)
    return objective_of(model, X, y)


def with_l1():
    """A softmax whose classes use different features."""
    X, y = cases.noisy_classes(3, n_features=8)
    how = {"penalty": "elasticnet"} if cases.HAS_MULTI_CLASS else {}
    model = LogisticRegression(
        C=0.05, solver="saga", l1_ratio=0.5, tol=1e-8, max_iter=10_000, **how
    )
    objective = objective_of(model.fit(X, y), X, y)
    assert not objective.mask.all()
    return objective


OBJECTIVES = {
    "binary": lambda: softmax(2),
    "softmax": softmax,
    "sparse softmax": lambda: softmax(is_sparse=True),
    "one vs rest": one_vs_rest,
    "L1": with_l1,
    "coupled": cases.coupled,
}


def whole(objective, curvature, damping=0.0):
    """The curvature as one matrix, zero in the rows and columns of inactive parameters."""
    blocks = getattr(objective, curvature)()
    n_blocks, size, _ = blocks.shape
    matrix = np.zeros((n_blocks, size, n_blocks, size))
    for index, block in enumerate(blocks):
        matrix[index, :, index] = block
    matrix = matrix.reshape(n_blocks * size, -1) + damping * np.eye(n_blocks * size)
    if objective.mask is not None:
        matrix *= np.outer(objective.mask, objective.mask)
    return matrix


def gradients_of(objective):
    return objective.rows.block(slice(0, 40))


def inverse_of(curvature, objective):
    """The inverse that a curvature applies, as one matrix."""
    n_params = objective.rows.n_values
    return curvature.solve(np.eye(n_params, dtype=objective.dtype)).astype(float)


# --- products ------------------------------------------------------------------------------


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_products_without_the_matrix(name, curvature):
    objective = OBJECTIVES[name]()
    if name == "L1":
        # Curvature that the Cholesky solver adds where no gradient points.
        gauge = objective.hessian()[0] - whole(objective, "hessian")
        assert np.isfinite(gauge).all()
    matrix = whole(objective, curvature, damping=0.1)
    total = CurvatureOperator(objective, curvature, 0.1)
    vectors = total.restrict(np.random.default_rng(0).normal(size=(7, total.n_params)))
    if name == "L1":
        vectors = total.restrict(gradients_of(objective))
    assert_allclose(total.multiply(vectors), vectors @ matrix, atol=1e-12)
    assert_allclose(total.held(np.float64).multiply(vectors), vectors @ matrix, atol=1e-12)
    if name != "L1":
        assert_allclose(total.diagonal(), np.diag(matrix), atol=1e-12)
        n_outputs, n_columns = objective.shape
        grams = total.output_grams()
        cells = matrix.reshape(n_outputs, n_columns, n_outputs, n_columns)
        for output in range(n_outputs):
            expected = cells[output, :, output] - np.diag(total.ridge[output])
            assert_allclose(grams[output], expected, atol=1e-12)


# --- conjugate gradients -------------------------------------------------------------------


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("structure", ["diagonal", "block_diagonal"])
def test_conjugate_gradients_agree_with_cholesky(structure, name, curvature):
    objective = OBJECTIVES[name]()
    total = CurvatureOperator(objective, curvature, 1e-3)
    preconditioner = _choice.APPROXIMATIONS[structure](total)
    solver = ConjugateGradients(total, preconditioner, tol=1e-12)
    gradients = gradients_of(objective)
    gradients[3] = 0
    expected = build_curvature(objective, curvature, 1e-3).solve(gradients.copy())
    unchanged = gradients.copy()
    assert cases.relative_error(solver.solve(gradients), expected) < 1e-8
    assert_array_equal(gradients, unchanged)


def test_second_derivatives_are_not_held_beyond_a_budget(monkeypatch):
    total = CurvatureOperator(softmax(), "hessian", 0.0)
    assert total.held(np.float64) is not total
    monkeypatch.setattr(_products, "MOST_HELD", 0)
    assert total.held(np.float64) is total


def test_conjugate_gradients_of_sparse_features_in_one_thread_and_in_several(monkeypatch):
    objective = softmax(is_sparse=True)
    total = CurvatureOperator(objective, "hessian", 1e-3)
    gradients = gradients_of(objective)
    solver = ConjugateGradients(total, DiagonalCurvature(total.diagonal()), tol=1e-12)
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr(_threads, "n_blas_threads", lambda n=n_threads: n)
        monkeypatch.setattr(_iterative, "n_blas_threads", lambda n=n_threads: n)
        found.append(solver.solve(gradients))
        assert solver.solve(gradients[:0]).shape == (0, total.n_params)
    assert cases.relative_error(*found) < 1e-9
    expected = build_curvature(objective, "hessian", 1e-3).solve(gradients.copy())
    assert cases.relative_error(found[1], expected) < 1e-8


def test_conjugate_gradients_in_single_precision():
    """The steps are in double precision, so that the tolerance is met all the same."""
    objective = softmax(dtype=np.float32, tol=1e-4)
    total = CurvatureOperator(objective, "hessian", 0.0)
    solver = ConjugateGradients(total, BlockDiagonalCurvature(total))
    gradients = gradients_of(objective)
    solved = solver.solve(gradients)
    assert solved.dtype == np.float32
    expected = build_curvature(objective, "hessian", 0.0).solve(gradients.copy())
    assert cases.relative_error(solved, expected) < 1e-5


def test_a_preconditioner_that_knows_the_answer_takes_one_step():
    objective = one_vs_rest()
    total = CurvatureOperator(objective, "hessian", 0.0)
    solver = ConjugateGradients(total, BlockDiagonalCurvature(total), max_iter=1)
    expected = build_curvature(objective, "hessian", 0.0).solve(gradients_of(objective))
    assert cases.relative_error(solver.solve(gradients_of(objective)), expected) < 1e-10


def test_non_convergence_is_reported():
    objective = softmax()
    total = CurvatureOperator(objective, "hessian", 0.0)
    solver = ConjugateGradients(total, DiagonalCurvature(total.diagonal()), max_iter=2)
    with pytest.warns(ConvergenceWarning, match=r"after 2 iterations.*residual of .*40 right-hand"):
        solver.solve(gradients_of(objective))


def test_an_unattainable_tolerance_ends_early():
    objective = softmax()
    total = CurvatureOperator(objective, "hessian", 0.0)
    solver = ConjugateGradients(total, BlockDiagonalCurvature(total), tol=1e-18)
    solver.total.multiply, calls = counted(total.multiply)
    with pytest.warns(ConvergenceWarning):
        solved = solver.solve(gradients_of(objective))
    assert len(calls) < 1500
    expected = build_curvature(objective, "hessian", 0.0).solve(gradients_of(objective))
    assert cases.relative_error(solved, expected) < 1e-10


def counted(function):
    calls = []

    def call(*args):
        calls.append(args)
        return function(*args)

    return call, calls


def test_an_indefinite_curvature_is_an_error():
    objective = softmax()
    total = CurvatureOperator(objective, "hessian", -1.0)
    solver = ConjugateGradients(total, DiagonalCurvature(np.ones(total.n_params)))
    with pytest.raises(ValueError, match=r"not positive definite.*damping=1e-3"):
        solver.solve(gradients_of(objective))


# --- approximations with a factor ----------------------------------------------------------


STRUCTURED = ("block_diagonal", "kfac", "ekfac")


@pytest.mark.parametrize("curvature", ["hessian", "fisher"])
@pytest.mark.parametrize("name", ["binary", "one vs rest"])
def test_block_diagonal_is_exact_without_coupling(name, curvature):
    objective = OBJECTIVES[name]()
    own = BlockDiagonalCurvature(CurvatureOperator(objective, curvature, 1e-3))
    expected = build_curvature(objective, curvature, 1e-3).solve(gradients_of(objective))
    assert cases.relative_error(own.solve(gradients_of(objective)), expected) < 1e-10


def test_block_diagonal_of_a_softmax_has_a_block_for_each_class():
    objective = softmax(4)
    own = BlockDiagonalCurvature(CurvatureOperator(objective, "hessian", 0.01))
    x = objective.jacobian.dense_block(slice(None))
    contrasts = objective.loss.softmax_contrasts
    p = objective.loss.probabilities(objective.training_predictor)
    ridge = objective.penalty[0] / objective.total_weight + 0.01
    expected = 0
    for k in range(4):
        weight = objective.sample_weight * p[:, k] * (1 - p[:, k])
        block = (x.T * weight) @ x / objective.total_weight + np.diag(ridge)
        own_class = np.outer(contrasts[k], contrasts[k])
        expected = expected + np.kron(own_class, np.linalg.inv(block))
    assert_allclose(inverse_of(own, objective), expected, atol=1e-9 * np.abs(expected).max())


def test_block_diagonal_with_different_features_for_each_class():
    objective = with_l1()
    own = BlockDiagonalCurvature(CurvatureOperator(objective, "hessian", 0.0))
    n_outputs, n_columns = objective.shape
    matrix = whole(objective, "hessian").reshape(n_outputs, n_columns, n_outputs, n_columns)
    for k in range(n_outputs):
        active = objective.mask[k] > 0
        expected = np.zeros((n_columns, n_columns))
        block = CurvatureOperator(objective, "hessian", 0.0).output_grams()[k]
        block = block + np.diag(objective.penalty[k]) / objective.total_weight
        expected[np.ix_(active, active)] = np.linalg.inv(block[np.ix_(active, active)])
        actual = inverse_of(own, objective).reshape(matrix.shape)[k, :, k]
        assert_allclose(actual, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("curvature", ["hessian", "fisher"])
@pytest.mark.parametrize("structure", ["kfac", "ekfac"])
def test_kronecker_factors_are_exact_for_one_output(structure, curvature):
    objective = softmax(2)
    own = _choice.APPROXIMATIONS[structure](CurvatureOperator(objective, curvature, 0.0))
    expected = build_curvature(objective, curvature, 0.0).solve(gradients_of(objective))
    assert cases.relative_error(own.solve(gradients_of(objective)), expected) < 1e-9


@pytest.mark.parametrize("structure", ["kfac", "ekfac"])
def test_kronecker_factors_are_exact_where_all_rows_have_the_same_probabilities(structure):
    """With the unpenalised intercept and the damping."""
    objective = softmax(4, C=1e-12)
    own = _choice.APPROXIMATIONS[structure](CurvatureOperator(objective, "hessian", 0.01))
    expected = build_curvature(objective, "hessian", 0.01).solve(gradients_of(objective))
    assert cases.relative_error(own.solve(gradients_of(objective)), expected) < 1e-9


def test_corrected_eigenvalues_are_the_diagonal_in_the_kronecker_basis():
    objective = softmax(4)
    total = CurvatureOperator(objective, "hessian", 0.01)
    own = KroneckerCurvature(total, is_corrected=True)
    basis = np.kron(own.outputs, own.columns)
    projected = basis.T @ whole(objective, "hessian", 0.01) @ basis
    assert_allclose(own.values.ravel(), np.diag(projected), rtol=1e-9)


@pytest.mark.parametrize("structure", STRUCTURED)
def test_directions_that_nothing_sees_are_left_out(structure):
    """As by the pseudo-inverse: constant, empty and doubled columns without any penalty."""
    X, y = cases.noisy_classes(2)
    X = np.column_stack([X, np.full(len(X), 3.0), np.zeros(len(X)), 100 * X[:, 0]])
    objective = objective_of(LogisticRegression(C=10).fit(X, y), X, y)
    own = _choice.APPROXIMATIONS[structure](CurvatureOperator(objective, "fisher", 0.0))
    gradients = gradients_of(objective)
    expected = gradients @ np.linalg.pinv(whole(objective, "fisher"), rcond=1e-12, hermitian=True)
    assert cases.relative_error(own.solve(gradients.copy()), expected) < 1e-7


@pytest.mark.parametrize("structure", STRUCTURED)
def test_relabelled_classes(structure):
    X, y = cases.noisy_classes(4)
    results = []
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        labels = np.array(order)[y]
        model = LogisticRegression(solver="newton-cholesky", tol=1e-10).fit(X, labels)
        explainer = RelatIFExplainer.from_fitted(model, X, labels, solver=structure)
        results.append(explainer.pairwise_influence(X[:10], labels[:10]))
    assert cases.relative_error(*results) < 1e-7


def test_kronecker_factors_are_refused():
    with pytest.raises(ValueError, match=r"kfac.*L1 penalty.*block_diagonal"):
        KroneckerCurvature(CurvatureOperator(with_l1(), "hessian", 0.0))
    X, y = cases.noisy_classes(3)
    models = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    models.estimators_[1] = LogisticRegression(C=0.1).fit(X, y == 1)
    objective = objective_of(models, X, y)
    with pytest.raises(ValueError, match=r"different penalties"):
        KroneckerCurvature(CurvatureOperator(objective, "hessian", 0.0))


# --- LiSSA ---------------------------------------------------------------------------------


def lissa(objective, damping=0.1, **params):
    total = CurvatureOperator(objective, "hessian", damping)
    return Lissa(total, BlockDiagonalCurvature(total), random_state=0, **params)


def energy_error(solver, gradients, expected):
    """Errors in the norm of the curvature, relative to the solutions."""
    error = solver.solve(gradients.copy()) - expected
    square = np.einsum("ij,ij->i", error, solver.total.multiply(error))
    return np.sqrt(square / np.einsum("ij,ij->i", expected, gradients))


@pytest.mark.parametrize("name", ["binary", "softmax", "sparse softmax", "one vs rest"])
def test_lissa_converges(name):
    objective = OBJECTIVES[name]()
    gradients = gradients_of(objective)[objective.rows.norm[:40] > 0]
    expected = build_curvature(objective, "hessian", 0.1).solve(gradients.copy())
    solver = lissa(objective)
    assert energy_error(solver, gradients, expected).max() < 0.1


def test_lissa_comes_closer_with_larger_batches_and_more_repeats():
    objective = softmax()
    gradients = gradients_of(objective)[objective.rows.norm[:40] > 0]
    expected = build_curvature(objective, "hessian", 0.1).solve(gradients.copy())
    errors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for params in ({"batch": 10}, {"batch": 10, "repeats": 16}, {"batch": 75}):
            solver = lissa(objective, depth=200, **params)
            errors.append(energy_error(solver, gradients, expected).mean())
    rough, repeated, batched = errors
    assert repeated < rough / 2
    assert batched < rough / 2


def test_lissa_is_reproducible_and_treats_each_gradient_alone():
    objective = softmax()
    gradients = gradients_of(objective)
    solver = lissa(objective, damping=1.0, batch=75)
    first = solver.solve(gradients.copy())
    assert_array_equal(first, solver.solve(gradients.copy()))
    assert_allclose(solver.solve(gradients[:3].copy()), first[:3], rtol=1e-10)


def test_divergence_of_lissa_is_reported():
    objective = softmax()
    solver = lissa(objective, scale=0.01)
    with pytest.raises(ValueError, match=r"LiSSA diverged with scale=0.01.*larger scale"):
        solver.solve(gradients_of(objective))


def test_lissa_finds_a_larger_scale_by_itself():
    objective = softmax()
    solver = lissa(objective)
    solver.scale /= 3
    expected = build_curvature(objective, "hessian", 0.1).solve(gradients_of(objective))
    assert cases.relative_error(solver.solve(gradients_of(objective)), expected) < 0.1


def test_error_of_lissa_is_reported():
    objective = softmax()
    with pytest.warns(ConvergenceWarning, match=r"LiSSA stopped after 1 steps.*error of about"):
        lissa(objective, depth=1).solve(gradients_of(objective))


# --- which solver, and what for ------------------------------------------------------------


def test_relative_influence_from_two_curvatures():
    """Numerators solved for exactly, denominators from the block-diagonal approximation."""
    X, y = cases.noisy_classes(3)
    model = LogisticRegression().fit(X, y)
    exact, split, blocks = (
        RelatIFExplainer.from_fitted(model, X, y, solver=solver)
        for solver in ("cholesky", "cg", "block_diagonal")
    )
    influence = exact.pairwise_influence(X[:20], criterion="influence")
    actual = split.pairwise_influence(X[:20], criterion="influence")
    assert cases.relative_error(actual, influence) < 1e-7
    assert_allclose(split.scale_, blocks.scale_, rtol=1e-12)
    expected = influence / blocks.scale_
    assert cases.relative_error(split.pairwise_influence(X[:20]), expected) < 1e-7
    assert split.solver_.name == "cg"
    assert split.solver_.reason == (
        "it was asked for; denominators from the block-diagonal approximation"
    )
    assert exact.explain(X[:2]).solver.is_exact
    explanation = split.explain(X[:2])[0]
    assert explanation.solver == split.solver_ and not explanation.solver.is_exact
    assert "solver cg (it was asked for; denominators from the" in repr(explanation)


@pytest.mark.parametrize("solver", ["cg", "lissa", "block_diagonal", "kfac", "ekfac"])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_approximations_of_wide_data_are_the_same_in_the_span_of_the_rows(solver, is_sparse):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 60)), np.repeat([0, 1, 2], 10)
    model = LogisticRegression(C=0.01).fit(X, y)
    objective = objective_of(model, X, y)
    reduced, own, _ = prepare_curvature(objective, "hessian", 0.0, solver, 0)
    assert reduced.shape == (2, 31)
    if solver in ("block_diagonal", "kfac", "ekfac"):
        full = _choice.APPROXIMATIONS[solver](CurvatureOperator(objective, "hessian", 0.0))
        expected = full.solve(gradients_of(objective)) @ gradients_of(objective).T
        actual = own.solve(gradients_of(reduced)) @ gradients_of(reduced).T
        assert cases.relative_error(actual, expected) < 1e-9
    else:
        assert isinstance(own, SplitCurvature)


@pytest.mark.parametrize("solver", ["cg", "block_diagonal", "kfac", "ekfac"])
def test_embeddings(solver):
    """Their inner products are influences in the approximation, of any width."""
    X, y = cases.noisy_classes(3)
    explainer = RelatIFExplainer(LogisticRegression(), solver=solver).fit(X, y)
    queries, rows = explainer.transform(X[:5]), explainer.transform(X, y)
    assert len(explainer.get_feature_names_out()) == queries.shape[1]
    approximation = RelatIFExplainer(
        LogisticRegression(), solver="block_diagonal" if solver == "cg" else solver
    )
    expected = approximation.fit(X, y).pairwise_influence(X[:5], criterion="influence")
    assert cases.relative_error(queries @ rows.T, expected) < 1e-10


def choice_of(objective, memory, monkeypatch, curvature="hessian"):
    monkeypatch.setattr(_memory, "machine_memory", lambda: memory)
    return prepare_curvature(objective, curvature, 1e-3).solver


def test_automatic_choice(monkeypatch):
    objective = softmax()
    large = 2**30
    assert choice_of(objective, large, monkeypatch).name == "cholesky"
    assert "14 parameters takes 1.5 KiB" in choice_of(objective, large, monkeypatch).reason
    choice = choice_of(objective, 2 * 8 * 3 * 7**2, monkeypatch)
    assert choice.name == "cg"
    assert choice.reason.endswith("denominators from the block-diagonal approximation")
    choice = choice_of(softmax(5), 2 * 8 * 4 * 7**2, monkeypatch)
    assert choice.reason.endswith("the eigenvalue-corrected Kronecker approximation")
    choice = choice_of(objective, 1, monkeypatch)
    assert choice.reason.endswith("denominators from the diagonal of the curvature")
    # One vs rest has small blocks, but its empirical Fisher is one large one.
    four_blocks = 2 * 8 * 4 * 6**2
    assert choice_of(one_vs_rest(), four_blocks, monkeypatch).name == "cholesky"
    assert choice_of(one_vs_rest(), four_blocks, monkeypatch, "empirical_fisher").name == "cg"


def test_automatic_choice_for_wide_data(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 1200)), np.repeat([0, 1, 2], 10)
    objective = objective_of(LogisticRegression(C=0.01).fit(X, y), X, y)
    choice = choice_of(objective, 2**34, monkeypatch)
    assert choice.name == "woodbury"
    assert "the 30 rows span a part of the 1200 features" in choice.reason
    choice = choice_of(objective, 2 * 8 * 3 * 31**2, monkeypatch)
    assert choice.name == "cg"
    assert "in the span of the rows; denominators from the block-diagonal" in choice.reason


def test_rows_that_repeat_others_alone_are_no_weak_ridge():
    """Half of the digits of a pivot are lost, and as many are left."""
    rng = np.random.default_rng(0)
    X = sparse.random(40, 300, 0.05, format="csr", random_state=0)
    X, y = sparse.vstack([X, X[:3]], format="csr"), rng.normal(size=43)
    objective = reduce_estimator(Ridge(alpha=1e-9).fit(X, y), X, y, np.ones(43))
    total = CurvatureOperator(objective, "hessian", 0.0)
    gradients = gradients_of(objective)
    solved = WoodburyCurvature(total).solve(gradients.copy())
    error = total.multiply(solved) - gradients
    assert np.linalg.norm(error) < 1e-4 * np.linalg.norm(gradients)


@pytest.mark.parametrize("solver", ["auto", "cg", "kfac"])
def test_a_diagonal_curvature_needs_no_solver(solver):
    X, y = cases.noisy_classes(3)
    svm = LinearSVC(loss="hinge", tol=1e-8, max_iter=100_000).fit(X, y)
    for model, curvature in ((svm, "hessian"), (LogisticRegression().fit(X, y), "identity")):
        explainer = RelatIFExplainer.from_fitted(model, X, y, curvature=curvature, solver=solver)
        assert explainer.solver_.name == "diagonal"


@pytest.mark.parametrize("solver", ["woodbury", "cg", "block_diagonal", "kfac", "lissa"])
def test_a_fisher_information_that_does_not_exist(solver):
    X, y = cases.noisy_classes(3)
    model = LinearSVC(max_iter=100_000).fit(X, y)
    with pytest.raises(ValueError, match="curvature='fisher' needs a likelihood"):
        RelatIFExplainer.from_fitted(model, X, y, curvature="fisher", solver=solver)


def test_fidelity():
    exact = np.array([[5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    same = fidelity(exact, 2 * exact, n_examples=2)
    assert same.correlation == pytest.approx(1)
    assert (same.overlap, same.cardinality) == (1, 4)
    approximate = np.array([[5.0, 3.0, 4.0, 2.0, 1.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    other = fidelity(exact, approximate, n_examples=2)
    assert other.correlation == pytest.approx((0.9 - 1) / 2)
    assert (other.overlap, other.cardinality) == (0.25, 3)
