"""The Jacobian of linear predictors, which are the features themselves: ``J_i = I ⊗ x~_i^T``."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from scipy import sparse

from ..utils._blocks import block_budget, row_blocks
from ..utils._threads import CACHED_BYTES
from ._base import FiniteJacobian
from ._stored import READ_BYTES, StoredRows, held, stored, take_columns

#: Sparse blocks with a larger share of non-zeros than this are multiplied as dense ones:
#: BLAS does some eighty multiplications in the time that a sparse product does one.
DENSE_ABOVE = 0.0125


class LinearJacobian(FiniteJacobian):
    """Feature rows ``x~ = [x, 1]``, the same for each output, of which there may be any number.

    The column of ones exists block by block, or is left out of the products altogether.

    Parameters
    ----------
    X : ndarray, memmap, StoredRows or CSR matrix of shape (n_rows, n_features)
        Rows that are stored are read block by block, each time anew.
    fit_intercept : bool
        Whether the column of ones exists.

    Attributes
    ----------
    n_columns : int
        Parameters of an output, the intercept last.
    """

    def __init__(self, X: Any, fit_intercept: bool) -> None:
        self.X = stored(X)
        self.fit_intercept = fit_intercept
        self.n_rows, self.n_features = X.shape
        self.n_columns = self.n_features + bool(fit_intercept)
        self.dtype = X.dtype
        self.is_sparse = sparse.issparse(X)
        self.is_dense = not self.is_sparse

    #: Whether parameters are those of other columns than the user's features.
    is_reduced = False

    # --- other rows, columns and precisions --------------------------------------------------

    def __getitem__(self, rows):
        """Some of the rows, in memory."""
        return LinearJacobian(self.X[rows], self.fit_intercept)

    def part(self, rows):
        """Some of the rows, given by a slice, which stay in the file where they are in one."""
        X = self.X.part(rows) if isinstance(self.X, StoredRows) else self.X[rows]
        return LinearJacobian(X, self.fit_intercept)

    def loaded(self, rows, dtype):
        """Some of the rows, in memory, in a precision and the form that multiplies fastest."""
        X = self.X[rows].astype(dtype, copy=False)
        return LinearJacobian(X.toarray() if _is_filled(X) else X, self.fit_intercept)

    def at(self, X):
        """Other rows, given by the user's features, in the columns of this Jacobian."""
        return LinearJacobian(self.made_of(X), self.fit_intercept)

    def made_of(self, X):
        """The features of rows that parameters are multiplied by: the user's own."""
        return X

    def take_columns(self, columns):
        """The same rows with some of the features."""
        return LinearJacobian(take_columns(self.X, columns), self.fit_intercept)

    def astype(self, dtype):
        """The same rows in another precision."""
        return LinearJacobian(self.X.astype(dtype, copy=False), self.fit_intercept)

    def without_rows(self):
        """What tells :meth:`at` and :meth:`expand` all they need."""
        empty = copy(self)
        empty.X, empty.n_rows = self.X[:0].copy(), 0
        return empty

    def project(self, weights):
        """Parameters of these columns that stand for parameters of the user's features."""
        return weights

    def expand(self, weights):
        """Parameters of the user's features that parameters of these columns stand for."""
        return weights

    # --- blocks of rows ----------------------------------------------------------------------

    @property
    def n_products(self):
        """Products of two features that a row has, on average; infinite unless they are sparse."""
        if not (self.is_sparse and self.n_rows):
            return np.inf
        counts = np.diff(self.X.indptr) + float(self.fit_intercept)
        return float(np.mean(counts * (counts + 1) / 2))

    @property
    def bytes_at_once(self):
        """Bytes of the rows that a thread works on: what stays in its cache, unless it is read."""
        return READ_BYTES // 4 if isinstance(self.X, StoredRows) else CACHED_BYTES

    @property
    def n_stored(self):
        """Numbers of a row, on average, in the form (sparse or dense) that multiplies faster."""
        if self.is_sparse and not _is_filled(self.X):
            return self.X.nnz / max(1, self.n_rows)
        return self.n_columns

    def blocks(self, n_products):
        """Slices of rows that are neither small nor large, with so many products of each.

        Sparse rows make large ones: a sum over a block has all columns, however few its rows.
        """
        return row_blocks(self.n_rows, 8 * max(self.n_stored, n_products), block_budget())

    def loads_views(self, dtype):
        """Whether :meth:`loaded` leaves rows where they are, without a copy of their own."""
        return isinstance(self.X, np.ndarray) and self.X.dtype == dtype

    def features(self, rows=slice(None)):
        """``x`` of some rows in memory, as an array or a CSR matrix."""
        is_whole = isinstance(rows, slice) and rows == slice(None)
        # A slice of a sparse matrix is a copy.
        return held(self.X) if is_whole else self.X[rows]

    def block(self, rows):
        """``x~`` of some rows, CSR if the data are sparse, C-ordered otherwise."""
        X = self.X[rows]
        if not self.fit_intercept:
            return X
        ones = np.ones((X.shape[0], 1), dtype=self.dtype)
        return sparse.hstack([X, ones], format="csr") if self.is_sparse else np.hstack([X, ones])

    def dense_block(self, rows):
        """``x~`` of some rows as a dense array."""
        block = self.block(rows)
        return block.toarray() if self.is_sparse else block

    def product_block(self, rows):
        """``x~`` of some rows in the form (sparse or dense) that multiplies faster."""
        block = self.block(rows)
        return block.toarray() if _is_filled(block) else block

    def factors(self, rows):
        """The identity, and ``x~``."""
        return [(None, self.product_block(rows))]

    # --- products ----------------------------------------------------------------------------

    def apply(self, vectors, rows=slice(None)):
        """``W x~_i`` of some rows for each of the vectors W, shape (n, m, n_outputs).

        Parameters
        ----------
        vectors : ndarray of shape (m, n_outputs * n_columns)
        rows : slice or ndarray of int, default=slice(None)
        """
        n_outputs = vectors.shape[1] // self.n_columns
        eta = self._predictor(vectors.reshape(-1, self.n_columns), rows)
        return eta.reshape(len(eta), len(vectors), n_outputs)

    def _predictor(self, table, rows):
        # The column of ones is left out of the product, so that the features are not copied.
        coef = table[:, : self.n_features].T
        if isinstance(self.X, StoredRows):
            eta = self.X.product(rows, coef)
        else:
            eta = np.asarray(self.features(rows) @ coef)
        if self.fit_intercept:
            # Numbers that lie apart would be added one by one.
            eta += np.ascontiguousarray(table[:, -1])
        return eta

    def apply_each(self, vectors, rows):
        """``W_i x~_i`` with a table for each row: (n, n_outputs, n_columns) to (n, n_outputs).

        All are summed by the same loop, so that the products of equal rows are equal.
        """
        eta = np.einsum("nkd,nd->nk", vectors[:, :, : self.n_features], self.X[rows])
        return eta + vectors[:, :, -1] if self.fit_intercept else eta

    def predictor(self, weights, rows=slice(None)):
        """Linear predictor of some rows, shape (n, n_outputs)."""
        return self._predictor(weights.astype(self.dtype, copy=False), rows)

    def adjoint(self, residual, rows=slice(None)):
        """``sum_i r_im ⊗ x~_i`` over some rows, shape (m, n_outputs * n_columns).

        Parameters
        ----------
        residual : ndarray of shape (n, m, n_outputs)
        rows : slice or ndarray of int, default=slice(None)
        """
        _, n_vectors, n_outputs = residual.shape
        dtype = np.result_type(residual, self.dtype)
        summed = np.empty((n_vectors, n_outputs, self.n_columns), dtype)
        summed[..., : self.n_features] = self._pulled(residual, rows)
        if self.fit_intercept:
            summed[..., -1] = residual.sum(axis=0)
        return summed.reshape(n_vectors, n_outputs * self.n_columns)

    def add_adjoint(self, total, residual, rows=slice(None)):
        """Add :meth:`adjoint` to tables of shape (m, n_outputs, n_columns), without a copy."""
        total[..., : self.n_features] += self._pulled(residual, rows)
        if self.fit_intercept:
            total[..., -1] += residual.sum(axis=0)

    def _pulled(self, residual, rows):
        X, (n_rows, *shape) = self.features(rows), residual.shape
        flat = residual.reshape(n_rows, np.prod(shape))
        pulled = (X.T @ flat).T if sparse.issparse(X) else flat.T @ X
        return pulled.reshape(*shape, self.n_features)

    # --- gradients ---------------------------------------------------------------------------

    def n_values(self, n_outputs):
        """Numbers that a gradient takes in a block."""
        return n_outputs * self.n_columns

    def n_formed(self, n_vectors, n_outputs):
        """Numbers that :meth:`products` forms of each row, besides the products."""
        if n_vectors == 1 or (self.is_sparse and not _is_filled(self.X)):
            return n_vectors * n_outputs
        return self.n_values(n_outputs)

    def gradients(self, residual, rows, out=None):
        """``r_i ⊗ x~_i`` of some rows, shape (n, n_values), afresh or of dense rows in ``out``."""
        if self.is_sparse:
            return _outer(residual, self.dense_block(rows))
        # Written in place: stacking the column of ones first would copy the block once more.
        X, size = self.X[rows], self.n_values(residual.shape[1])
        out = np.empty((len(residual), size), self.dtype) if out is None else out
        cells = out.reshape(*residual.shape, self.n_columns)
        np.multiply(residual[:, :, None], X[:, None, :], out=cells[:, :, : self.n_features])
        if self.fit_intercept:
            cells[:, :, -1] = residual
        return out

    def products(self, block, residual, rows):
        """``block @ gradients.T`` of some rows, without forming those of sparse rows, or for one
        vector only.
        """
        if len(block) == 1:
            projected = self._predictor(block.reshape(-1, self.n_columns), rows)
            return np.einsum("nk,nk->n", projected, residual)[None]
        if not self.is_sparse:
            return block @ self.gradients(residual, rows).T
        x = self.product_block(rows)
        if not sparse.issparse(x):
            return block @ _outer(residual, x).T
        n_rows, n_outputs = residual.shape
        stacked = block.reshape(len(block) * n_outputs, -1)
        projected = x @ np.ascontiguousarray(stacked.T)
        projected = projected.reshape(n_rows, len(block), n_outputs)
        return np.matmul(projected, residual[:, :, None])[:, :, 0].T

    # --- sizes of the features ---------------------------------------------------------------

    def squared_lengths(self):
        """``x~_i^T x~_i`` of the rows, shape (n_rows,)."""
        if self.is_sparse:
            squares = np.asarray(self.X.power(2).sum(axis=1)).ravel()
        else:
            squares = np.einsum("ij,ij->i", self.X, self.X)
        return squares + self.dtype.type(self.fit_intercept)

    def known_lengths(self):
        """``|x~_i|`` of dense rows, shape (n_rows,); NaN where the square is out of range."""
        squares = self.squared_lengths()
        limits = np.finfo(self.dtype)
        in_range = (squares > limits.tiny / limits.eps) & (squares < limits.max)
        if not in_range.all():
            is_zero = ~self.X.any(axis=1) & (not self.fit_intercept)
            squares[~in_range] = np.where(is_zero, 0, np.nan)[~in_range]
        return np.sqrt(squares)

    def are_constant(self):
        """Which features are the same number in all rows, shape (n_features,)."""
        first = self.dense_block([0])[0, : self.n_features]
        constant = np.ones(self.n_features, bool)
        for rows in self.blocks(self.n_columns):
            X = self.loaded(rows, np.float64).X
            X = X.toarray() if sparse.issparse(X) else X
            constant &= (first == X).all(axis=0)
        return constant

    def column_lengths(self):
        """Norms of the columns in double precision, shape (n_columns,)."""
        squares = np.full(self.n_columns, float(self.n_rows))
        squares[: self.n_features] = 0
        for rows in self.blocks(1):
            X = self.loaded(rows, np.float64).X
            square = X.power(2) if sparse.issparse(X) else X**2
            squares[: self.n_features] += np.asarray(square.sum(axis=0)).ravel()
        return np.sqrt(squares)


def _is_filled(X):
    """Whether a matrix is sparse by its form only, and would better be multiplied as an array."""
    return sparse.issparse(X) and X.nnz > DENSE_ABOVE * X.shape[0] * X.shape[1]


def _outer(residual, x):
    return (residual[:, :, None] * x[:, None, :]).reshape(len(residual), -1)
