"""Sums of outer products of the features."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import blas

#: Curvature of an L2 penalty, relative to that of its column, that a factor can do with.
SEEN = 1e-8


def add_gram(matrix, x, weight):
    """Add ``x^T diag(weight) x`` to the lower triangle of ``matrix``."""
    if (weight < 0).any():
        matrix += signed_gram(x, weight)
        return
    root = np.sqrt(weight)
    if sparse.issparse(x):
        scaled = sparse.diags(root) @ x
        matrix += (scaled.T @ scaled).toarray()
        return
    scaled = x * root[:, None]
    if scaled.dtype == matrix.dtype:
        add_outer(matrix, scaled)
    else:
        matrix += scaled.T @ scaled


def add_outer(matrix, rows, sign=1.0):
    """Add ``sign sum_i v_i v_i^T`` of rows v in the same precision to the lower triangle."""
    (syrk,) = blas.get_blas_funcs(("syrk",), (matrix,))
    # All transposed, because BLAS wants the columns together.
    syrk(sign, rows.T, beta=1.0, c=matrix.T, lower=0, overwrite_c=1)


def signed_gram(x, weight):
    """``x^T diag(weight) x``, dense, for weights of any sign."""
    if sparse.issparse(x):
        return (x.T @ (sparse.diags(weight) @ x)).toarray()
    return x.T @ (x * weight[:, None])


def mirror_lower(matrix):
    """Copy the lower triangle onto the upper one, in place and in strips."""
    size = len(matrix)
    for start in range(0, size, 256):
        stop = min(start + 256, size)
        square = np.tril(matrix[start:stop, start:stop])
        matrix[start:stop, start:stop] = square + np.tril(square, -1).T
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T


def fix_gauge(matrix, mask, penalty):
    """Give curvature to the directions that neither the softmax nor the penalty sees.

    Adding a number to one feature's weight in every class changes nothing, and no row gradient
    points that way, so any curvature there leaves every solution as it is. With an L1 penalty
    this needs care only for the columns (and the intercept) that are active in all classes.
    """
    n_outputs, n_columns = mask.shape
    diagonal = np.diag(matrix).reshape(n_outputs, n_columns)
    size = diagonal.mean(axis=0)
    cells = matrix.reshape(n_outputs, n_columns, n_outputs, n_columns)
    is_seen = np.broadcast_to(penalty, mask.shape).min(axis=0) > SEEN * size
    for column in np.flatnonzero(mask.all(axis=0) & ~is_seen):
        cells[:, column, :, column] += size[column] / n_outputs
