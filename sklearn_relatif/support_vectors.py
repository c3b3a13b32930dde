"""Hinge machines without some of their training rows, on the KKT system of their solution.

The hinge has no curvature, so that its Hessian cannot tell what removing a row does. The
support vectors can: see :class:`~sklearn_relatif.curvature.ActiveSetSVM`. Here its answers for
the binary problems of a machine are put together.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.parallel import Parallel, delayed

from .curvature import ActiveSetSVM, IndefiniteKernelError
from .losses import of_models
from .objectives import UnknownBoundsError, block_budget, row_blocks, with_score_weights

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
        # Never empty: row 0 stands in where nothing changes, because kernels want a row.
        touched = np.unique(np.concatenate([[0], *(part.indices for part in coefficients)]))
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
    """

    intervals = None

    def __init__(self, objective, kernel, coefficients, intercepts, n_jobs):
        self.objective = objective
        self.kernel = kernel
        self.coefficients = coefficients
        self.intercepts = intercepts
        self.n_jobs = n_jobs
        self._support = np.flatnonzero(coefficients.any(axis=1))

    def predictor(self, design, n_rows):
        """Decision values of the ``n_rows`` rows of a design, shape (n_rows, n_outputs)."""
        return self._values(lambda rows: self.kernel.between(design[rows], self._support), n_rows)

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
        self._obstacle = obstacle

    def change(self, removals, is_exact) -> DualChange:
        """As :meth:`HingeMachine.change`, but for the estimate."""
        if not is_exact:
            raise ValueError(self._obstacle)
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
        has_intercept = dual.intercept is not None
        own = dual.intercept if has_intercept else np.zeros(dual.signs.shape[1])
        self._problems = []
        coefficients = np.zeros_like(dual.alpha)
        for problem, (signs, alpha, upper, intercept) in enumerate(
            zip(dual.signs.T, dual.alpha.T, dual.upper.T, own, strict=True)
        ):
            rows = np.flatnonzero(signs)
            solution = ActiveSetSVM(
                ProblemGram(dual.kernel, rows),
                signs[rows],
                alpha[rows],
                upper[rows],
                fit_intercept=has_intercept,
                intercept=intercept,
            )
            coefficients[rows, problem] = signs[rows] * solution.alpha
            self._problems.append((rows, solution))
        solutions = [solution for _, solution in self._problems]
        intercepts = np.array([solution.intercept for solution in solutions])
        super().__init__(objective, dual.kernel, coefficients, intercepts, n_jobs)
        if has_intercept:
            shift = self.kernel.intercept_shift(self._support, self.coefficients[self._support])
            intervals = np.array([solution.intercept_interval for solution in solutions])
            self.intervals = intervals - shift[:, None]

    def change(self, removals, is_exact) -> DualChange:
        """Follow, or estimate by one step, the removal of rows or groups of rows.

        Parameters
        ----------
        removals : list of ndarray of int
        is_exact : bool
            True: the whole path, which ends at the machine trained without the rows. False:
            one step, with every other row held in its set.
        """
        if not is_exact:
            return self._change(removals, ActiveSetSVM.removal_step)
        try:
            return self._change(removals, ActiveSetSVM.removal_path)
        except (IndefiniteKernelError, RuntimeError):
            if not hasattr(self.objective, "refitted_dual"):
                raise
            return self.change_by_refits(removals)

    def _change(self, removals, remove):
        coefficients, shifts, ranges = [], [], []
        n_rows = self.objective.n_rows
        for rows, solution in self._problems:
            place = np.full(n_rows, -1)
            place[rows] = np.arange(len(rows))
            local = [place[group][place[group] >= 0] for group in removals]
            found = remove(solution, local)
            part = found.coefficients
            columns, shape = rows[part.indices], (len(removals), n_rows)
            coefficients.append(sparse.csr_array((part.data, columns, part.indptr), shape=shape))
            shifts.append(found.intercepts)
            ranges.append(found.intervals)
        intervals, intercepts = np.stack(ranges, axis=1), np.stack(shifts, axis=1)
        is_open = (np.ptp(intervals, axis=2) > WIDE_INTERVAL) & (intercepts != 0)
        some = np.flatnonzero(is_open.any(axis=1))
        if len(some) and hasattr(self.objective, "refitted_dual"):
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
        if not hasattr(objective, "refitted_dual"):
            raise
        return RefittedMachine(objective, str(error), n_jobs)


@dataclass(frozen=True)
class ProblemGram:
    """Computes rows of the Gram matrix of one binary problem.

    Attributes
    ----------
    kernel : TrainingKernel, PairGrams or LinearKernel
    rows : ndarray of int, shape (n,)
        The training rows that take part in the problem.
    """

    kernel: Any
    rows: np.ndarray

    def __call__(self, local):
        return np.asarray(self.kernel.gram(self.rows[local], self.rows))


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


