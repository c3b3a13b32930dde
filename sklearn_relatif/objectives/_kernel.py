"""The objective of a kernel machine."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..jacobians import Gradients, KernelFeatures, KernelJacobian, TrainingKernel, held
from ..utils._blocks import block_budget, row_blocks
from ._base import Objective
from ._dual import BOUND, DualForm, hinge_parameters

NO_CURVATURE = (
    "curvature={!r} does not exist for a kernel SVM; use curvature='hessian' or 'identity'."
)


#: What libsvm's rounding may make of a sum of coefficients.
SUM_ROUNDING = 1e-9


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
    loss : Hinge or EpsilonInsensitive
    kernel : TrainingKernel
    y : ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,)
        Effective weights ``s_i``.
    support : ndarray of int, shape (n_support,)
        Positions of the support vectors.
    dual_coef : ndarray of shape (n_support, n_outputs)
        Signed coefficient of each support vector in each problem.
    intercept : ndarray of shape (n_outputs,)
    C : float or None
        Upper bound of a coefficient of weight 1. None where the machine has another.
    fits : Fits
        How the machine is fitted again.
    nu : float or None
        What a NuSVC has instead: the least share of support vectors.
    quota : float
        What a row of weight 1 adds to the sum that the coefficients must have: 0 where they are
        balanced, and ``nu`` of a OneClassSVM.
    budget : float or None
        What a row of weight 1 adds to the largest sum that the sizes of the coefficients may
        have, ``C nu`` of a NuSVR. None: there is none.
    obstacle : str or None
        Why the solution cannot be followed as rows leave; None if it can.
    """

    loss: Any
    kernel: TrainingKernel
    y: np.ndarray
    sample_weight: np.ndarray
    support: np.ndarray
    dual_coef: np.ndarray
    intercept: np.ndarray
    C: float | None
    fits: Fits
    nu: float | None = None
    quota: float = 0.0
    budget: float | None = None
    obstacle: str | None = None

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
        residual[self.support] = -np.sign(self.dual_coef)
        norm = np.linalg.norm(residual, axis=1)
        residual /= np.where(norm > 0, norm, 1)[:, None]
        return Gradients(KernelJacobian(self.kernel, np.flatnonzero(norm)), residual, norm)

    def query_jacobian(self, X):
        """Other rows in the precision of the machine."""
        return KernelFeatures(held(X).astype(self.dtype, copy=False))

    def query_rows(self, jacobian, y) -> Gradients:
        """Unit gradients of what query rows with explained targets ``y`` enter by."""
        is_known = self.loss.has_linear_queries
        eta = np.empty((0,), self.dtype) if is_known else self.predictor(jacobian)
        norm, unit = self.loss.query_direction(y, eta)
        return Gradients(jacobian, unit, norm)

    def predictor(self, jacobian):
        """Decision values of the problems, shape (n, n_outputs)."""
        values = np.empty((jacobian.n_rows, self.loss.n_outputs))
        bytes_per_row = 2 * len(self.support) * self.dtype.itemsize
        for rows in row_blocks(jacobian.n_rows, bytes_per_row, block_budget()):
            values[rows] = self.kernel.between(jacobian[rows], self.support) @ self.dual_coef
        return values + self.intercept

    def dual_form(self) -> DualForm:
        """The machine as its dual problems see it."""
        if self.obstacle is not None:
            raise UnknownBoundsError(self.obstacle)
        hinges = self.loss.hinges(self.y)
        weight = self.sample_weight[hinges.rows]
        alpha = np.maximum(hinges.of_rows(self._coefficients), 0.0)
        upper = np.repeat(self.C * weight[:, None], self.loss.n_outputs, axis=1)
        # Where coefficients are not balanced, moving the features would move the machine.
        kernel = self.kernel if self.quota else self.kernel.around_mean()
        intercept = self.intercept + kernel.intercept_shift(self.support, self.dual_coef)
        return DualForm(hinges, alpha, upper, intercept, kernel, self.quota)

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
    def _coefficients(self):
        """Signed coefficients of all rows, shape (n_rows, n_outputs)."""
        coefficients = np.zeros((self.n_rows, self.loss.n_outputs))
        coefficients[self.support] = self.dual_coef
        return coefficients

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
        hinges, coefficients = self.loss.hinges(self.y), self._coefficients
        weight = self.sample_weight[hinges.rows, None]
        present = weight * (hinges.signs != 0)
        upper = self._bounds * present
        alpha, excess = hinges.of_rows(coefficients), hinges.excess(self.training_predictor)
        norm = np.sum(coefficients * (self.training_predictor - self.intercept), axis=0)
        gain = np.sum(hinges.signs * hinges.targets * alpha, axis=0)
        primal = norm / 2 + np.sum(upper * np.maximum(-excess, 0), axis=0)
        room = _room(alpha, upper)
        if self.quota:
            wanted = self.quota * self.total_weight
            primal = primal + wanted * self.intercept
            gap = primal - _only_multiple(wanted / coefficients.sum(axis=0), room, gain, norm)
        elif self.budget is not None:
            # The tube is paid for by its width, which counts against no coefficient then.
            allowed, total = self.budget * self.total_weight, np.sum(alpha, axis=0)
            primal = primal + allowed * self.loss.epsilon
            gain = gain + total * self.loss.epsilon
            gap = primal - _best_multiple(np.minimum(room, allowed / total), gain, norm)
        else:
            gap = primal - _best_multiple(room, gain, norm)
        effective = present.sum(axis=0) / np.square(present).sum(axis=0)
        free = (alpha > BOUND * upper) & (alpha < (1 - BOUND) * upper)
        n_params = hinge_parameters(excess, present, free.sum(axis=0))
        unit = self._bounds * self.loss.unit(self.y, self.training_predictor, self.sample_weight)
        return float(np.sum(2 * gap / unit * effective)), float(n_params.sum())

    @property
    def _bounds(self):
        """Upper bound of a coefficient of weight 1 in each problem, shape (n_outputs,)."""
        if self.C is not None:
            return np.full(self.loss.n_outputs, self.C)
        # libsvm scales a NuSVC to margins of 1, which takes the share nu of all weight to its sum.
        present = self.sample_weight[:, None] * (self.loss.codebook[self.y] != 0)
        return np.abs(self.dual_coef).sum(axis=0) / (self.nu * present.sum(axis=0))


