"""Which leaf of each tree rows are in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse


class Places(NamedTuple):
    """Rows in trees: arrays of one shape together, (n, n_trees) for all, (n_places,) for some.

    Attributes
    ----------
    rows : ndarray of int
        Their positions.
    trees : ndarray of int
    leaves : ndarray of int
        Where they are, among the leaves of all trees.
    """

    rows: np.ndarray
    trees: np.ndarray
    leaves: np.ndarray


@dataclass(frozen=True)
class Leaves:
    """The leaves of some rows.

    Attributes
    ----------
    positions : ndarray of unsigned int, shape (n_trees, n_rows)
        Counted within each tree, from 0.
    sizes : ndarray of int, shape (n_trees,)
        How many leaves each tree has.
    """

    positions: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, positions: np.ndarray, sizes: Any) -> Leaves:
        """The same in the smallest integers that hold them."""
        sizes = np.asarray(sizes, np.int64)
        largest = int(sizes.max(initial=1)) - 1
        return cls(np.asarray(positions).astype(np.min_scalar_type(largest), copy=False), sizes)

    @property
    def n_trees(self) -> int:
        return len(self.sizes)

    @property
    def n_rows(self) -> int:
        return int(self.positions.shape[1])

    @property
    def n_leaves(self) -> int:
        return int(self.sizes.sum())

    @cached_property
    def firsts(self) -> np.ndarray:
        """Where the leaves of each tree begin among those of all, and where they end."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def __getitem__(self, rows: Any) -> Leaves:
        """The leaves of some of the rows."""
        if isinstance(rows, slice) and rows == slice(None):
            return self
        return Leaves(self.positions[:, rows], self.sizes)

    def of_trees(self, trees: slice) -> Leaves:
        """The leaves of the same rows in some of the trees."""
        return Leaves(self.positions[trees], self.sizes[trees])

    def own(self, values: np.ndarray, tree: int) -> np.ndarray:
        """Those of some numbers of all leaves that are of one tree, a view."""
        return values[self.firsts[tree] : self.firsts[tree + 1]]

    def at(self, values: np.ndarray, tree: int, rows: Any = slice(None)) -> np.ndarray:
        """Those of some numbers of all leaves that are of the leaves of rows in one tree."""
        return self.own(values, tree)[self.positions[tree, rows]]

    def numbered(self, rows: Any = slice(None)) -> np.ndarray:
        """Leaves of some rows among those of all trees, shape (n, n_trees)."""
        here = self.positions[:, rows].T
        return here + self.firsts[:-1].astype(np.int32 if self.n_leaves < 2**31 else np.int64)

    def places(self, rows: Any = slice(None), is_asked: np.ndarray | None = None) -> Places:
        """Where some rows are, in all trees; or those places that are in some of the leaves.

        Parameters
        ----------
        rows : slice or array of int
        is_asked : ndarray of bool, shape (n_leaves,), default=None
            Which leaves. Their places come row after row.
        """
        leaves, positions = self.numbered(rows), np.arange(self.n_rows)[rows]
        if is_asked is None:
            return Places(positions[:, None], np.arange(self.n_trees)[None], leaves)
        places, trees = np.nonzero(is_asked[leaves])
        return Places(positions[places], trees, leaves[places, trees])

    def matrix_of(self, entries: np.ndarray, places: Places, rows: slice) -> Any:
        """Numbers of some places of rows, as a sparse matrix.

        Parameters
        ----------
        entries : ndarray of shape (n_places, n_values)
        places : Places
            Of these rows, row after row.
        rows : slice

        Returns
        -------
        CSR matrix of shape (n, n_leaves * n_values)
        """
        n_values = entries.shape[1]
        positions = np.arange(self.n_rows)[rows]
        columns = places.leaves[:, None] * n_values + np.arange(n_values, dtype=places.leaves.dtype)
        starts = np.searchsorted(places.rows, [*positions, positions[-1] + 1]) * n_values
        shape = len(positions), self.n_leaves * n_values
        return sparse.csr_array((entries.ravel(), columns.ravel(), starts), shape=shape)

    def matrix(
        self, entries: np.ndarray, rows: Any = slice(None), start: np.ndarray | None = None
    ) -> Any:
        """Numbers of each of some rows in each of its leaves, as a sparse matrix.

        Parameters
        ----------
        entries : ndarray of shape (n, n_trees) or (n, n_trees, n_values)
        rows : slice or array of int
        start : ndarray of shape (n, n_start), default=None
            Of columns before those of the leaves.

        Returns
        -------
        CSR matrix of shape (n, n_start + n_leaves * n_values)
        """
        columns = self.numbered(rows)
        n_start = 0 if start is None else start.shape[1]
        n_values = entries.shape[2] if entries.ndim == 3 else 1
        if n_values > 1:
            columns = columns[:, :, None] * n_values + np.arange(n_values, dtype=columns.dtype)
        columns = columns.reshape(len(columns), -1) + columns.dtype.type(n_start)
        entries = entries.reshape(columns.shape)
        if start is not None:
            first = np.broadcast_to(np.arange(n_start, dtype=columns.dtype), start.shape)
            columns, entries = np.hstack([first, columns]), np.hstack([start, entries])
        n_rows, width = columns.shape
        starts = np.arange(n_rows + 1) * width
        shape = n_rows, n_start + self.n_leaves * n_values
        return sparse.csr_array((entries.ravel(), columns.ravel(), starts), shape=shape)

    def summed(self, values: np.ndarray, tree: int) -> np.ndarray:
        """Sums of a number of each row, or of several, over the leaves of one tree.

        Parameters
        ----------
        values : ndarray of shape (n_rows,) or (n_rows, n_values)
        tree : int

        Returns
        -------
        ndarray of shape (size,) or (size, n_values)
        """
        here, size = self.positions[tree], int(self.sizes[tree])
        if values.ndim == 1:
            return np.bincount(here, values, minlength=size)
        one_each = np.ones(self.n_rows), here, np.arange(self.n_rows + 1)
        sums: np.ndarray = sparse.csr_array(one_each, shape=(self.n_rows, size)).T @ values
        return sums


class LeavesWithout:
    """Leaf values of several models, each without some of the training rows."""

    def predictors_before(self, leaves: Leaves) -> np.ndarray:
        """Predictors of rows by the model of all rows, shape (n, n_outputs)."""
        raise NotImplementedError

    def predictors(self, leaves: Leaves) -> np.ndarray:
        """Predictors of rows by each model, shape (n, n_models, n_outputs)."""
        raise NotImplementedError

    def parameter_change(self) -> np.ndarray:
        """Norm of the change of all leaf values, shape (n_models,)."""
        raise NotImplementedError
