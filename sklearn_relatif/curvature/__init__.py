"""Noun 2: the curvature of an objective, and the application of its inverse.

A curvature has three methods on blocks of gradients, one gradient a row: ``whiten`` applies
``L^-1``, ``unwhiten`` applies ``L^-T``, and ``solve`` both. It knows no estimator.
"""

import numpy as np

from ._cholesky import CholeskyCurvature
from ._diagonal import DiagonalCurvature

__all__ = ["CURVATURES", "SOLVERS", "CholeskyCurvature", "DiagonalCurvature", "build_curvature"]

CURVATURES = ("hessian", "fisher", "empirical_fisher", "identity")
SOLVERS = ("auto", "cholesky")


def build_curvature(objective, curvature, damping):
    """Assemble a curvature of an objective and factorise it.

    Parameters
    ----------
    objective : LinearObjective
    curvature : {"hessian", "fisher", "empirical_fisher", "identity"}
    damping : float
        Added to the diagonal (the objective being a mean over rows).

    Returns
    -------
    CholeskyCurvature or DiagonalCurvature
    """
    if curvature == "identity":
        return DiagonalCurvature(objective.identity_diagonal())
    if curvature == "hessian" and objective.loss.is_piecewise_linear:
        diagonal = objective.hessian_diagonal()
        return DiagonalCurvature(diagonal + damping * (diagonal > 0))
    blocks = getattr(objective, curvature)()
    np.einsum("bii->bi", blocks)[...] += damping
    mask = None if objective.mask is None else objective.mask.ravel()
    return CholeskyCurvature(
        blocks,
        objective.design.dtype,
        lambda: objective.null_space(blocks, unpenalised=curvature != "hessian"),
        mask,
    )
