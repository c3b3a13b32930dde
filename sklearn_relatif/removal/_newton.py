"""One Newton step of each model without some of its rows, from the optimum of all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..curvature import hessian_inverse
from ..objectives import LinearObjective
from ._batches import batches, counted_rows
from ._descent import solve_with
from ._downdate import (
    Downdate,
    closed_form,
    curvature_without,
    newton_step_without,
    own_newton_step,
    pad,
    without,
)
from ._own_hessian import OwnHessian

#: Share of the largest singular value that is rounding, where columns of an inverse are inverted.
ROUNDING = 1e-8


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
    ``(s_i/S) H^-1 g_i / (1 - h_i)``, with the leverage ``h_i``, where no share of the penalty
    leaves with the row. A coefficient that would cross zero against its L1 penalty or its bound
    ends there, and the others where the step goes on without it.

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
    groups = counted_rows(objective, groups)
    form, hessian = closed_form(objective, curvature, len(groups)), None
    has_room = not curvature.is_iterative

    for batch, is_small in batches(objective, groups):
        if is_small:
            removed = Downdate(objective, curvature, form, *pad([groups[g] for g in batch]))
            sound = ~removed.cancels
            if sound.any():
                stepped = objective.weights + removed.newton_step()[sound]
                own_columns = removed.inverse_columns
                yield batch[sound], _within_signs(objective, own_columns, stepped)
            batch = batch[~sound]
        for model in batch:
            rows, own = groups[model], None
            if not is_small and has_room:
                hessian = objective.hessian() if hessian is None else hessian
                own = curvature_without(objective, hessian, rows)
            if own is None:
                own = OwnHessian(without(objective, rows), has_room)
                step = own_newton_step(objective, rows, own)
            else:
                step = newton_step_without(objective, own, rows)
            stepped = (objective.weights + step)[None]
            yield np.array([model]), _within_signs(objective, _columns_of(own), stepped)


def _columns_of(curvature):
    """The columns of its inverse, in the form of :meth:`Downdate.inverse_columns`."""

    def columns(_, units):
        return curvature.solve(units.astype(curvature.dtype)).astype(np.float64)

    return columns


def _within_signs(objective, inverse_columns, weights):
    """Parameters, with those that crossed zero held there, where their penalty turns or a bound is.

    ``inverse_columns(model, units)`` are some columns of the inverse Hessian of a model.
    """
    if not objective.has_l1 or objective.jacobian.expand(weights) is not weights:
        return weights
    weights = weights.copy()
    for model in np.flatnonzero((weights * objective.signs < 0).any(axis=(1, 2))):
        columns = partial(inverse_columns, model)
        weights[model] = _held_at_zero(objective.signs, columns, weights[model])
    return weights


def _held_at_zero(signs, inverse_columns, table):
    """Where a step ends along which no parameter crosses zero: the rest makes up for it.

    With ``E`` the columns of the identity of those that would cross, and the Hessian H of the model
    without the rows, that is ``w - H^-1 E (E^T H^-1 E)^-1 E^T w``, the least of the quadratic form
    about w. In particular the intercept moves along, so that nothing depends on the mean of a
    feature.
    """
    is_held, start = np.zeros(table.size, bool), table.ravel()
    while (crossed := table.ravel() * signs.ravel() < 0).any():
        is_held |= crossed
        held = np.flatnonzero(is_held)
        columns = inverse_columns(np.eye(table.size)[held])
        part = columns[:, held]
        sizes = np.sqrt(np.maximum(np.diag(part), np.finfo(float).tiny))
        # Columns that repeat others cross together, and of their difference rounding is known.
        scaled = part / sizes / sizes[:, None]
        pull = np.linalg.lstsq(scaled, start[held] / sizes, rcond=ROUNDING)[0] / sizes
        table = np.where(is_held, 0, start - pull @ columns).reshape(table.shape)
    return table


def loo_predictor(objective: LinearObjective, curvature) -> np.ndarray:
    """Linear predictor of each training row under the model without it, one Newton step on.

    For one output, with ``q_i = x~_i^T H^-1 x~_i`` and the leverage
    ``h_i = (s_i/S) A_i q_i``, it is ``eta_i + (s_i/S) r_i q_i / (1 - h_i)``; for several outputs
    ``eta_i + M_i (I - (s_i/S) A_i M_i)^-1 (s_i/S) r_i``, where ``M_i`` holds the forms
    ``x~_i^T [H^-1]_kl x~_i``. All rows together cost one pass over them, unless parameters may
    cross zero against an L1 penalty, or rows bear different shares of a penalty.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective, without damping.

    Returns
    -------
    ndarray of shape (n_rows, n_outputs), float64
    """
    has_room, share = not curvature.is_iterative, objective.penalty_share
    predictor = np.empty((objective.jacobian.n_rows, objective.shape[0]))
    holds_signs = objective.has_l1 and objective.signs.any()
    if holds_signs or (share is not None and (not has_room or np.ptp(share) > 0)):
        # Whether a coefficient crosses zero, or what its own share of the penalty does, only the
        # whole step tells.
        for rows, weights in newton_steps(objective, curvature, np.arange(len(predictor))[:, None]):
            x = objective.jacobian.dense_block(rows).astype(np.float64, copy=False)
            predictor[rows] = np.einsum("nkd,nd->nk", weights, x)
        return predictor
    reduced, solved = objective, np.zeros(objective.shape)
    if share is not None and share[0] < 1:
        # Without any row, the same is left of the penalty.
        reduced = replace(objective.with_penalties_times(1 - share[0]), penalty_share=None)
        curvature = hessian_inverse(reduced)
        pull = share[0] * objective.penalty_gradient() / objective.total_weight
        solved = solve_with(curvature, pull[None])[0]
    form = closed_form(reduced, curvature, objective.n_rows)
    # Without a closed form, a row needs a solution for each output.
    n_solutions = 1 if form is not None else 2 * objective.shape[0]
    for block in objective.blocks(4 * objective.weights.size * n_solutions):
        rows = np.arange(block.start, block.stop)[:, None]
        removed = Downdate(reduced, curvature, form, rows, np.ones(rows.shape))
        predictor[block] = removed.predictor_after_step(solved)
        for row in rows[removed.cancels, 0]:
            own = OwnHessian(without(objective, [row]), has_room)
            step = own_newton_step(objective, [row], own)
            x = objective.jacobian.dense_block([row]).astype(np.float64)
            predictor[row] = (x @ (objective.weights + step).T)[0]
    return predictor
