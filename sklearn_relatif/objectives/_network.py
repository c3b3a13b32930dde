"""Objectives of networks, at parameters where they may be neither convex nor at an optimum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..utils._blocks import block_budget, row_blocks
from ._gauss_newton import GaussNewtonObjective

#: Vectors that the rows are gone through for at once.
MANY = 64


@dataclass(frozen=True)
class NetworkObjective(GaussNewtonObjective):
    """A trained network, by its loss and its Jacobian at the trained parameters.

    Training stopped somewhere: the gradient need not be zero there, nor the Hessian positive
    definite. The damped Gauss-Newton matrix is, and to first order tells what the proximal
    Bregman response (Bae et al., 2022) does. The Hessian is exact::

        (1/S) [ sum_i s_i (J_i^T A_i J_i + sum_k r_ik d^2 eta_ik / d theta^2) + diag(Lambda) ].
    """

    removal_kind = "network"
    has_tables = True
    may_stop_early = True

    def score_weights(self, weights=None) -> np.ndarray:
        """The parameters as adapters have them, a row of all; by default the network's own."""
        return self.weights if weights is None else weights

    @property
    def is_bent(self):
        return self.jacobian.is_bent

    def astype(self, dtype) -> NetworkObjective:
        """The same objective in another precision."""
        weights = self.weights.astype(dtype, copy=False)
        return replace(self, weights=weights, jacobian=self.jacobian.astype(dtype))

    def curvature_blocks(self, kind, blocks):
        """Diagonal blocks of a curvature, the Hessian with its second derivatives of predictors."""
        matrices = super().curvature_blocks(kind, blocks)
        if kind == "hessian" and self.is_bent:
            for matrix, own in zip(matrices, blocks, strict=True):
                self._add_bends(matrix, own)
        return matrices

    def _add_bends(self, matrix, own):
        """By their products with unit vectors, some of the parameters after the other."""
        for some in row_blocks(len(matrix), 1, MANY):
            vectors = np.zeros((some.stop - some.start, self.weights.size), self.dtype)
            places = np.arange(own.start + some.start, own.start + some.stop)
            vectors[np.arange(len(vectors)), places] = 1
            products = np.zeros_like(vectors)
            bytes_per_row = len(vectors) * self.jacobian.n_between * vectors.itemsize
            for rows in row_blocks(self.n_rows, bytes_per_row, block_budget()):
                products += self.row_bend(vectors, rows)
            matrix[some] += products[:, own] / self.total_weight

    def row_bend(self, vectors, rows) -> np.ndarray:
        """What some rows have of the second derivatives of predictors, times vectors (m, P)."""
        length = self.rows.norm[rows] * self.sample_weight[rows]
        residual = self.rows.unit[rows] * length[:, None]
        return self.jacobian.bend(residual.astype(vectors.dtype, copy=False), vectors, rows)
