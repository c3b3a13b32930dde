"""A boosted model as a recursion in its leaf values, with the structure of its trees held fixed.

Tree t adds to predictor k. The values of its leaves are a function of the weights of their rows and
of the predictors before its stage, which are sums of the values of leaves before: how they are
estimated, and with which derivatives, is the business of an :class:`Estimation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ._estimation import Estimation
from ._leaves import Leaves
from ._starts import Start
from ._steps import Step


class Stage(NamedTuple):
    """Trees that see the same predictors, and what they see.

    Attributes
    ----------
    trees : range
    eta : ndarray of shape (n_outputs, n_rows)
        Predictors of the rows before the stage; overwritten when the next one is asked for.
    """

    trees: range
    eta: np.ndarray


class Solved(NamedTuple):
    """What the recursion makes of the rows.

    Attributes
    ----------
    start : ndarray of shape (n_outputs,)
    values : ndarray of shape (n_leaves,)
    states : list, a tree an item
        What the estimation keeps of its leaves, for their derivatives.
    """

    start: np.ndarray
    values: np.ndarray
    states: list[Any]


class Columns(NamedTuple):
    """Where the values of a tree stand among all, of which the starting predictors are the first.

    Attributes
    ----------
    first, end : int
    output : int
        The predictor that they are added to.
    positions : ndarray of int64, shape (n_rows,)
        The leaves of the training rows.
    """

    first: int
    end: int
    output: int
    positions: np.ndarray

    @property
    def size(self) -> int:
        return self.end - self.first


@dataclass(frozen=True)
class BoostedTrees:
    """How a boosted model came about.

    Attributes
    ----------
    step : Step
    start : Start
    estimation : Estimation
    y : ndarray of shape (n_rows,)
        Targets as the step takes them.
    weight : ndarray of shape (n_rows,)
        What rows weigh in the fit; 0 for rows that it held out.
    leaves : Leaves
        Of the training rows.
    outputs : ndarray of int, shape (n_trees,)
        Which predictor each tree adds to.
    stages : ndarray of int, shape (n_trees,)
        Ascending; trees of one stage see the predictors before it.
    values : ndarray of shape (n_leaves,)
        Leaf values as the library adds them.
    start_values : ndarray of shape (n_outputs,)
        Its predictors before the first tree.
    """

    step: Step
    start: Start
    estimation: Estimation
    y: np.ndarray
    weight: np.ndarray
    leaves: Leaves
    outputs: np.ndarray
    stages: np.ndarray
    values: np.ndarray
    start_values: np.ndarray

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def n_outputs(self) -> int:
        return self.step.n_outputs

    @property
    def n_values(self) -> int:
        """How many starting predictors and leaf values there are."""
        return self.n_outputs + self.leaves.n_leaves

    @property
    def columns(self) -> list[Columns]:
        """Those of the starting predictors, and then of each tree."""
        nowhere = np.zeros(self.n_rows, np.int64)
        start = [Columns(k, k + 1, k, nowhere) for k in range(self.n_outputs)]
        return [*start, *self.columns_of(slice(0, self.leaves.n_trees))]

    def columns_of(self, trees: slice) -> list[Columns]:
        """Those of some trees."""
        firsts = self.n_outputs + self.leaves.firsts
        return [
            Columns(
                int(firsts[tree]),
                int(firsts[tree + 1]),
                int(self.outputs[tree]),
                self.leaves.positions[tree].astype(np.int64),
            )
            for tree in range(trees.start, trees.stop)
        ]

    @cached_property
    def stage_trees(self) -> list[range]:
        """The trees of each stage, which follow one another."""
        firsts = np.flatnonzero(np.diff(self.stages, prepend=-1))
        ends = [*firsts[1:], len(self.stages)]
        return [range(first, end) for first, end in zip(firsts, ends, strict=True)]

    def predictors(self, leaves: Leaves) -> np.ndarray:
        """Predictors of rows by the values that the library has, shape (n, n_outputs)."""
        eta = np.tile(np.asarray(self.start_values, np.float64), (leaves.n_rows, 1))
        for tree, output in enumerate(self.outputs):
            eta[:, output] += leaves.at(self.values, tree)
        return eta

    def stages_of(self, solved: Solved, rows: Any = slice(None)) -> Iterator[Stage]:
        """What each stage sees of some rows, by leaf values of the recursion."""
        leaves = self.leaves[rows]
        eta = np.tile(solved.start[:, None], leaves.n_rows)
        for trees in self.stage_trees:
            yield Stage(trees, eta)
            for tree in trees:
                eta[self.outputs[tree]] += leaves.at(solved.values, tree)

    @cached_property
    def solved(self) -> Solved:
        """The recursion, of all rows."""
        return self.resolved(self.weight)

    def resolved(self, weight: np.ndarray) -> Solved:
        """The recursion with other weights of the rows; a leaf without any has the value 0."""
        solved = Solved(
            self.start.values(self.y, weight),
            np.zeros(self.leaves.n_leaves),
            [None] * self.leaves.n_trees,
        )
        for trees, eta in self.stages_of(solved):
            estimated = self.estimation.estimated(self, trees, eta, weight)
            for tree, (values, state) in zip(trees, estimated, strict=True):
                # In place: the stages that follow see them.
                self.leaves.own(solved.values, tree)[:] = values
                solved.states[tree] = state
        return solved

    def pulls(self, rows: Any = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the start, and of the leaf values, in the weights of some rows.

        Those of a row's own leaves, at predictors that are held.

        Returns
        -------
        start : ndarray of shape (n, n_outputs)
        entries : ndarray of shape (n, n_trees)
        """
        y, leaves, states = self.y[rows], self.leaves[rows], self.solved.states
        entries = np.empty(leaves.positions.shape)
        for trees, eta in self.stages_of(self.solved, rows):
            entries[trees.start : trees.stop] = self.estimation.pulls(
                self, trees, states, leaves, y, eta
            )
        return self.start_pulls[:, rows].T, entries.T

    @cached_property
    def start_pulls(self) -> np.ndarray:
        """Derivatives of the start in the weights of all rows, shape (n_outputs, n_rows)."""
        return self.start.weight_slopes(self.y, self.weight)

    def target_pulls(self, rows: Any = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """The same in the targets of the rows, where the step is linear in these."""
        leaves, weight = self.leaves[rows], self.weight[rows]
        entries = np.empty(leaves.positions.shape)
        for tree, state in enumerate(self.solved.states):
            entries[tree] = (
                weight * self.estimation.target_pulls(tree, state)[leaves.positions[tree]]
            )
        start = self.start.target_slopes(self.y, self.weight)[:, rows]
        return start.T, entries.T

    def seen_slopes(self, tree: int, eta: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """Derivatives of a row's leaf value in what the tree sees of it, (n_outputs, n).

        Parameters
        ----------
        tree : int
        eta : ndarray of shape (n_outputs, n)
            What its stage sees of the rows.
        rows : slice or array of int
        """
        state, here = self.solved.states[tree], self.leaves.positions[tree, rows]
        slopes = self.estimation.seen_slopes(self, tree, state, here, self.y[rows], eta)
        return slopes * self.weight[rows]
