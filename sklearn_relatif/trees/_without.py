"""Boosted models without some of their rows: the recursion, of several of them side by side.

Leaf values are estimated again, tree after tree, from the rows that are left, with the structure of
the trees held fixed. No derivative is taken. Numbers of several models are along a last axis, so
that each row's lie together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..utils._blocks import block_budget, row_blocks
from ._boosted import BoostedTrees
from ._leaves import LeavesWithout

#: Numbers of a row and a predictor in one model that are held at a time: the predictor, gradients,
#: second derivatives, and what these are made of.
AT_WORK = 8


class BoostedWithout(LeavesWithout):
    """Boosted models.

    Parameters
    ----------
    trees : BoostedTrees
        Of all rows.
    start : ndarray of shape (n_outputs, n_models)
    values : ndarray of shape (n_leaves, n_models)
    """

    def __init__(self, trees: BoostedTrees, start: np.ndarray, values: np.ndarray) -> None:
        self.trees, self.start, self.values = trees, start, values

    def predictors_before(self, leaves):
        solved = self.trees.solved
        return self._sums(leaves, solved.start[:, None], solved.values[:, None])[:, 0]

    def predictors(self, leaves):
        return self._sums(leaves, self.start, self.values)

    def _sums(self, leaves, start, values):
        eta = np.repeat(start[:, None], leaves.n_rows, axis=1)
        for tree, output in enumerate(self.trees.outputs):
            eta[output] += leaves.at(values, tree)
        return np.moveaxis(eta, 0, 2)

    def parameter_change(self):
        solved = self.trees.solved
        square = np.sum((self.start - solved.start[:, None]) ** 2, axis=0)
        square += np.sum((self.values - solved.values[:, None]) ** 2, axis=0)
        return np.sqrt(square)


def boosted_without(
    trees: BoostedTrees, removals: Sequence[np.ndarray]
) -> Iterator[tuple[slice, BoostedWithout]]:
    """The recursion without each group of rows, for as many of them at a time as memory holds.

    A leaf that loses all of its rows adds nothing: its rows keep what the trees before predict.

    Parameters
    ----------
    trees : BoostedTrees
    removals : sequence of ndarray of int
        Positions of the rows that each model does without.

    Yields
    ------
    some : slice
        Of the removals.
    models : BoostedWithout
    """
    of_rows = trees.n_rows * (AT_WORK * trees.n_outputs + 1)
    n_numbers = of_rows + trees.n_values
    for some in row_blocks(len(removals), 8 * n_numbers, block_budget()):
        yield some, _recursion_without(trees, removals[some])


def _recursion_without(trees: BoostedTrees, removals: Sequence[np.ndarray]) -> BoostedWithout:
    weight = np.repeat(trees.weight[:, None], len(removals), axis=1)
    for model, rows in enumerate(removals):
        weight[rows, model] = 0
    start = np.stack([trees.start.values(trees.y, np.array(own)) for own in weight.T], axis=1)
    values, leaves = np.empty((trees.leaves.n_leaves, len(removals))), trees.leaves
    eta = np.repeat(start[:, None], trees.n_rows, axis=1)
    for stage in trees.stage_trees:
        each = trees.estimation.estimated_of_each(trees, stage, eta, weight)
        for tree, found in zip(stage, each, strict=True):
            leaves.own(values, tree)[:] = found
        # Afterwards: all trees of a stage see the predictors before it.
        for tree in stage:
            eta[trees.outputs[tree]] += leaves.at(values, tree)
    return BoostedWithout(trees, start, values)
