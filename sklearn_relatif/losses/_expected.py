"""Expected second derivatives in the place of the observed ones."""

from __future__ import annotations

import numpy as np

from ._base import Loss


class ExpectedCurvature(Loss):
    """A likelihood whose second derivative is the expected one: the loss of Fisher scoring.

    Parameters
    ----------
    loss : Loss
        It ``has_fisher``.
    """

    has_fisher = True

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.n_outputs = loss.n_outputs
        self.couples_outputs = loss.couples_outputs
        self.softmax_contrasts = loss.softmax_contrasts
        self.has_gauge = loss.has_gauge
        self.has_dispersion = loss.has_dispersion
        self.has_probabilities = loss.has_probabilities

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.loss.value(y, eta)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.loss.residual(y, eta)

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.loss.fisher_weight(eta)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        return self.loss.fisher_weight(eta)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        return self.loss.predict(eta)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        return self.loss.probabilities(eta)

    def scores(self, eta: np.ndarray) -> np.ndarray:
        return self.loss.scores(eta)

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        return self.loss.from_scores(scores)
