"""The curvature of softmax regression, as a sum over pairs of classes.

With ``p`` the probabilities of a row, the second derivative of its loss by the class scores is

    diag(p) - p p^T = sum_{k > l} p_k p_l (e_k - e_l)(e_k - e_l)^T,

so that K (K - 1) / 2 matrices ``G_kl = sum_i s_i p_ik p_il x~_i x~_i^T`` make up the whole. Each is
one symmetric product of the features with themselves, nothing cancels, and a row whose probability
sits on few classes matters for few of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..jacobians import products_of_features
from ..utils._blocks import row_blocks
from ..utils._threads import for_each, in_one_blas_thread

#: Rows that are scaled and multiplied together: few enough for the scaled copy to stay in cache.
CHUNK_ROWS = 1024
#: Up to so many columns, threads that sum over pairs of their own beat the threads of BLAS.
THREADED_COLUMNS = 1024


class PairGrams:
    """``sum_i s_i (Q^T (diag(p_i) - p_i p_i^T) Q) ⊗ x~_i x~_i^T``, summed block of rows by block.

    ``G_kl`` is kept in the block of the result that has the place of the pair below its diagonal.

    Parameters
    ----------
    contrasts : ndarray of shape (n_classes, n_outputs)
        ``Q``: n_classes - 1 contrasts, or the identity.
    n_columns : int
    dtype : dtype
        Precision of the sums.
    """

    def __init__(self, contrasts, n_columns, dtype):
        self.contrasts = contrasts
        n_classes, n_outputs = contrasts.shape
        #: Contrasts have one row of blocks less, and keep the pairs from the diagonal on.
        self.first = n_classes - n_outputs
        self.matrix = np.zeros((n_outputs * n_columns,) * 2, dtype)
        self.cells = self.matrix.reshape(n_outputs, n_columns, n_outputs, n_columns)
        #: Of each product of two features and each pair of classes, where rows have few.
        self.of_products: Any = 0.0

    def add(self, x, probabilities, weight, neglect=0.0):
        """Add some rows.

        Parameters
        ----------
        x : ndarray or CSR matrix of shape (n, n_columns)
        probabilities : ndarray of shape (n, n_classes)
        weight : ndarray of shape (n,)
        neglect : float, default=0.0
            Share of the summed weights of each pair that rows which have next to none of it may
            take with them when they are left out.
        """
        by_class = np.ascontiguousarray(probabilities.T)
        is_narrow = x.shape[1] <= THREADED_COLUMNS

        def add_pairs_of(later):
            gram = _sparse_gram if sparse.issparse(x) else _Gram(x.shape[0], x.shape[1], x.dtype)
            for earlier in range(later):
                share = by_class[later] * by_class[earlier] * weight
                cell = self.cells[later - self.first, :, earlier]
                # The rows of a cell are far apart, which tells where they are short.
                total = np.zeros(cell.shape, cell.dtype) if is_narrow else cell
                for rows in _chunks(share, neglect):
                    total += gram(x[rows], np.sqrt(share[rows]))
                if is_narrow:
                    cell += total

        # Those with many pairs come first, so that no thread has much to do when others are done.
        classes = range(len(by_class) - 1, 0, -1)
        if is_narrow:
            for_each(add_pairs_of, classes)
        else:
            for later in classes:
                add_pairs_of(later)

    def add_products(self, x, probabilities, weight):
        """Add some rows of few features, by the products of these.

        Parameters
        ----------
        x : CSR matrix of shape (n, n_columns)
        probabilities : ndarray of shape (n, n_classes)
        weight : ndarray of shape (n,)
        """
        later, earlier = np.tril_indices(probabilities.shape[1], -1)
        shares = probabilities[:, later] * probabilities[:, earlier] * weight[:, None]
        products, size = products_of_features(x.astype(np.float64))
        self.of_products += products.T @ (shares * size[:, None] * size[:, None])

    def total(self):
        """The sum over all rows, shape (n_params, n_params). Nothing can be added after it."""
        self._write_products()
        in_one_blas_thread(self._couple)
        return self.matrix

    def _write_products(self):
        """Add the sums of products of features in their places."""
        if not np.ndim(self.of_products):
            return
        later, earlier = np.tril_indices(len(self.contrasts), -1)
        a, b = np.tril_indices(self.cells.shape[1])
        is_beside = a > b
        for own, k, m in zip(self.of_products.T, later - self.first, earlier, strict=True):
            cell = self.cells[k, :, m]
            cell[a, b] += own
            cell[b[is_beside], a[is_beside]] += own[is_beside]
        self.of_products = 0.0

    def _couple(self):
        """Turn the sums of pairs of classes into those of pairs of outputs, in their place."""
        n_classes, n_outputs = self.contrasts.shape
        later, earlier = np.tril_indices(n_classes, -1)
        n_columns = self.cells.shape[1]
        contrasts = self.contrasts.T.astype(self.matrix.dtype)
        coupling = np.zeros((n_classes, n_classes, n_columns), self.matrix.dtype)
        each = np.arange(n_classes)
        for feature in range(n_columns):
            cells = self.cells[:, feature]
            coupling[each, each] = 0
            shared = -cells[later - self.first, earlier]
            coupling[later, earlier] = coupling[earlier, later] = shared
            coupling[each, each] = -coupling.sum(axis=1)
            half = contrasts @ coupling.reshape(n_classes, -1)
            half = half.reshape(n_outputs, n_classes, n_columns)
            self.cells[:, feature] = np.matmul(contrasts, half)


def _chunks(share, neglect):
    """Rows, a few at a time: all of them, or positions of those whose share counts."""
    if not neglect:
        return row_blocks(len(share), 1, CHUNK_ROWS)
    kept = np.flatnonzero(share > neglect * share.mean())
    return (kept[part] for part in row_blocks(len(kept), 1, CHUNK_ROWS))


def _sparse_gram(x, root):
    """``x^T diag(root)^2 x`` of a few rows, dense."""
    scaled = sparse.diags(root) @ x
    return (scaled.T @ scaled).toarray()


class _Gram:
    """The same of arrays, in the same memory each time: fresh pages take as long as products do.

    Parameters
    ----------
    n_rows : int
    n_columns : int
    dtype : dtype
    """

    def __init__(self, n_rows, n_columns, dtype):
        self._scaled = np.empty((min(n_rows, CHUNK_ROWS), n_columns), dtype)
        self._product = np.empty((n_columns, n_columns), dtype)

    def __call__(self, x, root):
        scaled = np.multiply(x, root[:, None], out=self._scaled[: len(x)])
        return np.matmul(scaled.T, scaled, out=self._product)
