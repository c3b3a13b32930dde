"""Statistics of the parameters of a fitted model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._base import Statistic, effects_of, gradient_of, number_of


class OfTable(Statistic):
    """What a function makes of the table of parameters, as the estimator exposes them.

    Parameters
    ----------
    name : str
    function : callable
        From the table, a row a class score and the intercept last, to the number and its gradient
        in the form of the table.
    is_linear : bool, default=False
        Whether the gradient is the same everywhere.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[np.ndarray], tuple[float, np.ndarray]],
        is_linear: bool = False,
    ):
        self.name, self.function, self.is_linear = name, function, is_linear

    def value(self, objective):
        return number_of(self.function(objective.score_weights().copy()), self.name)

    def row_effects(self, objective, curvature):
        gradient = self._gradient(objective)[None].astype(objective.dtype)
        return effects_of(gradient, objective, curvature)

    def slope(self, objective):
        return self._gradient(objective) if self.is_linear else None

    def own_features(self, objective):
        table = objective.score_weights()
        n_features = table.shape[1] - objective.jacobian.fit_intercept
        is_used = self._slopes(table)[:, :n_features].any(axis=0)
        return np.empty(0, np.intp) if is_used.all() else np.flatnonzero(is_used)

    def _gradient(self, objective):
        return objective.parameter_gradient(self._slopes(objective.score_weights()))

    def _slopes(self, table):
        # A function may write into what it takes.
        return gradient_of(self.function(table.copy()), table.shape, self.name)


def coefficient(name: str, place: tuple[int, int], shape: tuple[int, int]) -> OfTable:
    """One of the parameters.

    Parameters
    ----------
    name : str
    place : tuple of int
        Row and column in the table.
    shape : tuple of int
        Of the table.
    """
    unit = np.zeros(shape)
    unit[place] = 1
    return OfTable(name, lambda table: (table[place], unit), is_linear=True)


class Gap(Statistic):
    """How much larger a statistic is than another one of the same model.

    Parameters
    ----------
    name : str
    first, second : Statistic
    """

    def __init__(self, name: str, first: Statistic, second: Statistic):
        self.name, self.first, self.second = name, first, second

    def value(self, objective):
        return self.first.value(objective) - self.second.value(objective)

    def row_effects(self, objective, curvature):
        first = self.first.row_effects(objective, curvature)
        effects: np.ndarray = first - self.second.row_effects(objective, curvature)
        return effects

    def slope(self, objective):
        first, second = self.first.slope(objective), self.second.slope(objective)
        return None if first is None or second is None else first - second

    def own_features(self, objective):
        return np.union1d(self.first.own_features(objective), self.second.own_features(objective))


class Ratio(Statistic):
    """A linear statistic over its standard error: its t-statistic.

    Parameters
    ----------
    name : str
    statistic : Statistic
        It has a slope.
    errors : Errors
    """

    def __init__(self, name: str, statistic: Statistic, errors: Any):
        self.name, self.statistic, self.errors = name, statistic, errors

    def value(self, objective):
        variance = self.errors.variance(self.statistic.slope(objective), objective)
        return self.statistic.value(objective) / float(np.sqrt(variance))

    def row_effects(self, objective, curvature):
        gradient, value = self.statistic.slope(objective), self.statistic.value(objective)
        variance, changes = self.errors.with_effects(gradient, objective, curvature)
        effects = self.statistic.row_effects(objective, curvature)
        return (effects - value * changes / (2 * variance)) / np.sqrt(variance)

    def own_features(self, objective):
        return self.statistic.own_features(objective)
