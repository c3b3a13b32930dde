"""Sparse matrices with rows that repeat, or that share little."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def distinct_rows(X):
    """First occurrences of the rows of a CSR matrix, and the number of each row among them."""
    X = X.sorted_indices()
    numbers: dict[tuple[bytes, bytes], int] = {}
    group = np.empty(X.shape[0], np.intp)
    for row, (start, stop) in enumerate(zip(X.indptr[:-1], X.indptr[1:], strict=True)):
        key = X.indices[start:stop].tobytes(), X.data[start:stop].tobytes()
        group[row] = numbers.setdefault(key, len(numbers))
    return np.unique(group, return_index=True)[1], group


def condensed(X):
    """``Y`` and d with ``Y^T Y + diag(d) = X X^T``, for products with it.

    Words of a text, and pairs of them, mostly occur in one row only, and many others always
    together. These have one row of Y for all of them, and those none.

    Returns
    -------
    Y : CSR matrix of shape (n_condensed, n_rows)
    d : ndarray of shape (n_rows,)
    """
    columns = X.T.tocsr()
    counts = np.diff(columns.indptr)
    alone, shared = columns[counts == 1], columns[counts > 1]
    first, group = distinct_rows(shared)
    scale = sparse.diags(np.sqrt(np.bincount(group, minlength=len(first))))
    own = np.bincount(alone.indices, alone.data**2, X.shape[0])
    return sparse.csr_matrix(scale @ shared[first]), own
