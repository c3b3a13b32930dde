"""Cholesky factors and their inverses, in place, of matrices of any size.

OpenBLAS' own factorisation of a matrix of some 16,000 columns or more ends in a segmentation fault
on some processors (seen with the builds that come with NumPy 2.4 and SciPy 1.17). Large matrices
are therefore factorised by blocks, of which LAPACK only sees the diagonal ones.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

#: From this size on, a matrix is worked on by blocks.
LARGE = 12_000
#: Columns of a block.
BLOCK = 2048


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
        return potrf(matrix, lower=1, clean=0, overwrite_a=1)
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

    What stands above the diagonal may be changed.
    """
    (trtri,) = lapack.get_lapack_funcs(("trtri",), (factor,))
    if len(factor) < LARGE:
        return trtri(factor, lower=1, overwrite_c=1)[0]
    for start in range(0, len(factor), BLOCK):
        rows = slice(start, start + BLOCK)
        inverse = np.tril(trtri(np.tril(factor[rows, rows]), lower=1)[0])
        for before in range(0, start, BLOCK):
            # Blocks of this row are read from here on; the ones before are inverted already.
            columns, rest = slice(before, before + BLOCK), slice(before, start)
            factor[rows, columns] = -inverse @ (factor[rows, rest] @ factor[rest, columns])
        factor[rows, rows] = inverse
    return factor