@dataclass(frozen=True)
class SupportVectorModels:
    """Machines without some rows, in the interface of ``models_without.SteppedModels``.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    machine : Machine
        The one of all rows, at its optimum.
    change : DualChange
    """

    positions: np.ndarray
    machine: Machine
    change: DualChange

    def predictor_before(self, query):
        return self.machine.predictor(query.design, query.n_rows)

    def predictors(self, query):
        kernel = self.machine.kernel.between(query.design, self.change.touched)
        return self.predictor_before(query)[:, None] + self.change.of_decision(kernel)

    def parameter_change(self):
        return self.change.lengths()

    def training_change(self):
        objective = self.machine.objective
        square = np.zeros(len(self.positions))
        for rows in objective.blocks(2 * len(self.positions) * objective.loss.n_outputs):
            y, before = objective.y[rows], self.machine.training_predictor[rows]
            after = before[:, None] + self.change.of_training_decision(np.r_[rows])
            value = of_models(objective.loss.value, y, after)
            change = value - objective.loss.value(y, before)[:, None]
            square += objective.sample_weight[rows] @ change**2
        return np.sqrt(square)

    def estimators(self, model):
        """Copies of a fitted linear model with the coefficients of these machines."""
        tables = self.machine.parameters() + self.change.of_parameters()
        if not model.fit_intercept:
            tables = tables[:, :, :-1]
        return [with_score_weights(model, table) for table in tables]


def support_vector_models(machine, removals, is_exact):
    """Machines without each group of rows, in batches."""
    for first in range(0, len(removals), REMOVALS_AT_A_TIME):
        chunk = removals[first : first + REMOVALS_AT_A_TIME]
        positions = np.arange(first, first + len(chunk))
        yield SupportVectorModels(positions, machine, machine.change(chunk, is_exact))


class ActiveSetObjective:
    """A hinge machine of which rows and queries meet on the active set.

    It stands in for the objective with ``curvature="active_set"``. The influence of row i is
    ``S / s_i`` times the change of the query's margin, by one step on the active set, so that
    ``s_i / S`` times the influence estimates the removal, as it does for other curvatures.

    Parameters
    ----------
    objective : KernelObjective or HingeObjective
    """

    def __init__(self, objective):
        self.base = objective
        self.machine = HingeMachine(objective)
        self.rows = ActiveSetRows(self.machine)

    def __getattr__(self, name):
        if name.startswith("__") or name == "base":
            raise AttributeError(name)
        return getattr(self.base, name)

    def query_rows(self, design, y):
        """The directions in which the margins of queries with explained labels ``y`` fall."""
        norm, unit = self.loss.query_direction(y, self.predictor(design))
        return ActiveSetQueries(self.machine.kernel, design, unit, norm, self.rows.touched)


class ActiveSetQueries:
    """Queries by their kernel with the rows whose coefficients a removal changes."""

    def __init__(self, kernel, design, unit, norm, touched):
        self.kernel = kernel
        self.design = design
        self.unit = unit
        self.norm = norm
        self.touched = touched
        self.n_rows, self.n_params = len(unit), max(1, len(touched))

    def block(self, rows):
        """The kernel and the directions of some queries."""
        kernel = self.kernel.between(self.design[rows], self.touched)
        return ActiveSetBlock(kernel, self.unit[rows])


class ActiveSetBlock(NamedTuple):
    """Some queries: kernel (n, n_touched) and directions (n, n_outputs)."""

    kernel: np.ndarray
    unit: np.ndarray


class ActiveSetRows:
    """What takes the place of the training rows' gradients; see :class:`ActiveSetObjective`.

    Parameters
    ----------
    machine : HingeMachine
    """

    def __init__(self, machine):
        objective = machine.objective
        self.objective = objective
        self.n_rows = objective.n_rows
        self.unit = objective.rows.unit
        self._support = np.flatnonzero(objective.rows.norm)
        self._change = machine.change(list(self._support[:, None]), is_exact=False)
        self.touched = self._change.touched
        self.n_params = max(1, len(self.touched))
        self.norm = np.zeros(self.n_rows)
        weight = objective.sample_weight[self._support]
        self.norm[self._support] = objective.total_weight / weight

    def n_formed(self, n_vectors):
        """Numbers that :meth:`contract` forms of each row, besides the products."""
        return self.n_params

    def contract(self, queries, rows):
        """Changes of the queries' margins by removing some training rows, (n_queries, n)."""
        first, last = np.searchsorted(self._support, [rows.start, rows.stop])
        products = np.zeros((len(queries.unit), rows.stop - rows.start))
        if last > first:
            change = self._change.take(slice(first, last)).of_decision(queries.kernel)
            moved = np.einsum("qp,qip->qi", queries.unit, change)
            products[:, self._support[first:last] - rows.start] = moved
        return products

    def scales(self):
        """Scales of the relative criteria, as for unit gradients.

        Theta-relative: the norm of the parameter change. Loss-relative: made of the change of
        the row's own margin, which stands for ``g_i^T H^-1 g_i``.
        """
        own = np.empty(len(self._support))
        for some in row_blocks(len(own), 1, REMOVALS_AT_A_TIME):
            rows = self._support[some]
            moved = self._change.take(some).of_training_decision(rows)
            own[some] = np.einsum("ip,iip->i", self.unit[rows], moved)
            own[some] *= self.objective.rows.norm[rows] / self.norm[rows]
        scales = {name: np.zeros(self.n_rows) for name in ("loss_relative", "theta_relative")}
        scales["loss_relative"][self._support] = np.sqrt(np.maximum(own, 0))
        scales["theta_relative"][self._support] = self._change.lengths()
        return scales


class ActiveSetCurvature:
    """The KKT system, which :class:`ActiveSetRows` has applied already."""

    def solve(self, queries):
        """The queries as they are."""
        return queries
