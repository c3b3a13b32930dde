"""The margin of the nearest of several points."""

from __future__ import annotations

import numpy as np

from ._base import Loss


class NearestMargin(Loss):
    """How much higher the best other class scores: ``max_{k != y} eta_k - eta_y``.

    With minus the squared distances from the centroids as scores, it is the squared distance from
    the class' own centroid less that from the nearest other. It is no likelihood.

    Parameters
    ----------
    n_classes : int
    """

    has_curvature = False
    has_gauge = True
    has_class_scores = True

    def __init__(self, n_classes: int) -> None:
        self.n_outputs = n_classes

    def _rival(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        others = eta.copy()
        others[np.arange(len(y)), y] = -np.inf
        return others.argmax(axis=1)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        rows = np.arange(len(y))
        return eta[rows, self._rival(y, eta)] - eta[rows, y]

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        rows, residual = np.arange(len(y)), np.zeros_like(eta)
        residual[rows, self._rival(y, eta)] = 1
        residual[rows, y] = -1
        return residual

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return np.zeros_like(eta)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        return eta.argmax(axis=1)

    def lead(self, label: int, rival: int) -> np.ndarray:
        every = np.eye(self.n_outputs)
        lead: np.ndarray = every[label] - every[rival]
        return lead
