"""Predictions of models of trees as weighted sums of training targets.

With the vectors of queries in the values of leaves, and what each target moves in these, the weight
of row i in query q is their inner product ::

    K_qi = v_q^T p_i.

In a forest ``v_q`` has ``1 / T`` at the leaf of each of T trees, and ``p_i`` the share of the row's
weight in that of its leaves. In a model that was boosted by squared error, ``v_q = A^-T e_q`` with
the triangle A of its recursion, and ``p_i`` has ``rate w_i / (H + l2)``: AXIL (Geertsema and Lu,
arXiv 2301.01864).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils._blocks import block_budget, row_blocks, working_memory

#: How far a weighted sum may be from the prediction, of the largest.
TOLERANCE = 1e-6


def target_weights(objective: Any, curvature: Any, jacobian: Any) -> np.ndarray:
    """Weights of the training targets in the predictions of rows, shape (n, n_rows).

    Parameters
    ----------
    objective : LeafObjective
        Without a ``target_weights_obstacle``.
    curvature : LeafCurvature
    jacobian : LeafJacobian
        Of the rows.

    Raises
    ------
    ValueError
        If the predictions are not the sums: values of leaves were thresholded, clipped or held.
    """
    weights = _products(
        objective,
        jacobian.n_rows,
        jacobian.n_values(1),
        lambda some: objective.target_vectors(jacobian[some], curvature.solve),
    )
    predicted = objective.predictor(jacobian)
    off = np.abs(objective.summed_targets(weights) - predicted).max(initial=0)
    if not off <= TOLERANCE * max(np.abs(predicted).max(initial=0), np.finfo(np.float64).tiny):
        raise ValueError(
            "The predictions are no weighted sums of the training targets: these would be off by "
            f"{off:.1g}. An option has thresholded, clipped or held values of leaves (an L1 "
            "penalty, a largest step, monotone constraints); fit the model without it."
        )
    return weights


def out_of_bag_target_weights(objective: Any) -> np.ndarray:
    """The same of the training rows by the trees that have not drawn them, (n_rows, n_rows).

    NaN for rows that all have drawn.

    Parameters
    ----------
    objective : ForestObjective
        That ``has_out_of_bag``.
    """
    n_rows, n_values = objective.n_rows, objective.forest.n_trees
    weights = _products(objective, n_rows, n_values, objective.out_of_bag_vectors)
    weights[np.isnan(objective.out_of_bag_predictor).any(axis=1)] = np.nan
    return weights


def _products(
    objective: Any, n_queries: int, n_values: int, vectors: Callable[[slice], Any]
) -> np.ndarray:
    """Inner products of the vectors of some rows at a time with what all targets move."""
    found, n_rows = np.empty((n_queries, objective.n_rows)), objective.n_rows
    for asked in row_blocks(n_queries, 8 * n_values, working_memory() / 4):
        own, n_asked = vectors(asked), asked.stop - asked.start
        values_per_row = objective.rows.n_formed(1) + n_asked
        for some in row_blocks(n_rows, 8 * values_per_row, block_budget()):
            found[asked, some] = objective.target_products(own, some)
    return found
