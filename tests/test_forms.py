"""Lengths of gradients by quadratic forms, against products with the factor."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_relatif.curvature import CholeskyCurvature, _forms
from sklearn_relatif.curvature._base import measured_part
from sklearn_relatif.jacobians import Gradients, LinearJacobian

N_OUTPUTS, N_FEATURES = 6, 60


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


@pytest.mark.parametrize("scale", [1e100, 1e-100])
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
    actual = np.einsum("nkl,nk,nl->n", forms.by_outputs(x), rows.unit, rows.unit)
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


def test_single_precision_keeps_to_the_factor(recorded):
    rows = gradients()
    jacobian = rows.jacobian.astype(np.float32)
    single = Gradients(jacobian, rows.unit.astype(np.float32), rows.norm.astype(np.float32))
    curvature = curvature_of(rows, np.full(N_OUTPUTS * (N_FEATURES + 1), 1e-3))
    curvature.lengths(single, "loss_relative")
    assert recorded == [single.n_rows]
