"""One model at several strengths of its penalty, brought to their optima together.

All candidates share each product with the rows, and each starts where it was with all rows, by
the inverse Hessian that it had there. The rows and their preprocessing have changed little, so
few steps lead to the optimum; candidates that are slow get a Hessian of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ..losses import of_models
from ..removal import Pairs
from ._tangents import NotCoveredError

#: Root of twice what the sum of losses may still lack of its minimum, at most. No predictor of a
#: row of leverage h is further from the optimum than by that, times ``sqrt(h / A)``.
GOAL = 1e-7
#: The same in folds, where scores need no more.
GOAL_IN_FOLDS = 1e-4
#: Steps with the Hessian of all rows; what one must gain, and how many in a row need not.
CHEAP_STEPS, GAIN, MOST_IDLE = 25, 0.5, 3
#: Bytes of the products of each two columns, which all candidates, outputs and steps share.
PRODUCT_BYTES = 2**25
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

    def hessians(self, eta: np.ndarray) -> np.ndarray:
        """Of the summed loss, in blocks, shape (n_candidates, n_blocks, size, size)."""
        n_rows, n_candidates, n_outputs = eta.shape
        n_columns = self.features.shape[1]
        bend = self.loss.second_derivative(self._repeated(n_candidates), eta.reshape(-1, n_outputs))
        outputs = np.tril_indices(n_outputs)
        couples = bend.ndim == 3
        if couples:
            bend = bend[:, outputs[0], outputs[1]]
        bend = bend.reshape(n_rows, -1) * self.weight[:, None]
        of_columns = self._sums_of_products(bend)
        if not couples:
            return of_columns.reshape(n_candidates, n_outputs, n_columns, n_columns)
        of_columns = of_columns.reshape(n_candidates, -1, n_columns, n_columns)
        whole = np.empty((n_candidates, n_outputs, n_columns, n_outputs, n_columns))
        for part, (k, m) in enumerate(zip(*outputs, strict=True)):
            whole[:, k, :, m] = whole[:, m, :, k] = of_columns[:, part]
        return whole.reshape(n_candidates, 1, n_outputs * n_columns, -1)

    def _sums_of_products(self, weights: np.ndarray) -> np.ndarray:
        """``X^T diag(w) X`` for each column of weights (n_rows, n)."""
        x, n_columns = self.features, self.features.shape[1]
        if 8 * x.size * n_columns > PRODUCT_BYTES:
            return np.stack([(x * own[:, None]).T @ x for own in weights.T])
        return (weights.T @ self._products).reshape(-1, n_columns, n_columns)

    @cached_property
    def _products(self) -> np.ndarray:
        """Those of each two columns of a row, shape (n_rows, n_columns ** 2)."""
        x = self.features
        return (x[:, :, None] * x[:, None]).reshape(len(x), -1)

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


def optima_of(rows: Rows, penalty: np.ndarray) -> Optima:
    """The optimum of each candidate, from nothing.

    Parameters
    ----------
    rows : Rows
    penalty : ndarray of shape (n_candidates, n_outputs, n_columns)
        ``Lambda`` of each, in the sum form.

    Raises
    ------
    NotCoveredError
        If a candidate has no optimum, or none is found.
    """
    tables = _newton(rows, penalty, np.zeros(penalty.shape), GOAL)
    factors = _factors(rows.hessians(rows.predictors(tables)), penalty)
    eye = np.eye(factors[0][0][0].shape[0])
    inverses = [[cho_solve(block, eye, check_finite=False) for block in own] for own in factors]
    return Optima(tables, np.array(inverses))


def moved(rows: Rows, penalty: np.ndarray, start: Optima, goal: float) -> np.ndarray:
    """The optimum of each candidate, from where it was with other rows.

    Parameters
    ----------
    rows, penalty
        As of :func:`optima_of`.
    start : Optima
        Of the same candidates.
    goal : float

    Returns
    -------
    ndarray of shape (n_candidates, n_outputs, n_columns)

    Raises
    ------
    NotCoveredError
        As of :func:`optima_of`.
    """
    tables, slow = _cheaply(rows, penalty, start, goal)
    if len(slow):
        try:
            tables[slow] = _newton(rows, penalty[slow], tables[slow], goal)
        except NotCoveredError:  # From zero, Newton steps are never far from where losses bend.
            tables[slow] = _newton(rows, penalty[slow], np.zeros_like(tables[slow]), goal)
    return tables


class At(NamedTuple):
    """Parameters of some candidates, and the gradients there.

    Attributes
    ----------
    weights, gradient : ndarray of shape (n_candidates, n_outputs, n_columns)
    """

    weights: np.ndarray
    gradient: np.ndarray


def _cheaply(
    rows: Rows, penalty: np.ndarray, start: Optima, goal: float
) -> tuple[np.ndarray, np.ndarray]:
    """Steps by the Hessians at the start, and the candidates that they do not suffice for.

    The gradients on the way correct the Hessians (L-BFGS).
    """

    def at(tables: np.ndarray, of: np.ndarray) -> At:
        return At(tables, rows.gradient(rows.predictors(tables)) + penalty[of] * tables)

    tables, slow = start.tables.copy(), []
    moving, pairs = np.arange(len(penalty)), Pairs()
    here, best = at(tables, moving), np.full(len(penalty), np.inf)
    idle = np.zeros(len(penalty), int)
    for _ in range(CHEAP_STEPS):
        step = pairs.solve(here.gradient, partial(_solve, start.inverses[moving]))
        slope = np.sum(step * here.gradient, axis=(1, 2))
        lacking = np.sqrt(np.maximum(slope, 0))
        improves = lacking < best
        idle = np.where(lacking <= GAIN * best, 0, idle + 1)
        tables[moving[improves]] = here.weights[improves]
        best = np.minimum(best, lacking)
        arrives = lacking <= goal
        tables[moving[arrives]] = (here.weights - step)[arrives]
        stalls = ~arrives & (idle > MOST_IDLE)
        slow.append(moving[stalls])
        stays = ~(arrives | stalls)
        moving, best, idle, step, here = (
            moving[stays],
            best[stays],
            idle[stays],
            step[stays],
            At(here.weights[stays], here.gradient[stays]),
        )
        pairs.take(stays)
        if not len(moving):
            break
        there = at(here.weights - step, moving)
        pairs.add(here, there, np.ones(len(moving), bool))
        here = there
    return tables, np.concatenate([*slow, moving])


def _newton(rows: Rows, penalty: np.ndarray, tables: np.ndarray, goal: float) -> np.ndarray:
    """The optimum of each candidate by Newton steps with Hessians of its own."""
    tables, moving = tables.copy(), np.arange(len(tables))
    eta = rows.predictors(tables)
    for _ in range(NEWTON_STEPS):
        own, lam = tables[moving], penalty[moving]
        gradient = rows.gradient(eta) + lam * own
        step = _newton_steps(rows.hessians(eta), lam, gradient)
        slope = np.sum(step * gradient, axis=(1, 2))
        arrives = ~(slope > goal**2)
        tables[moving[arrives]] -= step[arrives]
        moving = moving[~arrives]
        if not len(moving):
            return tables
        here = own[~arrives], eta[:, ~arrives]
        tables[moving], eta = _descended(rows, lam[~arrives], here, step[~arrives], slope[~arrives])
    raise NotCoveredError("a candidate has no optimum, or none was found")


def _descended(rows, penalty, here, steps, slopes):
    """Parameters and predictors some way along steps, where each objective is less."""
    tables, eta = here

    def value(tables, eta, of):
        return rows.value(eta) + np.sum(penalty[of] * tables**2, axis=(1, 2)) / 2

    before, changes = value(tables, eta, slice(None)), rows.predictors(steps)
    shares, open_ones = np.ones(len(tables)), np.arange(len(tables))
    # Near the optimum a difference of values is rounding.
    is_near = slopes < 1e-8 * np.abs(before)
    for _ in range(HALVINGS):
        share = shares[open_ones][:, None]
        tried = tables[open_ones] - share[:, None] * steps[open_ones]
        after = value(tried, eta[:, open_ones] - share * changes[:, open_ones], open_ones)
        least = before[open_ones] - 1e-4 * share[:, 0] * slopes[open_ones]
        open_ones = open_ones[~((after <= least) | is_near[open_ones])]
        if not len(open_ones):
            return tables - shares[:, None, None] * steps, eta - shares[:, None] * changes
        shares[open_ones] /= 2
    raise NotCoveredError("a candidate has no optimum, or none was found")


def _newton_steps(hessians: np.ndarray, penalty: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Hessians with the penalty, inverted, times the gradients."""
    flat = gradients.reshape(*hessians.shape[:2], -1)
    steps = [
        [cho_solve(*pair, check_finite=False) for pair in zip(*both, strict=True)]
        for both in zip(_factors(hessians, penalty), flat, strict=True)
    ]
    return np.reshape(steps, gradients.shape)


def _factors(hessians: np.ndarray, penalty: np.ndarray) -> list[list[Any]]:
    """Of each candidate, the factors of the blocks of its Hessian with the penalty."""
    size = hessians.shape[-1]
    hessians[..., np.arange(size), np.arange(size)] += penalty.reshape(*hessians.shape[:2], size)
    try:
        return [[cho_factor(block, check_finite=False) for block in own] for own in hessians]
    except np.linalg.LinAlgError as error:
        raise NotCoveredError("the rows leave a direction of the parameters open") from error


def _solve(inverses: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Inverses of some candidates times a gradient of each."""
    n_candidates, n_blocks, size = inverses.shape[:3]
    flat = gradients.reshape(n_candidates, n_blocks, size, 1)
    return (inverses @ flat).reshape(gradients.shape)
