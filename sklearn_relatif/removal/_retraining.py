"""Noun 4: the truth, which is the model that training without some of its rows would have given.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..curvature import (
    CholeskyCurvature,
    build_curvature,
    check_room_for_factor,
    factorise,
)
from ..jacobians import LinearJacobian
from ..objectives import LinearObjective
from ..optimality import lacks_optimum, may_lack_optimum, no_optimum
from ..utils._blocks import row_blocks
from ._descent import (
    MEMORY,
    TOLERANCE,
    Models,
    descend,
    loss_change_blocks,
    minimise,
    predictors,
    solver,
)
from ._downdate import (
    Downdate,
    OwnFactors,
    closed_form,
    curvature_without,
    newton_step_without,
    own_newton_step,
    pad,
    without,
)
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
#: Predictor from which on a model may have no optimum, and only have been stopped.
FAR = 15
#: Change of a predictor by a removal from which on the model without the rows may have none.
STRAY = 1
#: Columns of the products that models share: enough for BLAS to run at its full rate.
BATCH_COLUMNS = 1024
#: Bytes that the vectors of a batch of models may take.
BATCH_BYTES = 256 * 2**20


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
    if not objective.is_smooth:
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
    refactors = curvature is None and REFACTOR_ABOVE * len(groups) > objective.weights.size
    if curvature is None:
        factor = retraining_curvature(objective, ROUGH if refactors else FINE)
    else:
        factor = curvature
    optimum = minimise(objective, factor, goal=0.0)
    polished = replace(objective, weights=optimum.weights[0])
    has_no_end = is_endless(polished, optimum)
    if not has_no_end:  # Otherwise the factor would say nothing of where the descent has stopped.
        objective = polished
    if refactors:
        factor = retraining_curvature(objective)
    groups = _counted_rows(objective, groups)
    models = Models(objective, groups)
    weights = np.empty((len(groups), *objective.shape))
    relative = np.empty(len(groups))
    arrived = np.empty(len(groups), bool)
    for batch, start, solve in _starts(objective, factor, models, groups):
        goal = np.clip(REDUCTION * start.relative, 10 * optimum.relative, TOLERANCE)
        end, arrived[batch] = descend(models, batch, start, solve, goal)
        weights[batch], relative[batch] = end.weights, end.relative
    endless = np.zeros(len(groups), bool)
    for model in np.flatnonzero(~arrived | _are_far(objective, weights)).tolist():
        reduced = replace(without(objective, groups[model]), weights=weights[model])
        endless[model] = has_no_end or lacks_optimum(reduced)
        if not (endless[model] or arrived[model]):
            end = minimise(reduced)
            weights[model], relative[model] = end.weights[0], end.relative[0]
    if has_no_end or endless.any():
        named = [] if has_no_end else [groups[model] for model in np.flatnonzero(endless).tolist()]
        warnings.warn(no_optimum(named), ConvergenceWarning, stacklevel=2)
    changed = models.active_set_changed(weights)
    return Retraining(objective, factor, weights, relative, changed, endless)


def is_endless(objective, point) -> bool:
    """Whether an objective, minimised up to a point, has no optimum to arrive at."""
    # One that has arrived near zero has, which is cheaper to see than to prove.
    is_suspect = point.relative[0] > TOLERANCE or np.abs(objective.training_predictor).max() > FAR
    return is_suspect and lacks_optimum(objective)


def _are_far(objective, weights):
    """Which models may only have stopped, at predictors so large that no slope is left of a loss.

    Without the rows that held it, a model leaves that of all rows far behind.
    """
    if not may_lack_optimum(objective):
        return np.zeros(len(weights), bool)
    largest, change = np.zeros(len(weights)), np.zeros(len(weights))
    for rows, eta in predictors(objective.jacobian, weights):
        before = objective.training_predictor[rows, None]
        largest = np.maximum(largest, np.abs(eta).max(axis=(0, 2)))
        change = np.maximum(change, np.abs(eta - before).max(axis=(0, 2)))
    return (largest > FAR) & (change > STRAY)


def _starts(objective, factor, models, groups):
    """Batches of models at the optimum of all rows, each with the inverse of its Hessian there.

    Where rows that are left see nothing of a direction, the start is the optimum of the penalty
    along it.
    """
    form, hessian = closed_form(objective, factor, groups), None
    for batch, is_small in _batches(objective, groups):
        weights = np.repeat(objective.weights[None], len(batch), axis=0)
        members = [groups[model] for model in batch]
        if is_small:
            removed = Downdate(objective, factor, form, *pad(members))
            sound = ~removed.cancels
            if sound.any():
                start = models.start(weights, removed.gradient(), batch)
                yield batch[sound], start.take(sound), removed.solve
            batch, inverses = batch[~sound], [None] * np.count_nonzero(~sound)
        elif _has_room_for_factors(objective):
            hessian = objective.hessian() if hessian is None else hessian
            inverses = [curvature_without(objective, hessian, rows) for rows in members]
        else:
            unseen = [Unseen.columns(without(objective, rows)) for rows in members]
            weights = np.stack([one.settle(w) for one, w in zip(unseen, weights, strict=True)])
            yield batch, models.at(weights, batch), solver(factor)
            continue
        at_once = max(1, BATCH_BYTES // _factor_bytes(objective))
        for some in row_blocks(len(batch), 1, at_once):
            yield _own_starts(objective, models, groups, batch[some], inverses[some])


def _own_starts(objective, models, groups, batch, inverses):
    """A batch of :func:`_starts` with the Hessian of each model, computed where there is none."""
    weights = np.repeat(objective.weights[None], len(batch), axis=0)
    for index, model in enumerate(batch):
        if inverses[index] is None:
            inverses[index] = own = OwnHessian(without(objective, groups[model]))
            weights[index] = own.settle(weights[index])
    return batch, models.at(weights, batch), OwnFactors(inverses).solve


def newton_step(
    objective: LinearObjective, curvature, groups: Sequence[Any] | np.ndarray
) -> np.ndarray:
    """One Newton step of each model without a group of rows; see :func:`newton_steps`.

    Returns
    -------
    ndarray of shape (n_groups, n_outputs, n_columns), float64
    """
    weights = np.empty((len(groups), *objective.shape))
    for batch, stepped in newton_steps(objective, curvature, groups):
        weights[batch] = stepped
    return weights


def newton_steps(
    objective: LinearObjective, curvature, groups: Sequence[Any] | np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Parameters after one Newton step of each model without a group of rows, in batches.

    The step starts at the parameters of the objective, which are taken for its optimum, and has
    the Hessian of the model without the group. For one row i and one output it is
    ``(s_i/S) H^-1 g_i / (1 - h_i)``, with the leverage ``h_i``. A coefficient that would cross zero
    against its L1 penalty ends there.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective, without damping.
    groups : sequence of array-like of int
        Positions of the rows that each model has to do without.

    Yields
    ------
    batch : ndarray of int, shape (n_models,)
        Positions in ``groups``.
    weights : ndarray of shape (n_models, n_outputs, n_columns), float64

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.curvature import build_curvature
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.removal import newton_step, parameter_changes
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(tol=1e-8, max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> curvature = build_curvature(objective, "hessian", 0.0)
    >>> weights = newton_step(objective, curvature, [[0], [70], range(100, 110)])
    >>> parameter_changes(objective, weights).round(3)
    array([0.006, 0.179, 1.348])
    """
    groups = _counted_rows(objective, groups)
    form, hessian = closed_form(objective, curvature, groups), None
    has_room = not curvature.is_iterative
    for batch, is_small in _batches(objective, groups):
        if is_small:
            removed = Downdate(objective, curvature, form, *pad([groups[g] for g in batch]))
            sound = ~removed.cancels
            if sound.any():
                stepped = objective.weights + removed.newton_step()[sound]
                yield batch[sound], _within_signs(objective, stepped)
            batch = batch[~sound]
        for model in batch:
            rows, own = groups[model], None
            if not is_small and has_room:
                hessian = objective.hessian() if hessian is None else hessian
                own = curvature_without(objective, hessian, rows)
            if own is None:
                step = own_newton_step(objective, rows, has_room)
            else:
                step = newton_step_without(objective, own, rows)
            yield np.array([model]), _within_signs(objective, (objective.weights + step)[None])


