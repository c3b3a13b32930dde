"""Predictors that are made of the values of leaves, and rows that moved these."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..trees import BoostedTrees, Forest, Leaves, Places
from ..utils._blocks import row_blocks
from ..utils._threads import for_each, n_blas_threads
from ._base import Jacobian

#: Numbers that products with a row hold beside them, for each of its own.
COPIES = 1


class LeafVectors:
    """Vectors in the values of leaves, of which few are not zero.

    Parameters
    ----------
    matrix : CSR matrix of shape (n, n_values)
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def asked(self, n_leaves: int) -> np.ndarray:
        """Which leaves have values, as many each, that are not zero in a vector, (n_leaves,)."""
        is_asked = np.zeros(self.matrix.shape[1], bool)
        is_asked[self.matrix.indices] = True
        return np.asarray(is_asked.reshape(n_leaves, -1).any(axis=1))

    def astype(self, dtype: Any) -> LeafVectors:
        """The same in another precision."""
        return LeafVectors(self.matrix.astype(dtype))

    def products(self, rows: Any) -> np.ndarray:
        """Inner products with the rows of a CSR matrix, shape (n, n_rows)."""
        products: np.ndarray = (rows @ self.matrix.T).toarray().T
        return products


class DenseLeafVectors:
    """Vectors in the values of leaves.

    Parameters
    ----------
    columns : ndarray of shape (n_values, n)
        A vector a column.
    """

    def __init__(self, columns: np.ndarray) -> None:
        self.columns = np.ascontiguousarray(columns)

    def __len__(self) -> int:
        return int(self.columns.shape[1])

    def products(self, rows: Any) -> np.ndarray:
        """Inner products with the rows of a CSR matrix, shape (n, n_rows)."""
        products: np.ndarray = (rows @ self.columns).T
        return products


class LeafJacobian(Jacobian):
    """Predictors of rows by the values of their leaves.

    Attributes
    ----------
    leaves : Leaves
    outputs : ndarray of shape (n_predictors, n_outputs)
        What the loss takes, by the predictors that trees add to.
    """

    dtype = np.dtype(np.float64)
    leaves: Leaves
    outputs: np.ndarray

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        return self.leaves.n_rows

    def n_formed(self, n_vectors, n_outputs):
        return COPIES * self.n_values(n_outputs)

    def matrix(self, residual: np.ndarray, rows: Any) -> Any:
        """Gradients of some rows as a CSR matrix of shape (n, n_values)."""
        raise NotImplementedError

    def gradients(self, residual, rows):
        return LeafVectors(self.matrix(residual @ self.outputs.T, rows))

    def products(self, block, residual, rows):
        products: np.ndarray = block.products(self.matrix(residual @ self.outputs.T, rows))
        return products

    def adjoint(self, residual: np.ndarray, rows: Any = slice(None)) -> LeafVectors:
        """``sum_i J_i^T r_im`` over some rows, from (n, m, n_outputs) to m vectors."""
        each = [
            self.matrix(one @ self.outputs.T, rows).sum(axis=0)
            for one in np.swapaxes(residual, 0, 1)
        ]
        return LeafVectors(sparse.csr_array(np.stack(each)))


class BoostedJacobian(LeafJacobian):
    """Sums of the starting predictors and of the values of leaves.

    Parameters
    ----------
    leaves : Leaves
    outputs : ndarray of shape (n_predictors, n_outputs)
    tree_outputs : ndarray of int, shape (n_trees,)
        Which predictor each tree adds to.
    """

    def __init__(self, leaves: Leaves, outputs: np.ndarray, tree_outputs: np.ndarray) -> None:
        self.leaves, self.outputs, self.tree_outputs = leaves, outputs, tree_outputs

    def __getitem__(self, rows):
        return BoostedJacobian(self.leaves[rows], self.outputs, self.tree_outputs)

    def n_values(self, n_outputs):
        return len(self.outputs) + self.leaves.n_leaves

    def matrix(self, residual, rows):
        return self.leaves.matrix(residual[:, self.tree_outputs], rows, start=residual)

    def summed(self, residual: np.ndarray, rows: slice) -> np.ndarray:
        """``sum_i J_i^T r_im`` over some rows, from (n, n_predictors, m) to (n_values, m)."""
        n_rows, n_predictors, _ = residual.shape
        total = np.zeros((self.n_values(n_predictors), residual.shape[2]))
        for output in range(n_predictors):
            is_own = np.zeros((n_rows, n_predictors))
            is_own[:, output] = 1
            total += self.matrix(is_own, rows).T @ residual[:, output]
        return total


