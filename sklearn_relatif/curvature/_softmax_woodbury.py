"""Exact curvature of softmax regression on wide sparse data, in as many dimensions as rows."""

from __future__ import annotations

import warnings
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import LinAlgWarning

from ..objectives import mirror_lower
from ..utils._blocks import block_budget, row_blocks
from ..utils._progress import show_progress
from ..utils._sparse import distinct_rows
from ._cholesky import CholeskyCurvature, factorise_block, least_pivot
from ._class_sums import ClassSums
from ._dual_gradients import DualConjugateGradients
from ._lapack import invert_triangle, symmetric_from_triangle
from ._memory import Factor
from ._woodbury import (
    Aside,
    Border,
    WeakRidge,
    WideCurvature,
    disagreement,
    dot,
    dual_blocks,
    refuse,
    split_columns,
    tiles,
)

#: Relative residual of the queries' solves.
TOLERANCE = 1e-11
#: Relative error of squared denominators that is not worth a warning, with features of a precision.
TOLERATED = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-6}
#: Less than this probability makes no difference to a curvature, but to what is divided by it.
LEAST_PROBABILITY = np.finfo(float).tiny ** 0.25
#: Matrices with a row for each training row that all denominators take at once: ``N*``, two
#: triangles of sums, and two whole ones.
MATRICES = 4
#: Squared denominators of gradients, from the solutions for them.
FROM_SOLUTION = {
    "loss_relative": lambda gradients, solved: dot(gradients, solved),
    "theta_relative": lambda gradients, solved: dot(solved, solved),
}


