"""Noun 3: the criterion, which is one scale per training row::

    influence        I(t, i)  = g_t^T H^-1 g_i                     Eq. 3, 6
    theta-relative   I(t, i) / || H^-1 g_i ||                      Definition 3.2
    loss-relative    I(t, i) / sqrt(g_i^T H^-1 g_i)                Definition 3.4

of Barshan, Brunet & Dziugaite (2020). Both relative criteria are cosines: they do not change
when a row's gradient is rescaled, so they are computed from unit residuals throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .utils._blocks import block_budget, row_blocks
from .utils._distribution import map_parts, split
from .utils._threads import FEW_COLUMNS, for_each

CRITERIA = ("influence", "theta_relative", "loss_relative")


def unit_scales(criterion: str, rows: Any, curvature: Any) -> dict[str, np.ndarray]:
    """Scales of the rows' unit gradients, in one pass over the rows.

    Parameters
    ----------
    criterion : {"theta_relative", "loss_relative"}
        "theta_relative" continues from the loss-relative scales, and returns both.
    rows : Gradients
    curvature : curvature object

    Returns
    -------
    dict of str to ndarray of shape (n_rows,)
    """
    if hasattr(curvature, "row_scales"):
        return curvature.row_scales(criterion, rows)
    parts = split(rows) if rows.can_be_split else [rows]
    norms = getattr(curvature, "norms", curvature)
    if criterion == "theta_relative" and hasattr(norms, "for_lengths"):
        norms = norms.for_lengths(rows.n_rows)
    found = map_parts(_unit_scales, parts, criterion, norms)
    return {name: np.concatenate([scales[name] for scales in found]) for name in found[0]}


def _unit_scales(rows: Any, criterion: str, curvature: Any) -> dict[str, np.ndarray]:
    names = ("loss_relative", "theta_relative")[: 1 + (criterion == "theta_relative")]
    scales = {name: np.empty(rows.n_rows, rows.dtype) for name in names}

    def measure(block: slice) -> None:
        gradients = curvature.whiten(rows.block(block))
        scales["loss_relative"][block] = rows.lengths(block, gradients)
        if criterion == "theta_relative":
            scales["theta_relative"][block] = rows.lengths(block, curvature.unwhiten(gradients))

    bytes_per_row = rows.n_values * rows.dtype.itemsize
    if rows.are_vectors and rows.n_values <= FEW_COLUMNS:
        for_each(measure, list(row_blocks(rows.n_rows, bytes_per_row, rows.jacobian.bytes_at_once)))
    else:
        for block in row_blocks(rows.n_rows, bytes_per_row, block_budget()):
            measure(block)
    return scales


def row_factors(criterion: str, rows: Any, scales: dict[str, np.ndarray]) -> np.ndarray:
    """Factor that turns a product of unit gradients into the criterion, shape (n_rows,)."""
    if criterion == "influence":
        return rows.norm
    scale = scales[criterion]
    return np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)


def leverages(objective: Any, curvature: Any) -> np.ndarray:
    """Leverage of each training row, shape (n_rows,).

    ``(s_i / S) tr(A_i M_i)``, where ``A_i`` is the second derivative of the row's loss and
    ``M_i`` the (n_outputs, n_outputs) matrix of the forms ``x~_i^T [H^-1]_kl x~_i``: the share
    of its own fit that the row determines. For one output it is the ``h_i`` of regression
    diagnostics; the sum over rows is the effective number of parameters.
    """
    if hasattr(curvature, "row_forms"):
        inner = objective.weighted_second_derivative(slice(None))
        return (_trace_of_product(inner, curvature.row_forms())) / objective.total_weight
    form = curvature.quadratic_form(objective.shape[0])
    leverage = np.empty(objective.jacobian.n_rows, objective.jacobian.dtype)
    for rows in objective.blocks(objective.rows.n_values):
        inner = objective.weighted_second_derivative(rows)
        leverage[rows] = _trace_of_product(inner, form(objective.jacobian.dense_block(rows)))
    return leverage / objective.total_weight


def _trace_of_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """tr(a_i b_i) for symmetric matrices, either given whole (n, k, k) or by diagonal (n, k)."""
    if a.ndim == b.ndim:
        return (a * b).reshape(len(a), -1).sum(axis=1)
    a, b = (np.einsum("nkk->nk", m) if m.ndim == 3 else m for m in (a, b))
    return (a * b).sum(axis=1)
