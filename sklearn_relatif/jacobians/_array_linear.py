"""The Jacobian of linear predictors whose features are an array of another library."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..utils._arrays import Place, is_elsewhere, on_host
from ..utils._blocks import row_blocks
from ._linear import LinearJacobian


class ArrayLinearJacobian(LinearJacobian):
    """Feature rows ``x~ = [x, 1]`` that stay in the library, and on the device, that they came in.

    Blocks of gradients are arrays there. What comes of a row (predictors, products, lengths) is
    NumPy's, as residuals and vectors are that go in.

    Parameters
    ----------
    X : array of shape (n_rows, n_features)
        Of a library that keeps to the array API.
    fit_intercept : bool
    """

    can_be_split = False
    place: Place

    def __init__(self, X: Any, fit_intercept: bool) -> None:
        self.place = Place.of(X)
        self.X = X
        self.fit_intercept = fit_intercept
        self.n_rows, self.n_features = X.shape
        self.n_columns = self.n_features + bool(fit_intercept)
        self.dtype = self.place.dtype_of(X)
        self.is_sparse, self.is_dense = False, True

    @cached_property
    def on_host(self) -> LinearJacobian:
        return LinearJacobian(np.ascontiguousarray(on_host(self.X)), self.fit_intercept)

    # --- other rows, columns and precisions --------------------------------------------------

    def __getitem__(self, rows):
        """Some of the rows, in this machine's memory."""
        return LinearJacobian(self.features(rows), self.fit_intercept)

    def part(self, rows):
        return ArrayLinearJacobian(self.X[rows, :], self.fit_intercept)

    def loaded(self, rows, dtype):
        """Some of the rows where they are, in a precision as far as the device has it."""
        return ArrayLinearJacobian(
            self.place.cast(self.place.take(self.X, rows), dtype), self.fit_intercept
        )

    def at(self, X):
        """Other rows, which are put where these are."""
        return ArrayLinearJacobian(self.place.put(X), self.fit_intercept)

    def astype(self, dtype):
        """The same rows in another precision, as far as the device has it."""
        if dtype == self.dtype:
            return self
        return ArrayLinearJacobian(self.place.cast(self.X, dtype), self.fit_intercept)

    # --- blocks of rows ----------------------------------------------------------------------

    @property
    def bytes_at_once(self):
        """A device has threads of its own: there is one block for all."""
        return self.place.block_bytes()

    def loads_views(self, dtype):
        return self.dtype == dtype

    def features(self, rows=slice(None)):
        """``x`` of some rows, as NumPy has them."""
        return np.ascontiguousarray(on_host(self.place.take(self.X, rows)))

    def block(self, rows):
        """``x~`` of some rows, as NumPy has them."""
        return self[rows].block(slice(None))

    def columns(self, rows):
        """``x~`` of some rows where they are."""
        x, xp = self.place.take(self.X, rows), self.place.xp
        if not self.fit_intercept:
            return x
        ones = xp.ones((x.shape[0], 1), dtype=x.dtype, device=self.place.device)
        return xp.concat([x, ones], axis=1)

    # --- products ----------------------------------------------------------------------------

    def _predictor(self, table, rows):
        # As NumPy does, in the larger of the two precisions.
        dtype = np.result_type(table, self.dtype)
        x = self.place.cast(self.place.take(self.X, rows), dtype)
        eta = np.array(on_host(x @ self.place.put(table[:, : self.n_features].T, dtype)), dtype)
        if self.fit_intercept:
            eta += table[:, -1]
        return eta

    def apply_each(self, vectors, rows):
        """``W_ij x~_ij`` for tables (n, n_outputs, n_columns) and positions of rows (n, m).

        All are summed by the same loop, so that the products of equal rows are equal. Of shape
        (n, m, n_outputs), where the rows are.
        """
        xp = self.place.xp
        n, m = rows.shape
        x = xp.reshape(xp.take(self.X, xp.reshape(rows, (-1,)), axis=0), (n, m, 1, -1))
        eta = xp.sum(x * vectors[:, None, :, : self.n_features], axis=-1)
        return eta + vectors[:, None, :, -1] if self.fit_intercept else eta

    def _pulled(self, residual, rows):
        n_rows, *shape = residual.shape
        dtype = np.result_type(residual, self.dtype)
        x = self.place.cast(self.place.take(self.X, rows), dtype)
        flat = self.place.put(residual.reshape(n_rows, -1).T, dtype)
        return on_host(flat @ x).reshape(*shape, self.n_features)

    # --- gradients ---------------------------------------------------------------------------

    def gradients(self, residual, rows, out=None):
        """``r_i ⊗ x~_i`` of some rows where they are, shape (n, n_values)."""
        dtype = np.result_type(residual, self.dtype)
        x, residual = self.place.cast(self.columns(rows), dtype), self.place.put(residual, dtype)
        outer = residual[:, :, None] * x[:, None, :]
        return self.place.xp.reshape(outer, (x.shape[0], -1))

    def products(self, block, residual, rows):
        """``block @ gradients.T`` of some rows, as NumPy has them."""
        block = self.place.put(block, None if is_elsewhere(block) else self.dtype)
        return on_host(block @ self.gradients(residual, rows).T)

    # --- sizes of the features ---------------------------------------------------------------

    def squared_lengths(self):
        found = [on_host(self._squares(rows)) for rows in self._own_blocks()]
        return np.concatenate(found) + self.dtype.type(self.fit_intercept)

    @cached_property
    def largest_length(self) -> float:
        """The largest ``|x~_i|`` of all rows."""
        return float(np.sqrt(self.squared_lengths().max(initial=0)))

    def _squares(self, rows):
        x = self.X[rows, :]
        return self.place.xp.sum(x * x, axis=1)

    def _own_blocks(self):
        return row_blocks(self.n_rows, self.n_columns * self.dtype.itemsize, self.bytes_at_once)
