"""Curvatures of networks that are never formed: sums over rows, by products, and by layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ..utils._blocks import block_budget, row_blocks
from ._operator import apply_inner, hold_inner
from ._sizes import PENALISED, Sizes


class TangentOperator:
    """A curvature as the sum over the rows that defines it, where predictors have tangents::

        M = (1/S) sum_i J_i^T B_i J_i + diag(ridge).

    ``B_i`` is the row's weight times its second derivative, Fisher weight, or squared residual.
    The Hessian of a network has another part, of the second derivatives of its predictors.

    Parameters
    ----------
    objective : GaussNewtonObjective
    curvature : {"hessian", "gauss_newton", "fisher", "empirical_fisher"}
    damping : float

    Attributes
    ----------
    ridge : ndarray of shape (1, n_params), float64
        What the penalty (of the Hessian) and the damping add to the diagonal.
    is_sparse : bool
        Whether products are with sparse features, which BLAS has no threads for.
    is_bent : bool
        Whether it has that other part, with which it may not be positive definite.
    """

    is_sparse = False

    def __init__(self, objective, curvature, damping):
        self.objective = objective
        self.curvature = curvature
        self.damping = damping
        self.is_bent = curvature == "hessian" and objective.is_bent
        self.ridge = np.full(objective.shape, float(damping))
        if curvature in PENALISED:
            self.ridge += objective.penalty / objective.total_weight

    @property
    def n_params(self):
        return self.ridge.size

    def inner(self, rows):
        """``B_i`` of some rows: (n, n_outputs) if diagonal, else (n, n_outputs, n_outputs)."""
        return self.objective.inner(self.curvature, rows)

    def held(self, dtype) -> TangentOperator:
        """The same sum, to be multiplied many times with vectors of a precision."""
        return hold_inner(self, dtype)

    def multiply(self, vectors):
        """``M v`` for each row v, shape (n, n_params), in the precision of the vectors."""
        products = np.zeros_like(vectors)
        for rows in self._row_blocks(vectors):
            products += self.multiply_rows(vectors, rows)
        return products / self.objective.total_weight + self.regularise(vectors)

    def multiply_rows(self, vectors, rows):
        """The rows' part of ``S M v`` over some rows, given by a slice or by positions."""
        jacobian = self.objective.jacobian
        eta = apply_inner(self.inner(rows), jacobian.apply(vectors, rows))
        products = jacobian.adjoint(eta.astype(vectors.dtype, copy=False), rows)
        return products + self.objective.row_bend(vectors, rows) if self.is_bent else products

    def regularise(self, vectors):
        """What the penalty and the damping contribute to ``M v``."""
        return vectors * self.ridge.astype(vectors.dtype, copy=False)

    def restrict(self, vectors):
        """The same vectors: all parameters are free."""
        return vectors

    def diagonal(self):
        """Diagonal of M, shape (n_params,): but for second derivatives of the predictors."""
        total, jacobian = np.zeros(self.n_params), self.objective.jacobian.on_host
        for rows in self.objective.blocks(2 * self.n_params):
            for root, sign in self.objective.roots(self.curvature, rows):
                total += sign * np.square(jacobian.gradients(root, rows)).sum(axis=0)
        return total / self.objective.total_weight + self.ridge[0]

    def seen(self, vectors):
        """``sum_i J_i^T J_i v`` over the rows that count: zero where none sees a direction."""
        products, jacobian = np.zeros_like(vectors), self.objective.jacobian
        counts = (self.objective.sample_weight > 0).astype(vectors.dtype)
        for rows in self._row_blocks(vectors):
            eta = jacobian.apply(vectors, rows) * counts[rows][:, None, None]
            products += jacobian.adjoint(eta, rows)
        return products

    def bent(self, vectors):
        """What second derivatives of the predictors contribute to ``M v``, if it has these."""
        products = np.zeros_like(vectors)
        for rows in self._row_blocks(vectors):
            products += self.objective.row_bend(vectors, rows)
        return products / self.objective.total_weight

    def _row_blocks(self, vectors):
        bytes_per_row = len(vectors) * self.objective.jacobian.n_between * vectors.itemsize
        return row_blocks(self.objective.n_rows, bytes_per_row, block_budget())

    def blocks(self) -> list[np.ndarray]:
        """The diagonal blocks of M, one for each part that the Jacobian has."""
        places = self.objective.jacobian.parameter_blocks
        found = self.objective.curvature_blocks(self.curvature, places)
        for block in found:
            np.einsum("ii->i", block)[...] += self.damping
        return found

    def layers(self) -> list[LayerOperator]:
        """The diagonal blocks of M that are sums of Kronecker products, one a layer."""
        places = self.objective.jacobian.parameter_blocks
        return [LayerOperator(self, place, own) for place, own in enumerate(places)]


