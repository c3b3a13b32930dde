"""Proof that a solver is as exact as it says, by what a few solutions leave of the gradients."""

from __future__ import annotations

import numpy as np

from ..utils._arrays import on_host

#: Rows that the gradients to solve for are made of.
PROBED = 1000
#: How many of these are probed each on its own, besides, at least.
SINGLE = 6


def solution_error(total, objective, curvature) -> float:
    """Error of the solutions for a few gradients, relative to the solutions.

    The gradients are those of some training rows, and sums of them with random signs, as long as
    they are in the fit, and all of one length. Their residuals are computed in double
    precision from the features as they were given, and the errors are what the solver says to the
    residuals. They are measured in the norm of the curvature (the influence of a row is off by up
    to that share of the largest that a row of its self-influence could have) and in that of the
    parameters, and do not depend on the units of the features.

    Parameters
    ----------
    total : CurvatureOperator
        The curvature, of the objective as it was given.
    objective : LinearObjective
        The same, or one in the coordinates of the space that its rows span.
    curvature : curvature object
        To be judged, in the coordinates of ``objective``.

    Returns
    -------
    float
        NaN or infinite where there is no solution.
    """
    gradients = _probes(total)
    shape = (len(gradients), *total.objective.shape)
    is_mapped = objective is not total.objective

    def project(vectors):
        return objective.jacobian.project(vectors) if is_mapped else vectors

    def expand(vectors):
        return objective.jacobian.expand(vectors) if is_mapped else vectors

    def solve(vectors):
        own = project(vectors.reshape(shape)).reshape(len(vectors), -1)
        solved = curvature.solve(own.astype(objective.dtype, order="C"))
        return expand(solved.astype(np.float64).reshape(len(vectors), shape[1], -1))

    def outside(vectors):
        vectors = vectors.reshape(shape)
        ridge = np.where(total.ridge > 0, total.ridge, np.inf)
        return (vectors - expand(project(vectors))) / ridge

    solutions = solve(gradients).reshape(gradients.shape)
    residuals = gradients - total.multiply(solutions)
    errors = (solve(residuals) + outside(residuals)).reshape(gradients.shape)
    energy = _largest_ratio(_dot(errors, residuals), _dot(solutions, gradients))
    # NaN stays, unlike with the max of Python.
    return float(
        np.maximum(energy, _largest_ratio(_dot(errors, errors), _dot(solutions, solutions)))
    )


def tangent_error(total, curvature) -> float:
    """The same for a model that is not linear, as far as the precision of its products tells.

    Parameters
    ----------
    total : TangentOperator
    curvature : curvature object
    """
    objective, random = total.objective, np.random.RandomState(0)
    some = _some_rows(objective)
    gradients = np.array(on_host(objective.rows.block(some)))
    gradients /= np.linalg.norm(gradients, axis=1, keepdims=True)
    signs = random.choice([-1.0, 1.0], size=(2, len(some))).astype(gradients.dtype)
    probes = np.vstack([signs @ gradients, gradients[:: max(1, len(some) // SINGLE)]])
    solutions = curvature.solve(probes.copy())
    residuals = probes - total.multiply(solutions)
    errors = curvature.solve(residuals.copy())
    energy = _largest_ratio(_dot(errors, residuals), _dot(solutions, probes))
    return float(
        np.maximum(energy, _largest_ratio(_dot(errors, errors), _dot(solutions, solutions)))
    )


def predictor_error(objective) -> float:
    """Largest error of the predictor of some rows in single precision: that of the residuals."""
    if objective.dtype == np.float64:
        return 0.0
    some = _some_rows(objective)
    jacobian = objective.jacobian[some].astype(np.float64)
    predictor = jacobian.predictor(objective.weights)
    return float(np.abs(objective.training_predictor[some] - predictor).max(initial=0))


def _some_rows(objective):
    """Positions of rows that have a gradient, at most 1,000 of them."""
    some = np.flatnonzero(objective.rows.unit.any(axis=1))
    if len(some) <= PROBED:
        return some
    # Unlike RandomState, it draws a few without shuffling all.
    return np.sort(np.random.default_rng(0).choice(some, PROBED, replace=False))


def _probes(total):
    """Gradients of shape (n_probes, n_params) in double precision."""
    objective, random = total.objective, np.random.RandomState(0)
    rows, some = objective.rows, _some_rows(objective)
    jacobian = objective.jacobian[some].astype(np.float64)
    signs = random.choice([-1.0, 1.0], size=(2, len(some)))
    signs[0] *= rows.norm[some] * np.sqrt(objective.sample_weight[some])
    lengths = np.sqrt(jacobian.squared_lengths())
    signs[1] /= np.where(lengths > 0, lengths, 1)
    single = np.eye(len(some))[:: max(1, len(some) // SINGLE)]
    weights = np.concatenate([signs, single])[:, :, None] * rows.unit[some]
    return total.restrict(jacobian.adjoint(weights.swapaxes(0, 1)))


def _largest_ratio(squares, of):
    """Root of the largest ratio; 0 for nothing of nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(squares == 0, 0, np.abs(squares / of))
    return float(np.sqrt(ratios.max()))


def _dot(a, b):
    return np.einsum("ij,ij->i", a, b)
