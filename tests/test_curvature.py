"""Curvatures and their inverses, against plain linear algebra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.curvature import CholeskyCurvature, DiagonalCurvature, _lapack
from tests import cases, reference


def no_null_space():
    raise AssertionError("a regular curvature was searched for null directions")


def regular(n_blocks, size, seed=0):
    factors = np.random.default_rng(seed).normal(size=(n_blocks, size, size))
    return factors @ factors.swapaxes(1, 2) + 0.1 * np.eye(size)


def block_diagonal(blocks):
    n_blocks, size, _ = blocks.shape
    whole = np.zeros((n_blocks, size, n_blocks, size))
    for index, block in enumerate(blocks):
        whole[index, :, index] = block
    return whole.reshape(n_blocks * size, -1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_whitening_and_solving(n_blocks, dtype):
    blocks = regular(n_blocks, 5)
    matrix = block_diagonal(blocks)
    curvature = CholeskyCurvature(blocks.copy(), dtype, no_null_space)
    gradients = np.random.default_rng(1).normal(size=(7, len(matrix))).astype(dtype)

    tolerance = {"rtol": 0, "atol": 1e-12 if dtype == np.float64 else 1e-4}
    expected = np.linalg.solve(matrix, gradients.T.astype(float)).T
    solved = curvature.solve(gradients.copy())
    assert solved.dtype == dtype
    assert_allclose(solved, expected, **tolerance)
    whitened = curvature.whiten(gradients.copy())
    lower = np.linalg.cholesky(matrix)
    assert_allclose(whitened @ lower.T, gradients, **tolerance)
    assert_allclose(curvature.unwhiten(whitened.copy()), expected, **tolerance)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_quadratic_form(n_blocks):
    n_outputs, n_columns = 3, 4
    blocks = regular(n_blocks, n_outputs * n_columns // n_blocks)
    inverse = np.linalg.inv(block_diagonal(blocks)).reshape(3, n_columns, 3, n_columns)
    curvature = CholeskyCurvature(blocks.copy(), np.float64, no_null_space)
    x = np.random.default_rng(1).normal(size=(6, n_columns))
    expected = np.einsum("ni,kilj,nj->nkl", x, inverse, x)
    if n_blocks == n_outputs:
        expected = np.einsum("nkk->nk", expected)
    unchanged = x.copy()
    assert_allclose(curvature.quadratic_form(n_outputs)(x), expected, rtol=1e-10)
    assert_allclose(x, unchanged, rtol=0)


def test_masked_parameters_take_no_part():
    mask = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    (block,) = regular(1, 5)
    kept = mask > 0
    # As the objective hands it over: masked parameters are not coupled to the others.
    whole = np.where(np.outer(kept, kept), block, np.diag(1 - mask))
    curvature = CholeskyCurvature(whole[None].copy(), np.float64, no_null_space, mask)
    gradients = np.random.default_rng(1).normal(size=(4, 5))
    expected = np.zeros((4, 5))
    expected[:, kept] = np.linalg.solve(block[np.ix_(kept, kept)], gradients[:, kept].T).T
    assert_allclose(curvature.solve(gradients.copy()), expected, atol=1e-12)
    assert_allclose(curvature.whiten(gradients.copy())[:, ~kept], 0)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e5, 1e9])
def test_null_directions_are_given_curvature_in_the_units_of_their_columns(unit):
    """Two equal columns in another unit than the rest: whatever that is, solutions are the same."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))
    x[:, 1] = x[:, 0]
    scale = np.array([unit, unit, 1, 1])
    block, gradients = (x * scale).T @ (x * scale), rng.normal(size=(5, 30)) @ (x * scale)
    null = np.array([[1.0], [-1], [0], [0]]) / np.sqrt(2)
    curvature = CholeskyCurvature(block[None].copy(), np.float64, lambda: [null])
    expected = gradients / scale @ np.linalg.pinv(x.T @ x, 1e-13, hermitian=True)
    assert_allclose(curvature.solve(gradients.copy()) * scale, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("mask", [None, np.array([1.0, 0.0, 1.0, 1.0, 1.0, 0.0])])
def test_lengths_of_many_rows_come_from_one_product(mask):
    """As long as the unrotated ones, in columns of scales from 1 to 1e10."""
    (block,) = regular(1, 6)
    kept = np.ones(6, bool) if mask is None else mask > 0
    scales = np.logspace(0, 10, 6)
    x = np.random.default_rng(1).normal(size=(50, 6))
    solved = np.zeros_like(x)
    solved[:, kept] = np.linalg.solve(block[np.ix_(kept, kept)], x[:, kept].T).T

    whole = np.where(np.outer(kept, kept), block, np.diag(1.0 - kept)) * np.outer(scales, scales)
    curvature = CholeskyCurvature(whole[None].copy(), np.float64, no_null_space, mask)
    rotated = curvature.for_lengths(n_rows=10**6)
    whitened = rotated.whiten(x * scales)
    squares = np.einsum("ij,ij->i", whitened, whitened)
    assert_allclose(squares, (x * solved).sum(axis=1), rtol=1e-11)
    lengths = np.linalg.norm(rotated.unwhiten(whitened), axis=1)
    assert_allclose(lengths, np.linalg.norm(solved / scales, axis=1), rtol=1e-11)


@pytest.mark.parametrize(("n_blocks", "n_rows"), [(1, 100), (3, 10**6)])
def test_few_rows_are_not_worth_a_rotation(n_blocks, n_rows):
    curvature = CholeskyCurvature(regular(n_blocks, 5), np.float64, no_null_space)
    assert curvature.for_lengths(n_rows) is curvature


def test_diagonal_curvature():
    """Parameters with 0 on the diagonal are held fixed."""
    diagonal = np.array([4.0, 0.0, 1.0, 0.25, 9.0, 0.0])
    curvature = DiagonalCurvature(diagonal)
    gradients = np.random.default_rng(1).normal(size=(4, 6))
    inverse = np.diag([0.25, 0.0, 1.0, 4.0, 1 / 9, 0.0])
    assert_allclose(curvature.solve(gradients), gradients @ inverse, rtol=1e-14)
    whitened = curvature.whiten(gradients)
    assert_allclose(whitened @ whitened.T, gradients @ inverse @ gradients.T, rtol=1e-12)
    assert_allclose(curvature.unwhiten(whitened), gradients @ inverse, rtol=1e-14)
    x = np.arange(12.0).reshape(4, 3)
    forms = [x**2 @ np.diag(inverse)[:3], x**2 @ np.diag(inverse)[3:]]
    assert_allclose(curvature.quadratic_form(2)(x), np.column_stack(forms), rtol=1e-14)


def test_null_directions_are_left_out_of_every_solution():
    """As by the pseudo-inverse; a regular block beside a singular one stays as it is."""
    rng = np.random.default_rng(0)
    (first,) = regular(1, 4)
    X = rng.normal(size=(20, 4))
    X[:, 3] = 2 * X[:, 0]
    X[:, 1] = 0
    second = X.T @ X
    null = np.array([[0, 1.0, 0, 0], np.array([2, 0, 0, -1]) / np.sqrt(5)]).T
    blocks = np.stack([first, second])
    curvature = CholeskyCurvature(blocks.copy(), np.float64, lambda: [np.zeros((4, 0)), null])
    gradients = np.hstack([rng.normal(size=(6, 4)), rng.normal(size=(6, 20)) @ X])
    expected = gradients @ np.linalg.pinv(block_diagonal(blocks), hermitian=True)
    assert_allclose(curvature.solve(gradients.copy()), expected, atol=1e-12)


def test_error_of_an_indefinite_curvature():
    indefinite = np.array([[[1.0, 2.0], [2.0, 1.0]]])
    with pytest.raises(ValueError, match=r"not positive definite.*smallest.*pivot.*damping=1e-3"):
        CholeskyCurvature(indefinite, np.float64, lambda: [np.zeros((2, 0))])


@pytest.mark.parametrize("curvature", ["hessian", "fisher", "empirical_fisher", "identity"])
def test_damping_is_added_to_the_mean_curvature(curvature):
    X, y = cases.noisy_classes(3)
    model = LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-10).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y, curvature=curvature, damping=0.2)
    expected = cases.brute_force(model, X, y, X[:20], y[:20], curvature=curvature, damping=0.2)
    if curvature == "identity":
        # The gradients as they are, but for the damping.
        gradients = reference.gradients(cases.parameters(model), reference.design(X), y, "softmax")
        assert_allclose(1.2 * expected["influence"], gradients[:20] @ gradients.T, atol=1e-14)
    for criterion, matrix in expected.items():
        actual = explainer.pairwise_influence(X[:20], y[:20], criterion=criterion)
        assert cases.relative_error(actual, matrix) < 1e-10


