"""Many models at once: their objectives, evaluated and minimised together.

A model is an objective without a group of its rows. All models share each product with the data,
which is done in double precision whatever the precision of the features. They are minimised by
quasi-Newton steps: a stored factor stands for the Hessian, and the changes of the gradient that
were met on the way correct it (L-BFGS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..curvature import has_room_for_factor
from ..jacobians import LinearJacobian
from ..utils._blocks import row_blocks
from ._own_hessian import OwnHessian

#: Norm of the gradient, over the root mean square norm of the rows' gradients, at which a model
#: counts as trained.
TOLERANCE = 1e-10
#: Relative gradients that may consist of nothing but rounding.
GRADIENT_ROUNDING = 1e-14
#: Errors that rounding of the predictor leaves few digits of, relative to the target: gradients are
#: not held to be smaller than a share of such errors.
ERROR_ROUNDING = 1e-5
#: The next Newton step must not change the predictor of any row by more than this, measured in
#: units of 1/sqrt(s_i A_i): it has ``sum_i s_i A_i (change of eta_i)^2 <= PRECISION^2``.
PRECISION = 1e-9
#: Quasi-Newton steps with one factor, and how many of them it remembers.
MAX_STEPS = 15
MEMORY = 8
#: Steps in a row that do not halve the relative gradient, after which a model stalls.
MAX_IDLE = 3
#: Change of a predictor beyond which the Hessian counts as another one.
FAR = 0.1
#: Hessians of its own that a model is given.
MAX_HESSIANS = 20
#: Bytes of the predictors that a loss is applied to at once. They should stay in cache, and be too
#: few for BLAS to start its threads on products with the few columns of a loss.
LOSS_BLOCK_BYTES = 2**17


class Points(NamedTuple):
    """Parameters of several models, their gradients, and the relative norms of these."""

    weights: np.ndarray
    gradient: np.ndarray
    relative: np.ndarray

    def take(self, models):
        return Points(*(part[models] for part in self))

    def merge(self, moves, points):
        """These points, and others instead for the models that move."""
        moves = moves[:, None, None], moves[:, None, None], moves
        return Points(
            *(np.where(m, new, old) for m, new, old in zip(moves, points, self, strict=True))
        )

    def put(self, models, points):
        for part, values in zip(self, points, strict=True):
            part[models] = values


class Models:
    """The objectives without each group of rows, evaluated together.

    Parameters
    ----------
    objective : LinearObjective
    groups : list of ndarray of int
        Rows that each model does without, each at most once.
    """

    def __init__(self, objective, groups):
        self.objective = objective
        self.weight = objective.sample_weight.astype(np.float64)
        self.squared_lengths = self._squared_lengths()
        self.least_square = self._least_square()
        self._lose(groups)

    def losing(self, groups) -> Models:
        """The same objective without other groups of rows, at no pass over its rows."""
        other = copy(self)
        other._lose(groups)
        return other

    def _lose(self, groups):
        objective, self.n_models = self.objective, len(groups)
        removed = np.concatenate([*groups, np.empty(0, np.intp)])
        model = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
        lost = np.bincount(model, self.weight[removed], self.n_models)
        self.total = self.weight.sum() - lost
        self.penalty_left = np.ones(len(groups))
        if objective.penalty_share is not None:
            share = objective.penalty_share[removed]
            self.penalty_left -= np.bincount(model, share, self.n_models)
        order = np.argsort(removed, kind="stable")
        self.removed, self.model = removed[order], model[order]

    def at(self, weights, members, watch=None) -> Points:
        """The models ``members`` at some parameters (n_members, n_outputs, n_columns).

        ``watch`` is called with each block of rows, their predictors (n, n_members, n_outputs),
        and the positions among both of what is removed.
        """
        objective, total = self.objective, self.total[members]
        gradient = np.zeros(weights.shape)
        square = np.full(len(members), self.least_square)
        for rows, residual in self._residuals(weights, members, watch):
            objective.jacobian.loaded(rows, np.float64).add_adjoint(gradient, residual)
            square += self.squared_lengths[rows] @ np.einsum("nbk,nbk->nb", residual, residual)
        left = self.penalty_left[members, None, None]
        gradient += left * (objective.penalty * weights + objective.slope)
        if objective.mask is not None:
            gradient *= objective.mask
        gradient /= total[:, None, None]
        norm = np.sqrt(dot(gradient, gradient) * total)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(norm == 0, 0, norm / np.sqrt(square))
        return Points(weights, gradient, relative)

    def watch(self, weights, members, watch):
        """The predictors alone, shown to ``watch`` as of :meth:`at`."""
        for rows, eta in predictors(self.objective.jacobian, weights):
            watch(rows, eta, self._gone(rows, members))

    def start(self, weights, gradient, members) -> Points:
        """The models ``members`` at the optimum of all rows, where their gradient is known."""
        rows, mask = self.objective.rows, self.objective.mask
        gradient = gradient if mask is None else gradient * mask
        square = (self.weight * rows.norm) ** 2 @ self.squared_lengths + self.least_square
        square /= self.weight.sum()
        norm = np.sqrt(dot(gradient, gradient))
        return Points(weights, gradient, norm / np.sqrt(square) if square > 0 else norm)

    def active_set_changed(self, weights):
        """Whether the optimality conditions of an L1 penalty or of bounds fail for each model."""
        objective = self.objective
        if objective.inactive_bound is None:
            return np.zeros(len(weights), bool)
        wrong_sign = objective.jacobian.expand(weights) * objective.signs < 0
        too_steep = self.excess(weights)[0] > 0
        return (wrong_sign.any(axis=2) | too_steep.any(axis=2)).any(axis=1)

    def excess(self, weights):
        """How much too steep each model is in the parameters that are held at zero.

        Returns
        -------
        excess : ndarray of shape (n_models, n_outputs, n_full_columns)
            What the slope exceeds the strength of the penalty by, less what rounding may be of it.
        gradient : ndarray of the same shape
            That of the sum of the losses.
        """
        jacobian = self.objective.full_jacobian
        bound = self.penalty_left[:, None, None] * self.objective.inactive_bound
        gradient = np.zeros(bound.shape)
        square = np.zeros((*bound.shape[:2], 1))
        for rows, residual in self._residuals(weights, np.arange(len(weights))):
            jacobian.loaded(rows, np.float64).add_adjoint(gradient, residual)
            square[..., 0] += np.einsum("nbk,nbk->bk", residual, residual)
        # By the inequality of Cauchy and Schwarz, no slope can be larger than this.
        largest = np.sqrt(square) * jacobian.column_lengths()
        steepness = self.objective.steepness(gradient)
        return steepness - bound - TOLERANCE * (bound + largest), gradient

    def _residuals(self, weights, members, watch=None):
        """Weighted residuals (n, n_members, n_outputs) in blocks, 0 for the removed rows."""
        objective = self.objective
        for rows, eta in predictors(objective.jacobian, weights):
            gone = self._gone(rows, members)
            if watch is not None:
                watch(rows, eta, gone)
            for part in row_blocks(len(eta), eta[0].nbytes, LOSS_BLOCK_BYTES):
                target = np.repeat(objective.y[rows][part], len(members), axis=0)
                residual = objective.loss.residual(target, _merge_models(eta[part]))
                eta[part] = residual.reshape(eta[part].shape)
            if objective.output_weight is not None:
                eta *= objective.output_weight[rows, None]
            eta *= self.weight[rows, None, None]
            eta[gone] = 0
            yield rows, eta

    def _gone(self, rows, members):
        """Positions among a slice of rows and some models of what is removed."""
        position = np.full(self.n_models, -1)
        position[members] = np.arange(len(members))
        first, last = np.searchsorted(self.removed, [rows.start, rows.stop])
        member = position[self.model[first:last]]
        takes_part = member >= 0
        return self.removed[first:last][takes_part] - rows.start, member[takes_part]

    def _least_square(self):
        """The sum of squares that the gradients of rows have by rounding alone."""
        if not self.objective.loss.is_of_errors:
            return 0.0
        targets = self.objective.y.reshape(len(self.weight), -1).astype(np.float64)
        errors = ERROR_ROUNDING * np.linalg.norm(targets, axis=1)
        return float((self.weight * errors) ** 2 @ self.squared_lengths)

    def _squared_lengths(self):
        """``norm(x~_i)^2 / s_i``, which times the squares of the weighted residuals sums up."""
        jacobian = self.objective.jacobian
        lengths = np.empty(jacobian.n_rows)
        for rows in jacobian.blocks(1):
            lengths[rows] = jacobian.loaded(rows, np.float64).squared_lengths()
        return np.divide(lengths, self.weight, out=np.zeros_like(lengths), where=self.weight > 0)


def descend(models, members, start, solve, goal):
    """Quasi-Newton steps of several models, each until it has arrived.

    A step that leads so far uphill that the slope is reversed is shortened. Only slopes are
    looked at, because differences of values drown in rounding near the optimum.

    Parameters
    ----------
    models : Models
    members : ndarray of int
        The models that take part.
    start : Points
    solve : callable
        Takes gradients (n, n_outputs, n_columns) of those members whose positions (n,) are its
        second argument, and applies an approximate inverse Hessian to them.
    goal : ndarray of shape (n_members,)
        Relative gradient to arrive at, with a next step of no consequence (PRECISION). Below
        GRADIENT_ROUNDING, a model has arrived as well when it stalls; below TOLERANCE, it gives up
        then.

    Returns
    -------
    end : Points
    has_arrived : ndarray of bool, shape (n_members,)
    """
    end = Points(*(part.copy() for part in start))
    live, has_arrived = np.arange(len(members)), np.zeros(len(members), bool)
    here, pairs = start, Pairs()
    length: np.ndarray = np.ones(len(live))
    idle: np.ndarray = np.zeros(len(live), int)
    step = -solve(here.gradient, live)
    least = _decrement(models, members, here, step)
    for _ in range(MAX_STEPS):
        there = models.at(here.weights + length[:, None, None] * step, members[live])
        slope, slope_there = dot(step, here.gradient), dot(step, there.gradient)
        at_goal = there.relative <= goal[live]
        moves = at_goal | (slope_there <= 0.5 * np.abs(slope))
        pairs.add(here, there, moves)
        length = np.where(moves, 1.0, length * _shortening(slope, slope_there))
        here = here.merge(moves, there)
        new = -pairs.solve(here.gradient, lambda gradient, live=live: solve(gradient, live))
        step = np.where(moves[:, None, None], new, step)
        decrement = _decrement(models, members[live], here, step)
        best = end.relative[live]
        is_near = best <= TOLERANCE
        is_closer = decrement < least[live]
        is_closer |= (there.relative < best) & (decrement <= PRECISION**2)
        improves = moves & (~is_near | is_closer)
        # The gradient is that of the largest columns, but the decrement has no units.
        halves = (decrement <= 0.5 * least[live]) & (least[live] > PRECISION**2)
        idle = np.where(halves | (there.relative <= 0.5 * best), 0, idle + 1)
        end.put(live[improves], there.take(improves))
        least[live[improves]] = decrement[improves]
        stalls = is_near & (idle >= MAX_IDLE)
        arrives = at_goal & (decrement <= PRECISION**2)
        arrives |= stalls & (best <= GRADIENT_ROUNDING)
        has_arrived[live] = arrives
        stays = ~(arrives | stalls)
        live, here, length, idle, step = (
            live[stays],
            here.take(stays),
            length[stays],
            idle[stays],
            step[stays],
        )
        pairs.take(stays)
        if not live.size:
            break
    return end, has_arrived


def _decrement(models, members, points, step):
    """``sum_i s_i A_i (change of eta_i)^2`` of the next step of each model."""
    return -dot(step, points.gradient) * models.total[members]


def _shortening(slope, slope_there):
    """Where along a rejected step the slope vanishes if it is linear, within bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.clip(slope / (slope - slope_there), 0.1, 0.5), nan=0.1)


