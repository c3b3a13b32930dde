"""Removing rows from a support vector machine with hinges, on the KKT system of its solution.

The solution (``_solution.py``) moves along lines. It is followed along them up to the point where
a row changes its set (``_path.py``), or, for the estimate by one step, past it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ._gram_rows import BATCH
from ._path import direction, follow
from ._solution import Problem, Solution

#: Violation of a margin, relative to its size, from which on it is said that numbers lack digits.
LARGE_VIOLATION = 1e-7


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
    """The exact solution of a support vector machine, and what it becomes without some rows.

    It minimises ``norm(f)^2 / 2 + sum_j C_j max(0, y_j (t_j - f(x_j))) + b sum_j q_j``. With
    targets ``t_j = y_j`` and without quotas ``q_j`` that is the binary classifier. Regression in
    a tube has two rows for each of its own, of signs 1 and -1 and the targets that its ends are;
    they are removed together. The machine of one class has targets of 0 and all signs 1, and its
    coefficients add up to the quotas of the rows that are left.

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
    targets : ndarray of shape (n_rows,), default=None
        ``t_j``. None: the signs.
    quota : ndarray of shape (n_rows,), default=None
        ``q_j``. None: 0.
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
        targets: np.ndarray | None = None,
        quota: np.ndarray | None = None,
        intercept: float | None = None,
    ):
        y, alpha, upper = (np.asarray(part, dtype=np.float64) for part in (y, alpha, upper))
        targets = y if targets is None else np.asarray(targets, dtype=np.float64)
        quota = np.zeros(len(y)) if quota is None else np.asarray(quota, dtype=np.float64)
        problem = Problem(gram_rows, y, targets, upper, quota, int(fit_intercept))
        self._solution = _solved(problem, alpha, intercept)
        self._warn_if_violated(self._solution.violation)
        self.alpha = self._solution.alpha
        self.intercept = self._solution.intercept
        self.intercept_interval = self._solution.interval
        self.free = np.sort(self._solution.free)
        self.decision_values = self._solution.values

    def removal_step(self, removals: Iterable[int | np.ndarray]) -> RemovalChange:
        """Estimate removals by one move, all other rows held in their sets.

        The coefficient of the removed row goes to 0 while the (other) free rows stay on the
        margin; bounded and zero rows keep their coefficients, free ones may overstep their
        bounds. For a free row this is the span rule. If no other row is free, the
        intercept moves first, to where a row that can balance the coefficients becomes free.
        Removing rows whose coefficients and quotas are 0 changes nothing.

        Parameters
        ----------
        removals : iterable of int or array of int
            Row numbers; an array of them is a group of rows that is removed at once.

        Returns
        -------
        RemovalChange
        """
        stepped = map(self._step, self._starts(removals))
        return self._collect(stepped, lambda solution: (solution.intercept, solution.intercept))

    def removal_path(self, removals: Iterable[int | np.ndarray]) -> RemovalChange:
        """Remove rows exactly: the machine becomes what it would be if trained without them.

        The solution is followed while the coefficient of the removed row goes to 0 and rows
        enter and leave the free set on the way; at the end the KKT conditions of the
        machine without the row are checked. Removing rows whose coefficients and quotas are 0
        changes nothing, unless they bound an intercept that no row determines.

        Parameters
        ----------
        removals : iterable of int or array of int
            Row numbers; an array of them is a group of rows that is removed at once.

        Returns
        -------
        RemovalChange
        """
        followed = map(self._path, self._starts(removals))
        return self._collect(followed, lambda solution: solution.interval)

    # --- how it is done --------------------------------------------------------------------

    def _starts(self, removals):
        """The solution for each removal, the rows to remove in no set any more."""
        start, gram = self._solution, self._solution.problem.gram
        everyone = np.arange(len(start.alpha))
        removals = [np.unique(everyone[rows]) for rows in removals]
        for begin in range(0, len(removals), BATCH):
            batch = removals[begin : begin + BATCH]
            taken = np.zeros((len(batch), len(everyone)))
            for rows, beta in zip(batch, taken, strict=True):
                beta[rows] = start.beta[rows]
            pulls = gram.product(np.flatnonzero(taken.any(axis=0)), -taken)
            for rows, pull in zip(batch, pulls, strict=True):
                changes = start.alpha[rows].any() or start.problem.quota[rows].any()
                changes = changes or start.lacks_hold
                yield self._start_without(rows, pull) if changes else start

    def _start_without(self, rows, pull):
        solution = replace(self._solution.copy(), wanted=None)
        solution.leaving, solution.pull, solution.left = rows[solution.alpha[rows] > 0], pull, 1.0
        solution.side[rows] = 0.0
        solution.total = self._solution.total - self._solution.problem.quota[rows].sum()
        for index in np.flatnonzero(np.isin(solution.free, rows))[::-1]:
            solution.drop(index)
        is_moved = len(solution.leaving) or solution.total != self._solution.total
        if not is_moved and solution.interval == self.intercept_interval:
            return self._solution
        return solution

    def _step(self, solution):
        if solution is not self._solution:
            solution.shift[:] = 0.0
            if solution.is_stuck:
                solution.slide_intercept()
            d_free, d_intercept, _ = direction(solution)
            solution.alpha[solution.free] += solution.problem.y[solution.free] * d_free
            solution.alpha[solution.leaving] = 0.0
            solution.intercept += d_intercept
        return solution

    def _path(self, solution):
        if solution is not self._solution:
            follow(solution, self._solution)
        return solution

    def _collect(self, solutions, interval):
        start, indptr = self._solution, [0]
        y, data = start.problem.y, [np.empty(0)]
        moved_rows: list[np.ndarray] = [np.empty(0, np.intp)]
        intercepts, intervals, violation = [], [], 0.0
        for solution in solutions:
            moved = np.flatnonzero(solution.alpha != start.alpha)
            data.append(y[moved] * (solution.alpha - start.alpha)[moved])
            moved_rows.append(moved)
            indptr.append(indptr[-1] + len(moved))
            intercepts.append(solution.intercept - start.intercept)
            intervals.append(interval(solution))
            violation = max(violation, solution.violation)
        self._warn_if_violated(violation)
        indices = np.concatenate(moved_rows)
        coefficients = sparse.csr_array(
            (np.concatenate(data), indices, indptr), shape=(len(intercepts), len(y))
        )
        return RemovalChange(coefficients, np.array(intercepts), np.array(intervals).reshape(-1, 2))

    def _warn_if_violated(self, violation):
        scale = self._solution.scale
        if violation > LARGE_VIOLATION * scale:
            warnings.warn(
                "The support vector machine is ill-conditioned: in double precision its margins "
                f"are good to {violation / scale:.1g} only, and so are effects of removals. Scale "
                "the features, or lower C.",
                ConvergenceWarning,
                stacklevel=3,
            )


def _solved(problem, alpha, intercept):
    """The exact solution, searched from approximate coefficients."""
    solution = Solution.near(problem, alpha, intercept)
    follow(solution, solution.copy())
    # Once more, without the rounding errors that a far start leaves in f.
    solution.values = problem.gram.product(np.flatnonzero(solution.alpha), solution.beta)
    solution.values += solution.intercept
    follow(solution, solution.copy())
    return solution
