"""Predictors of layered networks, whose Jacobians are Kronecker products, a layer each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from ._base import FiniteJacobian


@dataclass(frozen=True)
class Activation:
    """A function that is applied to each number of a hidden layer.

    Attributes
    ----------
    value : callable
        From the numbers before it, of any shape.
    slope : callable
        Its derivative, from the numbers after it.
    """

    value: Any
    slope: Any


ACTIVATIONS = {
    "identity": Activation(lambda h: h, np.ones_like),
    "logistic": Activation(expit, lambda a: a * (1 - a)),
    "tanh": Activation(np.tanh, lambda a: 1 - a**2),
    "relu": Activation(lambda h: np.maximum(h, 0), lambda a: (a > 0).astype(a.dtype)),
}


@dataclass(frozen=True)
class Layers:
    """The parameters of a network of dense layers.

    As one vector they are the tables of the layers one after the other, each of shape
    (n_units, n_inputs + 1): a row a unit, its intercept last.

    Attributes
    ----------
    tables : tuple of ndarray of shape (n_units, n_inputs + 1)
    activation : str
        Of all layers but the last one.
    """

    tables: tuple[np.ndarray, ...]
    activation: str

    @property
    def n_params(self) -> int:
        return sum(table.size for table in self.tables)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many parameters each layer has."""
        return tuple(table.size for table in self.tables)

    def vector(self) -> np.ndarray:
        """All parameters, shape (n_params,)."""
        return np.concatenate([table.ravel() for table in self.tables])

    def parts(self, vectors: np.ndarray) -> list[np.ndarray]:
        """Views (m, n_units, n_inputs + 1), one a layer, of vectors (m, n_params)."""
        blocks = np.split(vectors, np.cumsum(self.sizes)[:-1], axis=1)
        return [
            block.reshape(len(vectors), *table.shape)
            for block, table in zip(blocks, self.tables, strict=True)
        ]

    def at(self, vector: np.ndarray) -> Layers:
        """The same network with other parameters."""
        return replace(self, tables=tuple(part[0] for part in self.parts(vector[None])))

    def inputs(self, X: Any) -> Iterator[Any]:
        """What each layer takes of some rows, and last what the network answers."""
        function = ACTIVATIONS[self.activation].value
        *hidden, last = self.tables
        for table in hidden:
            yield X
            X = function(_affine(X, table))
        yield X
        yield _affine(X, last)


class LayeredJacobian(FiniteJacobian):
    """Predictors ``C^T f(x)`` of rows by a network of dense layers.

    With ``a_l`` what layer l takes, a 1 for the intercept included, and ``B_l`` the derivatives of
    the predictor in what it gives::

        J_i = [B_i1 ⊗ a_i1^T, ..., B_iL ⊗ a_iL^T].

    Parameters
    ----------
    layers : Layers
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    outputs : ndarray of shape (n_units_of_last, n_outputs)
        ``C``: contrasts of the classes, or the identity.
    """

    def __init__(self, layers: Layers, X: Any, outputs: np.ndarray) -> None:
        self.layers = layers
        self.X = X
        self.outputs = outputs
        self.n_rows = X.shape[0]
        self.n_params = layers.n_params
        self.dtype = X.dtype

    def __getitem__(self, rows: Any) -> LayeredJacobian:
        return self.at(self.X[rows])

    def at(self, X: Any) -> LayeredJacobian:
        return LayeredJacobian(self.layers, X, self.outputs)

    def moved(self, weights: np.ndarray) -> LayeredJacobian:
        return LayeredJacobian(self.layers.at(weights.ravel()), self.X, self.outputs)

    def predictor(self, weights: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        *_, answer = self.layers.at(weights.ravel()).inputs(self.X[rows])
        return np.asarray(answer @ self.outputs, self.dtype)

    def apply(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        *taken, answer = self.layers.inputs(self.X[rows])
        slope = ACTIVATIONS[self.layers.activation].slope
        moved: Any = 0
        parts = self.layers.parts(vectors)
        for table, part, inputs, given in zip(
            self.layers.tables, parts, taken, [*taken[1:], answer], strict=True
        ):
            own = np.stack([_affine(inputs, one) for one in part], axis=1)
            moved = own + moved @ table[:, :-1].T if np.ndim(moved) else own
            if table is not self.layers.tables[-1]:
                moved = moved * slope(given)[:, None]
        return np.asarray(moved @ self.outputs, vectors.dtype)

    def gradients(self, residual: np.ndarray, rows: Any) -> np.ndarray:
        taken, pulls = self._pulled(residual, rows)
        gradients = np.empty((len(residual), self.n_params), residual.dtype)
        for part, pull, inputs in zip(self.layers.parts(gradients), pulls, taken, strict=True):
            inputs = inputs.toarray() if sparse.issparse(inputs) else inputs
            np.multiply(pull[:, :, None], inputs[:, None], out=part[:, :, :-1])
            part[:, :, -1] = pull
        return gradients

    def adjoint(self, residual: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        vectors = np.empty((residual.shape[1], self.n_params), residual.dtype)
        parts = self.layers.parts(vectors)
        for m, one in enumerate(np.swapaxes(residual, 0, 1)):
            taken, pulls = self._pulled(one, rows)
            for part, pull, inputs in zip(parts, pulls, taken, strict=True):
                part[m, :, :-1] = (inputs.T @ pull).T
                part[m, :, -1] = pull.sum(axis=0)
        return vectors

    def _pulled(self, residual: np.ndarray, rows: Any) -> tuple[list[Any], list[np.ndarray]]:
        """What each layer takes of some rows, and what residuals pull at what it gives."""
        *taken, _ = self.layers.inputs(self.X[rows])
        slope = ACTIVATIONS[self.layers.activation].slope
        pulls = [residual @ self.outputs.T.astype(residual.dtype)]
        for table, given in zip(self.layers.tables[:0:-1], taken[:0:-1], strict=True):
            pulls.append((pulls[-1] @ table[:, :-1]) * slope(given))
        return taken, pulls[::-1]


def _affine(X: Any, table: np.ndarray) -> np.ndarray:
    return np.asarray(X @ table[:, :-1].T) + table[:, -1]
