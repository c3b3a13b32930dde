"""Losses of regression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._base import Loss


class RegressionLoss(Loss):
    """A function of the error ``eta - y`` of one real target. Subclasses give it.

    A target of NaN asks for the prediction itself: the loss is ``-eta`` then, so that what
    supports it is what raises the prediction.
    """

    n_outputs = 1
    phi: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        error = eta[:, 0] - y
        value: np.ndarray = np.where(np.isnan(y), -eta[:, 0], self.phi(error))
        return value.astype(eta.dtype)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, 1)."""
        slope = np.where(np.isnan(y), -1.0, self.slope(eta[:, 0] - y))
        return slope.astype(eta.dtype)[:, None]

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, 1)."""
        return self.bend(eta - y[:, None]).astype(eta.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Predictions, shape (n,)."""
        return eta[:, 0]


class SquaredError(RegressionLoss):
    """``e^2 / 2``: that of a normal distribution."""

    has_fisher = True
    has_dispersion = True

    def phi(self, error: np.ndarray) -> np.ndarray:
        return error**2 / 2

    def slope(self, error: np.ndarray) -> np.ndarray:
        return error

    def bend(self, error: np.ndarray) -> np.ndarray:
        return np.ones_like(error)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """E[residual^2] under the model, up to the dispersion, shape (n, 1)."""
        return np.ones_like(eta)


class Huber(RegressionLoss):
    """``e^2 / 2`` up to ``epsilon``, and linear beyond.

    Parameters
    ----------
    epsilon : float
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def phi(self, error: np.ndarray) -> np.ndarray:
        size = np.minimum(np.abs(error), self.epsilon)
        return size * (np.abs(error) - size / 2)

    def slope(self, error: np.ndarray) -> np.ndarray:
        return np.clip(error, -self.epsilon, self.epsilon)

    def bend(self, error: np.ndarray) -> np.ndarray:
        return (np.abs(error) <= self.epsilon).astype(error.dtype)


class SquaredEpsilonInsensitive(RegressionLoss):
    """``max(0, |e| - epsilon)^2``.

    Parameters
    ----------
    epsilon : float
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def phi(self, error: np.ndarray) -> np.ndarray:
        return np.maximum(np.abs(error) - self.epsilon, 0) ** 2

    def slope(self, error: np.ndarray) -> np.ndarray:
        return 2 * np.sign(error) * np.maximum(np.abs(error) - self.epsilon, 0)

    def bend(self, error: np.ndarray) -> np.ndarray:
        return 2 * (np.abs(error) > self.epsilon).astype(error.dtype)
