"""Many models at once, minimised together.

They take quasi-Newton steps: a stored factor stands for the Hessian, and the changes of the
gradient that were met on the way correct it (L-BFGS).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..curvature import has_room_for_factor
from ._models import TOLERANCE, Models, Points, dot
from ._own_hessian import OwnHessian

#: Relative gradients that may consist of nothing but rounding.
GRADIENT_ROUNDING = 1e-14
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


def solver(curvature) -> Callable:
    return lambda gradient, _: solve_with(curvature, gradient)


def solve_with(curvature, gradients):
    """``H^-1 g`` of gradients of shape (n, n_outputs, n_columns), in double precision."""
    flat = gradients.reshape(len(gradients), -1).astype(curvature.dtype, order="C")
    return curvature.solve(flat).astype(np.float64, copy=False).reshape(gradients.shape)
