"""Exact curvature solves for wide sparse data, in as many dimensions as there are rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..jacobians import heavy_columns, without_columns
from ..objectives import reduce_to_row_space
from ..utils._blocks import block_budget, row_blocks
from ..utils._threads import for_each, n_blas_threads
from ._base import Curvature, NoFactor
from ._cholesky import CholeskyCurvature, column_squares
from ._inverse import build_curvature

#: Side of the tiles in which an inverse is multiplied out: enough for BLAS to run at its full rate.
TILE = 512
#: Rows whose denominators are compared with solutions, and how well they must agree.
COMPARED = 8
AGREEMENT = 1e-7


class WideCurvature(Curvature):
    """A curvature of wide sparse data, whose gradients are never written down.

    Queries are solved for with the training rows. What takes a factor is had in the coordinates of
    the space that the rows span.

    Parameters
    ----------
    total : CurvatureOperator
        The curvature.
    """

    holds_rows = True
    _reduced: tuple | None = None

    def __init__(self, total):
        self.kind, self.damping = total.curvature, total.damping
        self.dtype = total.objective.dtype

    def coordinates(self, objective):
        """The objective and its curvature in the coordinates of the space that the rows span."""
        if not self.has_coordinates(objective):
            raise NoFactor(
                "This needs a factor of the whole curvature, which is too large: with "
                f"{objective.shape[0]} outputs, coordinates in the span of the "
                f"{objective.n_rows} training rows would be too many. Explanations, "
                "pairwise_influence, self_influence_ and removal effects with order='first' do "
                "without."
            )
        if self._reduced is None:
            reduced = reduce_to_row_space(objective)
            self._reduced = reduced, build_curvature(reduced, self.kind, self.damping)
        return self._reduced

    def __getstate__(self):
        # What is found when first needed takes more space than time, and is found again.
        return {name: value for name, value in vars(self).items() if name != "_reduced"}


class WoodburyCurvature(WideCurvature):
    """A curvature that does not couple the outputs, inverted by the identity of Woodbury.

    For an output with the weights ``d_i = B_i / S``, the ridge ``r`` of its coefficients and ``q``
    of its intercept, the curvature is ``M = [X Z]^T D [X Z] + diag(r, ..., r, Q)``. ``Z`` holds
    the column of ones, with ``q`` in ``Q``, and those features that are so large that ``N`` would
    lose the others in rounding, with ``r``. With::

        N = I + D^1/2 X X^T D^1/2 / r,    U = N^-1 D^1/2 Z,    C = Q + Z^T D^1/2 U,

    the solution ``(w, b)`` of ``M (w, b) = (g, h)`` is::

        a = N^-1 D^1/2 X g / r,    b = C^-1 (h - Z^T D^1/2 a),    w = (g - X^T D^1/2 (a + U b)) / r.

    ``N`` has a row for each training row. The features stay sparse, and no basis of the space
    that they span is needed. The norms of all training rows come from the same matrix:
    ``N* = N^-1 - U C^-1 U^T`` holds what is left of each row's weight, so that ``1 - N*_ii`` is its
    leverage, and with the intercepts ``b_i = (C^-1 U^T)_i / d_i^1/2`` of the rows' solutions::

        x~_i^T M^-1 x~_i = (1 - N*_ii) / d_i,
        |M^-1 x~_i|^2 = (N*_ii - sum_j N*_ij^2) / (d_i r) + (1 - q / r) b_i^2.

    All of it is in double precision, whatever that of the features.

    Parameters
    ----------
    total : CurvatureOperator
        The curvature. Its ridge must be positive, and the same for all coefficients of an output.

    Raises
    ------
    ValueError
        If the ridge is too weak for the precision of the features.
    """

    is_exact = True

    def __init__(self, total):
        super().__init__(total)
        self.jacobian = total.objective.jacobian
        self.ridge, self.intercept_ridge = total.ridge[:, 0], total.ridge[:, -1]
        self.roots = np.sqrt(_weights(total))
        self._rest, self._aside = split_columns(self.jacobian)
        blocks = dual_blocks(self._rest, self.roots, self.ridge)
        self._duals = [_factorised(block) for block in blocks]
        self._borders = [
            Border.of(self._aside, root, ridges, lambda v, own=dual: own.solve(v.T.copy()).T)
            for root, dual, ridges in zip(self.roots, self._duals, total.ridge, strict=True)
        ]

    @classmethod
    def obstacle(cls, sizes, kind, damping) -> str | None:
        """Why it cannot be that of an objective of some sizes; None if it can."""
        is_coupled = sizes.couples_outputs or kind == "empirical_fisher"
        if not sizes.is_sparse:
            return "the features are dense"
        if not sizes.is_wide:
            return sizes.row_space_obstacle or "there are not fewer rows than features"
        if sizes.indefinite_rows(kind):
            return sizes.indefinite_rows(kind)
        if is_coupled and sizes.n_outputs > 1:
            return "the curvature couples the outputs"
        if sizes.is_restricted:
            return "an L1 penalty holds parameters at zero"
        if not sizes.has_ridge(kind, damping):
            return "a coefficient bears neither a penalty nor damping"
        return None

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params)."""
        parts = gradients.reshape(len(gradients), len(self.roots), -1)
        solution = np.empty(parts.shape)
        for k, (root, ridge) in enumerate(zip(self.roots, self.ridge, strict=True)):
            solution[:, k] = self._solve_output(k, parts[:, k].astype(np.float64), root, ridge)
        return solution.reshape(len(gradients), -1).astype(gradients.dtype, copy=False)

    def _solve_output(self, k, right, root, ridge):
        # Features come first, which is how sparse matrices are multiplied.
        slopes = np.ascontiguousarray(right[:, : self._rest.shape[1]].T)
        seen = self._duals[k].solve(np.ascontiguousarray((self._rest @ slopes).T) * (root / ridge))
        places = self._aside.positions
        aside = right[:, places] - (seen * root) @ self._aside.columns
        aside = aside @ self._borders[k].inverse
        seen += aside @ self._borders[k].shifts.T
        solved = np.empty_like(right)
        solved[:, : len(slopes)] = ((slopes - self._rest.T @ (root[:, None] * seen.T)) / ridge).T
        solved[:, places] = aside
        return solved

    def lengths(self, rows, criterion):
        """Lengths of the whitened and of the solved unit gradients of the training rows."""
        shares = rows.unit.astype(np.float64) ** 2
        scales = {"loss_relative": np.sqrt(dot(shares, self.row_forms()))}
        if criterion == "theta_relative":
            scales["theta_relative"] = np.sqrt(dot(shares, self.row_squares()))
        return {name: scale.astype(self.dtype) for name, scale in scales.items()}

    def forms(self, objective):
        """A function of a slice of the training rows to their ``x~_i^T M_k^-1 x~_i``."""
        return self.row_forms().__getitem__

    def row_forms(self):
        """``x~_i^T M_k^-1 x~_i`` of the training rows, shape (n_rows, n_outputs)."""
        return self._row_values(self._lost, dot)

    def row_squares(self):
        """``|M_k^-1 x~_i|^2`` of the training rows, shape (n_rows, n_outputs)."""
        return self._row_values(self._slopes, lambda x, solved: dot(solved, solved))

    # --- how it is done --------------------------------------------------------------------

    def _row_values(self, of_output, from_solution):
        """Values of the training rows, (n_rows, n_outputs), from the inverse of ``N`` if it can.

        What is left of 1, or of itself, says little where that is next to nothing. Such rows are
        solved for, and so are all rows where some others do not agree with their solutions.
        """
        values = np.empty(self.roots.T.shape)
        for k, own in enumerate(values.T):
            difference, own[:] = of_output(k)

            def solve(positions, k=k):
                return self._solved(k, positions, from_solution)

            negligible = difference < np.finfo(float).eps ** (1 / 3)
            own[negligible] = solve(np.flatnonzero(negligible))
            others = np.flatnonzero(~negligible)
            if not disagreement(own, others, difference, solve) <= AGREEMENT:
                own[others] = solve(others)
        return values

    def _solved(self, k, positions, from_solution):
        """Values of some rows by the solutions for them."""
        values = np.empty(len(positions))
        for some in row_blocks(len(positions), 4 * 8 * self.jacobian.n_columns, block_budget()):
            x = self.jacobian.dense_block(positions[some]).astype(np.float64)
            solved = self._solve_output(k, x, self.roots[k], self.ridge[k])
            values[some] = from_solution(x, solved)
        return values

    def _lost(self, k):
        """``1 - N*_ii``, and ``x~_i^T M^-1 x~_i`` from it."""
        lost = 1 - self._left(k)
        return lost, self._over_weight(k, lost)

    def _slopes(self, k):
        """``N*_ii - sum_j N*_ij^2``, and ``|M^-1 x~_i|^2`` from it."""
        (factor,), border = self._duals[k].inverse_factors, self._borders[k]
        squares = _inverse_squares(factor)
        squares -= 2 * dot(self._duals[k].solve(border.shifts.T.copy()).T, border.spreads)
        squares += dot(border.spreads @ (border.shifts.T @ border.shifts), border.spreads)
        kept = self._left(k) - squares
        values = kept / self.ridge[k]
        if self.jacobian.fit_intercept:
            values += (1 - self.intercept_ridge[k] / self.ridge[k]) * border.spreads[:, -1] ** 2
        return kept, self._over_weight(k, values)

    def _left(self, k):
        """``N*_ii``."""
        (factor,), border = self._duals[k].inverse_factors, self._borders[k]
        return column_squares(factor) - dot(border.spreads, border.shifts)

    def _over_weight(self, k, values):
        weights = self.roots[k] ** 2
        return np.divide(values, weights, out=np.zeros_like(values), where=weights > 0)


