"""Links of generalised linear models: from the predictor to the mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from scipy.special import expit

#: Logarithm of the largest mean, and minus that of the least: its fourth power is still a number.
MOST = 170.0


class Link(ABC):
    """The mean as a function of the predictor, elementwise.

    Attributes
    ----------
    furthest : float, default=inf
        The size of predictors from which on the mean is held.
    """

    furthest = np.inf

    @abstractmethod
    def inverse(self, eta: np.ndarray) -> np.ndarray:
        """The mean."""

    @abstractmethod
    def slope(self, eta: np.ndarray) -> np.ndarray:
        """First derivative of the mean with respect to ``eta``."""

    @abstractmethod
    def bend(self, eta: np.ndarray) -> np.ndarray:
        """Second derivative of the mean with respect to ``eta``."""


class IdentityLink(Link):
    """The predictor is the mean."""

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        return eta

    def slope(self, eta: np.ndarray) -> np.ndarray:
        return np.ones_like(eta)

    def bend(self, eta: np.ndarray) -> np.ndarray:
        return np.zeros_like(eta)


class LogLink(Link):
    """The predictor is the logarithm of the mean, within -170 and 170."""

    furthest = MOST

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        mean: np.ndarray = np.exp(np.clip(eta, -MOST, MOST))
        return mean

    slope = bend = inverse


class LogitLink(Link):
    """The predictor is the logarithm of the odds."""

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        mean: np.ndarray = expit(eta)
        return mean

    def slope(self, eta: np.ndarray) -> np.ndarray:
        slope: np.ndarray = expit(eta) * expit(-eta)
        return slope

    def bend(self, eta: np.ndarray) -> np.ndarray:
        bend: np.ndarray = self.slope(eta) * (expit(-eta) - expit(eta))
        return bend


class ComplementaryLogLogLink(Link):
    """The mean is ``1 - exp(-exp(eta))``."""

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        mean: np.ndarray = -np.expm1(-_rate(eta))
        return mean

    def slope(self, eta: np.ndarray) -> np.ndarray:
        slope: np.ndarray = _rate(eta) * np.exp(-_rate(eta))
        return slope

    def bend(self, eta: np.ndarray) -> np.ndarray:
        bend: np.ndarray = self.slope(eta) * (1 - _rate(eta))
        return bend


def _rate(eta: np.ndarray) -> np.ndarray:
    rate: np.ndarray = np.exp(np.clip(eta, -MOST, MOST))
    return rate


class PowerLink(Link):
    """The predictor is a power of the mean; not a number where no mean has it.

    Parameters
    ----------
    exponent : float
        -1 of the canonical link of the gamma distribution, -2 of the inverse Gaussian one's.
    """

    def __init__(self, exponent: float) -> None:
        self.exponent = exponent

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        return self._power(eta, 0)

    def slope(self, eta: np.ndarray) -> np.ndarray:
        return self._power(eta, 1) / self.exponent

    def bend(self, eta: np.ndarray) -> np.ndarray:
        root = 1 / self.exponent
        return self._power(eta, 2) * root * (root - 1)

    def _power(self, eta: np.ndarray, order: int) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            power: np.ndarray = np.asarray(eta) ** (1 / self.exponent - order)
        return power


class GivenLink(Link):
    """A link by three functions, such as another library has them.

    Parameters
    ----------
    inverse, slope, bend : callable
        The mean by the predictor, and its first two derivatives, elementwise.
    """

    def __init__(
        self,
        inverse: Callable[[np.ndarray], np.ndarray],
        slope: Callable[[np.ndarray], np.ndarray],
        bend: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self._functions = inverse, slope, bend

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        return self._functions[0](eta)

    def slope(self, eta: np.ndarray) -> np.ndarray:
        return self._functions[1](eta)

    def bend(self, eta: np.ndarray) -> np.ndarray:
        return self._functions[2](eta)
