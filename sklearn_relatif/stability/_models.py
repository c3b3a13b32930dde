"""The models of resamples of the rows: a step from that of all rows, or at their optima."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..curvature import Curvature, build_curvature, hessian_inverse, prepare_curvature
from ..objectives import LinearObjective
from ..optimality import lacks_optimum, may_lack_optimum, no_optimum
from ..removal import OwnHessian, polish
from ..results import SolverChoice

#: Predictor from which on a model may have no optimum, and only have been stopped.
FAR = 15


def reweighted(objective: LinearObjective, draws: np.ndarray) -> LinearObjective:
    """The objective of a resample, at the parameters of all rows.

    Parameters
    ----------
    objective : LinearObjective
    draws : ndarray of shape (n_rows,)
        How often each row is in it. What a row counts, and the penalty that it brings along where
        penalties count rows, are multiplied by that.
    """
    share = objective.penalty_share
    if share is not None:
        share = share * draws
        total = share.sum()
        objective, share = objective.with_penalties_times(total), share / total
    weight = objective.sample_weight * draws
    return replace(objective, sample_weight=weight, penalty_share=share)


def one_step(objective: LinearObjective) -> LinearObjective:
    """An objective one Newton step on, by its own Hessian."""
    try:
        curvature: Curvature = hessian_inverse(objective)
    except ValueError:  # Rows that were not drawn have left a direction without curvature.
        curvature = OwnHessian(objective)
        objective = replace(objective, weights=curvature.settle(objective.weights))
    gradient = objective.gradient().reshape(1, -1).astype(curvature.dtype)
    step = curvature.solve(gradient).reshape(objective.shape)
    return replace(objective, weights=objective.weights - step)


def at_optimum(objective: LinearObjective) -> LinearObjective:
    """An objective at its optimum, to the level of rounding.

    Raises
    ------
    ValueError
        If it has none.
    """
    polished = replace(objective, weights=polish(objective))
    if may_lack_optimum(polished):
        drawn = polished.sample_weight > 0
        is_far = np.abs(polished.training_predictor[drawn]).max() > FAR
        if is_far and lacks_optimum(polished):
            raise ValueError(no_optimum([]))
    return polished


def inverse_of(
    objective: LinearObjective, solver: SolverChoice, kind: str, damping: float
) -> tuple[LinearObjective, Curvature]:
    """The inverse of a curvature of an objective, by the solver of that of all rows.

    Returns
    -------
    objective : LinearObjective
        In the coordinates of the curvature.
    curvature : Curvature
    """
    if solver.name == "cholesky" or objective.jacobian.is_reduced:
        return objective, build_curvature(objective, kind, damping)
    prepared = prepare_curvature(objective, kind, damping, solver.name)
    return prepared.objective, prepared.curvature
