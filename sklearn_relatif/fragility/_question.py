"""A number of a model, how far it is from a threshold, and what rows do to that."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..criteria import leverages
from ..curvature import hessian_inverse
from ..removal import TOLERANCE, optimum_near, without

#: Leverage that rows are taken to have at most, of which an effect is computed.
MOST_LEVERAGE = 0.999
#: Models that are retrained together.
AT_A_TIME = 256
#: Directions in which a model is moved to see what rounding does to a number of it.
N_DIRECTIONS = 3
#: Rounding of a number, as a share of it.
ROUNDING = 10 * np.finfo(np.float64).eps


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
    has_optimum : bool, default=True
        Whether there is such a model.
    """

    rows: np.ndarray
    objective: Any
    lead: float
    has_optimum: bool = True

    @property
    def crosses(self) -> bool:
        """Whether the number is on the other side."""
        return self.lead < 0

    @cached_property
    def curvature(self) -> Any:
        """The inverse of its Hessian."""
        return hessian_inverse(self.objective)


class Question:
    """How far is a number of the model from a threshold, and how far is it without some rows?

    Parameters
    ----------
    study : Study
    statistic : Statistic
    threshold : float

    Attributes
    ----------
    whole : Without
        The model of all rows.
    counts : ndarray of bool, shape (n_rows,)
        Which rows have a weight.
    n_rows : int
        How many have.
    noise : float
        Distance from the threshold that may be nothing but rounding.

    Raises
    ------
    ValueError
        If the model of all rows has no optimum, or none was found.
    """

    noise = 0.0

    def __init__(self, study: Any, statistic: Any, threshold: float):
        self.statistic, self.threshold = statistic, threshold
        self.remover = study.remover
        if self.remover.doubt:
            raise ValueError(self.remover.doubt)
        objective = self.remover.objective
        self.value = statistic.value(objective)
        self.side = -1.0 if self.value < threshold else 1.0
        self.whole = Without(np.empty(0, np.intp), objective, self._lead(objective))
        self.counts = objective.sample_weight > 0
        self.n_rows = int(np.count_nonzero(self.counts))
        # Without classes, all rows are of one.
        is_classifier = study.targets.has_classes
        self.classes = objective.y if is_classifier else np.zeros(objective.n_rows, np.intp)
        self.class_counts = np.bincount(self.classes[self.counts])
        self.noise = self._noise(objective)

    def _lead(self, objective: Any) -> float:
        lead = self.side * (self.statistic.value(objective) - self.threshold)
        return 0.0 if abs(lead) <= self.noise else lead

    def _noise(self, objective: Any) -> float:
        """What the number changes by where the gradient is as far from 0 as training leaves it."""
        pull = np.random.default_rng(0).normal(size=(N_DIRECTIONS, objective.weights.size))
        squares = objective.rows.norm**2 * objective.jacobian.squared_lengths()
        row = np.sqrt(squares @ objective.sample_weight / objective.total_weight)
        pull *= TOLERANCE * row / np.linalg.norm(pull, axis=1, keepdims=True)
        steps = self.whole.curvature.solve(pull.astype(self.whole.curvature.dtype))
        weights = objective.weights + steps.reshape(-1, *objective.weights.shape)
        moved = [self.statistic.value(replace(objective, weights=own)) for own in weights]
        noise = float(np.abs(np.subtract(moved, self.value)).max())
        own = ROUNDING * max(abs(self.value), abs(self.threshold))
        # Of numbers that have none nearby, nothing is known.
        return max(noise, own) if np.isfinite(noise) else own

    def value_of(self, lead: float) -> float:
        """The number, from how far it is from the threshold."""
        return self.threshold + self.side * lead

    # --- models without rows ---------------------------------------------------------------------

    def without(self, groups: Sequence[np.ndarray]) -> list[Without]:
        """The models retrained exactly without each group of rows.

        The lead of models that have no optimum, or no row of a class, is infinite.
        """
        found = [Without(rows, self.whole.objective, np.inf) for rows in groups]
        allowed = [place for place, rows in enumerate(groups) if self._leaves_classes(rows)]
        for part in [
            allowed[first : first + AT_A_TIME] for first in range(0, len(allowed), AT_A_TIME)
        ]:
            for place, model in zip(part, self._retrained([groups[p] for p in part]), strict=True):
                found[place] = model
        return found

    def beside(self, model: Without, rows: np.ndarray) -> Without:
        """The model retrained exactly without some rows, from that without other ones."""
        objective = self.whole.objective
        if objective.has_l1 or not self._leaves_classes(rows):
            return self.without([rows])[0]
        start = replace(without(objective, rows), weights=model.objective.weights)
        # Without a penalty, rows that are left may not see some direction that others saw.
        is_penalised = objective.penalty[:, : objective.jacobian.n_features].all()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found, is_found = optimum_near(start, model.curvature if is_penalised else None)
            lead = self._lead(found) if is_found else np.inf
        is_sure = is_found and not _lacks_optima(told)
        return Without(rows, found, lead) if is_sure else self.without([rows])[0]

    def _retrained(self, groups):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = self._models(groups)
        if not _lacks_optima(told):
            return found
        if len(groups) == 1:
            return [replace(found[0], lead=np.inf, has_optimum=False)]
        half = len(groups) // 2
        return [*self._retrained(groups[:half]), *self._retrained(groups[half:])]

    def _models(self, groups):
        found: list[Any] = [None] * len(groups)
        for models in self.remover.models_without(groups, "retrain"):
            objectives = models.objectives(groups)
            for position, objective in zip(models.positions, objectives, strict=True):
                found[position] = Without(groups[position], objective, self._lead(objective))
        return found

    def _leaves_classes(self, rows):
        lost = np.bincount(self.classes[rows[self.counts[rows]]], minlength=len(self.class_counts))
        return not ((lost > 0) & (lost == self.class_counts)).any()

    # --- what rows do ----------------------------------------------------------------------------

    def effects(self, model: Without) -> np.ndarray:
        """What removing each row takes from the lead of a model, to first order, (n_rows,)."""
        return -self.side * self.statistic.row_effects(model.objective, model.curvature)

    def gains(self, model: Without) -> np.ndarray:
        """What each row alone takes from the lead by not being there, (n_rows,).

        By one step from the model without some rows: to the one without another, or to the one
        that has one of them back.
        """
        everyone = self.whole.objective.sample_weight
        back = replace(model.objective, sample_weight=everyone)
        scale = back.total_weight / model.objective.total_weight
        gone = np.zeros(len(everyone), bool)
        gone[model.rows] = True
        gains = self.effects(model)
        if len(model.rows):
            put_back = -self.side * self.statistic.row_effects(back, model.curvature)
            gains[gone] = scale * put_back[gone]
        if back.shape[0] == 1 and not model.curvature.is_iterative:
            share = scale * leverages(back, model.curvature)
            gains /= np.where(gone, 1 + share, 1 - np.minimum(share, MOST_LEVERAGE))
        return gains

    def ranked(self, gains: np.ndarray) -> np.ndarray:
        """Rows that lower the lead, the one that does most first, and never all of a class."""
        order = self.kept(np.argsort(-gains, kind="stable"))
        return order[gains[order] > 0]

    def kept(self, order: np.ndarray) -> np.ndarray:
        """An order of the rows that count, without the last one of each class."""
        order = order[self.counts[order]]
        _, last = np.unique(self.classes[order][::-1], return_index=True)
        return np.delete(order, len(order) - 1 - last)

    @cached_property
    def leverage(self) -> np.ndarray:
        """Leverage of each row in the model of all rows, (n_rows,)."""
        return leverages(self.whole.objective, self.whole.curvature)

    def directions(self, n_directions: int) -> np.ndarray:
        """How far rows move the model along its main directions, (n_directions, n_rows).

        These are the first eigenvectors of the matrix ``g_i^T H^-1 g_j`` of the rows' gradients.
        """
        objective, curvature = self.whole.objective, self.whole.curvature
        rows, length = objective.rows, objective.rows.norm * objective.sample_weight
        whitened = np.empty((objective.n_rows, curvature.n_whitened))
        for some in objective.blocks(rows.n_values):
            block = rows.block(some).astype(curvature.dtype)
            whitened[some] = curvature.whiten(block) * length[some, None]
        _, vectors = np.linalg.eigh(whitened.T @ whitened)
        return (whitened @ vectors[:, ::-1][:, :n_directions]).T


def _lacks_optima(told: Sequence[warnings.WarningMessage]) -> bool:
    """Whether training has said that no optimum was found."""
    return any(issubclass(one.category, ConvergenceWarning) for one in told)
