"""Influence on the active set: rows and queries of hinge machines."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from ...curvature import Curvature
from ...jacobians import Gradients, Jacobian
from ...objectives import Objective
from ...utils._blocks import row_blocks
from ._machines import REMOVALS_AT_A_TIME, HingeMachine


class ActiveSetObjective(Objective):
    """A hinge machine of which rows and queries meet on the active set.

    The influence of row i is ``S / s_i`` times the change of what the query enters by (its margin,
    its loss, or the prediction), by one step on the active set, so that ``s_i / S`` times the
    influence estimates the removal, as it does for other curvatures.

    Parameters
    ----------
    objective : KernelObjective or HingeObjective
    """

    removal_kind = "active_set"

    def __init__(self, objective):
        self.machine = HingeMachine(objective)
        self.loss = objective.loss
        self.y = objective.y
        self.sample_weight = objective.sample_weight

    @property
    def fitted(self):
        return self.machine.objective

    @property
    def has_tables(self):
        return self.fitted.has_tables

    @property
    def has_dual_refits(self):
        return self.fitted.has_dual_refits

    @property
    def dtype(self):
        return self.fitted.dtype

    @cached_property
    def steps(self):
        """What takes the place of the training rows' gradients."""
        return RemovalSteps(self.machine)

    @cached_property
    def rows(self):
        return Gradients(self.steps, self.fitted.rows.unit, self.steps.rates)

    @property
    def training_predictor(self):
        return self.fitted.training_predictor

    def query_jacobian(self, X):
        return self.fitted.query_jacobian(X)

    def predictor(self, jacobian):
        return self.fitted.predictor(jacobian)

    def query_rows(self, jacobian, y):
        """The directions in which what queries with explained targets ``y`` enter by rises."""
        norm, unit = self.loss.query_direction(y, self.predictor(jacobian))
        own = TouchedKernel(jacobian, self.machine.kernel, self.steps.touched)
        return Gradients(own, unit, norm)


class TouchedKernel(Jacobian):
    """Queries by their kernel with the rows whose coefficients a removal changes."""

    can_be_split = False

    def __init__(self, jacobian, kernel, touched):
        self.jacobian = jacobian
        self.kernel = kernel
        self.touched = touched
        self.n_rows, self.dtype = jacobian.n_rows, jacobian.dtype

    def n_values(self, n_outputs):
        """Numbers that a query takes in a block."""
        return len(self.touched)

    def gradients(self, residual, rows):
        """The kernel and the directions of some queries."""
        return ActiveSetBlock(self.kernel.between(self.jacobian[rows], self.touched), residual)


class ActiveSetBlock(NamedTuple):
    """Some queries: kernel (n, n_touched) and directions (n, n_outputs)."""

    kernel: np.ndarray
    unit: np.ndarray


class RemovalSteps(Jacobian):
    """What takes the place of the training rows' gradients; see :class:`ActiveSetObjective`.

    Parameters
    ----------
    machine : HingeMachine

    Attributes
    ----------
    touched : ndarray of int
        The rows with a coefficient that changes.
    rates : ndarray of shape (n_rows,)
        ``S / s_i`` of the rows without which the machine is another, which are the support
        vectors, or all that count where each has a quota; 0 of the others.
    """

    can_be_split = False

    def __init__(self, machine):
        objective = machine.objective
        self.objective = objective
        self.n_rows = objective.n_rows
        # How the loss of a row rises with the intercept by its quota.
        self._tilt = np.where(objective.sample_weight > 0, machine.quota, 0.0)
        self._moving = np.flatnonzero(objective.rows.norm + self._tilt)
        self._change = machine.change(list(self._moving[:, None]), is_exact=False)
        self.touched = self._change.touched
        self.rates = np.zeros(self.n_rows)
        weight = objective.sample_weight[self._moving]
        self.rates[self._moving] = objective.total_weight / weight
        self.dtype = self.rates.dtype

    def n_values(self, n_outputs):
        """Numbers that a row takes."""
        return len(self.touched)

    def products(self, block, residual, rows):
        """Changes of the queries' margins by removing some training rows, (n_queries, n)."""
        first, last = np.searchsorted(self._moving, [rows.start, rows.stop])
        products = np.zeros((len(block.unit), rows.stop - rows.start))
        if last > first:
            change = self._change.take(slice(first, last)).of_decision(block.kernel)
            moved = np.einsum("qp,qip->qi", block.unit, change)
            products[:, self._moving[first:last] - rows.start] = moved
        return products

    def scales(self):
        """Scales of the relative criteria, as for unit gradients.

        Theta-relative: the norm of the parameter change. Loss-relative: made of the change of
        the row's own loss, by its margin and by its quota, which stands for ``g_i^T H^-1 g_i``.
        """
        gradients, own = self.objective.rows, np.empty(len(self._moving))
        for some in row_blocks(len(own), 1, REMOVALS_AT_A_TIME):
            rows, change = self._moving[some], self._change.take(some)
            moved = change.of_training_decision(rows)
            own[some] = np.einsum("ip,iip->i", gradients.unit[rows], moved)
            own[some] *= gradients.norm[rows]
            own[some] += self._tilt[rows] * change.intercepts.sum(axis=1)
            own[some] /= self.rates[rows]
        scales = {name: np.zeros(self.n_rows) for name in ("loss_relative", "theta_relative")}
        scales["loss_relative"][self._moving] = np.sqrt(np.maximum(own, 0))
        scales["theta_relative"][self._moving] = self._change.lengths()
        return scales


class ActiveSetCurvature(Curvature):
    """The KKT system, which :class:`RemovalSteps` has applied already."""

    is_exact = True

    def lengths(self, rows, criterion):
        """Scales of both relative criteria."""
        return rows.jacobian.scales()

    def solve(self, queries):
        """The queries as they are."""
        return queries
