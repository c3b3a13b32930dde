"""Models of few parameters: those of many resamples at once, in shared products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..curvature import Curvature
from ..objectives import LinearObjective
from ..utils._arrays import row_products
from ..utils._blocks import block_budget, row_blocks, working_memory
from ..utils._threads import CACHED_BYTES
from ._models import SHORT, Stepped

#: Parameters up to which sums of the products of pairs of columns pay.
MOST_PARAMETERS = 128
#: Share of the working memory that these products may take.
SHARE = 0.5
#: Arrays of a number for each row, model and pair of outputs that are held at once.
ARRAYS_AT_ONCE = 6
#: The least squared pivot of a Hessian of unit diagonal from which its inverse is computed.
LEAST_PIVOT = 1e-10


class DenseInverse(Curvature):
    """A curvature by the blocks of its inverse, up to a factor.

    Parameters
    ----------
    blocks : ndarray of shape (n_blocks, size, size)
    """

    dtype = np.dtype(np.float64)

    def __init__(self, blocks: np.ndarray) -> None:
        self.blocks = blocks

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params)."""
        parts = gradients.reshape(len(gradients), len(self.blocks), -1).swapaxes(0, 1)
        return (parts @ self.blocks).swapaxes(0, 1).reshape(gradients.shape)

    def lengths(self, rows, criterion):
        """Lengths of the whitened and of the solved unit gradients of the training rows."""
        found = {name: np.empty(rows.n_rows) for name in ("loss_relative", "theta_relative")}
        for some in row_blocks(rows.n_rows, 8 * rows.n_values, CACHED_BYTES):
            gradients = rows.block(some)
            solved = self.solve(gradients)
            found["loss_relative"][some] = np.sqrt(row_products(gradients, solved).clip(0))
            found["theta_relative"][some] = np.sqrt(row_products(solved, solved))
        return found


def is_of_few(objective: LinearObjective) -> bool:
    """Whether an objective has few parameters, and features that are at hand."""
    n_outputs, n_columns = objective.shape
    if objective.mask is not None or objective.loss.has_gauge:
        return False
    if n_outputs * n_columns > MOST_PARAMETERS or not objective.jacobian.loads_views(np.float64):
        return False
    return 4 * objective.n_rows * n_columns**2 <= SHARE * working_memory()