class SoftmaxWoodburyCurvature(WideCurvature):
    """The curvature of a softmax regression, inverted class by class.

    As in Rasmussen & Williams, "Gaussian Processes for Machine Learning" (2006), Algorithm 3.3:
    with the weights ``w_i = s_i / S`` and the probabilities ``P_c = diag(p_ic)`` of each class,

        H = M - Z^T W Z,    M_c = X~^T D_c X~ + diag(r, ..., r, q),    D_c = W P_c,

    where row i of Z is ``p_i ⊗ x~_i``. The inverse of each ``M_c`` comes from the matrix N of
    :class:`WoodburyCurvature`, with the ``N*``, ``U`` and ``C`` defined there, as

        X~ M_c^-1 X~^T = D^-1/2 (I - N*_c) D^-1/2,

    and because the probabilities sum to 1, what couples the classes is one more such matrix:

        H^-1 = M^-1 + M^-1 Z^T W^1/2 F^-1 W^1/2 Z M^-1,    F = sum_c P_c^1/2 N*_c P_c^1/2.

    The same number added to an intercept in every class changes nothing, so that F is singular
    without damping, and next to singular for a large feature. These directions E of the columns
    aside, along which no gradient points, are held fixed: with

        h = W^1/2 Z M^-1 E = sum_c P_c^1/2 U_c C_c^-1,    kappa = E^T M^-1 E = sum_c C_c^-1,
        a = E^T M^-1 g,    b = W^1/2 Z M^-1 g - h kappa^-1 a,
        t = (F + h kappa^-1 h^T)^-1 b,

    the solution and its form are

        H^-1 g = M^-1 (g + Z^T W^1/2 t - E kappa^-1 (a + h^T t)),
        g^T H^-1 g = g^T M^-1 g - a^T kappa^-1 a + b^T t.

    These denominators of all training rows are summed up while the classes stream by, with one
    ``N_c`` in memory at a time. Rows with the same features share a row of it. Nothing of that
    size is kept: the queries' numerators are solved for by conjugate gradients, to a residual of
    1e-11 (:class:`DualConjugateGradients`). A few of the denominators are compared with such
    solutions. Features of single precision have their denominators in single precision as well, in
    half the time and memory, unless these are off by more than 1e-5 of their square then.

    Parameters
    ----------
    total : CurvatureOperator
        The Hessian or Fisher information of a softmax regression in contrasts. Its ridge must be
        positive, and the same for all outputs and coefficients, apart from the intercepts.
    verbose : bool, default=False
        Whether the classes that are done are counted on standard error.
    """

    is_exact = is_iterative = True

    def __init__(self, total, verbose=False):
        super().__init__(total)
        # Probabilities in single precision would make another curvature for the queries.
        self.total = total.astype(np.float64)
        self.verbose = verbose
        self.solver = DualConjugateGradients(self.total, TOLERANCE)

    @classmethod
    def obstacle(cls, sizes, kind, damping) -> str | None:
        """Why it cannot be that of an objective of some sizes; None if it can."""
        if not sizes.n_classes > sizes.n_outputs > 1:
            return "the model is no softmax regression in contrasts"
        if kind == "empirical_fisher":
            return "the curvature is not that of the probabilities"
        if not sizes.is_sparse:
            return "the features are dense"
        if not sizes.is_wide:
            return sizes.row_space_obstacle or "there are not fewer rows than features"
        if not sizes.has_ridge(kind, damping):
            return "a coefficient bears neither a penalty nor damping"
        return None

    @classmethod
    def memory(cls, sizes, kind) -> Factor:
        """What all denominators take at once. It is gone when they are known."""
        return Factor(MATRICES, sizes.n_rows)

    @property
    def factored(self):
        """Nothing: there is no factor of the whole."""
        return None

    def has_coordinates(self, objective):
        """Whether a factor in the space of the rows is affordable."""
        return CholeskyCurvature.memory(objective.sizes().reduced, self.kind).is_affordable

    def forms(self, objective):
        """A function of a slice of the training rows to their forms, in the space of the rows.

        Those of single outputs, which leverages are made of, never exist otherwise.
        """
        reduced, own = self.coordinates(objective)
        return own.forms(reduced)

    def solve(self, gradients):
        """``H^-1 g`` for each row g, shape (n, n_params)."""
        return self.solver.solve(gradients)

    def lengths(self, rows, criterion):
        """Lengths of the whitened and of the solved unit gradients of the training rows.

        Raises
        ------
        ValueError
            If the ridge is too weak for the precision of the features.

        Warns
        -----
        LinAlgWarning
            If squares of some scales are off by more than 1e-6 of their size, or 1e-5 with features
            of single precision.
        """
        merged = merge_rows(self.total.objective, rows)
        precisions = sorted({self.dtype, np.dtype(np.float64)}, key=lambda dtype: dtype.itemsize)
        for dtype in precisions:
            try:
                squares = self._squares(merged, criterion == "theta_relative", dtype)
            except WeakRidge:
                if dtype == precisions[-1]:
                    raise
                continue
            error = self._disagreement(squares, rows, merged)
            if error <= TOLERATED[self.dtype]:
                break
        else:
            _warn(error)
        # Rows of weight 0 have no gradient.
        lengths = {name: np.append(np.sqrt(own), 0.0) for name, own in squares.items()}
        return {name: own[merged.position].astype(self.dtype) for name, own in lengths.items()}

    def _squares(self, merged, with_squares, dtype):
        """Squared denominators of the gradients, summed up in a precision."""
        sums = ClassSums(merged, self.total.ridge[0], with_squares, dtype)
        n_classes = merged.probabilities.shape[1]
        for k in range(n_classes):
            sums.add(k, ClassDual(merged, k, self.total.ridge[0], dtype))
            show_progress("classes", k + 1, n_classes, self.verbose)
        return dict(zip(FROM_SOLUTION, sums.close(), strict=False))

    def _disagreement(self, squares, rows, merged):
        """Largest relative difference of a few squares from the solutions for them."""
        errors = []
        for name, own in squares.items():
            solve = partial(self._solved, rows, merged, FROM_SOLUTION[name])
            errors.append(disagreement(own, np.arange(len(own)), own, solve))
        # NaN stays, unlike with the max of Python.
        return np.max(errors)

    def _solved(self, rows, merged, from_solution, positions):
        """Squares of some gradients by the solutions for them."""
        squares = np.empty(len(positions))
        for some in row_blocks(len(positions), 8 * 8 * rows.n_values, block_budget()):
            examples = merged.example[positions[some]]
            # Products in single precision would be rounded, which short denominators feel.
            own = rows.jacobian[examples].astype(np.float64)
            gradients = own.gradients(rows.unit[examples].astype(np.float64), slice(None))
            squares[some] = from_solution(gradients, self.solver.solve(gradients))
        return squares


def _warn(error):
    warnings.warn(
        f"The regularisation is so weak that rounding puts squares of denominators off by about "
        f"{error:.0e} of their size. Set a positive damping (for example damping=1e-3), fit the "
        "model with more regularisation, or use solver='cholesky'.",
        LinAlgWarning,
        stacklevel=2,
    )


class MergedRows(NamedTuple):
    """The training rows that count, without repetition.

    Attributes
    ----------
    X : CSR matrix of shape (n_distinct, n_features)
        Features that occur, without those that are kept aside.
    aside : Aside
        The others, and the intercept.
    weight : ndarray of shape (n_distinct,)
        Sums of ``s_i / S``.
    probabilities : ndarray of shape (n_distinct, n_classes)
    fit_intercept : bool
    owner : ndarray of int, shape (n_gradients,)
        Row of ``X`` of each gradient that occurs, in ascending order.
    residual : ndarray of shape (n_gradients, n_classes)
        Unit residuals, one number a class.
    example : ndarray of int, shape (n_gradients,)
        A training row that has the gradient.
    position : ndarray of int, shape (n_rows,)
        Gradient of each training row; -1 for rows of weight 0.
    """

    X: sparse.csr_matrix
    aside: Aside
    weight: np.ndarray
    probabilities: np.ndarray
    fit_intercept: bool
    owner: np.ndarray
    residual: np.ndarray
    example: np.ndarray
    position: np.ndarray

    def gradients_of(self, rows):
        """Slice of the gradients that a slice of the rows of ``X`` has."""
        return slice(*np.searchsorted(self.owner, [rows.start, rows.stop]))


