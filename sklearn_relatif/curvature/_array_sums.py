"""Curvatures as sums over rows whose gradients are on a device, and are summed there.

Second derivatives of the loss come from this machine: ``n_outputs^2`` numbers a row at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..objectives import PENALISED, TangentOperator
from ..utils._blocks import row_blocks

#: Columns of a symmetric sum that are summed at once: what is above their last is left out.
TILE = 1024
#: Vectors that the rows are gone through for at once.
VECTORS = 64


def summed_blocks(objective: Any, kind: str) -> list[Any]:
    """Diagonal blocks of a curvature without damping, each of shape (size, size).

    Parameters
    ----------
    objective : LinearObjective or GaussNewtonObjective
        With gradients on a device.
    kind : {"hessian", "gauss_newton", "fisher", "empirical_fisher"}

    Returns
    -------
    list of arrays on the device, in its widest precision
    """
    blocks = _of_features(objective, kind) if objective.is_linear else _of_roots(objective, kind)
    place, size = objective.place, blocks[0].shape[0]
    is_bent = kind == "hessian" and objective.is_bent
    has_penalty = kind in PENALISED
    penalty = np.broadcast_to(objective.penalty, objective.shape) if has_penalty else 0.0
    ridge = np.zeros(len(blocks) * size) + np.ravel(penalty)
    for block, own in zip(blocks, ridge.reshape(len(blocks), size), strict=True):
        _mirror_lower(place, block)
        add_to_diagonal(place, block, own)
        block /= objective.total_weight
        if is_bent:
            _add_bend(objective, block)
    return blocks


def _add_bend(objective: Any, matrix: Any) -> None:
    """Add what predictors that are not linear have in the Hessian, some of its rows at a time."""
    place, size = objective.place, matrix.shape[0]
    total = TangentOperator(objective, "hessian", 0.0)
    for some in row_blocks(size, 1, VECTORS):
        units = np.zeros((some.stop - some.start, size), objective.dtype)
        units[:, some] = np.eye(len(units))
        matrix[some, :] += place.put(total.bent(units), place.widest)


def add_to_diagonal(place: Any, block: Any, values: np.ndarray) -> None:
    """Add numbers to the diagonal of a matrix, tile by tile."""
    for tile in column_tiles(block.shape[0]):
        size = tile.stop - tile.start
        identity = place.xp.eye(size, dtype=block.dtype, device=place.device)
        block[tile, tile] += identity * place.put(values[tile])[:, None]


def column_tiles(size: int) -> Iterator[slice]:
    """Slices of the columns of a matrix."""
    return (slice(first, min(first + TILE, size)) for first in range(0, size, TILE))


def _of_features(objective: Any, kind: str) -> list[Any]:
    """``sum_i B_i ⊗ x~_i x~_i^T``, of which the upper triangle is not filled."""
    jacobian, place = objective.jacobian, objective.place
    n_outputs, size = objective.shape
    inner_of = _inner(objective, kind)
    if not (objective.loss.couples_outputs or kind == "empirical_fisher"):
        is_shared = objective.loss.shares_curvature and objective.output_weight is None
        grams = [place.zeros((size, size), place.widest) for _ in range(n_outputs)]
        for rows in _row_blocks(objective, 3 * size):
            x, weights = jacobian.columns(rows), place.put(inner_of(rows), objective.dtype)
            for k, gram in enumerate(grams[:1] if is_shared else grams):
                _add_gram(place, gram, x, weights[:, k])
        return [place.xp.asarray(grams[0], copy=True) for _ in grams] if is_shared else grams
    matrix = place.zeros((n_outputs * size,) * 2, place.widest)
    pairs = [(k, m) for k in range(n_outputs) for m in range(k + 1)]
    for rows in _row_blocks(objective, 3 * size + n_outputs**2):
        x, weights = jacobian.columns(rows), place.put(inner_of(rows), objective.dtype)
        for k, m in pairs:
            own = matrix[k * size : (k + 1) * size, m * size : (m + 1) * size]
            _add_gram(place, own, x, weights[:, k, m])
    for k, m in pairs:
        _mirror_lower(place, matrix[k * size : (k + 1) * size, m * size : (m + 1) * size])
    return [matrix]


def _of_roots(objective: Any, kind: str) -> list[Any]:
    """``sum_i J_i^T B_i J_i`` by the gradients of the roots of ``B_i``: its lower triangle."""
    jacobian, place, size = objective.jacobian, objective.place, objective.weights.size
    matrix = place.zeros((size, size), place.widest)
    n_roots = 1 if kind == "empirical_fisher" else objective.loss.n_outputs
    for rows in _row_blocks(objective, 2 * size * n_roots):
        roots = objective.roots(kind, rows)
        for sign in {sign for _, sign in roots}:
            each = np.stack([root for root, own in roots if own == sign], axis=1)
            gradients = place.xp.reshape(jacobian.gradients_of(each, rows), (-1, size))
            for tile in column_tiles(size):
                own = gradients[:, tile].T @ gradients[:, : tile.stop]
                matrix[tile, : tile.stop] += sign * place.cast(own, place.widest)
    return [matrix]


def _row_blocks(objective: Any, values_per_row: int) -> Iterator[slice]:
    bytes_per_row = values_per_row * np.dtype(objective.dtype).itemsize
    return row_blocks(objective.n_rows, bytes_per_row, objective.place.block_bytes())


def _inner(objective: Any, kind: str) -> Callable[[slice], np.ndarray]:
    """``B_i`` of some rows."""
    found: Callable[[slice], np.ndarray] = {
        "hessian": objective.weighted_second_derivative,
        "gauss_newton": objective.weighted_second_derivative,
        "fisher": objective.weighted_fisher,
        "empirical_fisher": objective.weighted_square,
    }[kind]
    return found


def _add_gram(place: Any, gram: Any, x: Any, weight: Any) -> None:
    """Add ``x^T diag(weight) x`` to the lower triangle of a matrix."""
    for tile in column_tiles(gram.shape[0]):
        product = (x[:, tile] * weight[:, None]).T @ x[:, : tile.stop]
        gram[tile, : tile.stop] += place.cast(product, place.widest)


def _mirror_lower(place: Any, matrix: Any) -> None:
    """Copy the lower triangle onto the upper one, in place and in strips."""
    for tile in column_tiles(matrix.shape[0]):
        square = matrix[tile, tile]
        lower = place.xp.tril(square)
        matrix[tile, tile] = lower + place.xp.tril(square, k=-1).T
        matrix[tile, tile.stop :] = matrix[tile.stop :, tile].T
