"""The passes over the training rows: products of their gradients with what queries solve for.

With ``u_t`` the unit gradient of a query and ``u_i`` that of a training row, the products
``u_t^T H^-1 u_i`` of all pairs are what every criterion scales. They come in blocks of queries
and rows, and are never held together.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from ..jacobians import Gradients
from ..utils._blocks import block_budget, row_blocks, working_memory
from ..utils._distribution import map_parts, part_slices, split
from ..utils._threads import FEW_COLUMNS, for_each
from ._array_best import array_best
from ._screening import screened_best
from ._selection import BestRows, merge_parts, merge_signs

#: Signs of the scores that are searched for, and what they are multiplied with to be positive.
DIRECTIONS = {"positive": (1,), "negative": (-1,), "absolute": (1, -1)}
SIGNS = tuple(DIRECTIONS)
#: Scores of one block of queries and rows: small enough to stay in cache while it is searched.
SCORE_BLOCK_BYTES = 4 * 2**20
#: Queries that are searched for together: enough for products to run at their full rate.
MOST_QUERIES = 2048
#: Blocks of a device's memory that queries may take where rows cost much.
BLOCKS_AT_ONCE = 4


def products(queries, rows, curvature) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Products of unit gradients, in blocks of queries and rows.

    Parameters
    ----------
    queries, rows : gradient rows
    curvature : curvature object

    Yields
    ------
    asked, some : slices
        The queries and the rows of the block.
    block : ndarray of shape (n_asked, n_some)
    """
    for asked in _query_blocks(queries, rows):
        solved = curvature.solve(queries.block(asked))
        for some, block in contract(solved, rows):
            yield asked, some, block


def best_rows(queries, rows, curvature, factors, n_best, sign):
    """The best rows of each query, in each criterion.

    Worker processes, where there are any, search a part of the rows or of the queries each.

    Parameters
    ----------
    queries, rows : gradient rows
    curvature : curvature object
    factors : dict of str to ndarray of shape (n_rows,)
        What a row's products are multiplied with, in each criterion.
    n_best : int
    sign : {"positive", "negative", "absolute"}

    Returns
    -------
    dict of str to (indices, scores), ndarrays of shape (n_queries, n_best)
        By criterion. -1 and NaN where there are not enough rows.
    """
    firsts, found = _map_parts(_best_rows, queries, rows, curvature, factors, n_best, sign)
    best = {}
    for name in factors:
        indices, scores = zip(*(part[name] for part in found), strict=True)
        if firsts:
            best[name] = merge_parts(indices, scores, firsts)
        else:
            best[name] = np.concatenate(indices), np.concatenate(scores)
    return {
        name: (indices, scores * queries.norm[:, None]) for name, (indices, scores) in best.items()
    }


def score_matrices(queries, rows, curvature, factors):
    """Scores of all pairs of queries and rows, in each criterion, from one pass.

    Parameters
    ----------
    queries, rows : gradient rows
    curvature : curvature object
    factors : dict of str to ndarray of shape (n_rows,)
        What a row's products are multiplied with, in each criterion.

    Returns
    -------
    dict of str to ndarray of shape (n_queries, n_rows)
    """
    firsts, found = _map_parts(_score_matrices, queries, rows, curvature, factors)
    if len(found) == 1:
        return found[0]
    axis = 1 if firsts else 0
    return {name: np.concatenate([part[name] for part in found], axis=axis) for name in factors}


def _map_parts(function, queries, rows, curvature, factors, *options):
    """``function(queries, rows, curvature, factors, *options)`` for parts of the rows.

    Or for parts of the queries, where all the rows are needed for each anyway: where queries are
    solved for with the training rows, and in kernel machines.

    Returns
    -------
    firsts : list of int
        The first row of each part of the rows. Empty if they are parts of the queries.
    found : list
    """
    names, values = tuple(factors), tuple(factors.values())
    if rows.can_be_split and not curvature.holds_rows:
        on_rows = partial(_on_rows, function, names, options)
        found = map_parts(on_rows, split(*rows.pieces, *values), queries, curvature)
        return [some.start for some in part_slices(rows.n_rows)], found
    if not queries.can_be_split:
        return [], [function(queries, rows, curvature, factors, *options)]
    on_queries = partial(_on_queries, function, names, options)
    return [], map_parts(on_queries, split(*queries.pieces), (rows, curvature, *values))


def _on_rows(function, names, options, part, queries, curvature):
    jacobian, unit, norm, *values = part
    factors = dict(zip(names, values, strict=True))
    return function(queries, Gradients(jacobian, unit, norm), curvature, factors, *options)


