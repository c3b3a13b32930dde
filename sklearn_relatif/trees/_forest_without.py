"""Forests without some of their rows: the values of leaves as means of the rows that are left.

Only leaves that hold some of the rows change. With the weights w of the rows R that go, and the
weight W and the value v of their leaf ::

    change = -sum_R w (y - v) / (W - sum_R w).

A leaf that loses all of its rows has no mean. It takes that of the nearest node above it that keeps
some, which is what its rows would be told had the tree not split there.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ..utils._blocks import block_budget, row_blocks
from ._forest import Forest
from ._leaves import LeavesWithout

#: The node above the root.
NOWHERE = -1
#: Numbers of a row that goes that are held for each tree, besides its changes.
AT_WORK = 6


class Sums(NamedTuple):
    """What some rows come to in places of a tree, of several models.

    Attributes
    ----------
    key : ndarray of int, shape (n,)
        Of a model and a place, ascending: ``model * n_places + place``.
    n_rows : ndarray of shape (n,)
        How many.
    weight : ndarray of shape (n,)
    targets : ndarray of shape (n, n_outputs)
        Of weighted targets.
    """

    key: np.ndarray
    n_rows: np.ndarray
    weight: np.ndarray
    targets: np.ndarray

    @classmethod
    def over(cls, key: np.ndarray, *numbers: np.ndarray) -> Sums:
        """Of entries, by their keys, from the rows, the weight and the targets of each."""
        keys, place = np.unique(key, return_inverse=True)
        one_each = np.ones(len(key)), place.ravel(), np.arange(len(key) + 1)
        adder = sparse.csr_array(one_each, shape=(len(key), len(keys))).T
        return cls(keys, *(adder @ own for own in numbers))

    def carried_up(self, above: np.ndarray) -> Sums:
        """At all nodes that are above those of the keys, and at these.

        Parameters
        ----------
        above : ndarray of int, shape (n_nodes,)
        """
        model, node = np.divmod(self.key, len(above))
        entry, keys, entries = np.arange(len(node)), [], []
        while len(entry):
            keys.append(model[entry] * len(above) + node)
            entries.append(entry)
            has_more = above[node] != NOWHERE
            entry, node = entry[has_more], above[node[has_more]]
        every = np.concatenate(entries)
        numbers = self.n_rows[every], self.weight[every], self.targets[every]
        return Sums.over(np.concatenate(keys), *numbers)

    def at(self, key: np.ndarray) -> Sums:
        """Those of some keys, all of which are here."""
        place = np.searchsorted(self.key, key)
        return Sums(key, self.n_rows[place], self.weight[place], self.targets[place])


class ForestWithout(LeavesWithout):
    """Forests.

    Parameters
    ----------
    forest : Forest
        Of all rows.
    n_models : int
    leaf, model : ndarray of int, shape (n_changes,)
        Leaves that change, among all, and in which model.
    change : ndarray of shape (n_changes, n_outputs)
    """

    def __init__(
        self,
        forest: Forest,
        n_models: int,
        leaf: np.ndarray,
        model: np.ndarray,
        change: np.ndarray,
    ) -> None:
        self.forest, self.n_models = forest, n_models
        self.leaf, self.model, self.change = leaf, model, change

    def predictors_before(self, leaves):
        return self.forest.predictors(leaves)

    def predictors(self, leaves):
        before = self.predictors_before(leaves)
        predictors = np.repeat(before[:, None], self.n_models, axis=1)
        share = np.full((leaves.n_rows, self.forest.n_trees), 1 / self.forest.n_trees)
        shares, shape = leaves.matrix(share), (self.forest.leaves.n_leaves, self.n_models)
        for output, change in enumerate(self.change.T):
            changes = sparse.csr_array((change, (self.leaf, self.model)), shape=shape)
            predictors[:, :, output] += (shares @ changes).toarray()
        return predictors

    def parameter_change(self):
        square = np.sum(self.change**2, axis=1)
        return np.sqrt(np.bincount(self.model, square, minlength=self.n_models))


def forest_without(
    forest: Forest, removals: Sequence[np.ndarray]
) -> Iterator[tuple[slice, ForestWithout]]:
    """Forests without each group of rows, for as many of them at a time as memory holds.

    Parameters
    ----------
    forest : Forest
    removals : sequence of ndarray of int
        Positions of the rows that each model does without, each of them once.

    Yields
    ------
    some : slice
        Of the removals.
    models : ForestWithout

    Raises
    ------
    ValueError
        If a tree has no row left.
    """
    largest = max((len(rows) for rows in removals), default=0)
    n_numbers = (AT_WORK + forest.n_outputs) * forest.n_trees * max(largest, 1)
    for some in row_blocks(len(removals), 8 * n_numbers, block_budget()):
        yield some, _means_without(forest, removals[some])


def no_row_left(rows: np.ndarray) -> str:
    """What to say where a tree has no rows any more."""
    return (
        f"Without the rows {reprlib.repr(rows.tolist())} a tree has no row left that it has drawn, "
        "so that it predicts nothing. Remove fewer rows at a time."
    )


def _means_without(forest: Forest, removals: Sequence[np.ndarray]) -> ForestWithout:
    rows = np.concatenate([np.empty(0, np.intp), *removals])
    models = np.repeat(np.arange(len(removals)), [len(own) for own in removals])
    found = []
    for tree in range(forest.n_trees):
        leaf, model, change = TreeWithout(forest, tree, removals).changes(rows, models)
        found.append((leaf + forest.leaves.firsts[tree], model, change))
    return ForestWithout(forest, len(removals), *map(np.concatenate, zip(*found, strict=True)))


class TreeWithout:
    """One tree of several forests, each without some of the rows.

    Parameters
    ----------
    forest : Forest
    tree : int
    removals : sequence of ndarray of int
        For messages.
    """

    def __init__(self, forest: Forest, tree: int, removals: Sequence[np.ndarray]) -> None:
        self.forest, self.tree, self.removals = forest, tree, removals
        self.weight = forest.weights.of(tree)
        self.values = forest.leaves.own(forest.values, tree)
        self.positions = forest.leaves.positions[tree]

    def changes(
        self, rows: np.ndarray, models: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Leaves that change, the models that they do in, and by how much.

        Parameters
        ----------
        rows, models : ndarray of int, shape (n,)
            Rows that go, and out of which model.
        """
        counts = self.weight[rows] > 0
        rows, models = rows[counts], models[counts]
        here, weight = self.positions[rows].astype(np.int64), self.weight[rows]
        targets = weight[:, None] * self.forest.y[rows]
        gone = Sums.over(models * len(self.values) + here, np.ones(len(rows)), weight, targets)
        model, leaf = np.divmod(gone.key, len(self.values))
        is_lost = gone.n_rows == self.all_rows.n_rows[leaf]
        left = np.where(is_lost, 1, self.all_rows.weight[leaf] - gone.weight)[:, None]
        # Of errors, of which less is left than of targets, so that less of them is rounding.
        change = (gone.weight[:, None] * self.values[leaf] - gone.targets) / left
        if is_lost.any():
            means = self.means_above(gone, model[is_lost], leaf[is_lost])
            change[is_lost] = means - self.values[leaf[is_lost]]
        return leaf, model, change

    @cached_property
    def all_rows(self) -> Sums:
        """Of all rows, by leaves."""
        leaves, n_leaves = self.forest.leaves, len(self.values)
        weight = leaves.own(self.forest.weight, self.tree)
        n_rows = leaves.summed(self.weight > 0, self.tree)
        return Sums(np.arange(n_leaves), n_rows, weight, weight[:, None] * self.values)

    def means_above(self, gone: Sums, models: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """Means at the nearest nodes above leaves that keep rows, shape (n, n_outputs).

        Parameters
        ----------
        gone : Sums
            Of the rows that go, by models and leaves.
        models, leaves : ndarray of int, shape (n,)
        """
        above, nodes = self.forest.hierarchy_of(self.tree)
        model, leaf = np.divmod(gone.key, len(nodes))
        gone = gone._replace(key=model * len(above) + nodes[leaf]).carried_up(above)
        all_rows = self.all_rows._replace(key=nodes).carried_up(above)
        means = np.empty((len(leaves), self.forest.n_outputs))
        searching, node = np.arange(len(leaves)), above[nodes[leaves]]
        while len(searching):
            if (node == NOWHERE).any():
                model = models[searching[node == NOWHERE][0]]
                raise ValueError(no_row_left(self.removals[model]))
            own, less = all_rows.at(node), gone.at(models[searching] * len(above) + node)
            has_rows = own.n_rows > less.n_rows
            left = (own.targets - less.targets)[has_rows]
            means[searching[has_rows]] = left / (own.weight - less.weight)[has_rows, None]
            searching, node = searching[~has_rows], above[node[~has_rows]]
        return means
