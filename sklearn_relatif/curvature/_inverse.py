"""Curvatures that are assembled and factorised."""

from __future__ import annotations

import numpy as np

from ..objectives import PENALISED, TangentOperator
from ..utils._arrays import on_host
from ._array_cholesky import ArrayCholeskyCurvature
from ._array_sums import add_to_diagonal, summed_blocks
from ._cholesky import CholeskyCurvature
from ._diagonal import DiagonalCurvature
from ._indefinite import refusal_of
from ._null_space import held, null_space, tangent_null_space


def own_kind(objective, kind: str) -> str:
    """The name of a curvature: where no predictor bends, "gauss_newton" is the Hessian."""
    return "hessian" if kind == "gauss_newton" and not objective.is_bent else kind


def build_curvature(objective, kind, damping):
    """Assemble a curvature of an objective and factorise it.

    Parameters
    ----------
    objective : objective
    kind : {"hessian", "gauss_newton", "fisher", "empirical_fisher", "identity"}
    damping : float
        Added to the diagonal (the objective being a mean over rows).

    Returns
    -------
    CholeskyCurvature or DiagonalCurvature
    """
    kind = own_kind(objective, kind)
    own = diagonal_curvature(objective, kind, damping)
    if own is not None:
        return own
    if objective.place is not None:
        return _where_gradients_are(objective, kind, damping)
    blocks = {
        "hessian": objective.hessian,
        "gauss_newton": objective.gauss_newton,
        "fisher": objective.fisher,
        "empirical_fisher": objective.empirical_fisher,
    }[kind]()
    np.einsum("bii->bi", blocks)[...] += damping
    if objective.has_tangents:
        total = TangentOperator(objective, kind, damping)
        return factorise_tangents(total, blocks[0], slice(0, total.n_params))
    return factorise(objective, blocks, unpenalised=kind not in PENALISED)


def _where_gradients_are(objective, kind, damping) -> ArrayCholeskyCurvature:
    """A curvature of an objective whose gradients are on a device."""
    blocks = summed_blocks(objective, kind)
    for block in blocks:
        add_to_diagonal(objective.place, block, np.full(block.shape[0], float(damping)))

    def null():
        if objective.is_linear:
            return held(objective, null_space(objective, len(blocks), kind not in PENALISED))
        total = TangentOperator(objective, kind, damping)
        return [tangent_null_space(total, slice(0, total.n_params))]

    try:
        return ArrayCholeskyCurvature(blocks, objective.dtype, null)
    except ValueError:
        if not (kind == "hessian" and objective.is_bent):
            raise
        block = np.array(on_host(blocks[0]))
        raise ValueError(refusal_of(block, np.diag(block).copy(), damping)) from None


def diagonal_curvature(objective, kind, damping) -> DiagonalCurvature | None:
    """A curvature of an objective if it is diagonal, else None."""
    diagonal = objective.curvature_diagonal(kind)
    if diagonal is None:
        return None
    # Parameters that are held fixed stay so.
    return DiagonalCurvature(diagonal + diagonal.dtype.type(damping) * (diagonal > 0))


def factorise_tangents(total, block, parameters) -> CholeskyCurvature:
    """Factorise a block of a curvature of a model that is not linear in its parameters.

    Parameters
    ----------
    total : TangentOperator
    block : ndarray of shape (size, size)
        Overwritten.
    parameters : slice
        Those that it is of.
    """
    diagonal = np.diag(block).copy()
    try:
        return CholeskyCurvature(
            block[None], total.objective.dtype, lambda: [tangent_null_space(total, parameters)]
        )
    except ValueError:
        if not total.is_bent:
            raise
        raise ValueError(refusal_of(block, diagonal, total.damping)) from None


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
        lambda: held(objective, null_space(objective, len(blocks), unpenalised)),
        None if objective.mask is None else objective.mask.ravel(),
    )
