"""Have models without some of their rows an optimum?

A linear program tells (see ``lacks_optimum``), in about a second for tens of thousands of rows. It
is asked only of models that may have been stopped on their way to infinity, and of which no ball is
known that an optimum lies in: where the Newton decrement is small enough, self-concordance proves
that there is one nearby (see ``_bounds``), at the cost of a few passes over the rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..optimality import lacks_optimum, may_lack_optimum, takes_program
from ._bounds import enclosures, obstacle
from ._downdate import without
from ._models import TOLERANCE, predictors
from ._surroundings import Surroundings

#: Predictor from which on a model may have no optimum, and only have been stopped.
FAR = 15
#: Change of a predictor by a removal from which on the model without the rows may have none.
STRAY = 1


def is_endless(objective: Any, point: Any) -> bool:
    """Whether an objective, minimised up to a point, has no optimum to arrive at."""
    # One that has arrived near zero has, which is cheaper to see than to prove.
    is_suspect = point.relative[0] > TOLERANCE or np.abs(objective.training_predictor).max() > FAR
    return bool(is_suspect) and has_no_optimum(objective)


def has_no_optimum(objective: Any) -> bool:
    """Whether an objective has no optimum, quick to deny where it is at one."""
    nothing, table = np.empty(0, np.intp), objective.weights[None].astype(np.float64)
    is_proved = have_optimum(objective, [nothing], table)[0]
    return not is_proved and lacks_optimum(objective)


def are_endless(objective: Any, groups: list[np.ndarray], tables: np.ndarray) -> np.ndarray:
    """Which models without groups of rows have no optimum, (n_groups,).

    Parameters
    ----------
    objective : LinearObjective
        Of all rows, at its optimum.
    groups : list of ndarray of int
    tables : ndarray of shape (n_groups, n_outputs, n_columns)
        Where each of the models has arrived, or was stopped.
    """
    found = np.zeros(len(groups), bool)
    for model in np.flatnonzero(~have_optimum(objective, groups, tables)).tolist():
        reduced = replace(without(objective, groups[model]), weights=tables[model])
        found[model] = lacks_optimum(reduced)
    return found


def have_optimum(objective: Any, groups: list[np.ndarray], tables: np.ndarray) -> np.ndarray:
    """Which of these models are proved to have an optimum, near their parameters, (n_groups,).

    None where no proof is needed, since no linear program would have to be asked.
    """
    proved = np.zeros(len(groups), bool)
    if not len(groups) or not takes_program(objective) or obstacle(objective) is not None:
        return proved
    try:
        around = Surroundings(objective.astype(np.float64))
    except ValueError:  # Without an optimum, the Hessian vanishes.
        return proved
    for ball in enclosures(around, groups, tables):
        proved[ball.models] = np.isfinite(ball.radii)
    return proved


def are_far(objective: Any, weights: np.ndarray) -> np.ndarray:
    """Which models may only have stopped, at predictors so large that no slope is left of a loss.

    Without the rows that held it, a model leaves that of all rows far behind.
    """
    if not may_lack_optimum(objective):
        return np.zeros(len(weights), bool)
    largest, change = np.zeros(len(weights)), np.zeros(len(weights))
    for rows, eta in predictors(objective.jacobian, weights):
        before = objective.training_predictor[rows, None]
        largest = np.maximum(largest, np.abs(eta).max(axis=(0, 2)))
        change = np.maximum(change, np.abs(eta - before).max(axis=(0, 2)))
    return (largest > FAR) & (change > STRAY)
