"""A forest: leaves whose values are weighted means of the targets of their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ._leaves import Leaves, Places


@dataclass(frozen=True)
class TreeWeights:
    """What rows weigh in each tree of a forest: how often they were drawn, times what a draw does.

    Attributes
    ----------
    of_draw : ndarray of shape (n_rows,)
        Sample and class weights, as far as they are the same in all trees.
    draws : ndarray of unsigned int, shape (n_trees, n_rows), or None
        How often. None: nothing was drawn, and all trees have all rows.
    of_class : ndarray of shape (n_trees, n_classes) or None
        What the classes weigh in each tree beside that, where they are balanced in each.
    classes : ndarray of int, shape (n_rows,), or None
        Of each row among these.
    """

    of_draw: np.ndarray
    draws: np.ndarray | None = None
    of_class: np.ndarray | None = None
    classes: np.ndarray | None = None

    def of(self, trees: Any, rows: Any = slice(None)) -> np.ndarray:
        """Of some rows in one tree, shape (n,); or of each in a tree of its own."""
        weight = self.of_draw[rows]
        if self.draws is not None:
            weight = weight * self.draws[trees, rows]
        if self.of_class is not None and self.classes is not None:
            weight = weight * self.of_class[trees, self.classes[rows]]
        return weight

    def without(self, rows: np.ndarray) -> TreeWeights:
        """The same with some rows at weight 0."""
        of_draw = self.of_draw.copy()
        of_draw[rows] = 0
        return replace(self, of_draw=of_draw)

    def at(self, places: Places) -> np.ndarray:
        """Of rows in trees, in a shape that goes with theirs."""
        return self.of(places.trees, places.rows)


class Hierarchy(NamedTuple):
    """Which nodes of a tree are above which.

    Attributes
    ----------
    above : ndarray of int, shape (n_nodes,)
        The node above each; -1 for the root.
    leaves : ndarray of int, shape (size,)
        The nodes that are leaves, ascending.
    """

    above: np.ndarray
    leaves: np.ndarray


class LeafSums(NamedTuple):
    """What the rows of each leaf come to.

    Attributes
    ----------
    weight : ndarray of shape (n_leaves,)
        Sums of the weights.
    values : ndarray of shape (n_leaves, n_outputs)
        Weighted means of the targets.
    is_pure : ndarray of bool, shape (n_leaves,)
        Whether all rows that count have one and the same target. It is the value then, to the bit.
    """

    weight: np.ndarray
    values: np.ndarray
    is_pure: np.ndarray


@dataclass(frozen=True)
class Forest:
    """What a forest has made of its rows.

    Attributes
    ----------
    y : ndarray of shape (n_rows, n_outputs)
        Targets, of a class the indicator of each.
    leaves : Leaves
        Of the training rows.
    weights : TreeWeights
    hierarchy_of : callable
        From the number of a tree to its :class:`Hierarchy`.
    """

    y: np.ndarray
    leaves: Leaves
    weights: TreeWeights
    hierarchy_of: Callable[[int], Hierarchy]

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def n_outputs(self) -> int:
        return int(self.y.shape[1])

    @property
    def n_trees(self) -> int:
        return self.leaves.n_trees

    @cached_property
    def sums(self) -> LeafSums:
        """Of all leaves."""
        n_leaves = self.leaves.n_leaves
        sums = LeafSums(
            np.empty(n_leaves), np.empty((n_leaves, self.n_outputs)), np.empty(n_leaves, bool)
        )
        for tree in range(self.n_trees):
            self._sum_up(tree, *(self.leaves.own(of_all, tree) for of_all in sums))
        return sums

    def _sum_up(
        self, tree: int, weight: np.ndarray, values: np.ndarray, is_pure: np.ndarray
    ) -> None:
        """Write the sums of one tree."""
        here, of_rows = self.leaves.positions[tree], self.weights.of(tree)
        weight[:] = self.leaves.summed(of_rows, tree)
        some = np.zeros(len(weight), np.intp)
        counted = np.flatnonzero(of_rows)
        some[here[counted]] = counted
        is_pure[:] = True
        for output, target in enumerate(self.y.T):
            rest = of_rows * (target != target[some][here])
            is_one = self.leaves.summed(rest, tree) == 0
            # As scikit-learn has it, so that shares that are equal there are equal here.
            mean = self.leaves.summed(of_rows * target, tree) / np.where(weight > 0, weight, 1)
            values[:, output] = np.where(is_one, target[some], mean)
            is_pure &= is_one

    @property
    def weight(self) -> np.ndarray:
        """Of each leaf, the sum of the weights of its rows, shape (n_leaves,)."""
        return self.sums.weight

    @property
    def values(self) -> np.ndarray:
        """Of each leaf, the weighted mean of the targets, shape (n_leaves, n_outputs)."""
        return self.sums.values

    def share_in_pure_leaves(self) -> float:
        """Of the places of rows in trees that they count in, those whose leaf is pure."""
        n_counted, n_pure = 0, 0
        for tree in range(self.n_trees):
            counts = self.weights.of(tree) > 0
            is_pure = self.leaves.own(self.sums.is_pure, tree)
            n_counted += int(np.count_nonzero(counts))
            n_pure += int(np.count_nonzero(is_pure[self.leaves.positions[tree, counts]]))
        return n_pure / n_counted

    def predictors(self, leaves: Leaves) -> np.ndarray:
        """Means over the trees of the values of the leaves of rows, shape (n, n_outputs)."""
        total = np.zeros((leaves.n_rows, self.n_outputs))
        for tree in range(self.n_trees):
            total += leaves.at(self.values, tree)
        return total / self.n_trees

    def errors(self, places: Places) -> np.ndarray:
        """Values of leaves less the targets of rows in them, with an axis of outputs more."""
        return self.values[places.leaves] - self.y[places.rows]

    # --- out of the bag --------------------------------------------------------------------

    @property
    def has_draws(self) -> bool:
        """Whether each tree has drawn its rows, so that there are some that it has not seen."""
        return self.weights.draws is not None

    def out_of_bag_predictors(self) -> np.ndarray:
        """Means over the trees that have not drawn a row, of the training rows.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            NaN for rows that all trees have drawn.
        """
        total, n_trees = np.zeros((self.n_rows, self.n_outputs)), np.zeros((self.n_rows, 1))
        for tree in range(self.n_trees):
            is_out = self.is_out_of_bag(tree)
            total[is_out] += self.leaves.at(self.values, tree, is_out)
            n_trees[is_out] += 1
        return np.divide(total, n_trees, out=np.full_like(total, np.nan), where=n_trees > 0)

    def is_out_of_bag(self, trees: Any, rows: Any = slice(None)) -> np.ndarray:
        """Whether trees have not drawn rows, shape (n,), or (n_trees, n) of several trees."""
        draws = self.weights.draws
        if draws is None:
            return np.zeros(self.leaves.positions[trees, rows].shape, bool)
        not_drawn: np.ndarray = draws[trees, rows] == 0
        return not_drawn
