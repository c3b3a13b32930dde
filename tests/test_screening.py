"""Rows found in single precision, against a comparison of all products in double precision."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from sklearn_relatif.jacobians import Gradients, LinearJacobian
from sklearn_relatif.search import BestRows, screened_best


def problem(n_rows=3000, n_columns=6, n_outputs=3, n_queries=20, dtype=np.float64, seed=0):
    """Solved queries, gradient rows with some that are zero, and factors of wide range."""
    rng = np.random.default_rng(seed)
    unit = rng.normal(size=(n_rows, n_outputs))
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    unit[::50] = 0
    X = rng.normal(size=(n_rows, n_columns)).astype(dtype)
    rows = Gradients(LinearJacobian(X, True), unit.astype(dtype), np.ones(n_rows, dtype))
    solved = rng.normal(size=(n_queries, rows.n_values)).astype(dtype)
    factors = {
        "even": np.ones(n_rows, dtype),
        "wide": np.exp(3 * rng.normal(size=n_rows)).astype(dtype),
    }
    factors["wide"][::7] = 0
    return solved, rows, factors


def by_all(solved, rows, factor, n_best, direction):
    scores = direction * np.einsum("tp,ip->ti", solved, rows.block(slice(None))) * factor
    best = BestRows(len(solved), n_best, scores.dtype)
    best.update(slice(None), scores, 0)
    return best


def assert_found(solved, rows, factors, n_best=5, rtol=1e-10, directions=(1, -1)):
    found = screened_best(solved, rows, factors, n_best, directions)
    assert found is not None
    for (name, direction), best in found.items():
        exact = by_all(solved, rows, factors[name], n_best, direction)
        assert_array_equal(best.indices, exact.indices)
        assert_allclose(best.scores, exact.scores, rtol=rtol)
        assert best.scores.dtype == solved.dtype


@pytest.mark.parametrize("n_best", [1, 5, 40])
@pytest.mark.parametrize("n_outputs", [1, 4])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_the_best_of_all(n_outputs, n_best, n_threads):
    with threadpool_limits(n_threads):
        assert_found(*problem(n_outputs=n_outputs), n_best)


@pytest.mark.parametrize("directions", [(1,), (-1,), (1, -1)])
def test_few_rows_of_a_sign(directions):
    assert_found(*problem(n_rows=30), n_best=50, directions=directions)


def test_scores_of_single_precision():
    solved, rows, factors = problem(dtype=np.float32)
    found = screened_best(solved, rows, factors, 5, (1,))
    for (name, _), best in found.items():
        exact = by_all(solved, rows, factors[name], 5, 1)
        assert best.scores.dtype == np.float32
        assert_allclose(best.scores, exact.scores, rtol=1e-4)


def test_differences_below_single_precision_count():
    """Rows that only double precision tells apart, and equal ones, which stay in their order."""
    solved, rows, factors = problem(n_rows=1000)
    X = rows.jacobian.X
    best = by_all(solved[:1], rows, factors["even"], 1, 1).indices[0, 0]
    for distance, row in enumerate(range(100, 140)):
        X[row] = X[best] * (1 + 1e-12 * (distance // 4))
        rows.unit[row] = rows.unit[best]
    assert_found(solved, rows, {"even": factors["even"]}, n_best=20)


@pytest.mark.parametrize("of_rows", [1e-100, 1e-30, 1e30, 1e100])
@pytest.mark.parametrize("of_queries", [1e-150, 1e150])
def test_scales_outside_single_precision(of_rows, of_queries):
    solved, rows, factors = problem()
    rows = Gradients(LinearJacobian(rows.jacobian.X * of_rows, False), rows.unit, rows.norm)
    assert_found(solved[:, : rows.n_values] * of_queries, rows, factors)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_out_of_range_is_left_to_others(scale):
    solved, rows, factors = problem()
    rows = Gradients(LinearJacobian(rows.jacobian.X * scale, False), rows.unit, rows.norm)
    assert screened_best(solved[:, : rows.n_values], rows, factors, 5, (1,)) is None


def test_many_equal_rows_are_left_to_others(monkeypatch):
    solved, rows, factors = problem(n_rows=2000)
    rows.jacobian.X[:], rows.unit[:] = rows.jacobian.X[1], rows.unit[1]
    monkeypatch.setattr("sklearn_relatif.search._screening.block_budget", lambda: 24 * 500.0)
    assert screened_best(solved, rows, {"even": factors["even"]}, 5, (1, -1)) is None


def test_a_query_without_a_direction_finds_nothing():
    solved, rows, factors = problem()
    solved[3] = 0
    assert_found(solved, rows, factors)
