"""Huber's loss together with the scale of the errors."""

from __future__ import annotations

import numpy as np

from ._base import Loss


class ScaledHuber(Loss):
    """Huber's loss of the error over a scale, which is a parameter too (Huber & Ronchetti, 7.7).

    With the error ``e = y - eta`` and the scale ``sigma``, the second output, it is::

        sigma + e^2 / sigma                              up to |e| = epsilon sigma,
        sigma + 2 epsilon |e| - epsilon^2 sigma          beyond,

    convex in both together, and not a number where sigma is not positive. A target of NaN asks
    for the prediction itself: the loss is ``-eta`` then.

    Parameters
    ----------
    epsilon : float
    """

    n_outputs = 2
    couples_outputs = True

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def _parts(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Errors, scales, whether rows are outliers, and whether they have a target."""
        error, scale = y - eta[:, 0].astype(np.float64), eta[:, 1].astype(np.float64)
        scale = np.where(scale > 0, scale, np.nan)
        return error, scale, np.abs(error) > self.epsilon * scale, ~np.isnan(y)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        error, scale, is_outlier, has_target = self._parts(y, eta)
        outside = 2 * self.epsilon * np.abs(error) + (1 - self.epsilon**2) * scale
        value = np.where(is_outlier, outside, scale + error**2 / scale)
        return np.where(has_target, value, -eta[:, 0]).astype(eta.dtype)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, 2)."""
        error, scale, is_outlier, has_target = self._parts(y, eta)
        ratio = np.where(is_outlier, self.epsilon * np.sign(error), error / scale)
        residual = np.column_stack([-2 * ratio, 1 - ratio**2])
        return np.where(has_target[:, None], residual, [-1.0, 0.0]).astype(eta.dtype)

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, 2, 2)."""
        error, scale, is_outlier, has_target = self._parts(y, eta)
        slope = np.column_stack([np.ones_like(scale), error / scale])
        bend = np.where(is_outlier, 0.0, 2 / scale)
        second = bend[:, None, None] * slope[:, :, None] * slope[:, None, :]
        return np.where(has_target[:, None, None], second, 0.0).astype(eta.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Predictions, shape (n,)."""
        return eta[:, 0]
