"""Predictors of modules of PyTorch, whose Jacobians ``torch.func`` finds."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np

from ..utils._blocks import block_budget, row_blocks
from ._base import FiniteJacobian
from ._composed import slices_of
from ._module_function import TRIED, ModuleFunction


def log_of_probabilities(given: Any) -> Any:
    """What skorch takes the negative log likelihood of."""
    import torch

    return torch.log(given + torch.finfo(given.dtype).eps)


class ModuleJacobian(FiniteJacobian):
    """Predictors ``C^T f(x)`` of rows by a module.

    Parameters
    ----------
    function : ModuleFunction
    X : ndarray of shape (n_rows, ...)
        Of any shape a row: features, pictures, tokens. Or a tensor on a device.
    outputs : ndarray of shape (n_given, n_outputs)
        ``C``: contrasts of the classes, or the identity.
    weights : ndarray of shape (n_params,)
        The parameters at which it is taken.
    batch_size : int
        Rows at once where only what the module gives for them is asked for.
    """

    is_bent = True
    is_costly = True

    def __init__(
        self, function: ModuleFunction, X: Any, outputs: np.ndarray, weights: Any, batch_size: int
    ) -> None:
        self.function = function
        self.X = X
        self.outputs = outputs
        self.weights = weights
        self.batch_size = batch_size
        self.n_rows = len(X)
        self.n_params = len(weights)
        self.dtype = weights.dtype
        self.place = function.place
        self.can_be_split = self.place is None

    @property
    def on_host(self) -> ModuleJacobian:
        changed = copy(self)
        changed.place = None
        return changed

    @property
    def parameter_blocks(self) -> list[slice]:
        return list(slices_of(self.function.layer_sizes))

    def __getitem__(self, rows: Any) -> ModuleJacobian:
        return self.at(self.X[rows])

    def at(self, X: Any) -> ModuleJacobian:
        return ModuleJacobian(self.function, X, self.outputs, self.weights, self.batch_size)

    def astype(self, dtype: Any) -> ModuleJacobian:
        if np.dtype(dtype) == self.dtype:
            return self
        function, weights = self.function.astype(dtype), self.weights.astype(dtype)
        return ModuleJacobian(
            function, self.X, self.outputs.astype(dtype), weights, self.batch_size
        )

    def moved(self, weights: np.ndarray) -> ModuleJacobian:
        own = np.asarray(weights, self.dtype).ravel()
        return ModuleJacobian(self.function, self.X, self.outputs, own, self.batch_size)

    def _chosen(self, weights: Any) -> dict[str, Any]:
        return self.function.split(self.function.tensor(weights))

    def _pulls(self, residual: np.ndarray) -> Any:
        """Residuals as they pull at what the module gives."""
        return self.function.tensor(residual @ self.outputs.T.astype(residual.dtype))

    def _blocks(self, n_rows: int, values_per_row: int) -> Iterator[slice]:
        """Slices of rows whose temporaries fit into the working memory."""
        bytes_per_row = self.dtype.itemsize * max(1, values_per_row)
        budget = block_budget() if self.place is None else self.place.block_bytes()
        return row_blocks(n_rows, bytes_per_row, 2 * budget)

    def _n_activations(self) -> int:
        """Numbers that the layers give for a row, known when the module has been tried."""
        return self.function.try_on(self.function.tensor(self.X[:TRIED])).n_activations

    def predictor(self, weights: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        chosen = self._chosen(np.asarray(weights, self.dtype).ravel())
        values = self.function.values(self.X[rows], self.batch_size, chosen)
        if values.shape[1] != len(self.outputs):
            raise ValueError(
                f"{type(self.function.module).__name__} gives {values.shape[1]} output(s) for rows "
                f"of shape {tuple(self.X.shape[1:])}, and gave {len(self.outputs)} for those that "
                "it was fitted to."
            )
        return np.asarray(values @ self.outputs, self.dtype)

    def apply(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        X, function = self.X[rows], self.function
        moved = np.empty((len(X), len(vectors), self.outputs.shape[1]), vectors.dtype)
        with function.at_work():
            n_values = 2 * self._n_activations() * len(vectors)
            own, tangents = self._chosen(self.weights), self._chosen(vectors)
            for some in self._blocks(len(X), n_values):
                x = function.tensor(X[some])
                found = function.along(lambda own, x=x: function.of_rows(own, x), own, tangents)
                moved[some] = np.swapaxes(found.detach().cpu().numpy(), 0, 1) @ self.outputs
        return moved

    def gradients(self, residual: np.ndarray, rows: Any) -> Any:
        return self.gradients_of(residual[:, None], rows)[:, 0]

    def gradients_of(self, residuals: np.ndarray, rows: Any) -> Any:
        X, function = self.X[rows], self.function
        shape = (*residuals.shape[:2], self.n_params)
        where: Any = np if self.place is None else self.place
        gradients = where.empty(shape, residuals.dtype)
        with function.at_work():
            n_values = 2 * residuals.shape[1] * (self.n_params + self._n_activations())
            own, pulls = self._chosen(self.weights), self._pulls(residuals)
            for some in self._blocks(len(X), n_values):
                found = function.pulled(own, function.tensor(X[some]), pulls[some]).detach()
                gradients[some] = found.cpu().numpy() if self.place is None else found
        return gradients

    def adjoint(self, residual: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        X, function = self.X[rows], self.function
        vectors = np.zeros((residual.shape[1], self.n_params), residual.dtype)
        with function.at_work():
            own, pulls = self._chosen(self.weights), self._pulls(residual)
            for some in self._blocks(len(X), 2 * self._n_activations()):
                x = function.tensor(X[some])
                for m, vector in enumerate(vectors):
                    vector += function.summed(own, x, pulls[some, m]).detach().cpu().numpy()
        return vectors

    def bend(
        self, residual: np.ndarray, vectors: np.ndarray, rows: Any = slice(None)
    ) -> np.ndarray:
        """By the derivative of the adjoint along each of the vectors."""
        X, function = self.X[rows], self.function
        bent = np.zeros_like(vectors)
        with function.at_work():
            n_values = 4 * self._n_activations() * len(vectors)
            own, tangents = self._chosen(self.weights), self._chosen(vectors)
            pulls = self._pulls(residual)
            for some in self._blocks(len(X), n_values):
                x, pull = function.tensor(X[some]), pulls[some]
                found = function.along(
                    lambda own, x=x, pull=pull: function.summed(own, x, pull), own, tangents
                )
                bent += found.detach().cpu().numpy()
        return bent
