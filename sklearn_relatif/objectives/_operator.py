"""A curvature that is never formed: what iterative and structured solvers ask of an objective."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from scipy import sparse

from ..utils._blocks import block_budget, row_blocks
from ._grams import add_gram, mirror_lower

#: Blocks whose memory the ``B_i`` of all rows may take, to be held.
MOST_HELD = 8


class CurvatureOperator:
    """A curvature as the sum over the rows that defines it::

        M = (1/S) sum_i B_i ⊗ x~_i x~_i^T + diag(ridge).

    ``B_i`` is the row's weight times its second derivative, Fisher weight, or squared residual.

    Parameters
    ----------
    objective : LinearObjective
    curvature : {"hessian", "fisher", "empirical_fisher"}
    damping : float

    Attributes
    ----------
    ridge : ndarray of shape (n_outputs, n_columns), float64
        What the penalty (of the Hessian) and the damping add to the diagonal.
    coupling : ndarray of shape (n_columns, n_outputs, n_outputs) or None
        What the penalty adds beside it.
    is_sparse : bool
        Whether products are with sparse features, which BLAS has no threads for.
    is_bent : bool
        Whether there is a part of second derivatives of the predictors: linear ones have none.
    """

    is_bent = False

    def __init__(self, objective, curvature, damping):
        self.objective = objective
        self.curvature = curvature
        self.damping = damping
        self.ridge = np.full(objective.shape, float(damping))
        if curvature == "hessian":
            self.ridge += objective.penalty / objective.total_weight
        self.coupling = None
        if curvature == "hessian" and objective.coupling is not None:
            self.coupling = objective.coupling / objective.total_weight
            self.ridge += np.einsum("dkk->kd", self.coupling)
            self.coupling -= np.einsum("dkk->dk", self.coupling)[:, None] * np.eye(len(self.ridge))

    def astype(self, dtype) -> CurvatureOperator:
        """That of the objective with its features in another precision."""
        if self.dtype == dtype:
            return self
        return CurvatureOperator(self.objective.astype(dtype), self.curvature, self.damping)

    def inner(self, rows):
        """``B_i`` of some rows: (n, n_outputs) if diagonal, else (n, n_outputs, n_outputs)."""
        return {
            "hessian": self.objective.weighted_second_derivative,
            "fisher": self.objective.weighted_fisher,
            "empirical_fisher": self.objective.weighted_square,
        }[self.curvature](rows)

    def held(self, dtype) -> CurvatureOperator:
        """The same sum, to be multiplied many times with vectors of a precision."""
        return hold_inner(self, dtype)

    @property
    def n_params(self):
        return self.ridge.size

    @property
    def is_sparse(self):
        return self.objective.jacobian.is_sparse

    @property
    def dtype(self):
        return self.objective.dtype

    def sizes(self):
        """What decides which structure it may be given."""
        return self.objective.sizes()

    def multiply(self, vectors):
        """``M v`` for each row v, shape (n, n_params), in the precision of the vectors."""
        products = np.zeros_like(vectors)
        values_per_row = 2 * len(vectors) * len(self.ridge)
        if not self.objective.jacobian.loads_views(vectors.dtype):
            values_per_row += self.objective.jacobian.n_stored
        for rows in row_blocks(
            self.objective.n_rows, values_per_row * vectors.itemsize, block_budget()
        ):
            products += self.multiply_rows(vectors, rows)
        products /= self.objective.total_weight
        return products + self.regularise(vectors)

    def multiply_rows(self, vectors, rows):
        """``sum_i B_i ⊗ x~_i x~_i^T v`` over some rows, given by a slice or by positions."""
        own = self.objective.jacobian.loaded(rows, vectors.dtype)
        eta = apply_inner(self.inner(rows), own.apply(vectors))
        return self.restrict(own.adjoint(eta.astype(vectors.dtype, copy=False)))

    def regularise(self, vectors):
        """What the penalty and the damping contribute to ``M v``."""
        products = vectors * self.ridge.ravel().astype(vectors.dtype, copy=False)
        if self.coupling is None:
            return products
        tables = vectors.reshape(len(vectors), *self.ridge.shape)
        coupled = np.einsum("mkd,dkl->mld", tables, self.coupling.astype(vectors.dtype))
        return products + coupled.reshape(products.shape)

    def restrict(self, vectors):
        """Vectors with zeros for the parameters that an L1 penalty holds at zero."""
        mask = self.objective.mask
        return vectors if mask is None else vectors * mask.ravel()

    def diagonal(self):
        """Diagonal of M, shape (n_params,); 0 for parameters held at zero."""
        total = np.zeros(self.ridge.shape)
        for rows in self.objective.jacobian.blocks(len(self.ridge) ** 2):
            x = self.objective.jacobian.block(rows)
            squares = x.power(2) if sparse.issparse(x) else x**2
            total += np.asarray(squares.T @ self.rotated_inner(rows)).T
        return self.restrict((total / self.objective.total_weight + self.ridge).ravel())

    def rotated_inner(self, rows, rotation=None):
        """Diagonals of ``U^T B_i U``, one entry a column of U (the identity by default)."""
        inner = self.inner(rows)
        if rotation is None:
            return inner if inner.ndim == 2 else np.einsum("nkk->nk", inner)
        if inner.ndim == 2:
            return inner @ rotation**2
        # Rounding may leave something below zero where the exact number is zero.
        return np.maximum(np.einsum("nka,ka->na", inner @ rotation, rotation), 0)

    def mean_inner(self):
        """``(1/S) sum_i B_i``, shape (n_outputs, n_outputs)."""
        n_outputs = len(self.ridge)
        total = np.zeros((n_outputs, n_outputs))
        for rows in self.objective.blocks(4 * n_outputs**2):
            summed = self.inner(rows).sum(axis=0, dtype=np.float64)
            total += np.diag(summed) if summed.ndim == 1 else summed
        return total / self.objective.total_weight

    def output_grams(self, rotation=None):
        """``(1/S) sum_i (U^T B_i U)_kk x~_i x~_i^T``, one matrix a column of U."""
        n_outputs, n_columns = self.objective.shape
        n_grams = n_outputs if rotation is None else rotation.shape[1]
        grams = np.zeros((n_grams, n_columns, n_columns))
        for rows in self.objective.blocks(n_columns + n_grams * n_outputs):
            weights = self.rotated_inner(rows, rotation)
            x = self.objective.jacobian.product_block(rows)
            for gram, weight in zip(grams, weights.T, strict=True):
                add_gram(gram, x, weight)
        for gram in grams:
            mirror_lower(gram)
        grams /= self.objective.total_weight
        return grams

    def projected_diagonal(self, outputs, columns):
        """``(1/S) sum_i (U^T B_i U)_kk (T^T x~_i)_j^2``, shape (n_outputs, n_basis)."""
        diagonal = np.zeros((len(outputs), columns.shape[1]))
        bytes_per_row = 8 * (2 * columns.shape[1] + len(outputs) ** 2)
        for rows in row_blocks(self.objective.n_rows, bytes_per_row, block_budget()):
            projected = self.objective.jacobian.apply(columns.T, rows)[:, :, 0]
            diagonal += self.rotated_inner(rows, outputs).T @ projected**2
        return diagonal / self.objective.total_weight

    def second_moment(self):
        """``sum_i a_i x~_i x~_i^T``, where ``a_i`` is the share of row i in the traces of B."""
        n_outputs, n_columns = self.objective.shape
        moment, trace = np.zeros((n_columns, n_columns)), 0.0
        for rows in self.objective.blocks(n_columns + n_outputs**2):
            weight = self.rotated_inner(rows).sum(axis=1)
            add_gram(moment, self.objective.jacobian.product_block(rows), weight)
            trace += weight.sum(dtype=np.float64)
        mirror_lower(moment)
        return moment / trace if trace > 0 else moment


def hold_inner(total, dtype):
    """A sum over rows that holds all ``B_i`` in a precision, if they are few; else itself."""
    size = total.inner(slice(1)).size
    if total.objective.n_rows * size * np.dtype(dtype).itemsize > MOST_HELD * block_budget():
        return total
    blocks = total.objective.blocks(4 * size)
    every = np.concatenate([total.inner(rows).astype(dtype, copy=False) for rows in blocks])
    held: Any = copy(total)
    held.inner = every.__getitem__
    return held


def apply_inner(inner, eta):
    """``B_i eta_im`` for eta of shape (n, m, n_outputs)."""
    return eta * inner[:, None, :] if inner.ndim == 2 else np.matmul(eta, inner)
