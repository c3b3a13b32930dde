"""Predictors that are linear in the kernels with some rows, which span a finite space.

Sums ``f(x) = sum_j a_j k(x_j, x)`` over the rows ``x_j`` have the squared norm ``a^T K a`` in the
space of the kernel (Schölkopf & Smola, 2002, section 2.2). A factor ``K = L L^T`` of the kernels
between the rows gives each x the coordinates ``h(x) = L^-1 k(x)``, in which::

    f(x) = w^T h(x),    w = L^T a,    |w|^2 = a^T K a,

so that the penalty of kernel ridge regression or of a Gaussian process is that of a ridge. The
coordinates of the rows themselves are the rows of L. The factor is that of Cholesky with pivots,
which ends where rounding is all that is left: rows that depend on others, such as duplicates or
the rows of a linear kernel of few columns, add no coordinate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack
from sklearn.metrics.pairwise import pairwise_kernels

from ..utils._blocks import block_budget, row_blocks
from ._linear import LinearJacobian

#: Square of what a row of unit length must have outside the span of others, in roundings.
ROUNDINGS = 10
#: How many times its own size rounding may leave where a factor ends, of rows of unit length.
LEFT = 100.0


class PairwiseKernel:
    """A kernel as ``pairwise_kernels`` of scikit-learn takes it, between any rows and some.

    Parameters
    ----------
    metric : str, callable or object with ``__call__``
        "precomputed": rows are those of their kernels with these rows.
    options : dict of str to object
        Its parameters, of which those that it does not know are left out.
    rows : ndarray or CSR matrix of shape (n_rows, n_features)
    """

    def __init__(self, metric: Any, options: dict[str, Any], rows: Any) -> None:
        self.metric = metric
        self.options = options
        self.rows = rows

    def gram(self, positions):
        """Kernels between some of the rows, shape (n, n), as an array of its own."""
        if self.metric == "precomputed":
            return np.array(_dense(self.rows[positions][:, positions]), np.float64)
        return self._evaluate(self.rows[positions])

    def between(self, X, positions):
        """Kernels of any rows with some of the rows, shape (n_others, n)."""
        if self.metric == "precomputed":
            return np.asarray(_dense(X[:, positions]), np.float64)
        return self._evaluate(X.astype(np.float64, copy=False), self.rows[positions])

    def _evaluate(self, *rows):
        kernels = pairwise_kernels(*rows, metric=self.metric, filter_params=True, **self.options)
        return np.asarray(_dense(kernels), np.float64)


class ProcessKernel:
    """The covariance of a Gaussian process, between any rows and some.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel
    rows : ndarray of shape (n_rows, n_features)
    has_noise : bool
        Whether a row has the noise of the kernel (``WhiteKernel``) in its covariance with itself.
    """

    def __init__(self, kernel: Any, rows: Any, has_noise: bool) -> None:
        self.kernel = kernel
        self.rows = rows
        self.has_noise = has_noise

    def gram(self, positions):
        """Covariances between some of the rows, shape (n, n), as an array of its own."""
        rows = self.rows[positions]
        return np.array(self.kernel(rows) if self.has_noise else self.kernel(rows, rows))

    def between(self, X, positions):
        """Covariances of any rows with some of the rows, shape (n_others, n)."""
        return self.kernel(X, self.rows[positions])


class KernelBasis:
    """Orthonormal basis of the functions that the kernels with some rows span.

    Parameters
    ----------
    kernel : PairwiseKernel or ProcessKernel
    counted : ndarray of int
        Positions of the rows that take part.
    precision : dtype
        Of the kernels: rounding is judged by it.
    is_penalised : bool
        Whether a penalty makes what is left of dependent rows by rounding as good as nothing.
        Without one, there is a larger margin to what counts as rounding.

    Attributes
    ----------
    anchors : ndarray of int, shape (n_dimensions,)
        Positions of the rows of which none depends on the others.
    coordinates : ndarray of shape (n_counted, n_dimensions)
        Of the rows that take part.

    Raises
    ------
    ValueError
        If the kernels are not symmetric and positive semi-definite.
    """

    def __init__(
        self, kernel: Any, counted: np.ndarray, precision: Any, is_penalised: bool
    ) -> None:
        self.kernel = kernel
        margin = ROUNDINGS if is_penalised else LEFT * len(counted)
        factor, own = _factor(kernel.gram(counted), np.finfo(precision).eps, margin)
        self.coordinates = factor
        self.anchors, self._own = counted[own], own

    @property
    def n_dimensions(self) -> int:
        return len(self.anchors)

    @property
    def triangle(self) -> np.ndarray:
        """Lower factor of the kernels between the anchors, in their order."""
        return self.coordinates[self._own]

    def of(self, X: Any) -> np.ndarray:
        """Coordinates ``L^-1 k(x)`` of any rows, shape (n, n_dimensions)."""
        triangle, found = self.triangle, np.empty((X.shape[0], self.n_dimensions))
        for rows in row_blocks(X.shape[0], 24 * self.n_dimensions, block_budget()):
            kernels = self.kernel.between(X[rows], self.anchors)
            found[rows] = linalg.solve_triangular(triangle, kernels.T, lower=True).T
        return found

    def duals(self, weights: np.ndarray) -> np.ndarray:
        """Coefficients of the kernels with the anchors, from those of the coordinates."""
        return linalg.solve_triangular(self.triangle, weights.T, lower=True, trans="T").T


class KernelSpaceJacobian(LinearJacobian):
    """Rows by their coordinates in a :class:`KernelBasis`.

    Parameters
    ----------
    coordinates : ndarray of shape (n_rows, n_dimensions)
    fit_intercept : bool
    basis : KernelBasis
    """

    is_reduced = True
    needs_rows = True

    def __init__(self, coordinates: np.ndarray, fit_intercept: bool, basis: KernelBasis) -> None:
        super().__init__(coordinates, fit_intercept)
        self.basis = basis

    @classmethod
    def of(
        cls, kernel, counts, fit_intercept=False, precision=np.float64, is_penalised=True
    ) -> KernelSpaceJacobian:
        """The rows of a kernel, of which those that count span the space.

        Parameters
        ----------
        kernel : PairwiseKernel or ProcessKernel
        counts : ndarray of bool, shape (n_rows,)
            Whether a row has a weight. What is fitted is a sum of the kernels of these.
        fit_intercept : bool, default=False
        precision : dtype, default=float64
            Of the kernels.
        is_penalised : bool, default=True
        """
        basis = KernelBasis(kernel, np.flatnonzero(counts), precision, is_penalised)
        coordinates = basis.coordinates
        if not counts.all():
            coordinates = np.empty((len(counts), basis.n_dimensions))
            coordinates[counts] = basis.coordinates
            coordinates[~counts] = basis.of(kernel.rows[~counts])
        return cls(coordinates, fit_intercept, basis)

    def at(self, X):
        """Other rows, given by the user's features, in the coordinates of this Jacobian."""
        return LinearJacobian(self.basis.of(X), self.fit_intercept)

    def astype(self, dtype):
        """The same rows in another precision."""
        coordinates = self.X.astype(dtype, copy=False)
        return KernelSpaceJacobian(coordinates, self.fit_intercept, self.basis)


