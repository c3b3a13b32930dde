"""The triangle of a boosted model in the place of its curvature, as a matrix."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import lapack

from ..jacobians import DenseLeafVectors
from ..objectives import BoostedObjective
from ..trees import DenseRecursion, summed_over_pairs
from ..utils._blocks import block_budget, row_blocks
from ._leaves import LeafCurvature


class RecursionCurvature(LeafCurvature):
    """The triangle of a boosted model in the place of its curvature.

    Attributes
    ----------
    objective : BoostedObjective
    choice : tuple of str
        Name of the way, and the reason.
    """

    objective: BoostedObjective
    choice: tuple[str, str]


class TriangleCurvature(RecursionCurvature):
    """The triangle as a matrix.

    Parameters
    ----------
    objective : BoostedObjective
    """

    choice = ("triangle", "the slopes between all pairs of leaves fit into memory, and are exact")

    def __init__(self, objective: BoostedObjective) -> None:
        self.objective = objective
        self.recursion = DenseRecursion(objective.trees)

    def solve(self, gradients):
        return DenseLeafVectors(self.recursion.solve_transposed(gradients.matrix.T.toarray()))

    @cached_property
    def inverse(self) -> np.ndarray:
        """``A^-1``."""
        return self.recursion.inverse()

    @cached_property
    def change_of_parameters(self) -> np.ndarray:
        """``A^-T A^-1``, whose form of a row's pulls is the squared change of the parameters."""
        # The inverse of A A^T, of which A is the Cholesky factor.
        lower, _ = lapack.dpotri(self.recursion.matrix, lower=1)
        return np.tril(lower) + np.tril(lower, -1).T

    @cached_property
    def change_of_losses(self) -> np.ndarray:
        """``A^-T F A^-1``, likewise of the training losses."""
        half = self.recursion.solve_transposed(leaf_fisher(self.objective))
        return self.recursion.solve_transposed(half.T)

    def squares(self, rows, some, name):
        change = self.change_of_losses if name == "loss_relative" else self.change_of_parameters
        pulls = rows.matrix(some)
        return np.maximum(forms(change, pulls, pulls), 0)

    def own_forms(self, queries, pulls):
        return forms(self.inverse, queries, pulls)


def forms(matrix: np.ndarray, left: Any, right: Any) -> np.ndarray:
    """``l_i^T M r_i`` of rows with as many entries each, shape (n,).

    Parameters
    ----------
    matrix : ndarray of shape (n_values, n_values)
    left, right : CSR matrices of shape (n, n_values)
    """
    n_rows, flat = left.shape[0], np.ascontiguousarray(matrix).ravel()
    columns = right.indices.reshape(n_rows, -1)
    entries = right.data.reshape(n_rows, -1)
    total = np.zeros(n_rows)
    # One tree after the other, of whose leaves the matrix has few rows, which stay in cache.
    both = zip(left.indices.reshape(n_rows, -1).T, left.data.reshape(n_rows, -1).T, strict=True)
    for place, own in both:
        picked = flat.take(place[:, None].astype(np.int64) * matrix.shape[1] + columns)
        total += own * np.einsum("nt,nt->n", picked, entries)
    return total


def leaf_fisher(objective: BoostedObjective) -> np.ndarray:
    """``F = (1/S) sum_j s_j J_j^T Fisher_j J_j`` in the values of leaves, the start included."""
    trees = objective.trees
    columns, share = trees.columns, trees.weight / objective.total_weight
    fisher = np.zeros((columns[-1].end, columns[-1].end))
    for rows in row_blocks(trees.n_rows, objective.fisher_bytes, block_budget()):
        weight = objective.predictor_fisher(rows) * share[rows]
        some = [each._replace(positions=each.positions[rows]) for each in columns]
        for number, own in enumerate(some):
            for other in some[: number + 1]:
                sums = summed_over_pairs(own, other, weight[own.output, other.output])
                fisher[own.first : own.end, other.first : other.end] += sums
    return np.asarray(fisher + np.tril(fisher, -1).T)
