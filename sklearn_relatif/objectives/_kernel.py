"""The objective of a kernel machine."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from ..jacobians import Gradients, KernelFeatures, KernelJacobian, TrainingKernel, held
from ..losses import Hinge
from ..utils._blocks import block_budget, row_blocks
from ._base import Objective
from ._dual import BOUND, DualForm, hinge_parameters

NO_CURVATURE = (
    "curvature={!r} does not exist for a kernel SVM; use curvature='hessian' or 'identity'."
)


class UnknownBoundsError(ValueError):
    """The dual coefficients of a machine have bounds that are not known in advance."""


class Fits(Protocol):
    """Fits of a machine of the same kernel and strength on some of the rows."""

    @property
    def kind(self) -> type:
        """The class of the machine."""

    def dual(self, X, y, sample_weight) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Positions of the support vectors, their coefficients by problem, and the intercepts."""


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
    fits : Fits
        How the machine is fitted again.
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
    fits: Fits
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
        try:
            support, dual, intercept = self.fits.dual(X, self.y[kept], self.sample_weight[kept])
        except ValueError as error:  # For instance a nu that is infeasible without the rows.
            raise ValueError(
                f"scikit-learn cannot fit this {self.fits.kind.__name__} without the rows "
                f"{reprlib.repr(list(removed))}: {error}."
            ) from error
        coefficients = np.zeros((self.n_rows, self.loss.n_outputs))
        coefficients[kept[support]] = dual
        return coefficients, intercept + kernel.intercept_shift(kept[support], dual)

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

    def curvature_diagonal(self, kind):
        """A curvature as the number that it is a multiple of the identity by.

        The Hessian is ``I / (C S)``, or the identity where no C is known (NuSVC). There are no
        others: a hinge is not a likelihood, and the feature space has no finite matrix.
        """
        if kind not in ("hessian", "identity"):
            raise ValueError(NO_CURVATURE.format(kind))
        if kind == "identity" or self.C is None:
            return np.array(1.0)
        return np.array(1 / (self.C * self.total_weight))

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