class Pairs:
    """Steps of several models and the changes of their gradients, for L-BFGS."""

    def __init__(self):
        self.pairs = []

    def add(self, here, there, moves):
        """Remember the steps of the models that move, and nothing for the others."""
        moved = moves[:, None, None]
        step = np.where(moved, there.weights - here.weights, 0)
        change = np.where(moved, there.gradient - here.gradient, 0)
        bend = dot(step, change)
        size = np.sqrt(dot(step, step) * dot(change, change))
        # Below this, the change of the gradient is the rounding of the two.
        known = bend > 1e-10 * size
        inverse = np.divide(1, bend, out=np.zeros_like(bend), where=known)
        self.pairs = [*self.pairs[1 - MEMORY :], (step, change, inverse)]

    def take(self, models):
        self.pairs = [tuple(part[models] for part in pair) for pair in self.pairs]

    def solve(self, gradient, solve):
        """The approximate inverse Hessian ``solve``, corrected to fit the steps remembered."""
        rest, shares = gradient.copy(), []
        for step, change, inverse in reversed(self.pairs):
            shares.append(inverse * dot(step, rest))
            rest -= shares[-1][:, None, None] * change
        solution = solve(rest)
        for step, change, inverse in self.pairs:
            share = shares.pop() - inverse * dot(change, solution)
            solution += share[:, None, None] * step
        return solution