def _factor(kernels, eps, margin):
    """``L`` with ``K = L L^T``, and the positions of the rows that form a lower triangle of it.

    Overwrites the kernels. Pivots are chosen with all rows at unit length, so that short ones are
    told apart beside long ones. They end where rounding is all that is left: the given margin, in
    roundings, or more where kernels have lost digits to distances of rows that lie far from 0.
    """
    lengths = np.sqrt(_checked_diagonal(kernels))
    divisors = np.where(lengths > 0, lengths, 1)
    kernels /= divisors
    kernels /= divisors[:, None]
    _check_symmetric(kernels, np.sqrt(eps))
    rounding = margin * eps
    while True:
        factor, order, kernels = _pivoted(kernels, rounding)
        left = _largest_left(kernels, lengths > 0, factor, order)
        if left <= LEFT * rounding:
            break
        rounding *= LEFT
        if rounding > np.sqrt(eps):
            _refuse(f"a part of about {left:.1g} of it has no positive pivot")
        _mirror_upper(kernels, lengths > 0)
    factor *= divisors[:, None]
    return factor, order[: factor.shape[1]]


def _pivoted(kernels, tolerance):
    """The factor, the order of the pivots, and an array that holds the kernels above its diagonal.

    LAPACK factorises in place what is the transpose of a C-ordered matrix, and leaves that part.
    """
    packed, pivots, rank, _ = lapack.dpstrf(kernels.T, tol=tolerance, lower=0, overwrite_a=1)
    packed, order = packed.T, pivots - 1
    factor = np.empty((len(packed), rank))
    for rows in row_blocks(len(packed), 16 * max(rank, 1), block_budget()):
        factor[order[rows]] = np.tril(packed[rows, :rank], rows.start)
    return factor, order, packed


def _mirror_upper(kernels, diagonal):
    """Undo a factorisation."""
    for rows in row_blocks(len(kernels), 16 * len(kernels), block_budget()):
        upper = np.triu(kernels[rows, rows], 1)
        kernels[rows, rows] = upper + upper.T
        kernels[rows, : rows.start] = kernels[: rows.start, rows].T
    np.fill_diagonal(kernels, diagonal)


def _largest_left(kernels, diagonal, factor, order):
    """Largest entry of ``K - L L^T``, which is 0 where a row is a pivot."""
    rest, largest = np.sort(order[factor.shape[1] :]), 0.0
    for rows in row_blocks(len(rest), 16 * max(len(rest), 1), block_budget()):
        left, some = kernels[rest[rows]][:, rest], rest[rows]
        left[np.arange(len(some)), np.arange(rows.start, rows.stop)] = diagonal[some]
        left -= factor[some] @ factor[rest].T
        largest = max(largest, np.abs(np.triu(left, rows.start)).max(initial=0))
    return largest


def _checked_diagonal(kernels):
    diagonal = np.diag(kernels).copy()
    if not np.isfinite(kernels).all():
        raise ValueError("The kernels between the training rows contain NaN or infinity.")
    if (diagonal < 0).any():
        _refuse(f"the kernel of row {diagonal.argmin()} with itself is {diagonal.min():.3g}")
    return diagonal


def _check_symmetric(kernels, tolerance):
    for rows in row_blocks(len(kernels), 16 * len(kernels), block_budget()):
        apart = np.abs(kernels[rows] - kernels[:, rows].T).max(initial=0)
        if apart > tolerance:
            _refuse(f"kernels of a and b, and of b and a, differ by {apart:.1g} of the largest")


def _refuse(finding):
    raise ValueError(
        "The kernel is not symmetric and positive semi-definite between the training rows, as far "
        f"as double precision tells: {finding}. There is no space in which the model is linear "
        "then, and it is at no minimum. Use a kernel that is ('sigmoid' and 'additive_chi2' are "
        "not), and subtract the means of columns that lie far from 0."
    )


def _dense(kernels):
    return kernels.toarray() if sparse.issparse(kernels) else kernels