class Aside(NamedTuple):
    """The columns ``Z`` that do not enter ``N``, and their places among all columns."""

    columns: np.ndarray
    positions: np.ndarray


class Border(NamedTuple):
    """What the columns aside add to ``N^-1``.

    Attributes
    ----------
    shifts : ndarray of shape (n_rows, n_aside)
        ``U``.
    inverse : ndarray of shape (n_aside, n_aside)
        ``C^-1``.
    spreads : ndarray of shape (n_rows, n_aside)
        ``U C^-1``.
    """

    shifts: np.ndarray
    inverse: np.ndarray
    spreads: np.ndarray

    @classmethod
    def of(cls, aside, root, ridges, solve) -> Border:
        """The border of ``N``, given by a function of v (n_rows, n) to ``N^-1 v``."""
        weighted = aside.columns * root[:, None]
        shifts = solve(weighted)
        bend = np.diag(ridges[aside.positions]) + weighted.T @ shifts
        inverse = scaled_inverse(bend)
        return cls(shifts, inverse, shifts @ inverse)


def scaled_inverse(matrix):
    """Inverse of a small positive definite matrix, whatever the units of its columns."""
    lengths = np.sqrt(np.diag(matrix))
    if not lengths.all():
        refuse()
    return np.linalg.inv(matrix / lengths / lengths[:, None]) / lengths / lengths[:, None]


