"""Predictors of modules of PyTorch, whose Jacobians ``torch.func`` finds."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..utils._blocks import block_budget, row_blocks
from ._base import FiniteJacobian


@dataclass(frozen=True)
class ModuleFunction:
    """A module as a function of some of its parameters, all else held, in evaluation mode.

    Attributes
    ----------
    module : torch.nn.Module
    names : tuple of str
        The parameters that vary, in the order of the one vector that they make.
    """

    module: Any
    names: tuple[str, ...]

    @classmethod
    def of(cls, module: Any, parameters: Any) -> ModuleFunction:
        """A module by its parameters that are named; "all": those that have gradients."""
        named = {name for name, own in module.named_parameters() if own.requires_grad}
        chosen = named if parameters == "all" else set(parameters)
        names = tuple(name for name, _ in module.named_parameters() if name in chosen)
        return cls(module, names)

    @property
    def own(self) -> dict[str, Any]:
        """The parameters as they are, by their names."""
        named = dict(self.module.named_parameters())
        return {name: named[name].detach() for name in self.names}

    @property
    def held(self) -> dict[str, Any]:
        """All else."""
        named = {name: own.detach() for name, own in self.module.named_parameters()}
        others = {name: own for name, own in named.items() if name not in self.names}
        return {**others, **dict(self.module.named_buffers())}

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(own.numel() for own in self.own.values())

    def vector(self) -> np.ndarray:
        """The parameters as one vector, shape (n_params,)."""
        return np.concatenate([own.cpu().numpy().ravel() for own in self.own.values()])

    def astype(self, dtype: Any) -> ModuleFunction:
        """The same function in another precision."""
        import torch

        precision = getattr(torch, np.dtype(dtype).name)
        return replace(self, module=deepcopy(self.module).to(precision))

    def split(self, vector: Any) -> dict[str, Any]:
        """A vector, or vectors (m, n_params), as the parameters that it is made of."""
        parts = vector.split(self.sizes, dim=-1)
        shapes = (own.shape for own in self.own.values())
        return {
            name: part.reshape(*vector.shape[:-1], *shape)
            for name, part, shape in zip(self.names, parts, shapes, strict=True)
        }

    def of_row(self, chosen: dict[str, Any], x: Any) -> Any:
        """What the module gives for one row, shape (n_outputs,)."""
        return self.of_rows(chosen, x[None])[0]

    def of_rows(self, chosen: dict[str, Any], x: Any) -> Any:
        """What it gives for rows, shape (n, n_outputs)."""
        from torch.func import functional_call

        is_training = self.module.training
        self.module.eval()
        try:
            given = functional_call(self.module, {**self.held, **chosen}, (x,))
        finally:
            self.module.train(is_training)
        return given.reshape(len(x), -1)

    def tensor(self, values: Any) -> Any:
        """Numbers where the module is; those that are not whole in its precision."""
        import torch

        first = next(iter(self.own.values()))
        found = torch.as_tensor(np.ascontiguousarray(values), device=first.device)
        return found.to(first.dtype) if found.is_floating_point() else found

    def values(self, X: np.ndarray, batch_size: int, chosen: Any = None) -> np.ndarray:
        """What it gives for rows, a batch at a time, shape (n, n_outputs)."""
        import torch

        chosen = self.own if chosen is None else chosen
        with torch.no_grad():
            found = [
                self.of_rows(chosen, self.tensor(X[start : start + batch_size])).cpu().numpy()
                for start in range(0, len(X), batch_size)
            ]
        return np.concatenate(found)


class ModuleJacobian(FiniteJacobian):
    """Predictors ``C^T f(x)`` of rows by a module.

    Parameters
    ----------
    function : ModuleFunction
    X : ndarray of shape (n_rows, ...)
        Of any shape a row: features, pictures, tokens.
    outputs : ndarray of shape (n_given, n_outputs)
        ``C``: contrasts of the classes, or the identity.
    weights : ndarray of shape (n_params,)
        The parameters at which it is taken.
    batch_size : int
    """

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

    def predictor(self, weights: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        chosen = self._chosen(np.asarray(weights, self.dtype).ravel())
        values = self.function.values(self.X[rows], self.batch_size, chosen)
        return np.asarray(values @ self.outputs, self.dtype)

    def apply(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        import torch
        from torch.func import jvp, vmap

        own, tangents = self._chosen(self.weights), self._chosen(vectors)
        x = self.function.tensor(self.X[rows])

        def along(tangent: Any) -> Any:
            return jvp(lambda chosen: self.function.of_rows(chosen, x), (own,), (tangent,))[1]

        with torch.no_grad():
            moved = vmap(along)(tangents).cpu().numpy()
        return np.asarray(np.swapaxes(moved, 0, 1) @ self.outputs, vectors.dtype)

    def gradients(self, residual: np.ndarray, rows: Any) -> np.ndarray:
        from torch.func import grad, vmap

        own, function = self._chosen(self.weights), self.function
        x = function.tensor(self.X[rows])
        pulls = function.tensor(residual @ self.outputs.T)

        def of_row(chosen: Any, x: Any, pull: Any) -> Any:
            return (function.of_row(chosen, x) * pull).sum()

        per_row = vmap(grad(of_row), in_dims=(None, 0, 0))
        gradients = np.empty((len(residual), self.n_params), residual.dtype)
        for some in row_blocks(
            len(residual), 8 * self.dtype.itemsize * self.n_params, block_budget()
        ):
            parts = per_row(own, x[some], pulls[some])
            found = [parts[name].reshape(len(x[some]), -1).cpu().numpy() for name in function.names]
            np.concatenate(found, axis=1, out=gradients[some])
        return gradients

    def adjoint(self, residual: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        from torch.func import vjp

        own, function = self._chosen(self.weights), self.function
        x = function.tensor(self.X[rows])
        pulls = function.tensor(residual @ self.outputs.T)
        back: Any = vjp(lambda chosen: function.of_rows(chosen, x), own)[1]
        vectors = np.empty((residual.shape[1], self.n_params), residual.dtype)
        for m in range(residual.shape[1]):
            (parts,) = back(pulls[:, m])
            found = [parts[name].reshape(-1).cpu().numpy() for name in function.names]
            vectors[m] = np.concatenate(found)
        return vectors
