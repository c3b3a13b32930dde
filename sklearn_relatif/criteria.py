"""Noun 4: the criterion, which is one scale per training row::

    influence        I(t, i)  = g_t^T H^-1 g_i                     Eq. 3, 6
    theta-relative   I(t, i) / || H^-1 g_i ||                      Definition 3.2
    loss-relative    I(t, i) / sqrt(g_i^T H^-1 g_i)                Definition 3.4

of Barshan, Brunet & Dziugaite (2020). Both relative criteria are cosines: they do not change
when a row's gradient is rescaled, so they are computed from unit residuals throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .utils._distribution import WhileAlive
from .utils._validation import check_choice

#: The factors by the scales: the same array each time, of which workers keep what they have.
_INVERSES = WhileAlive()
CRITERIA = ("influence", "theta_relative", "loss_relative")


def named_criteria(asked: str | Iterable[str]) -> tuple[tuple[str, ...], bool]:
    """The names of the criteria that are asked for, and whether as a sequence."""
    several = isinstance(asked, Iterable) and not isinstance(asked, str)
    names: tuple[Any, ...] = tuple(asked) if several else (asked,)
    if not names:
        raise ValueError("criterion must name at least one criterion; got none.")
    for name in names:
        check_choice("criterion", name, CRITERIA)
    return names, several


def row_factors(criterion: str, rows: Any, scales: dict[str, np.ndarray]) -> np.ndarray:
    """Factor that turns a product of unit gradients into the criterion, shape (n_rows,)."""
    if criterion == "influence":
        return rows.norm
    scale = scales[criterion]
    factors = _INVERSES.get([scale])
    if factors is None:
        factors = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        _INVERSES.keep([scale], factors)
    return factors


def leverages(objective: Any, curvature: Any) -> np.ndarray:
    """Leverage of each training row, shape (n_rows,).

    ``(s_i / S) tr(A_i M_i)``, where ``A_i`` is the second derivative of the row's loss and
    ``M_i = J_i H^-1 J_i^T``, in linear models of the forms ``x~_i^T [H^-1]_kl x~_i``: the share of
    its own fit that the row determines. For one output it is the ``h_i`` of regression
    diagnostics; the sum over rows is the effective number of parameters.
    """
    if objective.members:
        return _summed_leverages(objective, curvature)
    forms = objective.forms(curvature)
    traces = [
        _trace_of_product(objective.weighted_second_derivative(rows), forms(rows))
        for rows in objective.blocks(objective.rows.n_values)
    ]
    return np.concatenate(traces) / objective.total_weight


def _summed_leverages(objective: Any, curvature: Any) -> np.ndarray:
    """Those that a row has in each of the models that an objective is made of."""
    total = np.zeros(objective.n_rows)
    for member, own in zip(objective.members, curvature.members, strict=True):
        np.add.at(total, member.rows, leverages(member.objective, own))
    return total


def _trace_of_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """tr(a_i b_i) for symmetric matrices, either given whole (n, k, k) or by diagonal (n, k)."""
    if a.ndim == b.ndim:
        return (a * b).reshape(len(a), -1).sum(axis=1)
    a, b = (np.einsum("nkk->nk", m) if m.ndim == 3 else m for m in (a, b))
    return (a * b).sum(axis=1)