def _on_queries(function, names, options, part, training):
    rows, curvature, *values = training
    factors = dict(zip(names, values, strict=True))
    return function(Gradients(*part), rows, curvature, factors, *options)


def _score_matrices(queries, rows, curvature, factors):
    shape = queries.n_rows, rows.n_rows
    scores = {name: np.empty(shape, values.dtype) for name, values in factors.items()}
    if rows.place is not None or not rows.is_dense:
        for asked, some, block in products(queries, rows, curvature):
            block *= queries.norm[asked, None]
            _scale(block, factors, scores, asked, some)
        return scores
    if len(factors) == 1:
        # The gradients, which are fewer numbers than the scores, are scaled in their place.
        (values,) = factors.values()
        rows, factors = rows.scaled(values), {}
    *_, last = scores.values()
    for asked in _query_blocks(queries, rows):
        solved = curvature.solve(queries.block(asked))
        solved *= queries.norm[asked, None]

        def fill(some, asked=asked, solved=solved):
            # In the place of the last scores, which are scaled after the others.
            block = last[asked, some]
            np.matmul(solved, rows.block(some).T, out=block)
            _scale(block, factors, scores, asked, some)

        if rows.n_values > FEW_COLUMNS:
            for_each(fill, list(_score_blocks(rows, len(solved))))
            continue
        # Gradients that are formed at no cost leave the threads to BLAS, which writes each of the
        # scores' pages in one go.
        for some in row_blocks(rows.n_rows, rows.n_values * rows.dtype.itemsize, block_budget()):
            fill(some)
    return scores


def _scale(products, factors, scores, asked, some):
    """Write products of some queries and rows into the scores, times the factors of the rows."""
    for name, values in factors.items():
        np.multiply(products, values[some], out=scores[name][asked, some])


def _best_rows(queries, rows, curvature, factors, n_best, sign):
    """The best of some rows for some queries, by the scores of unit gradients."""
    directions = DIRECTIONS[sign]
    parts: dict[str, list] = {name: [] for name in factors}
    for asked in _query_blocks(queries, rows, MOST_QUERIES):
        solved = curvature.solve(queries.block(asked))
        best = _best_of_block(solved, asked.stop - asked.start, rows, factors, n_best, directions)
        for name, found in parts.items():
            found.append(merge_signs([(best[name, d], d) for d in directions]))
    return {
        name: tuple(map(np.concatenate, zip(*found, strict=True))) for name, found in parts.items()
    }


def _best_of_block(solved, n_queries, rows, factors, n_best, directions):
    """By criterion and direction, in the way that finds them fastest."""
    if rows.place is not None:
        return array_best(solved, rows, factors, n_best, directions)
    best = screened_best(solved, rows, factors, n_best, directions)
    if best is not None:
        return best
    return _best_of_all(n_queries, solved, rows, factors, n_best, directions)


def contract(solved, rows) -> Iterator[tuple[slice, np.ndarray]]:
    """Products of vectors with the unit gradients of the rows, in blocks of rows."""
    # Arrays of the standard have no length, and blocks that are no arrays no shape.
    n_queries = solved.shape[0] if rows.are_vectors else len(solved)
    for some in _score_blocks(rows, n_queries):
        yield some, rows.contract(solved, some)


def _query_blocks(queries, rows, most=np.inf):
    """Queries that are asked for together: of rows that cost much, as many as memory holds."""
    bytes_per_query = queries.n_values * queries.dtype.itemsize
    if queries.place is not None:
        n_blocks = BLOCKS_AT_ONCE if rows.is_costly else 1
        return row_blocks(queries.n_rows, bytes_per_query, n_blocks * queries.block_bytes)
    if rows.is_costly:
        return row_blocks(queries.n_rows, bytes_per_query, working_memory())
    return row_blocks(queries.n_rows, max(bytes_per_query, block_budget() / most), block_budget())


def _score_blocks(rows, n_queries):
    values_per_row = max(n_queries, rows.n_formed(n_queries) / 8)
    if rows.place is not None:  # Products come to this machine in blocks as large as any.
        values_per_row, most = rows.n_values + 2 * n_queries, rows.block_bytes
    else:
        most = SCORE_BLOCK_BYTES
    return row_blocks(rows.n_rows, rows.dtype.itemsize * values_per_row, most)


def _best_of_all(n_queries, solved, rows, factors, n_best, directions):
    """What :func:`screened_best` finds, by comparing all scores."""
    best = {
        (name, direction): BestRows(n_queries, n_best, rows.dtype)
        for name in factors
        for direction in directions
    }
    for some, block in contract(solved, rows):
        for (name, direction), found in best.items():
            found.update(slice(None), block * (direction * factors[name][some]), some.start)
    return best
