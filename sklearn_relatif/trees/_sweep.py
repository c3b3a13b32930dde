"""The recursion by sweeps over the rows, for models whose triangle is too large to be written down.

What a query asks of the values of trees is passed on, from the last trees to the first, by what
these trees see of the rows: ``a_ij`` is the derivative of the query in predictor j of row i by way
of the trees that were come by so far. A group of trees takes it over, and passes it on ::

    V = q + E^T a + M^T V,        a := a + b V,

with the indicators E of the leaves of rows, the slopes b of their values in what is seen of the
rows, and the triangle M of these slopes within the group. These are products of sparse rows with
the vectors of all queries, one pass over ``a`` for each group, and O(rows) a tree and query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from ..utils._blocks import row_blocks
from ..utils._threads import CACHED_BYTES, for_each
from ._boosted import BoostedTrees
from ._leaves import Leaves
from ._recursion import write_slopes

#: Trees of a group, if a stage has fewer: the more, the fewer passes, and the larger its triangle.
GROUPED = 8
#: Bytes of what is passed on for a block of queries.
PASSED_BYTES = 2.0**30
#: Bytes of slopes: a stage of many predictors has as many squared of them for each row.
SLOPES_BYTES = 2.0**27


@dataclass
class Group:
    """Trees of some stages that follow one another.

    Attributes
    ----------
    stages : list of range
    leaves : Leaves
        Of the training rows, in these trees.
    outputs : ndarray of int, shape (n_trees,)
        Which predictor each of them adds to.
    slopes : callable
        From a slice of rows to those of their values in each tree, in their predictors, shape
        (n_outputs, n_trees, n).
    values : ndarray of shape (n_leaves, m)
        What queries ask of its leaves; zeros until that is known.
    """

    stages: list[range]
    leaves: Leaves
    outputs: np.ndarray
    slopes: Callable[[slice], np.ndarray]
    values: np.ndarray

    @property
    def trees(self) -> slice:
        return slice(self.stages[0].start, self.stages[-1].stop)


class SweptRecursion:
    """The recursion by sweeps.

    Parameters
    ----------
    trees : BoostedTrees
    """

    def __init__(self, trees: BoostedTrees) -> None:
        self.trees = trees

    def solve_transposed(self, queries: np.ndarray) -> np.ndarray:
        """``A^-T q`` of each column q, shape (n_values, m)."""
        solved = np.array(queries, np.float64)
        per_query = self.trees.n_rows * self.trees.n_outputs * 8
        for some in row_blocks(queries.shape[1], per_query, PASSED_BYTES):
            solved[:, some] = self._swept(solved[:, some])
        return solved

    def _swept(self, queries: np.ndarray) -> np.ndarray:
        """The same for so many columns that what is passed on can be held."""
        trees, solved = self.trees, queries.copy()
        n_start, firsts = trees.n_outputs, trees.n_outputs + trees.leaves.firsts
        passed = np.zeros((n_start, trees.n_rows, queries.shape[1]))
        later = None
        for group in self._groups(queries.shape[1]):
            own = solved[firsts[group.trees.start] : firsts[group.trees.stop]]
            own += self._taken_over(group, passed, later)
            group.values = own[:] = self._within(group, own)
            later = group
        if later is not None:
            self._pass_on(passed, later)
        solved[:n_start] += passed.sum(axis=1)
        return solved

    def _groups(self, n_queries: int) -> Iterator[Group]:
        """Groups of trees with their slopes, from the last to the first."""
        trees, solved = self.trees, self.trees.solved
        eta = np.tile(solved.start[:, None], trees.n_rows)
        for tree, output in enumerate(trees.outputs):
            eta[output] += trees.leaves.at(solved.values, tree)
        n_stages = max(1, GROUPED // trees.n_outputs)
        ends = range(len(trees.stage_trees), 0, -n_stages)
        for end in ends:
            stages = trees.stage_trees[max(0, end - n_stages) : end]
            some = slice(stages[0].start, stages[-1].stop)
            for tree in range(some.start, some.stop):
                eta[trees.outputs[tree]] -= trees.leaves.at(solved.values, tree)
            leaves = trees.leaves.of_trees(some)
            values = np.zeros((leaves.n_leaves, n_queries))
            slopes = partial(self._slopes, stages, eta.copy())
            if len(stages) > 1:
                # Of few predictors, and needed twice.
                whole = slopes(slice(0, trees.n_rows))
                slopes = partial(_some_rows, whole)
            yield Group(stages, leaves, trees.outputs[some], slopes, values)

    def _slopes(self, stages: list[range], eta: np.ndarray, rows: slice) -> np.ndarray:
        """Of some rows in the trees of some stages, given what the first of these sees of all."""
        trees, first, eta = self.trees, stages[0].start, eta[:, rows].copy()
        slopes = np.empty((trees.n_outputs, stages[-1].stop - first, eta.shape[1]))
        for stage in stages:
            for tree in stage:
                slopes[:, tree - first] = trees.seen_slopes(tree, eta, rows)
            for tree in stage:
                eta[trees.outputs[tree]] += trees.leaves.at(trees.solved.values, tree, rows)
        return slopes

    def _taken_over(self, group: Group, passed: np.ndarray, later: Group | None) -> np.ndarray:
        """``E^T a``, after a later group has passed on what is its own."""
        total = np.zeros_like(group.values)

        def take(rows: slice) -> np.ndarray:
            return _taken_over_by(group, passed, rows)

        def add(taken: np.ndarray) -> None:
            np.add(total, taken, out=total)

        if later is None:
            for_each(take, _chunks(passed, slice(0, self.trees.n_rows)), add)
        else:
            self._pass_on(passed, later, take, add)
        return total

    def _pass_on(
        self,
        passed: np.ndarray,
        group: Group,
        take: Callable[[slice], Any] = lambda rows: None,
        add: Callable[[Any], None] | None = None,
    ) -> None:
        """``a := a + b V``, and what is made of each chunk of rows while it is in cache."""
        per_row = 8 * self.trees.n_outputs * len(group.outputs)
        for block in row_blocks(self.trees.n_rows, per_row, SLOPES_BYTES):
            slopes = group.slopes(block)

            def visit(rows: slice, block: slice = block, slopes: np.ndarray = slopes) -> Any:
                own = slopes[:, :, rows.start - block.start : rows.stop - block.start]
                _pass_on_some(passed, group, own, rows)
                return take(rows)

            for_each(visit, _chunks(passed, block), add)

    def _within(self, group: Group, asked: np.ndarray) -> np.ndarray:
        """What is asked of the leaves of a group, by way of its own later trees too."""
        if len(group.stages) == 1:
            return asked
        columns = self.trees.columns_of(group.trees)
        first = group.trees.start
        triangle = np.eye(group.leaves.n_leaves)
        slopes_of = group.slopes(slice(0, self.trees.n_rows))
        for stage in group.stages[1:]:
            for tree in stage:
                own, seen = columns[tree - first], columns[: stage.start - first]
                write_slopes(triangle, own, seen, slopes_of[:, tree - first])
        solved: np.ndarray = solve_triangular(
            triangle, asked, trans=1, lower=True, unit_diagonal=True
        )
        return solved


def _some_rows(whole: np.ndarray, rows: slice) -> np.ndarray:
    return whole[:, :, rows]


def _chunks(passed: np.ndarray, block: slice) -> list[slice]:
    """Slices of a block of rows of which cache holds what is passed on."""
    bytes_per_row = passed.shape[0] * passed.shape[2] * 8
    chunks = row_blocks(block.stop - block.start, bytes_per_row, CACHED_BYTES)
    return [slice(block.start + some.start, block.start + some.stop) for some in chunks]


def _pass_on_some(passed: np.ndarray, group: Group, slopes: np.ndarray, rows: slice) -> None:
    """``a := a + b V`` of some rows, given their slopes."""
    for own, slope in zip(passed, slopes, strict=True):
        own[rows] += group.leaves.matrix(slope.T, rows) @ group.values


def _taken_over_by(group: Group, passed: np.ndarray, rows: slice) -> np.ndarray:
    """``E^T a`` of some rows."""
    n_rows = rows.stop - rows.start
    taken = np.zeros_like(group.values)
    for output, own in enumerate(passed):
        is_own = np.broadcast_to((group.outputs == output) * 1.0, (n_rows, len(group.outputs)))
        taken += group.leaves.matrix(is_own, rows).T @ own[rows]
    return taken
