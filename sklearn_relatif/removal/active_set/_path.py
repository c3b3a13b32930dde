"""The path of a solution, along lines that end where a row changes its set.

As long as no row changes its set, the solution moves along a line, which the KKT system of the
free rows determines: f stays at the margin on them and, where there is an intercept, the
coefficients keep their sum, or get the one that they must have without the rows that leave. What
moves it are the coefficients of rows on their way out, and shifts of the margins that vanish.
"""

from __future__ import annotations

import numpy as np

from ._solution import ALPHA_ROUNDING, Solution, first

#: Size of the random shifts of margins, relative to the largest margin, and how far it is raised
#: when rows go in circles.
JITTER = 1e-9
MAX_JITTER = 1e-3
MAX_ROUNDS = 20
#: Changes of the sets in one round, per row, from which on rows are taken to go in circles.
MAX_EVENTS_PER_ROW = 20


def follow(solution: Solution, start: Solution) -> None:
    """Let leaving rows leave and shifts of margins vanish, the KKT conditions kept.

    Each round removes what the rounding errors of the one before have left.

    Parameters
    ----------
    solution : Solution
        Changed in place.
    start : Solution
        Where it comes from, with exact values of f.

    Raises
    ------
    RuntimeError
        If rounding errors keep the KKT conditions from being met.
    """
    jitter = JITTER
    for _ in range(MAX_ROUNDS):
        solution.shift_margins(jitter)
        at_end = _follow_to_end(solution)
        solution.refresh(start)
        if at_end and solution.is_solved(start):
            return
        if not at_end:
            jitter = min(1e3 * jitter, MAX_JITTER)
    raise RuntimeError(
        "Following the solution of the support vector machine failed: rounding errors leave "
        f"a violation of its margins of {solution.violations.max():.2g}. The kernel may be "
        "ill-conditioned: scale the features, or lower C."
    )


def _follow_to_end(solution):
    """One round; returns whether it got to its end before rows went in circles."""
    y, remaining = solution.problem.y, 1.0
    for _ in range(int(MAX_EVENTS_PER_ROW * len(y))):
        if solution.is_stuck and solution.slide_intercept():
            continue
        d_free, d_intercept, d_values = direction(solution)
        d_alpha = y[solution.free] * d_free
        to_bound, index = solution.first_at_bound(d_alpha)
        to_margin, row = _first_at_margin(solution, d_values)
        step = min(1.0, to_bound, to_margin)

        solution.alpha[solution.free] += step * d_alpha
        solution.intercept += step * d_intercept
        solution.values += step * d_values
        solution.alpha[solution.leaving] *= 1 - step
        solution.left *= 1 - step
        solution.shift *= 1 - step
        remaining *= 1 - step
        if remaining < ALPHA_ROUNDING:
            solution.alpha[solution.leaving] = solution.left = 0.0
            return True
        if step == to_bound:
            solution.leave(index)
        else:
            solution.enter(row)
    return False


def direction(solution: Solution) -> tuple[np.ndarray, float, np.ndarray]:
    """The whole move to the end, as it would be if no row changed its set.

    Returns
    -------
    d_free : ndarray of shape (n_free,)
        Change of the coefficients beta of the free rows.
    d_intercept : float
    d_values : ndarray of shape (n_rows,)
        Change of f.
    """
    problem, free = solution.problem, solution.free
    has_intercept = problem.has_intercept
    pulled = solution.left * solution.pull
    if not len(free):
        return np.zeros(0), 0.0, pulled
    right = (problem.targets - solution.values - pulled)[free]
    if has_intercept:
        right = np.append(-solution.imbalance, right)
    responded = np.empty_like(pulled)

    def multiply(changes):
        np.copyto(responded, problem.gram.combine(free, changes[has_intercept:]))
        if not has_intercept:
            return responded[free]
        responded[...] += changes[0]
        return np.append(changes[1:].sum(), responded[free])

    changes, _ = solution.solve_kkt(right, multiply)
    d_intercept = changes[0] if has_intercept else 0.0
    return changes[has_intercept:], d_intercept, pulled + responded


def _first_at_margin(solution, d_values):
    """Share of a move at which the first zero or bounded row reaches the margin."""
    speed = solution.side * (solution.shift - solution.problem.y * d_values)
    return first(solution.slack, speed, speed > 0)
