"""Leaf values by several steps inside a tree, and by Newton steps in all outputs at once.

The trees of a stage, one an output, have the same leaves. A leaf is moved from 0: with the sums G
and H of the weighted gradients g and of the matrices h of second derivatives of its rows, at what
the stage sees of them and the move so far ::

    u = -(H + l2 I)^-1 G,    move <- move + length u,    values = rate * move  at last.

Each step sees those before it, so that with ``S = sum_i w_i d(g_i + h_i u)/deta`` a derivative of
the move is carried on by ``I - length (H + l2 I)^-1 S`` of each later step, and ::

    d values / dw_i   = -rate sum_steps carried length (H + l2 I)^-1 (g_i + h_i u)
    d values / deta_i = -rate sum_steps carried length (H + l2 I)^-1 w_i d(g_i + h_i u)/deta.

So the tree stays one for what sees it: the steps are in the same leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._estimation import Estimation


class TakenStep(NamedTuple):
    """A step of all leaves of the trees of a stage.

    Attributes
    ----------
    before : ndarray of shape (size, n_outputs)
        Where the leaves were moved to before.
    step : ndarray of shape (size, n_outputs)
        Before it is multiplied by its length.
    inverse : ndarray of shape (size, n_outputs, n_outputs)
        ``length (H + l2 I)^-1``; 0 for leaves without rows.
    """

    before: np.ndarray
    step: np.ndarray
    inverse: np.ndarray


class StepPull(NamedTuple):
    """What one step makes of a row for one of the trees.

    Attributes
    ----------
    before, step : ndarray of shape (size, n_outputs)
        As of :class:`TakenStep`.
    by : ndarray of shape (size, n_outputs)
        The derivative of the leaf values in ``g + h u`` of a row of weight 1.
    """

    before: np.ndarray
    step: np.ndarray
    by: np.ndarray


class NewtonSteps(Estimation):
    """Newton steps with the second derivatives of the loss itself.

    Parameters
    ----------
    rate : float
        What the sum of the steps is multiplied by.
    l2 : float
        Added to the diagonal of the second derivatives of each leaf.
    lengths : sequence of sequences of float
        What each step of each stage is multiplied by; held, like the structure.
    """

    def __init__(self, rate: float, l2: float, lengths: Sequence[Sequence[float]]) -> None:
        self.rate, self.l2, self.lengths = rate, l2, lengths

    def estimated(self, trees, stage, eta, weight):
        move, taken = self._taken(trees, stage.start, eta, weight)
        states = self._states(trees, stage.start, eta, weight, taken)
        return list(zip(self.rate * move.T, states, strict=True))

    def estimated_of_each(self, trees, stage, eta, weight):
        each = [
            self.rate * self._taken(trees, stage.start, eta[:, :, model], own)[0].T
            for model, own in enumerate(weight.T)
        ]
        return np.moveaxis(np.stack(each), 0, 2)

    def _taken(self, trees, tree, eta, weight):
        """Where the leaves are moved to, (size, n_outputs), and the steps that lead there."""
        move, taken = np.zeros((int(trees.leaves.sizes[tree]), trees.n_outputs)), []
        for length in self.lengths[trees.stages[tree]]:
            step, inverse = self.step(trees, tree, eta, weight, move)
            taken.append(TakenStep(move, step, length * inverse))
            move = move + length * step
        return move, taken

    def step(self, trees, tree, eta, weight, move):
        """The step of each leaf from where it was moved to, and what made it of the gradients.

        Parameters
        ----------
        trees : BoostedTrees
        tree : int
            The first one of the stage.
        eta : ndarray of shape (n_outputs, n_rows)
        weight : ndarray of shape (n_rows,)
        move : ndarray of shape (size, n_outputs)

        Returns
        -------
        step : ndarray of shape (size, n_outputs)
        inverse : ndarray of shape (size, n_outputs, n_outputs)
            ``(H + l2 I)^-1``
        """
        seen = _moved(eta, move, trees.leaves.positions[tree])
        gradient = trees.step.gradient(trees.y, seen)
        total = np.stack([trees.leaves.summed(weight * one, tree) for one in gradient], axis=1)
        bend = self._bends(trees, tree, seen, weight) + self.l2 * np.eye(trees.n_outputs)
        inverse, has_rows = np.zeros_like(bend), trees.leaves.summed(weight, tree) > 0
        inverse[has_rows] = np.linalg.inv(bend[has_rows])
        return -np.einsum("ljk,lk->lj", inverse, total), inverse

    def _states(self, trees, tree, eta, weight, taken):
        """Of each tree of the stage, the :class:`StepPull` of each step."""
        carried = np.broadcast_to(np.eye(trees.n_outputs), taken[-1].inverse.shape)
        pulls = []
        for index in reversed(range(len(taken))):
            before, step, inverse = taken[index]
            by = carried @ inverse
            pulls.append((before, step, -self.rate * by))
            if index:
                seen = _moved(eta, before, trees.leaves.positions[tree])
                carried = carried - by @ self._slopes(trees, tree, seen, weight, step)
        return [
            [StepPull(before, step, by[:, output]) for before, step, by in pulls]
            for output in range(trees.n_outputs)
        ]

    def _slopes(self, trees, tree, seen, weight, step):
        """Sums over the rows of each leaf of ``w d(g + h u)/deta``, a row an output of ``g``."""
        moved = step.T[:, trees.leaves.positions[tree]]
        found = []
        for output in range(trees.n_outputs):
            one = np.zeros((trees.n_outputs, 1))
            one[output] = 1
            slopes = self._row_slopes(trees.step, trees.y, seen, one, moved)
            found.append([trees.leaves.summed(weight * slope, tree) for slope in slopes])
        return np.moveaxis(np.array(found), 2, 0)

    def pulls(self, trees, stage, states, leaves, y, eta):
        here = leaves.positions[stage.start]
        found = np.zeros((len(stage), leaves.n_rows))
        for pulls in zip(*(states[tree] for tree in stage), strict=True):
            seen = _moved(eta, pulls[0].before, here)
            pulled = self._pulled(trees.step, y, seen, pulls[0].step.T[:, here])
            for own, pull in zip(found, pulls, strict=True):
                own += (pull.by.T[:, here] * pulled).sum(0)
        return found

    def seen_slopes(self, trees, tree, state, here, y, eta):
        found = np.zeros_like(eta)
        for before, step, by in state:
            seen = _moved(eta, before, here)
            found += self._row_slopes(trees.step, y, seen, by.T[:, here], step.T[:, here])
        return found

    def target_pulls(self, tree, state):
        return -sum(by.sum(1) for _, _, by in state)

    # --- what is divided by ------------------------------------------------------------------

    def _bends(self, trees, tree, seen, weight):
        """H of each leaf, shape (size, n_outputs, n_outputs)."""
        found = [
            [trees.leaves.summed(weight * slope, tree) for slope in _hessian(trees, seen, output)]
            for output in range(trees.n_outputs)
        ]
        return np.moveaxis(np.array(found), 2, 0)

    def _pulled(self, step, y, seen, moved):
        """``g + h u`` of each row."""
        return step.moved_gradient(y, seen, moved)

    def _row_slopes(self, step, y, seen, by, moved):
        """Derivative of ``by . (g + h u)`` of each row in what is seen of it."""
        return step.moved_slopes(y, seen, by, moved)


class GradientSteps(NewtonSteps):
    """Steps along the gradients, divided by the weights of the rows: h is 1, whatever the loss."""

    def _bends(self, trees, tree, seen, weight):
        total = trees.leaves.summed(weight, tree)
        return total[:, None, None] * np.eye(trees.n_outputs)

    def _pulled(self, step, y, seen, moved):
        return step.gradient(y, seen) + moved

    def _row_slopes(self, step, y, seen, by, moved):
        return step.moved_slopes(y, seen, by, np.zeros_like(seen))


def _moved(eta: np.ndarray, move: np.ndarray, here: np.ndarray) -> np.ndarray:
    """What a step sees of rows whose leaves were moved."""
    return eta + move.T[:, here]


def _hessian(trees: Any, seen: np.ndarray, output: int) -> Iterator[np.ndarray]:
    """The second derivatives of each row in one output and each other."""
    yield from trees.step.slopes(trees.y, seen, output)[0]
