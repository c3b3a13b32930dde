"""The difference of a statistic between two models of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import hessian_inverse
from ._base import Statistic


class Contest(Statistic):
    """How much larger a statistic is than another one of another model, without the same rows.

    Which rows are left to the first model, its objective tells by the weights; the other one is
    trained without those that are not.

    Parameters
    ----------
    own, rival : Statistic
        Of the first and of the other model.
    remover : Remover
        Of the other model.
    """

    def __init__(self, own: Statistic, rival: Statistic, remover: Any):
        self.own, self.rival, self.remover = own, rival, remover
        self.name = f"{own.name} - {rival.name} of the other model"
        self._last: tuple[bytes, Any] = b"", None

    def value(self, objective):
        return self.own.value(objective) - self.rival.value(self._other(objective))

    def row_effects(self, objective, curvature):
        own, other = self.own.row_effects(objective, curvature), self._other(objective)
        effects: np.ndarray = own - self.rival.row_effects(other, hessian_inverse(other))
        return effects

    def _other(self, objective):
        """The objective of the other model of the same rows, at its optimum."""
        removed = (objective.sample_weight == 0) & (self.remover.objective.sample_weight > 0)
        if not removed.any():
            return self.remover.objective
        rows = np.flatnonzero(removed)
        if self._last[0] != rows.tobytes():  # The value is asked for, and then the effects.
            (models,) = self.remover.models_without([rows], "retrain")
            self._last = rows.tobytes(), next(iter(models.objectives([rows])))
        return self._last[1]
