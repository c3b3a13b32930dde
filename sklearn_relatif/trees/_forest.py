"""A forest: leaves whose values are weighted means of the targets of their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ._leaves import Leaves


@dataclass(frozen=True)
class Forest:
    """What a forest has made of its rows.

    Attributes
    ----------
    y : ndarray of shape (n_rows, n_outputs)
        Targets, of a class the indicator of each.
    leaves : Leaves
        Of the training rows.
    weight_in : callable
        From the number of a tree to what the rows weigh in it, shape (n_rows,): how often they
        were drawn, times sample and class weights.
    """

    y: np.ndarray
    leaves: Leaves
    weight_in: Callable[[int], np.ndarray]

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def n_outputs(self) -> int:
        return int(self.y.shape[1])

    @cached_property
    def weight(self) -> np.ndarray:
        """Of each leaf, the sum of the weights of its rows, shape (n_leaves,)."""
        each = [self.leaves.summed(self.weight_in(t), t) for t in range(self.leaves.n_trees)]
        return np.concatenate(each)

    @cached_property
    def values(self) -> np.ndarray:
        """Of each leaf, the weighted mean of the targets, shape (n_leaves, n_outputs)."""
        sums = np.empty((self.leaves.n_leaves, self.n_outputs))
        for tree in range(self.leaves.n_trees):
            weight, own = self.weight_in(tree), self.leaves.own(sums, tree)
            for output, target in enumerate(self.y.T):
                own[:, output] = self.leaves.summed(weight * target, tree)
        return sums / np.where(self.weight > 0, self.weight, 1)[:, None]

    def predictors(self, leaves: Leaves) -> np.ndarray:
        """Means over the trees of the values of the leaves of rows, shape (n, n_outputs)."""
        total = np.zeros((leaves.n_rows, self.n_outputs))
        for tree in range(leaves.n_trees):
            total += leaves.own(self.values, tree)[leaves.positions[tree]]
        return total / leaves.n_trees

    def out_of_bag_predictors(self) -> np.ndarray:
        """The same of the training rows over the trees in which they weigh nothing; NaN without."""
        total, n_trees = np.zeros((self.n_rows, self.n_outputs)), np.zeros(self.n_rows)
        for tree in range(self.leaves.n_trees):
            rows = np.flatnonzero(self.weight_in(tree) == 0)
            values = self.leaves.own(self.values, tree)
            total[rows] += values[self.leaves.positions[tree, rows]]
            n_trees[rows] += 1
        with np.errstate(invalid="ignore"):
            return total / n_trees[:, None]

    def weights(self, rows: Any = slice(None)) -> np.ndarray:
        """What some rows weigh in each tree, shape (n, n_trees)."""
        each = [self.weight_in(tree)[rows] for tree in range(self.leaves.n_trees)]
        return np.stack(each, axis=1)

    def errors(self, rows: Any = slice(None)) -> np.ndarray:
        """Values of the leaves of some rows less their targets, (n, n_trees, n_outputs)."""
        return self.values[self.leaves.numbered(rows)] - self.y[rows][:, None]
