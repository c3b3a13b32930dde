"""Models in closed form without some of their rows, by the sums without them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..objectives import MomentsObjective, MomentsWithout, Removals
from ..utils._blocks import block_budget, row_blocks
from ._base import ModelsWithout, Remover

#: The score of a class without rows, so low that it has no probability.
IMPOSSIBLE = -1e9


@dataclass(frozen=True)
class MomentModels(ModelsWithout):
    """Classifiers by the sums over the rows that are left.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    objective : MomentsObjective
    without : MomentsWithout
    """

    objective: MomentsObjective
    without: MomentsWithout

    def predictor_before(self, query):
        values = self.objective.moments.density.values(query.jacobian.X)
        return values @ self.objective.outputs

    def predictors(self, query):
        return self.without.values(query.jacobian.X) @ self.objective.outputs

    def parameter_change(self):
        moments = self.objective.moments
        square = self.without.squared_change()
        if moments.prior is None:
            change = self.without.log_prior - moments.density.log_prior
            square = square + np.sum(change**2, axis=1)
        return np.sqrt(square)

    def training_change(self):
        """Of the terms by which the rows enter the fit."""
        objective, moments = self.objective, self.objective.moments
        square = np.zeros(len(self.positions))
        width = 8 * 2 * len(self.positions) * moments.n_classes
        nothing = moments.without(Removals([np.empty(0, np.intp)], moments.weight))
        for rows in row_blocks(objective.n_rows, width, block_budget()):
            X, residual = moments.X[rows], moments.residual(objective.y[rows])
            change = self.without.terms(X) - nothing.terms(X)
            # A row of a density that is 0 has no change; one that becomes impossible has all.
            change = np.einsum("nmk,nk->nm", change, residual)
            square += objective.sample_weight[rows] @ change**2
        return np.sqrt(square)


class MomentsRemover(Remover):
    """The closed form without the rows, which is exact, and takes the place of any step.

    Parameters
    ----------
    objective : MomentsObjective
    """

    objective: MomentsObjective

    def __init__(self, objective: MomentsObjective) -> None:
        self.objective = objective

    def models_without(self, removals, order):
        moments = self.objective.moments
        for some in row_blocks(len(removals), 1, moments.groups_at_a_time()):
            without = moments.without(Removals(removals[some], moments.weight))
            positions = np.arange(some.start, some.stop)
            yield MomentModels(positions, self.objective, without)

    def loo_predictor(self):
        moments, predictor = self.objective.moments, self.objective.training_predictor.copy()
        removals: Any = list(np.arange(self.objective.n_rows)[:, None])
        for models in self.models_without(removals, "newton"):
            values = models.without.values(moments.X[models.positions])
            own = np.einsum("iik->ik", values)
            own = np.where(models.without.class_weight > 0, own, IMPOSSIBLE)
            predictor[models.positions] = own @ self.objective.outputs
        return predictor
