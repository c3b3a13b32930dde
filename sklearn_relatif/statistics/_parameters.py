"""Statistics of the parameters themselves."""

from __future__ import annotations

import numpy as np

from ._base import Statistic, effects_of


class Coefficient(Statistic):
    """One coefficient of a model, as its estimator exposes it.

    Parameters
    ----------
    name : str
    place : tuple of int
        Row and column in the table of parameters, whose last column is the intercept.
    """

    def __init__(self, name: str, place: tuple[int, int]):
        self.name, self.place = name, place

    def value(self, objective):
        return float(objective.score_weights()[self.place])

    def row_effects(self, objective, curvature):
        return effects_of(self.gradient(objective)[None], objective, curvature)

    def gradient(self, objective) -> np.ndarray:
        """Gradient in the parameters of the objective, shape (n_params,)."""
        output, column = self.place
        gradient = np.zeros(objective.shape)
        unit = np.zeros(len(objective.score_weights()))
        unit[output] = 1
        gradient[:, column] = objective.loss.from_scores(unit[None])[0]
        return gradient.ravel()
