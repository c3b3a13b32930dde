"""Forests grown again without some of their rows, a tree at a time, from what each tree has drawn.

A forest that is fitted to fewer rows draws others, and what that does drowns what one row does. So
each tree is grown again by its own ``fit`` and its own ``random_state`` from the rows that it has
drawn, as often as it has, without those that go. scikit-learn's trees leave rows of weight 0 out of
all that they do. Trees that have drawn none of the rows stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from ..objectives import Refits
from ..trees import TreeWeights, no_row_left


@dataclass(frozen=True)
class ForestRefits(Refits):
    """Trees by their own ``fit`` and ``random_state``, from the rows that each has drawn.

    Class weights are held.

    Attributes
    ----------
    adapter : SingleTreeAdapter
    model : fitted estimator
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets as the loss takes them.
    sample_weight : ndarray of shape (n_rows,)
        With class weights.
    weights : TreeWeights
    """

    adapter: Any
    model: Any
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray
    weights: TreeWeights

    def models(self, removals, n_jobs=None):
        trees = self.adapter.each(self.model)
        for tree in trees:  # Those of a forest always are.
            if not isinstance(tree.random_state, Integral):
                raise ValueError(
                    f"This {type(self.model).__name__} grown again would differ by what it draws, "
                    f"and not by the rows alone: its random_state is {tree.random_state!r}. Fit it "
                    "with a number as random_state; order='structure' and order='first' need none."
                )
        labels = self.adapter.tree_labels(self.model, self.y)
        grown = Parallel(n_jobs=n_jobs)(
            delayed(_grown)(trees, self.X, labels, self.weights, rows) for rows in removals
        )
        return [self.adapter.with_trees(self.model, own) for own in grown]

    def objectives(self, removals, n_jobs=None):
        both = zip(self.models(removals, n_jobs), removals, strict=True)
        return [
            self.adapter.objective(
                model, self.X, self.y, self.sample_weight, self.weights.without(rows)
            )
            for model, rows in both
        ]


def _grown(
    trees: Sequence[Any], X: Any, labels: np.ndarray, weights: TreeWeights, rows: np.ndarray
) -> list[Any]:
    """All trees without some rows; where there are none, all of them again."""
    left, grown = weights.without(rows), []
    for number, tree in enumerate(trees):
        if not len(rows) or weights.of(number, rows).any():
            weight = left.of(number)
            if not weight.any():
                raise ValueError(no_row_left(rows))
            again = clone(tree)
            if "class_weight" in again.get_params():  # It is among what rows weigh.
                again.set_params(class_weight=None)
            tree = again.fit(X, labels, sample_weight=weight)
        grown.append(tree)
    return grown
