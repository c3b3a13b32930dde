"""Squared error of probabilities that are predicted as such."""

from __future__ import annotations

import numpy as np

from ._base import Loss


class BrierScore(Loss):
    """``1/2 sum_c (p_c - [y = c])^2`` of the probabilities p, which are the predictor.

    The mean over the rows is half the Brier score. Shares of classes in a leaf minimise it.

    Parameters
    ----------
    n_classes : int
    """

    is_quadratic = True
    shares_curvature = True
    has_probabilities = True
    has_leads = True
    has_class_scores = True
    concordance = 0.0

    def __init__(self, n_classes: int) -> None:
        self.n_outputs = n_classes

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        value: np.ndarray = np.square(self.residual(y, eta)).sum(axis=1) / 2
        return value

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        residual = eta.copy()
        residual[np.arange(len(y)), y] -= 1
        return residual

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return np.ones_like(eta)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        return eta.argmax(axis=1)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        return eta

    def log_probability(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            log: np.ndarray = np.log(eta[np.arange(len(y)), y])
        return log

    def log_probability_direction(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        gradient = self.probability_gradient(y, eta)
        p = eta[np.arange(len(y)), y]
        if not p.all():
            raise ValueError(
                f"{np.count_nonzero(p == 0)} of the rows have labels of probability 0, whose "
                "logarithm has no derivative. Use 'brier' or 'mean_loss' (half the Brier score) in "
                "the place of a log loss, or order='structure' or order='retrain'."
            )
        return 1 / p, -gradient

    def probability_gradient(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return np.eye(self.n_outputs)[y]

    def lead(self, label: int, rival: int) -> np.ndarray:
        every = np.eye(self.n_outputs)
        lead: np.ndarray = every[label] - every[rival]
        return lead
