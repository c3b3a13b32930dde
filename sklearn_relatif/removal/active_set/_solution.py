"""A solution of a hinge machine: the sets of its rows, and its KKT conditions.

The machine is ``f(x) = sum_j beta_j K(x_j, x) + b`` with ``beta_j = y_j alpha_j`` and
``0 <= alpha_j <= C_j``, where ``y_j`` is the sign and ``t_j`` the target of a hinge
``max(0, y_j (t_j - f(x_j)))``. A classifier has one hinge a row, of target ``t_j = y_j``, which
begins at a margin of ``y_j f(x_j) = 1``; a regression has two. A solution sorts them, which are
called rows here, into three sets:

======== =================== ==========================
row      coefficient         excess over the margin
======== =================== ==========================
zero     alpha_j = 0         y_j (f(x_j) - t_j) >= 0
free     0 < alpha_j < C_j   y_j (f(x_j) - t_j) = 0
bounded  alpha_j = C_j       y_j (f(x_j) - t_j) <= 0
======== =================== ==========================

Where there is an intercept, the coefficients have a given sum too: that of the quotas of the rows
that are left in a machine of one class, and otherwise ``sum_j beta_j = 0``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lapack

from ._gram_rows import GramRows
from ._kkt_system import KKTSystem

#: Relative to the terms that are added up: how far the KKT conditions may be violated, and how
#: far from the span of the free rows a row must be not to count as part of it.
ACCURACY = 1e-12
#: Coefficients and steps below this, relative to the largest ones, are rounding errors.
ALPHA_ROUNDING = 1e-14


class IndefiniteKernelError(ValueError):
    """A kernel is not positive semi-definite, so that a machine has no solution to follow."""


class Problem:
    """What a machine is trained on.

    Parameters
    ----------
    gram_rows : callable
        Takes row numbers, shape (m,), to rows of the training Gram matrix, shape (m, n_rows).
    y : ndarray of shape (n_rows,)
        Signs, -1 or +1.
    targets : ndarray of shape (n_rows,)
        Values of f on the margins.
    upper : ndarray of shape (n_rows,)
        Upper bounds ``C_j``.
    quota : ndarray of shape (n_rows,)
        What each row adds to the sum that the coefficients must have.
    has_intercept : int
        1 if there is an intercept, which then comes first in the KKT system, and 0 if not.
    """

    def __init__(
        self,
        gram_rows: Callable[[np.ndarray], np.ndarray],
        y: np.ndarray,
        targets: np.ndarray,
        upper: np.ndarray,
        quota: np.ndarray,
        has_intercept: int,
    ):
        self.gram = GramRows(gram_rows, len(y))
        self.y = y
        self.targets = targets
        self.upper = upper
        self.quota = quota
        self.has_intercept = has_intercept
        self.spread = np.ptp(targets) / 2 if len(y) else 0.0
        self.random = np.random.default_rng(0).uniform(1, 2, len(y))

    def kkt_matrix(self, free):
        """The KKT matrix of free rows."""
        block = self.gram.block(free)
        if not self.has_intercept:
            return block
        matrix = np.ones((len(block) + 1, len(block) + 1))
        matrix[0, 0] = 0.0
        matrix[1:, 1:] = block
        return matrix

    def kkt_terms(self, free, sizes):
        """Bound on the sums of the absolute terms of that matrix times a vector of some sizes."""
        root = np.sqrt(np.abs(self.gram.diagonal(free)))
        coefficients = sizes[self.has_intercept :]
        terms = root * (root @ coefficients)  # By the inequality of Cauchy and Schwarz.
        return np.append(coefficients.sum(), terms + sizes[0]) if self.has_intercept else terms


@dataclass
class Solution:
    """A machine, possibly with rows on their way out, that satisfies the KKT conditions.

    It does so for margins that are shifted a little. The shifts vanish as the solution is
    followed. They make up for what the start lacks, and by being random they keep two rows from
    reaching the margin at the same moment, which could send the path in circles.
    """

    problem: Problem
    alpha: np.ndarray
    intercept: float
    values: np.ndarray  # f at the training rows.
    side: np.ndarray  # +1 zero, -1 bounded, 0 free or of no set.
    free: np.ndarray
    system: KKTSystem  # Of the free rows.
    shift: np.ndarray  # Added to the excess.
    jitter: np.ndarray  # Shift of a row that leaves the margin.
    leaving: np.ndarray  # Rows on their way out.
    left: float  # Share of their coefficients that is still there.
    pull: np.ndarray  # Change of f when the whole of their coefficients goes.
    violation: float  # Of the margins, at most.
    wanted: float | None  # The intercept where no row determines it; None: the middle.
    total: float  # What the coefficients must add up to.

    @classmethod
    def near(cls, problem: Problem, alpha: np.ndarray, intercept: float | None) -> Solution:
        """The sets that approximate coefficients tell, with margins to be followed to 0."""
        y, upper = problem.y, problem.upper
        bounded = alpha >= (1 - ACCURACY) * upper
        alpha = np.where(bounded, upper, np.maximum(alpha, 0.0))
        inside = np.flatnonzero((alpha > 0) & ~bounded)
        side = np.where(bounded, -1.0, 1.0)
        side[inside] = 0.0
        side[upper <= 0] = 0.0
        nobody, nothing = np.zeros(0, dtype=np.intp), np.zeros_like(alpha)
        solution = cls(
            problem=problem,
            alpha=alpha,
            intercept=0.0,
            values=problem.gram.product(np.flatnonzero(alpha), y * alpha),
            side=side,
            free=nobody,
            system=KKTSystem.of(np.zeros((0, 0))),
            shift=nothing.copy(),
            jitter=nothing,
            leaving=nobody,
            left=0.0,
            pull=nothing,
            violation=0.0,
            wanted=intercept,
            total=problem.quota.sum(),
        )
        if problem.has_intercept and len(inside):
            solution._move_intercept(np.mean((problem.targets - solution.values)[inside]))
        elif problem.has_intercept:
            solution._choose_intercept()
        solution._free_at_once(inside)
        return solution

    def copy(self) -> Solution:
        """A copy; arrays that are never changed in place are shared."""
        return replace(
            self,
            alpha=self.alpha.copy(),
            values=self.values.copy(),
            side=self.side.copy(),
            shift=self.shift.copy(),
        )

    @property
    def beta(self):
        """Signed coefficients."""
        return self.problem.y * self.alpha

    @property
    def excess(self):
        """``y (f - t)`` of each row, which is ``y f - 1`` for a classifier."""
        return self.problem.y * (self.values - self.problem.targets)

    @property
    def scale(self):
        """What excesses are measured in: 1 for a classifier of two classes."""
        sizes = self.alpha.sum() * self.problem.gram.largest.max(initial=0.0)
        return self.problem.spread or sizes or 1.0

    @property
    def slack(self):
        """Distance of zero and bounded rows from the shifted margin."""
        return self.side * (self.excess + self.shift)

    # --- the KKT conditions ----------------------------------------------------------------

    @property
    def imbalance(self):
        """What the coefficients will have too much when the leaving rows have gone."""
        beta = self.beta
        return beta.sum() - beta[self.leaving].sum() - self.total

    @property
    def violations(self):
        """How far each row is on the wrong side of its margin, which is not shifted here."""
        excess = self.excess
        violations = np.maximum(-self.side * excess, 0.0)
        violations[self.free] = np.abs(excess[self.free])
        return violations

    def is_solved(self, start: Solution) -> bool:
        """Whether they hold but for rounding, on the way from a start."""
        total = max(self.alpha.sum(), start.alpha.sum())
        if self.problem.has_intercept and abs(self.imbalance) > ACCURACY * total:
            return False
        terms = np.maximum(np.abs(self.problem.targets), self.scale) + abs(start.intercept)
        terms += total * self.problem.gram.largest
        violations = self.violations
        self.violation = violations.max(initial=0.0)
        return bool((violations <= ACCURACY * terms).all())

    def shift_margins(self, jitter):
        """Shift the margins so that the conditions hold, and no two rows are alike."""
        excess = self.excess
        self.jitter = jitter * self.problem.random * max(self.scale, np.abs(excess).max())
        self.shift = self.side * (np.maximum(-self.side * excess, 0.0) + self.jitter)

    def refresh(self, start: Solution):
        """Compute f from the coefficients anew, and the intercept if no row holds it.

        ``start`` is where the solution comes from, with exact values of f.
        """
        upper, gram = self.problem.upper, self.problem.gram
        np.clip(self.alpha, 0.0, upper, out=self.alpha)
        change = self.beta - start.beta
        change[self.leaving] = 0.0  # It is in the pull.
        moved = np.flatnonzero(change)
        self.values = start.values + (self.intercept - start.intercept)
        self.values += (1 - self.left) * self.pull + gram.combine(moved, change[moved])
        room = np.minimum(self.alpha, upper - self.alpha)[self.free]
        largest = max(self.alpha.max(initial=0.0), start.alpha.max(initial=0.0))
        if self.problem.has_intercept and not (room > ALPHA_ROUNDING * largest).any():
            while len(self.free):
                self.leave(0)
            self._choose_intercept()

    # --- rows that change their set --------------------------------------------------------

    def leave(self, index):
        """A free row has reached a bound."""
        row = self.free[index]
        self.drop(index)
        self._put_at_bound(row)

    def drop(self, index):
        """Take a row out of the free set."""
        self.free = np.delete(self.free, index)
        if len(self.free):
            self.system = self.system.without(index + self.problem.has_intercept)
        else:
            self.system = KKTSystem.of(np.zeros((0, 0)))

    def enter(self, row):
        """A row has reached the margin: free it, unless its motion lies in the free rows'."""
        own = self.problem.gram[row]
        if self.problem.has_intercept and not len(self.free):
            system = KKTSystem.of(np.array([[0.0, 1.0], [1.0, own[row]]]))
        else:
            border = own[self.free]
            if self.problem.has_intercept:
                border = np.append(1.0, border)
            response, distance, is_dependent = self._response(border, own[row])
            if is_dependent:
                self._exchange(row, response)
                return
            system = self.system.bordered(border, own[row], response, distance)
        self.free = np.append(self.free, row)
        self.system = system
        self.side[row] = 0.0
        self.shift[row] = 0.0

    def first_at_bound(self, d_alpha):
        """Share of a move at which the first free row reaches a bound, and its index."""
        alpha = self.alpha[self.free]
        room = np.where(d_alpha < 0, alpha, self.problem.upper[self.free] - alpha)
        speed = np.abs(d_alpha)
        return first(room, speed, speed > ALPHA_ROUNDING * self.alpha.max(initial=0.0))

    def _put_at_bound(self, row):
        """Set a row on the margin to the bound it is next to, and slightly off the margin."""
        at_zero = self.alpha[row] < self.problem.upper[row] / 2
        self.alpha[row] = 0.0 if at_zero else self.problem.upper[row]
        self.side[row] = 1.0 if at_zero else -1.0
        self.shift[row] = self.side[row] * self.jitter[row] - self.excess[row]

    def _response(self, border, corner):
        """How the free rows respond when the coefficient of another row grows by one.

        Returns the response of the intercept and the coefficients, the squared distance of the
        row from the (affine) span of the free rows, and whether that is zero but for rounding.
        """
        response, terms = self.solve_kkt(-border, lambda x: self.system.multiply(x))
        distance = corner + border @ response
        scale = abs(corner) + np.abs(response) @ terms
        if distance < -np.sqrt(ACCURACY) * scale:
            raise IndefiniteKernelError(
                "The kernel is not positive semi-definite: on the rows on the margin it has a "
                f"direction of squared length {distance:.3g}. Removal of rows is defined for "
                "positive semi-definite kernels only."
            )
        return response, distance, distance <= ACCURACY * scale

    def _exchange(self, row, response):
        """Trade a row for one of the free rows in whose span it lies.

        Some move of their coefficients leaves f as it is. It is made until one of them is at a
        bound; if that is not the row itself, the row takes the other's place.
        """
        problem, y, free = self.problem, self.problem.y, self.free
        sign = y[row] * (self.side[row] or 1.0)  # Of the change of the row's beta.
        d_free = sign * response[problem.has_intercept :]
        step, index = self.first_at_bound(y[free] * d_free)
        grows = sign == y[row]
        own_step = problem.upper[row] - self.alpha[row] if grows else self.alpha[row]

        shortest = min(step, own_step)
        self.alpha[free] += shortest * y[free] * d_free
        self.alpha[row] += shortest * y[row] * sign
        moved = shortest * np.append(d_free, sign)
        self.values += problem.gram.combine(np.append(free, row), moved)
        if problem.has_intercept:
            self._move_intercept(shortest * sign * response[0])
        if own_step <= step:
            self._put_at_bound(row)
        else:
            self.leave(index)
            self.enter(row)

    def _free_at_once(self, rows):
        """Free many rows of a new solution, those in the span of others after the others."""
        if not len(rows):
            return
        gram = self.problem.gram
        gram.load(rows)
        block, diagonal = gram.block(rows), gram.diagonal(rows)
        if self.problem.has_intercept:
            # Positive definite if and only if the bordered matrix is regular.
            block = block + diagonal.max()
        _, order, rank, _ = lapack.dpstrf(block, tol=ACCURACY * diagonal.max())
        ordered = rows[order - 1]
        if rank:
            self.free = ordered[:rank]
            self.system = KKTSystem.of(self.problem.kkt_matrix(self.free))
            self.side[self.free] = 0.0
        for row in ordered[rank:]:
            self.enter(row)

    # --- the intercept, when no row is free ------------------------------------------------

    @property
    def lacks_hold(self):
        """Whether there is an intercept and no row that determines it."""
        return self.problem.has_intercept and not len(self.free)

    @property
    def is_stuck(self):
        """Whether coefficients must be balanced and no row is free to do it."""
        return self.lacks_hold and abs(self.imbalance) > ALPHA_ROUNDING * self.alpha.sum()

    @property
    def interval(self):
        """Bounds that zero and bounded rows set to the intercept; equal where a row holds it."""
        if not self.lacks_hold:
            return self.intercept, self.intercept
        y = self.problem.y
        allowed = self.intercept + self.problem.targets - self.values
        lower = allowed[self.side * y > 0].max(initial=-np.inf)
        upper = allowed[self.side * y < 0].min(initial=np.inf)
        return lower, upper

    def slide_intercept(self) -> bool:
        """Move the intercept until a row that can balance the coefficients is free, if one is."""
        direction, y = np.sign(self.imbalance), self.problem.y
        meets = self.side * y * direction < 0
        step, row = first(self.slack, np.ones_like(y), meets)
        if np.isinf(step):
            return False
        self._move_intercept(direction * step)
        self.enter(row)
        return True

    def _choose_intercept(self):
        """The intercept that is wanted, or the middle of the interval that is left for it."""
        lower, upper = self.interval
        if self.wanted is not None and lower <= upper:
            chosen = np.clip(self.wanted, lower, upper)
        elif np.isinf(lower) or np.isinf(upper):  # One class is left: move as little as needed.
            chosen = np.clip(self.intercept, lower, upper)
        else:
            chosen = (lower + upper) / 2
        self._move_intercept(chosen - self.intercept)

    def _move_intercept(self, step):
        self.intercept += step
        self.values += step

    # --- the KKT system --------------------------------------------------------------------

    def solve_kkt(self, right, multiply):
        """Solve the KKT system by its inverse, refined; the inverse is renewed if it must be.

        Parameters
        ----------
        right : ndarray of shape (n,)
            Right-hand side.
        multiply : callable
            Takes a vector to its product with the KKT matrix.

        Returns
        -------
        solved : ndarray of shape (n,)
        terms : ndarray of shape (n,)
            Bound on the sum of the absolute terms of each equation.
        """
        for is_last in (False, True):
            solved = self.system.solve(right)
            for _ in range(3):
                residual = right - multiply(solved)
                terms = np.abs(right) + self.problem.kkt_terms(self.free, np.abs(solved))
                if (np.abs(residual) <= ACCURACY / 10 * terms).all():
                    return solved, terms
                solved += self.system.solve(residual)
            if not is_last:
                self.system = self.system.renewed()
        return solved, terms


def first(distances, speeds, moving):
    """When the first of some moving things has covered its distance, and which it is."""
    steps = np.full(len(distances), np.inf)
    with np.errstate(over="ignore"):
        np.divide(np.maximum(distances, 0.0), speeds, out=steps, where=moving)
    earliest = int(steps.argmin()) if len(steps) else -1
    return (steps[earliest] if len(steps) else np.inf), earliest
