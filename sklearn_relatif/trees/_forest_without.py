"""Forests without some of their rows: the values of leaves as means of the rows that are left.

Only leaves that hold some of the rows change. With the weights w and the targets y of the rows of a
leaf, those of the rows R that go among them ::

    value = (sum w y - sum_R w y) / (sum w - sum_R w).

Sums of whole numbers have no rounding, so that classes with equal shares stay equal.

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
    n_others : ndarray of shape (n, n_outputs)
        How many of the rows have a target other than 0.
    """

    key: np.ndarray
    n_rows: np.ndarray
    weight: np.ndarray
    targets: np.ndarray
    n_others: np.ndarray

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
        numbers = (own[every] for own in self[1:])
        return Sums.over(np.concatenate(keys), *numbers)

    def at(self, key: np.ndarray) -> Sums:
        """Those of some keys, all of which are here."""
        return self.of(np.searchsorted(self.key, key))

    def of(self, some: np.ndarray) -> Sums:
        """Those at some positions."""
        return Sums(*(own[some] for own in self))

    def mean_without(self, gone: Sums) -> np.ndarray:
        """Means of the targets of the rows that are left, shape (n, n_outputs).

        Targets that are all 0 have a mean of 0, which a difference of sums would miss by rounding.
        """
        left = (self.targets - gone.targets) / (self.weight - gone.weight)[:, None]
        return np.where(self.n_others == gone.n_others, 0, left)


class ForestWithout(LeavesWithout):
    """Forests.

    Parameters
    ----------
    forest : Forest
        Of all rows.
    n_models : int
    leaf, model : ndarray of int, shape (n_changes,)
        Leaves that change, among all, and in which model.
    values : ndarray of shape (n_changes, n_outputs)
        What they come to.
    """

    def __init__(
        self,
        forest: Forest,
        n_models: int,
        leaf: np.ndarray,
        model: np.ndarray,
        values: np.ndarray,
    ) -> None:
        self.forest, self.n_models = forest, n_models
        self.leaf, self.model, self.values = leaf, model, values

    def predictors_before(self, leaves):
        return self.forest.predictors(leaves)

    def predictors(self, leaves):
        before = self.predictors_before(leaves)
        predictors = np.repeat(before[:, None], self.n_models, axis=1)
        share = np.full((leaves.n_rows, self.forest.n_trees), 1 / self.forest.n_trees)
        shares, shape = leaves.matrix(share), (self.forest.leaves.n_leaves, self.n_models)
        # By both and not by their difference: of a single tree, what is left is the new value then,
        # and classes that share a leaf equally have equal probabilities.
        for sign, values in ((-1, self.forest.values[self.leaf]), (1, self.values)):
            for output, own in enumerate(values.T):
                some = sparse.csr_array((sign * own, (self.leaf, self.model)), shape=shape)
                predictors[:, :, output] += (shares @ some).toarray()
        # Where all leaves have come to 0, sums of changes have not quite.
        rounding = self.forest.n_trees * np.finfo(np.float64).eps * np.abs(before)
        predictors[np.abs(predictors) <= rounding[:, None]] = 0
        return predictors

    def parameter_change(self):
        square = np.sum((self.values - self.forest.values[self.leaf]) ** 2, axis=1)
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
        leaf, model, values = TreeWithout(forest, tree, removals).changes(rows, models)
        found.append((leaf + forest.leaves.firsts[tree], model, values))
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
        """Leaves that change, the models that they do in, and what their values are there.

        Parameters
        ----------
        rows, models : ndarray of int, shape (n,)
            Rows that go, and out of which model.
        """
        counts = self.weight[rows] > 0
        rows, models = rows[counts], models[counts]
        here, weight = self.positions[rows].astype(np.int64), self.weight[rows]
        targets = self.forest.y[rows]
        numbers = np.ones(len(rows)), weight, weight[:, None] * targets, targets != 0
        gone = Sums.over(models * len(self.values) + here, *numbers)
        model, leaf = np.divmod(gone.key, len(self.values))
        before, all_rows = self.values[leaf], self.all_rows.of(leaf)
        is_lost = gone.n_rows == all_rows.n_rows
        values, stays = np.empty_like(before), ~is_lost
        values[stays] = all_rows.of(stays).mean_without(gone.of(stays))
        if is_lost.any():
            values[is_lost] = self.means_above(gone, model[is_lost], leaf[is_lost])
        # Rows that are told their targets move nothing, but by rounding.
        moves_none = stays[:, None] & (gone.weight[:, None] * before == gone.targets)
        return leaf, model, np.where(moves_none, before, values)

    @cached_property
    def all_rows(self) -> Sums:
        """Of all rows, by leaves."""
        leaves, n_leaves = self.forest.leaves, len(self.values)
        weight = leaves.own(self.forest.weight, self.tree)
        counts, targets = self.weight > 0, self.forest.y
        n_rows = leaves.summed(counts, self.tree)
        sums = leaves.summed(self.weight[:, None] * targets, self.tree)
        n_others = leaves.summed((counts[:, None] & (targets != 0)).astype(float), self.tree)
        return Sums(np.arange(n_leaves), n_rows, weight, sums, n_others)

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
            means[searching[has_rows]] = own.of(has_rows).mean_without(less.of(has_rows))
            searching, node = searching[~has_rows], above[node[~has_rows]]
        return means
