"""Which steps CatBoost has taken inside each tree, which it does not tell.

By default (``leaf_estimation_backtracking="AnyImprovement"``) a step after which the loss of all
rows is not lower is taken back and tried at half the length, and each trial counts among the
``leaf_estimation_iterations``. Some losses are compared by logarithms of single precision, so that
what happened near their minimum cannot be computed again: it is found by the values that the leaves
have come to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...trees import BoostedTrees, NewtonSteps

#: Largest difference of leaf values, of the largest one of the tree, that is rounding.
ROUNDING = 1e-9
#: Relative change of a loss whose sign single precision may not tell.
DOUBTFUL = 1e-4
#: How many trials of a tree are looked at before it is given up.
TRIALS = 2000


def lengths_of_steps(trees: BoostedTrees, estimation: NewtonSteps, n_trials: int) -> list[Any]:
    """The length of each step of each stage, of those that were not taken back.

    Parameters
    ----------
    trees : BoostedTrees
        With the leaf values of the model.
    estimation : NewtonSteps
        With its rate and penalty.
    n_trials : int
        How many steps are tried in a tree.

    Returns
    -------
    list of lists of float
        As many as ``n_trials`` steps of length 1 where nothing else gives the leaf values.
    """
    found, eta = [], np.tile(trees.start_values[:, None], trees.n_rows)
    for stage in trees.stage_trees:
        values = np.stack([trees.leaves.own(trees.values, tree) for tree in stage], axis=1)
        search = _Search(trees, estimation, stage.start, eta, values / estimation.rate, n_trials)
        found.append(search.lengths())
        eta += values.T[:, trees.leaves.positions[stage.start]]
    return found


@dataclass(frozen=True)
class _Trial:
    """A step that is tried.

    Attributes
    ----------
    number : int
        How many were tried before.
    move : ndarray of shape (size, n_outputs)
        Where the leaves are.
    loss : float
        There.
    step : ndarray of shape (size, n_outputs)
    length : float
    lengths : tuple of float
        Of the steps that have led there.
    """

    number: int
    move: np.ndarray
    loss: float
    step: np.ndarray
    length: float
    lengths: tuple[float, ...]


class _Search:
    """Of the steps of one tree that lead to the values of its leaves."""

    def __init__(self, trees, estimation, tree, eta, target, n_trials):
        self.trees, self.estimation, self.tree, self.eta = trees, estimation, tree, eta
        self.target, self.n_trials = target, n_trials

    def lengths(self) -> list[float]:
        """Full steps if these are it, or the first way in the order of the losses that is."""
        start = np.zeros_like(self.target)
        move = start
        for _ in range(self.n_trials):
            move = move + self._step(move)
        if self._is_there(move):
            return [1.0] * self.n_trials
        waiting = [_Trial(0, start, self._loss(start), self._step(start), 1.0, ())]
        for _ in range(TRIALS):
            if not waiting:
                break
            trial = waiting.pop()
            if self._is_there(trial.move):
                return list(trial.lengths) or [0.0]
            if trial.number < self.n_trials:
                waiting.extend(self._outcomes(trial))
        return [1.0] * self.n_trials

    def _outcomes(self, trial: _Trial) -> list[_Trial]:
        """What can have become of it, the likeliest last."""
        move = trial.move + trial.length * trial.step
        loss = self._loss(move)
        kept = _Trial(
            trial.number + 1, move, loss, self._step(move), 1.0, (*trial.lengths, trial.length)
        )
        taken_back = replace(trial, number=trial.number + 1, length=trial.length / 2)
        is_lower = loss < trial.loss
        outcomes = [taken_back, kept] if is_lower else [kept, taken_back]
        is_clear = abs(loss - trial.loss) > DOUBTFUL * (abs(trial.loss) + 1)
        return outcomes[1:] if is_clear else outcomes

    def _is_there(self, move):
        off = np.abs(move - self.target).max()
        return off <= ROUNDING * max(np.abs(self.target).max(), ROUNDING)

    def _step(self, move):
        return self.estimation.step(self.trees, self.tree, self.eta, self.trees.weight, move)[0]

    def _loss(self, move):
        trees = self.trees
        seen = self.eta + move.T[:, trees.leaves.positions[self.tree]]
        return np.average(trees.step.loss(trees.y, seen), weights=trees.weight)