def _within_signs(objective, weights):
    """Parameters with 0 for those that crossed it, where the slope of their L1 penalty turns."""
    if not np.any(objective.slope) or objective.jacobian.is_reduced:
        return weights
    return np.where(weights * objective.slope < 0, 0, weights)


def loo_predictor(objective: LinearObjective, curvature) -> np.ndarray:
    """Linear predictor of each training row under the model without it, one Newton step on.

    For one output, with ``q_i = x~_i^T H^-1 x~_i`` and the leverage
    ``h_i = (s_i/S) A_i q_i``, it is ``eta_i + (s_i/S) r_i q_i / (1 - h_i)``; for several outputs
    ``eta_i + M_i (I - (s_i/S) A_i M_i)^-1 (s_i/S) r_i``, where ``M_i`` holds the forms
    ``x~_i^T [H^-1]_kl x~_i``. All rows together cost one pass over them.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective, without damping.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs), float64
    """
    form = closed_form(objective, curvature, range(objective.n_rows))
    has_room = not curvature.is_iterative
    predictor = np.empty((objective.jacobian.n_rows, objective.shape[0]))
    if np.any(objective.slope):
        # Whether a coefficient crosses zero, only the whole step tells.
        for rows, weights in newton_steps(objective, curvature, np.arange(len(predictor))[:, None]):
            x = objective.jacobian.dense_block(rows).astype(np.float64, copy=False)
            predictor[rows] = np.einsum("nkd,nd->nk", weights, x)
        return predictor
    # Without a closed form, a row needs a solution for each output.
    n_solutions = 1 if form is not None else 2 * objective.shape[0]
    for block in objective.blocks(4 * objective.weights.size * n_solutions):
        rows = np.arange(block.start, block.stop)[:, None]
        removed = Downdate(objective, curvature, form, rows, np.ones(rows.shape))
        predictor[block] = removed.predictor_after_step()
        for row in rows[removed.cancels, 0]:
            step = own_newton_step(objective, [row], has_room)
            x = objective.jacobian.dense_block([row]).astype(np.float64)
            predictor[row] = (x @ (objective.weights + step).T)[0]
    return predictor


