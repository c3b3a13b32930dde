"""Products of two features of sparse rows.

A form ``x~^T S x~`` is linear in the products ``x~_a x~_b``. A row with z features that are not 0
has z (z + 1) / 2 of them, however many columns there are.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

#: Multiplications of dense matrices in the time that a sparse product takes for one.
DENSE_IN_SPARSE = 80
#: Sparse multiplications in the time that it takes to write down a product of two features.
WRITING = 20


def products_of_features(x):
    """Products ``x_a x_b`` of the features of each row, a >= b, in the order of ``tril_indices``.

    They are those of rows that are divided by their largest feature, so that none is out of range.

    Parameters
    ----------
    x : CSR matrix of shape (n_rows, n_columns)

    Returns
    -------
    products : CSR matrix of shape (n_rows, n_columns * (n_columns + 1) / 2)
    size : ndarray of shape (n_rows,)
        Size of the largest feature; 1 for a row of zeros.
    """
    x = x.copy()
    x.sum_duplicates()
    size = abs(x).max(axis=1).toarray().ravel()
    size[size == 0] = 1
    x.data /= np.repeat(size, np.diff(x.indptr))
    counts = np.diff(x.indptr).astype(np.int64)
    starts = np.repeat(x.indptr[:-1].astype(np.int64), counts)
    # Each feature with itself and with those before it in its row.
    positions = np.arange(x.nnz)
    n_partners = positions - starts + 1
    later = np.repeat(positions, n_partners)
    ends = np.cumsum(n_partners)
    earlier = np.arange(len(later)) - np.repeat(ends - n_partners - starts, n_partners)
    a, b = x.indices[later].astype(np.int64), x.indices[earlier]
    bounds = np.concatenate([[0], np.cumsum(counts * (counts + 1) // 2)])
    n_columns = x.shape[1]
    products = sparse.csr_matrix(
        (x.data[later] * x.data[earlier], a * (a + 1) // 2 + b, bounds),
        shape=(x.shape[0], n_columns * (n_columns + 1) // 2),
    )
    return products, size


def has_few_products(jacobian, n_outputs):
    """Whether the forms of its rows take less time by products of features than by dense ones."""
    if np.isinf(jacobian.n_products):
        return False
    size = n_outputs * jacobian.n_columns
    return work_of_products(jacobian, n_outputs) < size**2 / 2


def work_of_products(jacobian, n_outputs):
    """Multiplications of dense matrices in the time that the forms of a row take; inf if dense.

    Parameters
    ----------
    jacobian : FiniteJacobian
    n_outputs : int
    """
    n_pairs = n_outputs * (n_outputs + 1) / 2
    return jacobian.n_products * (n_pairs + WRITING) * DENSE_IN_SPARSE
