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

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

#: Relative to the terms that are added up: how far the KKT conditions may be violated, and how
#: far a row must be from the span of the free rows not to count as part of it.
ACCURACY = 1e-12
#: Violation of a margin that is accepted in any case.
KKT_TOLERANCE = 1e-9
#: Coefficients and steps below this, relative to the largest ones, are rounding errors.
ROUNDING = 1e-14
#: Size of the random shifts of margins, which keep rows from arriving at the same moment.
JITTER = 1e-9
MAX_ROUNDS = 20
#: Rank-one terms that an inverse may carry before they are merged.
MAX_TERMS = 64
#: Rows whose kernels are computed at once.
BATCH = 256


class RemovalChange(NamedTuple):
    """Change of a machine when rows, or groups of rows, are removed one after the other.

    The change of the decision function is
    ``coefficients @ K(training rows, queries) + intercepts[:, None]``, of shape
    (n_removals, n_queries).

    Attributes
    ----------
    coefficients : csr_array of shape (n_removals, n_rows)
        Change of ``beta_j = y_j alpha_j``, the removed row's own included: ``-beta_i``.
    intercepts : ndarray of shape (n_removals,)
        Change of ``b``.
    """

    coefficients: sparse.csr_array
    intercepts: np.ndarray


class ActiveSetSVM:
    """The exact solution of a binary hinge-loss SVM, and what it becomes without some rows.

    The coefficients that are passed in need not be a solution: they are where the search for
    the exact one starts, which is short from the output of a solver and longer from zeros.

    Where the free rows do not determine ``b`` (there are none), it is the middle of the
    interval that the other rows leave for it, as in libsvm. Where the coefficients are not
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

    Attributes
    ----------
    alpha : ndarray of shape (n_rows,)
        Dual coefficients.
    intercept : float
        ``b``.
    free : ndarray of shape (n_free,)
        Numbers of the rows whose coefficients are not at a bound.
    decision_values : ndarray of shape (n_rows,)
        ``f`` at the training rows.

    Raises
    ------
    ValueError
        If the kernel is found not to be positive semi-definite: then the KKT conditions do
        not characterise a minimum. Methods raise it too.
    RuntimeError
        If rounding errors keep the KKT conditions from being met. Methods raise it too.

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
    ):
        self._gram = _GramRows(gram_rows, len(y))
        self._y = np.asarray(y, dtype=np.float64)
        self._upper = np.asarray(upper, dtype=np.float64)
        self._has_intercept = int(fit_intercept)
        self._random = np.random.default_rng(0).uniform(JITTER, 2 * JITTER, len(y))
        self._solution = self._solve_from(np.asarray(alpha, dtype=np.float64))
        self.alpha = self._solution.alpha
        self.intercept = self._solution.intercept
        self.free = np.sort(self._solution.free)
        self.decision_values = self._solution.values

    def removal_step(self, removals: Iterable[int | np.ndarray]) -> RemovalChange:
        """Estimate removals by one move, all other rows held in their sets.

        The coefficient of the removed row goes to 0 while the (other) free rows stay on the
        margin; bounded and zero rows keep their coefficients, free ones may overstep their
        bounds. For a free row this is the span rule [2]_. If no other row is free, the
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
        return self._collect(self._step(*start) for start in self._starts(removals))

    def removal_path(self, removals: Iterable[int | np.ndarray]) -> RemovalChange:
        """Remove rows exactly: the machine becomes what it would be if trained without them.

        The solution is followed while the coefficient of the removed row goes to 0 and rows
        enter and leave the free set on the way [1]_; at the end the KKT conditions of the
        machine without the row are checked. Removing rows whose coefficients are 0 changes
        nothing.

        Parameters
        ----------
        removals : iterable of int or array of int
            Row numbers; an array of them is a group of rows that is removed at once.

        Returns
        -------
        RemovalChange
        """
        return self._collect(self._path(*start) for start in self._starts(removals))

    # --- the start, and its removals -------------------------------------------------------

    def _solve_from(self, alpha):
        """The exact solution, searched from approximate coefficients."""
        y, upper = self._y, self._upper
        bounded = alpha >= (1 - ACCURACY) * upper
        alpha = np.where(bounded, upper, np.maximum(alpha, 0.0))
        side = np.where(upper > 0, np.where(bounded, -1.0, np.where(alpha > 0, 0.0, 1.0)), 0.0)
        inside = np.flatnonzero((alpha > 0) & ~bounded)
        values = self._gram.product(np.flatnonzero(alpha), y * alpha)
        point = _Point(alpha, 0.0, values, np.zeros_like(y), np.zeros_like(y), side)
        if self._has_intercept and len(inside):
            self._move_intercept(point, np.mean((y - values)[inside]))
        elif self._has_intercept:
            self._centre_intercept(point)
        self._free_at_once(point, inside)
        nobody = np.zeros(0, dtype=np.intp)
        self._follow(point, point.copy(), nobody, np.zeros((0, len(y))))
        # Once more, without the rounding errors that a far start leaves in f.
        point.values = self._gram.product(np.flatnonzero(point.alpha), self._beta(point))
        point.values += point.intercept
        self._follow(point, point.copy(), nobody, np.zeros((0, len(y))))
        return point

    def _starts(self, removals):
        """For each removal a copy of the solution, the support vectors that are to leave it,
        and their rows of the Gram matrix. The removed rows belong to no set any more."""
        everyone = np.arange(len(self._y))
        removals = [np.unique(everyone[rows]) for rows in removals]
        leaving = [rows[self._solution.alpha[rows] > 0] for rows in removals]
        for begin in range(0, len(removals), BATCH):
            batch = slice(begin, begin + BATCH)
            gram = self._gram.compute(np.concatenate(leaving[batch]))
            ends = np.cumsum([len(rows) for rows in leaving[batch]])
            own = np.split(gram, ends[:-1])
            for removed, support, kernels in zip(removals[batch], leaving[batch], own, strict=True):
                point = self._solution.copy()
                for place in np.flatnonzero(np.isin(point.free, removed))[::-1]:
                    self._drop(point, place)
                point.side[removed] = 0.0
                yield point, support, kernels

    def _step(self, point, leaving, own):
        if not len(leaving):
            return point
        point.shift[:] = 0.0
        pull = -self._beta(point)[leaving]
        if self._is_stuck(point, pull):
            self._slide_intercept(point, pull)
        d_free, d_intercept, _ = self._direction(point, pull, pull @ own)
        point.alpha[point.free] += self._y[point.free] * d_free
        point.alpha[leaving] = 0.0
        point.intercept += d_intercept
        return point

    def _path(self, point, leaving, own):
        if len(leaving):
            self._follow(point, self._solution, leaving, own)
        return point

    def _collect(self, points):
        start, data, indices, indptr, intercepts = self._solution, [], [], [0], []
        for point in points:
            moved = np.flatnonzero(point.alpha != start.alpha)
            data.append(self._y[moved] * (point.alpha - start.alpha)[moved])
            indices.append(moved)
            indptr.append(indptr[-1] + len(moved))
            intercepts.append(point.intercept - start.intercept)
        data = np.concatenate([np.zeros(0), *data])
        indices = np.concatenate([np.zeros(0, dtype=np.intp), *indices])
        shape = (len(intercepts), len(start.alpha))
        return RemovalChange(
            sparse.csr_array((data, indices, indptr), shape=shape), np.array(intercepts)
        )

    # --- following the solution ------------------------------------------------------------

    def _follow(self, point, start, leaving, own):
        """Bring coefficients of leaving rows, and shifts of margins, to zero.

        Each round removes what the rounding errors of the one before have left.

        Parameters
        ----------
        point : _Point
            Changed in place.
        start : _Point
            Where the point comes from; its ``values`` are exact.
        leaving : ndarray of shape (n_leaving,)
            Rows to remove.
        own : ndarray of shape (n_leaving, n_rows)
            Their rows of the Gram matrix.
        """
        for _ in range(MAX_ROUNDS):
            self._set_shift(point)
            self._follow_to_end(point, leaving, own)
            self._refresh(point, start, leaving, own)
            if self._is_solved(point, start):
                return
        raise RuntimeError(self._failure(point))

    def _follow_to_end(self, point, leaving, own):
        y, remaining = self._y, 1.0
        for _ in range(10 * len(y) + 1000):
            pull = -self._beta(point)[leaving]
            if self._is_stuck(point, pull) and self._slide_intercept(point, pull):
                continue
            d_free, d_intercept, d_values = self._direction(point, pull, pull @ own)
            d_alpha = y[point.free] * d_free
            to_bound, place = self._first_at_bound(point, d_alpha)
            to_margin, row = self._first_at_margin(point, d_values)
            step = min(1.0, to_bound, to_margin)

            point.alpha[point.free] += step * d_alpha
            point.intercept += step * d_intercept
            point.values += step * d_values
            point.alpha[leaving] *= 1 - step
            point.shift *= 1 - step
            remaining *= 1 - step
            if remaining < ROUNDING:
                point.alpha[leaving] = 0.0
                return
            if step == to_bound:
                self._leave(point, place)
            else:
                self._enter(point, row)
        raise RuntimeError(self._failure(point))

    def _direction(self, point, pull, pulled):
        """The whole move to the end, if no row changed its set.

        Parameters
        ----------
        point : _Point
        pull : ndarray of shape (n_leaving,)
            Change of the coefficients of leaving rows.
        pulled : ndarray of shape (n_rows,)
            Change of f that they bring about by themselves.

        Returns
        -------
        d_free : ndarray of shape (n_free,)
            Change of the coefficients beta of the free rows.
        d_intercept : float
        d_values : ndarray of shape (n_rows,)
            Change of f.
        """
        free, has_intercept = point.free, self._has_intercept
        if not len(free):
            return np.zeros(0), 0.0, pulled
        right = (self._y - point.values - pulled)[free]
        if has_intercept:
            right = np.append(-self._beta(point).sum() - pull.sum(), right)
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
        """Share of a move at which the first free row reaches a bound, and its place."""
        return _first(self._steps_to_bound(point, d_alpha))

    def _steps_to_bound(self, point, d_alpha):
        alpha = point.alpha[point.free]
        room = np.where(d_alpha < 0, alpha, self._upper[point.free] - alpha)
        moving = np.abs(d_alpha) > ROUNDING * point.alpha.max(initial=0.0)
        return _ratios(room, np.abs(d_alpha), moving)

    def _first_at_margin(self, point, d_values):
        """Share of a move at which the first zero or bounded row reaches the margin."""
        approach = point.side * (point.shift - self._y * d_values)
        return _first(_ratios(self._slack(point), approach, approach > 0))

    def _slack(self, point):
        """Distance of zero and bounded rows from the (shifted) margin."""
        return point.side * (self._y * point.values - 1 + point.shift)

    # --- rows that change their set --------------------------------------------------------

    def _leave(self, point, place):
        """A free row has reached a bound."""
        row = point.free[place]
        self._drop(point, place)
        self._put_at_bound(point, row)

    def _drop(self, point, place):
        """Take a row out of the free set."""
        point.free = np.delete(point.free, place)
        if len(point.free):
            point.system = point.system.without(place + self._has_intercept)
        else:
            point.system = _System(np.zeros((0, 0)))

    def _put_at_bound(self, point, row):
        """Set a row on the margin to the bound it is next to, and slightly off the margin."""
        at_zero = point.alpha[row] < self._upper[row] / 2
        point.alpha[row] = 0.0 if at_zero else self._upper[row]
        point.side[row] = 1.0 if at_zero else -1.0
        excess = self._y[row] * point.values[row] - 1
        point.shift[row] = point.side[row] * point.jitter[row] - excess

    def _enter(self, point, row):
        """A row has reached the margin: free it, unless its motion lies in the free rows'."""
        own = self._gram[row]
        if self._has_intercept and not len(point.free):
            system = _System(np.array([[0.0, 1.0], [1.0, own[row]]]))
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
            raise ValueError(
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
        inward = y[row] * (point.side[row] or 1.0)
        d_free = inward * response[self._has_intercept :]
        d_alpha = y[free] * d_free
        d_alpha[np.abs(d_alpha) < np.sqrt(ACCURACY) * np.abs(d_alpha).max(initial=0.0)] = 0.0
        step, place = self._first_at_bound(point, d_alpha)
        grows = y[row] * inward > 0
        own_step = self._upper[row] - point.alpha[row] if grows else point.alpha[row]

        shortest = min(step, own_step)
        point.alpha[free] += shortest * d_alpha
        point.alpha[row] += shortest * y[row] * inward
        rows = np.append(free, row)
        point.values += self._gram.combine(rows, shortest * np.append(y[free] * d_alpha, inward))
        if self._has_intercept:
            self._move_intercept(point, shortest * inward * response[0])
        if own_step <= step:
            self._put_at_bound(point, row)
        else:
            self._leave(point, place)
            self._enter(point, row)

    def _free_at_once(self, point, rows):
        """Free many rows of a new point, those in the span of others after the others."""
        self._gram.load(rows)
        block = self._gram.block(rows)
        if self._has_intercept:
            # Positive definite if and only if the bordered matrix is regular.
            block = block + np.diag(block).max(initial=0.0)
        tolerance = ACCURACY * np.diag(block).max(initial=0.0)
        _, order, rank, _ = lapack.dpstrf(block, tol=tolerance) if len(rows) else (0, rows, 0, 0)
        order = rows[order - 1]
        point.free = order[:rank]
        if rank:
            point.system = _System(self._kkt_matrix(point.free))
        for row in order[rank:]:
            self._enter(point, row)

    # --- the intercept, when no row is free ------------------------------------------------

    def _is_stuck(self, point, pull):
        """Whether coefficients must be balanced and no row is free to do it."""
        need = abs(self._beta(point).sum() + pull.sum())
        return (
            self._has_intercept
            and not len(point.free)
            and need > ROUNDING * max(point.alpha.sum(), np.abs(pull).sum())
        )

    def _slide_intercept(self, point, pull):
        """Move the intercept until a row that can balance the coefficients is free."""
        direction = np.sign(self._beta(point).sum() + pull.sum())
        meets = point.side * self._y * direction < 0
        step, row = _first(_ratios(self._slack(point), np.ones_like(self._y), meets))
        if not np.isfinite(step):
            return False
        self._move_intercept(point, direction * step)
        self._enter(point, row)
        return True

    def _centre_intercept(self, point):
        """Middle of the interval that zero and bounded rows leave for the intercept."""
        moves = self._y - point.values
        lower = moves[point.side * self._y > 0].max(initial=-np.inf)
        upper = moves[point.side * self._y < 0].min(initial=np.inf)
        if np.isinf(lower) or np.isinf(upper):  # One class is left: as little as needed.
            self._move_intercept(point, np.clip(0.0, lower, upper))
        else:
            self._move_intercept(point, (lower + upper) / 2)

    def _move_intercept(self, point, step):
        point.intercept += step
        point.values += step

    # --- where a round begins and ends -----------------------------------------------------

    def _set_shift(self, point):
        """Shift the margins so that the point is a solution, and no two rows are alike."""
        excess = self._y * point.values - 1
        point.jitter = self._random * max(1.0, np.abs(excess).max())
        point.shift = point.side * (np.maximum(-point.side * excess, 0.0) + point.jitter)

    def _refresh(self, point, start, leaving, own):
        """Compute f from the coefficients, and an intercept that no row holds."""
        change = self._beta(point) - self._beta(start)
        point.values = start.values + (point.intercept - start.intercept) + change[leaving] @ own
        change[leaving] = 0.0
        moved = np.flatnonzero(change)
        point.values += self._gram.combine(moved, change[moved])
        room = np.minimum(point.alpha, self._upper - point.alpha)[point.free]
        if self._has_intercept and not (room > ROUNDING * point.alpha.max(initial=0.0)).any():
            while len(point.free):
                self._leave(point, 0)
            self._centre_intercept(point)

    def _is_solved(self, point, start):
        excess = self._y * point.values - 1
        violation = np.maximum(-point.side * excess, 0.0)
        violation[point.free] = np.abs(excess[point.free])
        total = max(point.alpha.sum(), start.alpha.sum())
        balanced = not self._has_intercept or abs(self._beta(point).sum()) <= ACCURACY * total
        terms = total * self._gram.largest + abs(start.intercept)
        tolerance = np.maximum(KKT_TOLERANCE, ACCURACY * terms)
        return balanced and (violation <= tolerance).all()

    def _failure(self, point):
        excess = self._y * point.values - 1
        worst = max(
            np.maximum(-point.side * excess, 0.0).max(initial=0.0),
            np.abs(excess[point.free]).max(initial=0.0),
        )
        return (
            "Following the solution of the support vector machine failed: rounding errors leave "
            f"a violation of its margins of {worst:.2g}. The kernel may be ill-conditioned: "
            "scale the features, or lower C."
        )

    # --- linear algebra --------------------------------------------------------------------

    def _beta(self, point):
        return self._y * point.alpha

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
    """A machine that satisfies the KKT conditions, its margins shifted by a vector."""

    alpha: np.ndarray
    intercept: float
    values: np.ndarray  # f at the training rows.
    shift: np.ndarray  # Added to y f - 1.
    jitter: np.ndarray  # What the shift of a row begins with when it leaves the margin.
    side: np.ndarray  # +1 zero, -1 bounded, 0 free or of no set.
    free: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    system: _System = field(default_factory=lambda: _System(np.zeros((0, 0))))

    def copy(self):
        """A copy to change; ``free`` and ``system`` are only ever replaced."""
        arrays = ("alpha", "values", "shift", "jitter", "side")
        return replace(self, **{name: getattr(self, name).copy() for name in arrays})


class _System:
    """The KKT matrix of the free rows and its inverse, which grow and shrink by one row.

    What was added is kept apart from the matrices of the beginning, and what left stays in
    them, unused: an object never changes, and all removals share the matrices of the start.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
    inverse : ndarray of shape (n, n), optional
    """

    def __init__(self, matrix, inverse=None):
        self.matrix = matrix
        self.inverse = np.linalg.inv(matrix) if inverse is None else inverse
        n = len(matrix)
        self.added = np.zeros((0, n))  # Rows of the matrix from the n-th on.
        self.vectors = np.zeros((0, n))  # The inverse changed by the sum over t of
        self.weights = np.zeros(0)  # weights[t] * outer(vectors[t], vectors[t]).
        self.places = np.arange(n)  # Where the rows that are present stand.

    def solve(self, right):
        """The inverse times a vector."""
        placed, n = self._placed(right), len(self.matrix)
        product = (self.weights * (self.vectors @ placed)) @ self.vectors
        product[:n] += self.inverse @ placed[:n]
        return product[self.places]

    def multiply(self, vector):
        """The matrix times a vector."""
        placed, n = self._placed(vector), len(self.matrix)
        product = placed[n:] @ self.added
        product[:n] += self.matrix @ placed[:n]
        product[n:] = self.added @ placed
        return product[self.places]

    def without(self, index):
        """The system without one of its rows."""
        system = self._merged_if_long()
        place, n = system.places[index], len(system.matrix)
        column = (system.weights * system.vectors[:, place]) @ system.vectors
        if place < n:
            column[:n] += system.inverse[place]
        return system._changed(
            vectors=np.vstack([system.vectors, column]),
            weights=np.append(system.weights, -1 / column[place]),
            places=np.delete(system.places, index),
        )

    def bordered(self, border, corner, response, distance):
        """The system with one more row.

        Parameters
        ----------
        border : ndarray of shape (n,)
            The new row of the matrix.
        corner : float
            Its diagonal element.
        response : ndarray of shape (n,)
            ``-inverse @ border``.
        distance : float
            ``corner + border @ response``.
        """
        system = self._merged_if_long()
        places = np.append(system.places, len(system.added) + len(system.matrix))
        new = np.zeros((2, len(system.added) + len(system.matrix) + 1))
        new[:, places] = np.append(border, corner), np.append(response, 1.0)
        added = np.vstack([np.pad(system.added, ((0, 0), (0, 1))), new[0]])
        added[:, -1] = new[0, len(system.matrix) :]
        return system._changed(
            added=added,
            vectors=np.vstack([np.pad(system.vectors, ((0, 0), (0, 1))), new[1]]),
            weights=np.append(system.weights, 1 / distance),
            places=places,
        )

    def renewed(self):
        """The same system, its inverse computed anew."""
        return _System(self._merged_matrix())

    def _placed(self, vector):
        placed = np.zeros(self.vectors.shape[1])
        placed[self.places] = vector
        return placed

    def _changed(self, **attributes):
        system = copy(self)
        system.__dict__.update(attributes)
        return system

    def _merged_if_long(self):
        if len(self.weights) < MAX_TERMS:
            return self
        n = len(self.matrix)
        inverse = (self.vectors.T * self.weights) @ self.vectors
        inverse[:n, :n] += self.inverse
        return _System(self._merged_matrix(), inverse[np.ix_(self.places, self.places)])

    def _merged_matrix(self):
        n, n_places = self.matrix.shape[0], self.vectors.shape[1]
        matrix = np.empty((n_places, n_places))
        matrix[:n, :n] = self.matrix
        matrix[n:] = self.added
        matrix[:, n:] = self.added.T
        return matrix[np.ix_(self.places, self.places)]


class _GramRows:
    """Rows of the training Gram matrix: computed when asked for, stored when they are loaded.

    Attributes
    ----------
    largest : ndarray of shape (n_rows,)
        Largest absolute entry of each column so far.
    """

    def __init__(self, compute, n_rows):
        self._compute = compute
        self._slots = np.full(n_rows, -1)
        self._store = np.empty((0, n_rows))
        self._n_stored = 0
        self.largest = np.zeros(n_rows)

    def compute(self, rows):
        """Rows of the matrix, shape (n, n_rows), not stored."""
        stored = self._slots[rows] >= 0
        if stored.all():
            return self._store[self._slots[rows]]
        computed = np.asarray(self._compute(rows), dtype=np.float64)
        np.maximum(self.largest, np.abs(computed).max(axis=0), out=self.largest)
        return computed

    def product(self, rows, coefficients):
        """``coefficients @ matrix`` for coefficients that vanish outside some rows."""
        total = np.zeros(len(self._slots))
        for some in np.array_split(rows, len(rows) // BATCH + 1):
            total += coefficients[some] @ self.compute(some)
        return total

    def load(self, rows):
        missing = rows[self._slots[rows] < 0]
        needed = self._n_stored + len(missing)
        if needed > len(self._store):
            store = np.empty((max(needed, 2 * len(self._store)), len(self._slots)))
            store[: self._n_stored] = self._store[: self._n_stored]
            self._store = store
        self._store[self._n_stored : needed] = self.compute(missing)
        self._slots[missing] = np.arange(self._n_stored, needed)
        self._n_stored = needed

    def __getitem__(self, row):
        if self._slots[row] < 0:
            self.load(np.array([row]))
        return self._store[self._slots[row]]

    def block(self, rows):
        """Matrix between loaded rows."""
        return self._store[np.ix_(self._slots[rows], rows)]

    def diagonal(self, rows):
        """Diagonal of the matrix at loaded rows."""
        return self._store[self._slots[rows], rows]

    def combine(self, rows, coefficients):
        """``coefficients @ matrix[rows]`` for loaded rows, without a copy of them."""
        weights = np.zeros(self._n_stored)
        weights[self._slots[rows]] = coefficients
        return weights @ self._store[: self._n_stored]


def _ratios(distances, speeds, moving):
    """Steps to cover distances (from 0 up) at speeds; infinite for what does not move."""
    steps = np.full(len(distances), np.inf)
    with np.errstate(over="ignore"):
        steps[moving] = np.maximum(distances[moving], 0.0) / speeds[moving]
    return steps


def _first(steps):
    """The shortest step and its place."""
    if not len(steps):
        return np.inf, -1
    place = int(steps.argmin())
    return steps[place], place
