"""The models of resamples of the rows: a step from that of all rows, or at their optima."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..curvature import (
    Curvature,
    build_curvature,
    hessian_inverse,
    own_kind,
    prepare_curvature,
)
from ..objectives import LinearObjective
from ..optimality import may_lack_optimum, no_optimum
from ..removal import OwnHessian, has_no_optimum, polish
from ..results import SolverChoice

#: Length of a second step, to that of the first, up to which it does not change the curvature.
SHORT = 0.1
#: Predictor from which on a model may have no optimum, and only have been stopped.
FAR = 15


class Stepped(NamedTuple):
    """The model of a resample, two Newton steps from that of all rows.

    Attributes
    ----------
    objective : LinearObjective
        At its parameters.
    curvature : Curvature
        Its inverse there or, where the second step is short, where the first has led.
    ratio : float
        Length of the second step to that of the first, each in the curvature where it starts.
    """

    objective: LinearObjective
    curvature: Curvature
    ratio: float


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


def stepped(objective: LinearObjective, solver: SolverChoice, kind: str, damping: float) -> Stepped:
    """The model of a resample by two Newton steps from that of all rows.

    Parameters
    ----------
    objective : LinearObjective
        Of the resample, at the parameters of all rows.
    solver, kind, damping
        As of :func:`inverse_of`.
    """
    there, first = _step(objective, *_hessian_inverse(objective))
    own, curvature = inverse_of(there, solver, kind, damping)
    # The Hessian that explains is the one to step by.
    if solver.name == "cholesky" and own_kind(there, kind) == "hessian" and not damping:
        ended, second = _step(there, there, curvature)
    else:
        ended, second = _step(there, *_hessian_inverse(there))
    ratio = float(np.sqrt(second / max(first, np.finfo(float).tiny)))
    if ratio > SHORT:
        return Stepped(*inverse_of(ended, solver, kind, damping), ratio)
    weights = own.jacobian.project(ended.weights) if own.shape != ended.shape else ended.weights
    return Stepped(replace(own, weights=weights), curvature, ratio)


def _hessian_inverse(objective: LinearObjective) -> tuple[LinearObjective, Curvature]:
    """An objective at parameters to step from, and the inverse of its Hessian there."""
    try:
        return objective, hessian_inverse(objective)
    except ValueError:  # Rows that were not drawn have left a direction without curvature.
        curvature = OwnHessian(objective)
        return replace(objective, weights=curvature.settle(objective.weights)), curvature


def _step(
    objective: LinearObjective, start: LinearObjective, curvature: Curvature
) -> tuple[LinearObjective, float]:
    """Where a Newton step of an objective leads, and its squared length in the curvature."""
    gradient = start.gradient().reshape(1, -1).astype(curvature.dtype)
    step = curvature.solve(gradient.copy())
    there = replace(objective, weights=start.weights - step.reshape(start.shape))
    return there, max(0.0, float(np.vdot(step, gradient)))


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
        if is_far and has_no_optimum(polished):
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