def _room(alpha, upper):
    """The largest feasible multiple of coefficients, 0 where there is no other.

    Parameters
    ----------
    alpha, upper : ndarray of shape (n_hinges, n_problems)
        Coefficients, which need not be feasible, and their upper bounds.

    Returns
    -------
    ndarray of shape (n_problems,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(alpha > 0, upper / alpha, np.where(alpha < 0, 0.0, np.inf)).min(axis=0)


def _best_multiple(room, gain, norm):
    """Largest value of the duals of hinge machines at the feasible multiples of a point.

    Parameters
    ----------
    room : ndarray of shape (n_problems,)
        The largest feasible multiple.
    gain, norm : ndarray of shape (n_problems,)
        The linear term of the dual at the point, and the squared norm of the machine there.

    Returns
    -------
    ndarray of shape (n_problems,)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        # A kernel that is not positive definite has no dual to look for better multiples in.
        best = np.where(norm > 0, gain / norm, 1.0)
    multiple = np.clip(best, 0, room)
    return multiple * gain - multiple**2 * norm / 2


def _only_multiple(multiple, room, gain, norm):
    """The same where one multiple only has the sum that it must; -inf if it is not feasible."""
    value = multiple * gain - multiple**2 * norm / 2
    return np.where(multiple <= room * (1 + SUM_ROUNDING), value, -np.inf)
