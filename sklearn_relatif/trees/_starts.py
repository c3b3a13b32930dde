"""Where boosting starts: predictors as a function of the targets and the weights of the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._steps import Step

#: Links, and their slopes.
LINKS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "identity": (lambda mean: mean, lambda mean: 1.0),
    "log": (np.log, lambda mean: 1 / mean),
    "logit": (lambda mean: np.log(mean / (1 - mean)), lambda mean: 1 / (mean * (1 - mean))),
    "half_logit": (
        lambda mean: np.log(mean / (1 - mean)) / 2,
        lambda mean: 1 / (2 * mean * (1 - mean)),
    ),
}


class Start:
    """The predictors before the first tree, as leaves of trees without a split."""

    def values(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Shape (n_outputs,)."""
        raise NotImplementedError

    def weight_slopes(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Their derivatives in the weight of each row, shape (n_outputs, n)."""
        raise NotImplementedError

    def target_slopes(self, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Their derivatives in the target of each row, shape (n_outputs, n)."""
        raise NotImplementedError


class FixedStart(Start):
    """Predictors that no row has a part in.

    Parameters
    ----------
    given : ndarray of shape (n_outputs,)
    """

    def __init__(self, given: np.ndarray) -> None:
        self.given = np.asarray(given, np.float64)

    def values(self, y, weight):
        return self.given

    def weight_slopes(self, y, weight):
        return np.zeros((len(self.given), len(y)))

    target_slopes = weight_slopes


class MeanStart(Start):
    """The link of the weighted mean of the targets.

    Parameters
    ----------
    link : {"identity", "log", "logit", "half_logit"}, default="identity"
        "half_logit" is half of the logit, where an exponential loss has its minimum.
    """

    def __init__(self, link: str = "identity") -> None:
        self.link = link

    def values(self, y, weight):
        link, _ = LINKS[self.link]
        return np.array([link(np.average(y, weights=weight))])

    def weight_slopes(self, y, weight):
        mean = np.average(y, weights=weight)
        return self._slope(mean) * (y - mean)[None] / weight.sum()

    def target_slopes(self, y, weight):
        return self._slope(np.average(y, weights=weight)) * weight[None] / weight.sum()

    def _slope(self, mean):
        _, slope = LINKS[self.link]
        return slope(mean)


class NewtonStart(Start):
    """One Newton step from predictors of 0: ``-G / H``, with the sums over all rows.

    Parameters
    ----------
    step : Step
        What the trees descend.
    """

    def __init__(self, step: Step) -> None:
        self.step = step

    def _sums(self, y, weight):
        eta = np.zeros((self.step.n_outputs, len(y)))
        g, h = self.step.gradient(y, eta), self.step.curvature(y, eta)
        return g, h, h @ weight

    def values(self, y, weight):
        g, _, total = self._sums(y, weight)
        return -(g @ weight) / total

    def weight_slopes(self, y, weight):
        g, h, total = self._sums(y, weight)
        return -(g + self.values(y, weight)[:, None] * h) / total[:, None]

    def target_slopes(self, y, weight):
        return weight[None] / self._sums(y, weight)[2][:, None]


class SharesStart(Start):
    """The shares of several classes.

    Parameters
    ----------
    n_classes : int
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes

    def _shares(self, y, weight):
        return np.bincount(y, weight, minlength=self.n_classes) / weight.sum()

    def values(self, y, weight):
        return self._shares(y, weight)

    def weight_slopes(self, y, weight):
        is_own = np.arange(self.n_classes)[:, None] == y
        return (is_own - self._shares(y, weight)[:, None]) / weight.sum()


class PriorStart(SharesStart):
    """The logarithms of the shares of several classes.

    Parameters
    ----------
    n_classes : int
    added : float, default=0.0
        To the shares, so that classes without a row have a logarithm.
    is_centred : bool, default=False
        Whether the logarithms are those less their mean.
    """

    def __init__(self, n_classes: int, added: float = 0.0, is_centred: bool = False) -> None:
        super().__init__(n_classes)
        self.added, self.is_centred = added, is_centred

    def _centred(self, values):
        return values - values.mean(axis=0) if self.is_centred else values

    def values(self, y, weight):
        return self._centred(np.log(self._shares(y, weight) + self.added))

    def weight_slopes(self, y, weight):
        share = self._shares(y, weight)[:, None]
        return self._centred(super().weight_slopes(y, weight) / (share + self.added))


class PlainStart(Start):
    """A start that is found before the classes are multiplied by factors of theirs.

    Parameters
    ----------
    start : Start
    factor : ndarray of shape (n_classes,)
        Of the weights of rows, by their classes. None is 0.
    """

    def __init__(self, start: Start, factor: np.ndarray) -> None:
        self.start, self.factor = start, factor

    def values(self, y, weight):
        return self.start.values(y, weight / self.factor[y])

    def weight_slopes(self, y, weight):
        factor = self.factor[y]
        return self.start.weight_slopes(y, weight / factor) / factor

    def target_slopes(self, y, weight):
        return self.start.target_slopes(y, weight / self.factor[y])


class ShiftedStart(Start):
    """A start that a library has computed less exactly.

    Parameters
    ----------
    start : Start
    shift : ndarray of shape (n_outputs,)
        What the library's is above it.
    """

    def __init__(self, start: Start, shift: np.ndarray) -> None:
        self.start, self.shift = start, shift

    def values(self, y, weight):
        return self.start.values(y, weight) + self.shift

    def weight_slopes(self, y, weight):
        return self.start.weight_slopes(y, weight)

    def target_slopes(self, y, weight):
        return self.start.target_slopes(y, weight)
