"""Losses of generalised linear models: a distribution of the target, and a link to its mean."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from scipy.special import xlogy

from ._base import Loss, polar
from ._link import Link

#: Share of the Fisher weight below which a second derivative is the rounding of zero.
DERIVATIVE_ROUNDING = 10 * np.finfo(np.float64).eps


class UnitDeviance(Loss):
    """Half the unit deviance of one real target, in a link.

    With the mean ``mu(eta)`` and the variance ``V(mu)`` that the distribution has::

        residual            (mu - y) mu' / V
        Fisher weight       mu'^2 / V
        second derivative   mu'^2 / V - (mu - y) (V' (mu' / V)^2 - mu'' / V)

    The last two are the same where the link is canonical. Subclasses give ``V``, its derivative,
    and half the unit deviance, whose derivative in the mean is ``(mu - y) / V``.

    A target of NaN asks for the prediction itself: the loss is ``-mu`` then, so that what
    supports it is what raises the prediction. All is computed in double precision.

    Parameters
    ----------
    link : Link
    """

    n_outputs = 1
    has_fisher = True
    has_dispersion = True

    def __init__(self, link: Link) -> None:
        self.link = link

    @abstractmethod
    def variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance of the target, up to a factor, by its mean."""

    @abstractmethod
    def variance_slope(self, mean: np.ndarray) -> np.ndarray:
        """Derivative of the variance with respect to the mean."""

    @abstractmethod
    def half_deviance(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Half the unit deviance, elementwise."""

    def _moments(self, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, its derivative with respect to ``eta``, and variance, in the shape of ``eta``."""
        eta = eta.astype(np.float64)
        mean = self.link.inverse(eta)
        return mean, self.link.slope(eta), self.variance(mean)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        mean = self._moments(eta)[0][:, 0]
        value: np.ndarray = np.where(np.isnan(y), -mean, self.half_deviance(y, mean))
        return value.astype(eta.dtype)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, 1)."""
        return self._residual(y, eta).astype(eta.dtype)

    def _residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        mean, slope, variance = self._moments(eta)
        y = y[:, None]
        residual: np.ndarray = np.where(np.isnan(y), -1.0, (mean - y) / variance) * slope
        return residual

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, 1) of the residual, also where float32 has no such norm."""
        norm, unit = polar(self._residual(y, eta))
        return norm.astype(eta.dtype), unit.astype(eta.dtype)

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, 1)."""
        mean, slope, variance = self._moments(eta)
        y, bend = y[:, None], self.link.bend(eta.astype(np.float64))
        weight = slope**2 / variance
        excess = self.variance_slope(mean) * (slope / variance) ** 2 - bend / variance
        # Linear in y: what does not depend on y must not cancel with what does.
        whole = weight - mean * excess + y * excess
        whole = np.where(np.abs(whole) > DERIVATIVE_ROUNDING * weight, whole, 0.0)
        second: np.ndarray = np.where(np.isnan(y), -bend, whole)
        return second.astype(eta.dtype)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """E[residual^2] under the model, shape (n, 1)."""
        _, slope, variance = self._moments(eta)
        return (slope**2 / variance).astype(eta.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Predicted means, shape (n,)."""
        return self._moments(eta)[0][:, 0].astype(eta.dtype)


class PoissonDeviance(UnitDeviance):
    """``y log(y / mu) - y + mu``."""

    has_dispersion = False

    def variance(self, mean: np.ndarray) -> np.ndarray:
        return mean

    def variance_slope(self, mean: np.ndarray) -> np.ndarray:
        return np.ones_like(mean)

    def half_deviance(self, y: np.ndarray, mean: np.ndarray) -> np.ndarray:
        deviance: np.ndarray = xlogy(y, y / mean) - y + mean
        return deviance
