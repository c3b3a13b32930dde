"""Least squares with a penalty on lengths without some of its rows, by the products of its columns.

Of squared error, nothing is needed of the rows but ``G = sum_i s_i x~_i x~_i^T`` and ``C = sum_i
s_i x~_i y_i^T``, from which the rows that are removed are subtracted. Block coordinate descent
finds the active features (its step of a feature has a closed form), and Newton steps on these find
the optimum to rounding. Features are centred first, so that offsets do not spoil the products.
"""

from __future__ import annotations

import reprlib
import warnings
from typing import NamedTuple

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning

from ..objectives import GroupedObjective
from ._base import Remover
from ._batches import counted_rows
from ._smooth import SettledModels, not_found

#: Features up to which their products are held.
MOST_FEATURES = 10_000
#: What the gradient may be at the optimum, as a share of the largest that its terms may make.
OPTIMAL = 1e-12
#: Sweeps of coordinate descent, after each of which Newton steps are tried, and how many of these.
MAX_SWEEPS, MAX_STEPS = 1000, 20
#: Share of the curvature of a parameter that the others may leave of it.
LEAST_PIVOT = 1e-12
#: Models that are held at a time.
MODELS_AT_A_TIME = 256


class Products(NamedTuple):
    """What least squares needs to know of rows with features centred at some point.

    Attributes
    ----------
    gram : ndarray of shape (n_columns, n_columns)
    cross : ndarray of shape (n_columns, n_targets)
    largest : ndarray of shape (n_columns,)
        The most that a gradient may be, by the inequality of Cauchy and Schwarz.
    """

    gram: np.ndarray
    cross: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, x, y, weight):
        scaled = weight[:, None] * x
        gram = scaled.T @ x
        size = np.sqrt(weight @ np.square(y).sum(axis=1))
        return cls(gram, scaled.T @ y, np.sqrt(np.diag(gram)) * size)

    def less(self, other):
        """Those of the rows that are left without some."""
        return Products(self.gram - other.gram, self.cross - other.cross, self.largest)


class GroupedRemover(Remover):
    """Newton steps and optima of the models without some of the rows.

    Parameters
    ----------
    objective : GroupedObjective
    """

    def __init__(self, objective):
        n_features = objective.full_jacobian.n_features
        if n_features > MOST_FEATURES:
            raise ValueError(
                f"Models without rows need the products of all {n_features} features with each "
                f"other, which are held for up to {MOST_FEATURES}. Use order='first', or fewer "
                "features."
            )
        self.fitted = objective
        self._weight = objective.sample_weight.astype(np.float64)
        self._y = objective.y.reshape(objective.n_rows, -1).astype(np.float64)
        self._centre = self._mean()
        self._products = self._sum_of_products()
        self._l1, self._l2 = objective.full_l1[0], objective.full_l2[0]
        start = self._shifted(objective.score_weights().T, 1)
        self._optimum, self._is_optimal = minimise(self._products, self._l1, self._l2, start)
        self.objective: GroupedObjective = objective.at(self._shifted(self._optimum, -1).T)
        self._whole = self.objective.unrestricted()

    def at_optimum(self, query):
        return query._replace(jacobian=self.objective.query_jacobian(query.features))

    def models_without(self, removals, order):
        if not self._is_optimal:
            warnings.warn(not_found("all rows"), ConvergenceWarning, stacklevel=2)
        removals = counted_rows(self.fitted, removals)
        for first in range(0, len(removals), MODELS_AT_A_TIME):
            some = removals[first : first + MODELS_AT_A_TIME]
            tables = [self._shifted(self._without(rows, order), -1).T for rows in some]
            positions = np.arange(first, first + len(some))
            yield SettledModels(positions, self._whole, np.stack(tables))

    def loo_predictor(self):
        predictor = np.empty((self.fitted.n_rows, self.objective.shape[0]))
        for models in self.models_without(list(np.arange(len(predictor))[:, None]), "newton"):
            x = self._whole.jacobian.dense_block(models.positions).astype(np.float64)
            predictor[models.positions] = np.einsum("nkd,nd->nk", models.weights, x)
        return predictor

    def _without(self, rows, order):
        """Coefficients (n_columns, n_targets) without some rows, of features as centred."""
        products = self._products.less(self._of_rows(rows))
        share = self.fitted.penalty_share
        left = 1.0 if share is None else 1 - share[rows].sum()
        l1, l2 = left * self._l1, left * self._l2
        if order == "newton":
            return self._optimum + newton_step(products, l1, l2, self._optimum)
        table, is_optimal = minimise(products, l1, l2, self._optimum)
        if not is_optimal:
            text = not_found(f"all rows but {reprlib.repr(rows.tolist())}")
            warnings.warn(text, ConvergenceWarning, stacklevel=3)
        return table

    def _mean(self):
        """Weighted means of the features, where an intercept makes up for them, else 0."""
        jacobian = self.fitted.full_jacobian
        mean = np.zeros(jacobian.n_columns)
        if jacobian.fit_intercept:
            for rows in self._blocks():
                mean += self._weight[rows] @ jacobian.dense_block(rows)
            mean /= self._weight.sum()
            mean[-1] = 0
        return mean

    def _blocks(self):
        jacobian = self.fitted.full_jacobian
        return list(jacobian.blocks(jacobian.n_columns))

    def _of_rows(self, rows):
        x = self.fitted.full_jacobian.dense_block(rows).astype(np.float64) - self._centre
        return Products.of(x, self._y[rows], self._weight[rows])

    def _sum_of_products(self):
        total, *others = (self._of_rows(rows) for rows in self._blocks())
        for other in others:
            total = Products(*(one + more for one, more in zip(total, other, strict=True)))
        return total

    def _shifted(self, table, sign):
        """Coefficients for centred features from those for features as they are; -1: back."""
        if not self.fitted.full_jacobian.fit_intercept:
            return table
        table = table.astype(np.float64)
        table[-1] += sign * self._centre @ table
        return table


