"""What gradients have along features that a curvature leaves out, as no training row has them.

Only the ridge is there, so that the factor of the curvature is its root:

    L^-1 g = r x / sqrt(ridge)

for a residual r and such a feature x. Training rows have nothing there, but two queries may.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jacobians import Gradients
from ..objectives import CurvatureOperator
from ._inverse import own_kind


def n_beside(objective: Any) -> int:
    """Parameters along such features."""
    if objective.members:
        return sum(n_beside(member.objective) for member in objective.members)
    n_left_out: int = objective.jacobian.n_beside(objective.shape[0])
    return n_left_out


def whitened_beside(
    objective: Any, features: Any, rows: Gradients, kind: str, damping: float
) -> np.ndarray:
    """``L^-1 g`` of unit gradients of other rows along the features that are left out.

    Parameters
    ----------
    objective : objective
        In the coordinates of its curvature.
    features : array-like or CSR matrix of shape (n, n_features)
        Of the rows, as the objective takes those of queries.
    rows : Gradients of n rows
    kind : {"hessian", "gauss_newton", "fisher", "empirical_fisher", "identity"}
    damping : float

    Returns
    -------
    ndarray of shape (n, n_beside)
    """
    if objective.members:
        jacobian: Any = rows.jacobian
        parts = []
        each = zip(
            objective.members, objective.shares, jacobian.members, jacobian.columns, strict=True
        )
        for member, share, own, columns in each:
            part = Gradients(own, rows.unit[:, columns], rows.norm)
            found = whitened_beside(
                member.objective, member.inputs(features), part, kind, damping / share
            )
            parts.append(found / np.sqrt(share))
        return np.hstack(parts).astype(rows.dtype, copy=False)
    if not n_beside(objective):
        return np.empty((rows.n_rows, 0), rows.dtype)
    # The same for all features of an output.
    ridge = CurvatureOperator(objective, own_kind(objective, kind), damping).ridge[:, 0]
    residual = (rows.unit / np.sqrt(ridge)).astype(rows.dtype)
    beside = objective.jacobian.beside(features).astype(rows.dtype)
    return beside.gradients(residual, slice(None))
