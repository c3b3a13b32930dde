"""The optimum of an L1 penalty or of bounds: which parameters are active, and their values.

With the active parameters and their signs given, the objective is smooth, and its optimum is found
to rounding. It is that of the penalty too if no sign is wrong, and if in no other parameter the
losses are steeper than the penalty (on a bound: fall at all). Otherwise parameters leave or enter,
and the smooth optimum is found again. Each optimum is lower than the one before, since a step ends
where the first sign would change, so that no active set comes twice. Far from the end, all
parameters whose signs would change leave together, which takes fewer steps and mostly is right.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from ..curvature import null_space
from ._descent import minimise
from ._models import TOLERANCE, Models

#: Relative gradient at which an active set is judged.
CLOSE = TOLERANCE / 100
#: Changes of the active set in which all wrong signs leave together.
EAGER_CHANGES = 20
#: Changes after which the search is given up.
MAX_CHANGES = 1000
#: Times that an active set comes, because rounding hides what is lower, until it is given up too.
MAX_VISITS = 5
#: Parameters enter if their slope exceeds the penalty by at least this share of the largest excess.
ENTERING = 0.5
#: Curvature that stands in where there is none, relative to the largest that a parameter has.
LEAST_CURVATURE = 1e-6


def settle(objective):
    """The objective at its optimum, on the active set that its penalty and bounds have there.

    Parameters
    ----------
    objective : LinearObjective
        With an L1 penalty or bounds, on any active set.

    Returns
    -------
    objective : LinearObjective
    is_optimal : bool
        Whether the conditions of the optimum hold, to rounding.
    """
    table = objective.score_weights().astype(np.float64)
    # Those whose sign is not that of the slope that led here are on their way to zero.
    table = np.where(table * objective.full_signs < 0, 0, table)
    if objective.loss.has_gauge:
        table = _centred(objective, table)
    signs = np.where(objective.full_kinks, np.sign(table), 0)
    n_changes, visits = 0, Counter[bytes]()
    while n_changes < MAX_CHANGES and visits[signs.tobytes()] < MAX_VISITS:
        visits[signs.tobytes()] += 1
        part, is_minimum = _minimum(objective.with_active_set(table, signs))
        target = part.score_weights()
        is_wrong = target * signs < 0
        fall = 0 * table if is_minimum else part.score_weights(_free_fall(part))
        if not is_wrong.any() and (table * fall < 0).any():
            ways = np.divide(-table, fall, out=np.full(table.shape, np.inf), where=table * fall < 0)
            is_wrong, target = ways == ways.min(), table + ways.min() * fall
            table = np.where(is_wrong, 0, target)
            signs[is_wrong] = 0
            n_changes += 1
            continue
        if is_wrong.any():
            if n_changes >= EAGER_CHANGES:
                ways = table[is_wrong] / (table - target)[is_wrong]
                target = table + ways.min() * (target - table)
                is_wrong[is_wrong] = ways == ways.min()
            elif not is_minimum:  # What else has moved on the way down for ever means nothing.
                target = table
            table = np.where(is_wrong, 0, target)
            signs[is_wrong] = 0
            n_changes += 1
            continue
        table = target
        if not is_minimum:
            continue
        excess, gradient = (parts[0] for parts in _alone(part).excess(part.weights[None]))
        if (excess <= 0).all():
            return _minimum(part, goal=0.0)[0], True
        enters = excess >= ENTERING * excess.max()
        signs[enters] = -np.sign(gradient[enters])
        n_changes += 1
    return part, False


def _free_fall(objective):
    """The way down for ever of a penalty's slope where no row sees where parameters go."""
    n_blocks = 1 if objective.loss.couples_outputs else objective.shape[0]
    slopes = np.broadcast_to(objective.slope, objective.shape).reshape(n_blocks, -1)
    directions = null_space(objective, n_blocks, unpenalised=False)
    parts = [-(slope @ n) @ n.T for slope, n in zip(slopes, directions, strict=True)]
    fall = np.reshape(parts, objective.shape)
    return np.where(np.abs(fall) > CLOSE * np.abs(slopes).max(), fall, 0)


def _centred(objective, table):
    """Parameters of the least L1 penalty of all that a softmax takes for the same.

    Those are the coefficients of one feature with a number added to that of each class.
    """
    is_free = (objective.full_l1 > 0).all(axis=0) & (objective.full_l2 == 0).all(axis=0)
    middle = np.sort(table, axis=0)[len(table) // 2]
    return np.where(is_free & (table != 0).all(axis=0), table - middle, table)


def _minimum(objective, goal=CLOSE):
    """A smooth objective at or nearer to its optimum, and whether it has got there."""
    if not objective.weights.size:
        return objective, True
    point = minimise(objective, goal=goal)
    if point.relative[0] <= TOLERANCE:
        return replace(objective, weights=point.weights[0]), True
    # Some way leads down for ever: the active parameters leave all predictors as they are there,
    # or the slope of the penalty would take a parameter through zero. It ends at a wrong sign.
    size = LEAST_CURVATURE * objective.total_weight * _largest_curvature(objective)
    held = objective.penalty + size, objective.slope - size * objective.weights
    near = replace(objective, penalty=held[0], slope=held[1])
    return replace(objective, weights=minimise(near, goal=CLOSE).weights[0]), False


def _largest_curvature(objective):
    return np.einsum("bii->bi", objective.hessian()).max()


def _alone(objective):
    return Models(objective, [np.empty(0, np.intp)])
