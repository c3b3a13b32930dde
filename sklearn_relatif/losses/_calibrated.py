"""Log loss of probabilities that a sigmoid makes of another model's scores."""

from __future__ import annotations

import numpy as np

from ._base import Loss, polar
from ._margin import LogLoss, binary_codebook, one_vs_rest_codebook


class CalibratedLoss(Loss):
    """Log loss of ``sigma(-(a t + b))`` of the scores t of a member (Platt, 1999).

    With more than two classes, each has a sigmoid of its own, and they are normalised. The
    calibration is held as it is: what queries ask of the member is the chain rule through it.

    Parameters
    ----------
    member : Loss
        With a score a class, or one of two classes.
    slopes, offsets : ndarray of shape (n_scores,)
        ``a`` and ``b``.
    """

    has_probabilities = True
    has_leads = False

    def __init__(self, member: Loss, slopes: np.ndarray, offsets: np.ndarray) -> None:
        self.member = member
        self.slopes, self.offsets = slopes, offsets
        self.n_outputs = member.n_outputs
        self.has_curvature = member.has_curvature
        n_scores = len(slopes)
        codebook = binary_codebook() if n_scores == 1 else one_vs_rest_codebook(n_scores)
        self.sigmoids = LogLoss(codebook)

    def _calibrated(self, eta: np.ndarray) -> np.ndarray:
        """What the sigmoids are taken of, shape (n, n_scores)."""
        scores = np.reshape(self.member.scores(eta), (len(eta), -1))[:, -len(self.slopes) :]
        calibrated: np.ndarray = -(scores * self.slopes + self.offsets)
        return calibrated

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return -self.sigmoids.log_probability(y, self._calibrated(eta))

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        norm, unit = self.sigmoids.log_probability_direction(y, self._calibrated(eta))
        length, unit = polar(self.member.from_scores(-self.slopes * unit))
        return norm * length, unit

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        norm, unit = self.direction(y, eta)
        return norm[:, None] * unit

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Asked of the member, by whose loss it was fitted."""
        raise TypeError("A calibrated loss is what queries ask, and not what was minimised.")

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        return self.sigmoids.probabilities(self._calibrated(eta))

    def predict(self, eta: np.ndarray) -> np.ndarray:
        return self.probabilities(eta).argmax(axis=1)
