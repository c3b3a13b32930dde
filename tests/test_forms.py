"""Lengths of gradients by quadratic forms, against products with the factor."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.curvature import CholeskyCurvature, _forms, _memory
from sklearn_relatif.curvature._base import measured_part
from sklearn_relatif.jacobians import (
    Gradients,
    LinearJacobian,
    has_few_products,
    products_of_features,
)
from sklearn_relatif.objectives._pairs import PairGrams

N_OUTPUTS, N_FEATURES = 6, 60


@pytest.fixture(autouse=True)
def few_columns_are_many(monkeypatch):
    monkeypatch.setattr(_forms, "FEW_COLUMNS", 10)


def curvature_of(rows, ridge):
    """A factor of the mean of ``p (1 - p)`` shaped curvatures, as those of a softmax."""
    inner = np.eye(N_OUTPUTS) - 0.1
    x = rows.jacobian.dense_block(slice(None))
    matrix = np.kron(inner, x.T @ x / len(x)) + np.diag(np.ravel(ridge))
    return CholeskyCurvature(matrix[None], np.float64, lambda: [np.zeros((len(matrix), 0))])


def gradients(n_rows=9000, scale=1.0, fit_intercept=True, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, N_FEATURES)) * scale
    unit = rng.normal(size=(n_rows, N_OUTPUTS))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    return Gradients(LinearJacobian(X, fit_intercept), unit, np.ones(n_rows))


@pytest.fixture
def recorded(monkeypatch):
    """How many rows each call of ``measured_part`` was for."""
    sizes = []

    def record(rows, *arguments):
        sizes.append(rows.n_rows)
        return measured_part(rows, *arguments)

    monkeypatch.setattr(_forms, "measured_part", record)
    return sizes


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("criterion", ["loss_relative", "theta_relative"])
def test_the_lengths_are_those_of_the_factor(criterion, fit_intercept, recorded):
    rows = gradients(fit_intercept=fit_intercept)
    rows.unit[7] = 0
    curvature = curvature_of(rows, np.full(N_OUTPUTS * rows.jacobian.n_columns, 1e-3))
    expected = measured_part(rows, criterion, curvature)
    actual = curvature.lengths(rows, criterion)
    assert list(actual) == list(expected)
    for name in expected:
        assert_allclose(actual[name], expected[name], rtol=1e-12)
        assert actual[name][7] == 0
    assert recorded == [_forms.TRIED]


def test_rows_whose_form_cancels_are_left_to_the_factor(recorded):
    """A direction of next to no curvature, which few of the rows' gradients take."""
    rows = gradients()
    X = rows.jacobian.X
    X[:, 1] = X[:, 0]
    odd = np.array([3, 1700, 3999])
    X[odd, 1] += 1e-3
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-9))
    expected = measured_part(rows, "theta_relative", curvature)
    actual = curvature.lengths(rows, "theta_relative")
    for name in expected:
        assert_allclose(actual[name], expected[name], rtol=1e-9)
    assert rows.n_rows in recorded


def test_a_few_rows_are_left_to_the_factor(recorded):
    rows = gradients()
    # Squares of these numbers vanish.
    few = np.array([5, 2000])
    rows.jacobian.X[few] *= 1e-170
    rows = Gradients(LinearJacobian(rows.jacobian.X, False), rows.unit, rows.norm)
    curvature = curvature_of(rows, np.full(N_OUTPUTS * N_FEATURES, 1e-3))
    expected = measured_part(rows, "theta_relative", curvature)
    actual = curvature.lengths(rows, "theta_relative")
    for name in expected:
        assert_allclose(actual[name], expected[name], rtol=1e-12)
    assert recorded == [_forms.TRIED, len(few)]


@pytest.mark.parametrize("scale", [1e100, 1e-100, 1e-160])
def test_columns_out_of_range_are_left_to_the_factor(scale, recorded):
    rows = gradients(scale=np.where(np.arange(N_FEATURES) == 2, scale, 1.0))
    ridge = np.full((N_OUTPUTS, N_FEATURES + 1), 1e-3)
    ridge[:, 2] *= min(scale, 1.0) ** 2
    curvature = curvature_of(rows, ridge)
    expected = measured_part(rows, "theta_relative", curvature)
    actual = curvature.lengths(rows, "theta_relative")
    for name in expected:
        assert_array_equal(actual[name], expected[name])
    assert recorded == [_forms.TRIED, rows.n_rows]


