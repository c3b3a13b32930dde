"""Cholesky factors, their inverses and those of matrices of any size, in place.

OpenBLAS' own factorisation of a matrix of some 16,000 columns or more ends in a segmentation fault
on some processors (seen with the builds that come with NumPy 2.4 and SciPy 1.17). Large matrices
are therefore factorised by blocks, of which LAPACK only sees the diagonal ones. The inverse of a
triangle in single precision ends in one too, on processors without AVX and on those that OpenBLAS
does not know, if the order is odd and above 132 (seen with the builds that come with SciPy 1.10
and 1.17). Triangles are therefore inverted by halves, which is faster besides.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, lapack

from ..utils._blocks import row_blocks
from ..utils._threads import FEW_COLUMNS, in_one_blas_thread

#: From this size on, a matrix is worked on by blocks.
LARGE = 12_000
#: Columns of a block, at most: LAPACK is at its full rate with them, and they take little memory.
BLOCK = 4096
#: Columns of a triangle that are copied together, with a square of their own.
STRIP = 256
#: Triangles of so many columns LAPACK inverts column by column, and larger ones are halved.
UNBLOCKED = 64


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
    for own in _blocks(0, len(matrix)):
        left = matrix[own, : own.start]
        rest = _less(matrix[own, own], left, left)
        lower, failed_at = potrf(rest, lower=1, clean=0, overwrite_a=1)
        if failed_at:
            return matrix, own.start + failed_at
        _replace_lower(matrix, own, lower)
        for rows in _blocks(own.stop, len(matrix)):
            below = _less(matrix[rows, own], matrix[rows, : own.start], left)
            matrix[rows, own] = _solved_from_the_right(lower, below)
    return matrix, 0


def invert_triangle(factor):
    """Invert the lower triangle of a Fortran-ordered matrix in place.

    The strict upper triangle stays as it was.
    """
    if len(factor) < LARGE:
        return _call(_invert_by_halves, factor)
    for rows in _blocks(0, len(factor)):
        inverse = _invert_by_halves(_fresh(factor[rows, rows]))
        for columns in _blocks(0, rows.start):
            # Blocks of this row are read from here on; the ones before are inverted already.
            rest = slice(columns.stop, rows.start)
            product = _times(factor[columns, columns], _fresh(factor[rows, columns]), side=1)
            product += _product(factor[rows, rest], factor[rest, columns])
            factor[rows, columns] = _times(inverse, product, -1.0)
        _replace_lower(factor, rows, inverse)
    return factor


def _invert_by_halves(factor):
    """``[[K, 0], [C, D]]^-1 = [[K^-1, 0], [-D^-1 C K^-1, D^-1]]``, in place."""
    size = len(factor)
    if size <= UNBLOCKED:
        (trtri,) = lapack.get_lapack_funcs(("trtri",), (factor,))
        factor[...] = trtri(factor, lower=1)[0]
        return factor
    # The first part is a whole number of the smallest ones, which keeps columns aligned.
    first = slice(0, -(-size // (2 * UNBLOCKED)) * UNBLOCKED)
    second = slice(first.stop, size)
    # One copy of a part at a time, besides that of what is between them.
    inverse = _invert_by_halves(factor[first, first])
    between = _times(_fresh(inverse), _fresh(factor[second, first]), side=1)
    inverse = _invert_by_halves(factor[second, second])
    factor[second, first] = _times(_fresh(inverse), between, -1.0)
    return factor


def symmetric_from_triangle(factor):
    """``L^T L`` for the lower triangle L of a Fortran-ordered matrix, in the place of L.

    The strict upper triangle stays as it was.
    """
    (lauum,) = lapack.get_lapack_funcs(("lauum",), (factor,))
    if len(factor) < LARGE:
        return _call(lauum, factor, lower=1, overwrite_c=1)[0]
    for rows in _blocks(0, len(factor)):
        # Blocks of this row are read by none of the next ones.
        below = factor[rows.stop :, rows]
        own = _fresh(factor[rows, rows])
        for columns in _blocks(0, rows.start):
            product = _times(own, _fresh(factor[rows, columns]), trans_a=1)
            product += _product(below.T, factor[rows.stop :, columns])
            factor[rows, columns] = product
        square = lauum(own, lower=1, overwrite_c=1)[0]
        square += _product(below.T, below)
        _replace_lower(factor, rows, square)
    return factor


def _blocks(start, stop):
    """Slices of about the same size."""
    return (
        slice(start + rows.start, start + rows.stop) for rows in row_blocks(stop - start, 1, BLOCK)
    )


def _fresh(block):
    """A copy of a block, in the order that LAPACK works in."""
    return block.copy(order="F")


def _product(left, right):
    """``left @ right``, in that order too: to add up numbers of two orders takes long."""
    return (right.T @ left.T).T


def _less(block, left, right):
    """``block - left @ right^T``, afresh."""
    rest = _fresh(block)
    rest -= _product(left, right.T)
    return rest


def _replace_lower(matrix, own, lower):
    """Write the lower triangle of a matrix over that of a diagonal block."""
    block = matrix[own, own]
    for rows in row_blocks(len(block), 1, STRIP):
        square = block[rows, rows]
        square[...] = np.tril(lower[rows, rows]) + np.triu(square, 1)
        block[rows.stop :, rows] = lower[rows.stop :, rows]


def _solved_from_the_right(lower, rows):
    """``rows @ L^-T``, in the memory of the rows."""
    (trsm,) = blas.get_blas_funcs(("trsm",), (lower, rows))
    return trsm(1.0, lower, rows, side=1, lower=1, trans_a=1, overwrite_b=1)


def _times(lower, rows, factor=1.0, **options):
    """``L @ rows`` times a factor, in the memory of the rows.

    By the options of BLAS, L is transposed or comes from the right.
    """
    (trmm,) = blas.get_blas_funcs(("trmm",), (lower, rows))
    return trmm(factor, lower, rows, lower=1, overwrite_b=1, **options)
