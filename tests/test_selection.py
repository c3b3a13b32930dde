"""Blockwise selection of the best rows, against sorting the whole matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sklearn_relatif.search import BestRows, merge_signs


def sorted_best(scores, n_best):
    """The ``n_best`` highest positive scores by a stable sort: ties to the first row."""
    n_queries, n_rows = scores.shape
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n_best]
    order = np.hstack([order, np.full((n_queries, max(0, n_best - n_rows)), -1)])
    padded = np.hstack([scores, np.zeros((n_queries, 1), scores.dtype)])
    best = np.maximum(np.take_along_axis(padded, order, axis=1), 0)
    return np.where(best > 0, order, -1), best


def select(scores, n_best, query_size, row_size):
    best = BestRows(len(scores), n_best, scores.dtype)
    for first in range(0, len(scores), query_size):
        queries = slice(first, min(first + query_size, len(scores)))
        for start in range(0, scores.shape[1], row_size):
            best.update(queries, scores[queries, start : start + row_size], start)
    return best


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data())
def test_blocks_find_what_sorting_finds(data):
    n_queries, n_rows = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 60))
    # Few distinct values make ties, within blocks and between them.
    n_values = data.draw(st.sampled_from([2, 5, 1000]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    shift = data.draw(st.sampled_from([0, n_values // 2, n_values]))
    scores = (rng.integers(0, n_values, (n_queries, n_rows)) - shift).astype(float)
    n_best = data.draw(st.integers(1, 12))
    best = select(scores, n_best, data.draw(st.integers(1, 6)), data.draw(st.integers(1, 70)))
    indices, values = sorted_best(scores, n_best)
    assert_array_equal(best.indices, indices)
    assert_array_equal(best.scores, values)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("order", ["random", "rising", "falling"])
def test_large_blocks_find_what_sorting_finds(order, dtype):
    """Rising scores make every block survive the threshold; falling ones none but the first."""
    scores = np.random.default_rng(0).normal(size=(30, 5000)).astype(dtype)
    if order != "random":
        scores = np.sort(scores, axis=1)[:, :: 1 if order == "rising" else -1]
    best = select(np.ascontiguousarray(scores), 7, 13, 617)
    indices, values = sorted_best(scores, 7)
    assert best.scores.dtype == dtype
    assert_array_equal(best.indices, indices)
    assert_array_equal(best.scores, values)


def test_both_signs_merge_by_strength():
    scores = np.array([[3.0, -5.0, 0.0, 1.0, -3.0], [0.0, 0.0, 0.0, 0.0, 2.0], [0.0] * 5])
    found = [(select(sign * scores, 4, 3, 2), sign) for sign in (1, -1)]
    indices, values = merge_signs(found)
    nan = np.nan
    # Equal strengths of either sign: the first row comes first.
    assert_array_equal(indices, [[1, 0, 4, 3], [4, -1, -1, -1], [-1] * 4])
    assert_array_equal(values, [[-5, 3, -3, 1], [2, nan, nan, nan], [nan] * 4])


def test_scores_of_negative_rows_are_negative():
    scores = np.array([[3.0, -5.0, -1.0]])
    indices, values = merge_signs([(select(-scores, 2, 1, 3), -1)])
    assert_array_equal(indices, [[1, 2]])
    assert_array_equal(values, [[-5, -1]])
