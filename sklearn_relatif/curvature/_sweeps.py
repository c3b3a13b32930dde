"""The triangle of a boosted model by sweeps over the rows, where it is too large to write down."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..jacobians import DenseLeafVectors
from ..objectives import BoostedObjective
from ..trees import SweptRecursion
from ..utils._blocks import block_budget, row_blocks
from ._recursion import RecursionCurvature

#: Random projections that give the lengths of rows, and their seed.
N_PROJECTIONS = 200
SEED = 0


class SweptCurvature(RecursionCurvature):
    """The triangle by sweeps over the rows, and lengths by random projections.

    With vectors z of random signs, ``z^T A^-1 p`` has the mean square ``||A^-1 p||^2``, and with
    ``z = sum_j e_j sqrt(s_j / S) J_j^T Fisher_j^1/2`` of random signs e the loss-relative one.
    Their means over :data:`N_PROJECTIONS` have a relative standard error of about
    ``sqrt(2 / N_PROJECTIONS)``, and lengths half of that.

    Parameters
    ----------
    objective : BoostedObjective
    """

    choice = (
        "sweeps",
        "slopes between all pairs of leaves would take too much memory or time; relative influence "
        f"is divided by lengths from {N_PROJECTIONS} random projections, with a standard error of "
        f"{100 / np.sqrt(2 * N_PROJECTIONS):.0f} %",
    )

    def __init__(self, objective: BoostedObjective) -> None:
        self.objective = objective
        self.recursion = SweptRecursion(objective.trees)

    def solve(self, gradients):
        return DenseLeafVectors(self.recursion.solve_transposed(gradients.matrix.T.toarray()))

    @cached_property
    def signs(self) -> np.ndarray:
        """Random signs of all values, shape (n_values, N_PROJECTIONS)."""
        rng = np.random.default_rng(SEED)
        return rng.choice([-1.0, 1.0], (self.objective.trees.n_values, N_PROJECTIONS))

    @cached_property
    def of_parameters(self) -> np.ndarray:
        """``A^-T z`` for the change of the parameters."""
        return self.recursion.solve_transposed(self.signs)

    @cached_property
    def of_losses(self) -> np.ndarray:
        """``A^-T z`` for the change of the training losses."""
        return self.recursion.solve_transposed(drawn_losses(self.objective))

    def squares(self, rows, some, name):
        projected = self.of_losses if name == "loss_relative" else self.of_parameters
        return np.square(rows.matrix(some) @ projected).mean(axis=1)

    def own_forms(self, queries, pulls):
        # What a row does to its own leaves directly is exact; what goes through later trees is not.
        direct = queries.multiply(pulls).sum(axis=1)
        passed_on = pulls @ (self.of_parameters - self.signs)
        return direct + np.einsum("nk,nk->n", queries @ self.signs, passed_on) / N_PROJECTIONS


def drawn_losses(objective: BoostedObjective) -> np.ndarray:
    """``sum_j e_j sqrt(s_j / S) J_j^T Fisher_j^1/2`` of random signs, (n_values, N_PROJECTIONS)."""
    trees, rng = objective.trees, np.random.default_rng(SEED + 1)
    share = np.sqrt(trees.weight / objective.total_weight)
    drawn = np.zeros((trees.n_values, N_PROJECTIONS))
    jacobian = objective.jacobian_of(trees.leaves)
    per_row = 8 * N_PROJECTIONS * trees.n_outputs + objective.fisher_bytes
    for some in row_blocks(trees.n_rows, per_row, block_budget()):
        values, vectors = np.linalg.eigh(np.moveaxis(objective.predictor_fisher(some), 2, 0))
        root = vectors * np.sqrt(np.maximum(values, 0))[:, None]
        signs = rng.choice([-1.0, 1.0], (len(root), trees.n_outputs, N_PROJECTIONS))
        pull = np.einsum("nkl,nlp,n->nkp", root, signs, share[some], optimize=True)
        drawn += jacobian.summed(pull, some)
    return drawn
