"""What every Jacobian owes its callers, against matrices that are written out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.jacobians import (
    Gradients,
    KernelFeatures,
    KernelJacobian,
    LinearJacobian,
    RowSpaceJacobian,
    TrainingKernel,
)
from sklearn_relatif.objectives import CurvatureOperator
from sklearn_relatif.optimality import _distance
from sklearn_relatif.testing import check_jacobian

from . import reference

N_ROWS, N_OUTPUTS, N_VECTORS = 23, 3, 4
SOME = slice(5, 17)


def features(density=1.0, n_features=6):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_ROWS, n_features))
    X[rng.random(X.shape) > density] = 0
    return X


def linear(kind, fit_intercept, tmp_path):
    """A Jacobian, and the features of an intercept last that it stands for."""
    X = features(*{"sparse": (0.3,), "nearly empty": (0.01, 60)}.get(kind, ()))
    own = X
    if kind in ("sparse", "nearly empty"):
        own = sparse.csr_matrix(X)
    if kind == "stored":
        own = np.memmap(tmp_path / "X", X.dtype, "w+", shape=X.shape)
        own[:] = X
    return LinearJacobian(own, fit_intercept), reference.design(X, fit_intercept)


def reduced(kind, fit_intercept):
    """The same in the space of the rows, and its coordinates."""
    X = features(0.3, 60)
    own = LinearJacobian(sparse.csr_matrix(X) if kind == "sparse" else X, fit_intercept)
    jacobian = RowSpaceJacobian.of(own, [np.zeros((N_OUTPUTS, own.n_columns))])
    return jacobian, reference.design(np.asarray(jacobian.features()), fit_intercept)


@pytest.fixture(params=["dense", "sparse", "nearly empty", "stored", "reduced", "reduced sparse"])
def kind(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["intercept", "none"])
def case(kind, request, tmp_path):
    if kind.startswith("reduced"):
        return reduced(kind.removeprefix("reduced").strip(), request.param)
    return linear(kind, request.param, tmp_path)


def drawn(*shape):
    return np.random.default_rng(1).normal(size=shape)


def assert_equal(actual, expected):
    assert actual.shape == expected.shape
    assert_allclose(actual, expected, rtol=1e-10, atol=1e-10)


def test_jacobians_keep_their_promises(case):
    jacobian, x = case
    check_jacobian(jacobian, drawn(N_OUTPUTS, x.shape[1]))


@pytest.mark.parametrize("rows", [slice(None), SOME, np.array([3, 0, 21])], ids=["all", "a", "few"])
def test_products_are_those_of_the_matrices(case, rows):
    jacobian, x = case
    tables = drawn(N_VECTORS, N_OUTPUTS, x.shape[1])
    vectors = tables.reshape(N_VECTORS, -1)
    residual = drawn(len(x[rows]), N_VECTORS, N_OUTPUTS)
    expected = np.einsum("nd,mkd->nmk", x[rows], tables)
    adjoint = np.einsum("nmk,nd->mkd", residual, x[rows])
    for own in (jacobian.apply(vectors, rows), jacobian.loaded(rows, np.float64).apply(vectors)):
        assert_equal(own, expected)
    assert_equal(jacobian.predictor(tables[0], rows), expected[:, 0])
    assert_equal(jacobian.adjoint(residual, rows), adjoint.reshape(N_VECTORS, -1))
    total = np.ones(tables.shape)
    jacobian.loaded(rows, np.float64).add_adjoint(total, residual)
    assert_equal(total, 1 + adjoint)


def test_products_with_nothing(case):
    jacobian, x = case
    empty, none = slice(0, 0), np.zeros((0, N_OUTPUTS * x.shape[1]))
    assert jacobian.apply(none).shape == (N_ROWS, 0, 1 * N_OUTPUTS)
    assert jacobian.apply(drawn(2, N_OUTPUTS * x.shape[1]), empty).shape == (0, 2, N_OUTPUTS)
    assert_equal(jacobian.adjoint(np.zeros((0, 2, N_OUTPUTS)), empty), np.zeros((2, none.shape[1])))


def test_gradients_are_residuals_times_the_jacobian(case):
    jacobian, x = case
    unit, norm = drawn(N_ROWS, N_OUTPUTS), np.ones(N_ROWS)
    expected = np.einsum("nk,nd->nkd", unit, x).reshape(N_ROWS, -1)
    rows = Gradients(jacobian, unit, norm)
    assert rows.n_values == expected.shape[1]
    assert 0 < rows.n_formed(2) <= max(rows.n_values, 2 * N_OUTPUTS)
    assert_equal(rows.block(SOME), expected[SOME])
    assert_equal(rows.lengths(SOME, rows.block(SOME)), np.linalg.norm(expected[SOME], axis=1))
    vectors = drawn(N_VECTORS, expected.shape[1])
    assert_equal(rows.contract(vectors, SOME), vectors @ expected[SOME].T)
    assert_equal(rows.part(SOME).contract(vectors, slice(2, 4)), vectors @ expected[SOME][2:4].T)
    assert_equal(rows.scaled(2 * norm).block(SOME), 2 * expected[SOME])


def test_forms_of_the_rows(case):
    jacobian, x = case
    assert_equal(jacobian[SOME].squared_lengths(), (x[SOME] ** 2).sum(axis=1))
    assert_equal(jacobian.column_lengths(), np.linalg.norm(x, axis=0))
    ((identity, factor),) = jacobian.factors(SOME)
    assert identity is None
    assert_equal(factor.toarray() if sparse.issparse(factor) else factor, x[SOME])
    assert_equal(jacobian.part(SOME).dense_block(slice(None)), x[SOME])
    covered = np.concatenate([np.arange(N_ROWS)[rows] for rows in jacobian.blocks(10)])
    assert_equal(covered, np.arange(N_ROWS))
    if jacobian.is_dense:
        tables = drawn(len(x[SOME]), N_OUTPUTS, x.shape[1])
        assert_equal(jacobian.apply_each(tables, SOME), np.einsum("nkd,nd->nk", tables, x[SOME]))
        assert_equal(jacobian[SOME].known_lengths(), np.linalg.norm(x[SOME], axis=1))


def test_other_rows_meet_the_same_parameters(case, kind):
    """Parameters may have other coordinates than the user's features: predictors are the same."""
    jacobian, x = case
    weights = drawn(N_OUTPUTS, x.shape[1])
    full = jacobian.expand(weights)
    X = drawn(7, full.shape[1] - jacobian.fit_intercept)
    for own in (jacobian.at(X), jacobian.without_rows().at(X)):
        expected = reference.design(X, jacobian.fit_intercept) @ full.T
        assert_equal(own.predictor(weights), expected)
    assert_equal(jacobian.project(full), weights)
    assert jacobian.is_reduced == kind.startswith("reduced")


