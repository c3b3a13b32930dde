"""What adapters of models of trees share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from ..trees import Hierarchy, Leaves
from ..utils._blocks import row_blocks, working_memory
from ..utils._threads import for_each
from ._base import Adapter

#: A child that no node has: that of a leaf of scikit-learn's trees.
NO_CHILD = -1


class TreeAdapter(Adapter):
    """Of forests, single trees and boosted models.

    A subclass tells which leaves rows fall into (:meth:`leaves_of`).
    """

    embedding_obstacle = (
        "what its leaves are moved by and what they are asked are no inner products of one kind of "
        "vector. Use explain or pairwise_influence."
    )

    def stopping_cause(self, model):
        return None

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        return replace(objective.refits, model=model).models(removals, n_jobs)


def numbered_leaves(trees: Sequence[Any], X: Any) -> Leaves:
    """Leaves of rows in scikit-learn's trees, counted within each tree.

    Parameters
    ----------
    trees : sequence of fitted DecisionTreeClassifier or DecisionTreeRegressor
    X : ndarray, StoredRows or CSR matrix of shape (n_rows, n_features)
        Checked already, so that names of features do not matter any more.
    """
    are_leaves = [tree.tree_.children_left == NO_CHILD for tree in trees]
    numbers = [np.cumsum(are_leaves_of) - 1 for are_leaves_of in are_leaves]
    sizes = np.array([np.count_nonzero(are_leaves_of) for are_leaves_of in are_leaves])
    positions = np.empty((len(trees), X.shape[0]), np.min_scalar_type(int(sizes.max()) - 1))
    for rows in row_blocks(X.shape[0], 4 * X.shape[1], working_memory() / 4):
        some = _as_trees_take(X[rows])

        def find(tree: int, rows: slice = rows, some: Any = some) -> None:
            nodes = trees[tree].apply(some, check_input=False)
            positions[tree, rows] = numbers[tree][nodes]

        for_each(find, range(len(trees)))
    return Leaves(positions, sizes)


def _as_trees_take(X: Any) -> Any:
    """Rows in the types that trees do not check."""
    X = X.astype(np.float32)
    if sparse.issparse(X):
        X.indices, X.indptr = X.indices.astype(np.intc), X.indptr.astype(np.intc)
    return X


def leaf_values(tree: Any) -> np.ndarray:
    """Values of the leaves of a tree of scikit-learn's, a row a leaf, for each of its outputs.

    Shape (n_leaves, n_targets), or (n_leaves, n_classes) for the classes of one target.
    """
    own = tree.tree_
    values = own.value[own.children_left == NO_CHILD]
    found: np.ndarray = values.reshape(len(values), -1)
    return found


def hierarchy(trees: Sequence[Any], number: int) -> Hierarchy:
    """Which nodes of one of scikit-learn's trees are above which."""
    own = trees[number].tree_
    is_split = own.children_left != NO_CHILD
    above = np.full(own.node_count, NO_CHILD)
    for children in (own.children_left, own.children_right):
        above[children[is_split]] = np.flatnonzero(is_split)
    return Hierarchy(above, np.flatnonzero(~is_split))
