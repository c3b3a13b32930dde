"""The best rows where the gradients are: on a device, by its own products and selection.

Products with all rows come in blocks, of each of which a few more rows are kept than are asked for.
What is kept is scored once more, all of it by the same loop, so that equal rows have equal scores
and the one that comes first is found first. A row that was not kept may still belong there, if its
product is within rounding of the worst of the best: queries of which that cannot be excluded are
looked at again, with more rows kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..utils._arrays import on_host
from ..utils._blocks import row_blocks
from ._selection import BestRows

#: Rows that are kept of each block, besides those that are asked for, and how many times as many
#: are where these were too few.
SPARE = 4
MORE = 4
#: Roundings of m additions add up to ``LIKELY sqrt(m)`` units of rounding at most, but for a
#: probability of no account (Higham & Mary, A New Approach to Probabilistic Rounding Error
#: Analysis, SIAM J. Sci. Comput. 41, 2019).
LIKELY = 8


def array_best(
    solved: Any,
    rows: Any,
    factors: dict[str, np.ndarray],
    n_best: int,
    directions: tuple[int, ...],
) -> dict[tuple[str, int], BestRows]:
    """The best rows of each query, in each criterion.

    Parameters
    ----------
    solved : array of shape (n_queries, n_params)
        What the rows' unit gradients are multiplied with, where these are.
    rows : Gradients
        With blocks on a device.
    factors : dict of str to ndarray of shape (n_rows,)
        What a row's products are multiplied with, in each criterion. Not negative.
    n_best : int
    directions : tuple of 1 and -1
        Signs of the scores that are looked for.

    Returns
    -------
    dict of (str, int) to BestRows
        By criterion and direction.
    """
    found = {
        (name, direction): BestRows(solved.shape[0], n_best, rows.dtype)
        for name in factors
        for direction in directions
    }
    asked, n_kept = np.arange(solved.shape[0]), n_best + SPARE
    while asked.size:
        own = solved if len(asked) == solved.shape[0] else rows.place.take(solved, asked)
        n_kept = min(n_kept, rows.n_rows)
        rounding = _rounding(own, rows)
        is_open = np.zeros(len(asked), bool)
        kept = _kept(own, rows, factors, n_kept, directions)
        for (name, direction), (worst, indices) in kept.items():
            scores = _scored(own, rows, factors[name] * direction, worst, indices)
            positions = on_host(indices)
            _put_in_order(found[name, direction], asked, scores, positions)
            least = on_host(worst)[:, -1] + rounding * factors[name].max(initial=0)
            wanted = found[name, direction].scores[asked, -1]
            is_open |= (least >= wanted) & (least > 0)
        asked = asked[is_open] if n_kept < rows.n_rows else asked[:0]
        n_kept *= MORE
    return found


def _kept(own: Any, rows: Any, factors: Any, n_kept: int, directions: Any) -> dict[Any, Any]:
    """Scores of the best rows, and where they are, of shape (n_queries, n_kept), best first."""
    place, n_queries = rows.place, own.shape[0]
    on_device = {
        (name, direction): place.put(direction * values, rows.dtype)
        for name, values in factors.items()
        for direction in directions
    }
    kept: dict[Any, tuple[Any, Any]] = {}
    bytes_per_row = rows.dtype.itemsize * (rows.n_values + 3 * n_queries)
    for some in row_blocks(rows.n_rows, bytes_per_row, rows.block_bytes):
        products = own @ rows.block(some).T
        n_of_block = min(n_kept, products.shape[1])
        for key, values in on_device.items():
            scores, indices = place.largest(products * values[some], n_of_block)
            indices = indices + some.start
            if key in kept:
                both = zip(kept[key], (scores, indices), strict=True)
                scores, indices = (place.xp.concat(pair, axis=1) for pair in both)
                scores, order = place.largest(scores, min(n_kept, scores.shape[1]))
                indices = place.xp.take_along_axis(indices, order, axis=1)
            kept[key] = scores, indices
    return kept


def _scored(own: Any, rows: Any, factors: np.ndarray, scores: Any, indices: Any) -> np.ndarray:
    """Scores of pairs, of shape (n_queries, n_kept), which are those of equal rows to the bit.

    Where gradients are formed at a cost, they are not formed again: scores are as they are.
    """
    if not rows.is_dense:
        return np.asarray(on_host(scores))
    place, n_outputs = rows.place, rows.unit.shape[1]
    positions, products = on_host(indices), np.empty(indices.shape, rows.dtype)
    vectors = place.xp.reshape(own, (own.shape[0], n_outputs, -1))
    bytes_per_query = 2 * own.shape[1] * rows.dtype.itemsize * indices.shape[1]
    for some in row_blocks(len(products), bytes_per_query, rows.block_bytes):
        eta = rows.jacobian.apply_each(vectors[some, ...], indices[some, :])
        unit = place.put(rows.unit[positions[some]], rows.dtype)
        products[some] = on_host(place.xp.sum(eta * unit, axis=2))
    return products * factors[positions]


def _put_in_order(best: BestRows, asked: np.ndarray, scores: np.ndarray, indices: np.ndarray):
    """Put those of positive scores in their places, of equal ones the first row first."""
    n_best = best.scores.shape[1]
    order = np.lexsort((indices, -scores), axis=1)[:, :n_best]
    scores, indices = (np.take_along_axis(own, order, axis=1) for own in (scores, indices))
    is_there = scores > 0
    best.scores[asked, : order.shape[1]] = np.where(is_there, scores, 0)
    best.indices[asked, : order.shape[1]] = np.where(is_there, indices, -1)


def _rounding(own: Any, rows: Any) -> np.ndarray:
    """How far the product of each query with a row of factor 1 may be off, shape (n_queries,).

    Nothing where products are not computed anew: only what is equal to the bit is a tie then.
    """
    if not rows.is_dense:
        return np.zeros(own.shape[0])
    lengths = on_host(rows.place.xp.linalg.vector_norm(own, axis=1)).astype(np.float64)
    error = 2 * LIKELY * np.sqrt(rows.n_values) * np.finfo(rows.dtype).eps / 2
    return error * lengths * rows.jacobian.largest_length