class ForestJacobian(LeafJacobian):
    """Means over the trees of the values of leaves, which are a vector each.

    Parameters
    ----------
    leaves : Leaves
    n_predictors : int
    """

    def __init__(self, leaves: Leaves, n_predictors: int) -> None:
        self.leaves, self.outputs = leaves, np.eye(n_predictors)

    def __getitem__(self, rows):
        return ForestJacobian(self.leaves[rows], len(self.outputs))

    def n_values(self, n_outputs):
        # As many as are not zero: vectors stay sparse.
        return self.leaves.n_trees * len(self.outputs)

    def matrix(self, residual, rows):
        share = (residual / self.leaves.n_trees)[:, None]
        shape = len(residual), self.leaves.n_trees, len(self.outputs)
        return self.leaves.matrix(np.broadcast_to(share, shape), rows)


class LeafRows:
    """What training rows pull at the values of leaves, as rows of gradients are asked.

    Pulls have the lengths that they have: directions are told apart from no lengths.

    Attributes
    ----------
    n_rows, n_values : int
    norm : ndarray of ones, shape (n_rows,)
    """

    dtype = np.dtype(np.float64)
    are_vectors = is_dense = is_costly = can_be_split = False
    place = None
    n_rows: int
    n_values: int

    @property
    def norm(self) -> np.ndarray:
        return np.ones(self.n_rows)

    def matrix(self, rows: Any) -> Any:
        """Pulls of some rows as a CSR matrix of shape (n, n_values)."""
        raise NotImplementedError

    def block(self, rows: Any) -> LeafVectors:
        """Pulls of some rows."""
        return LeafVectors(self.matrix(rows))

    def contract(self, block: Any, rows: slice) -> np.ndarray:
        """Inner products of a block with the pulls of some rows, (len(block), n)."""
        n_rows = rows.stop - rows.start
        products = np.empty((len(block), n_rows))

        def fill(some: slice) -> None:
            own = slice(rows.start + some.start, rows.start + some.stop)
            products[:, some] = block.products(self.matrix(own))

        for_each(fill, list(row_blocks(n_rows, 1, np.ceil(n_rows / n_blas_threads()))))
        return products

    def n_formed(self, n_vectors: int) -> int:
        """Numbers that :meth:`contract` forms of each row, besides the products."""
        return COPIES * self.n_values


class BoostedRows(LeafRows):
    """``-S dv/dw_i`` at predictors that are held, of the leaves of each row.

    Parameters
    ----------
    trees : BoostedTrees
    total_weight : float
        ``S``.
    """

    def __init__(self, trees: BoostedTrees, total_weight: float) -> None:
        self.trees, self.total_weight = trees, total_weight
        self.n_rows, self.n_values = trees.n_rows, trees.n_outputs + trees.leaves.n_trees

    def matrix(self, rows):
        factor = np.where(self.trees.weight[rows] > 0, -self.total_weight, 0.0)[:, None]
        start, entries = self.trees.pulls(rows)
        return self.trees.leaves.matrix(entries * factor, rows, start=start * factor)


class ForestRows(LeafRows):
    """Gradients of a row's losses in the values of its leaves, a tree at a time.

    Parameters
    ----------
    forest : Forest
    sample_weight : ndarray of shape (n_rows,)
    bend : ndarray of shape (n_leaves, n_outputs) or None
        Expected second derivatives of the loss at the values of leaves. None: they are 1.
    """

    def __init__(
        self, forest: Forest, sample_weight: np.ndarray, bend: np.ndarray | None = None
    ) -> None:
        self.forest, self.sample_weight, self.bend = forest, sample_weight, bend
        self.n_rows = forest.n_rows
        self.n_values = forest.n_trees * forest.n_outputs

    def entries(self, places: Places) -> np.ndarray:
        """Of rows in trees, with an axis of outputs more than these."""
        weight = self.sample_weight[places.rows]
        counts = self.forest.weights.at(places) / np.where(weight > 0, weight, 1)
        entries = self.forest.errors(places)
        entries *= counts[..., None]
        if self.bend is not None:
            entries *= self.bend[places.leaves]
        return entries

    def matrix(self, rows):
        leaves = self.forest.leaves
        return leaves.matrix(self.entries(leaves.places(rows)), rows)

    def contract(self, block, rows):
        # Most leaves have no query in them, and rows there no product.
        leaves = self.forest.leaves
        places = leaves.places(rows, block.asked(leaves.n_leaves))
        return block.products(leaves.matrix_of(self.entries(places), places, rows))
