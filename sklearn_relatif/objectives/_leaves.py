"""Models of trees, with the structure of the trees held fixed.

Their parameters are the values of leaves. Those of a forest minimise a squared error in each tree;
those of a boosted model minimise nothing together, but follow from the rows, a tree after the
other. What they do without some of their rows is found by estimating them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..jacobians import (
    BoostedJacobian,
    BoostedRows,
    ForestJacobian,
    ForestRows,
    Gradients,
    LeafJacobian,
    LeafRows,
    LeafVectors,
)
from ..losses import Loss
from ..trees import BoostedTrees, Forest, Leaves, LeavesWithout, boosted_without, forest_without
from ._base import Objective

NO_LEVERAGE = "a row of a model of trees also determines which rows share its leaves"
NO_OPTIMUM = (
    "trees are grown and not trained to an optimum. That their leaves follow from exactly these "
    "rows was checked by fit"
)


class Refits:
    """The estimator's own fits without some of its rows.

    Attributes
    ----------
    X : ndarray, CSR matrix or data frame of shape (n_rows, n_features)
        The training rows as the model takes them.
    """

    X: Any

    def models(self, removals: Sequence[np.ndarray], n_jobs: int | None = None) -> list[Any]:
        """Fitted estimators without each group of rows."""
        raise NotImplementedError

    def objectives(
        self, removals: Sequence[np.ndarray], n_jobs: int | None = None
    ) -> list[Objective]:
        """What they are, each with the rows that it was fitted on."""
        raise NotImplementedError


@dataclass(frozen=True)
class LeafObjective(Objective):
    """What forests and boosted models share.

    Attributes
    ----------
    loss : Loss
        Of queries.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets as the loss takes them.
    sample_weight : ndarray of shape (n_rows,)
    leaves_of : callable
        From rows as the model takes them to their :class:`Leaves`.
    refits : Refits
    """

    loss: Loss
    y: np.ndarray
    sample_weight: np.ndarray
    leaves_of: Callable[[Any], Leaves]
    refits: Refits = field(kw_only=True)

    removal_kind = "leaves"
    has_leaves = True
    is_linear = False
    has_tables = False
    leverage_obstacle = NO_LEVERAGE
    optimality_obstacle = NO_OPTIMUM
    has_first_order = True

    @property
    def dtype(self):
        return np.dtype(np.float64)

    @property
    def training_leaves(self) -> Leaves:
        """Those of the training rows."""
        raise NotImplementedError

    def jacobian_of(self, leaves: Leaves) -> LeafJacobian:
        """The Jacobian of rows in some leaves."""
        raise NotImplementedError

    @property
    def n_visits(self) -> int:
        """Visits of a row by a tree that estimating the leaves again without one row takes."""
        return self.training_leaves.n_trees

    def estimated_without(
        self, removals: Sequence[np.ndarray]
    ) -> Iterator[tuple[slice, LeavesWithout]]:
        """Leaf values without each group of rows, the structure held, some at a time."""
        raise NotImplementedError

    def reweighted(self, factors: np.ndarray) -> LeafObjective:
        """The same structure, its leaves estimated with rows that weigh so many times as much.

        Parameters
        ----------
        factors : ndarray of shape (n_rows,)
        """
        raise NotImplementedError

    def own_rows(self, rows: slice) -> Gradients:
        """Some training rows as queries of their own targets."""
        return self.query_rows(self.jacobian_of(self.training_leaves[rows]), self.y[rows])

    def query_jacobian(self, X):
        return self.jacobian_of(self.leaves_of(X))

    def query_rows(self, jacobian, y) -> Gradients:
        norm, unit = self.loss.query_direction(y, self.predictor(jacobian))
        return Gradients(jacobian, unit, norm)

    @property
    def training_jacobian(self) -> LeafJacobian:
        """The Jacobian of the training rows."""
        return self.jacobian_of(self.training_leaves)

    @cached_property
    def training_predictor(self):
        return self.predictor(self.training_jacobian)

    # --- predictions as weighted sums of targets -------------------------------------------

    def target_vectors(self, jacobian: LeafJacobian, solve: Callable[[Any], Any]) -> Any:
        """What the predictions of rows take of what moves the values of leaves, a vector a row.

        Parameters
        ----------
        jacobian : LeafJacobian
        solve : callable
            Of the curvature.
        """
        raise NotImplementedError

    def target_products(self, vectors: Any, rows: slice) -> np.ndarray:
        """Inner products of these with what the targets of some training rows move, (m, n)."""
        raise NotImplementedError

    def summed_targets(self, weights: np.ndarray) -> np.ndarray:
        """Predictors by the weights of targets, shape (n, n_outputs)."""
        raise NotImplementedError


@dataclass(frozen=True)
class BoostedObjective(LeafObjective):
    """A boosted model.

    Attributes
    ----------
    trees : BoostedTrees
    outputs : ndarray of shape (n_predictors, n_outputs)
        What the loss takes, by the predictors of the trees.
    """

    trees: BoostedTrees
    outputs: np.ndarray

    @property
    def training_leaves(self):
        return self.trees.leaves

    def jacobian_of(self, leaves):
        return BoostedJacobian(leaves, self.outputs, self.trees.outputs)

    @property
    def n_visits(self):
        return self.n_rows * self.trees.leaves.n_trees

    def estimated_without(self, removals):
        return boosted_without(self.trees, removals)

    def reweighted(self, factors):
        weight = self.trees.weight * factors
        solved = self.trees.resolved(weight)
        trees = replace(self.trees, weight=weight, values=solved.values, start_values=solved.start)
        return replace(self, sample_weight=weight, trees=trees)

    @cached_property
    def rows(self) -> LeafRows:
        return BoostedRows(self.trees, self.total_weight)

    def predictor(self, jacobian):
        return self.trees.predictors(jacobian.leaves) @ self.outputs

    @property
    def fisher_bytes(self) -> int:
        """What the Fisher weights of one row take while they are found."""
        return 4 * 8 * self.trees.n_outputs**2

    def predictor_fisher(self, rows: slice) -> np.ndarray:
        """Fisher weights of the predictors of trees, shape (n_predictors, n_predictors, n)."""
        fisher = self.loss.fisher_weight(self.training_predictor[rows])
        subscripts = "ka,nab,lb->kln" if fisher.ndim == 3 else "ka,na,la->kln"
        return np.einsum(subscripts, self.outputs, fisher, self.outputs, optimize=True)

    @property
    def target_weights_obstacle(self):
        if self.trees.step.is_linear and self.trees.n_outputs == 1:
            return None
        return (
            "its trees descend a loss whose gradients are not linear in the targets, so that its "
            "predictions are no weighted sums of them. Those of models that are boosted by squared "
            "error are; the other losses have explain and pairwise_influence"
        )

    def target_vectors(self, jacobian, solve):
        return solve(jacobian.gradients(np.ones((jacobian.n_rows, 1)), slice(None)))

    def target_products(self, vectors, rows):
        start, entries = self.trees.target_pulls(rows)
        products: np.ndarray = vectors.products(self.trees.leaves.matrix(entries, rows, start))
        return products

    def summed_targets(self, weights):
        # A start that no row has a part in has what is missing to 1.
        rest = 1 - weights.sum(axis=1, keepdims=True)
        return (weights @ self.trees.y)[:, None] + rest * self.trees.start_values


@dataclass(frozen=True)
class ForestObjective(LeafObjective):
    """A forest, or a single tree.

    Attributes
    ----------
    forest : Forest
    bend : ndarray of shape (n_leaves, n_outputs) or None
        Expected second derivatives of the loss at the values of leaves. None: they are 1.
    """

    forest: Forest
    bend: np.ndarray | None = None

    @property
    def training_leaves(self):
        return self.forest.leaves

    def jacobian_of(self, leaves):
        return ForestJacobian(leaves, self.forest.n_outputs)

    def estimated_without(self, removals):
        return forest_without(self.forest, removals)

    def reweighted(self, factors):
        weights = replace(self.forest.weights, of_draw=self.forest.weights.of_draw * factors)
        forest = replace(self.forest, weights=weights)
        return replace(self, sample_weight=self.sample_weight * factors, forest=forest)

    @cached_property
    def rows(self) -> LeafRows:
        return ForestRows(self.forest, self.sample_weight, self.bend)

    def predictor(self, jacobian):
        return self.forest.predictors(jacobian.leaves)

    @property
    def has_out_of_bag(self):
        return self.forest.has_draws

    @cached_property
    def out_of_bag_predictor(self):
        return self.forest.out_of_bag_predictors()

    @property
    def target_weights_obstacle(self):
        return None

    def target_vectors(self, jacobian, solve):
        shape = jacobian.n_rows, self.forest.n_trees
        return LeafVectors(jacobian.leaves.matrix(np.full(shape, 1 / self.forest.n_trees)))

    def out_of_bag_vectors(self, rows: slice) -> LeafVectors:
        """The same of some training rows in the trees that have not drawn them."""
        is_out = self.forest.is_out_of_bag(slice(None), rows).T
        share = is_out / np.maximum(is_out.sum(axis=1, keepdims=True), 1)
        return LeafVectors(self.forest.leaves.matrix(share, rows))

    def target_products(self, vectors, rows):
        leaves = self.forest.leaves
        places = leaves.places(rows, vectors.asked(leaves.n_leaves))
        share = self.forest.weights.at(places) / self.forest.weight[places.leaves]
        products: np.ndarray = vectors.products(leaves.matrix_of(share[:, None], places, rows))
        return products

    def summed_targets(self, weights):
        return weights @ self.forest.y
