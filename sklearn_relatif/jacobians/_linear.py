"""Feature rows and the structured gradients built on them.

The gradient of row i is ``g_i = r_i ⊗ x~_i``: a residual over the outputs times the row's
features (with a trailing 1 for the intercept). All the gradients at once would be a matrix of
n_rows x n_params; here they only ever exist as blocks of rows or contracted with vectors.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..utils._threads import CACHED_BYTES
from ._stored import READ_BYTES, StoredRows, stored

#: Sparse blocks with a larger share of non-zeros than this are multiplied as dense ones:
#: BLAS does some eighty multiplications in the time that a sparse product does one.
DENSE_ABOVE = 0.0125


class LinearJacobian:
    """Feature rows ``x~ = [x, 1]``, with the column of ones added block by block.

    Parameters
    ----------
    X : ndarray, memmap, StoredRows or CSR matrix of shape (n_rows, n_features)
        Rows that are stored are read block by block, each time anew.
    fit_intercept : bool
        Whether the column of ones exists.
    """

    def __init__(self, X, fit_intercept):
        self.X = stored(X)
        self.fit_intercept = fit_intercept
        self.n_rows = X.shape[0]
        self.n_columns = X.shape[1] + bool(fit_intercept)
        self.dtype = X.dtype
        self.is_sparse = sparse.issparse(X)

    #: How many columns more there could be with the same rows, and other labels and weights.
    n_spare = 0

    def __getitem__(self, rows):
        """The Jacobian of some of the rows."""
        return LinearJacobian(self.X[rows], self.fit_intercept)

    def part(self, rows) -> LinearJacobian:
        """Some of the rows, given by a slice, which stay in the file where they are in one."""
        X = self.X.part(rows) if isinstance(self.X, StoredRows) else self.X[rows]
        return LinearJacobian(X, self.fit_intercept)

    @property
    def bytes_at_once(self):
        """Bytes of the rows that a thread works on: what stays in its cache, unless it is read."""
        return READ_BYTES // 4 if isinstance(self.X, StoredRows) else CACHED_BYTES

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
        if self.is_sparse and block.nnz > DENSE_ABOVE * block.shape[0] * block.shape[1]:
            return block.toarray()
        return block

    def predictor(self, weights, rows):
        """Linear predictor of some rows, shape (n, n_outputs)."""
        weights = weights.astype(self.dtype, copy=False)
        coef = weights[:, : self.X.shape[1]].T
        is_stored = isinstance(self.X, StoredRows)
        eta = self.X.product(rows, coef) if is_stored else np.asarray(self.X[rows] @ coef)
        return eta + weights[:, -1] if self.fit_intercept else eta

    def contract(self, weights):
        """``sum_i w_i ⊗ x~_i`` over the rows, shape (n_outputs, n_columns)."""
        X = self.X
        summed = np.empty((weights.shape[1], self.n_columns), np.result_type(weights, self.dtype))
        summed[:, : X.shape[1]] = (X.T @ weights).T if self.is_sparse else weights.T @ X
        if self.fit_intercept:
            summed[:, -1] = weights.sum(axis=0)
        return summed

    def squared_lengths(self):
        """``x~_i^T x~_i`` of the rows, shape (n_rows,)."""
        if self.is_sparse:
            squares = np.asarray(self.X.power(2).sum(axis=1)).ravel()
        else:
            squares = np.einsum("ij,ij->i", self.X, self.X)
        return squares + self.dtype.type(self.fit_intercept)

    def scaled_block(self, rows, factor):
        """``factor_i x~_i`` of some rows of a dense Jacobian, shape (n, n_columns)."""
        X = self.X[rows]
        block = np.empty((len(factor), self.n_columns), self.dtype)
        np.multiply(X, factor[:, None], out=block[:, : X.shape[1]])
        if self.fit_intercept:
            block[:, -1] = factor
        return block

    def at(self, X) -> LinearJacobian:
        """Other rows, given by the user's features, in the columns of this Jacobian."""
        return LinearJacobian(X, self.fit_intercept)

    def astype(self, dtype) -> LinearJacobian:
        """The same rows in another precision."""
        return LinearJacobian(self.X.astype(dtype, copy=False), self.fit_intercept)

    def project(self, weights):
        """Parameters of these columns that stand for parameters of the user's features."""
        return weights

    def expand(self, weights):
        """Parameters of the user's features that parameters of these columns stand for."""
        return weights
