"""What adapters of models of trees share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..trees import Leaves
from ._base import Adapter

#: A child that no node has: that of a leaf of scikit-learn's trees.
NO_CHILD = -1


class TreeAdapter(Adapter):
    """Of forests, single trees and boosted models.

    A subclass tells which leaves rows fall into.
    """

    embedding_obstacle = (
        "what its leaves are moved by and what they are asked are no inner products of one kind of "
        "vector. Use explain or pairwise_influence."
    )

    def leaves_of(self, model: Any, X: Any) -> Leaves:
        """The leaves of some rows in all trees.

        Parameters
        ----------
        model : fitted estimator
        X : ndarray or CSR matrix of shape (n_rows, n_features)
            As the model takes them.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say which leaves rows are in.")

    def stopping_cause(self, model):
        return None


def numbered_leaves(trees: Sequence[Any], nodes: np.ndarray) -> Leaves:
    """Leaves of scikit-learn's trees, counted within each tree.

    Parameters
    ----------
    trees : sequence of fitted DecisionTreeClassifier or DecisionTreeRegressor
    nodes : ndarray of int, shape (n_rows, n_trees)
        As ``apply`` tells them.
    """
    positions, sizes = [], []
    for tree, own in zip(trees, nodes.T, strict=True):
        leaves = np.flatnonzero(tree.tree_.children_left == NO_CHILD)
        positions.append(np.searchsorted(leaves, own.astype(np.intp)).astype(np.int32))
        sizes.append(len(leaves))
    return Leaves.of(np.stack(positions), sizes)


def leaf_values(tree: Any) -> np.ndarray:
    """Values of the leaves of a tree of scikit-learn's, a row a leaf, for each of its outputs.

    Shape (n_leaves, n_targets), or (n_leaves, n_classes) for the classes of one target.
    """
    own = tree.tree_
    values = own.value[own.children_left == NO_CHILD]
    found: np.ndarray = values.reshape(len(values), -1)
    return found
