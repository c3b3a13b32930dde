"""Predictors of layered networks, whose Jacobians are Kronecker products, a layer each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import expit

from ..utils._blocks import block_budget, row_blocks
from ._base import FiniteJacobian
from ._composed import slices_of


@dataclass(frozen=True)
class Activation:
    """A function that is applied to each number of a hidden layer.

    Attributes
    ----------
    value : callable
        From the numbers before it, of any shape.
    slope : callable
        Its derivative, from the numbers after it.
    bend : callable
        Its second derivative, from the numbers after it.
    """

    value: Any
    slope: Any
    bend: Any


ACTIVATIONS = {
    "identity": Activation(lambda h: h, np.ones_like, np.zeros_like),
    "logistic": Activation(expit, lambda a: a * (1 - a), lambda a: a * (1 - a) * (1 - 2 * a)),
    "tanh": Activation(np.tanh, lambda a: 1 - a**2, lambda a: -2 * a * (1 - a**2)),
    "relu": Activation(
        lambda h: np.maximum(h, 0), lambda a: (a > 0).astype(a.dtype), np.zeros_like
    ),
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

    def astype(self, dtype: Any) -> Layers:
        """The same network in another precision."""
        return replace(self, tables=tuple(own.astype(dtype, copy=False) for own in self.tables))

    def inputs(self, X: Any) -> Iterator[Any]:
        """What each layer takes of some rows, and last what the network answers."""
        function = ACTIVATIONS[self.activation].value
        *hidden, last = self.tables
        for table in hidden:
            yield X
            X = function(_affine(X, table))
        yield X
        yield _affine(X, last)

    def before_last(self, X: Any) -> Any:
        """What the last layer takes of rows, in the precision of these, (n, n_inputs)."""
        own = self.astype(X.dtype)
        widest = max(table.shape[0] for table in own.tables)
        some = row_blocks(X.shape[0], 2 * X.dtype.itemsize * widest, block_budget())
        if len(own.tables) == 1:
            return X
        return np.concatenate([list(own.inputs(X[rows]))[-2] for rows in some])


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

    is_bent = True

    def __init__(self, layers: Layers, X: Any, outputs: np.ndarray) -> None:
        self.layers = layers.astype(X.dtype)
        self.X = X
        self.outputs = outputs.astype(X.dtype, copy=False)
        self.n_rows = X.shape[0]
        self.n_params = layers.n_params
        self.dtype = X.dtype

    def __getitem__(self, rows: Any) -> LayeredJacobian:
        return self.at(self.X[rows])

    def at(self, X: Any) -> LayeredJacobian:
        return LayeredJacobian(self.layers, X, self.outputs)

    def astype(self, dtype: Any) -> LayeredJacobian:
        return self.at(self.X.astype(dtype, copy=False))

    def moved(self, weights: np.ndarray) -> LayeredJacobian:
        return LayeredJacobian(self.layers.at(weights.ravel()), self.X, self.outputs)

    @property
    def parameter_blocks(self) -> list[slice]:
        return list(slices_of(self.layers.sizes))

    @property
    def layer_shapes(self) -> list[tuple[int, int]]:
        return [table.shape for table in self.layers.tables]

    @property
    def n_between(self) -> int:
        return 2 * sum(len(table) for table in self.layers.tables)

    def predictor(self, weights: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        layers = self.layers.at(weights.ravel()).astype(self.dtype)
        found = [list(layers.inputs(self.X[some]))[-1] for some in self._pieces(rows)]
        predictor: np.ndarray = np.concatenate(found) @ self.outputs
        return predictor

    def _pieces(self, rows: Any) -> list[Any]:
        """Some of the rows in blocks, where they are a slice."""
        if not isinstance(rows, slice):
            return [rows]
        start, stop, _ = rows.indices(self.n_rows)
        blocks = row_blocks(max(stop - start, 0), self._bytes_of_row, block_budget())
        return [slice(start + some.start, start + some.stop) for some in blocks] or [rows]

    @property
    def _bytes_of_row(self) -> int:
        """What one layer takes and gives of a row, at the most."""
        return 2 * self.dtype.itemsize * max(max(own.shape) for own in self.layers.tables)

    def apply(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        *taken, _ = self.layers.inputs(self.X[rows])
        return np.asarray(self._moved(vectors, taken)[-1] @ self.outputs, vectors.dtype)

    def _moved(self, vectors: np.ndarray, taken: list[Any]) -> list[np.ndarray]:
        """How what each layer gives moves along vectors, each of shape (n, m, n_units)."""
        slope, parts = ACTIVATIONS[self.layers.activation].slope, self.layers.parts(vectors)
        moved: list[np.ndarray] = []
        for table, part, inputs in zip(self.layers.tables, parts, taken, strict=True):
            own = _affine(inputs, part)
            if moved:
                own += (moved[-1] * slope(inputs)[:, None]) @ table[:, :-1].T
            moved.append(own)
        return moved

    def gradients(self, residual: np.ndarray, rows: Any) -> np.ndarray:
        taken, pulls = self._pulled(residual, rows)
        gradients = np.empty((len(residual), self.n_params), residual.dtype)
        for part, pull, inputs in zip(self.layers.parts(gradients), pulls, taken, strict=True):
            _each(pull, inputs, out=part)
        return gradients

    def n_formed(self, n_vectors: int, n_outputs: int) -> int:
        """Numbers that :meth:`products` forms of each row, besides the products."""
        first, *others = self.layers.tables
        of_first = n_vectors if sparse.issparse(self.X) else min(n_vectors, first.shape[1])
        return len(first) * of_first + sum(
            len(table) * min(n_vectors, table.shape[1]) for table in others
        )

    def products(self, block: np.ndarray, residual: np.ndarray, rows: slice) -> np.ndarray:
        """Layer by layer: of ``V a`` and ``b`` where that is smaller than ``b ⊗ a``."""
        taken, pulls = self._pulled(residual, rows)
        products = np.zeros((len(residual), len(block)), np.result_type(block, residual))
        for part, pull, inputs in zip(self.layers.parts(block), pulls, taken, strict=True):
            if sparse.issparse(inputs) or len(block) < part.shape[2]:
                moved = _affine(inputs, part)
                products += np.matmul(moved, pull[:, :, None])[:, :, 0]
            else:
                products += (
                    _each(pull, inputs).reshape(len(pull), -1) @ part.reshape(len(block), -1).T
                )
        return products.T

    def weighted_lengths(
        self, residual: np.ndarray, roots: list[np.ndarray]
    ) -> list[np.ndarray] | None:
        """By ``sum_ud root_ud^2 b_u^2 a_d^2``, without gradients."""
        squares = [np.zeros(self.n_rows) for _ in roots]
        weights = [self.layers.parts(root[None] ** 2) for root in roots]
        for rows in self._pieces(slice(None)):
            taken, pulls = self._pulled(residual[rows], rows)
            for own, (pull, inputs) in enumerate(zip(pulls, taken, strict=True)):
                square = inputs.power(2) if sparse.issparse(inputs) else inputs**2
                for total, parts in zip(squares, weights, strict=True):
                    total[rows] += np.einsum("nu,nu->n", pull**2, _affine(square, parts[own][0]))
        return [np.sqrt(total) for total in squares]

    def adjoint(self, residual: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        taken, pulls = self._pulled(residual, rows)
        return _joined([_summed(*own) for own in zip(pulls, taken, strict=True)])

    def bend(
        self, residual: np.ndarray, vectors: np.ndarray, rows: Any = slice(None)
    ) -> np.ndarray:
        """By Pearlmutter's R operator: the adjoint, differentiated along each of the vectors."""
        taken, pulls = self._pulled(residual, rows)
        moved, parts = self._moved(vectors, taken), self.layers.parts(vectors)
        function = ACTIVATIONS[self.layers.activation]
        turned = np.zeros_like(moved[-1])  # How the pulls at a layer move.
        bent = [_summed(turned, taken[-1])]
        for own in range(len(taken) - 1, 0, -1):
            inputs, pull, coef = taken[own], pulls[own], self.layers.tables[own][:, :-1]
            slope, before = function.slope(inputs)[:, None], moved[own - 1]
            bent[-1][:, :, :-1] += _outer(pull, before * slope)
            turned = (turned @ coef + _back(pull, parts[own])) * slope
            turned += ((pull @ coef) * function.bend(inputs))[:, None] * before
            bent.append(_summed(turned, taken[own - 1]))
        return _joined(bent[::-1])

    def factors(self, rows: Any) -> list[tuple[np.ndarray | None, Any]]:
        n_outputs, n_rows = self.outputs.shape[1], self.X[rows].shape[0]
        units = np.broadcast_to(np.eye(n_outputs, dtype=self.dtype), (n_rows, *[n_outputs] * 2))
        taken, pulls = self._pulled(units, rows)
        return [(pull, _with_ones(inputs)) for pull, inputs in zip(pulls, taken, strict=True)]

    def _pulled(self, residual: np.ndarray, rows: Any) -> tuple[list[Any], list[np.ndarray]]:
        """What each layer takes of some rows, and what residuals pull at what it gives.

        Residuals have shape (n, n_outputs), or (n, m, n_outputs).
        """
        *taken, _ = self.layers.inputs(self.X[rows])
        slope = ACTIVATIONS[self.layers.activation].slope
        pulls = [residual @ self.outputs.T.astype(residual.dtype)]
        for table, given in zip(self.layers.tables[:0:-1], taken[:0:-1], strict=True):
            own = slope(given) if residual.ndim == 2 else slope(given)[:, None]
            pulls.append((pulls[-1] @ table[:, :-1]) * own)
        return taken, pulls[::-1]


