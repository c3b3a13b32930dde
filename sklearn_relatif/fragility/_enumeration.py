"""Which is the smallest set of rows, proved: all sets of so many rows, but for those ruled out.

Least squares have a closed form. With ``P`` the inverse of ``sum_i s_i x~_i x~_i^T + Lambda``, the
slope ``c`` of the number, ``a_i = sqrt(s_i) x~_i^T P c``, the errors ``e_i`` times ``sqrt(s_i)``,
and ``M_ij = sqrt(s_i s_j) x~_i^T P x~_j``, removing the rows of a set G changes the number by
exactly::

    a_G^T (I - M_GG)^-1 e_G.

A matrix is at most the diagonal matrix of the sums of the absolute values of its rows, so that with
``d_i`` an upper bound on ``sum_{j in G} |M_ij|``, and ``b_i = 1 / (1 - d_i)``, for any t > 0 the
change is at most the sum over the rows of G of::

    (b_i - 1) / 4 (t^2 a_i^2 + e_i^2 / t^2) + (b_i + 1) / 2 a_i e_i,

because ``a^T B e = ((t a + e/t)^T B (t a + e/t) - (t a - e/t)^T B (t a - e/t)) / 4`` for ``B``
between ``I`` and ``diag(b)``. Such sums tell how many rows it takes at least, and which rows
can be in a set of so many; all sets of those are tried. Of other losses, all sets are retrained
where they are few.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, islice
from math import comb

import numpy as np

from ..criteria import leverages
from ._question import Question
from ._search import Search

#: Sets that are tried, by a closed form and by retraining.
MOST_SETS, MOST_RETRAINED = 500_000, 500
#: Sets at a time.
AT_A_TIME = 50_000
#: Rows of which there are all products.
MANY_ROWS = 3000
#: Values of t, over how many orders of magnitude.
N_SCALES, ORDERS = 25, 4
#: Relative rounding of a sum that is compared with what is needed.
ROUNDING = 1e-9
#: Share of the curvature that must be left for a closed form to tell it.
LEAST_LEFT = 1e-6
#: Sets that do by the closed form, of which retraining verifies the best.
MOST_VERIFIED = 64


def lower_bound(search: Search) -> int:
    """How many rows it takes at least; a smaller set than the search has found becomes its best.

    Parameters
    ----------
    search : Search

    Returns
    -------
    int
        No set of fewer rows moves the number across the threshold.
    """
    sets = Squares(search.question) if Squares.apply(search.question) else None
    size = 1
    while size <= search.limit:
        n_rows = search.question.n_rows
        if sets is not None:
            does = sets.crossing(search, size)
        elif comb(n_rows, size) <= MOST_RETRAINED and search.affords(comb(n_rows, size)):
            rows = np.flatnonzero(search.question.counts)
            groups = [rows[list(some)] for some in combinations(range(n_rows), size)]
            # Without an optimum, there is no number that has not crossed.
            models = search.models(groups)
            does = any(model.crosses or not model.has_optimum for model in models)
        else:
            return size
        if does is None or does:
            return size
        size += 1
    return size


class Squares:
    """Sets of rows of a least-squares model without which a linear number of it crosses.

    Parameters
    ----------
    question : Question
        To which this :meth:`apply`.
    """

    @staticmethod
    def apply(question: Question) -> bool:
        """Whether there is a closed form."""
        objective = question.whole.objective
        is_plain = objective.mask is None and objective.penalty_share is None
        return (
            objective.loss.is_quadratic
            and objective.shape[0] == 1
            and objective.output_weight is None
            and is_plain
            and not objective.has_l1
            and not question.whole.curvature.is_iterative
            and question.statistic.slope(objective) is not None
        )

    def __init__(self, question: Question):
        model = question.whole
        objective = model.objective
        self.needed = model.lead
        self.objective, self.curvature = objective, model.curvature
        self.root = np.sqrt(objective.sample_weight.astype(np.float64))
        slope = -question.side * question.statistic.slope(objective)
        pull = self.curvature.solve(slope[None].copy()) / objective.total_weight
        self.a = self.root * objective.jacobian.predictor(pull)[:, 0]
        self.e = self.root * (objective.rows.unit[:, 0] * objective.rows.norm)
        self.leverage = leverages(objective, self.curvature)
        self.counted = np.flatnonzero(question.counts)
        self.products = None
        if len(self.counted) <= MANY_ROWS:
            self.products = np.abs(self.matrix(self.counted))

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """``M`` of some rows with each other."""
        x = self.objective.jacobian.dense_block(rows) * self.root[rows, None]
        solved = self.curvature.solve(x.copy()) / self.objective.total_weight
        return x @ solved.T

    def crossing(self, search: Search, size: int) -> bool | None:
        """Whether some set of so many rows does, of which the best is noted; None: not known."""
        rows = self.candidates(size)
        if comb(len(rows), size) > MOST_SETS:
            return None
        matrix = self.matrix(rows)
        gains, unsure, sets = [], [], []
        for some in _sets(len(rows), size):
            part = matrix[some[:, :, None], some[:, None, :]]
            left = np.eye(size) - part
            is_unsure = np.einsum("nii->n", part) > 1 - LEAST_LEFT
            is_unsure[is_unsure] = np.linalg.eigvalsh(left[is_unsure])[:, 0] < LEAST_LEFT
            left[is_unsure] = np.eye(size)
            solved = np.linalg.solve(left, self.e[rows][some][..., None])[..., 0]
            gain = np.einsum("nk,nk->n", self.a[rows][some], solved)
            does = is_unsure | (gain > self.needed * (1 - ROUNDING))
            gains.append(gain[does])
            unsure.append(is_unsure[does])
            sets.append(some[does])
        return self.verified(search, rows, *map(np.concatenate, (gains, unsure, sets)))

    def verified(self, search, rows, gains, unsure, sets):
        """Whether one of some sets does, by retraining."""
        best = np.lexsort([-gains, unsure])[:MOST_VERIFIED]
        models = search.models([rows[sets[place]] for place in best])
        if any(model.crosses for model in models):
            return True
        return False if len(gains) <= MOST_VERIFIED else None

    def candidates(self, size: int) -> np.ndarray:
        """Rows of which each can be in a set of so many that does."""
        most = self.most_of_curvature(size)
        a, e = self.a[self.counted], self.e[self.counted]
        with np.errstate(divide="ignore"):
            b = np.where(most < 1, 1 / (1 - most), np.inf)
        typical = np.linalg.norm(e) / max(np.linalg.norm(a), np.finfo(float).tiny)
        possible = np.ones(len(a), bool)
        for scale in typical * np.logspace(-ORDERS / 2, ORDERS / 2, N_SCALES):
            squares = scale * a**2 + e**2 / scale
            is_nothing = (a == 0) & (e == 0)
            with np.errstate(invalid="ignore"):
                change = (b - 1) / 4 * squares + (b + 1) / 2 * a * e
            # Where nothing is known of what is left, it may be anything.
            change = np.where(is_nothing, 0, np.where(np.isfinite(b), change, np.inf))
            possible &= _with_best_others(change, size) > self.needed * (1 - ROUNDING)
        return self.counted[possible]

    def most_of_curvature(self, size: int) -> np.ndarray:
        """``d_i``: what the largest products of a row with so many rows, itself one, sum up to."""
        h = np.maximum(self.leverage[self.counted], 0)
        if size == 1:
            return h
        if self.products is None:
            roots = np.sqrt(h)
            others = np.sort(roots)[::-1][: size - 1].sum()
            return h + roots * others
        others = self.products.copy()
        np.fill_diagonal(others, 0)
        n_others = min(size - 1, len(h) - 1)
        return h + np.partition(others, len(h) - n_others, axis=1)[:, len(h) - n_others :].sum(
            axis=1
        )


def _with_best_others(values, size):
    """Each of some values with the largest others, so many together."""
    largest = np.sort(values)[::-1]
    best = largest[:size]
    is_among = values >= best[-1]
    with np.errstate(invalid="ignore"):
        return np.where(is_among, best.sum(), values + best[:-1].sum())


def _sets(n_rows: int, size: int) -> Iterator[np.ndarray]:
    """All sets of so many of the first integers, some at a time; at least one, maybe of none."""
    every = combinations(range(n_rows), size)
    is_first = True
    while True:
        flat = np.fromiter(chain.from_iterable(islice(every, AT_A_TIME)), np.intp)
        if not len(flat) and not is_first:
            return
        is_first = False
        yield flat.reshape(-1, size)
