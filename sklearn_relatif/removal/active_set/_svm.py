"""Removing rows from a hinge-loss support vector machine, on the KKT system of its solution.

The machine is ``f(x) = sum_j beta_j K(x_j, x) + b`` with ``beta_j = y_j alpha_j`` and
``0 <= alpha_j <= C_j``. Its solution sorts the rows into three sets:

======== =================== ==================
row      coefficient         margin
======== =================== ==================
zero     alpha_j = 0         y_j f(x_j) >= 1
free     0 < alpha_j < C_j   y_j f(x_j) = 1
bounded  alpha_j = C_j       y_j f(x_j) <= 1
======== =================== ==================

As long as no row changes its set, the solution moves along a line, which the KKT system of the
free rows determines: f stays equal to y on them and, where there is an intercept, the
coefficients stay balanced, ``sum_j beta_j = 0``. Everything here is built on moves along such
lines: up to the point where a row changes its set, or, for the estimate by one step, past it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from sklearn.exceptions import ConvergenceWarning

from ._gram_rows import BATCH, GramRows
from ._kkt_system import KKTSystem

#: Relative to the terms that are added up: how far the KKT conditions may be violated, and how
#: far from the span of the free rows a row must be not to count as part of it.
ACCURACY = 1e-12
#: Violation of a margin, which is 1, from which on it is said that numbers lack digits.
LARGE_VIOLATION = 1e-7
#: Coefficients and steps below this, relative to the largest ones, are rounding errors.
ALPHA_ROUNDING = 1e-14
#: Size of the random shifts of margins, relative to the largest margin, and how far it is raised
#: when rows go in circles.
JITTER = 1e-9
MAX_JITTER = 1e-3
MAX_ROUNDS = 20
#: Changes of the sets in one round, per row, from which on rows are taken to go in circles.
MAX_EVENTS_PER_ROW = 20


class IndefiniteKernelError(ValueError):
    """A kernel is not positive semi-definite, so that a machine has no solution to follow."""


class RemovalChange(NamedTuple):
    """Change of a machine by each of some removals, of a row or a group of rows.

    The change of the decision function at queries, of shape (n_removals, n_queries), is
    ``coefficients @ K(training rows, queries) + intercepts[:, None]``.

    Attributes
    ----------
    coefficients : csr_array of shape (n_removals, n_rows)
        Change of ``beta_j = y_j alpha_j``, that of the removed row, ``-beta_i``, included.
    intercepts : ndarray of shape (n_removals,)
        Change of ``b``.
    intervals : ndarray of shape (n_removals, 2)
        Where ``b`` may lie without the rows: its bounds, which are equal where it is determined.
    """

    coefficients: sparse.csr_array
    intercepts: np.ndarray
    intervals: np.ndarray


class ActiveSetSVM:
    """The exact solution of a binary hinge-loss SVM, and what it becomes without some rows.

    The coefficients that are passed in need not be a solution: they are where the search for
    the exact one starts, which is short from the output of a solver and longer from zeros.

    Where the free rows do not determine ``b`` (there are none), the other rows leave an interval
    for it: ``intercept`` is taken if it is given and lies there, and the middle, as in libsvm,
    of machines without some rows. Where the coefficients are not
    unique (duplicate rows; more rows on the margin than a linear kernel has dimensions), one
    of the solutions is taken; they share one decision function.

    Parameters
    ----------
    gram_rows : callable
        Takes row numbers, shape (m,), to rows of the training Gram matrix, shape (m, n_rows).
        Called for support vectors and rows that become one only, and kept for those that are
        at some time free.
    y : ndarray of shape (n_rows,)
        Signs, -1 or +1.
    alpha : ndarray of shape (n_rows,)
        Approximate dual coefficients, not negative.
    upper : ndarray of shape (n_rows,)
        Upper bounds ``C_j``: C times the row's weight. A row with bound 0 takes no part.
    fit_intercept : bool
        Whether there is an unpenalised intercept b. (A penalised one is part of the kernel.)
    intercept : float, default=None
        The solver's own b, which is kept where it is one of several solutions.

    Attributes
    ----------
    alpha : ndarray of shape (n_rows,)
        Dual coefficients.
    intercept : float
        ``b``.
    intercept_interval : tuple of float
        The smallest and the largest ``b`` that the KKT conditions allow, equal where a free
        row determines it.
    free : ndarray of shape (n_free,)
        Numbers of the rows whose coefficients are not at a bound.
    decision_values : ndarray of shape (n_rows,)
        ``f`` at the training rows.

    Raises
    ------
    IndefiniteKernelError
        If the kernel is found not to be positive semi-definite: then the KKT conditions do
        not characterise a minimum. Methods raise it too.
    RuntimeError
        If rounding errors keep the KKT conditions from being met. Methods raise it too.

    Warns
    -----
    ConvergenceWarning
        If they are met to the digits that double precision leaves of a large kernel, and these
        are few.

    References
    ----------
    .. [1] G. Cauwenberghs, T. Poggio, "Incremental and Decremental Support Vector Machine
       Learning", NIPS 2000.
    .. [2] V. Vapnik, O. Chapelle, "Bounds on Error Expectation for Support Vector Machines",
       Neural Computation 12(9), 2000.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([-2.0, -1.0, 1.0, 3.0])
    >>> y = np.array([-1.0, -1.0, 1.0, 1.0])
    >>> svm = ActiveSetSVM(
    ...     lambda rows: np.outer(x[rows], x), y, np.zeros(4), np.full(4, 10.0), fit_intercept=True
    ... )
    >>> svm.free, svm.alpha[svm.free]
    (array([1, 2]), array([0.5, 0.5]))

    Without the row at 1, the margin lies between -1 and 3: f(x) = (x - 1) / 2.

    >>> change = svm.removal_path([2])
    >>> slope = np.array([1.0]) + change.coefficients @ x
    >>> slope.round(12), (svm.intercept + change.intercepts).round(12)
    (array([0.5]), array([-0.5]))
    """

    def __init__(
        self,
        gram_rows: Callable[[np.ndarray], np.ndarray],
        y: np.ndarray,
        alpha: np.ndarray,
        upper: np.ndarray,
        *,
        fit_intercept: bool,
        intercept: float | None = None,
    ):
        self._gram = GramRows(gram_rows, len(y))
        self._y = np.asarray(y, dtype=np.float64)
        self._upper = np.asarray(upper, dtype=np.float64)
        self._has_intercept = int(fit_intercept)
        self._random = np.random.default_rng(0).uniform(1, 2, len(y))
        self._solution = self._solve_from(np.asarray(alpha, dtype=np.float64), intercept)
        _warn_if_violated(self._solution.violation)
        self.alpha = self._solution.alpha
        self.intercept = self._solution.intercept
        self.intercept_interval = self._interval(self._solution)
        self.free = np.sort(self._solution.free)
        self.decision_values = self._solution.values

    def removal_step(self, removals: Iterable[int | np.ndarray]) -> RemovalChange:
        """Estimate removals by one move, all other rows held in their sets.

        The coefficient of the removed row goes to 0 while the (other) free rows stay on the
        margin; bounded and zero rows keep their coefficients, free ones may overstep their
        bounds. For a free row this is the span rule. If no other row is free, the
        intercept moves first, to where a row that can balance the coefficients becomes free.
        Removing rows whose coefficients are 0 changes nothing.

        Parameters
        ----------
        removals : iterable of int or array of int
            Row numbers; an array of them is a group of rows that is removed at once.

        Returns
        -------
        RemovalChange
        """
        points = map(self._step, self._starts(removals))
        return self._collect(points, lambda point: (point.intercept, point.intercept))

    def removal_path(self, removals: Iterable[int | np.ndarray]) -> RemovalChange:
        """Remove rows exactly: the machine becomes what it would be if trained without them.

        The solution is followed while the coefficient of the removed row goes to 0 and rows
        enter and leave the free set on the way; at the end the KKT conditions of the
        machine without the row are checked. Removing rows whose coefficients are 0 changes
        nothing, unless they bound an intercept that no row determines.

        Parameters
        ----------
        removals : iterable of int or array of int
            Row numbers; an array of them is a group of rows that is removed at once.

        Returns
        -------
        RemovalChange
        """
        return self._collect(map(self._path, self._starts(removals)), self._interval)

    # --- the start, and its removals -------------------------------------------------------

    def _solve_from(self, alpha, intercept):
        """The exact solution, searched from approximate coefficients."""
        y, upper = self._y, self._upper
        bounded = alpha >= (1 - ACCURACY) * upper
        alpha = np.where(bounded, upper, np.maximum(alpha, 0.0))
        inside = np.flatnonzero((alpha > 0) & ~bounded)
        side = np.where(bounded, -1.0, 1.0)
        side[inside] = 0.0
        side[upper <= 0] = 0.0
        values = self._gram.product(np.flatnonzero(alpha), y * alpha)
        point = _Point.of(alpha, values, side, intercept)
        if self._has_intercept and len(inside):
            self._move_intercept(point, np.mean((y - values)[inside]))
        elif self._has_intercept:
            self._choose_intercept(point)
        self._free_at_once(point, inside)
        self._follow(point, point.copy())
        # Once more, without the rounding errors that a far start leaves in f.
        point.values = self._gram.product(np.flatnonzero(point.alpha), self._beta(point))
        point.values += point.intercept
        self._follow(point, point.copy())
        return point

    def _starts(self, removals):
        """The solution for each removal, the rows to remove in no set any more."""
        everyone, start = np.arange(len(self._y)), self._solution
        removals = [np.unique(everyone[rows]) for rows in removals]
        for begin in range(0, len(removals), BATCH):
            batch = removals[begin : begin + BATCH]
            taken = np.zeros((len(batch), len(self._y)))
            for rows, beta in zip(batch, taken, strict=True):
                beta[rows] = self._beta(start)[rows]
            pulls = self._gram.product(np.flatnonzero(taken.any(axis=0)), -taken)
            for rows, pull in zip(batch, pulls, strict=True):
                changes = start.alpha[rows].any() or self._lacks_hold(start)
                yield self._start_without(rows, pull) if changes else start

    def _start_without(self, rows, pull):
        point = replace(self._solution.copy(), wanted=None)
        point.leaving, point.pull, point.left = rows[point.alpha[rows] > 0], pull, 1.0
        point.side[rows] = 0.0
        for index in np.flatnonzero(np.isin(point.free, rows))[::-1]:
            self._drop(point, index)
        if not len(point.leaving) and self._interval(point) == self.intercept_interval:
            return self._solution
        return point

    def _step(self, point):
        if len(point.leaving):
            point.shift[:] = 0.0
            if self._is_stuck(point):
                self._slide_intercept(point)
            d_free, d_intercept, _ = self._direction(point)
            point.alpha[point.free] += self._y[point.free] * d_free
            point.alpha[point.leaving] = 0.0
            point.intercept += d_intercept
        return point

    def _path(self, point):
        if point is not self._solution:
            self._follow(point, self._solution)
        return point

    def _collect(self, points, interval):
        start, indptr = self._solution, [0]
        data = [np.empty(0)]
        moved_rows: list[np.ndarray] = [np.empty(0, np.intp)]
        intercepts, intervals, violation = [], [], 0.0
        for point in points:
            moved = np.flatnonzero(point.alpha != start.alpha)
            data.append(self._y[moved] * (point.alpha - start.alpha)[moved])
            moved_rows.append(moved)
            indptr.append(indptr[-1] + len(moved))
            intercepts.append(point.intercept - start.intercept)
            intervals.append(interval(point))
            violation = max(violation, point.violation)
        _warn_if_violated(violation)
        indices = np.concatenate(moved_rows)
        coefficients = sparse.csr_array(
            (np.concatenate(data), indices, indptr), shape=(len(intercepts), len(self._y))
        )
        return RemovalChange(coefficients, np.array(intercepts), np.array(intervals).reshape(-1, 2))

    # --- following the solution ------------------------------------------------------------

    def _follow(self, point, start):
        """Let leaving rows leave and shifts of margins vanish, the KKT conditions kept.

        Each round removes what the rounding errors of the one before have left. ``start`` is
        where the point comes from, with exact values of f.
        """
        jitter = JITTER
        for _ in range(MAX_ROUNDS):
            self._set_shift(point, jitter)
            at_end = self._follow_to_end(point)
            self._refresh(point, start)
            if at_end and self._is_solved(point, start):
                return
            if not at_end:
                jitter = min(1e3 * jitter, MAX_JITTER)
        raise RuntimeError(self._failure(point))

    def _follow_to_end(self, point):
        """One round; returns whether it got to its end before rows went in circles."""
        remaining = 1.0
        for _ in range(int(MAX_EVENTS_PER_ROW * len(self._y))):
            if self._is_stuck(point) and self._slide_intercept(point):
                continue
            d_free, d_intercept, d_values = self._direction(point)
            d_alpha = self._y[point.free] * d_free
            to_bound, index = self._first_at_bound(point, d_alpha)
            to_margin, row = self._first_at_margin(point, d_values)
            step = min(1.0, to_bound, to_margin)

            point.alpha[point.free] += step * d_alpha
            point.intercept += step * d_intercept
            point.values += step * d_values
            point.alpha[point.leaving] *= 1 - step
            point.left *= 1 - step
            point.shift *= 1 - step
            remaining *= 1 - step
            if remaining < ALPHA_ROUNDING:
                point.alpha[point.leaving] = point.left = 0.0
                return True
            if step == to_bound:
                self._leave(point, index)
            else:
                self._enter(point, row)
        return False

    def _direction(self, point):
        """The whole move to the end, as it would be if no row changed its set.

        Returns
        -------
        d_free : ndarray of shape (n_free,)
            Change of the coefficients beta of the free rows.
        d_intercept : float
        d_values : ndarray of shape (n_rows,)
            Change of f.
        """
        free, has_intercept = point.free, self._has_intercept
        pulled = point.left * point.pull
        if not len(free):
            return np.zeros(0), 0.0, pulled
        right = (self._y - point.values - pulled)[free]
        if has_intercept:
            right = np.append(-self._imbalance(point), right)
        responded = np.empty_like(pulled)

        def multiply(solution):
            np.copyto(responded, self._gram.combine(free, solution[has_intercept:]))
            if not has_intercept:
                return responded[free]
            responded[...] += solution[0]
            return np.append(solution[1:].sum(), responded[free])

        solution, _ = self._solve(point, right, multiply)
        d_intercept = solution[0] if has_intercept else 0.0
        return solution[has_intercept:], d_intercept, pulled + responded

    def _first_at_bound(self, point, d_alpha):
        """Share of a move at which the first free row reaches a bound, and its index."""
        alpha = point.alpha[point.free]
        room = np.where(d_alpha < 0, alpha, self._upper[point.free] - alpha)
        speed = np.abs(d_alpha)
        return _first(room, speed, speed > ALPHA_ROUNDING * point.alpha.max(initial=0.0))

    def _first_at_margin(self, point, d_values):
        """Share of a move at which the first zero or bounded row reaches the margin."""
        speed = point.side * (point.shift - self._y * d_values)
        return _first(self._slack(point), speed, speed > 0)

    def _slack(self, point):
        """Distance of zero and bounded rows from the shifted margin."""
        return point.side * (self._excess(point) + point.shift)

    # --- rows that change their set --------------------------------------------------------

    def _leave(self, point, index):
        """A free row has reached a bound."""
        row = point.free[index]
        self._drop(point, index)
        self._put_at_bound(point, row)

    def _drop(self, point, index):
        """Take a row out of the free set."""
        point.free = np.delete(point.free, index)
        if len(point.free):
            point.system = point.system.without(index + self._has_intercept)
        else:
            point.system = KKTSystem.of(np.zeros((0, 0)))

    def _put_at_bound(self, point, row):
        """Set a row on the margin to the bound it is next to, and slightly off the margin."""
        at_zero = point.alpha[row] < self._upper[row] / 2
        point.alpha[row] = 0.0 if at_zero else self._upper[row]
        point.side[row] = 1.0 if at_zero else -1.0
        point.shift[row] = point.side[row] * point.jitter[row] - self._excess(point)[row]

    def _enter(self, point, row):
        """A row has reached the margin: free it, unless its motion lies in the free rows'."""
        own = self._gram[row]
        if self._has_intercept and not len(point.free):
            system = KKTSystem.of(np.array([[0.0, 1.0], [1.0, own[row]]]))
        else:
            border = own[point.free]
            if self._has_intercept:
                border = np.append(1.0, border)
            response, distance, is_dependent = self._response(point, border, own[row])
            if is_dependent:
                self._exchange(point, row, response)
                return
            system = point.system.bordered(border, own[row], response, distance)
        point.free = np.append(point.free, row)
        point.system = system
        point.side[row] = 0.0
        point.shift[row] = 0.0

    def _response(self, point, border, corner):
        """How the free rows respond when the coefficient of another row grows by one.

        Returns the response of the intercept and the coefficients, the squared distance of the
        row from the (affine) span of the free rows, and whether that is zero but for rounding.
        """
        response, terms = self._solve(point, -border, lambda x: point.system.multiply(x))
        distance = corner + border @ response
        scale = abs(corner) + np.abs(response) @ terms
        if distance < -np.sqrt(ACCURACY) * scale:
            raise IndefiniteKernelError(
                "The kernel is not positive semi-definite: on the rows on the margin it has a "
                f"direction of squared length {distance:.3g}. Removal of rows is defined for "
                "positive semi-definite kernels only."
            )
        return response, distance, distance <= ACCURACY * scale

    def _exchange(self, point, row, response):
        """Trade a row for one of the free rows in whose span it lies.

        Some move of their coefficients leaves f as it is. It is made until one of them is at a
        bound; if that is not the row itself, the row takes the other's place.
        """
        y, free = self._y, point.free
        sign = y[row] * (point.side[row] or 1.0)  # Of the change of the row's beta.
        d_free = sign * response[self._has_intercept :]
        step, index = self._first_at_bound(point, y[free] * d_free)
        grows = sign == y[row]
        own_step = self._upper[row] - point.alpha[row] if grows else point.alpha[row]

        shortest = min(step, own_step)
        point.alpha[free] += shortest * y[free] * d_free
        point.alpha[row] += shortest * y[row] * sign
        point.values += self._gram.combine(np.append(free, row), shortest * np.append(d_free, sign))
        if self._has_intercept:
            self._move_intercept(point, shortest * sign * response[0])
        if own_step <= step:
            self._put_at_bound(point, row)
        else:
            self._leave(point, index)
            self._enter(point, row)

    def _free_at_once(self, point, rows):
        """Free many rows of a new point, those in the span of others after the others."""
        if not len(rows):
            return
        self._gram.load(rows)
        block, diagonal = self._gram.block(rows), self._gram.diagonal(rows)
        if self._has_intercept:
            # Positive definite if and only if the bordered matrix is regular.
            block = block + diagonal.max()
        _, order, rank, _ = lapack.dpstrf(block, tol=ACCURACY * diagonal.max())
        ordered = rows[order - 1]
        if rank:
            point.free = ordered[:rank]
            point.system = KKTSystem.of(self._kkt_matrix(point.free))
            point.side[point.free] = 0.0
        for row in ordered[rank:]:
            self._enter(point, row)

    # --- the intercept, when no row is free ------------------------------------------------

    def _imbalance(self, point):
        """Sum of the coefficients that will be left when the leaving rows have gone."""
        beta = self._beta(point)
        return beta.sum() - beta[point.leaving].sum()

    def _is_stuck(self, point):
        """Whether coefficients must be balanced and no row is free to do it."""
        if not self._lacks_hold(point):
            return False
        return abs(self._imbalance(point)) > ALPHA_ROUNDING * point.alpha.sum()

    def _slide_intercept(self, point):
        """Move the intercept until a row that can balance the coefficients is free."""
        direction = np.sign(self._imbalance(point))
        meets = point.side * self._y * direction < 0
        step, row = _first(self._slack(point), np.ones_like(self._y), meets)
        if np.isinf(step):
            return False
        self._move_intercept(point, direction * step)
        self._enter(point, row)
        return True

    def _lacks_hold(self, point):
        """Whether there is an intercept and no row that determines it."""
        return self._has_intercept and not len(point.free)

    def _interval(self, point):
        """Bounds that zero and bounded rows set to the intercept; equal where a row holds it."""
        if not self._lacks_hold(point):
            return point.intercept, point.intercept
        allowed = point.intercept + self._y - point.values
        lower = allowed[point.side * self._y > 0].max(initial=-np.inf)
        upper = allowed[point.side * self._y < 0].min(initial=np.inf)
        return lower, upper

    def _choose_intercept(self, point):
        """The intercept that is wanted, or the middle of the interval that is left for it."""
        lower, upper = self._interval(point)
        if point.wanted is not None and lower <= upper:
            chosen = np.clip(point.wanted, lower, upper)
        elif np.isinf(lower) or np.isinf(upper):  # One class is left: move as little as needed.
            chosen = np.clip(point.intercept, lower, upper)
        else:
            chosen = (lower + upper) / 2
        self._move_intercept(point, chosen - point.intercept)

    def _move_intercept(self, point, step):
        point.intercept += step
        point.values += step

    # --- where a round begins and ends -----------------------------------------------------

    def _set_shift(self, point, jitter):
        """Shift the margins so that the point is a solution, and no two rows are alike."""
        excess = self._excess(point)
        point.jitter = jitter * self._random * max(1.0, np.abs(excess).max())
        point.shift = point.side * (np.maximum(-point.side * excess, 0.0) + point.jitter)

    def _refresh(self, point, start):
        """Compute f from the coefficients anew, and the intercept if no row holds it."""
        np.clip(point.alpha, 0.0, self._upper, out=point.alpha)
        change = self._beta(point) - self._beta(start)
        change[point.leaving] = 0.0  # It is in the pull.
        moved = np.flatnonzero(change)
        point.values = start.values + (point.intercept - start.intercept)
        point.values += (1 - point.left) * point.pull + self._gram.combine(moved, change[moved])
        room = np.minimum(point.alpha, self._upper - point.alpha)[point.free]
        if self._has_intercept and not (room > ALPHA_ROUNDING * point.alpha.max(initial=0.0)).any():
            while len(point.free):
                self._leave(point, 0)
            self._choose_intercept(point)

    def _is_solved(self, point, start):
        total = max(point.alpha.sum(), start.alpha.sum())
        if self._has_intercept and abs(self._imbalance(point)) > ACCURACY * total:
            return False
        terms = 1 + total * self._gram.largest + abs(start.intercept)
        violation = self._violation(point)
        point.violation = violation.max(initial=0.0)
        return (violation <= ACCURACY * terms).all()

    def _violation(self, point):
        excess = self._excess(point)
        violation = np.maximum(-point.side * excess, 0.0)
        violation[point.free] = np.abs(excess[point.free])
        return violation

    def _failure(self, point):
        return (
            "Following the solution of the support vector machine failed: rounding errors leave "
            f"a violation of its margins of {self._violation(point).max():.2g}. The kernel may be "
            "ill-conditioned: scale the features, or lower C."
        )

    def _excess(self, point):
        return self._y * point.values - 1

    def _beta(self, point):
        return self._y * point.alpha

    # --- linear algebra --------------------------------------------------------------------

    def _kkt_matrix(self, free):
        block = self._gram.block(free)
        if not self._has_intercept:
            return block
        matrix = np.ones((len(block) + 1, len(block) + 1))
        matrix[0, 0] = 0.0
        matrix[1:, 1:] = block
        return matrix

    def _solve(self, point, right, multiply):
        """Solve the KKT system by its inverse, refined; the inverse is renewed if it must be.

        Parameters
        ----------
        point : _Point
        right : ndarray of shape (n,)
            Right-hand side.
        multiply : callable
            Takes a vector to its product with the KKT matrix.

        Returns
        -------
        solution : ndarray of shape (n,)
        terms : ndarray of shape (n,)
            Bound on the sum of the absolute terms of each equation.
        """
        for is_last in (False, True):
            solution = point.system.solve(right)
            for _ in range(3):
                residual = right - multiply(solution)
                terms = np.abs(right) + self._terms(point.free, np.abs(solution))
                if (np.abs(residual) <= ACCURACY / 10 * terms).all():
                    return solution, terms
                solution += point.system.solve(residual)
            if not is_last:
                point.system = point.system.renewed()
        return solution, terms

    def _terms(self, free, sizes):
        root = np.sqrt(np.abs(self._gram.diagonal(free)))
        coefficients = sizes[self._has_intercept :]
        terms = root * (root @ coefficients)  # By the inequality of Cauchy and Schwarz.
        return np.append(coefficients.sum(), terms + sizes[0]) if self._has_intercept else terms


