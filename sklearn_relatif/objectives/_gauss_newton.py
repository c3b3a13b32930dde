"""Objectives of models that are not linear in their parameters, by their tangents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..jacobians import Gradients
from ..utils._arrays import inner_products
from ..utils._blocks import block_budget, row_blocks
from ._base import Objective
from ._grams import add_outer, mirror_lower
from ._sizes import PENALISED, Sizes

#: Gradients whose products are worth a pass over the matrix that they are added to.
MANY = 512
#: How many times the memory of so many gradients that of the matrix may be, where that is more.
FEW = 12


@dataclass(frozen=True)
class GaussNewtonObjective(Objective):
    """A fitted model by the Jacobians of its rows at the fitted parameters.

    The Hessian is that of the tangents, which is the Gauss-Newton matrix::

        (1/S) [ sum_i s_i J_i^T A_i J_i + diag(Lambda) ].

    It tells what rows pull at, and to first order where the parameters go. What the model is
    without some of the rows it does not tell: estimators are fitted again.

    Attributes
    ----------
    loss : Loss
    weights : ndarray of shape (1, n_params)
    jacobian : FiniteJacobian
        Of the training rows, at these parameters.
    y : ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,)
    penalty : ndarray of shape (1, n_params)
        ``Lambda``, the L2 penalty of each parameter.
    penalty_share : ndarray of shape (n_rows,) or None
        Share of ``Lambda`` that leaves with each row, where the penalty counts rows.
    """

    loss: Any
    weights: np.ndarray
    jacobian: Any
    y: np.ndarray
    sample_weight: np.ndarray
    penalty: np.ndarray
    penalty_share: Any = None

    removal_kind = "none"
    is_linear = False
    has_tangents = True
    has_tables = False
    slope = 0.0
    mask = None
    coupling = None

    @property
    def place(self):
        return self.jacobian.place

    @property
    def dtype(self):
        return self.jacobian.dtype

    @property
    def shape(self):
        """(1, n_params): there is no table with a row an output."""
        return self.weights.shape

    def sizes(self) -> Sizes:
        """What the choice of a solver asks."""
        return Sizes.of_parameters(
            self.n_rows,
            self.weights.size,
            is_convex=self.loss.is_convex,
            is_penalised=bool(self.penalty.min() > 0),
            itemsize=self.dtype.itemsize,
        )

    # --- rows ------------------------------------------------------------------------------

    @cached_property
    def training_predictor(self):
        return self.predictor(self.jacobian)

    @cached_property
    def rows(self) -> Gradients:
        counts = self.sample_weight > 0
        norm, unit = self.loss.direction(self.y, self.training_predictor)
        return Gradients(self.jacobian, unit * counts[:, None], norm * counts)

    def query_jacobian(self, X):
        return self.jacobian.at(X)

    def query_rows(self, jacobian, y) -> Gradients:
        norm, unit = self.loss.query_direction(y, self.predictor(jacobian))
        return Gradients(jacobian, unit, norm)

    def loss_rows(self, jacobian, y) -> Gradients:
        """Unit gradients of the losses of any rows, as training rows of labels ``y`` have them."""
        norm, unit = self.loss.direction(y, self.predictor(jacobian))
        return Gradients(jacobian, unit, norm)

    def predictor(self, jacobian):
        return jacobian.predictor(self.weights)

    # --- derivatives -------------------------------------------------------------------------

    def gradient(self) -> np.ndarray:
        """Gradient of J at the parameters, shape (1, n_params)."""
        weighted = (self.rows.norm * self.sample_weight)[:, None] * self.rows.unit
        pull = self.jacobian.adjoint(weighted[:, None])
        return (pull + self.penalty * self.weights) / self.total_weight

    def penalty_pulls(self):
        if self.penalty_share is None:
            return []
        return [(self.penalty_share, (self.penalty * self.weights)[0])]

    def curvature_diagonal(self, kind):
        """That of the identity."""
        return np.ones(self.weights.size, self.dtype) if kind == "identity" else None

    def hessian(self) -> np.ndarray:
        """That of the tangents, shape (1, n_params, n_params)."""
        return self._whole("hessian")

    def gauss_newton(self) -> np.ndarray:
        """The Gauss-Newton matrix, shape (1, n_params, n_params)."""
        return self._whole("gauss_newton")

    def fisher(self) -> np.ndarray:
        """Fisher information of the likelihood, shape (1, n_params, n_params)."""
        return self._whole("fisher")

    def empirical_fisher(self) -> np.ndarray:
        """Second moment of the row gradients, shape (1, n_params, n_params)."""
        return self._whole("empirical_fisher")

    def _whole(self, kind):
        (matrix,) = self.curvature_blocks(kind, [slice(0, self.weights.size)])
        return matrix[None]

    def curvature_blocks(self, kind: str, blocks: list[slice]) -> list[np.ndarray]:
        """Diagonal blocks of a curvature of the tangents, in the precision of the Jacobian.

        ``sum_i J_i^T B_i J_i`` by the gradients of roots of ``B_i``, of which BLAS adds the
        products of many at once to one triangle. Nothing else of its size is formed.
        """
        matrices = [np.zeros((own.stop - own.start,) * 2, self.dtype) for own in blocks]
        n_roots = 1 if kind == "empirical_fisher" else self.loss.n_outputs
        jacobian = self.jacobian.on_host
        for rows in self._many_rows(n_roots):
            roots = self.roots(kind, rows)
            for sign in {sign for _, sign in roots}:
                each = np.stack([root for root, own in roots if own == sign], axis=1)
                # Rows that the model is sure of have few roots.
                is_counted = each.any(axis=2)
                if not is_counted.any():
                    continue
                gradients = jacobian.gradients_of(each, rows)[is_counted]
                for matrix, own in zip(matrices, blocks, strict=True):
                    add_outer(matrix, np.ascontiguousarray(gradients[:, own]), sign)
        for matrix, own in zip(matrices, blocks, strict=True):
            mirror_lower(matrix)
            if kind in PENALISED:
                np.einsum("ii->i", matrix)[...] += self.penalty[0, own]
            matrix /= self.total_weight
        return matrices

    def _many_rows(self, n_roots):
        """Slices of rows whose gradients are enough to be worth a pass over the whole matrix."""
        by_memory = block_budget() // (2 * self.weights.size * self.dtype.itemsize)
        most = max(MANY, by_memory, self.weights.size // FEW)
        return row_blocks(self.n_rows, n_roots, most)

    def inner(self, kind: str, rows: Any) -> np.ndarray:
        """``B_i`` of some rows in a kind of curvature, shape (n, n_outputs[, n_outputs])."""
        if kind == "empirical_fisher":
            residual = self._weighted_residual(rows)
            return residual[:, :, None] * residual[:, None, :]
        return (self.weighted_fisher if kind == "fisher" else self.weighted_second_derivative)(rows)

    def roots(self, kind: str, rows: Any) -> list[tuple[np.ndarray, float]]:
        """``R_i`` of some rows with ``B_i = sum of sign R_i R_i^T``: arrays (n, n_outputs).

        The signs are 1 but for what rows of a loss that is not convex bend downwards. Roots of
        what rounding would leave nothing of beside the largest of these rows are zero.
        """
        if kind == "empirical_fisher":
            return [(self._weighted_residual(rows), 1.0)]
        values, vectors = _diagonalised(self.inner(kind, rows))
        rounding = np.finfo(values.dtype).eps * np.abs(values).max(initial=0)
        values = np.where(np.abs(values) > rounding, values, 0)
        signs = (1.0,) if self.loss.is_convex or kind == "fisher" else (1.0, -1.0)
        return [
            (vector * np.sqrt(np.maximum(sign * value, 0))[:, None], sign)
            for value, vector in zip(values.T, np.moveaxis(vectors, 2, 0), strict=True)
            for sign in signs
        ]

    def _weighted_residual(self, rows):
        """``sqrt(s_i) r_i`` of some rows."""
        length = self.rows.norm[rows] * np.sqrt(self.sample_weight[rows])
        return (self.rows.unit[rows] * length[:, None]).astype(self.dtype, copy=False)

    def forms(self, curvature):
        """A function of a slice of the rows to their forms ``J_i M^-1 J_i^T``."""
        units = np.eye(self.loss.n_outputs, dtype=self.dtype)

        def form(rows):
            each = np.broadcast_to(units, (len(self.y[rows]), *units.shape))
            gradients = self.jacobian.gradients_of(each, rows)
            whitened = curvature.whiten(gradients.reshape(-1, self.weights.size))
            whitened = whitened.reshape(*gradients.shape[:2], -1)
            return inner_products(whitened)

        return form

    def squared_distance(self):
        """The Newton decrement in effective rows, and the effective number of parameters."""
        hessian, ridge = self.on_host.gauss_newton()[0], self.penalty[0] / self.total_weight
        values, vectors = np.linalg.eigh(hessian)
        is_curved = values > len(values) * np.finfo(np.float64).eps * values.max(initial=0)
        values, vectors = values[is_curved], vectors[:, is_curved]
        n_rows = self.total_weight**2 / np.square(self.sample_weight).sum()
        square = np.sum((self.gradient()[0] @ vectors) ** 2 / values) / self.dispersion().mean()
        n_params = len(values) - np.sum((ridge @ vectors**2) / values)
        return float(n_rows * square), float(n_params)


def _diagonalised(inner):
    """Eigenvalues (n, k) and eigenvectors (n, k, k) of symmetric matrices, or of diagonals."""
    if inner.ndim == 2:
        units = np.eye(inner.shape[1], dtype=inner.dtype)
        return inner, np.broadcast_to(units, (len(inner), *units.shape))
    return np.linalg.eigh(inner)
