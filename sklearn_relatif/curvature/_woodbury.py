"""Exact curvature solves for wide sparse data, in as many dimensions as there are rows."""

from __future__ import annotations

import numpy as np

from ..objectives import block_budget, row_blocks
from ._cholesky import CholeskyCurvature

#: Side of the tiles in which an inverse is multiplied out: enough for BLAS to run at its full rate.
TILE = 512


class WoodburyCurvature:
    """A curvature that does not couple the outputs, inverted by the identity of Woodbury.

    For an output with the weights ``d_i = B_i / S``, the ridge ``r`` of its coefficients and ``q``
    of its intercept, the curvature is ``M = [X 1]^T D [X 1] + diag(r, ..., r, q)``. With::

        N = I + D^1/2 X X^T D^1/2 / r,    u = N^-1 D^1/2 1,    c = q + 1^T D^1/2 u,

    the solution ``(w, b)`` of ``M (w, b) = (g, h)`` is::

        a = N^-1 D^1/2 X g / r,    b = (h - 1^T D^1/2 a) / c,    w = (g - X^T D^1/2 (a + b u)) / r.

    ``N`` has a row for each training row. The features stay sparse, and no basis of the space
    that they span is needed. The norms of all training rows come from the same matrix:
    ``N* = N^-1 - u u^T / c`` holds what is left of each row's weight, so that ``1 - N*_ii`` is its
    leverage, and::

        x~_i^T M^-1 x~_i = (1 - N*_ii) / d_i,
        |M^-1 x~_i|^2 = (N*_ii - sum_j N*_ij^2) / (d_i r) + (1 - q / r) u_i^2 / (d_i c^2).

    Parameters
    ----------
    total : CurvatureSum
        The curvature. Its ridge must be positive, and the same for all coefficients of an output.

    Raises
    ------
    ValueError
        If the ridge is too weak for the precision of the features.
    """

    #: Queries are solved for with the training rows, which come with the curvature.
    holds_rows = True
    #: Gradients are never written down, and there is no factor to whiten them with.
    lacks_coordinates = True

    def __init__(self, total):
        objective = total.objective
        self.dtype = objective.dtype
        self.design = objective.design
        self.ridge, self.intercept_ridge = total.ridge[:, 0], total.ridge[:, -1]
        self.roots = np.sqrt(_weights(total))
        blocks = dual_blocks(self.design.X.astype(np.float64), self.roots, self.ridge)
        self._duals = [CholeskyCurvature(block[None], self.dtype, refuse) for block in blocks]
        #: ``u`` of each output; 0 if there is no intercept to take care of.
        self.shifts, self.intercept_bend = np.zeros_like(self.roots), np.ones(len(self.roots))
        if self.design.fit_intercept:
            self.shifts = self._solve_duals(self.roots)
            self.intercept_bend = self.intercept_ridge + dot(self.roots, self.shifts)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params)."""
        n_outputs, n_features = len(self.roots), self.design.X.shape[1]
        X, parts = self.design.X, gradients.reshape(len(gradients), n_outputs, -1)
        # Features come first, which is how sparse matrices are multiplied.
        solution = np.empty((n_outputs, self.design.n_columns, len(gradients)), self.dtype)
        for k, own in enumerate(solution):
            slopes = np.ascontiguousarray(parts[:, k, :n_features].T)
            root, ridge = self.roots[k].astype(self.dtype), self.dtype.type(self.ridge[k])
            seen = self._duals[k].solve(np.ascontiguousarray((X @ slopes).T) * (root / ridge))
            if self.design.fit_intercept:
                own[-1] = (parts[:, k, -1] - seen @ root) / self.intercept_bend[k]
                seen += np.outer(own[-1], self.shifts[k])
            np.divide(slopes - X.T @ (root[:, None] * seen.T), ridge, out=own[:n_features])
        return solution.reshape(-1, len(gradients)).T

    def row_forms(self):
        """``x~_i^T M_k^-1 x~_i`` of the training rows, shape (n_rows, n_outputs)."""
        return self._row_values(self._forms, dot)

    def row_squares(self):
        """``|M_k^-1 x~_i|^2`` of the training rows, shape (n_rows, n_outputs)."""
        return self._row_values(self._squares, lambda x, solved: dot(solved, solved))

    def row_scales(self, criterion, rows):
        """What :func:`unit_scales` computes, of the training rows."""
        shares = rows.unit.astype(np.float64) ** 2
        scales = {"loss_relative": np.sqrt(dot(shares, self.row_forms()))}
        if criterion == "theta_relative":
            scales["theta_relative"] = np.sqrt(dot(shares, self.row_squares()))
        return {name: scale.astype(self.dtype) for name, scale in scales.items()}

    # --- how it is done --------------------------------------------------------------------

    @property
    def _factors(self):
        """``L^-1`` of each output, where ``N = L L^T``."""
        return [dual.inverse_factors[0] for dual in self._duals]

    def _solve_duals(self, vectors):
        """``N_k^-1 v_k`` for a vector an output, in double precision."""
        rows = vectors.astype(self.dtype)[:, None]
        solved = [dual.solve(row) for dual, row in zip(self._duals, rows, strict=True)]
        return np.concatenate(solved).astype(np.float64)

    def _row_values(self, from_dual, from_solution):
        """Values of the training rows, (n_rows, n_outputs), from the inverse of ``N`` if it can.

        What the weight of a row leaves of 1 says little about a row with hardly any weight. Such
        rows are solved for.
        """
        values = from_dual().T
        lengths = np.asarray(self.design.X.multiply(self.design.X).sum(axis=1)).ravel()
        seen = self.roots**2 * lengths / self.ridge[:, None]
        for k, negligible in enumerate(seen < np.finfo(self.dtype).eps ** (1 / 3)):
            positions = np.flatnonzero(negligible)
            for some in row_blocks(len(positions), self.solve_bytes, block_budget()):
                x = self.design.dense_block(positions[some])
                gradients = np.zeros((len(x), len(self.roots), x.shape[1]), self.dtype)
                gradients[:, k] = x
                solved = self.solve(gradients.reshape(len(x), -1)).reshape(gradients.shape)
                values[positions[some], k] = from_solution(x, solved[:, k])
        return values

    @property
    def solve_bytes(self):
        """Bytes of a right-hand side."""
        return self.dtype.itemsize * len(self.roots) * self.design.n_columns

    def _forms(self):
        return self._over_weight(1 - self._left())

    def _squares(self):
        """The second formula of the class, for each output."""
        squares = np.array([_inverse_squares(factor) for factor in self._factors])
        bend = self.intercept_bend[:, None]
        spread = self.shifts / bend
        squares -= 2 * self._solve_duals(self.shifts) * spread
        squares += dot(self.shifts, self.shifts)[:, None] * spread**2
        ridge, intercept_ridge = self.ridge[:, None], self.intercept_ridge[:, None]
        slopes = self._over_weight((self._left() - squares) / ridge)
        return slopes + self._over_weight((1 - intercept_ridge / ridge) * spread**2)

    def _left(self):
        """``N*_ii`` of each output."""
        diagonal = [_column_squares(factor) for factor in self._factors]
        return np.array(diagonal) - self.shifts**2 / self.intercept_bend[:, None]

    def _over_weight(self, values):
        return np.divide(values, self.roots**2, out=np.zeros_like(values), where=self.roots > 0)


def dual_blocks(X, roots, ridges):
    """Upper triangles of ``N`` of each output, which is what LAPACK reads; zeros below them."""
    n_rows = X.shape[0]
    blocks = np.zeros((len(roots), n_rows, n_rows))
    for rows in row_blocks(n_rows, 24 * n_rows, block_budget()):
        products = (X[rows] @ X[rows.start :].T).toarray()
        for block, root, ridge in zip(blocks, roots, ridges, strict=True):
            part = block[rows, rows.start :]
            np.multiply(products, root[rows, None] / ridge, out=part)
            part *= root[rows.start :]
            block[rows, rows] = np.triu(block[rows, rows])
    np.einsum("kii->ki", blocks)[...] += 1
    return blocks


def _weights(total):
    """``B_i / S`` of each output, shape (n_outputs, n_rows)."""
    objective = total.objective
    weights = np.empty((objective.shape[0], objective.n_rows))
    for rows in objective.blocks(objective.shape[0] ** 2):
        weights[:, rows] = total.rotated_inner(rows).T
    return weights / objective.total_weight


def _column_squares(factor):
    """Squared lengths of the columns of ``L^-1``: the diagonal of ``L^-T L^-1``."""
    squares = np.empty(len(factor))
    for columns in tiles(len(factor)):
        part = factor[columns.start :, columns]
        squares[columns] = np.einsum("ij,ij->j", part, part, dtype=np.float64)
    return squares


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


def refuse():
    raise ValueError(
        "The regularisation is too weak for the precision of the features. Set a positive damping "
        "(for example damping=1e-3), fit the model with more regularisation, or, for features of "
        "single precision, pass them in double precision."
    )


def dot(a, b):
    return np.einsum("ij,ij->i", a, b)
