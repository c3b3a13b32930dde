"""Hinge machines without some of their training rows, on the KKT system of their solution.

The hinge has no curvature, so that its Hessian cannot tell what removing a row does. The
support vectors can: see :class:`ActiveSetSVM`. Here its answers for
the binary problems of a machine are put together.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed

from ...objectives import UnknownBoundsError
from ...utils._blocks import block_budget, row_blocks
from ._solution import IndefiniteKernelError
from ._svm import ActiveSetSVM

#: Removals that are followed, and whose predictors are held, at a time.
REMOVALS_AT_A_TIME = 256
#: An intercept is said to be undetermined where it may lie in an interval wider than this.
WIDE_INTERVAL = 1e-6


@dataclass(frozen=True)
class DualChange:
    """Change of a machine by each of several removals.

    Attributes
    ----------
    kernel : TrainingKernel or LinearKernel
    touched : ndarray of int, shape (n_touched,)
        The rows with a coefficient that changes.
    coefficients : list of csr_array of shape (n_removals, n_touched), one a binary problem
        Change of their signed dual coefficients.
    intercepts : ndarray of shape (n_removals, n_outputs)
        Change of the unpenalised intercepts.
    """

    kernel: Any
    touched: np.ndarray
    coefficients: list
    intercepts: np.ndarray

    @classmethod
    def of(cls, kernel, coefficients, intercepts):
        """The change whose coefficients are given for all training rows."""
        touched = _some(np.unique(np.concatenate([part.indices for part in coefficients])))
        return cls(kernel, touched, [part[:, touched] for part in coefficients], intercepts)

    def take(self, removals):
        """The change by some of the removals."""
        parts = [part[removals] for part in self.coefficients]
        return DualChange(self.kernel, self.touched, parts, self.intercepts[removals])

    def of_decision(self, kernel):
        """Change of decision values, shape (n, n_removals, n_outputs).

        ``kernel`` of shape (n, n_touched) is that of the rows in question with ``touched``.
        """
        parts = [(part @ kernel.T).T for part in self.coefficients]
        return np.stack(parts, axis=2) + self.intercepts

    def of_training_decision(self, rows):
        """Change of the decision values of some training rows."""
        return self.of_decision(self.kernel.gram(rows, self.touched))

    def of_parameters(self):
        """Change of the coefficients of a linear machine, with an intercept last.

        Shape (n_removals, n_outputs, n_features + 1).
        """
        parts = [self.kernel.primal(part, self.touched) for part in self.coefficients]
        tables = np.stack(parts, axis=1)
        tables[:, :, -1] += self.intercepts
        return tables

    def lengths(self):
        """Norm of the change of the parameters in feature space, shape (n_removals,)."""
        square = np.zeros(len(self.intercepts))
        gram = self.kernel.gram(self.touched, self.touched)
        for part in self.coefficients:
            square += part.multiply(part @ gram).sum(axis=1)
        return np.sqrt(np.maximum(square, 0))


def _some(rows):
    """The rows, or the first where there are none, because kernels want a row."""
    return rows if len(rows) else np.zeros(1, np.intp)


def _within(order, first, group):
    """Positions in a problem of the hinges of a group of rows."""
    spans = [order[first[row] : first[row + 1]] for row in group]
    return np.concatenate([np.empty(0, np.intp), *spans])


class Machine:
    """A hinge machine at its optimum, by its dual coefficients.

    Parameters
    ----------
    objective : KernelObjective or HingeObjective
    kernel : TrainingKernel or LinearKernel
    coefficients : ndarray of shape (n_rows, n_outputs)
        Signed dual coefficients.
    intercepts : ndarray of shape (n_outputs,)
        Those that belong to ``kernel``.
    n_jobs : int or None
        For refits by scikit-learn.

    Attributes
    ----------
    intervals : ndarray of shape (n_outputs, 2) or None
        The smallest and the largest optimal intercept of each problem, where they are known.
    obstacle : str or None
        Why it cannot be followed, but must be fitted again by scikit-learn.
    """

    intervals = None
    obstacle = None

    def __init__(self, objective, kernel, coefficients, intercepts, n_jobs):
        self.objective = objective
        self.kernel = kernel
        self.coefficients = coefficients
        self.intercepts = intercepts
        self.n_jobs = n_jobs
        self._support = _some(np.flatnonzero(coefficients.any(axis=1)))

    def predictor(self, jacobian):
        """Decision values of the rows of a Jacobian, shape (n_rows, n_outputs)."""
        return self._values(
            lambda rows: self.kernel.between(jacobian[rows], self._support), jacobian.n_rows
        )

    @cached_property
    def training_predictor(self):
        """Decision values of the training rows, shape (n_rows, n_outputs)."""
        n_rows = self.objective.n_rows
        everyone = np.arange(n_rows)
        return self._values(lambda rows: self.kernel.gram(everyone[rows], self._support), n_rows)

    def _values(self, kernel, n_rows):
        values = np.empty((n_rows, len(self.intercepts)))
        coefficients = self.coefficients[self._support]
        bytes_per_row = 2 * len(self._support) * values.itemsize
        for rows in row_blocks(n_rows, bytes_per_row, block_budget()):
            values[rows] = kernel(rows) @ coefficients
        return values + self.intercepts

    def parameters(self):
        """Coefficients of a linear machine, with an intercept last."""
        table = self.kernel.primal(self.coefficients[self._support].T, self._support)
        table[:, -1] += self.intercepts
        return table

    def change(self, removals: list[np.ndarray], is_exact: bool) -> DualChange:
        """What removing rows or groups of rows changes.

        Parameters
        ----------
        removals : list of ndarray of int
        is_exact : bool
            True: the machine trained without the rows. False: an estimate, by one step.

        Raises
        ------
        ValueError
            If there is an ``obstacle`` to the step.
        """
        raise NotImplementedError

    def change_by_refits(self, removals) -> DualChange:
        """What the machines that scikit-learn fits without rows or groups of rows change."""
        betas, intercepts = self.refits(removals)
        parts = [
            sparse.csr_array(np.stack([beta[:, problem] for beta in betas]) - before)
            for problem, before in enumerate(self.coefficients.T)
        ]
        return DualChange.of(self.kernel, parts, intercepts - self.intercepts)

    def refits(self, removals):
        """Coefficients and intercepts of scikit-learn's own machines without groups of rows.

        Returns
        -------
        coefficients : tuple of ndarray of shape (n_rows, n_outputs), one a removal
        intercepts : ndarray of shape (n_removals, n_outputs)
        """
        duals = Parallel(n_jobs=self.n_jobs)(
            delayed(self.objective.refitted_dual)(rows, self.kernel) for rows in removals
        )
        coefficients, intercepts = zip(*duals, strict=True)
        return coefficients, np.stack(intercepts)


class RefittedMachine(Machine):
    """A kernel machine that scikit-learn fits again, because its solution cannot be followed.

    Parameters
    ----------
    objective : KernelObjective
    obstacle : str
        Why it cannot.
    n_jobs : int or None
    """

    def __init__(self, objective, obstacle, n_jobs):
        dual, intercepts = objective.refitted_dual([], objective.kernel)
        super().__init__(objective, objective.kernel, dual, intercepts, n_jobs)
        self.obstacle = obstacle

    def change(self, removals, is_exact):
        if not is_exact:
            raise ValueError(self.obstacle)
        return self.change_by_refits(removals)


class HingeMachine(Machine):
    """A fitted hinge machine with the exact solution of each of its binary problems.

    Parameters
    ----------
    objective : KernelObjective or HingeObjective
    n_jobs : int, default=None
        For removals that only scikit-learn can answer.
    """

    def __init__(self, objective, n_jobs=None):
        dual = objective.dual_form()
        has_intercept, hinges = dual.intercept is not None, dual.hinges
        own = dual.intercept if has_intercept else np.zeros(hinges.signs.shape[1])
        self._problems = []
        coefficients = np.zeros((objective.n_rows, len(own)))
        for problem, intercept in enumerate(own):
            some = np.flatnonzero(hinges.signs[:, problem])
            rows, signs = hinges.rows[some], hinges.signs[some, problem]
            solution = ActiveSetSVM(
                ProblemGram(dual.kernel, rows),
                signs,
                dual.alpha[some, problem],
                dual.upper[some, problem],
                fit_intercept=has_intercept,
                targets=hinges.targets[some, problem],
                quota=dual.quota * objective.sample_weight[rows],
                intercept=intercept,
            )
            np.add.at(coefficients[:, problem], rows, signs * solution.alpha)
            self._problems.append((rows, solution))
        solutions = [solution for _, solution in self._problems]
        intercepts = np.array([solution.intercept for solution in solutions])
        super().__init__(objective, dual.kernel, coefficients, intercepts, n_jobs)
        self.quota = dual.quota
        if has_intercept:
            shift = self.kernel.intercept_shift(self._support, self.coefficients[self._support])
            intervals = np.array([solution.intercept_interval for solution in solutions])
            self.intervals = intervals - shift[:, None]

    def change(self, removals, is_exact):
        """By the path of the solution, or one step with every other row held in its set."""
        if not is_exact:
            return self._change(removals, ActiveSetSVM.removal_step)
        try:
            return self._change(removals, ActiveSetSVM.removal_path)
        except (IndefiniteKernelError, RuntimeError):
            if not self.objective.has_dual_refits:
                raise
            return self.change_by_refits(removals)

    def _change(self, removals, remove):
        coefficients, shifts, ranges = [], [], []
        n_rows = self.objective.n_rows
        for rows, solution in self._problems:
            order = np.argsort(rows, kind="stable")
            first = np.searchsorted(rows[order], np.arange(n_rows + 1))
            local = [_within(order, first, group) for group in removals]
            found = remove(solution, local)
            part = found.coefficients
            columns, shape = rows[part.indices], (len(removals), n_rows)
            part = sparse.csr_array((part.data, columns, part.indptr), shape=shape)
            part.sum_duplicates()
            coefficients.append(part)
            shifts.append(found.intercepts)
            ranges.append(found.intervals)
        intervals, intercepts = np.stack(ranges, axis=1), np.stack(shifts, axis=1)
        is_open = (np.ptp(intervals, axis=2) > WIDE_INTERVAL) & (intercepts != 0)
        some = np.flatnonzero(is_open.any(axis=1))
        if len(some) and self.objective.has_dual_refits:
            # libsvm takes the middle where no row is free. But bounds whose sums are equal on both
            # sides often leave a rounding error, and with it a row that seems free, at one end.
            _, chosen = self.refits([removals[removal] for removal in some])
            chosen = np.clip(chosen, intervals[some, :, 0], intervals[some, :, 1])
            intercepts[some] = chosen - self.intercepts
        if self.intervals is not None:
            _warn_if_open(np.concatenate([self.intervals, *intervals]))
        return DualChange.of(self.kernel, coefficients, intercepts)


def hinge_machine(objective, n_jobs):
    """The machine that answers to removals: by the path of its solution, or by refits."""
    try:
        return HingeMachine(objective, n_jobs)
    except (IndefiniteKernelError, UnknownBoundsError, RuntimeError) as error:
        if not objective.has_dual_refits:
            raise
        return RefittedMachine(objective, str(error), n_jobs)


@dataclass(frozen=True)
class ProblemGram:
    """Computes rows of the Gram matrix of one binary problem.

    Attributes
    ----------
    kernel : TrainingKernel, PairGrams or LinearKernel
    rows : ndarray of int, shape (n,)
        The training rows that take part in the problem, as often as each does.
    """

    kernel: Any
    rows: np.ndarray

    def __call__(self, local):
        distinct, columns = self._distinct
        if len(distinct) == len(self.rows):
            return np.asarray(self.kernel.gram(self.rows[local], self.rows))
        return np.asarray(self.kernel.gram(self.rows[local], distinct))[:, columns]

    @cached_property
    def _distinct(self):
        return np.unique(self.rows, return_inverse=True)


def _warn_if_open(intervals):
    """Warn where intercepts, before or after removals, are not determined."""
    width = np.ptp(intervals, axis=1).max()
    if width > WIDE_INTERVAL:
        warnings.warn(
            "The training rows do not determine the intercept of this SVM, with all of them or "
            f"after a removal: no support vector lies on the margin, and all values of an interval "
            f"of up to {width:.2g} are optimal (see intercept_interval_). What is reported is for "
            "the value that scikit-learn takes. A larger C determines it.",
            UserWarning,
            stacklevel=2,
        )