def minimise(objective, curvature=None, goal=GRADIENT_ROUNDING / 10):
    """Optimum of one objective, by quasi-Newton steps on one Hessian after another."""
    models, alone = Models(objective, [np.empty(0, np.intp)]), np.zeros(1, np.intp)
    point = models.at(objective.weights[None].astype(np.float64), alone)
    is_given = curvature is not None
    for _ in range(MAX_HESSIANS):
        if curvature is None:
            try:
                here = replace(objective, weights=point.weights[0])
                curvature = OwnHessian(here, has_room_for_factor(objective))
            except ValueError:
                break
            point = models.at(curvature.settle(point.weights), alone)
        before, solve = point, solver(curvature)
        point, arrived = descend(models, alone, before, solve, np.full(1, goal))
        first, last = (
            _decrement(models, alone, here, -solve(here.gradient, None))[0]
            for here in (before, point)
        )
        is_idle = before.relative[0] <= TOLERANCE and point.relative[0] > 0.5 * before.relative[0]
        is_done = arrived[0] or (is_idle and not PRECISION**2 < last <= 0.5 * first)
        # A Hessian from far away tells little about how far it is to the optimum.
        if is_done and not (is_given and largest_change(objective, point.weights[0]) > FAR):
            break
        curvature, is_given = None, False
    return point