# --- what a removal changed ----------------------------------------------------------------
def parameter_changes(objective: LinearObjective, weights: np.ndarray) -> np.ndarray:
    """Norm of the change of the parameters in each model, shape (n_models,).

    It is that of the coefficients, since the coordinates of the objective are orthonormal.

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    """
    return np.linalg.norm((weights - objective.weights).reshape(len(weights), -1), axis=1)


def loss_changes(
    objective: LinearObjective, weights: np.ndarray, jacobian: LinearJacobian, y: np.ndarray
) -> np.ndarray:
    """Change of the loss of each of some rows in each model, shape (n_rows, n_models).

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    jacobian : LinearJacobian
        Features of the rows, from ``objective.query_jacobian``.
    y : ndarray of shape (n_rows,)
        Their targets, as the loss takes them.
    """
    changes = np.empty((jacobian.n_rows, len(weights)))
    for rows, block in loss_change_blocks(objective, weights, jacobian, y):
        changes[rows] = block
    return changes


def training_effects(objective: LinearObjective, weights: np.ndarray) -> np.ndarray:
    """Root of the summed squared changes of the training rows' losses, shape (n_models,).

    All training rows count, the removed ones included, each by its weight ``s_i``. With the norm
    of :func:`parameter_changes` it is the effect of a removal on the whole model, in Tables 2 and
    4 of Barshan, Brunet & Dziugaite (2020).

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    """
    square = np.zeros(len(weights))
    for rows, block in loss_change_blocks(objective, weights, objective.jacobian, objective.y):
        square += objective.sample_weight[rows].astype(np.float64) @ block**2
    return np.sqrt(square)


# --- which models go together ----------------------------------------------------------------
def _counted_rows(objective, groups):
    """The groups as sorted arrays, without the rows that have no weight."""
    counted = objective.sample_weight > 0
    groups = [np.unique(np.asarray(rows, dtype=np.intp)) for rows in groups]
    groups = [rows[counted[rows]] for rows in groups]
    if any(len(rows) == np.count_nonzero(counted) for rows in groups):
        raise ValueError("A group holds all training rows, so that none is left to train with.")
    return groups


def _batches(objective, groups) -> Iterator[tuple[np.ndarray, bool]]:
    """Groups of similar size, as many as share their products well, and whether they are small.

    A group is small if downdating a factor by it costs less than a new factor.
    """
    n_outputs, n_params = objective.shape[0], objective.weights.size
    n_blocks = 1 if objective.loss.couples_outputs else n_outputs
    sizes = np.array([max(1, len(rows)) for rows in groups])
    ranks = sizes * (n_outputs // n_blocks)
    small = (sizes == 1) | (ranks <= n_params // n_blocks / 4)
    similar = np.where(small, np.ceil(np.log2(sizes)), np.inf)
    for kind in np.unique(similar):
        members = np.flatnonzero(similar == kind)
        is_small = bool(small[members[0]])
        model_bytes = 8 * n_params * (2 * MEMORY + 8)
        if is_small:
            model_bytes += 8 * n_params * 2 * ranks[members].max()
        elif _has_room_for_factors(objective):
            model_bytes += _factor_bytes(objective)
        most = min(BATCH_COLUMNS // n_outputs, BATCH_BYTES // model_bytes)
        for batch in row_blocks(len(members), 1, max(1, most)):
            yield members[batch], is_small


def _has_room_for_factors(objective):
    """Whether a batch of models may have factors of their own."""
    return _factor_bytes(objective) <= BATCH_BYTES


def _factor_bytes(objective):
    n_params = objective.weights.size
    return 8 * n_params**2 // (1 if objective.loss.couples_outputs else objective.shape[0])
