"""Models of few parameters: those of many resamples at once, in shared products."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import get_lapack_funcs, solve_triangular

from ..objectives import LinearObjective
from ..utils._blocks import block_budget, working_memory
from ._models import SHORT

#: Parameters up to which sums of the products of pairs of columns pay.
MOST_PARAMETERS = 1024
#: Share of the working memory that these products may take.
SHARE = 0.5
#: Arrays of a number for each row, model and pair of outputs that are held at once.
ARRAYS_AT_ONCE = 6
#: Copies of the Hessians that are.
COPIES = 4
#: Models at once: more share no more, and threads take a batch each.
MOST_AT_ONCE = 50
#: The least squared pivot of a Hessian of unit diagonal from which it counts as regular.
LEAST_PIVOTS = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-10}


class SteppedTogether(NamedTuple):
    """Models of several resamples, two Newton steps from that of all rows.

    Attributes
    ----------
    weights : ndarray of shape (n_models, n_outputs, n_columns)
    inverses : ndarray of shape (n_models, n_blocks, size, size)
        Of their Hessians in whitened coordinates, there or, where the second step is short, where
        the first has led.
    ratios : ndarray of shape (n_models,)
        Length of the second step to that of the first, each in the Hessian where it starts.
    """

    weights: np.ndarray
    inverses: np.ndarray
    ratios: np.ndarray


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

    Sums of ``w_i A_i z_i z_i^T`` over the rows are, for all weights w together, one product of
    them with the products of pairs of columns; and so are the forms ``z_i^T M z_i``, for all
    matrices M together. With columns that are whitened by the model of all rows, the Hessians are
    near to the identity, and single precision is enough for them: what it rounds off a step, the
    next step mends.

    Parameters
    ----------
    objective : LinearObjective
    damping : float
    dtype : dtype
        Of the Hessians.

    Attributes
    ----------
    root : ndarray of shape (n_columns, n_columns)
        ``W``, which takes features ``x~`` to whitened ones ``z = W^T x~``.
    z : ndarray of shape (n_rows, n_columns)
        Those of the rows.
    pairs : ndarray of shape (n_pairs_of_columns, n_rows)
        Products of pairs of their columns.
    place : ndarray of int, shape (n_columns, n_columns)
        Which pair two columns are.
    outputs : tuple of two ndarrays of int
        The pairs of outputs that the Hessian couples.

    Raises
    ------
    LinAlgError
        If the Hessian of all rows is singular.
    """

    def __init__(self, objective: LinearObjective, damping: float, dtype: Any) -> None:
        self.objective, self.dtype = objective, np.dtype(dtype)
        self.x = objective.jacobian.dense_block(slice(None))
        self.root = self._whitening()
        self.z = (self.x @ self.root).astype(dtype)
        columns, (first, second) = np.ascontiguousarray(self.z.T), np.tril_indices(self.z.shape[1])
        self.pairs = columns[first]
        self.pairs *= columns[second]
        self.place = np.empty((len(columns), len(columns)), int)
        self.place[first, second] = self.place[second, first] = np.arange(len(first))
        n_outputs = objective.shape[0]
        is_coupled = objective.loss.couples_outputs
        self.outputs = np.tril_indices(n_outputs) if is_coupled else (np.arange(n_outputs),) * 2
        self._penalty = self.in_blocks(objective.penalty)
        self._damping = self.in_blocks(np.array(damping)) if damping else None

    def _whitening(self):
        """``L^-T`` of the Hessian ``L L^T`` of all rows, in the mean over the outputs."""
        objective = self.objective
        bend = objective.weighted_second_derivative(slice(None))
        bend = np.einsum("nkk->nk", bend) if bend.ndim == 3 else bend
        gram = (self.x.T * bend.mean(axis=1)) @ self.x
        gram[np.diag_indices_from(gram)] += np.broadcast_to(
            objective.penalty, objective.shape
        ).mean(0)
        factor = factors_of(gram[None].copy())[0]
        return solve_triangular(factor, np.eye(len(gram)), lower=True).T

    def in_blocks(self, strengths: np.ndarray) -> np.ndarray:
        """A diagonal matrix of the parameters, in whitened coordinates.

        Parameters
        ----------
        strengths : ndarray that broadcasts to shape (n_outputs, n_columns)

        Returns
        -------
        ndarray of shape (n_blocks, size, size)
        """
        n_outputs, n_columns = self.objective.shape
        strengths = np.broadcast_to(strengths, self.objective.shape)
        each = (self.root.T * strengths[:, None]) @ self.root
        if not self.objective.loss.couples_outputs:
            return each.astype(self.dtype)
        whole = np.zeros((n_outputs, n_columns, n_outputs, n_columns), self.dtype)
        own = np.arange(n_outputs)
        whole[own, :, own] = each
        return whole.reshape(1, n_outputs * n_columns, -1)

    @property
    def n_at_once(self) -> int:
        """Resamples whose temporaries memory holds at once."""
        n_columns = self.z.shape[1]
        n_bytes = 8 * ARRAYS_AT_ONCE * self.objective.n_rows * len(self.outputs[0])
        n_bytes += COPIES * self.dtype.itemsize * len(self.outputs[0]) * n_columns**2
        return int(np.clip(block_budget() / n_bytes, 1, MOST_AT_ONCE))

    def steps(self, draws: np.ndarray) -> SteppedTogether:
        """The models of some resamples.

        Parameters
        ----------
        draws : ndarray of shape (n_models, n_rows)
            How often each row is in each of them.

        Raises
        ------
        LinAlgError
            If a Hessian is singular, or nearly so.
        """
        objective = self.objective
        weight = draws.T * objective.sample_weight[:, None].astype(np.float64)
        share = objective.penalty_share
        left = np.ones(len(draws)) if share is None else draws @ share
        fitted = np.repeat(objective.weights[None].astype(np.float64), len(draws), axis=0)
        eta = self.predictors(fitted)
        factors = factors_of(self._hessians(eta, weight, left))
        there, first = self._step(fitted, eta, factors, weight, left)
        eta = self.predictors(there)
        if not objective.loss.is_quadratic:
            factors = factors_of(self._hessians(eta, weight, left))
        ended, second = self._step(there, eta, factors, weight, left)
        ratios = np.sqrt(second / np.maximum(first, np.finfo(float).tiny))
        is_long = ratios > SHORT
        again = is_long | (self._damping is not None)
        if again.any():
            eta = self.predictors(np.where(is_long[:, None, None], ended, there)[again])
            hessians = self._hessians(eta, weight[:, again], left[again])
            if self._damping is not None:
                hessians += weight.sum(axis=0)[:, None, None, None] * self._damping
            factors[again] = factors_of(hessians)
        return SteppedTogether(ended, inverses_of(factors), ratios)

    def _step(self, weights, eta, factors, weight, left):
        """Where a step of each model leads, and its squared length in the Hessian."""
        gradients = self._gradients(weights, eta, weight, left) @ self.root
        flat = gradients.reshape(*factors.shape[:3]).astype(self.dtype)
        steps = solved(factors, flat).reshape(gradients.shape).astype(np.float64)
        return weights - steps @ self.root.T, np.einsum("bkd,bkd->b", steps, gradients).clip(0)

    def predictors(self, weights: np.ndarray) -> np.ndarray:
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
        k, m = self.outputs
        bend = self._of_models(self.objective.loss.second_derivative, eta.astype(self.dtype))
        bend = bend[:, :, k, m] if bend.ndim == 4 else bend
        bend = bend * weight[:, :, None].astype(self.dtype)
        sums = self.pairs @ bend.reshape(len(bend), -1)
        n_columns, (n_models, n_pairs) = self.z.shape[1], bend.shape[1:]
        grams = np.take(sums.T, self.place, axis=1)
        if self.objective.loss.couples_outputs:
            n_outputs = self.objective.shape[0]
            grams = grams.reshape(n_models, n_pairs, n_columns, n_columns)
            whole = np.empty((n_models, n_outputs, n_columns, n_outputs, n_columns), self.dtype)
            whole[:, k, :, m] = whole[:, m, :, k] = np.moveaxis(grams, 1, 0)
            grams = whole
        grams = grams.reshape(n_models, *self._penalty.shape)
        grams += left[:, None, None, None].astype(self.dtype) * self._penalty
        return grams

    def forms(self, matrices: np.ndarray) -> np.ndarray:
        """``z_i^T M_kl z_i`` of the rows, for the blocks of several matrices by outputs k and l.

        Parameters
        ----------
        matrices : ndarray of shape (n_models, n_blocks, size, size)
            Symmetric.

        Returns
        -------
        ndarray of shape (n_rows, n_models, n_pairs)
            For the pairs of :attr:`outputs`.
        """
        (k, m), (n_outputs, n_columns) = self.outputs, self.objective.shape
        if self.objective.loss.couples_outputs:
            cells = matrices.reshape(-1, n_outputs, n_columns, n_outputs, n_columns)
            matrices = np.moveaxis(cells[:, k, :, m], 0, 1)
            matrices = matrices + matrices.swapaxes(2, 3)
            matrices /= 2
        first, second = np.tril_indices(n_columns)
        cells = matrices.reshape(-1, n_columns**2)
        packed = np.take(cells, first * n_columns + second, axis=1)
        packed *= np.where(first == second, 1, 2).astype(self.dtype)
        return (self.pairs.T @ packed.T).reshape(-1, *matrices.shape[:2])

    def _of_models(self, derivative: Any, eta: np.ndarray) -> np.ndarray:
        """A derivative of the losses of several models, shape (n_rows, n_models, ...)."""
        n_rows, n_models, n_outputs = eta.shape
        y = np.repeat(self.objective.y, n_models, axis=0)
        values = derivative(y, eta.reshape(-1, n_outputs))
        values = values.reshape(n_rows, n_models, *values.shape[1:])
        if self.objective.output_weight is not None:
            values = values * self.objective.output_weight[:, None]
        return values


