"""Curvatures that are assembled and factorised."""

from __future__ import annotations

import numpy as np

from ._cholesky import CholeskyCurvature
from ._diagonal import DiagonalCurvature


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
    if is_diagonal(objective, curvature):
        is_identity = curvature == "identity"
        diagonal = objective.identity_diagonal() if is_identity else objective.hessian_diagonal()
        # Parameters that are held fixed stay so.
        return DiagonalCurvature(diagonal + diagonal.dtype.type(damping) * (diagonal > 0))
    blocks = getattr(objective, curvature)()
    np.einsum("bii->bi", blocks)[...] += damping
    return factorise(objective, blocks, unpenalised=curvature != "hessian")


def factorise(objective, blocks, unpenalised=False):
    """Factorise a curvature of an objective.

    Parameters
    ----------
    objective : LinearObjective
    blocks : ndarray of shape (n_blocks, size, size)
        Overwritten.
    unpenalised : bool, default=False
        Whether the curvature leaves the penalty out.

    Returns
    -------
    CholeskyCurvature
    """
    return CholeskyCurvature(
        blocks,
        objective.dtype,
        lambda: objective.null_space(blocks, unpenalised),
        None if objective.mask is None else objective.mask.ravel(),
    )


def is_diagonal(objective, curvature):
    is_flat = curvature == "hessian" and not objective.loss.has_curvature
    return curvature == "identity" or is_flat