def merge_rows(objective, rows) -> MergedRows:
    """Merge training rows that have the same features, and gradients that are the same."""
    loss, jacobian = objective.loss, objective.jacobian
    present = np.flatnonzero(objective.sample_weight > 0)
    first, group = distinct_rows(jacobian.features(present))
    rest, aside = split_columns(jacobian[present[first]])
    weight = np.bincount(group, objective.sample_weight[present]) / objective.total_weight
    eta = objective.training_predictor[present[first]].astype(np.float64)
    probabilities = np.maximum(loss.probabilities(eta), LEAST_PROBABILITY)
    labelled = group * probabilities.shape[1] + objective.y[present]
    _, example, column = np.unique(labelled, return_index=True, return_inverse=True)
    position = np.full(objective.n_rows, -1)
    position[present] = column
    residual = rows.unit[present[example]].astype(np.float64) @ loss.softmax_contrasts.T
    return MergedRows(
        rest,
        aside,
        weight,
        probabilities,
        jacobian.fit_intercept,
        group[example],
        residual,
        present[example],
        position,
    )


class ClassDual:
    """``N*`` of one class, which is all that :class:`ClassSums` asks of its curvature.

    Attributes
    ----------
    root : ndarray of shape (n_distinct,)
        ``D^1/2``.
    beside, left : ndarray of shape (n_distinct, n_distinct) and (n_distinct,)
        ``N*`` beside its diagonal, where it has zeros, and the diagonal.
    forms : ndarray of shape (n_distinct,)
        ``x~_i^T M^-1 x~_i``.
    border : Border
    """

    def __init__(self, merged, k, ridges, dtype):
        self.root = np.sqrt(merged.weight * merged.probabilities[:, k])
        ridge = ridges[0]
        (matrix,) = dual_blocks(merged.X, self.root[None], ridge[None], dtype)
        diagonal, coupling = _invert_in_place(matrix)
        self.border = Border.of(merged.aside, self.root, ridges, partial(_applied, matrix))
        lengths = np.asarray(merged.X.multiply(merged.X).sum(axis=1)).ravel()
        seen = self.root**2 * lengths / ridge
        # 1 - N^-1_ii, by what N N^-1 = I says of it where the difference would cancel.
        lost = np.where(seen < 1, seen * diagonal + coupling, 1 - diagonal)
        own = dot(self.border.shifts, self.border.spreads)
        self.forms = (lost + own) / self.root**2
        self.left = diagonal - own
        self.beside = matrix
        for rows in tiles(len(matrix)):
            self.beside[rows] -= self.border.shifts[rows] @ self.border.spreads.T
        np.fill_diagonal(self.beside, 0)

    def multiply(self, vectors):
        """``N* v`` for each column v."""
        return _applied(self.beside, vectors) + self.left[:, None] * vectors


def _applied(matrix, vectors):
    """The product in the precision of a large matrix, of which another one would be a copy."""
    return matrix @ vectors.astype(matrix.dtype)


def _invert_in_place(matrix):
    """Invert a matrix ``N`` given by its upper triangle; the inverse is written out whole.

    Returns
    -------
    diagonal : ndarray of shape (size,)
        That of the inverse.
    coupling : ndarray of shape (size,)
        ``sum_j N_ij N^-1_ij`` over j other than i.
    """
    # LAPACK works in the upper triangle, and leaves the copy below the diagonal alone.
    mirror_lower(matrix.T)
    factor, pivot = factorise_block(matrix)
    if pivot < least_pivot(len(matrix), matrix.dtype):
        refuse()
    symmetric_from_triangle(invert_triangle(factor))
    coupling = np.zeros(len(matrix))
    for rows in tiles(len(matrix)):
        before = slice(0, rows.start)
        products = matrix[rows, before] * matrix[before, rows].T
        coupling[rows] += products.sum(axis=1)
        coupling[before] += products.sum(axis=0)
        square = matrix[rows, rows]
        products = np.tril(square, -1) * square.T
        coupling[rows] += products.sum(axis=1) + products.sum(axis=0)
    mirror_lower(matrix.T)
    return np.diag(matrix).astype(np.float64), coupling
