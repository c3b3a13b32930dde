"""One model at several strengths of its penalty, brought to their optima together.

All candidates share each product with the rows, and each starts where it was with all rows, by
the inverse Hessian that it had there. The rows and their preprocessing have changed little, so
few steps lead to the optimum; candidates that are slow get a Hessian of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..losses import of_models
from ._tangents import NotCoveredError

#: Root of twice what the sum of losses may still lack of its minimum, at most. No predictor of a
#: row of leverage h is further from the optimum than by that, times ``sqrt(h / A)``.
GOAL = 1e-7
#: The same in folds, where scores need no more.
GOAL_IN_FOLDS = 1e-4
#: Steps with the Hessian of all rows, and what each must gain to be worth the next.
CHEAP_STEPS, GAIN = 6, 0.3
#: Newton steps, and halvings of one.
NEWTON_STEPS, HALVINGS = 40, 12


@dataclass(frozen=True, eq=False)
class Rows:
    """Training rows as the model takes them.

    Attributes
    ----------
    loss : Loss
    features : ndarray of shape (n_rows, n_columns)
        With a column of ones for the intercept.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    weight : ndarray of shape (n_rows,)
    """

    loss: Any
    features: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def predictors(self, tables: np.ndarray) -> np.ndarray:
        """Predictors by several tables of parameters, (n_rows, n_candidates, n_outputs)."""
        return predictors(self.features, tables)

    def gradient(self, eta: np.ndarray) -> np.ndarray:
        """Of the summed loss, shape (n_candidates, n_outputs, n_columns)."""
        n_rows, n_candidates, n_outputs = eta.shape
        residual = self.loss.residual(self._repeated(n_candidates), eta.reshape(-1, n_outputs))
        residual = residual.reshape(n_rows, -1) * self.weight[:, None]
        return (residual.T @ self.features).reshape(n_candidates, n_outputs, -1)

    def value(self, eta: np.ndarray) -> np.ndarray:
        """The summed loss, shape (n_candidates,)."""
        return self.weight @ of_models(self.loss.value, self.y, eta)

    def hessian(self, eta: np.ndarray) -> np.ndarray:
        """Of the summed loss by one candidate's predictor (n_rows, n_outputs), in blocks."""
        bend = self.loss.second_derivative(self.y, eta)
        x = self.features
        if bend.ndim == 2:
            return np.stack([(x * (self.weight * own)[:, None]).T @ x for own in bend.T])
        n_outputs, n_columns = bend.shape[1], x.shape[1]
        whole = np.empty((n_outputs, n_columns, n_outputs, n_columns))
        for k in range(n_outputs):
            for m in range(k + 1):
                part = (x * (self.weight * bend[:, k, m])[:, None]).T @ x
                whole[k, :, m], whole[m, :, k] = part, part.T
        return whole.reshape(1, n_outputs * n_columns, -1)

    def _repeated(self, n_candidates: int) -> np.ndarray:
        return np.repeat(self.y, n_candidates, axis=0)


