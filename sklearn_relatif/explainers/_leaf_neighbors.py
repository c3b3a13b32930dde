"""The training rows that share most leaves of a model of trees with a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import gen_batches

from ..adapters import adapter_of, split_pipeline, targets_of
from ..trees import Leaves
from ..utils._blocks import block_budget, row_blocks, working_memory
from ..utils._validation import label_array

#: Bytes of a leaf in a column of its own, and of an entry of a sparse matrix as it is made.
BYTES_A_LEAF, BYTES_AN_ENTRY = 8, 16
#: Bytes of the number of leaves that a query shares with a row, and of what leads to it.
BYTES_OF_A_PAIR = 16


class LeafNeighbors:
    """Training rows by their leaves, in the place of a search by distances.

    Parameters
    ----------
    estimator : fitted estimator
        A model of trees, perhaps with transformers in front of it.
    X : array-like or sparse matrix of shape (n_train, n_features)
        The training rows, as the estimator takes them.

    Attributes
    ----------
    checks_rows : bool
        Whether rows are checked where their neighbours are sought, and not before.
    """

    checks_rows = True

    def __init__(self, estimator: Any, X: Any) -> None:
        self.estimator = estimator
        self.transformers, self.model = split_pipeline(estimator)
        self.adapter = adapter_of(self.model)
        self.leaves = self._leaves_of(X)

    @property
    def n_rows(self) -> int:
        return self.leaves.n_rows

    def labels(self, y: ArrayLike) -> NDArray[Any]:
        """Labels or targets of rows, one column each where the model has several."""
        targets = targets_of(self.estimator, self.adapter.targets(self.model))
        return np.array(targets.shaped(label_array(y), warn=True))

    def nearest(self, X: Any, n_nearest: int) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
        """Distances and positions of the nearest rows, ties broken by position.

        The distance is the share of the trees in which two rows are in different leaves.
        """
        leaves, n_rows = self._leaves_of(X), self.n_rows
        shared = np.empty((leaves.n_rows, n_nearest), np.int64)
        indices = np.empty((leaves.n_rows, n_nearest), np.intp)
        n_at_once = max(1, int(working_memory() / 4 / (BYTES_OF_A_PAIR * n_rows)))
        for queries in gen_batches(leaves.n_rows, n_at_once):
            # One number for both, of which no two are equal: selection is slow among equals.
            keys = self._shared_with(leaves[queries])
            keys *= n_rows
            keys += np.arange(n_rows)[::-1]
            keys.partition(n_rows - n_nearest, axis=1)
            best = np.sort(keys[:, n_rows - n_nearest :])[:, ::-1]
            shared[queries], indices[queries] = np.divmod(best, n_rows)
        return (leaves.n_trees - shared) / leaves.n_trees, n_rows - 1 - indices

    def _leaves_of(self, X: Any) -> Leaves:
        features = self.adapter.model_rows(self.transformers, self.model, X)
        return self.adapter.leaves_of(self.model, features)

    def _shared_with(self, queries: Leaves) -> NDArray[np.int64]:
        """In how many trees queries share the leaf of a row, shape (n_queries, n_rows)."""
        shared = np.zeros((queries.n_rows, self.n_rows), np.int64)
        for trees in self._tree_blocks():
            of_queries = _indicators(queries.of_trees(trees)).T.tocsr()
            leaves = self.leaves.of_trees(trees)
            bytes_a_row = BYTES_AN_ENTRY * (leaves.n_trees + queries.n_rows)
            for rows in row_blocks(self.n_rows, bytes_a_row, block_budget()):
                shared[:, rows] += (_indicators(leaves[rows]) @ of_queries).toarray().T
        return shared

    def _tree_blocks(self) -> Iterator[slice]:
        """Slices of as many trees as have not too many leaves, at least one."""
        sizes, first, most = self.leaves.sizes, 0, block_budget() / BYTES_A_LEAF
        while first < len(sizes):
            n_trees = int(np.searchsorted(np.cumsum(sizes[first:]), most, side="right"))
            yield slice(first, first + max(1, n_trees))
            first += max(1, n_trees)


def _indicators(leaves: Leaves) -> Any:
    """1 for each leaf that a row is in, as a sparse matrix of shape (n_rows, n_leaves)."""
    return leaves.matrix(np.ones((leaves.n_rows, leaves.n_trees), np.int32))
