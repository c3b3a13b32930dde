"""A number of a model, how far it is from a threshold, and what rows do to that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature import hessian_inverse


@dataclass(frozen=True, eq=False)
class Without:
    """The model without some rows, at its optimum.

    Attributes
    ----------
    rows : ndarray of int
        Those that it does without.
    objective : LinearObjective
        Of the rows that are left.
    lead : float
        How far the number is on the side of the threshold where it is with all rows. Below 0, it
        has crossed the threshold.
    """

    rows: np.ndarray
    objective: Any
    lead: float


class Question:
    """How far is a number of the model from a threshold, and how far is it without some rows?

    Parameters
    ----------
    study : Study
    statistic : Statistic
    threshold : float
    """

    def __init__(self, study: Any, statistic: Any, threshold: float):
        self.statistic, self.threshold = statistic, threshold
        self.remover = study.remover
        self.objective = self.remover.objective
        self.value = statistic.value(self.objective)
        self.side = 1.0 if self.value > threshold else -1.0
        self.classes = self.objective.y if study.targets.has_classes else None
        self.lead = self.side * (self.value - threshold)

    def without(self, groups: Sequence[np.ndarray]) -> list[Without]:
        """The models retrained exactly without each group of rows."""
        found: list[Any] = [None] * len(groups)
        for models in self.remover.models_without(groups, "retrain"):
            objectives = models.objectives(groups)
            for position, objective in zip(models.positions, objectives, strict=True):
                lead = self.side * (self.statistic.value(objective) - self.threshold)
                found[position] = Without(groups[position], objective, lead)
        return found

    def effects(self, objective: Any) -> np.ndarray:
        """What removing each row takes from the lead, to first order, shape (n_rows,)."""
        return -self.side * self.statistic.row_effects(objective, hessian_inverse(objective))

    def removable(self, effects: np.ndarray) -> np.ndarray:
        """Rows that lower the lead, the one that does most first, and never all of a class."""
        counts = self.objective.sample_weight > 0
        effects = np.where(counts, effects, -np.inf)
        if self.classes is not None:
            for label in np.unique(self.classes):
                members = np.flatnonzero(counts & (self.classes == label))
                effects[members[effects[members].argmin()]] = -np.inf
        order = np.argsort(-effects, kind="stable")
        return order[effects[order] > 0]