def predictors(features: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Predictors of rows by several tables, shape (n_rows, n_candidates, n_outputs)."""
    flat = tables.reshape(-1, tables.shape[-1])
    return (features @ flat.T).reshape(len(features), *tables.shape[:2])


@dataclass(frozen=True, eq=False)
class Optima:
    """The optima of candidates, and the inverses of their Hessians.

    Attributes
    ----------
    tables : ndarray of shape (n_candidates, n_outputs, n_columns)
    inverses : ndarray of shape (n_candidates, n_blocks, size, size)
    """

    tables: np.ndarray
    inverses: np.ndarray

    def of(self, candidates: Any) -> Optima:
        """Those of some of the candidates."""
        return Optima(self.tables[candidates], self.inverses[candidates])


def minimise(
    rows: Rows, penalty: np.ndarray, start: Optima | None = None, goal: float = GOAL
) -> Optima:
    """Parameters of each candidate at its optimum.

    Parameters
    ----------
    rows : Rows
    penalty : ndarray of shape (n_candidates, n_outputs, n_columns)
        ``Lambda`` of each, in the sum form.
    start : Optima or None
        Of the same candidates with other rows.
    goal : float

    Raises
    ------
    NotCoveredError
        If a candidate has no optimum, or none is found.
    """
    n_candidates = len(penalty)
    if start is None:
        tables = np.zeros(penalty.shape)
        inverses: list[Any] = [None] * n_candidates
        slow = np.arange(n_candidates)
    else:
        tables, slow = _cheaply(rows, penalty, start, goal)
        inverses = list(start.inverses)
    for candidate in slow.tolist():
        own = rows, penalty[candidate]
        try:
            found = _newton(*own, tables[candidate], goal)
        except NotCoveredError:  # From zero, Newton steps are never far from where losses bend.
            found = _newton(*own, np.zeros_like(tables[candidate]), goal)
        tables[candidate], inverses[candidate] = found
    return Optima(tables, np.stack(inverses))


def _cheaply(
    rows: Rows, penalty: np.ndarray, start: Optima, goal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Steps with the Hessians at the start, and the candidates that they do not suffice for."""
    tables, before = start.tables.copy(), np.full(len(penalty), np.inf)
    best = tables.copy()
    moving, slow = np.arange(len(penalty)), []
    for _ in range(CHEAP_STEPS):
        gradient = rows.gradient(rows.predictors(tables[moving])) + penalty[moving] * tables[moving]
        step = _solve(start.inverses[moving], gradient)
        lacking = np.sqrt(np.maximum(np.sum(step * gradient, axis=(1, 2)), 0))
        better = lacking < before[moving]
        best[moving[better]] = tables[moving[better]]
        tables[moving] -= step
        arrived = lacking <= goal
        gains = lacking <= GAIN * before[moving]
        before[moving] = lacking
        slow.append(moving[~arrived & ~gains])
        moving = moving[~arrived & gains]
        if not len(moving):
            break
    slow_ones = np.concatenate([*slow, moving])
    tables[slow_ones] = best[slow_ones]
    return tables, slow_ones


def _newton(
    rows: Rows, penalty: np.ndarray, table: np.ndarray, goal: float
) -> tuple[np.ndarray, np.ndarray]:
    """One candidate's optimum by Newton steps with its own Hessians, and the last inverse."""
    eta = rows.predictors(table[None])
    for _ in range(NEWTON_STEPS):
        inverse = _inverse(rows.hessian(eta[:, 0]), penalty)
        gradient = rows.gradient(eta)[0] + penalty * table
        step = _solve(inverse[None], gradient[None])[0]
        slope = float(np.sum(step * gradient))
        if not slope > goal**2:
            return table - step, inverse
        table, eta = _descended(rows, penalty, table, eta, step, slope)
    raise NotCoveredError("a candidate has no optimum, or none was found")


def _descended(rows, penalty, table, eta, step, slope):
    """The parameters some way along a step, where the objective is less."""
    value = rows.value(eta)[0] + np.sum(penalty * table**2) / 2
    change = rows.predictors(step[None])
    for halving in range(HALVINGS):
        share = 0.5**halving
        tried, at = table - share * step, eta - share * change
        after = rows.value(at)[0] + np.sum(penalty * tried**2) / 2
        # Near the optimum a difference of values is rounding.
        if after <= value - 1e-4 * share * slope or slope < 1e-8 * abs(value):
            return tried, at
    raise NotCoveredError("a candidate has no optimum, or none was found")


def _inverse(hessian: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Inverse of a Hessian in blocks, with the penalty."""
    n_blocks, size = hessian.shape[:2]
    hessian[:, np.arange(size), np.arange(size)] += penalty.reshape(n_blocks, size)
    try:
        factor = np.linalg.cholesky(hessian)
    except np.linalg.LinAlgError as error:
        raise NotCoveredError("the rows leave a direction of the parameters open") from error
    root = np.linalg.inv(factor)
    return root.swapaxes(1, 2) @ root


def _solve(inverses: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Inverses of some candidates times a gradient of each."""
    n_candidates, n_blocks, size = inverses.shape[:3]
    flat = gradients.reshape(n_candidates, n_blocks, size, 1)
    return (inverses @ flat).reshape(gradients.shape)
