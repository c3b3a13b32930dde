"""Structured gradients of rows: a residual times the Jacobian of each."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ._linear import DENSE_ABOVE


class Gradients:
    """Unit gradients ``u_i ⊗ x~_i`` of rows, with the length ``norm_i`` of each residual.

    Directions and lengths are kept apart, because a row that the model fits perfectly still
    has a direction when its length underflows. A row whose gradient is zero by definition
    (weight 0, no support vector) has a zero direction.

    Parameters
    ----------
    jacobian : LinearJacobian
    unit : ndarray of shape (n_rows, n_outputs)
        Unit residuals.
    norm : ndarray of shape (n_rows,)
        Residual lengths.
    """

    def __init__(self, jacobian, unit, norm):
        self.jacobian = jacobian
        self.unit = unit
        self.norm = norm
        self.n_rows, self.n_outputs = unit.shape
        self.n_params = self.n_outputs * jacobian.n_columns

    def scaled(self, factors) -> Gradients:
        """Rows whose directions are multiplied with a factor each."""
        return Gradients(self.jacobian, self.unit * factors[:, None], self.norm)

    def part(self, rows) -> Gradients:
        """Some of the rows, given by a slice."""
        return Gradients(self.jacobian.part(rows), self.unit[rows], self.norm[rows])

    def block(self, rows):
        """Unit gradients of some rows as a fresh dense array, shape (n, n_params)."""
        unit = self.unit[rows]
        if self.jacobian.is_sparse:
            x = self.jacobian.dense_block(rows)
            return (unit[:, :, None] * x[:, None, :]).reshape(len(unit), -1)
        # Written in place: stacking the column of ones first would copy the block once more.
        X = self.jacobian.X[rows]
        block = np.empty((len(unit), self.n_outputs, self.jacobian.n_columns), self.jacobian.dtype)
        np.multiply(unit[:, :, None], X[:, None, :], out=block[:, :, : X.shape[1]])
        if self.jacobian.fit_intercept:
            block[:, :, -1] = unit
        return block.reshape(len(unit), -1)

    def norms(self, rows, block):
        """Lengths of gradients, given as a block that belongs to ``rows``."""
        return np.sqrt(np.einsum("ij,ij->i", block, block))

    def contract(self, vectors, rows):
        """``vectors @ block(rows).T``, shape (n_vectors, n), without forming a sparse block."""
        if self.jacobian.is_sparse:
            x = self.jacobian.product_block(rows)
            if sparse.issparse(x):
                return self._contract_sparse(vectors, x, self.unit[rows])
        return vectors @ self.block(rows).T

    def n_formed(self, n_vectors):
        """Numbers that :meth:`contract` forms of each row, besides the products."""
        X = self.jacobian.X
        if self.jacobian.is_sparse and X.nnz <= DENSE_ABOVE * X.shape[0] * X.shape[1]:
            return n_vectors * self.n_outputs
        return self.n_params

    def _contract_sparse(self, vectors, x, unit):
        n_vectors = len(vectors)
        stacked = vectors.reshape(n_vectors * self.n_outputs, -1)
        projected = (x @ np.ascontiguousarray(stacked.T)).reshape(-1, n_vectors, self.n_outputs)
        return np.matmul(projected, unit[:, :, None])[:, :, 0].T