def test_rounding_is_within_its_bound():
    rows = gradients(200)
    rows.jacobian.X[:, 1] = rows.jacobian.X[:, 0] + 1e-3 * rows.jacobian.X[:, 1]
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-8))
    (factor,) = curvature.inverse_factors
    inverse = _forms.inverse_of(factor)
    forms = _forms.PairForms(
        _forms._strips_of_square(inverse, N_OUTPUTS), N_OUTPUTS, N_FEATURES + 1, np.float64
    )
    x = rows.jacobian.dense_block(slice(None))
    k, m = np.tril_indices(N_OUTPUTS)
    residuals = rows.unit[:, k] * rows.unit[:, m] * np.where(k == m, 1, 2)
    actual = np.einsum("ni,ni->n", forms(x), residuals)
    wide = np.longdouble
    solved = rows.block(slice(None)).astype(wide) @ inverse.astype(wide)
    expected = (solved**2).sum(axis=1)
    rounding = _forms._Rounding(lambda some: np.abs(inverse[some]).T, len(inverse))
    error = np.abs(actual - expected)
    assert (error <= rounding.bound(x, rows.unit)).all()
    assert (error > 1e-9 * rounding.bound(x, rows.unit)).any()


def test_the_bound_of_rounding_by_blocks(monkeypatch):
    rows = gradients(200)
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    (factor,) = curvature.inverse_factors
    monkeypatch.setattr(_forms, "STRIP", 50)
    inverse = _forms.inverse_of(factor)
    assert_allclose(inverse, np.tril(factor).T @ np.tril(factor), rtol=1e-10, atol=1e-12)
    for sizes_of, root in [
        (lambda own: _forms._sizes_below(factor, own), np.tril(factor)),
        (lambda own: np.abs(inverse[own]).T, inverse),
    ]:
        rounding = _forms._Rounding(sizes_of, len(root))
        lengths = np.linalg.norm(root, axis=0)
        sizes = np.abs(root) / lengths
        assert_allclose(rounding.column_squares, lengths**2, rtol=1e-13)
        assert_allclose(rounding.largest, (sizes.T @ sizes).sum(axis=1).max(), rtol=1e-13)


def test_rows_in_a_file_keep_to_the_factor(recorded, tmp_path):
    rows = gradients()
    np.save(tmp_path / "X.npy", rows.jacobian.X)
    stored = LinearJacobian(np.load(tmp_path / "X.npy", mmap_mode="r"), True)
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    curvature.lengths(Gradients(stored, rows.unit, rows.norm), "loss_relative")
    assert recorded == [rows.n_rows]


@pytest.mark.parametrize("scarce", ["working_memory", "memory"])
def test_without_room_for_forms_rows_keep_to_the_factor(scarce, monkeypatch, recorded):
    rows = gradients()
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    if scarce == "memory":
        monkeypatch.setattr(_memory, "machine_memory", lambda: 8 * 5 * curvature.size**2)
    with config_context(working_memory=1 if scarce == "working_memory" else 1024):
        curvature.lengths(rows, "loss_relative")
    assert recorded == [rows.n_rows]


def test_few_rows_are_not_worth_the_inverse(recorded):
    rows = gradients(5000)
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    curvature.lengths(rows, "loss_relative")
    assert recorded == [rows.n_rows]


def test_few_columns_keep_to_the_factor(monkeypatch, recorded):
    monkeypatch.setattr(_forms, "FEW_COLUMNS", N_FEATURES + 1)
    rows = gradients()
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    curvature.lengths(rows, "loss_relative")
    assert recorded == [rows.n_rows]


def test_single_precision_keeps_to_the_factor(recorded):
    rows = gradients()
    jacobian = rows.jacobian.astype(np.float32)
    single = Gradients(jacobian, rows.unit.astype(np.float32), rows.norm.astype(np.float32))
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    curvature.lengths(single, "loss_relative")
    assert recorded == [single.n_rows]


# --- sparse rows ------------------------------------------------------------------------------


def sparse_gradients(n_rows=3000, n_features=120, density=0.02, fit_intercept=True):
    rng = np.random.default_rng(1)
    X = sparse.random(n_rows, n_features, density, "csr", random_state=0)
    X.data -= 0.5
    X = sparse.csr_matrix(sparse.diags((np.arange(n_rows) != 5).astype(float)) @ X)
    X.eliminate_zeros()
    unit = rng.normal(size=(n_rows, N_OUTPUTS))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    unit[7] = 0
    return Gradients(LinearJacobian(X, fit_intercept), unit, np.ones(n_rows))


