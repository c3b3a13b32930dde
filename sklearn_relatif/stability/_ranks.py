"""Which rows are among the best of queries: of a model's scores, and of many models at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..utils._blocks import row_blocks
from ..utils._threads import CACHED_BYTES
from ._few import FewParameters, SteppedTogether

#: Condition of the Hessian of all rows up to which lengths of solved gradients are computed of it.
MOST_CONDITIONS = {np.dtype(np.float32): 1e4, np.dtype(np.float64): 1e12}


class RanksTogether:
    """The best rows of queries, by several models of few parameters at once.

    Parameters
    ----------
    few : FewParameters
    criterion : {"influence", "theta_relative", "loss_relative"}
    features : array-like or CSR matrix of shape (n_queries, n_features)
        Of the queries, as the model takes them.
    y : ndarray of shape (n_queries,) or (n_queries, n_targets)
        What they ask for.

    Raises
    ------
    LinAlgError
        If the precision of the models is too low for the criterion.
    """

    def __init__(self, few: FewParameters, criterion: str, features: Any, y: np.ndarray) -> None:
        self.few, self.criterion, self.y = few, criterion, y
        jacobian = few.objective.query_jacobian(features).astype(np.float64)
        self.x = jacobian.dense_block(slice(None))
        self.z = self.x @ few.root
        self.is_there = few.objective.sample_weight > 0
        if criterion == "theta_relative":
            if np.linalg.cond(few.root) ** 2 > MOST_CONDITIONS[few.dtype]:
                raise np.linalg.LinAlgError("Lengths would be those of rounding errors.")
            self.metric = few.in_blocks(np.array(1.0))

    def stays(self, models: SteppedTogether, indices: np.ndarray, sign: str) -> np.ndarray:
        """How many models have rows among the best, as many as are given of each query.

        Parameters
        ----------
        models : SteppedTogether
        indices : ndarray of int, shape (n_queries, n_examples)
            -1 where there is no row.
        sign : {"positive", "negative", "absolute"}

        Returns
        -------
        ndarray of int, shape (n_queries, n_examples)
        """
        n_rows, n_models = len(self.few.z), len(models.weights)
        scaled, solved = self._scaled(models), self._solved(models)
        n_stays = np.zeros(indices.shape, int)
        bytes_per_model = solved[0, :, :, 0].size * n_rows * self.few.dtype.itemsize
        for some in row_blocks(n_models, bytes_per_model, CACHED_BYTES):
            scores = solved[some].reshape(-1, self.few.z.shape[1]) @ self.few.z.T
            scores = scores.reshape(*solved[some].shape[:3], n_rows)
            scores *= scaled[some, None]
            scores = scores[:, :, 0] if scores.shape[2] == 1 else scores.sum(axis=2)
            asked = np.tile(indices, (len(scores), 1))
            best = among_best(scores.reshape(-1, n_rows), asked, sign)
            n_stays += np.count_nonzero(best.reshape(-1, *indices.shape), axis=0)
        return n_stays

    def _solved(self, models):
        """``H^-1 g`` of the queries, shape (n_models, n_queries, n_outputs, n_columns)."""
        few, (n_models, n_outputs, _) = self.few, models.weights.shape
        eta = self.x @ models.weights.swapaxes(1, 2)
        y = np.concatenate([self.y] * n_models)
        norm, unit = few.objective.loss.query_direction(y, eta.reshape(-1, n_outputs))
        unit = (unit * (norm > 0)[:, None]).reshape(*eta.shape, 1)
        gradients = (unit * self.z[:, None]).astype(few.dtype)
        n_blocks = models.inverses.shape[1]
        parts = gradients.reshape(n_models, len(self.x), n_blocks, -1).swapaxes(1, 2)
        return (parts @ models.inverses).swapaxes(1, 2).reshape(gradients.shape)

    def _scaled(self, models):
        """Unit residuals of the rows, times their factor in the criterion.

        Returns
        -------
        ndarray of shape (n_models, n_outputs, n_rows)
        """
        objective = self.few.objective
        eta = self.few.predictors(models.weights)
        n_rows, n_models, n_outputs = eta.shape
        weight = objective.output_weight
        norm, unit = objective.direction(
            np.repeat(objective.y, n_models, axis=0),
            eta.reshape(-1, n_outputs),
            None if weight is None else np.repeat(weight, n_models, axis=0),
        )
        unit = unit.reshape(eta.shape) * self.is_there[:, None, None]
        if self.criterion == "influence":
            factor = norm.reshape(n_rows, n_models)
            # Single precision has a shorter range.
            factor = factor / np.maximum(factor.max(axis=0), np.finfo(float).tiny)
        else:
            lengths = self._lengths(unit, models.inverses)
            factor = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        return np.moveaxis(unit * factor[:, :, None], 0, 2).astype(self.few.dtype)

    def _lengths(self, unit, inverses):
        """Denominators of a relative criterion, shape (n_rows, n_models)."""
        if self.criterion == "theta_relative":
            inverses = inverses @ self.metric @ inverses
        k, m = self.few.outputs
        # Pairs of different outputs stand for both orders.
        products = unit[:, :, k] * unit[:, :, m] * np.where(k == m, 1, 2)
        return np.sqrt(np.einsum("imp,imp->im", self.few.forms(inverses), products).clip(0))


def among_best(scores: np.ndarray, indices: np.ndarray, sign: str) -> np.ndarray:
    """Which rows would be among the best of each query, as many as are given of it.

    Parameters
    ----------
    scores : ndarray of shape (n_queries, n_rows)
    indices : ndarray of int, shape (n_queries, n_examples)
    sign : {"positive", "negative", "absolute"}

    Returns
    -------
    ndarray of bool, shape (n_queries, n_examples)
        False where an index is -1.
    """
    strength = {"positive": scores, "negative": -scores, "absolute": np.abs(scores)}[sign]
    own = np.take_along_axis(strength, np.maximum(indices, 0), axis=1)
    # Most rows are behind all that are given.
    flat = np.flatnonzero(strength > own.min(axis=1, keepdims=True))
    query = flat // strength.shape[1]
    ahead = strength.ravel()[flat][:, None] > own[query]
    better = [np.bincount(query[one], minlength=len(own)) for one in ahead.T]
    return (np.transpose(better) < own.shape[1]) & (own > 0) & (indices >= 0)
