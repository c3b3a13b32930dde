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
        return effects_of(self.slope(objective)[None], objective, curvature)

    def slope(self, objective):
        output, column = self.place
        n_scores, n_columns = objective.score_weights().shape
        unit = np.zeros((1, n_scores))
        unit[0, output] = 1
        # The score of a row with nothing but this feature, less that of a row of zeros.
        fits_intercept = objective.jacobian.fit_intercept
        row = np.zeros((1, n_columns - fits_intercept))
        pull = objective.loss.from_scores(unit)[None]
        nothing = objective.query_jacobian(row).adjoint(pull)[0]
        if column == row.shape[1]:
            return nothing
        row[0, column] = 1
        return objective.query_jacobian(row).adjoint(pull)[0] - nothing