@dataclass(frozen=True)
class LayerOperator:
    """The block of a layer in a curvature.

    A sum of Kronecker products over the rows::

        M_l = (1/S) sum_i C_i ⊗ a_i a_i^T + diag(ridge),    C_i = B_il^T B_i B_il.

    Attributes
    ----------
    total : TangentOperator
    place : int
        Of the layer among the others.
    parameters : slice
        Those of the layer.
    """

    total: TangentOperator
    place: int
    parameters: slice

    @property
    def dtype(self):
        return self.total.objective.dtype

    @property
    def ridge(self) -> np.ndarray:
        """What is added to the diagonal, shape (n_units, n_columns)."""
        shape = self.total.objective.jacobian.layer_shapes[self.place]
        return self.total.ridge[0, self.parameters].reshape(shape)

    @property
    def curvature(self):
        return self.total.curvature

    @property
    def damping(self):
        return self.total.damping

    def sizes(self) -> Sizes:
        """What decides which structure it may be given."""
        objective, ridge = self.total.objective, self.ridge
        return Sizes.of_parameters(
            objective.n_rows,
            ridge.size,
            is_convex=objective.loss.is_convex,
            shares_penalty=not np.ptp(ridge, axis=0).any(),
        )

    def _pulls(self, rows):
        """``C_i = sum_k left_ik right_ik^T`` of some rows, shapes (n, k, n_units), and the a."""
        pulls, inputs = self.total.objective.jacobian.factors(rows)[self.place]
        inner = self.total.inner(rows)
        weighted = inner[:, :, None] * pulls if inner.ndim == 2 else inner @ pulls
        return weighted, pulls, inputs

    def _blocks(self):
        objective, (n_units, n_columns) = self.total.objective, self.ridge.shape
        return objective.blocks(3 * objective.loss.n_outputs * n_units + n_columns)

    def mean_inner(self):
        """``(1/S) sum_i C_i``, shape (n_units, n_units)."""
        n_units, found = len(self.ridge), 0.0
        for rows in self._blocks():
            left, right, _ = self._pulls(rows)
            found += left.reshape(-1, n_units).T.astype(np.float64) @ right.reshape(-1, n_units)
        return found / self.total.objective.total_weight

    def second_moment(self):
        """``sum_i a_i a_i^T`` with the shares of the rows in the traces of C."""
        moment, trace = 0.0, 0.0
        for rows in self._blocks():
            left, right, inputs = self._pulls(rows)
            weight = np.einsum("nku,nku->n", left, right).astype(np.float64)
            dense = inputs.toarray() if sparse.issparse(inputs) else inputs
            moment += (dense * weight[:, None]).T @ dense
            trace += weight.sum()
        return moment / trace if trace > 0 else moment

    def projected_diagonal(self, outputs, columns):
        """``(1/S) sum_i (U^T C_i U)_kk (T^T a_i)_j^2``, shape (n_units, n_basis)."""
        diagonal = np.zeros((len(outputs), columns.shape[1]))
        for rows in self._blocks():
            left, right, inputs = self._pulls(rows)
            own = np.einsum("nku,nku->nu", left @ outputs, right @ outputs)
            # Rounding may leave something below zero where the exact number is zero.
            diagonal += np.maximum(own, 0).T @ np.square(inputs @ columns)
        return diagonal / self.total.objective.total_weight