def test_products_of_features_are_those_of_dense_rows():
    X = sparse.random(20, 9, 0.4, "csr", random_state=0)
    X.indices[X.indptr[3] : X.indptr[4]] = X.indices[X.indptr[3] : X.indptr[4]][::-1].copy()
    twice = sparse.csr_matrix(([1.0, 2.0, 4.0], [1, 1, 0], [0, 3]), shape=(1, 9))
    rows = sparse.vstack([X, twice], format="csr")
    rows.has_sorted_indices = rows.has_canonical_format = False
    a, b = np.tril_indices(9)
    dense = rows.toarray()
    actual, size = products_of_features(rows)
    assert_array_equal(size, np.where(dense.any(axis=1), dense.max(axis=1), 1))
    expected = dense[:, a] * dense[:, b] / size[:, None] ** 2
    assert_allclose(actual.toarray(), expected, rtol=1e-14)
    nothing, size = products_of_features(sparse.csr_matrix((2, 9)))
    assert nothing.shape == (2, 45) and nothing.nnz == 0
    assert_array_equal(size, 1)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("criterion", ["loss_relative", "theta_relative"])
def test_lengths_of_sparse_rows_are_those_of_the_factor(criterion, fit_intercept, recorded):
    rows = sparse_gradients(fit_intercept=fit_intercept)
    assert has_few_products(rows.jacobian, N_OUTPUTS)
    curvature = curvature_of(rows, np.full(N_OUTPUTS * rows.jacobian.n_columns, 1e-2))
    expected = measured_part(rows, criterion, curvature)
    actual = curvature.lengths(rows, criterion)
    assert recorded[0] == _forms.TRIED
    for name in expected:
        assert_allclose(actual[name], expected[name], rtol=1e-12)
        assert actual[name][7] == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_forms_of_sparse_rows_are_those_of_their_arrays(dtype):
    rows = sparse_gradients()
    curvature = curvature_of(rows, np.full(N_OUTPUTS * rows.jacobian.n_columns, 1e-2))
    jacobian = rows.jacobian.astype(dtype)
    few = SimpleNamespace(jacobian=jacobian, shape=(N_OUTPUTS, jacobian.n_columns))
    forms = curvature.forms(few)
    dense = LinearJacobian(jacobian.X.toarray(), True)
    expected = curvature.forms(SimpleNamespace(jacobian=dense, shape=few.shape))
    for some in (slice(3, 40), np.array([7, 5, 5, 100])):
        assert forms(some).dtype == np.float64
        assert_allclose(forms(some), expected(some), rtol=1e-10, atol=1e-14)


def test_rows_with_many_features_have_too_many_products():
    filled = LinearJacobian(sparse.csr_matrix(np.ones((10, 40))), True)
    assert not has_few_products(filled, N_OUTPUTS)
    assert not has_few_products(LinearJacobian(np.ones((10, 40)), True), N_OUTPUTS)
    assert not has_few_products(filled.without_rows(), N_OUTPUTS)


@pytest.mark.parametrize("has_contrasts", [True, False])
def test_curvature_of_sparse_rows_is_that_of_their_arrays(has_contrasts):
    rng = np.random.default_rng(0)
    n_classes, x = 4, sparse.random(50, 12, 0.2, "csr", random_state=0)
    probabilities = rng.dirichlet(np.ones(n_classes), 50)
    # Features whose squares are out of range, of a row that is certain.
    certain = np.argmax(np.diff(x.indptr))
    x.data[x.indptr[certain] : x.indptr[certain + 1]] = 1e200
    probabilities[certain] = [1, 0, 0, 0]
    weight = rng.integers(0, 3, 50).astype(float)
    contrasts = np.linalg.qr(np.eye(n_classes) - 1 / n_classes)[0][:, : n_classes - has_contrasts]
    sums = []
    for by_products in (False, True):
        grams = PairGrams(contrasts, 12, np.float64)
        for rows in (slice(0, 20), slice(20, 50)):
            some = probabilities[rows], weight[rows]
            if by_products:
                grams.add_products(x[rows], *some)
            else:
                grams.add(x[rows].toarray(), *some)
        sums.append(grams.total())
    assert_allclose(sums[1], sums[0], rtol=1e-12, atol=1e-15)


def test_model_of_sparse_rows_is_explained_as_that_of_their_arrays(monkeypatch):
    rng = np.random.default_rng(0)
    X = sparse.random(400, 150, 0.02, "csr", random_state=0)
    y = rng.integers(5, size=400)
    model = LogisticRegression(tol=1e-9, max_iter=1000).fit(X, y)
    asked = []
    monkeypatch.setattr(
        PairGrams,
        "add_products",
        lambda *arguments, own=PairGrams.add_products: asked.append(1) or own(*arguments),
    )
    columns = []
    for features in (X, X.toarray()):
        explainer = RelatIFExplainer.from_fitted(model, features, y)
        report = explainer.audit(features[:50], y[:50])
        columns.append(report.columns)
    assert asked
    assert list(columns[0]) == list(columns[1])
    for name in ("loo_loss", "leverage", "self_influence", "parameter_shift", "test_influence"):
        assert_allclose(columns[0][name], columns[1][name], rtol=1e-9)
