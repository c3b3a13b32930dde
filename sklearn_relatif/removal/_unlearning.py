"""A model that rows leave one after another, and that is at its optimum after each of them.

Each time, the model goes from the optimum with the rows to the one without: first by the Newton
step of its own objective, then by quasi-Newton steps, as all retraining here. What these go by is
one factor of the Hessian, from which the rows that left are taken since::

    (G - F F^T)^-1 = G^-1 + G^-1 F (I - F^T G^-1 F)^-1 F^T G^-1,

where ``G = S H`` is the Hessian in the form of sums when it was factored and F has a column for
each of the outputs of each row, ``F F^T = sum_i s_i A_i ⊗ x~_i x~_i^T``. It only sets the pace: the
gradients are exact, in double precision, and of all rows that are left. As the parameters move away
from where the Hessian was factored, more steps are taken; when these have cost as much as a factor
does, or do not arrive, it is factored anew. Rows whose part leaves next to nothing of the Hessian
along some direction are no matter of a factor, and left to :mod:`_retraining`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg

from ..curvature import has_room_for_factor
from ..objectives import LinearObjective
from ._base import Remover
from ._descent import GRADIENT_ROUNDING, descend, solve_with
from ._downdate import LEAST_LEFT, part_of, without
from ._existence import are_far
from ._models import TOLERANCE, Models, Points
from ._retraining import REDUCTION, retraining_curvature

#: Steps that a factor of the model's own Hessian leaves to be made.
FEW_STEPS = 3
#: Columns that are taken from a factor at most: so many, or this share of the parameters.
FEW_COLUMNS, SHARE_OF_COLUMNS = 64, 0.25
#: Gradients that cost as much as a factor, over the number of parameters.
GRADIENTS_A_FACTOR = 0.25
ALONE = np.zeros(1, np.intp)


class DowndatedInverse:
    """The inverse of a Hessian without the part of rows that left since it was factored.

    Parameters
    ----------
    curvature : Curvature
        The Hessian of a mean over the rows.
    total_weight : float
        Of these rows.
    """

    def __init__(self, curvature: Any, total_weight: float) -> None:
        self.curvature = curvature
        self.total_weight = total_weight
        self.solved: Any = None  # G^-1 F, a row a column of F
        self.columns: Any = None  # F, likewise
        self.factor = np.empty((0, 0))  # Of I - F^T G^-1 F.

    def without(self, part: LinearObjective) -> DowndatedInverse | None:
        """The same without the rows of an objective of their own.

        None where next to nothing is left along some direction. Beyond the columns that it can
        take, what is left of rows stays in it, which costs steps only.
        """
        columns = _columns_of(part)
        n_columns = len(columns) + len(self.factor)
        if n_columns > max(FEW_COLUMNS, SHARE_OF_COLUMNS * part.weights.size):
            return self
        solved = solve_with(self.curvature, columns) / self.total_weight
        flat, images = (table.reshape(len(columns), -1) for table in (columns, solved))
        own = np.eye(len(columns)) - flat @ images.T
        if self.columns is not None:
            across = linalg.solve_triangular(self.factor, -self.columns @ images.T, lower=True)
            own -= across.T @ across
        least = max(LEAST_LEFT, 100 * np.finfo(self.curvature.dtype).eps)
        # Rounding makes a product with the inverse a little asymmetric.
        own = (own + own.T) / 2
        if not linalg.eigvalsh(own)[0] > least:
            return None
        other = DowndatedInverse(self.curvature, self.total_weight)
        factor = linalg.cholesky(own, lower=True)
        if self.columns is None:
            other.columns, other.solved, other.factor = flat, images, factor
            return other
        other.columns = np.concatenate([self.columns, flat])
        other.solved = np.concatenate([self.solved, images])
        nothing = np.zeros((len(self.factor), len(factor)))
        other.factor = np.block([[self.factor, nothing], [across.T, factor]])
        return other

    def solve(self, gradient: np.ndarray, total_weight: float) -> np.ndarray:
        """The inverse Hessian of the mean over rows of a total weight, applied to one gradient."""
        solution = solve_with(self.curvature, gradient)
        if self.columns is not None:
            inner = linalg.cho_solve((self.factor, True), self.columns @ solution.ravel())
            solution = solution + (inner @ self.solved).reshape(gradient.shape)
        return solution * (total_weight / self.total_weight)


def _columns_of(part: LinearObjective) -> np.ndarray:
    """F of all rows of an objective, shape (n_columns of F, n_outputs, n_columns)."""
    x = part.jacobian.dense_block(slice(None)).astype(np.float64)
    inner = part.weighted_second_derivative(slice(None)).astype(np.float64)
    if inner.ndim == 2:
        inner = inner[:, :, None] * np.eye(inner.shape[1])
    # Where a loss bends downwards, the part of the row stays in: it makes for short steps.
    values, vectors = np.linalg.eigh(inner)
    roots = vectors * np.sqrt(np.maximum(values, 0))[:, None]
    columns = np.einsum("nka,nd->nakd", roots, x).reshape(-1, *part.shape)
    return columns if part.mask is None else columns * part.mask


@dataclass(frozen=True)
class Unlearning:
    """A smooth model from which rows have been removed, at the optimum of those that are left.

    Attributes
    ----------
    objective : LinearObjective
        Of the rows that it started with, at their optimum.
    models : Models
        The one without the rows.
    rows : ndarray of int
        Positions of the rows that have left.
    point : Points
        The optimum of the rows that are left, as far as it was reached.
    inverse : DowndatedInverse
    floor : float
        Relative gradient below which there is nothing but rounding.
    n_factorisations : int
        How often the Hessian was factored on the way.
    spent : int
        Steps since then that one more factor would have saved.
    """

    objective: LinearObjective
    models: Models
    rows: np.ndarray
    point: Points
    inverse: DowndatedInverse
    floor: float
    n_factorisations: int = 0
    spent: int = 0

    @classmethod
    def of(cls, remover: Remover) -> Unlearning | None:
        """With all rows; None of a model without a Hessian that can be factored.

        Parameters
        ----------
        remover : Remover
            At the optimum of all rows.
        """
        objective: Any = remover.objective
        if objective.has_l1 or not has_room_for_factor(objective):
            return None
        nothing = np.empty(0, np.intp)
        models = Models(objective, [nothing])
        point = models.at(objective.weights[None].astype(np.float64), ALONE)
        if not point.relative[0] <= TOLERANCE:
            return None
        curvature = remover.curvature
        if curvature.is_iterative:
            curvature = retraining_curvature(objective)
        inverse = DowndatedInverse(curvature, objective.total_weight)
        floor = max(10 * GRADIENT_ROUNDING, 10 * float(point.relative[0]))
        return cls(objective, models, nothing, point, inverse, floor)

    @property
    def table(self) -> np.ndarray:
        """Parameters as the estimator exposes them."""
        return self.objective.score_weights(self.point.weights[0])

    @property
    def relative_gradient(self) -> float:
        """Norm of the gradient, over the root mean square norm of the gradients of the rows."""
        return float(self.point.relative[0])

    def without(self, rows: np.ndarray) -> Unlearning | None:
        """The model without more rows; None where that is no matter of a few steps.

        Parameters
        ----------
        rows : ndarray of int
            Positions among all rows, none of which has left yet.
        """
        rows = rows[self.objective.counts[rows]]
        if not len(rows):
            return self
        part = replace(part_of(self.objective, rows), weights=self.point.weights[0])
        inverse = self.inverse.without(part) if part.total_weight else None
        if inverse is None:
            return None
        removed = np.concatenate([self.rows, rows])
        models = self.models.losing([removed])
        start = self._start(part, models)
        goal = np.clip(REDUCTION * start.relative, self.floor, TOLERANCE)
        return replace(self, models=models, rows=removed, point=start)._descended(inverse, goal)

    def _start(self, part: LinearObjective, models: Models) -> Points:
        """Where the model is, by what the rows that leave had in its gradient."""
        pull = part.gradient() * part.total_weight  # With the share of the penalties that leaves.
        gradient = self.point.gradient * self.models.total[0] - pull
        return models.start(self.point.weights, gradient / models.total[0], ALONE)

    def _descended(self, inverse: DowndatedInverse, goal: np.ndarray) -> Unlearning | None:
        """At the optimum, by a factor for as long as that pays, and else by one of its own."""
        point, spent, n_factorisations = self.point, self.spent, self.n_factorisations
        for _ in range(2):
            steps = _Steps(inverse, self.models.total[0])
            point, (has_arrived,) = descend(self.models, ALONE, point, steps.solve, goal)
            spent += max(0, steps.n_steps - FEW_STEPS)
            if has_arrived and spent <= GRADIENTS_A_FACTOR * self.objective.weights.size:
                break
            reduced = replace(without(self.objective, self.rows), weights=point.weights[0])
            try:
                curvature = retraining_curvature(reduced)
            except ValueError:
                return None
            inverse = DowndatedInverse(curvature, reduced.total_weight)
            spent, n_factorisations = 0, n_factorisations + 1
            if has_arrived:
                break
        if not has_arrived or are_far(self.objective, point.weights)[0]:
            return None
        return replace(
            self, point=point, inverse=inverse, spent=spent, n_factorisations=n_factorisations
        )


class _Steps:
    """Steps of one model, which are counted."""

    def __init__(self, inverse: DowndatedInverse, total_weight: float) -> None:
        self.inverse, self.total_weight, self.n_steps = inverse, total_weight, 0

    def solve(self, gradient: np.ndarray, _: Any) -> np.ndarray:
        self.n_steps += 1
        return self.inverse.solve(gradient, self.total_weight)