def largest_change(objective, weights) -> float:
    """The most that other parameters change the predictor of a training row by."""
    change = objective.jacobian.predictor(weights - objective.weights)
    return float(np.abs(change).max(initial=0))


def predictors(jacobian: LinearJacobian, weights: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Linear predictors of several models, in blocks of rows.

    Parameters
    ----------
    jacobian : LinearJacobian
    weights : ndarray of shape (n_models, n_outputs, n_columns)

    Yields
    ------
    rows : slice
    eta : ndarray of shape (n, n_models, n_outputs), float64
    """
    # In the order in which sparse features are multiplied, or each block would make a copy of it.
    stacked = np.asfortranarray(weights.reshape(-1, weights.shape[-1]))
    for rows in jacobian.blocks(len(stacked)):
        eta = jacobian.loaded(rows, np.float64).apply(stacked)
        yield rows, eta.reshape(-1, *weights.shape[:2])


def loss_change_blocks(objective, weights, jacobian, y):
    """Changes of the losses (n, n_models) of some rows, in blocks of rows."""
    loss, both = objective.loss, np.concatenate([objective.weights[None], weights])
    for rows, eta in predictors(jacobian, both):
        values = np.empty(eta.shape[:2])
        for part in row_blocks(len(eta), eta[0].nbytes, LOSS_BLOCK_BYTES):
            target = np.repeat(y[rows][part], len(both), axis=0)
            values[part] = loss.value(target, _merge_models(eta[part])).reshape(-1, len(both))
        yield rows, values[:, 1:] - values[:, :1]


def solver(curvature) -> Callable:
    return lambda gradient, _: solve_with(curvature, gradient)


def solve_with(curvature, gradients):
    """``H^-1 g`` of gradients of shape (n, n_outputs, n_columns), in double precision."""
    flat = gradients.reshape(len(gradients), -1).astype(curvature.dtype, order="C")
    return curvature.solve(flat).astype(np.float64, copy=False).reshape(gradients.shape)


def _merge_models(eta):
    return eta.reshape(-1, eta.shape[-1])


def dot(a, b):
    return np.einsum("nkd,nkd->n", a, b)
