"""Retraining: the models that training without some of the rows would have given.

Without the rows of a group G, and at the same penalties, training minimises::

    J_G(W) = (1/S_G) [ sum_{i not in G} s_i loss(y_i, W x~_i)
                       + 1/2 sum_j Lambda_j w_j^2 + sum_j q_j w_j ]

where ``S_G`` is the weight of the rows that are left. Many such models are solved for at once.
Each starts at the optimum of all rows, with the Newton step of its own objective. The Hessian of
that is the full one less the group's part::

    H_G = (S/S_G) [ H - (1/S) sum_{i in G} s_i A_i ⊗ x~_i x~_i^T ],

which downdates the stored factor of H by a matrix of low rank (for one row and one output, it
divides by ``1 - h_i``). Quasi-Newton steps follow, in which the changes of the gradient that were
met on the way correct the downdated factor (L-BFGS). All models share each product with the data,
in double precision. A model that has not arrived after some steps is finished alone, with Hessians
of its own. One whose rows see next to nothing of some direction, where the downdated factor would
be rounding, has them from the start.

The weight of each row stays as it is: ``class_weight="balanced"`` is not computed anew without
the group, and a class that loses all of its rows keeps its place. The active set of an L1 penalty
stays as it is too; where it would not, the result says so, and ``_active_parameters`` finds it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..curvature import (
    CholeskyCurvature,
    build_curvature,
    check_room_for_factor,
    factorise,
)
from ..objectives import LinearObjective
from ..optimality import lacks_optimum, no_optimum
from ..utils._blocks import row_blocks
from ._batches import batches, counted_rows, factors_at_once
from ._descent import descend, minimise, solver
from ._downdate import (
    Downdate,
    OwnFactors,
    closed_form,
    curvature_without,
    pad,
    without,
)
from ._existence import are_endless, are_far, is_endless
from ._models import TOLERANCE, Models, Points
from ._own_hessian import OwnHessian, Unseen

#: What a removal changes the gradient by must shrink by this factor, however little it is.
REDUCTION = 1e-7
#: With more parameters than this, the factor to retrain with is of single precision.
SINGLE_PRECISION_ABOVE = 1024
#: How much of the second derivatives may be missing from the Hessian that leads to the optimum of
#: all rows, and from the one that leads from there to the other models. Each step leaves about as
#: much of the gradient as is missing.
ROUGH, FINE = 0.1, 0.01
#: Models, times this, from whose number of parameters on a factor of the Hessian at the optimum
#: itself pays: it costs at most as much as n_params / 4 gradients, and saves each model several.
REFACTOR_ABOVE = 80


@dataclass(frozen=True)
class Retraining:
    """Models trained without some of the rows.

    Attributes
    ----------
    objective : LinearObjective
        The objective of all rows, at its optimum.
    curvature : curvature object
        Its Hessian, to retrain more models with.
    weights : ndarray of shape (n_models, n_outputs, n_columns), float64
        Parameters of the models, in the coordinates of the objective.
    relative_gradient : ndarray of shape (n_models,)
        Norm of the gradient of each model's own objective, over the root mean square norm of the
        gradients of its rows.
    active_set_changed : ndarray of bool, shape (n_models,)
        Whether an L1 penalty would have chosen other active parameters, or other signs, for the
        model. The weights are then not its optimum.
    lacks_optimum : ndarray of bool, shape (n_models,)
        Whether the model has no optimum, since what bears no penalty tells its classes apart.
    """

    objective: LinearObjective
    curvature: CholeskyCurvature
    weights: np.ndarray
    relative_gradient: np.ndarray
    active_set_changed: np.ndarray
    lacks_optimum: np.ndarray

    @property
    def converged(self) -> np.ndarray:
        """Whether there is an optimum, and each relative gradient is at most 1e-10, (n_models,)."""
        return (self.relative_gradient <= TOLERANCE) & ~self.lacks_optimum


def retraining_curvature(objective: LinearObjective, neglect=FINE) -> CholeskyCurvature:
    """Factor of the Hessian, without damping, that :func:`retrain` starts from.

    It only sets the pace, since the gradients are exact and of double precision. A large one, or
    one of features in single precision, is computed in single precision where that suffices, and
    without rows that hardly matter to it.

    Parameters
    ----------
    objective : LinearObjective
    neglect : float
        How much of it may be missing; see :meth:`LinearObjective.hessian`.

    Returns
    -------
    CholeskyCurvature

    Raises
    ------
    TypeError
        If the loss has no second derivative.
    ValueError
        If the Hessian is not positive definite (of a model without an optimum, it vanishes), or
        memory does not hold it.
    """
    if not objective.loss.has_curvature:
        raise TypeError(
            f"{type(objective.loss).__name__} has no second derivative to retrain with; fit the "
            "model again without the rows."
        )
    check_room_for_factor(objective)
    if objective.weights.size > SINGLE_PRECISION_ABOVE or objective.dtype == np.float32:
        try:
            single = objective.astype(np.float32)
            return factorise(single, single.hessian(neglect).astype(np.float32, copy=False))
        except ValueError:
            pass
    try:
        return build_curvature(objective.astype(np.float64), "hessian", 0.0)
    except ValueError as error:
        if lacks_optimum(objective):
            raise ValueError(no_optimum([])) from error
        raise


def polish(objective: LinearObjective, curvature=None) -> np.ndarray:
    """Parameters at the optimum of an objective, where the gradient is at the level of rounding.

    Parameters
    ----------
    objective : LinearObjective
        At parameters near the optimum, such as scikit-learn's.
    curvature : curvature object, optional
        The Hessian near the optimum. None: computed.

    Returns
    -------
    ndarray of shape (n_outputs, n_columns), float64

    Raises
    ------
    ValueError
        If the Hessian is not positive definite.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.removal import polish
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> bool(objective.relative_gradient() < 1e-13)
    False
    >>> bool(replace(objective, weights=polish(objective)).relative_gradient() < 1e-13)
    True
    """
    if curvature is None:
        curvature = retraining_curvature(objective)
    return minimise(objective, curvature, goal=0.0).weights[0]


def retrain(
    objective: LinearObjective, groups: Sequence[Any] | np.ndarray, curvature=None
) -> Retraining:
    """Models trained without each of several groups of rows.

    Parameters
    ----------
    objective : LinearObjective
        Of all rows, at parameters near its optimum; the loss must have a second derivative.
    groups : sequence of array-like of int
        Positions of the rows that each model has to do without.
    curvature : curvature object, optional
        The Hessian near the optimum, without damping. None: computed, and where there are many
        models for it, once more at the optimum itself.

    Returns
    -------
    Retraining

    Raises
    ------
    TypeError
        If the loss has no second derivative.
    ValueError
        If the Hessian of the objective is not positive definite, or a group leaves no rows.

    Warns
    -----
    ConvergenceWarning
        If the model, or a model without a group, has no optimum.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.removal import parameter_changes, retrain
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> retraining = retrain(objective, [[0], [70], range(100, 110)])
    >>> retraining.converged
    array([ True,  True,  True])
    >>> parameter_changes(retraining.objective, retraining.weights).round(3)
    array([0.005, 0.174, 1.377])
    """
    return Retrainer.of(objective, curvature, len(groups)).without(groups)


@dataclass(frozen=True)
class Retrainer:
    """What all models without some rows start from; :func:`retrain` says which they are.

    Attributes
    ----------
    objective : LinearObjective
        Of all rows, at its optimum, if it has one.
    curvature : curvature object
        Its Hessian there, without damping.
    n_models : int
        How many models it is for.
    optimum : Points
        Of that one model.
    has_no_end : bool
        Whether it has no optimum.
    """

    objective: LinearObjective
    curvature: CholeskyCurvature
    n_models: int
    optimum: Points
    has_no_end: bool

    @classmethod
    def of(cls, objective: LinearObjective, curvature: Any, n_models: int) -> Retrainer:
        """From an objective near its optimum, and about its Hessian, if that is known."""
        refactors = curvature is None and REFACTOR_ABOVE * n_models > objective.weights.size
        if curvature is None:
            curvature = retraining_curvature(objective, ROUGH if refactors else FINE)
        optimum = minimise(objective, curvature, goal=0.0)
        polished = replace(objective, weights=optimum.weights[0])
        has_no_end = is_endless(polished, optimum)
        if not has_no_end:  # Otherwise it would say nothing of where the descent has stopped.
            objective = polished
        if refactors:
            curvature = retraining_curvature(objective)
        return cls(objective, curvature, n_models, optimum, has_no_end)

    @cached_property
    def _models(self) -> Models:
        return Models(self.objective, [])

    @cached_property
    def _form(self) -> Any:
        return closed_form(self.objective, self.curvature, self.n_models)

    @cached_property
    def _hessian(self) -> np.ndarray:
        return self.objective.hessian()

    def without(self, groups: Sequence[Any] | np.ndarray) -> Retraining:
        """Models trained without each of some of the groups."""
        objective, groups = self.objective, counted_rows(self.objective, groups)
        models = self._models.losing(groups)
        weights = np.empty((len(groups), *objective.shape))
        relative = np.empty(len(groups))
        arrived = np.empty(len(groups), bool)
        for batch, start, solve in self._starts(models, groups):
            goal = np.clip(REDUCTION * start.relative, 10 * self.optimum.relative, TOLERANCE)
            end, arrived[batch] = descend(models, batch, start, solve, goal)
            weights[batch], relative[batch] = end.weights, end.relative
        endless = np.zeros(len(groups), bool)
        suspects = np.flatnonzero(~arrived | are_far(objective, weights))
        endless[suspects] = self.has_no_end or are_endless(
            objective, [groups[model] for model in suspects.tolist()], weights[suspects]
        )
        for model in np.flatnonzero(~arrived & ~endless).tolist():
            end = minimise(replace(without(objective, groups[model]), weights=weights[model]))
            weights[model], relative[model] = end.weights[0], end.relative[0]
        if self.has_no_end or endless.any():
            of = [] if self.has_no_end else [groups[m] for m in np.flatnonzero(endless).tolist()]
            warnings.warn(no_optimum(of), ConvergenceWarning, stacklevel=3)
        changed = models.active_set_changed(weights)
        return Retraining(objective, self.curvature, weights, relative, changed, endless)

    def _starts(self, models, groups):
        """Batches of models at the optimum of all rows, each with the inverse of its Hessian there.

        Where rows that are left see nothing of a direction, the start is the optimum of the penalty
        along it.
        """
        objective, curvature = self.objective, self.curvature
        for batch, is_small in batches(objective, groups):
            weights = np.repeat(objective.weights[None], len(batch), axis=0)
            members = [groups[model] for model in batch]
            if is_small:
                removed = Downdate(objective, curvature, self._form, *pad(members))
                sound = ~removed.cancels
                if sound.any():
                    start = models.start(weights, removed.gradient(), batch)
                    yield batch[sound], start.take(sound), removed.solve
                batch, inverses = batch[~sound], [None] * np.count_nonzero(~sound)
            elif factors_at_once(objective):
                inverses = [curvature_without(objective, self._hessian, rows) for rows in members]
            else:
                unseen = [Unseen.columns(without(objective, rows)) for rows in members]
                weights = np.stack([one.settle(w) for one, w in zip(unseen, weights, strict=True)])
                yield batch, models.at(weights, batch), solver(curvature)
                continue
            for some in row_blocks(len(batch), 1, max(1, factors_at_once(objective))):
                yield _own_starts(objective, models, groups, batch[some], inverses[some])


def _own_starts(objective, models, groups, batch, inverses):
    """A batch of :func:`_starts` with the Hessian of each model, computed where there is none."""
    weights = np.repeat(objective.weights[None], len(batch), axis=0)
    for index, model in enumerate(batch):
        if inverses[index] is None:
            inverses[index] = own = OwnHessian(without(objective, groups[model]))
            weights[index] = own.settle(weights[index])
    return batch, models.at(weights, batch), OwnFactors(inverses).solve
