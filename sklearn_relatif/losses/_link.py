"""Links of generalised linear models: from the predictor to the mean."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

#: Logarithm of the largest mean, and minus that of the least: its fourth power is still a number.
MOST = 170.0


class Link(ABC):
    """The mean as a function of the predictor, elementwise."""

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

    def inverse(self, eta: np.ndarray) -> np.ndarray:
        mean: np.ndarray = np.exp(np.clip(eta, -MOST, MOST))
        return mean

    slope = bend = inverse
