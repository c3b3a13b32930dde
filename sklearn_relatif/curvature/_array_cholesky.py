"""Exact curvature solves by Cholesky factorisation where the gradients are: on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils._arrays import Place, is_elsewhere, on_host
from ..utils._blocks import row_blocks
from ._array_sums import column_tiles
from ._base import Curvature
from ._cholesky import POWER_STEPS, check_pivot, doubtful_pivot, least_pivot, null_scale


class ArrayCholeskyCurvature(Curvature):
    """A symmetric positive definite curvature ``M = L L^T``, block-diagonal or whole.

    As :class:`CholeskyCurvature` is, with its factor on a device. Vectors come back as what they
    came: those of the device's library as such, NumPy's as NumPy's.

    Parameters
    ----------
    blocks : list of array of shape (size, size)
        Diagonal blocks of the curvature, in the widest precision of the device.
    dtype : dtype
        Precision of the products.
    null_space : callable
        As that of :class:`CholeskyCurvature`.

    Raises
    ------
    ValueError
        If the curvature is not positive definite in the directions that gradients take.
    """

    is_exact = True

    def __init__(self, blocks: list[Any], dtype: Any, null_space: Callable[[], list[np.ndarray]]):
        self.place = Place.of(blocks[0])
        self.n_blocks, self.size = len(blocks), blocks[0].shape[0]
        self.dtype = np.dtype(dtype)
        tolerance = least_pivot(self.size, dtype)
        factored, n_null = [self._factorise(block) for block in blocks], 0
        doubtful = doubtful_pivot(on_host(self.place.diagonal(blocks[0])).dtype)
        if min(pivot for _, pivot in factored) < max(tolerance, doubtful):
            directions = null_space()
            n_null = sum(null.shape[1] for null in directions)
        if n_null:
            blocks = [
                self._with_curvature(block, null)
                for block, null in zip(blocks, directions, strict=True)
            ]
            factored = [self._factorise(block) for block in blocks]
        #: 1 - R^2 of the parameter that the ones before it determine best.
        self.smallest_pivot = min(pivot for _, pivot in factored)
        check_pivot(self.smallest_pivot, tolerance, dtype)
        #: Number of directions that have curvature of their own.
        self.n_free = self.n_blocks * self.size - n_null
        self.n_whitened = self.n_blocks * self.size
        self.is_dense = self.n_blocks == 1
        self.is_accurate = self.smallest_pivot > doubtful_pivot(dtype)
        self.inverse_factors, conditions = [], [1.0]
        for block, (factor, _) in zip(blocks, factored, strict=True):
            lengths = self.place.xp.sqrt(self.place.diagonal(block))
            inverse = self.place.inverse_of_lower(factor)
            largest = self._square_of_norm(factor.T, 1 / lengths)
            conditions.append(largest * self._square_of_norm(inverse, lengths))
            self.inverse_factors.append(self.place.cast(inverse, dtype))
        self.condition = max(conditions)

    def _factorise(self, block: Any) -> tuple[Any, float]:
        """Its factor, and the smallest pivot relative to its diagonal element; 0 if it fails."""
        factor = self.place.cholesky(block)
        if factor is None:
            return None, 0.0
        pivots, diagonal = (on_host(self.place.diagonal(matrix)) for matrix in (factor, block))
        return factor, float((pivots**2 / diagonal).min())

    def _with_curvature(self, block: Any, null: np.ndarray) -> Any:
        scale = null_scale(on_host(self.place.diagonal(block)))
        added = null @ (null.T @ (scale[:, None] * null)) @ null.T
        return block + self.place.put(added)

    def _square_of_norm(self, matrix: Any, scales: Any) -> float:
        """Estimate the square of the norm of ``matrix diag(scales)``, by the power method."""
        xp, square = self.place.xp, 0.0
        vector = self.place.put(np.random.RandomState(0).standard_normal(matrix.shape[0]))
        vector = xp.astype(vector, scales.dtype, copy=False)
        for _ in range(POWER_STEPS):
            start = scales * (vector / xp.linalg.vector_norm(vector))
            vector = scales * (matrix.T @ (matrix @ start))
            square = float(xp.linalg.vector_norm(vector))
        return square

    # --- vectors -----------------------------------------------------------------------------

    def whiten(self, gradients: Any) -> Any:
        """``L^-1 g`` for each row g, shape (n, n_params)."""
        return self._multiply(gradients, transpose=False)

    def unwhiten(self, whitened: Any) -> Any:
        """``L^-T v`` for each row v: turns ``L^-1 g`` into ``M^-1 g``."""
        return self._multiply(whitened, transpose=True)

    def solve(self, gradients: Any) -> Any:
        """``M^-1 g`` for each row g, shape (n, n_params)."""
        if not is_elsewhere(gradients):  # There and back once.
            return np.array(on_host(self.solve(self.place.put(gradients, self.dtype))))
        return self.unwhiten(self.whiten(gradients))

    def _multiply(self, rows: Any, transpose: bool) -> Any:
        if not is_elsewhere(rows):
            own = self._multiply(self.place.put(rows, self.dtype), transpose)
            return np.array(on_host(own))
        rows, product = self.place.cast(rows, self.dtype), self.place.empty(rows.shape, self.dtype)
        for index, factor in enumerate(self.inverse_factors):
            first = index * self.size
            own = rows[:, first : first + self.size]
            for tile in column_tiles(self.size):
                # Nothing is multiplied with the zeros of the triangle.
                if transpose:
                    part = own[:, tile.start :] @ factor[tile.start :, tile]
                else:
                    part = own[:, : tile.stop] @ factor[tile, : tile.stop].T
                product[:, first + tile.start : first + tile.stop] = part
        return product

    # --- forms -------------------------------------------------------------------------------

    def quadratic_form(self, n_outputs: int) -> Callable[[np.ndarray], np.ndarray]:
        """A function of features x (n, n_columns) to the forms ``x^T [M^-1]_kl x``.

        They have shape (n, n_outputs, n_outputs), or (n, n_outputs) where the curvature does
        not couple the outputs. Both are NumPy's.
        """
        form = self._form(n_outputs)

        def of_features(x: np.ndarray) -> np.ndarray:
            n_columns = x.shape[1]
            bytes_per_row = 8 * n_columns * (1 + n_outputs)
            blocks = row_blocks(len(x), bytes_per_row, self.place.block_bytes())
            found = [form(self.place.put(x[rows], self.dtype)) for rows in blocks]
            return np.concatenate(found)

        return of_features

    def forms(self, objective: Any) -> Callable[[Any], np.ndarray]:
        """The same of the rows of an objective, whose features need not leave the device."""
        if objective.place is None:  # Retraining is done by this machine.
            return super().forms(objective)
        form = self._form(objective.shape[0])
        return lambda rows: form(objective.jacobian.columns(rows))

    def _form(self, n_outputs: int) -> Callable[[Any], np.ndarray]:
        """The forms of features on the device, as NumPy's."""
        if self.n_blocks == n_outputs:
            return self._separate_forms
        (factor,) = self.inverse_factors
        inverse = self._multiply(factor.T, transpose=True)
        return lambda x: self._coupled_forms(inverse, x, n_outputs)

    def _separate_forms(self, x: Any) -> np.ndarray:
        whitened = (x @ factor.T for factor in self.inverse_factors)
        return np.stack([on_host(self.place.xp.sum(own * own, axis=1)) for own in whitened], axis=1)

    def _coupled_forms(self, inverse: Any, x: Any, n_outputs: int) -> np.ndarray:
        n_rows, n_columns = x.shape
        forms = np.empty((n_rows, n_outputs, n_outputs), self.dtype)
        for k in range(n_outputs):
            rows = slice(k * n_columns, (k + 1) * n_columns)
            half = self.place.xp.reshape(x @ inverse[rows, : rows.stop], (n_rows, k + 1, n_columns))
            own = on_host(self.place.xp.sum(half * x[:, None, :], axis=2))
            forms[:, k, : k + 1] = forms[:, : k + 1, k] = own
        return forms

    def n_parameters(self, ridge: np.ndarray) -> float:
        """``tr(M^-1 (M - diag(ridge)))``, where ridge (n_params,) is the penalty's part of M."""
        return float(self.n_free - ridge @ self.inverse_diagonal())

    def inverse_diagonal(self) -> np.ndarray:
        """Diagonal of ``M^-1``, shape (n_params,)."""
        return np.concatenate([self._column_squares(own) for own in self.inverse_factors])

    def _column_squares(self, factor: Any) -> np.ndarray:
        wide = [self.place.cast(factor[:, tile], np.float64) for tile in column_tiles(self.size)]
        squares = [on_host(self.place.xp.sum(own * own, axis=0)) for own in wide]
        return np.concatenate(squares).astype(np.float64)
