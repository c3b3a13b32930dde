"""Steps as ramps: what stands in for the gradient of a metric that has none.

Counts of what lies above something are steps in the scores, flat wherever they are smooth. In the
place of a step from 0 to 1 at 0 there is a ramp from 0 at -h to 1 at h, of the slope ``1 / (2 h)``
in between.
"""

from __future__ import annotations

import numpy as np

#: Of a ramp, in deviations of normal scores: a quarter of Silverman's width for a density (1986,
#: equation 3.31; 0.9 of a Gaussian, times the ratio of the canonical bandwidths of both). The
#: slopes of rows are added up, which averages out what is too narrow for each of them; nothing
#: averages out what is too wide.
WIDTH = 0.9 * 1.3510 / 0.7764 / 4
#: The interquartile range of a standard normal distribution.
NORMAL_RANGE = 1.349


def half_width(scores: np.ndarray) -> float:
    """The ``h`` of a ramp: ``0.39 min(sd, IQR / 1.349) n^(-1/5)``.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
    """
    low, high = np.quantile(scores, [0.25, 0.75])
    # Of equal scores, rounding leaves a deviation.
    deviation = float(scores.std()) if scores.min() < scores.max() else 0.0
    spread = min(deviation, (high - low) / NORMAL_RANGE) or deviation
    return WIDTH * spread * len(scores) ** -0.2 or 1.0


def ramp_slope(differences: np.ndarray, width: float) -> np.ndarray:
    """Slope of the ramp at some differences from the step."""
    slope: np.ndarray = (np.abs(differences) < width) / (2 * width)
    return slope


class Neighbours:
    """Weighted sums over the rows whose scores are near to others.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
    width : float
        ``h``
    """

    def __init__(self, scores: np.ndarray, width: float):
        self.scores, self.width = scores, width
        self.order = np.argsort(scores, kind="stable")
        ordered = scores[self.order]
        self.first = np.searchsorted(ordered, scores - width, side="right")
        self.end = np.searchsorted(ordered, scores + width, side="left")

    def slopes(self, weights: np.ndarray) -> np.ndarray:
        """``sum_j w_j ramp'(s_j - s_i)`` of each row i, shape (n_rows,)."""
        slopes: np.ndarray = self._near(weights) / (2 * self.width)
        return slopes

    def ramps(self, weights: np.ndarray) -> np.ndarray:
        """``sum_j w_j ramp(s_j - s_i)`` of each row i, shape (n_rows,)."""
        # Scores are taken from their middle, where rounding takes the least from what is near.
        scores = self.scores - np.median(self.scores)
        above = weights.sum() - self._sums(weights)[self.end]
        part = self._near(weights * scores) - self._near(weights) * (scores - self.width)
        ramps: np.ndarray = above + part / (2 * self.width)
        return ramps

    def _near(self, weights: np.ndarray) -> np.ndarray:
        sums = self._sums(weights)
        near: np.ndarray = sums[self.end] - sums[self.first]
        return near

    def _sums(self, weights: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], np.cumsum(weights[self.order])])
