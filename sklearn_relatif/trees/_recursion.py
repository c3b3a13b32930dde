"""Derivatives of a boosted model: ``A dv = C dw``, and what solves with A and its transpose.

``v`` are the starting predictors and all leaf values, in the order of the trees. Directly, a row's
weight moves the values of its own leaves (C), and each value moves what later trees see of the
rows, and so their values: A is the identity less these slopes, a unit triangle. A query, which is a
vector in leaf values, is solved for backwards, from the last tree to the first: ``V = A^-T q``.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.linalg import solve_triangular

from ._boosted import BoostedTrees


class DenseRecursion:
    """The recursion by the matrix A, a row a leaf.

    Parameters
    ----------
    trees : BoostedTrees
    """

    def __init__(self, trees: BoostedTrees) -> None:
        self.trees = trees

    @property
    def n_values(self) -> int:
        """Starting predictors and leaf values."""
        return self.trees.n_outputs + self.trees.leaves.n_leaves

    @cached_property
    def matrix(self) -> np.ndarray:
        """A, shape (n_values, n_values)."""
        trees, n_start = self.trees, self.trees.n_outputs
        matrix = np.eye(self.n_values)
        leaves, outputs = trees.leaves, trees.outputs
        for seen, eta in trees.stages_of(trees.solved):
            for tree in seen:
                slopes = trees.seen_slopes(tree, eta)
                here, size = leaves.positions[tree].astype(np.int64), int(leaves.sizes[tree])
                first = n_start + leaves.firsts[tree]
                own = matrix[first : first + size]
                for output in range(n_start):
                    own[:, output] = -leaves.summed(slopes[output], tree)
                for earlier in range(seen.start):
                    width = int(leaves.sizes[earlier])
                    pairs = here * width + leaves.positions[earlier]
                    sums = np.bincount(pairs, slopes[outputs[earlier]], minlength=size * width)
                    at = n_start + leaves.firsts[earlier]
                    own[:, at : at + width] = -sums.reshape(size, width)
        return matrix

    def solve_transposed(self, queries: np.ndarray) -> np.ndarray:
        """``A^-T q`` of each column q, shape (n_values, m)."""
        solved: np.ndarray = solve_triangular(
            self.matrix, queries, trans=1, lower=True, unit_diagonal=True
        )
        return solved