class FewParameters:
    """Models of several resamples at once, two steps from that of all rows.

    Sums of ``w_i A_i x~_i x~_i^T`` over the rows are, for all weights w together, one product of
    them with the products of pairs of columns.

    Parameters
    ----------
    objective : LinearObjective
    damping : float
    """

    def __init__(self, objective: LinearObjective, damping: float) -> None:
        self.objective, self.damping = objective, damping
        self.x = objective.jacobian.dense_block(slice(None))
        self.first, self.second = np.tril_indices(self.x.shape[1])
        self.pairs = self.x[:, self.first] * self.x[:, self.second]

    @property
    def n_at_once(self) -> int:
        """Resamples whose temporaries memory holds at once."""
        n_outputs = self.objective.shape[0]
        n_values = n_outputs**2 if self.objective.loss.couples_outputs else n_outputs
        n_bytes = 8 * ARRAYS_AT_ONCE * self.objective.n_rows * n_values
        return max(1, int(block_budget() / n_bytes))

    def steps(self, draws: np.ndarray) -> Iterator[Stepped]:
        """The models of some resamples.

        Parameters
        ----------
        draws : ndarray of shape (n_models, n_rows)
            How often each row is in each of them.

        Yields
        ------
        Stepped

        Raises
        ------
        LinAlgError
            If a Hessian is singular.
        """
        objective = self.objective
        weight = draws.T * objective.sample_weight[:, None].astype(np.float64)
        share = objective.penalty_share
        left = np.ones(len(draws)) if share is None else draws @ share
        weights = np.repeat(objective.weights[None].astype(np.float64), len(draws), axis=0)
        weights, hessians, first = self._step(weights, weight, left)
        ended, hessians, second = self._step(weights, weight, left)
        ratios = np.sqrt(second / np.maximum(first, np.finfo(float).tiny))
        is_long = ratios > SHORT
        if is_long.any():
            eta = self._predictors(ended[is_long])
            hessians[is_long] = self._hessians(eta, weight[:, is_long], left[is_long])
        total = weight.sum(axis=0)
        np.einsum("bgii->bgi", hessians)[...] += (self.damping * total)[:, None, None]
        for own, inverse, ratio in zip(ended, inverses_of(hessians), ratios, strict=True):
            yield Stepped(replace(objective, weights=own), DenseInverse(inverse), ratio)

    def _step(self, weights, weight, left):
        """Where a Newton step of each model leads, its Hessian, and the squared length in that."""
        eta = self._predictors(weights)
        hessians = self._hessians(eta, weight, left)
        gradients = self._gradients(weights, eta, weight, left)
        flat = gradients.reshape(*hessians.shape[:3], 1)
        steps = (inverses_of(hessians) @ flat).reshape(gradients.shape)
        return weights - steps, hessians, np.einsum("bkd,bkd->b", steps, gradients).clip(0)

    def _predictors(self, weights):
        """Of the rows by several models, shape (n_rows, n_models, n_outputs)."""
        eta = self.x @ weights.reshape(-1, self.x.shape[1]).T
        return eta.reshape(-1, *weights.shape[:2])

    def _gradients(self, weights, eta, weight, left):
        """Of the sum over the rows, with penalties, shape (n_models, n_outputs, n_columns)."""
        objective = self.objective
        residual = self._of_models(objective.loss.residual, eta) * weight[:, :, None]
        pulled = objective.jacobian.adjoint(residual).reshape(weights.shape)
        return pulled + left[:, None, None] * (objective.penalty * weights + objective.slope)

    def _hessians(self, eta, weight, left):
        """Of the sum over the rows, with penalties, shape (n_models, n_blocks, size, size)."""
        objective, (n_outputs, n_columns) = self.objective, self.objective.shape
        bend, n_models = self._of_models(objective.loss.second_derivative, eta), weight.shape[1]
        k, m = np.tril_indices(n_outputs)
        if objective.loss.couples_outputs:
            bend = bend[:, :, k, m]
        bend = bend * weight.reshape(*weight.shape, 1)
        sums = self.pairs.T @ bend.reshape(len(bend), -1)
        grams = np.empty((n_models, bend.shape[2], n_columns, n_columns))
        sums = np.moveaxis(sums.reshape(-1, *grams.shape[:2]), 0, 2)
        grams[:, :, self.first, self.second] = grams[:, :, self.second, self.first] = sums
        if objective.loss.couples_outputs:
            whole = np.empty((n_models, n_outputs, n_columns, n_outputs, n_columns))
            whole[:, k, :, m] = whole[:, m, :, k] = np.moveaxis(grams, 1, 0)
            grams = whole.reshape(n_models, 1, n_outputs * n_columns, -1)
        penalty = np.broadcast_to(objective.penalty, objective.shape)
        penalty = left[:, None, None] * penalty.reshape(grams.shape[1], -1)
        np.einsum("bgii->bgi", grams)[...] += penalty
        return grams

    def _of_models(self, derivative: Any, eta: np.ndarray) -> np.ndarray:
        """A derivative of the losses of several models, shape (n_rows, n_models, ...)."""
        n_rows, n_models, n_outputs = eta.shape
        y = np.repeat(self.objective.y, n_models, axis=0)
        values = derivative(y, eta.reshape(-1, n_outputs))
        values = values.reshape(n_rows, n_models, *values.shape[1:])
        if self.objective.output_weight is not None:
            values = values * self.objective.output_weight[:, None]
        return values


def inverses_of(matrices: np.ndarray) -> np.ndarray:
    """Inverses of positive definite matrices (..., size, size).

    Raises
    ------
    LinAlgError
        If one is singular, or nearly so.
    """
    scale = 1 / np.sqrt(np.einsum("...ii->...i", matrices))
    scale = scale[..., :, None] * scale[..., None, :]
    scaled = matrices * scale
    pivots = np.einsum("...ii->...i", np.linalg.cholesky(scaled))
    if not pivots.min(initial=1) ** 2 > LEAST_PIVOT:
        raise np.linalg.LinAlgError("A curvature is singular.")
    return np.linalg.inv(scaled) * scale
