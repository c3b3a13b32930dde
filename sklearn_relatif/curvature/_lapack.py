"""Cholesky factors, their inverses and those of matrices of any size, in place.

OpenBLAS' own factorisation of a matrix of some 16,000 columns or more ends in a segmentation fault
on some processors (seen with the builds that come with NumPy 2.4 and SciPy 1.17). Large matrices
are therefore factorised by blocks, of which LAPACK only sees the diagonal ones.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from ..utils._threads import FEW_COLUMNS, in_one_blas_thread

#: From this size on, a matrix is worked on by blocks.
LARGE = 12_000
#: Columns of a block: its own triangle is multiplied as a square, which narrow blocks keep cheap.
BLOCK = 1024


def _call(function, matrix, **options):
    """Call a function of LAPACK; in one BLAS thread on a small matrix.

    More of them would gain nothing, and wait for work in the way of NumPy's.
    """
    if len(matrix) <= FEW_COLUMNS:
        return in_one_blas_thread(function, matrix, **options)
    return function(matrix, **options)


def cholesky(matrix):
    """Factorise the lower triangle of a Fortran-ordered matrix in place.

    Returns
    -------
    factor : ndarray
        The same memory; the strict upper triangle is as it was.
    failed_at : int
        0, or the order of the leading minor that is not positive definite.
    """
    (potrf,) = lapack.get_lapack_funcs(("potrf",), (matrix,))
    if len(matrix) < LARGE:
        return _call(potrf, matrix, lower=1, clean=0, overwrite_a=1)
    for start in range(0, len(matrix), BLOCK):
        own, done = slice(start, start + BLOCK), slice(0, start)
        left = matrix[own, done]
        diagonal = matrix[own, own]
        lower, failed_at = potrf(np.tril(diagonal) - left @ left.T, lower=1, clean=1)
        if failed_at:
            return matrix, start + failed_at
        diagonal[...] = lower + np.triu(diagonal, 1)
        inverse = invert_triangle(lower).T
        for below in range(start + BLOCK, len(matrix), BLOCK):
            rows = slice(below, below + BLOCK)
            matrix[rows, own] = (matrix[rows, own] - matrix[rows, done] @ left.T) @ inverse
    return matrix, 0


def invert_triangle(factor):
    """Invert the lower triangle of a Fortran-ordered matrix in place.

    The strict upper triangle stays as it was.
    """
    (trtri,) = lapack.get_lapack_funcs(("trtri",), (factor,))
    if len(factor) < LARGE:
        return _call(trtri, factor, lower=1, overwrite_c=1)[0]
    for start in range(0, len(factor), BLOCK):
        rows = slice(start, start + BLOCK)
        inverse = np.tril(trtri(np.tril(factor[rows, rows]), lower=1)[0])
        for before in range(0, start, BLOCK):
            # Blocks of this row are read from here on; the ones before are inverted already.
            columns, rest = slice(before, before + BLOCK), slice(before + BLOCK, start)
            product = factor[rows, columns] @ np.tril(factor[columns, columns])
            product += factor[rows, rest] @ factor[rest, columns]
            factor[rows, columns] = -inverse @ product
        factor[rows, rows] = inverse + np.triu(factor[rows, rows], 1)
    return factor


def symmetric_from_triangle(factor):
    """``L^T L`` for the lower triangle L of a Fortran-ordered matrix, in the place of L.

    The strict upper triangle stays as it was.
    """
    (lauum,) = lapack.get_lapack_funcs(("lauum",), (factor,))
    if len(factor) < LARGE:
        return _call(lauum, factor, lower=1, overwrite_c=1)[0]
    for start in range(0, len(factor), BLOCK):
        # Blocks of this row are read by none of the next ones.
        rows, before = slice(start, start + BLOCK), slice(0, start)
        square = factor[rows, rows]
        lower, below = np.tril(square), factor[start + BLOCK :, rows]
        product = lower.T @ lower + below.T @ below
        factor[rows, before] = lower.T @ factor[rows, before]
        factor[rows, before] += below.T @ factor[start + BLOCK :, before]
        square[...] = np.tril(product) + np.triu(square, 1)
    return factor
