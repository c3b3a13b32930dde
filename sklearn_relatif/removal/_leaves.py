"""Models of trees without some of their rows: their leaves filled again, or grown again.

*Filled again* (order "structure"): which rows share a leaf stays as it is, and the values of leaves
are estimated once more from the rows that are left. That is exact, and no derivative is taken; of
boosted models each tree sees what the trees before it have become. *Grown again* (order "retrain"):
the estimator's own fits, in which other rows may come to share a leaf. A single row can move a
split, so that both may be far apart.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from joblib import effective_n_jobs

from ..losses import of_models
from ..objectives import LeafObjective, Objective
from ..trees import LeavesWithout
from ..utils._blocks import VALUES_AT_WORK, block_budget, row_blocks
from ._base import ModelsWithout, Remover
from ._batches import counted_rows

#: Visits of rows by trees up to which there is a boosted model for each row, which takes minutes.
MAX_VISITS = 1e10
#: How far predictors of a model that is fitted again may be apart, as a share of the largest.
CLOSE = 1e-6
NO_ROWS = np.empty(0, np.intp)
NO_STEPS = (
    "order={order!r} is of models with an optimum, from which a step leads to those without rows: "
    "trees have none. Use order='first' (influence), order='structure' (leaves filled again from "
    "the rows that are left, exactly) or order='retrain' (trees grown again)."
)


@dataclass(frozen=True)
class LeafModels(ModelsWithout):
    """What both kinds share.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    objective : LeafObjective
        Of all rows.
    """

    objective: LeafObjective

    def training_change(self):
        """Of the losses by which queries enter."""
        objective = self.objective
        square = np.zeros(len(self.positions))
        width = 8 * VALUES_AT_WORK * objective.loss.n_outputs * (len(self.positions) + 1)
        for rows in row_blocks(objective.n_rows, width, block_budget()):
            y, value = objective.y[rows], objective.loss.value
            before, after = self.of_training(rows)
            change = of_models(value, y, after) - value(y, before)[:, None]
            square += objective.sample_weight[rows] @ change**2
        return np.sqrt(square)

    def of_training(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predictors of some training rows, (n, n_outputs) before, (n, n_models, n_outputs)."""
        raise NotImplementedError


@dataclass(frozen=True)
class FilledModels(LeafModels):
    """Models whose leaves are filled again.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    objective : LeafObjective
    without : LeavesWithout
    """

    without: LeavesWithout

    def predictor_before(self, query):
        return self._before(query.jacobian)

    def predictors(self, query):
        return self._after(query.jacobian)

    def parameter_change(self):
        return self.without.parameter_change()

    def of_training(self, rows):
        objective = self.objective
        jacobian = objective.jacobian_of(objective.training_leaves[rows])
        return self._before(jacobian), self._after(jacobian)

    def _before(self, jacobian):
        return self.without.predictors_before(jacobian.leaves) @ jacobian.outputs

    def _after(self, jacobian):
        return self.without.predictors(jacobian.leaves) @ jacobian.outputs


@dataclass(frozen=True)
class GrownModels(LeafModels):
    """Models that are grown again.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    objective : LeafObjective
    before : Objective
        Grown again from all rows.
    each : list of Objective, one a model
    """

    before: Objective
    each: list[Objective]

    def predictor_before(self, query):
        return predictor_of(self.before, query.features)

    def predictors(self, query):
        return np.stack([predictor_of(own, query.features) for own in self.each], axis=1)

    def parameter_change(self):
        """NaN: other trees have other leaves, whose values are not to be compared."""
        return np.full(len(self.positions), np.nan)

    def of_training(self, rows):
        before, *each = self._of_all_training
        return before[rows], np.stack([own[rows] for own in each], axis=1)

    @cached_property
    def _of_all_training(self) -> list[np.ndarray]:
        X = self.objective.refits.X
        return [predictor_of(own, X) for own in (self.before, *self.each)]


class LeafRemover(Remover):
    """Fills the leaves of a model of trees again, or grows it again.

    Parameters
    ----------
    objective : LeafObjective
    n_jobs : int or None
        How many models are grown at a time.
    """

    objective: LeafObjective

    def __init__(self, objective: LeafObjective, n_jobs: int | None) -> None:
        self.objective = objective
        self.n_jobs = n_jobs

    def obstacle(self, order):
        return None if order in ("structure", "retrain") else NO_STEPS.format(order=order)

    def has_parameter_change(self, order):
        return order != "retrain"

    def predictor(self, query):
        return self.objective.predictor(query.jacobian)

    def models_without(self, removals, order) -> Iterator[LeafModels]:
        groups = counted_rows(self.objective, removals)
        if order == "retrain":
            yield from self._grown(groups)
            return
        for some, without in self.objective.estimated_without(groups):
            positions = np.arange(some.start, some.stop)
            yield FilledModels(positions, self.objective, without)

    def _grown(self, groups: Sequence[np.ndarray]) -> Iterator[GrownModels]:
        for some in row_blocks(len(groups), 1, effective_n_jobs(self.n_jobs)):
            each = self.objective.refits.objectives(groups[some], self.n_jobs)
            positions = np.arange(some.start, some.stop)
            yield GrownModels(positions, self.objective, self.grown_again, each)

    @cached_property
    def grown_again(self) -> Objective:
        """The model of all rows, as those without some of them are grown."""
        (again,) = self.objective.refits.objectives([NO_ROWS], self.n_jobs)
        own = self.objective.training_predictor
        apart = np.abs(predictor_of(again, self.objective.refits.X) - own).max()
        if apart > CLOSE * max(np.abs(own).max(), 1.0):
            warnings.warn(
                f"Grown again from all of the rows, the model moves predictors by up to "
                f"{apart:.2g}. Effects are changes from that one. If it was fitted before, check "
                "its rows, weights and parameters.",
                UserWarning,
                stacklevel=2,
            )
        return again

    @property
    def loo_obstacle(self):
        objective = self.objective
        n_visits = objective.n_rows * objective.n_visits
        if n_visits <= MAX_VISITS:
            return None
        return (
            f"Leave-one-out predictions of a boosted model take its {objective.n_rows:,} rows "
            f"through all its trees once for each of them, {n_visits:.2g} visits in all; more than "
            f"{MAX_VISITS:.0e} are not done. sklearn.model_selection.cross_val_predict takes one "
            "fit a fold; removal_effect(X, groups=..., order='structure') tells of some rows."
        )

    def loo_predictor(self):
        obstacle = self.loo_obstacle
        if obstacle is not None:
            raise ValueError(obstacle)
        objective = self.objective
        predictor = np.empty_like(objective.training_predictor)
        for models in self.models_without(list(np.arange(objective.n_rows)[:, None]), "structure"):
            own = models.positions
            _, after = models.of_training(own)
            predictor[own] = after[np.arange(len(own)), np.arange(len(own))]
        return predictor


def predictor_of(objective: Objective, X: Any) -> np.ndarray:
    """Predictor of rows as the model takes them, shape (n, n_outputs)."""
    predictor: np.ndarray = objective.predictor(objective.query_jacobian(X))
    return predictor
