"""Objectives of networks, at parameters where they may be neither convex nor at an optimum."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def is_bent(self):
        return self.jacobian.is_bent

    def hessian(self) -> np.ndarray:
        """That of the network itself, shape (1, n_params, n_params)."""
        matrix = self.gauss_newton()
        units, size = np.eye(MANY, dtype=self.dtype), self.weights.size
        for some in row_blocks(size, 1, MANY):
            vectors = np.zeros((some.stop - some.start, size), self.dtype)
            vectors[:, some] = units[: len(vectors), : len(vectors)]
            matrix[0, some] += self.bend(vectors)
        return matrix

    def bend(self, vectors) -> np.ndarray:
        """The part of the Hessian that the Gauss-Newton matrix has not, times vectors (m, P)."""
        residual = self.rows.unit * (self.rows.norm * self.sample_weight)[:, None]
        residual, products = residual.astype(vectors.dtype, copy=False), np.zeros_like(vectors)
        bytes_per_row = len(vectors) * self.jacobian.n_between * vectors.itemsize
        for rows in row_blocks(self.n_rows, bytes_per_row, block_budget()):
            products += self.jacobian.bend(residual[rows], vectors, rows)
        return products / self.total_weight
