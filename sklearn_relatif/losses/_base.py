"""What an objective asks of a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np


class Loss(Protocol):
    """What an objective asks of a loss; see :class:`MarginLoss` for the shapes."""

    n_outputs: int
    #: True when the second derivative is diagonal over the outputs.
    separable: bool
    #: True when exp(-loss) is a likelihood, so that a Fisher information exists.
    is_likelihood: bool
    #: True when the loss is linear wherever it is smooth, so that it has no curvature.
    is_piecewise_linear: bool

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray: ...

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray: ...

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray: ...

    def predict(self, eta: np.ndarray) -> np.ndarray: ...


def of_models(
    value: Callable[[np.ndarray, np.ndarray], np.ndarray], y: np.ndarray, predictors: np.ndarray
) -> np.ndarray:
    """A pointwise loss of several models.

    Parameters
    ----------
    value : callable
        ``value`` or ``query_value`` of a loss.
    y : ndarray of shape (n_rows,)
    predictors : ndarray of shape (n_rows, n_models, n_outputs)

    Returns
    -------
    ndarray of shape (n_rows, n_models)
    """
    n_rows, n_models, n_outputs = predictors.shape
    values = value(np.repeat(y, n_models), predictors.reshape(-1, n_outputs))
    return values.reshape(n_rows, n_models)


def polar(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Norm (n,) of each row and its unit vector, which is zero where the norm is."""
    length = np.linalg.norm(vectors, axis=1)
    return length, vectors / np.where(length > 0, length, 1)[:, None]