def split_columns(jacobian):
    """Features without those that are too large to stand beside the others, and these aside."""
    X = jacobian.features()
    heavy = heavy_columns(X)
    columns, positions = X[:, heavy].toarray().astype(np.float64), heavy
    if jacobian.fit_intercept:
        columns = np.column_stack([columns, np.ones(jacobian.n_rows)])
        positions = np.append(heavy, jacobian.n_columns - 1)
    return without_columns(X, heavy), Aside(columns, positions)


def disagreement(values, positions, sizes, solve):
    """Largest difference of some values from the solutions for them, relative to these.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    positions : ndarray of int
        Of the rows in question, of which a few are compared.
    sizes : ndarray of shape (n_rows,)
        What the rows to compare are spread over.
    solve : callable
        Gives the values of rows at some positions by the solutions for them.
    """
    ordered = positions[np.argsort(sizes[positions])]
    n_compared = min(COMPARED, len(ordered))
    compared = ordered[np.linspace(0, len(ordered) - 1, n_compared, dtype=int)]
    expected = solve(compared)
    differences = np.abs(values[compared] - expected)
    relative = np.divide(differences, expected, out=differences, where=expected > 0)
    return relative.max(initial=0)


def dual_blocks(X, roots, ridges, dtype=np.float64):
    """Upper triangles of ``N`` of each output, which is what LAPACK reads; zeros below them."""
    n_rows = X.shape[0]
    blocks = np.zeros((len(roots), n_rows, n_rows), dtype)

    def fill(rows):
        products = (X[rows] @ X[rows.start :].T).toarray()
        for block, root, ridge in zip(blocks, roots, ridges, strict=True):
            part = block[rows, rows.start :]
            np.multiply(products, root[rows, None] / ridge, out=part)
            part *= root[rows.start :]
            block[rows, rows] = np.triu(block[rows, rows])

    for_each(fill, list(row_blocks(n_rows, 24 * n_rows, block_budget() / n_blas_threads())))
    np.einsum("kii->ki", blocks)[...] += 1
    return blocks


def _weights(total):
    """``B_i / S`` of each output, shape (n_outputs, n_rows)."""
    objective = total.objective
    weights = np.empty((objective.shape[0], objective.n_rows))
    for rows in objective.blocks(objective.shape[0] ** 2):
        weights[:, rows] = total.rotated_inner(rows).T
    return weights / objective.total_weight


def _inverse_squares(factor):
    """Squared lengths of the rows of ``L^-T L^-1``, of which only tiles are formed."""
    squares = np.zeros(len(factor))
    for columns in tiles(len(factor)):
        for rows in tiles(len(factor), columns.start):
            tile = factor[rows.start :, rows].T @ factor[rows.start :, columns]
            tile *= tile
            squares[columns] += tile.sum(axis=0, dtype=np.float64)
            if rows.start > columns.start:
                squares[rows] += tile.sum(axis=1, dtype=np.float64)
    return squares


def tiles(size, start=0):
    return (slice(first, min(first + TILE, size)) for first in range(start, size, TILE))


def _factorised(block):
    try:
        return CholeskyCurvature(block[None], np.float64, None)
    except ValueError:
        refuse()


class WeakRidge(ValueError):
    """The ridge is too weak for a precision."""


def refuse():
    raise WeakRidge(
        "The regularisation is too weak for the precision of the features. Set a positive damping "
        "(for example damping=1e-3), fit the model with more regularisation, or, for features of "
        "single precision, pass them in double precision."
    )


def dot(a, b):
    return np.einsum("ij,ij->i", a, b)
