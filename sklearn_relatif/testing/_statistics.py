"""What every statistic promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..curvature import hessian_inverse
from ..stability import at_optimum, reweighted
from ._promises import promise, same

#: By how much the share of a row that is there changes for a central difference: its truncation is
#: the square, and its rounding that of an optimum over it.
STEP = 1e-3
#: Rows that are weighed anew, each of which takes two models.
N_ROWS = 20


def check_statistic(statistic: Any, objective: Any, *, tolerance: float = 1e-5) -> None:
    """Hold a statistic to its protocol, by models in which rows weigh a little more or less.

    - ``value`` is a finite number at the optimum.
    - ``row_effects`` are minus its derivatives by the share of each row that is there: the model
      is trained again with a little more of a row, and with a little less. Rows of weight 0, which
      have left, have no effect.
    - ``slope`` is None, or the gradient by the parameters of what is linear in them.

    Statistics that count rows, or square their weights, as standard errors do, change by the share
    of a row in a way that weights do not tell: they are none for this check.

    Parameters
    ----------
    statistic : Statistic
    objective : LinearObjective
        Near its optimum, smooth and without an L1 penalty, in double precision.
    tolerance : float, default=1e-5
        Share of the largest effect by which central differences may be off.

    Raises
    ------
    AssertionError
        That names the promise that is broken.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.statistics import Statistic, effects_of
    >>> from sklearn_relatif.testing import check_statistic
    >>> class Length(Statistic):
    ...     name = "length"
    ...
    ...     def value(self, objective):
    ...         return float(np.linalg.norm(objective.weights))
    ...
    ...     def row_effects(self, objective, curvature):
    ...         gradient = objective.weights.reshape(1, -1) / self.value(objective)
    ...         return effects_of(gradient, objective, curvature)
    >>> X, y = load_diabetes(return_X_y=True)
    >>> objective = reduce_estimator(Ridge().fit(X, y), X, y, np.ones(442))
    >>> check_statistic(Length(), objective)
    """
    objective = at_optimum(objective)
    promise(isinstance(statistic.name, str), "a statistic has a name")
    value = statistic.value(objective)
    promise(np.ndim(value) == 0 and bool(np.isfinite(value)), "value is a finite number")
    effects = statistic.row_effects(objective, hessian_inverse(objective))
    promise(effects.shape == (objective.n_rows,), "row_effects has shape (n_rows,)")
    counted = np.flatnonzero(objective.counts)
    order = counted[np.argsort(-np.abs(effects[counted]), kind="stable")]
    rows = order[np.unique(np.linspace(0, len(order) - 1, N_ROWS).astype(np.intp))]
    expected = [-_derivative(statistic, objective, row) for row in rows]
    text = "row_effects are minus the derivatives by the share of each row that is there"
    same(effects[rows], expected, tolerance, text)
    _check_rows_gone(statistic, objective, order[:2])
    _check_slope(statistic, objective)


def _derivative(statistic: Any, objective: Any, row: int) -> float:
    """Of the value by the share of a row, by central differences."""
    ends = []
    for sign in (1, -1):
        shares = np.ones(objective.n_rows)
        shares[row] += sign * STEP
        ends.append(statistic.value(at_optimum(reweighted(objective, shares))))
    return (ends[0] - ends[1]) / (2 * STEP)


def _check_rows_gone(statistic: Any, objective: Any, gone: np.ndarray) -> None:
    shares = np.ones(objective.n_rows)
    shares[gone] = 0
    left = at_optimum(reweighted(objective, shares))
    promise(bool(np.isfinite(statistic.value(left))), "value is finite without some rows")
    effects = statistic.row_effects(left, hessian_inverse(left))
    promise(not effects[gone].any(), "rows that have left have no effect")


def _check_slope(statistic: Any, objective: Any) -> None:
    slope = statistic.slope(objective)
    if slope is None:
        return
    promise(slope.shape == (objective.weights.size,), "slope has shape (n_params,)")
    step = np.random.default_rng(0).normal(size=objective.shape)
    if objective.mask is not None:
        step *= objective.mask
    there = replace(objective, weights=objective.weights + step)
    change = statistic.value(there) - statistic.value(objective)
    same(change, slope @ step.ravel(), 1e-9, "slope is the gradient by the parameters, everywhere")
