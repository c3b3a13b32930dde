"""What the denominators of a softmax regression on wide sparse data need of all classes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..utils._threads import for_each
from ._cholesky import factorise_block, invert_factor, least_pivot, triangular_product
from ._woodbury import TILE, dot, refuse, scaled_inverse, tiles

#: Rows of the final products.
STRIP = 512


class ClassSums:
    """What the denominators of all training rows need of all classes.

    ``coupling`` is F, of which only the upper triangle is formed, and ``columns`` has for each
    gradient g a row ``W^1/2 Z M^-1 g``. With squares, the same is summed up for the penalised
    part ``M^-1 diag(r, ..., r, q) M^-1`` of the curvature, where ``N* - N*^2`` is in the place of
    ``I - N*``: it gives the length of ``H^-1 g``, as the parts of its intercepts are known.

    Parameters
    ----------
    merged : MergedRows
    ridges : ndarray of shape (n_columns,)
    with_squares : bool
    dtype : dtype
        Precision of the matrices that have a row for each of the rows.
    """

    def __init__(self, merged, ridges, with_squares, dtype):
        self.merged, self.ridges, self.with_squares = merged, ridges, with_squares
        n_distinct, n_gradients = merged.X.shape[0], len(merged.owner)
        n_classes = merged.probabilities.shape[1]
        self.plain = _Sums(n_distinct, n_gradients, dtype)
        self.squared: Any = _Sums(n_distinct, n_gradients, dtype) if with_squares else None
        n_aside = len(merged.aside.positions)
        #: ``h``, kappa, and ``a`` of each gradient.
        self.gauge, self.gauge_form = np.zeros((n_distinct, n_aside)), np.zeros((n_aside, n_aside))
        self.held = np.zeros((n_gradients, n_aside))
        #: The intercept of ``M^-1 g`` of each gradient in each class.
        self.intercepts = np.zeros((n_gradients, n_classes))
        #: ``P^1/2 U C^-1`` of each class, and its ``C^-1``, of which only the intercept's column.
        self.spreads = np.zeros((n_distinct, n_classes))
        self.inverse_bends = np.zeros((n_aside, n_classes))
        #: The penalised part between E and h, g, and itself.
        self.gauge_squared = np.zeros((n_distinct, n_aside))
        self.gradients_squared = np.zeros((n_gradients, n_aside))
        self.gauge_form_squared = np.zeros((n_aside, n_aside))

    def add(self, k, dual):
        """Add a class."""
        merged, root_p = self.merged, np.sqrt(self.merged.probabilities[:, k])
        residual = merged.residual[:, k]
        share, border = residual / dual.root[merged.owner], dual.border
        spreads = root_p[:, None] * border.spreads
        held = share[:, None] * border.spreads[merged.owner]
        self.gauge += spreads
        self.gauge_form += border.inverse
        self.held += held
        if merged.fit_intercept:
            self.spreads[:, k], self.intercepts[:, k] = spreads[:, -1], held[:, -1]
            self.inverse_bends[:, k] = border.inverse[:, -1]
        kept = dual.left - dual.left**2
        squares = np.zeros(len(root_p))
        if self.with_squares:
            product = dual.multiply(border.spreads)
            self.gauge_squared += root_p[:, None] * product
            self.gradients_squared += share[:, None] * product[merged.owner]
            self.gauge_form_squared += border.inverse - border.spreads.T @ border.spreads
            for rows in tiles(len(root_p)):
                squares[rows] = dot(dual.beside[rows], dual.beside[rows])
        # No two strips add to the same places. Numbers of another precision would copy each tile.
        of_tiles = (own.astype(dual.beside.dtype) for own in (dual.left, root_p, share))
        add_strip = partial(self._add_strip, dual.beside, *of_tiles)
        for_each(add_strip, list(tiles(len(root_p))))
        self._add_diagonal(self.plain, k, dual.left, dual.forms, dual.root)
        if self.with_squares:
            forms = dual.left * dual.forms - squares / dual.root**2
            self._add_diagonal(self.squared, k, kept - squares, forms, dual.root)

    def _add_strip(self, beside, left, root_p, share, rows):
        """Add some rows of the upper triangle, and of the lower one what mirrors them."""
        if self.with_squares:
            product = beside[rows] @ beside[:, rows.start :]
        for columns in tiles(len(root_p), rows.start):
            tile = beside[rows, columns]
            self._add_tile(self.plain, rows, columns, tile, root_p, share, -1)
            if self.with_squares:
                rest = tile * (1 - left[rows, None] - left[columns])
                rest -= product[:, columns.start - rows.start : columns.stop - rows.start]
                self._add_tile(self.squared, rows, columns, rest, root_p, share, 1)

    def _add_tile(self, sums, rows, columns, tile, root_p, share, sign):
        scaled = tile * root_p[rows, None]
        sums.coupling.part(rows, columns)[...] += scaled * root_p[columns]
        self._add_columns(sums.columns, rows, columns, scaled, sign * share)
        if columns.start > rows.start:
            scaled = tile.T * root_p[columns, None]
            self._add_columns(sums.columns, columns, rows, scaled, sign * share)

    def _add_columns(self, target, rows, columns, scaled, share):
        """Add a tile to the gradients of its columns."""
        own = self.merged.gradients_of(columns)
        of_gradients = scaled.T[self.merged.owner[own] - columns.start]
        target[own, rows] += of_gradients * share[own, None]

    def _add_diagonal(self, sums, k, diagonal, forms, root):
        p, owner, residual = (
            self.merged.probabilities[:, k],
            self.merged.owner,
            self.merged.residual,
        )
        sums.diagonal += p * diagonal
        sums.own += (np.sqrt(p) * root * forms)[owner] * residual[:, k]
        sums.forms += forms[owner] * residual[:, k] ** 2

    def close(self):
        """Yield ``g^T H^-1 g`` and, with squares, ``|H^-1 g|^2`` of each gradient."""
        for sums in (self.plain, self.squared):
            if sums is not None:
                sums.coupling.fill_diagonal(sums.diagonal)
                sums.columns[np.arange(len(self.merged.owner)), self.merged.owner] = sums.own
        inverse = scaled_inverse(self.gauge_form)
        coupling = self.plain.coupling.pop_matrix()
        for rows in tiles(len(self.gauge)):
            coupling[rows] += self.gauge[rows] @ inverse @ self.gauge.T
        factor, pivot = factorise_block(coupling)
        if pivot < least_pivot(len(factor), factor.dtype):
            refuse()
        factor = invert_factor(factor, factor.dtype)
        forms, squares = self.plain.forms, np.empty(len(self.merged.owner))
        for start in range(0, len(forms), STRIP):
            some = slice(start, start + STRIP)
            weight = self.held[some] @ inverse
            right = self.plain.columns[some] - weight @ self.gauge.T
            solved = triangular_product(factor, right.astype(factor.dtype, copy=False), False)
            forms[some] += dot(solved, solved) - dot(self.held[some], weight)
            if self.with_squares:
                solved = triangular_product(factor, solved, True)
                weight = weight + solved @ self.gauge @ inverse
                squares[some] = self._square_lengths(some, solved, weight)
        return (forms, squares) if self.with_squares else (forms,)

    def _square_lengths(self, some, solved, weight):
        """``|H^-1 g|^2`` of some gradients, from their ``t`` and ``kappa^-1 (a + h^T t)``."""
        penalised = self.squared.forms[some] + 2 * dot(solved, self.squared.columns[some])
        penalised += dot(self.squared.coupling.multiply(solved), solved)
        penalised -= 2 * dot(weight, self.gradients_squared[some] + solved @ self.gauge_squared)
        penalised += dot(weight @ self.gauge_form_squared, weight)
        intercepts = self.intercepts[some] + solved @ self.spreads
        intercepts -= weight @ self.inverse_bends
        ridge, intercept_ridge = self.ridges[0], self.ridges[-1]
        return penalised / ridge + (1 - intercept_ridge / ridge) * dot(intercepts, intercepts)


class UpperTriangle:
    """The upper triangle of a symmetric matrix, in half the memory: strips of its rows.

    Each begins with a square tile, which is whole.

    Parameters
    ----------
    size : int
    dtype : dtype
    """

    def __init__(self, size, dtype):
        self.size, self.dtype = size, dtype
        self.strips = [
            np.zeros((rows.stop - rows.start, size - rows.start), dtype) for rows in tiles(size)
        ]

    def part(self, rows, columns):
        """A view of the rows of one tile in some columns, which start at that tile or after."""
        strip = self.strips[rows.start // TILE]
        return strip[:, columns.start - rows.start : columns.stop - rows.start]

    def fill_diagonal(self, diagonal):
        for rows, strip in zip(tiles(self.size), self.strips, strict=True):
            np.fill_diagonal(strip, diagonal[rows])

    def multiply(self, vectors):
        """``v^T S`` for each row v."""
        products = np.zeros_like(vectors)
        for rows, strip in zip(tiles(self.size), self.strips, strict=True):
            products[:, rows.start :] += vectors[:, rows] @ strip
            products[:, rows] += vectors[:, rows.stop :] @ strip[:, len(strip) :].T
        return products

    def pop_matrix(self):
        """The triangle in a matrix with zeros below it; nothing is left here."""
        matrix = np.zeros((self.size, self.size), self.dtype)
        for rows in tiles(self.size):
            matrix[rows, rows.start :] = self.strips.pop(0)
        return matrix


class _Sums:
    """Sums over the classes: matrices, and what belongs onto their diagonals."""

    def __init__(self, n_distinct, n_gradients, dtype):
        self.coupling = UpperTriangle(n_distinct, dtype)
        self.columns = np.zeros((n_gradients, n_distinct), dtype)
        self.diagonal = np.zeros(n_distinct)
        self.own, self.forms = np.zeros(n_gradients), np.zeros(n_gradients)