def factors_of(matrices: np.ndarray) -> np.ndarray:
    """Cholesky factors of positive definite matrices (..., size, size), lower, in their place.

    Raises
    ------
    LinAlgError
        If one is singular, or nearly so.
    """
    diagonals = np.einsum("...ii->...i", matrices).copy()
    (potrf,) = get_lapack_funcs(["potrf"], (matrices,))
    # LAPACK has columns first: to it, the lower half is the upper one.
    options = {"lower": False, "overwrite_a": True, "clean": False}
    ended = [potrf(own.T, **options)[1] for own in matrices.reshape(-1, *matrices.shape[-2:])]
    pivots = np.einsum("...ii->...i", matrices) ** 2
    if any(ended) or not (pivots > LEAST_PIVOTS[matrices.dtype] * diagonals).all():
        raise np.linalg.LinAlgError("A curvature is singular.")
    return matrices


def solved(factors: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``M^-1 v`` of vectors (..., size), by factors of the matrices."""
    found, size = np.empty_like(vectors), vectors.shape[-1]
    (potrs,) = get_lapack_funcs(["potrs"], (factors,))
    each = factors.reshape(-1, size, size), vectors.reshape(-1, size), found.reshape(-1, size)
    for factor, vector, own in zip(*each, strict=True):
        own[:] = potrs(factor.T, vector, lower=False)[0]
    return found


def inverses_of(factors: np.ndarray) -> np.ndarray:
    """``M^-1``, by factors of the matrices, which they take the place of."""
    (potri,) = get_lapack_funcs(["potri"], (factors,))
    size = factors.shape[-1]
    for factor in factors.reshape(-1, size, size):
        potri(factor.T, lower=False, overwrite_c=True)
    first, second = np.tril_indices(size, -1)
    factors[..., second, first] = factors[..., first, second]
    return factors
