"""The objective of a kernel machine."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.svm import SVC, NuSVC

from ..jacobians import Gradients, KernelFeatures, KernelJacobian, TrainingKernel, held
from ..losses import Hinge
from ..utils._blocks import block_budget, row_blocks
from ._base import Objective
from ._dual import BOUND, DualForm, hinge_parameters

#: Tolerance of machines that are fitted again. libsvm holds kernels in single precision.
TIGHT = 1e-9
#: Steps of libsvm after which such a fit ends with a warning.
MAX_STEPS = 10**7
NO_CURVATURE = (
    "curvature={!r} does not exist for a kernel SVM; use curvature='hessian' or 'identity'."
)


class UnknownBoundsError(ValueError):
    """The dual coefficients of a machine have bounds that are not known in advance."""


@dataclass(frozen=True)
class KernelObjective(Objective):
    """A fitted kernel SVM together with the rows that it was trained on.

    Attributes
    ----------
    loss : Hinge
    kernel : TrainingKernel
    y : ndarray of int, shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,)
        Effective weights ``s_i``.
    support : ndarray of int, shape (n_support,)
        Positions of the support vectors.
    dual_coef : ndarray of shape (n_support, n_outputs)
        Coefficient of each support vector in each binary problem.
    intercept : ndarray of shape (n_outputs,)
    C : float or None
        Upper bound of a coefficient of weight 1. None where the machine has another.
    parameters : dict of str to object
        Those of a machine of the same kernel and strength, for refits. No machine itself: what is
        read from a file of a stranger's must not bring what is called.
    nu : float or None
        What a NuSVC has instead: the least share of support vectors.
    """

    loss: Hinge
    kernel: TrainingKernel
    y: np.ndarray
    sample_weight: np.ndarray
    support: np.ndarray
    dual_coef: np.ndarray
    intercept: np.ndarray
    C: float | None
    parameters: dict[str, object]
    nu: float | None = None

    removal_kind = "hinge"
    has_tables = False
    has_dual_refits = True

    @property
    def dtype(self):
        return self.dual_coef.dtype

    @cached_property
    def rows(self) -> Gradients:
        """Unit gradients of the training rows: zero but for the support vectors."""
        residual = np.zeros((self.n_rows, self.loss.n_outputs))
        residual[self.support] = -self.loss.codebook[self.y[self.support]] * (self.dual_coef != 0)
        norm = np.linalg.norm(residual, axis=1)
        residual /= np.where(norm > 0, norm, 1)[:, None]
        return Gradients(KernelJacobian(self.kernel, np.flatnonzero(norm)), residual, norm)

    def query_jacobian(self, X):
        """Other rows in the precision of the machine."""
        return KernelFeatures(held(X).astype(self.dtype, copy=False))

    def query_rows(self, jacobian, y) -> Gradients:
        """Unit gradients of the margins of query rows with explained labels ``y``."""
        norm, unit = self.loss.query_direction(y, np.empty((0,), self.dtype))
        return Gradients(jacobian, unit, norm)

    def predictor(self, jacobian):
        """Decision values of the binary problems, shape (n, n_outputs)."""
        values = np.empty((jacobian.n_rows, self.loss.n_outputs))
        bytes_per_row = 2 * len(self.support) * self.dtype.itemsize
        for rows in row_blocks(jacobian.n_rows, bytes_per_row, block_budget()):
            values[rows] = self.kernel.between(jacobian[rows], self.support) @ self.dual_coef
        return values + self.intercept

    def for_refit(self, estimator):
        """An unfitted estimator of the same kernel and bounds on any of the weighted rows."""
        return unfitted_machine(estimator, self.kernel)

    def dual_form(self) -> DualForm:
        """The machine as its dual problems see it."""
        if self.C is None:
            raise UnknownBoundsError(
                "Removal from a NuSVC is not followed on its active set, because its bounds "
                "move with it; use order='retrain' or retrain_without, or an SVC."
            )
        upper = np.repeat(self.C * self.sample_weight[:, None], self.loss.n_outputs, axis=1)
        kernel = self.kernel.around_mean()
        intercept = self.intercept + kernel.intercept_shift(self.support, self.dual_coef)
        return DualForm(self.loss.codebook[self.y], self._alpha, upper, intercept, kernel)

    def refitted_dual(self, removed, kernel):
        """scikit-learn's machine without some rows.

        Weights, also those of classes, and the kernel are held as they are.

        Parameters
        ----------
        removed : ndarray of int
        kernel : TrainingKernel
            That of the rows, or of the rows around their mean.

        Returns
        -------
        coefficients : ndarray of shape (n_rows, n_outputs)
            Signed dual coefficients.
        intercept : ndarray of shape (n_outputs,)
            The intercepts that belong to ``kernel``.
        """
        counts = self.sample_weight > 0
        counts[removed] = False
        kept = np.flatnonzero(counts)
        X = self.kernel.X[kept]
        X = X[:, kept] if self.kernel.is_precomputed else X
        model = (SVC if self.nu is None else NuSVC)(**self.parameters)
        try:
            model.fit(X, self.y[kept], self.sample_weight[kept])
        except ValueError as error:  # For instance a nu that is infeasible without the rows.
            raise ValueError(
                f"scikit-learn cannot fit this {type(model).__name__} without the rows "
                f"{reprlib.repr(list(removed))}: {error}."
            ) from error
        support = kept[model.support_]
        coefficients = np.zeros((self.n_rows, self.loss.n_outputs))
        coefficients[support] = problem_coefficients(model, self.y[support])
        shift = kernel.intercept_shift(support, coefficients[support])
        return coefficients, model.intercept_ + shift

    @property
    def _alpha(self):
        """Dual variables, shape (n_rows, n_outputs)."""
        alpha = np.zeros((self.n_rows, self.loss.n_outputs))
        alpha[self.support] = np.abs(self.dual_coef)
        return alpha

    @cached_property
    def training_predictor(self):
        """Decision values of the training rows, shape (n_rows, n_outputs)."""
        return self.predictor(self.rows.jacobian)

    def hessian_diagonal(self):
        """The Hessian ``I / (C S)`` as a number; 1 where no C is known (NuSVC)."""
        return np.array(1.0 if self.C is None else 1 / (self.C * self.total_weight))

    def identity_diagonal(self):
        """The identity, as a number."""
        return np.array(1.0)

    def fisher(self):
        """Refused: a hinge is not a likelihood."""
        raise ValueError(NO_CURVATURE.format("fisher"))

    def empirical_fisher(self):
        """Refused: the feature space of a kernel has no finite matrix."""
        raise ValueError(NO_CURVATURE.format("empirical_fisher"))

    def squared_distance(self):
        """Twice the duality gap in effective rows, and the number of free coefficients.

        The gap between the machine and the best multiple of its coefficients that is feasible for
        these rows: there may be none but 0 if the coefficients were found for others.
        """
        signs, weight = self.loss.codebook[self.y], self.sample_weight[:, None]
        present = weight * (signs != 0)
        upper = self._bounds * present
        coefficients = np.zeros(signs.shape)
        coefficients[self.support] = self.dual_coef
        alpha = signs * coefficients
        margin = signs * self.training_predictor
        norm = np.sum(coefficients * self.training_predictor, axis=0)
        primal = norm / 2 + np.sum(upper * np.maximum(1 - margin, 0), axis=0)
        gap = primal - _best_multiple(alpha, upper, norm)
        effective = present.sum(axis=0) / np.square(present).sum(axis=0)
        free = (alpha > BOUND * upper) & (alpha < (1 - BOUND) * upper)
        n_params = hinge_parameters(margin, present, free.sum(axis=0))
        return float(np.sum(2 * gap / self._bounds * effective)), float(n_params.sum())

    @property
    def _bounds(self):
        """Upper bound of a coefficient of weight 1 in each problem, shape (n_outputs,)."""
        if self.C is not None:
            return np.full(self.loss.n_outputs, self.C)
        # libsvm scales a NuSVC to margins of 1, which takes the share nu of all weight to its sum.
        present = self.sample_weight[:, None] * (self.loss.codebook[self.y] != 0)
        return np.abs(self.dual_coef).sum(axis=0) / (self.nu * present.sum(axis=0))


def _best_multiple(alpha, upper, norm):
    """Largest value of the duals of hinge machines at the feasible multiples of a point.

    Parameters
    ----------
    alpha, upper : ndarray of shape (n_rows, n_problems)
        Coefficients, which need not be feasible, and their upper bounds.
    norm : ndarray of shape (n_problems,)
        The squared norm of the machine that they make.

    Returns
    -------
    ndarray of shape (n_problems,)
    """
    total = alpha.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(alpha > 0, upper / alpha, np.where(alpha < 0, 0.0, np.inf)).min(axis=0)
        # A kernel that is not positive definite has no dual to look for better multiples in.
        best = np.where(norm > 0, total / norm, 1.0)
    multiple = np.clip(best, 0, room)
    return multiple * total - multiple**2 * norm / 2


def unfitted_machine(estimator, kernel):
    """An unfitted estimator of the same kernel and bounds on any of the weighted rows."""
    # A tolerance below the rounding of a large kernel would keep it going for ever.
    closely = {"tol": min(estimator.tol, TIGHT), "max_iter": MAX_STEPS}
    return clone(estimator).set_params(class_weight=None, **closely, **kernel.parameters)


def problem_coefficients(estimator, support_class):
    """Coefficients by binary problem, shape (n_support, n_problems).

    ``dual_coef_`` has one row less than there are classes: a support vector of class i stores
    its coefficient in the problem against class j in row j - 1 if j > i, and in row j if not.
    """
    stored = estimator.dual_coef_
    stored = (stored.toarray() if sparse.issparse(stored) else stored).T
    n_classes = len(estimator.classes_)
    if n_classes == 2:
        return stored
    problems = list(combinations(range(n_classes), 2))
    coefficients = np.zeros((len(stored), len(problems)))
    for p, (i, j) in enumerate(problems):
        for own, other in ((i, j - 1), (j, i)):
            rows = support_class == own
            coefficients[rows, p] = stored[rows, other]
    return coefficients
