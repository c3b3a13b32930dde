"""Hinge machines without some of their training rows, on the KKT system of their solution.

The hinge has no curvature, so that its Hessian cannot tell what removing a row does. The
support vectors can: see :class:`~sklearn_relatif.curvature.ActiveSetSVM`. Here its answers for
the binary problems of a machine are put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .curvature import ActiveSetSVM
from .losses import of_models
from .objectives import row_blocks, with_score_weights

#: Removals that are followed, and whose predictors are held, at a time.
REMOVALS_AT_A_TIME = 256


@dataclass(frozen=True)
class DualChange:
    """Change of a machine by each of several removals.

    Attributes
    ----------
    objective : KernelObjective or HingeObjective
    touched : ndarray of int, shape (n_touched,)
        The rows with a coefficient that changes.
    coefficients : list of csr_array of shape (n_removals, n_touched), one a binary problem
        Change of their signed dual coefficients.
    intercepts : ndarray of shape (n_removals, n_outputs)
        Change of the unpenalised intercepts.
    """

    objective: object
    touched: np.ndarray
    coefficients: list
    intercepts: np.ndarray

    def take(self, removals):
        """The change by some of the removals."""
        parts = [part[removals] for part in self.coefficients]
        return DualChange(self.objective, self.touched, parts, self.intercepts[removals])

    def of_decision(self, kernel):
        """Change of decision values, shape (n, n_removals, n_outputs).

        ``kernel`` of shape (n, n_touched) is that of the rows in question with ``touched``.
        """
        parts = [(part @ kernel.T).T for part in self.coefficients]
        return np.stack(parts, axis=2) + self.intercepts

    def of_training_decision(self, rows):
        """Change of the decision values of some training rows."""
        return self.of_decision(self.objective.kernel.gram(rows, self.touched))

    def of_parameters(self):
        """Change of the coefficients of a linear machine, the intercept last.

        Shape (n_removals, n_outputs, n_columns).
        """
        kernel, fit_intercept = self.objective.kernel, self.objective.design.fit_intercept
        tables = [kernel.primal(part, self.touched) for part in self.coefficients]
        tables = np.stack(tables, axis=1)
        tables[:, :, -1] += self.intercepts
        return tables if fit_intercept else tables[:, :, :-1]

    def lengths(self):
        """Norm of the change of the parameters in feature space, shape (n_removals,)."""
        square = np.zeros(len(self.intercepts))
        gram = self.objective.kernel.gram(self.touched, self.touched)
        for part in self.coefficients:
            square += part.multiply(part @ gram).sum(axis=1)
        return np.sqrt(np.maximum(square, 0))


class HingeMachine:
    """A fitted hinge machine with the exact solution of each of its binary problems.

    Parameters
    ----------
    objective : KernelObjective or HingeObjective
    """

    def __init__(self, objective):
        self.objective = objective
        dual = objective.dual_form()
        self._problems = []
        for signs, alpha, upper in zip(dual.signs.T, dual.alpha.T, dual.upper.T, strict=True):
            rows = np.flatnonzero(signs)
            solution = ActiveSetSVM(
                ProblemGram(objective.kernel, rows),
                signs[rows],
                alpha[rows],
                upper[rows],
                fit_intercept=dual.has_intercept,
            )
            self._problems.append((rows, solution))

    @cached_property
    def _whole(self):
        """The exact machine of all rows, as its change from a machine without coefficients."""
        coefficients = []
        signs = self.objective.loss.codebook[self.objective.y]
        for problem, (rows, solution) in enumerate(self._problems):
            beta = np.zeros((1, self.objective.n_rows))
            beta[0, rows] = signs[rows, problem] * solution.alpha
            coefficients.append(sparse.csr_array(beta))
        intercepts = np.array([[solution.intercept for _, solution in self._problems]])
        return _dual_change(self.objective, coefficients, intercepts)

    def predictor(self, design):
        """Decision values of the exact machine, shape (n, n_outputs)."""
        kernel = self.objective.kernel_with(design, self._whole.touched)
        return self._whole.of_decision(kernel)[:, 0]

    def training_predictor(self, rows):
        """Decision values of the exact machine for some training rows."""
        return self._whole.of_training_decision(rows)[:, 0]

    def parameters(self):
        """Coefficients of the exact linear machine, the intercept last."""
        return self._whole.of_parameters()[0]

    def change(self, removals, is_exact) -> DualChange:
        """Follow, or estimate by one step, the removal of rows or groups of rows.

        Parameters
        ----------
        removals : list of ndarray of int
        is_exact : bool
            True: the whole path, which ends at the machine trained without the rows. False:
            one step, with every other row held in its set.
        """
        coefficients, intercepts = [], []
        n_rows = self.objective.n_rows
        for rows, solution in self._problems:
            place = np.full(n_rows, -1)
            place[rows] = np.arange(len(rows))
            local = [place[group][place[group] >= 0] for group in removals]
            found = solution.removal_path(local) if is_exact else solution.removal_step(local)
            part = found.coefficients
            columns, shape = rows[part.indices], (len(removals), n_rows)
            coefficients.append(sparse.csr_array((part.data, columns, part.indptr), shape=shape))
            intercepts.append(found.intercepts)
        return _dual_change(self.objective, coefficients, np.stack(intercepts, axis=1))


def _dual_change(objective, coefficients, intercepts):
    """A change by the coefficients (n_removals, n_rows) of all rows, restricted to some."""
    # Never empty: row 0 stands in where nothing changes, because kernels want a row.
    touched = np.unique(np.concatenate([[0], *(part.indices for part in coefficients)]))
    coefficients = [part[:, touched] for part in coefficients]
    return DualChange(objective, touched, coefficients, intercepts)


@dataclass(frozen=True)
class ProblemGram:
    """Computes rows of the Gram matrix of one binary problem.

    Attributes
    ----------
    kernel : TrainingKernel, PairGrams or LinearKernel
    rows : ndarray of int, shape (n,)
        The training rows that take part in the problem.
    """

    kernel: object
    rows: np.ndarray

    def __call__(self, local):
        return np.asarray(self.kernel.gram(self.rows[local], self.rows))


@dataclass(frozen=True)
class SupportVectorModels:
    """Machines without some rows, in the interface of ``models_without.SteppedModels``.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    machine : HingeMachine
        Of all rows.
    change : DualChange
    """

    positions: np.ndarray
    machine: HingeMachine
    change: DualChange

    def predictor_before(self, query):
        return self.machine.predictor(query.design)

    def predictors(self, query):
        kernel = self.change.objective.kernel_with(query.design, self.change.touched)
        return self.predictor_before(query)[:, None] + self.change.of_decision(kernel)

    def parameter_change(self):
        return self.change.lengths()

    def training_change(self):
        objective = self.change.objective
        square = np.zeros(len(self.positions))
        for rows in objective.blocks(2 * len(self.positions) * objective.loss.n_outputs):
            y, before = objective.y[rows], self.machine.training_predictor(np.r_[rows])
            after = before[:, None] + self.change.of_training_decision(np.r_[rows])
            value = of_models(objective.loss.value, y, after)
            change = value - objective.loss.value(y, before)[:, None]
            square += objective.sample_weight[rows] @ change**2
        return np.sqrt(square)

    def estimators(self, model):
        """Copies of a fitted linear model with the coefficients of these machines."""
        tables = self.machine.parameters() + self.change.of_parameters()
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
        return ActiveSetQueries(self.base, design, unit, norm, self.rows.touched)


class ActiveSetQueries:
    """Queries by their kernel with the rows whose coefficients a removal changes."""

    def __init__(self, objective, design, unit, norm, touched):
        self.objective = objective
        self.design = design
        self.unit = unit
        self.norm = norm
        self.touched = touched
        self.n_rows, self.n_params = len(unit), max(1, len(touched))

    def block(self, rows):
        """The kernel and the directions of some queries."""
        kernel = self.objective.kernel_with(self.design[rows], self.touched)
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
