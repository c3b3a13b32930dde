"""The best-scoring training rows of each query, from scores that come in blocks."""

from __future__ import annotations

import numpy as np


class BestRows:
    """Keeps the ``n_best`` highest positive scores of each query, and where they were.

    A running threshold, the worst score kept, discards nearly every new score with a single
    comparison; only the survivors are sorted. Ties go to the row that comes first.

    Parameters
    ----------
    n_queries, n_best : int
    dtype : dtype
        Precision of the scores.
    """

    def __init__(self, n_queries, n_best, dtype):
        self.scores = np.zeros((n_queries, n_best), dtype)
        self.indices = np.full((n_queries, n_best), -1, np.intp)

    def update(self, queries, scores, offset):
        """Take in ``scores`` (n, n_rows) of the training rows from ``offset`` on.

        ``queries`` is the slice of the n queries that they belong to.
        """
        n_best, n_rows = self.scores.shape[1], scores.shape[1]
        worst = self.scores[queries, -1:]
        survivors = np.flatnonzero(scores > worst)
        if survivors.size > 4 * worst.size * n_best and n_rows > n_best:
            # Early on nearly everything survives: only a block's own best can stay.
            least = np.partition(scores, -n_best, axis=1)[:, -n_best]
            survivors = survivors[scores.flat[survivors] >= least[survivors // n_rows]]
        if survivors.size:
            rows, columns = np.divmod(survivors, n_rows)
            self.insert(rows + (queries.start or 0), scores[rows, columns], columns + offset)

    def insert(self, queries, scores, indices):
        """Take in scores of single rows, sorted by query and then by row.

        Parameters
        ----------
        queries, scores, indices : ndarrays of shape (n,)
            The query and the row that each score belongs to.
        """
        affected, cells = _side_by_side(queries)
        n_best = self.scores.shape[1]
        merged = _beside(self.scores[affected], cells, scores, 0)
        positions = _beside(self.indices[affected], cells, indices, -1)
        order = np.argsort(-merged, axis=1, kind="stable")[:, :n_best]
        self.scores[affected] = np.take_along_axis(merged, order, axis=1)
        self.indices[affected] = np.take_along_axis(positions, order, axis=1)


class BestScores:
    """Keeps the ``n_best`` highest positive scores of each query, but not where they were.

    Parameters
    ----------
    n_queries, n_best : int
    """

    def __init__(self, n_queries, n_best):
        #: The worst of them stands first.
        self.scores = np.zeros((n_queries, n_best))

    @property
    def worst(self):
        """The worst of the scores of each query, shape (n_queries,)."""
        return self.scores[:, 0]

    def insert(self, queries, scores):
        """Take in scores (n,) of the queries (n,) that they belong to, which are sorted."""
        if not len(queries):
            return
        affected, cells = _side_by_side(queries)
        merged = _beside(self.scores[affected], cells, scores, 0)
        n_best = self.scores.shape[1]
        self.scores[affected] = np.partition(merged, -n_best, axis=1)[:, -n_best:]


def _side_by_side(queries):
    """The queries that occur in a sorted list, and for each entry its row and column in a table.

    The table has a row for each query that occurs, in which the entries that it has stand side by
    side.
    """
    first = np.flatnonzero(np.diff(queries, prepend=-1))
    counts = np.diff(first, append=len(queries))
    row = np.repeat(np.arange(len(first)), counts)
    return queries[first], (row, np.arange(len(queries)) - first[row])


def _beside(table, cells, values, empty):
    """A table with values to the right of what it has, each in a cell of its own."""
    n_rows, n_columns = table.shape
    row, column = cells
    wide = np.full((n_rows, n_columns + column.max(initial=-1) + 1), empty, table.dtype)
    wide[:, :n_columns] = table
    wide[row, n_columns + column] = values
    return wide


def merge_signs(found):
    """Best rows of both signs in one list, strongest first.

    Parameters
    ----------
    found : list of (BestRows, sign)
        ``sign`` is what the scores were multiplied by.

    Returns
    -------
    indices, scores : ndarrays of shape (n_queries, n_best)
        -1 and NaN where there are not enough rows.
    """
    n_best = found[0][0].scores.shape[1]
    strength = np.hstack([best.scores for best, _ in found])
    signed = np.hstack([best.scores * sign for best, sign in found])
    indices = np.hstack([best.indices for best, _ in found])
    order = np.lexsort((indices, -strength), axis=1)[:, :n_best]
    indices = np.take_along_axis(indices, order, axis=1)
    scores = np.take_along_axis(signed, order, axis=1)
    scores[indices < 0] = np.nan
    return indices, scores


def merge_parts(indices, scores, firsts):
    """Best rows of all from the best ones of each part, strongest first.

    Parameters
    ----------
    indices, scores : sequences of ndarrays of shape (n_queries, n_best)
        Of each part, as :func:`merge_signs` gives them; rows count from the first of the part.
    firsts : list of int
        The first row of each part, in rising order.

    Returns
    -------
    indices, scores : ndarrays of shape (n_queries, n_best)
    """
    if len(firsts) == 1:
        return indices[0], scores[0]
    n_best = indices[0].shape[1]
    scores = np.hstack(scores)
    from_first = zip(indices, firsts, strict=True)
    indices = np.hstack([np.where(own < 0, own, own + first) for own, first in from_first])
    # Of equal scores the earlier row comes first, because sorting is stable; NaN comes last.
    order = np.argsort(-np.abs(scores), axis=1, kind="stable")[:, :n_best]
    return tuple(np.take_along_axis(table, order, axis=1) for table in (indices, scores))
