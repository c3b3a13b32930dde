"""Metrics of how rows are ranked: what is above what, with ties as scikit-learn has them."""

from __future__ import annotations

import numpy as np

from ._smoothing import Neighbours, half_width
from ._summaries import Summary


class Ranking(Summary):
    """A number of the order of the rows by their scores, of which some are positive.

    With several columns of scores, one a class, it is the mean over these, each against all
    others. Subclasses give it for one column.

    Parameters
    ----------
    is_positive : ndarray of bool, shape (n_rows, n_columns)
    """

    is_smoothed = True
    has_bounds = True

    def __init__(self, is_positive: np.ndarray):
        self.is_positive = is_positive

    def values(self, read):
        columns = zip(np.moveaxis(read, 2, 0), self.is_positive.T, strict=True)
        found = [self._of_models(scores.T, is_positive) for scores, is_positive in columns]
        values = np.mean(found, axis=0)
        values[np.isnan(read).any(axis=(0, 2))] = np.nan
        return values

    def bounds(self, read, reach):
        # It rises with the scores of positive rows, and falls with those of others.
        sides = np.where(self.is_positive[:, None], reach, -reach)
        value = self.values(read)
        best, worst = self.values(read + sides), self.values(read - sides)
        return np.maximum(best - value, value - worst) + 10 * np.finfo(np.float64).eps

    def gradient(self, read):
        columns = zip(read.T, self.is_positive.T, strict=True)
        slopes = [self._slope(scores, is_positive) for scores, is_positive in columns]
        return np.stack(slopes, axis=1) / len(slopes)

    def _of_models(self, scores: np.ndarray, is_positive: np.ndarray) -> np.ndarray:
        """The number of each model, of scores of shape (n_models, n_rows)."""
        raise NotImplementedError

    def _slope(self, scores: np.ndarray, is_positive: np.ndarray) -> np.ndarray:
        """Derivative by the score of each row, shape (n_rows,)."""
        raise NotImplementedError


class RocAuc(Ranking):
    """The share of pairs of a positive and another row of which the positive one is above.

    A tie is half a pair. Smoothed, a pair is worth ``ramp(s_p - s_n)``.
    """

    def _of_models(self, scores, is_positive):
        scores, is_positive = _ordered(scores, is_positive, up=True)
        below = np.cumsum(~is_positive, axis=1, dtype=np.int64)
        n_positive = np.count_nonzero(is_positive[0])
        n_pairs = n_positive * (scores.shape[1] - n_positive)
        is_tied = (scores[:, 1:] == scores[:, :-1]).any(axis=1)
        won = np.where(is_positive, below, 0).sum(axis=1) / 1.0
        if is_tied.any():
            last = _last_of_ties(scores[is_tied])
            first = _first_of_ties(scores[is_tied])
            before = np.pad(below[is_tied], ((0, 0), (1, 0)))
            counts = np.take_along_axis(before, first, axis=1)
            counts += np.take_along_axis(before, last + 1, axis=1)
            won[is_tied] = np.where(is_positive[is_tied], counts, 0).sum(axis=1) / 2
        return won / n_pairs

    def _slope(self, scores, is_positive):
        near = Neighbours(scores, half_width(scores))
        of_positive = near.slopes((~is_positive).astype(np.float64))
        of_others = near.slopes(is_positive.astype(np.float64))
        n_pairs = np.count_nonzero(is_positive) * np.count_nonzero(~is_positive)
        return np.where(is_positive, of_positive, -of_others) / n_pairs


class AveragePrecision(Ranking):
    """The mean over the positive rows of the share of positive ones among those down to it.

    Tied rows come together. Smoothed, a row is ``ramp(s_j - s_i)`` among those down to row i, which
    is itself among them.
    """

    def _of_models(self, scores, is_positive):
        scores, is_positive = _ordered(scores, is_positive, up=False)
        found = np.cumsum(is_positive, axis=1, dtype=np.int64)
        last = _last_of_ties(scores)
        precision = np.take_along_axis(found, last, axis=1) / (last + 1)
        return np.where(is_positive, precision, 0).sum(axis=1) / found[:, -1]

    def _slope(self, scores, is_positive):
        near = Neighbours(scores, half_width(scores))
        positive, others = is_positive.astype(np.float64), (~is_positive).astype(np.float64)
        found = 0.5 + near.ramps(positive)
        seen = found + near.ramps(others)
        of_other = -positive * found / seen**2
        of_positive = positive / seen + of_other
        pulled = np.where(is_positive, near.slopes(of_positive), near.slopes(of_other))
        own = of_positive * near.slopes(positive) + of_other * near.slopes(others)
        return (pulled - own) / positive.sum()


class TopRows(Ranking):
    """How many of the first rows by score are positive, as a share.

    Of rows that are tied for the last places, each has its share of these. Smoothed, a row is
    ``ramp(s_i - t)`` among the first, with the t at which so many are.

    Parameters
    ----------
    is_positive : ndarray of bool, shape (n_rows, 1)
    n_first : int
        Less than there are rows.
    n_all : int
        What the share is of.
    """

    def __init__(self, is_positive: np.ndarray, n_first: int, n_all: int):
        super().__init__(is_positive)
        self.n_first, self.n_all = n_first, n_all

    def _of_models(self, scores, is_positive):
        place = scores.shape[1] - self.n_first
        cut = np.partition(scores, place, axis=1)[:, [place]]
        is_above, is_tied = scores > cut, scores == cut
        places = self.n_first - is_above.sum(axis=1)
        shares = places / np.maximum(is_tied.sum(axis=1), 1)
        found = (is_above & is_positive).sum(axis=1) + shares * (is_tied & is_positive).sum(axis=1)
        return found / self.n_all

    def _slope(self, scores, is_positive):
        width = half_width(scores)
        near = np.abs(scores - _level(scores, width, self.n_first)) < width
        if not near.any():
            return np.zeros(len(scores))
        share = np.count_nonzero(near & is_positive) / np.count_nonzero(near)
        return near * (is_positive - share) / (2 * width * self.n_all)


def _level(scores: np.ndarray, width: float, n_first: int) -> float:
    """The t at which ``sum_i ramp(s_i - t)`` is the number of first rows."""
    kinks = np.sort(np.concatenate([scores - width, scores + width]))
    # The sum falls from one kink to the next, in a line.
    low, high = 0, len(kinks) - 1

    def number(level: float) -> float:
        return float(np.clip((scores - level) / (2 * width) + 0.5, 0, 1).sum())

    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if number(kinks[middle]) >= n_first else (low, middle)
    most, least = number(kinks[low]), number(kinks[high])
    share = (most - n_first) / (most - least) if most > least else 0.5
    return float(kinks[low] + share * (kinks[high] - kinks[low]))


def _ordered(
    scores: np.ndarray, is_positive: np.ndarray, up: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each model in order, and which of these rows are positive, (n_models, n_rows).

    Rows come in the order of the first model, which is nearly that of the others: that is what a
    stable sort is fast at.
    """
    scores = scores if up else -scores
    first = np.argsort(scores[0], kind="stable")
    scores, is_positive = scores[:, first], is_positive[first]
    order = np.argsort(scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, axis=1), is_positive[order]


def _last_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Position of the last of the scores that each is tied with, in the shape of the scores."""
    return ordered.shape[1] - 1 - _first_of_ties(ordered[:, ::-1])[:, ::-1]


def _first_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Position of the first of the scores that each is tied with."""
    is_new = np.ones(ordered.shape, dtype=bool)
    is_new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.where(is_new, np.arange(ordered.shape[1]), 0)
    return np.maximum.accumulate(places, axis=1)
