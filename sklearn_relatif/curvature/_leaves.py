"""The curvature of models whose parameters are the values of leaves, and that of forests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jacobians import LeafVectors
from ..objectives import ForestObjective
from ..utils._blocks import block_budget, row_blocks
from ._base import Curvature

NEEDS = {"theta_relative": ("loss_relative", "theta_relative"), "loss_relative": ("loss_relative",)}


class LeafCurvature(Curvature):
    """What both kinds share: lengths of all rows, some at a time."""

    dtype = np.dtype(np.float64)
    is_exact = True

    def lengths(self, rows, criterion):
        names = NEEDS[criterion]
        found = {name: np.empty(rows.n_rows) for name in names}
        for some in row_blocks(rows.n_rows, 8 * rows.n_formed(1), block_budget()):
            for name in names:
                found[name][some] = np.sqrt(self.squares(rows, some, name))
        return found

    def self_influence(self, objective):
        found, rows = np.empty(objective.n_rows), objective.rows
        for some in row_blocks(objective.n_rows, 8 * rows.n_formed(1), block_budget()):
            own = objective.own_rows(some)
            queries = own.block(slice(None)).matrix
            found[some] = own.norm * self.own_forms(queries, rows.matrix(some))
        return found

    def own_forms(self, queries: Any, pulls: Any) -> np.ndarray:
        """Influence of rows, by what they pull, on queries, one each; CSR matrices both."""
        raise NotImplementedError

    def squares(self, rows: Any, some: slice, name: str) -> np.ndarray:
        """Squared lengths of some rows in a criterion."""
        raise NotImplementedError


class ForestCurvature(LeafCurvature):
    """The diagonal of a forest.

    Parameters
    ----------
    objective : ForestObjective
    damping : float
        Added to it.
    """

    def __init__(self, objective: ForestObjective, damping: float) -> None:
        forest = objective.forest
        diagonal = np.repeat(forest.weight / objective.total_weight, forest.n_outputs)
        if objective.bend is not None:
            diagonal *= objective.bend.ravel()
        diagonal += damping
        self.inverse = np.divide(1, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)

    def solve(self, gradients):
        return LeafVectors(_scaled(gradients.matrix, self.inverse))

    def squares(self, rows, some, name):
        factor = self.inverse if name == "loss_relative" else self.inverse**2
        matrix = rows.matrix(some)
        matrix.data **= 2
        return matrix @ factor

    def own_forms(self, queries, pulls):
        return _scaled(queries, self.inverse).multiply(pulls).sum(axis=1)


def _scaled(matrix, factor):
    """A CSR matrix with each column multiplied by a factor."""
    scaled = matrix.copy()
    scaled.data *= factor[scaled.indices]
    return scaled