def test_separable_curvature_is_factorised_block_by_block():
    X, y = cases.noisy_classes(3)
    explainer = RelatIFExplainer(OneVsRestClassifier(LogisticRegression())).fit(X, y)
    assert explainer._study.curvature.n_blocks == 3
    assert explainer._study.curvature.size == X.shape[1] + 1


@pytest.mark.parametrize("excess", [-1e-16, 1e-16, 1e-13, 1e-10])
def test_null_directions_are_held_where_rounding_gives_them_some_curvature(excess):
    X = np.random.default_rng(0).normal(size=(20, 3))
    X = np.column_stack([X, X[:, 0]])
    gram = X.T @ X
    gradients = X[:5].copy()
    expected = np.linalg.lstsq(gram, gradients.T, rcond=1e-9)[0].T
    gram[-1, -1] *= 1 + excess
    null = np.array([[1.0, 0, 0, -1]]).T / np.sqrt(2)
    curvature = CholeskyCurvature(gram[None], np.float64, lambda: [null])
    assert curvature.n_free == 3
    assert_allclose(curvature.solve(gradients), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_large_matrices_are_factorised_by_blocks(monkeypatch, dtype):
    rng = np.random.default_rng(0)
    square = rng.normal(size=(50, 50)) / 7
    matrix = np.asarray(square @ square.T + np.eye(50), dtype=dtype, order="F")
    above = np.triu(matrix, 1)
    whole, _ = _lapack.cholesky(matrix.copy(order="F"))
    monkeypatch.setattr(_lapack, "LARGE", 16)
    monkeypatch.setattr(_lapack, "BLOCK", 16)
    factor, failed_at = _lapack.cholesky(matrix)
    assert failed_at == 0
    assert np.shares_memory(factor, matrix)
    assert_allclose(np.tril(factor), np.tril(whole), rtol=0, atol=20 * np.finfo(dtype).eps)
    assert_allclose(np.triu(factor, 1), above, rtol=0)
    lower = np.tril(factor)
    inverse = np.tril(_lapack.invert_triangle(factor))
    assert_allclose(inverse @ lower, np.eye(50), rtol=0, atol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", [1, 64, 65, 133, 585])
def test_triangles_of_any_order_are_inverted_in_place(order, dtype):
    """On some processors OpenBLAS does not survive odd orders above 132 in single precision."""
    square = np.random.default_rng(order).normal(size=(order, order)) / order
    matrix = np.asarray(square + 3 * np.eye(order), dtype=dtype, order="F")
    before = matrix.copy()
    inverse = _lapack.invert_triangle(matrix)
    assert np.shares_memory(inverse, matrix)
    assert_array_equal(np.triu(inverse, 1), np.triu(before, 1))
    product = np.tril(inverse) @ np.tril(before)
    assert_allclose(product, np.eye(order), rtol=0, atol=20 * np.finfo(dtype).eps)


def test_blocks_find_out_what_is_not_positive_definite(monkeypatch):
    monkeypatch.setattr(_lapack, "LARGE", 16)
    monkeypatch.setattr(_lapack, "BLOCK", 16)
    matrix = np.asfortranarray(np.diag(np.where(np.arange(40) == 25, -1.0, 1.0)))
    assert _lapack.cholesky(matrix)[1] == 26
