"""Exact curvature solves by Cholesky factorisation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import linalg
from scipy.linalg import blas

from ..objectives import mirror_lower
from ..utils._blocks import row_blocks
from ..utils._threads import FEW_COLUMNS, in_one_blas_thread
from ._base import Curvature, measured
from ._forms import PairForms, inverse_of, lengths_of_part, pair_forms, strips_of
from ._lapack import cholesky, invert_triangle
from ._memory import Factor

#: From so many rows for each parameter on, products with all rows cost more than a singular value
#: decomposition of the factor, which saves one of them.
ROWS_PER_ROTATION = 256
#: Columns of a factor that are looked at together.
TILE = 512
#: Steps in which the largest and the smallest eigenvalue are estimated.
POWER_STEPS = 2


class CholeskyCurvature(Curvature):
    """A symmetric positive definite curvature ``M = L L^T``, block-diagonal or whole.

    The inverse factor is formed once, because multiplying by a triangle runs at the speed of
    a matrix product while solving with one does not.

    Parameters
    ----------
    blocks : ndarray of shape (n_blocks, size, size)
        Diagonal blocks of the curvature, in the precision that they are to be factorised in
        (float64 where the solutions matter). Overwritten.
    dtype : dtype
        Precision of the products.
    null_space : callable or None
        Called only if a pivot nearly vanishes; returns for each block the directions, of shape
        (size, n_null), that are to be no part of solutions: as many as the curvature is zero
        along by construction, where no gradient points. They are given some curvature, which
        leaves everything else of a solution as it is. None: there are no such directions.
    mask : ndarray of shape (n_params,) or None
        1 for parameters that take part, 0 for parameters held fixed, which the curvature must
        not couple to the others. None: all take part.

    Raises
    ------
    ValueError
        If the curvature is not positive definite in the directions that gradients take.
    """

    is_exact = True

    def __init__(self, blocks, dtype, null_space: Callable[[], list[np.ndarray]] | None, mask=None):
        self.n_blocks, self.size, _ = blocks.shape
        self.dtype = np.dtype(dtype)
        tolerance = least_pivot(self.size, dtype)
        diagonals = np.einsum("bii->bi", blocks).copy()
        factored, n_null = [factorise_block(block) for block in blocks], 0
        doubtful = max(tolerance, doubtful_pivot(blocks.dtype))
        if null_space is not None and min(pivot for _, pivot in factored) < doubtful:
            directions = null_space()
            n_null = sum(null.shape[1] for null in directions)
        if n_null:
            for block, diagonal, null in zip(blocks, diagonals, directions, strict=True):
                restore(block, diagonal)
                scale = null_scale(diagonal)
                block += null @ (null.T @ (scale[:, None] * null)) @ null.T
            diagonals = np.einsum("bii->bi", blocks).copy()
            factored = [factorise_block(block) for block in blocks]
        #: 1 - R^2 of the parameter that the ones before it determine best.
        self.smallest_pivot = smallest = min(pivot for _, pivot in factored)
        check_pivot(smallest, tolerance, dtype)
        n_active = self.n_blocks * self.size if mask is None else int(np.sum(mask))
        #: Number of directions that have curvature of their own.
        self.n_free = n_active - n_null
        self.n_whitened = self.n_blocks * self.size
        self.is_dense = self.n_blocks == 1
        self.is_accurate = smallest > doubtful_pivot(dtype)
        self.inverse_factors, conditions = [], [1.0]
        for (factor, _), lengths in zip(factored, np.sqrt(diagonals), strict=True):
            largest = _square_of_norm(factor, 1 / lengths, transpose=True)
            self.inverse_factors.append(invert_factor(factor, dtype))
            inverse = _square_of_norm(self.inverse_factors[-1], lengths, transpose=False)
            conditions.append(largest * inverse)
        self.condition = max(conditions)
        if mask is not None:
            by_block = mask.reshape(self.n_blocks, -1)
            for factor, active in zip(self.inverse_factors, by_block, strict=True):
                factor[np.diag_indices(self.size)] *= active

    @classmethod
    def memory(cls, sizes, kind) -> Factor:
        """What the factor of a curvature of an objective of some sizes takes."""
        if sizes.couples_outputs or kind == "empirical_fisher":
            return Factor(1, sizes.n_outputs * sizes.n_columns, sizes.itemsize)
        return Factor(sizes.n_outputs, sizes.n_columns)

    def whiten(self, gradients):
        """``L^-1 g`` for each row g, shape (n, n_params). ``gradients`` is overwritten."""
        return self._multiply(gradients, transpose=False)

    def unwhiten(self, whitened):
        """``L^-T v`` for each row v: turns ``L^-1 g`` into ``M^-1 g``. Overwrites."""
        return self._multiply(whitened, transpose=True)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params). ``gradients`` is overwritten."""
        return self.unwhiten(self.whiten(gradients))

    def lengths(self, rows, criterion):
        """Lengths of the whitened and of the solved unit gradients of the training rows."""
        is_once = criterion == "loss_relative"
        factor = self if is_once else self.for_lengths(rows.n_rows)
        if factor is self and self.is_dense:
            return measured(rows, criterion, self, lengths_of_part)
        return measured(rows, criterion, factor)

    def for_lengths(self, n_rows):
        """What gives the lengths of ``L^-1 g`` and ``M^-1 g`` of so many rows fastest."""
        if self.n_blocks > 1 or self.size > FEW_COLUMNS or n_rows < ROWS_PER_ROTATION * self.size:
            return self
        return _RotatedCurvature(self.inverse_factors[0])

    def quadratic_form(self, n_outputs):
        """A function of features x (n, n_columns) to the forms ``x^T [M^-1]_kl x``.

        They have shape (n, n_outputs, n_outputs), or (n, n_outputs) where the curvature does
        not couple the outputs.
        """
        if self.n_blocks == n_outputs:
            return self._separate_forms
        strips = strips_of(inverse_of(*self.inverse_factors), n_outputs)
        return PairForms(strips, n_outputs, self.size // n_outputs, self.dtype).by_outputs

    def forms(self, objective):
        """A function of rows of an objective to their ``x~_i^T [M^-1]_kl x~_i``."""
        jacobian, n_outputs = objective.jacobian, objective.shape[0]
        if self.n_blocks == n_outputs:
            return super().forms(objective)
        strips = strips_of(inverse_of(*self.inverse_factors), n_outputs)
        forms, block = pair_forms(strips, n_outputs, jacobian, self.dtype)
        dtype = np.promote_types(self.dtype, jacobian.dtype)
        return lambda rows: forms.by_outputs(block(rows).astype(dtype, copy=False))

    def n_parameters(self, ridge):
        """``tr(M^-1 (M - diag(ridge)))``, where ridge (n_params,) is the penalty's part of M."""
        return self.n_free - ridge @ self.inverse_diagonal()

    def inverse_diagonal(self):
        """Diagonal of ``M^-1``, shape (n_params,), in double precision."""
        return np.concatenate([column_squares(factor) for factor in self.inverse_factors])

    def _separate_forms(self, x):
        whitened = (triangular_product(f, x.copy(), False) for f in self.inverse_factors)
        return np.stack([np.einsum("ij,ij->i", v, v) for v in whitened], axis=1)

    def _multiply(self, rows, transpose):
        if self.n_blocks == 1:
            return triangular_product(self.inverse_factors[0], rows, transpose)
        for index, factor in enumerate(self.inverse_factors):
            own = slice(index * self.size, (index + 1) * self.size)
            part = np.ascontiguousarray(rows[:, own])
            rows[:, own] = triangular_product(factor, part, transpose)
        return rows


class _RotatedCurvature:
    """A small curvature, with whitened rows in coordinates in which unwhitening is a scaling.

    With ``L^-1 = U S V^T``, a row's ``U^T L^-1 g`` is as long as ``L^-1 g``, and ``S U^T L^-1 g``
    as long as ``M^-1 g``: one product with each row, not two. Multiplied out from ``L^-1``, the
    rotated factor is as accurate as that is in every column, however the columns are scaled.

    Parameters
    ----------
    inverse_factor : ndarray of shape (size, size)
    """

    def __init__(self, inverse_factor):
        exact = inverse_factor.astype(np.float64)
        rotation, scales, _ = in_one_blas_thread(linalg.svd, exact)
        factor = in_one_blas_thread(np.matmul, rotation.T, exact)
        self.factor = factor.astype(inverse_factor.dtype)
        self.scales = scales.astype(inverse_factor.dtype)

    def whiten(self, gradients):
        """``U^T L^-1 g`` for each row g, shape (n, n_params)."""
        return gradients @ self.factor.T

    def unwhiten(self, whitened):
        """What is as long as ``M^-1 g``, for each row ``U^T L^-1 g``. Overwrites."""
        whitened *= self.scales
        return whitened


def factorise_block(block):
    """Cholesky factor in the memory of ``block``, and its smallest pivot (0 if it fails).

    The pivot is relative to its diagonal element: 1 - R^2 of a parameter on the ones before
    it, whatever the scale of the features. The strict lower triangle of ``block`` stays as it
    was, so that :func:`restore` can undo the factorisation.
    """
    diagonal = np.diag(block).copy()
    # The transpose of a C-ordered block is what LAPACK can factorise in place.
    factor, failed_at = cholesky(block.T)
    if failed_at:
        return factor, 0.0
    return factor, float((np.diag(factor) ** 2 / diagonal).min())


def least_pivot(size, dtype):
    """The smallest relative pivot that a precision tells from zero."""
    return 10 * np.sqrt(size) * np.finfo(dtype).eps


def doubtful_pivot(dtype):
    """The relative pivot of which half of the digits of a precision are left.

    Below it, a direction without curvature may be one that rounding has given some.
    """
    return np.sqrt(np.finfo(dtype).eps)


def check_pivot(smallest, tolerance, dtype):
    """Raise a ValueError if the smallest relative pivot of a curvature is next to none."""
    if smallest < tolerance:
        raise ValueError(
            "The curvature is not positive definite: its smallest relative pivot is "
            f"{smallest:.2g}, less than the {tolerance:.2g} that {np.dtype(dtype)} can tell "
            "from zero. Set a positive damping (for example damping=1e-3), or fit the model "
            "with more regularisation."
        )


def null_scale(diagonal):
    """Curvature to give to null directions, by parameter: as much as the parameter has of its own.

    Where it has none, any will do, but next to none would make much of rounding.
    """
    largest = diagonal.max(initial=0)
    return np.where(diagonal > 0, diagonal, largest if largest > 0 else 1.0)


def restore(block, diagonal):
    """Undo a factorisation: copy the strict lower triangle onto the upper one."""
    np.fill_diagonal(block, diagonal)
    mirror_lower(block)


def invert_factor(factor, dtype):
    """``L^-1`` of a lower triangular factor, in place unless the precision changes."""
    inverse = invert_triangle(factor)
    if len(inverse) <= FEW_COLUMNS:
        inverse = np.tril(inverse)
    return inverse.astype(dtype, order="F", copy=False)


def column_squares(factor):
    """Squared lengths of the columns of a lower triangle, whatever is above its diagonal."""
    squares = np.empty(len(factor))
    for rows in row_blocks(len(factor), 1, TILE):
        squares[rows] = np.square(np.tril(factor[rows, rows]), dtype=np.float64).sum(axis=0)
        below = factor[rows.stop :, rows]
        squares[rows] += np.einsum("ij,ij->j", below, below, dtype=np.float64)
    return squares


def _square_of_norm(triangle, scales, transpose):
    """Estimate the square of the norm of ``L diag(scales)``, or of ``L^T diag(scales)``.

    By a few steps of the power method, which is enough where the norm is much larger than most
    singular values are.
    """
    if len(triangle) <= FEW_COLUMNS:
        return in_one_blas_thread(_power_method, triangle, scales, transpose)
    return _power_method(triangle, scales, transpose)


def _power_method(triangle, scales, transpose):
    (trmv,) = blas.get_blas_funcs(("trmv",), (triangle,))
    vector, square = np.random.RandomState(0).standard_normal(len(triangle)), 0.0
    for _ in range(POWER_STEPS):
        start = scales * (vector / np.linalg.norm(vector))
        image = trmv(triangle, start, trans=transpose, lower=1)
        vector = scales * trmv(triangle, image, trans=not transpose, lower=1)
        square = float(np.linalg.norm(vector))
    return square


def triangular_product(factor, rows, transpose):
    """``rows @ factor.T`` (or ``rows @ factor``), in place on C-ordered rows if there are many.

    A small factor has zeros above its diagonal, and is multiplied by NumPy: unlike SciPy, it lets
    other threads work at the same time. One thread of BLAS does, as those others come next.
    """
    if len(factor) <= FEW_COLUMNS:
        return in_one_blas_thread(np.matmul, rows, factor if transpose else factor.T)
    (trmm,) = blas.get_blas_funcs(("trmm",), (factor, rows))
    return trmm(1.0, factor, rows.T, lower=1, trans_a=transpose, overwrite_b=1).T