def test_lengths_out_of_range():
    """Single precision is trusted with no row whose square over- or underflows."""
    X = np.array([[1e200, 0.0], [1e-200, 0.0], [0.0, 0.0], [3.0, 4.0]])
    assert_allclose(LinearJacobian(X, False).known_lengths(), [np.nan, np.nan, 0, 5])


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_kernels_know_gradients_by_inner_products(kernel):
    X = features()
    own = TrainingKernel(SVC(kernel=kernel, coef0=1.0, gamma=0.3), X)
    support = np.array([1, 4, 6, 9, 20])
    unit = np.zeros((N_ROWS, 2))
    unit[support] = drawn(len(support), 2)
    rows = Gradients(KernelJacobian(own, support), unit, np.ones(N_ROWS))
    queries = Gradients(KernelFeatures(drawn(4, 6)), drawn(4, 2), np.ones(4))
    gram = own.between(queries.jacobian, np.arange(N_ROWS))
    expected = (queries.unit @ unit.T) * gram
    assert_equal(rows.contract(queries.block(slice(None)), SOME), expected[:, SOME])
    part = queries.part(slice(1, 3)).block(slice(None)) * 2.0
    assert_equal(rows.contract(part, SOME), 2 * expected[1:3, SOME])
    lengths = np.where(unit.any(axis=1), np.sqrt(own.diagonal(np.arange(N_ROWS))), 0)
    assert_equal(rows.lengths(SOME, rows.block(SOME) * 3.0), 3 * lengths[SOME])
    assert not (rows.are_vectors or rows.is_dense or rows.can_be_split)
    assert queries.can_be_split


def counted(monkeypatch, name):
    """Sizes of the blocks of rows with which a method of linear Jacobians is called from now on."""
    sizes, method = [], getattr(LinearJacobian, name)

    def wrapper(self, residual, *arguments):
        sizes.append(len(residual))
        return method(self, residual, *arguments)

    monkeypatch.setattr(LinearJacobian, name, wrapper)
    return sizes


@pytest.mark.parametrize("task", ["multiply", "gradient", "probes"])
def test_sums_over_wide_sparse_rows_are_few(monkeypatch, task):
    """Each of them has all columns, however few its rows: they must not be as many as dense rows
    would have them.
    """
    random = np.random.RandomState(0)
    X = sparse.random(2000, 50_000, density=2e-4, format="csr", random_state=random)
    y = random.randint(3, size=2000)
    model = LogisticRegression().fit(X, y)
    objective = reduce_estimator(model, X, y, np.ones(2000))
    sizes = counted(monkeypatch, "adjoint")
    if task == "gradient":
        objective.gradient()
    else:
        total = CurvatureOperator(objective, "hessian", 0.0)
        vectors = np.ones((2, objective.weights.size))
        total.multiply(vectors) if task == "multiply" else _distance._random_gradients(total)
    assert sum(sizes) == 2000
    assert len(sizes) <= 2
