"""How the values of leaves are estimated from their rows, and how they change with these.

One Newton step gives, with the sums G and H over the rows of a leaf of the weighted gradients g and
second derivatives h at the predictors before the stage ::

    v = -rate * (G - l1 sign(G)) / (H + l2),

0 where ``|G| <= l1``, and held at ``max_step`` before the rate. For its rows ::

    dv / dw_i   = -(rate g_i + v h_i) / (H + l2)
    dv / deta_i = -w_i (rate dg_i/deta + v dh_i/deta) / (H + l2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ._leaves import Leaves


class Estimation:
    """What makes the values of the leaves of a stage, of the :class:`BoostedTrees` that ask it."""

    def estimated(
        self, trees: Any, stage: range, eta: np.ndarray, weight: np.ndarray
    ) -> Sequence[tuple[np.ndarray, Any]]:
        """Of each tree of a stage, the values of its leaves, and a state for their derivatives.

        Parameters
        ----------
        trees : BoostedTrees
        stage : range
        eta : ndarray of shape (n_outputs, n_rows)
            What the stage sees of all training rows.
        weight : ndarray of shape (n_rows,)
        """
        raise NotImplementedError

    def estimated_of_each(
        self, trees: Any, stage: range, eta: np.ndarray, weight: np.ndarray
    ) -> Iterable[np.ndarray]:
        """Of each tree of a stage, the values of its leaves in several models, (size, n_models).

        Parameters
        ----------
        trees : BoostedTrees
        stage : range
        eta : ndarray of shape (n_outputs, n_rows, n_models)
            What the stage sees of all training rows in each model.
        weight : ndarray of shape (n_rows, n_models)
        """
        each = [
            [values for values, _ in self.estimated(trees, stage, eta[:, :, model], own)]
            for model, own in enumerate(weight.T)
        ]
        return [np.stack(values, axis=1) for values in zip(*each, strict=True)]

    def pulls(
        self,
        trees: Any,
        stage: range,
        states: Sequence[Any],
        leaves: Leaves,
        y: np.ndarray,
        eta: np.ndarray,
    ) -> np.ndarray:
        """Derivatives of a row's leaf values in its weight, shape (len(stage), n).

        Parameters
        ----------
        trees : BoostedTrees
        stage : range
        states : list, an item for each of all trees
        leaves : Leaves
            Of some rows.
        y : ndarray of shape (n,)
            Their targets.
        eta : ndarray of shape (n_outputs, n)
            What the stage sees of them.
        """
        raise NotImplementedError

    def seen_slopes(
        self,
        trees: Any,
        tree: int,
        state: Any,
        here: np.ndarray,
        y: np.ndarray,
        eta: np.ndarray,
    ) -> np.ndarray:
        """Derivatives of a row's leaf value in what is seen of it, for a weight of 1.

        Parameters
        ----------
        trees : BoostedTrees
        tree : int
        state : object
            Of the tree.
        here : ndarray of int, shape (n,)
            Leaves of some rows in it.
        y : ndarray of shape (n,)
            Their targets.
        eta : ndarray of shape (n_outputs, n)
            What the stage sees of them.

        Returns
        -------
        ndarray of shape (n_outputs, n)
        """
        raise NotImplementedError

    def target_pulls(self, tree: int, state: Any) -> np.ndarray:
        """Of each leaf of a tree, the derivative of its value in the target of a row of weight 1.

        Only asked for where the step is linear.
        """
        raise NotImplementedError


class NewtonState(NamedTuple):
    """Of the leaves of a tree.

    Attributes
    ----------
    rate : ndarray of shape (size,)
        ``-rate / (H + l2)``; 0 for leaves whose value is held: without rows, or at a limit.
    value : ndarray of shape (size,)
        ``-v / (H + l2)``, likewise.
    """

    rate: np.ndarray
    value: np.ndarray


class NewtonStep(Estimation):
    """One Newton step a leaf.

    Parameters
    ----------
    rate : ndarray of shape (n_trees,)
        What the steps of each tree are multiplied by.
    l2 : ndarray of shape (n_leaves,) or float, default=0.0
        Added to the second derivatives of each leaf.
    l1 : float, default=0.0
        Threshold of the gradients.
    max_step : float, default=inf
        The largest step, before the rate.
    """

    def __init__(
        self, rate: np.ndarray, l2: Any = 0.0, l1: float = 0.0, max_step: float = np.inf
    ) -> None:
        self.rate, self.l2, self.l1, self.max_step = rate, l2, l1, max_step

    def estimated(self, trees, stage, eta, weight):
        return self._steps(trees, stage, trees.y, eta, weight)

    def estimated_of_each(self, trees, stage, eta, weight):
        for values, _ in self._steps(trees, stage, trees.y[:, None], eta, weight):
            yield values

    def _steps(self, trees, stage, y, eta, weight):
        """In one model, or in several along a last axis."""
        gradient, curvature = (weight * own for own in trees.step.gradient_and_curvature(y, eta))
        l2 = np.broadcast_to(self.l2, trees.leaves.n_leaves)
        for tree in stage:
            output = trees.outputs[tree]
            total = trees.leaves.summed(gradient[output], tree)
            bend = trees.leaves.summed(curvature[output], tree)
            # Transposed, so that leaves are last whether there are several models or not.
            bend = (bend.T + trees.leaves.own(l2, tree)).T
            yield self._step(total, bend, self.rate[tree])

    def _step(self, gradient, curvature, rate):
        pull = np.sign(gradient) * np.maximum(np.abs(gradient) - self.l1, 0)
        is_alive = curvature > 0
        scale = np.divide(1, curvature, out=np.zeros_like(curvature), where=is_alive)
        step = -pull * scale
        follows = is_alive & (np.abs(step) < self.max_step)
        if self.l1:
            follows &= pull != 0
        value = rate * np.clip(step, -self.max_step, self.max_step)
        scale = np.where(follows, -scale, 0)
        return value, NewtonState(rate * scale, value * scale)

    def pulls(self, trees, stage, states, leaves, y, eta):
        g, h = trees.step.gradient_and_curvature(y, eta)
        found = np.empty((len(stage), leaves.n_rows))
        for own, tree in zip(found, stage, strict=True):
            here, output, state = leaves.positions[tree], trees.outputs[tree], states[tree]
            np.multiply(state.rate[here], g[output], out=own)
            own += state.value[here] * h[output]
        return found

    def seen_slopes(self, trees, tree, state, here, y, eta):
        slope, bend = trees.step.slopes(y, eta, int(trees.outputs[tree]))
        return state.rate[here] * slope + state.value[here] * bend

    def target_pulls(self, tree, state):
        return -state.rate