def newton_step(products, l1, l2, table):
    """One Newton step on the active features, 0 for the others."""
    active = table.any(axis=1) | (l1 == 0)
    gradient = _gradient(products, l1, l2, table)[active]
    matrix = _hessian(products, l1, l2, table, active)
    step = np.zeros_like(table)
    step[active] = -_solve(matrix, gradient.ravel()).reshape(gradient.shape)
    return step


def _solve(matrix, vector):
    """``M^-1 v``, of least norm where columns that are the same leave M singular."""
    lengths = np.sqrt(np.diag(matrix))
    lengths = np.where(lengths > 0, lengths, 1)
    scaled, vector = matrix / lengths[:, None] / lengths, vector / lengths
    try:
        factor = linalg.cho_factor(scaled)
        if np.diag(factor[0]).min(initial=1) ** 2 > LEAST_PIVOT:
            return linalg.cho_solve(factor, vector) / lengths
    except linalg.LinAlgError:
        pass
    return np.linalg.lstsq(scaled, vector, rcond=LEAST_PIVOT)[0] / lengths


def minimise(products, l1, l2, start):
    """The optimum, and whether its conditions hold.

    Parameters
    ----------
    products : Products
    l1, l2 : ndarray of shape (n_columns,)
    start : ndarray of shape (n_columns, n_targets)

    Returns
    -------
    table : ndarray of shape (n_columns, n_targets)
    is_optimal : bool
    """
    table = start.copy()
    for _ in range(MAX_SWEEPS):
        table = _descend(products, l1, l2, table)
        if _excess(products, l1, l2, table).max() <= 0:
            return table, True
        table = _sweep(products, l1, l2, table)
    return table, False


def _descend(products, l1, l2, table):
    """Newton steps, as long as each leads nearer to the optimum and turns no coefficients."""
    size = np.linalg.norm(_gradient(products, l1, l2, table))
    for _ in range(MAX_STEPS):
        there = table + newton_step(products, l1, l2, table)
        turns = (np.sum(table * there, axis=1) <= 0) & (l1 > 0) & table.any(axis=1)
        size_there = np.linalg.norm(_gradient(products, l1, l2, there))
        if turns.any() or not size_there < size:
            break
        table, size = there, size_there
    return table


def _sweep(products, l1, l2, table):
    """A step of each feature that is active, or should be: the optimum with the others held."""
    table, gram = table.copy(), products.gram
    smooth = gram @ table - products.cross + l2[:, None] * table
    violated = np.linalg.norm(smooth, axis=1) > l1
    for j in np.flatnonzero(table.any(axis=1) | violated):
        bend = gram[j, j] + l2[j]
        if bend <= 0:
            continue
        pull = bend * table[j] - smooth[j]
        length = np.linalg.norm(pull)
        new = pull * (max(0.0, 1 - l1[j] / length) / bend if length > 0 else 0.0)
        change = new - table[j]
        if change.any():
            smooth += gram[:, j, None] * change
            smooth[j] += l2[j] * change
            table[j] = new
    return table


def _gradient(products, l1, l2, table):
    """Gradient of the sum, 0 for features that are held at zero."""
    lengths = np.linalg.norm(table, axis=1)
    active = (lengths > 0) | (l1 == 0)
    smooth = products.gram @ table - products.cross + l2[:, None] * table
    pull = np.divide(l1, lengths, out=np.zeros_like(l1), where=lengths > 0)
    return np.where(active[:, None], smooth + pull[:, None] * table, 0)


def _excess(products, l1, l2, table):
    """How far from its conditions each feature is, less what rounding may be of it."""
    lengths = np.linalg.norm(table, axis=1)
    smooth = np.linalg.norm(products.gram @ table - products.cross, axis=1)
    held = (lengths == 0) & (l1 > 0)
    off = np.linalg.norm(_gradient(products, l1, l2, table), axis=1)
    return np.where(held, smooth - l1, off) - OPTIMAL * (l1 + products.largest)


def _hessian(products, l1, l2, table, active):
    n_targets, n_active = table.shape[1], np.count_nonzero(active)
    gram = products.gram[np.ix_(active, active)] + np.diag(l2[active])
    matrix = np.kron(gram, np.eye(n_targets))
    lengths = np.linalg.norm(table[active], axis=1)
    bend = np.divide(l1[active], lengths, out=np.zeros(n_active), where=lengths > 0)
    units = table[active] / np.where(lengths > 0, lengths, 1)[:, None]
    coupling = np.eye(n_targets) - units[:, :, None] * units[:, None]
    cells = matrix.reshape(n_active, n_targets, n_active, n_targets)
    each = np.arange(n_active)
    cells[each, :, each, :] += bend[:, None, None] * coupling
    return matrix
