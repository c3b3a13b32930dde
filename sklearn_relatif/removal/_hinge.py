"""Hinge machines without some of their rows: by the path of their solution, or fitted again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..losses import of_models
from ..utils._blocks import row_blocks
from ._base import ModelsWithout, Remover
from .active_set import REMOVALS_AT_A_TIME, DualChange, Machine


@dataclass(frozen=True)
class HingeModels(ModelsWithout):
    """Hinge machines, by the change of their dual coefficients.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    machine : Machine
        The one of all rows, at its optimum.
    change : DualChange
    """

    machine: Machine
    change: DualChange

    def predictor_before(self, query):
        return self.machine.predictor(query.jacobian)

    def predictors(self, query):
        kernel = self.machine.kernel.between(query.jacobian, self.change.touched)
        return self.predictor_before(query)[:, None] + self.change.of_decision(kernel)

    def parameter_change(self):
        return self.change.lengths()

    def training_change(self):
        objective = self.machine.objective
        square = np.zeros(len(self.positions))
        for rows in objective.blocks(2 * len(self.positions) * objective.loss.n_outputs):
            y, before = objective.y[rows], self.machine.training_predictor[rows]
            after = before[:, None] + self.change.of_training_decision(np.r_[rows])
            value = of_models(objective.loss.value, y, after)
            change = value - objective.loss.value(y, before)[:, None]
            square += objective.sample_weight[rows] @ change**2
        return np.sqrt(square)

    def tables(self):
        if not self.machine.objective.has_tables:
            return super().tables()
        tables = self.machine.parameters() + self.change.of_parameters()
        return tables if self.machine.objective.jacobian.fit_intercept else tables[:, :, :-1]


class HingeRemover(Remover):
    """Follows the dual solution of a machine, or takes one step on its active set.

    Parameters
    ----------
    machine : Machine
    """

    def __init__(self, machine: Machine):
        self.machine = machine
        self.objective = machine.objective

    @property
    def intervals(self):
        return self.machine.intervals

    def obstacle(self, order):
        return self.machine.obstacle if order == "newton" else super().obstacle(order)

    def models_without(self, removals, order):
        for first in range(0, len(removals), REMOVALS_AT_A_TIME):
            some = removals[first : first + REMOVALS_AT_A_TIME]
            positions = np.arange(first, first + len(some))
            change = self.machine.change(some, is_exact=order == "retrain")
            yield HingeModels(positions, self.machine, change)

    def loo_predictor(self):
        predictor = self.machine.training_predictor.copy()
        for some in row_blocks(len(predictor), 1, REMOVALS_AT_A_TIME):
            rows = np.r_[some]
            change = self.machine.change(list(rows[:, None]), is_exact=False)
            predictor[some] += np.einsum("iip->ip", change.of_training_decision(rows))
        return predictor