@dataclass
class _Point:
    """A machine, possibly with rows on their way out, that satisfies the KKT conditions.

    It does so for margins that are shifted a little. The shifts vanish as the solution is
    followed. They make up for what the start lacks, and by being random they keep two rows from
    reaching the margin at the same moment, which could send the path in circles.
    """

    alpha: np.ndarray
    intercept: float
    values: np.ndarray  # f at the training rows.
    side: np.ndarray  # +1 zero, -1 bounded, 0 free or of no set.
    free: np.ndarray
    system: KKTSystem  # Of the free rows.
    shift: np.ndarray  # Added to y f - 1.
    jitter: np.ndarray  # Shift of a row that leaves the margin.
    leaving: np.ndarray  # Rows on their way out.
    left: float  # Share of their coefficients that is still there.
    pull: np.ndarray  # Change of f when the whole of their coefficients goes.
    violation: float  # Of the margins, at most.
    wanted: float | None  # The intercept where no row determines it; None: the middle.

    @classmethod
    def of(cls, alpha, values, side, wanted):
        """A point without intercept and with no row free yet."""
        nobody, nothing = np.zeros(0, dtype=np.intp), np.zeros_like(alpha)
        system = KKTSystem.of(np.zeros((0, 0)))
        return cls(
            alpha=alpha,
            intercept=0.0,
            values=values,
            side=side,
            free=nobody,
            system=system,
            shift=nothing.copy(),
            jitter=nothing,
            leaving=nobody,
            left=0.0,
            pull=nothing,
            violation=0.0,
            wanted=wanted,
        )

    def copy(self):
        """A copy; arrays that are never changed in place are shared."""
        changed = ("alpha", "values", "side", "shift")
        return replace(self, **{name: getattr(self, name).copy() for name in changed})


def _warn_if_violated(violation):
    if violation > LARGE_VIOLATION:
        warnings.warn(
            f"The support vector machine is ill-conditioned: in double precision its margins are "
            f"good to {violation:.1g} only, and so are effects of removals. Scale the features, "
            "or lower C.",
            ConvergenceWarning,
            stacklevel=3,
        )


def _first(distances, speeds, moving):
    """When the first of some moving things has covered its distance, and which it is."""
    steps = np.full(len(distances), np.inf)
    with np.errstate(over="ignore"):
        np.divide(np.maximum(distances, 0.0), speeds, out=steps, where=moving)
    first = int(steps.argmin()) if len(steps) else -1
    return (steps[first] if len(steps) else np.inf), first
