"""What every adapter of a model of trees promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import prepare_curvature
from ..search import score_matrices
from ._promises import promise, same

#: Shares by which the weight of a row is changed, and what differences of losses may be off by.
STEP = 1e-4
TOLERANCE = 1e-5
#: Rows whose weights are changed, one after the other.
N_CHANGED = 3


def check_leaves(objective: Any, rows: Any) -> None:
    """Hold an objective whose parameters are the values of leaves to its promises.

    - The rows that it was fitted on, asked as queries, are in the leaves that they are in.
    - Their losses change with the weights of rows as influence says, by leaf values that are
      estimated again with a little more, and a little less, of a row.

    Parameters
    ----------
    objective : LeafObjective
    rows : Query
        The training rows.
    """
    leaves, own = rows.jacobian.leaves, objective.training_leaves
    text = "rows are in the leaves that they were in when the model was fitted"
    promise(np.array_equal(leaves.sizes, own.sizes), text)
    promise(np.array_equal(leaves.positions, own.positions), text)
    prepared = prepare_curvature(objective, "hessian", 0.0)
    queries = objective.query_rows(rows.jacobian, rows.y)
    found = score_matrices(
        queries, objective.rows, prepared.curvature, {"influence": objective.rows.norm}
    )["influence"]
    counted = np.flatnonzero(objective.sample_weight > 0)
    for row in counted[:: max(1, len(counted) // N_CHANGED)][:N_CHANGED]:
        share = objective.sample_weight[row] / objective.total_weight
        text = "influence is how losses change with the weight of a row"
        same(-share * found[:, row], _slopes(objective, rows, row), TOLERANCE, text)


def _slopes(objective: Any, rows: Any, row: int) -> np.ndarray:
    """Derivatives of the losses of all rows in what one of them weighs, as a share of that."""
    losses = []
    for side in (STEP, -STEP):
        factors = np.ones(objective.n_rows)
        factors[row] += side
        changed = objective.reweighted(factors)
        losses.append(objective.loss.value(rows.y, changed.predictor(rows.jacobian)))
    slopes: np.ndarray = np.subtract(*losses) / (2 * STEP)
    return slopes
