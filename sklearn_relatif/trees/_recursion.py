"""Derivatives of a boosted model: ``A dv = C dw``, and what solves with A and its transpose.

``v`` are the starting predictors and all leaf values, in the order of the trees. Directly, a row's
weight moves the values of its own leaves (C), and each value moves what later trees see of the
rows, and so their values: A is the identity less these slopes, a unit triangle. A query, which is a
vector in leaf values, is solved for backwards, from the last tree to the first: ``V = A^-T q``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from ._boosted import BoostedTrees, Columns


def summed_over_pairs(own: Columns, seen: Columns, numbers: np.ndarray) -> np.ndarray:
    """Sums of a number of each row over the pairs of its leaves in two trees.

    Parameters
    ----------
    own, seen : Columns
    numbers : ndarray of shape (n_rows,)

    Returns
    -------
    ndarray of shape (own.size, seen.size)
    """
    pairs = own.positions * seen.size + seen.positions
    return np.bincount(pairs, numbers, minlength=own.size * seen.size).reshape(own.size, seen.size)


def write_slopes(
    triangle: np.ndarray, own: Columns, seen: Sequence[Columns], slopes: np.ndarray
) -> None:
    """Write what a tree's leaf values take of those that it sees into a triangle A.

    Parameters
    ----------
    triangle : ndarray of shape (n_values, n_values)
        Of the trees that are seen, from the first of them on, and of others after these.
    own : Columns
    seen : sequence of Columns
    slopes : ndarray of shape (n_outputs, n_rows)
        Of the tree's values in the predictors of the rows.
    """
    first = seen[0].first
    rows = slice(own.first - first, own.end - first)
    for one in seen:
        columns = slice(one.first - first, one.end - first)
        triangle[rows, columns] = -summed_over_pairs(own, one, slopes[one.output])


class DenseRecursion:
    """The recursion by the matrix A, a row a leaf.

    Parameters
    ----------
    trees : BoostedTrees
    """

    def __init__(self, trees: BoostedTrees) -> None:
        self.trees = trees

    @cached_property
    def matrix(self) -> np.ndarray:
        """A, shape (n_values, n_values)."""
        trees = self.trees
        columns, n_start = trees.columns, trees.n_outputs
        matrix = np.eye(self.trees.n_values)
        for stage, eta in trees.stages_of(trees.solved):
            for tree in stage:
                own, seen = columns[n_start + tree], columns[: n_start + stage.start]
                write_slopes(matrix, own, seen, trees.seen_slopes(tree, eta))
        return matrix

    def inverse(self) -> np.ndarray:
        """``A^-1``."""
        inverse: np.ndarray = solve_triangular(
            self.matrix, np.eye(self.trees.n_values), lower=True, unit_diagonal=True
        )
        return inverse

    def solve_transposed(self, queries: np.ndarray) -> np.ndarray:
        """``A^-T q`` of each column q, shape (n_values, m)."""
        solved: np.ndarray = solve_triangular(
            self.matrix, queries, trans=1, lower=True, unit_diagonal=True
        )
        return solved
