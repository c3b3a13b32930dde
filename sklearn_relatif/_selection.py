"""The best-scoring training rows of each query, from scores that come in blocks."""

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
        first = np.flatnonzero(np.diff(queries, prepend=-1))
        affected, counts = queries[first], np.diff(first, append=len(queries))
        n_best = self.scores.shape[1]
        slot = n_best + np.arange(len(queries)) - np.repeat(first, counts)
        group = np.repeat(np.arange(len(affected)), counts)
        merged = np.zeros((len(affected), n_best + counts.max(initial=0)), self.scores.dtype)
        positions = np.full(merged.shape, -1, np.intp)
        merged[:, :n_best], positions[:, :n_best] = self.scores[affected], self.indices[affected]
        merged[group, slot], positions[group, slot] = scores, indices
        order = np.argsort(-merged, axis=1, kind="stable")[:, :n_best]
        self.scores[affected] = np.take_along_axis(merged, order, axis=1)
        self.indices[affected] = np.take_along_axis(positions, order, axis=1)


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