def _affine(X: Any, table: np.ndarray) -> np.ndarray:
    """``V a`` of rows that a layer takes, shape (n, n_units), or (n, m, n_units) of m tables."""
    *shape, n_columns = table.shape
    given = np.asarray(X @ table[..., :-1].reshape(-1, n_columns - 1).T)
    return given.reshape(X.shape[0], *shape) + table[..., -1]


def _back(pull: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """``V^T b`` of rows (n, n_units) by tables (m, n_units, ...): (n, m, n_inputs)."""
    n_vectors, n_units, n_columns = tables.shape
    coefs = np.swapaxes(tables[:, :, :-1], 0, 1).reshape(n_units, n_vectors * (n_columns - 1))
    return (pull @ coefs).reshape(len(pull), n_vectors, n_columns - 1)


def _outer(pull: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """``sum_i b_i ⊗ a_im^T`` of pulls (n, n_units), shape (m, n_units, n_inputs)."""
    n_rows, n_vectors, n_inputs = moved.shape
    products = pull.T @ moved.reshape(n_rows, n_vectors * n_inputs)
    return np.swapaxes(products.reshape(-1, n_vectors, n_inputs), 0, 1)


def _each(pull: np.ndarray, inputs: Any, out: Any = None) -> np.ndarray:
    """``b_i ⊗ [a_i, 1]^T`` of each row, shape (n, n_units, n_inputs + 1)."""
    inputs = inputs.toarray() if sparse.issparse(inputs) else inputs
    out = np.empty((*pull.shape, inputs.shape[1] + 1), pull.dtype) if out is None else out
    np.multiply(pull[:, :, None], inputs[:, None], out=out[:, :, :-1])
    out[:, :, -1] = pull
    return out


def _summed(pull: np.ndarray, inputs: Any) -> np.ndarray:
    """``sum_i b_im ⊗ a_i^T``, shape (m, n_units, n_inputs + 1), from pulls (n, m, n_units)."""
    n_rows, n_vectors, n_units = pull.shape
    flat = pull.reshape(n_rows, n_vectors * n_units)
    products = (inputs.T @ flat).T if sparse.issparse(inputs) else flat.T @ inputs
    tables = np.empty((n_vectors, n_units, inputs.shape[1] + 1), pull.dtype)
    tables[:, :, :-1] = products.reshape(n_vectors, n_units, -1)
    tables[:, :, -1] = pull.sum(axis=0)
    return tables


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """Vectors (m, n_params) of the parts that they have in each layer."""
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def _with_ones(inputs: Any) -> Any:
    """What a layer takes, with a last column for its intercepts."""
    ones = np.ones((inputs.shape[0], 1), inputs.dtype)
    if sparse.issparse(inputs):
        return sparse.hstack([inputs, ones], format="csr")
    return np.hstack([inputs, ones])
