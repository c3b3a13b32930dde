"""One number of what is read of rows: means, gaps between groups of rows, and errors."""

from __future__ import annotations

import numpy as np

#: Inner edges of the bins of a calibration error, and half their width.
EDGES = np.linspace(0, 1, 11)[1:-1]
HALF_BIN = 0.05


class Summary:
    """A number of what is read of the rows of a metric.

    Attributes
    ----------
    is_smoothed : bool, default=False
        Whether the gradient is that of a smooth function near it.
    has_bounds : bool, default=False
        Whether it is known how far it may be off, where what is read may.
    """

    is_smoothed = False
    has_bounds = False

    def values(self, read: np.ndarray) -> np.ndarray:
        """The number of each model, exactly, shape (n_models,).

        Parameters
        ----------
        read : ndarray of shape (n_rows, n_models, n_columns)
        """
        raise NotImplementedError

    def bounds(self, read: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """The most that the number of each model may be off, shape (n_models,).

        Asked for only of those with :attr:`has_bounds`.

        Parameters
        ----------
        read, reach : ndarray of shape (n_rows, n_models, n_columns)
            What is read, and by how much it may be off.
        """
        raise NotImplementedError

    def gradient(self, read: np.ndarray) -> np.ndarray:
        """Gradient in what is read of one model, (n_rows, n_columns) as that is."""
        raise NotImplementedError


class GroupMeans:
    """The means of groups of rows.

    Parameters
    ----------
    groups : ndarray of bool, shape (n_groups, n_rows)

    Attributes
    ----------
    slopes : ndarray of shape (n_groups, n_rows)
        Of each mean by each row.
    """

    def __init__(self, groups: np.ndarray):
        self.members = groups.astype(np.float64)
        self.sizes = groups.sum(axis=1)
        self.slopes = self.members / self.sizes[:, None]

    def means(self, read: np.ndarray) -> np.ndarray:
        """Those of each model, shape (n_groups, n_models), by its column of numbers of rows."""
        # Divided at the end, so that equal counts are equal means, whatever the order of a sum.
        means: np.ndarray = (self.members @ read) / self.sizes[:, None]
        return means

    def bound(self, read: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """The most that any of them may be off, of each model, (n_models,)."""
        most = self.slopes @ (reach[:, :, 0] + _rounding(read) * np.abs(read[:, :, 0]))
        return np.asarray(most.max(axis=0))


class Mean(Summary):
    """The mean over the rows."""

    has_bounds = True

    def values(self, read):
        return read[:, :, 0].mean(axis=0)

    def bounds(self, read, reach):
        size = np.abs(read[:, :, 0]).mean(axis=0)
        return reach[:, :, 0].mean(axis=0) + _rounding(read) * size

    def gradient(self, read):
        return np.full(read.shape, 1 / len(read))


class LargestGap(Summary):
    """The largest mean of a group of rows, less the smallest.

    Parameters
    ----------
    groups : ndarray of bool, shape (n_groups, n_rows)
        The rows of each group that count.
    """

    has_bounds = True

    def __init__(self, groups: np.ndarray):
        self.groups = GroupMeans(groups)

    def values(self, read):
        means = self.groups.means(read[:, :, 0])
        return means.max(axis=0) - means.min(axis=0)

    def bounds(self, read, reach):
        return 2 * self.groups.bound(read, reach)

    def gradient(self, read):
        means, slopes = self.groups.means(read)[:, 0], self.groups.slopes
        return (slopes[means.argmax()] - slopes[means.argmin()])[:, None]


class WorstGroup(Summary):
    """The largest mean of a group of rows, or the smallest.

    Parameters
    ----------
    groups : ndarray of bool, shape (n_groups, n_rows)
    is_largest : bool
    """

    has_bounds = True

    def __init__(self, groups: np.ndarray, is_largest: bool):
        self.groups, self.sign = GroupMeans(groups), 1.0 if is_largest else -1.0

    def values(self, read):
        return self.sign * (self.sign * self.groups.means(read[:, :, 0])).max(axis=0)

    def bounds(self, read, reach):
        return self.groups.bound(read, reach)

    def gradient(self, read):
        worst = (self.sign * self.groups.means(read)[:, 0]).argmax()
        return self.groups.slopes[worst][:, None]


class CohensD(Summary):
    """The gap between the means of two groups in units of their pooled standard deviation.

    Parameters
    ----------
    groups : ndarray of bool, shape (2, n_rows)
    """

    def __init__(self, groups: np.ndarray):
        self.groups = GroupMeans(groups)
        self.of_variance = groups.sum(axis=0) / (groups.sum() - 2)

    def values(self, read):
        gap, deviation, _ = self._parts(read[:, :, 0])
        return np.abs(gap) / deviation

    def gradient(self, read):
        gap, deviation, errors = self._parts(read)
        of_gap = np.sign(gap) * (self.groups.slopes[0] - self.groups.slopes[1])[:, None]
        of_deviation = self.of_variance[:, None] * errors / deviation
        return (of_gap - np.abs(gap) / deviation * of_deviation) / deviation

    def _parts(self, read):
        """Gap, pooled deviation and distance of each row from the mean of its group."""
        means = self.groups.means(read)
        errors = read - self.groups.members.T @ means
        deviation = np.sqrt(np.einsum("n,nm->m", self.of_variance, errors**2))
        return means[0] - means[1], deviation, errors


class Brier(Summary):
    """Mean squared distance of probabilities from 1 for the class of a row, and 0 for others.

    Parameters
    ----------
    y : ndarray of int, shape (n_rows,)
    n_classes : int
        Of two, which have the same distance, that of one is taken.
    """

    has_bounds = True

    def __init__(self, y: np.ndarray, n_classes: int):
        self.is_own = np.eye(n_classes)[y]
        self.share = 0.5 if n_classes == 2 else 1.0

    def values(self, read):
        return self.share * ((read - self.is_own[:, None]) ** 2).sum(axis=2).mean(axis=0)

    def bounds(self, read, reach):
        most = (2 * np.abs(read - self.is_own[:, None]) + reach) * reach
        return self.share * most.sum(axis=2).mean(axis=0) + _rounding(read) * self.values(read)

    def gradient(self, read):
        return 2 * self.share * (read - self.is_own) / len(read)


class CalibrationError(Summary):
    """Expected calibration error in ten bins of equal width.

    ``sum_b |sum of (y_i - p_i) over the rows of bin b| / n``. The gradient is that with rows shared
    out between bins: all is in one at its middle, and half at its edges.

    Parameters
    ----------
    y : ndarray of int, shape (n_rows,)
        Read are the probabilities of two classes, or of each of more.
    """

    is_smoothed = True
    has_bounds = True

    def __init__(self, y: np.ndarray):
        self.y = y

    def _confidence(self, read):
        """What is told of each row, and whether it is so, (n_rows, n_models) each."""
        if read.shape[2] == 2:
            is_so = np.broadcast_to((self.y == 1)[:, None], read.shape[:2])
            return read[:, :, 1], is_so
        return read.max(axis=2), read.argmax(axis=2) == self.y[:, None]

    def values(self, read):
        p, is_so = self._confidence(read)
        n_rows, n_models = p.shape
        n_bins = len(EDGES) + 1
        bins = np.searchsorted(EDGES, p) + n_bins * np.arange(n_models)
        errors = np.bincount(bins.ravel(), (is_so - p).ravel(), n_bins * n_models)
        return np.abs(errors).reshape(n_models, n_bins).sum(axis=1) / n_rows

    def bounds(self, read, reach):
        p, _ = self._confidence(read)
        most = reach.max(axis=2)
        is_sure = np.searchsorted(EDGES, p - most) == np.searchsorted(EDGES, p + most)
        if read.shape[2] > 2:
            second = np.partition(read, -2, axis=2)[:, :, -2]
            is_sure &= p - second > 2 * most
        # From one bin to another, a row changes the sums of both by no more than 1.
        return np.where(is_sure, most, 2.0).mean(axis=0) + _rounding(read)

    def gradient(self, read):
        p, is_so = (values[:, 0] for values in self._confidence(read[:, None]))
        # Where a row lies between the middles of two bins, counted in bins.
        place = np.clip(p / (2 * HALF_BIN) - 0.5, 0, len(EDGES))
        lower = np.minimum(place.astype(np.intp), len(EDGES) - 1)
        share, rows = place - lower, np.arange(len(p))
        shares = np.zeros((len(p), len(EDGES) + 1))
        shares[rows, lower], shares[rows, lower + 1] = 1 - share, share
        sign = np.sign((is_so - p) @ shares)
        moves = ((place > 0) & (place < len(EDGES))) / (2 * HALF_BIN)
        slope = (is_so - p) * moves * (sign[lower + 1] - sign[lower]) - shares @ sign
        gradient = np.zeros(read.shape)
        told = np.ones(len(p), np.intp) if read.shape[1] == 2 else read.argmax(axis=1)
        gradient[rows, told] = slope / len(p)
        return gradient


class RSquared(Summary):
    """The share of the variance that predictions explain, the mean over the targets.

    ``1 - sum_i (y_i - f_i)^2 / sum_i (y_i - mean(y))^2``

    Parameters
    ----------
    y : ndarray of shape (n_rows, n_targets)
    """

    has_bounds = True

    def __init__(self, y: np.ndarray):
        self.y = y
        self.total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)

    def values(self, read):
        return 1 - (((read - self.y[:, None]) ** 2).sum(axis=0) / self.total).mean(axis=1)

    def bounds(self, read, reach):
        most = (2 * np.abs(read - self.y[:, None]) + reach) * reach
        unexplained = np.abs(1 - self.values(read)) + 1
        return (most.sum(axis=0) / self.total).mean(axis=1) + _rounding(read) * unexplained

    def gradient(self, read):
        return -2 * (read - self.y) / self.total / self.y.shape[1]


def _rounding(read: np.ndarray) -> float:
    """Share of a sum over rows that its rounding may be."""
    return float((len(read) + 10) * np.finfo(np.float64).eps)
