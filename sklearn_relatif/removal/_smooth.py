"""Models of a loss with curvature without some of their rows: by Newton steps, or retrained."""

from __future__ import annotations

import reprlib
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..curvature import hessian_inverse
from ..objectives import NO_PARAMETERS, LinearObjective
from ..optimality import lacks_optimum, no_optimum
from ..utils._arrays import on_host
from ._active_parameters import settle
from ._base import ModelsWithout, Remover
from ._bounds import enclosures, obstacle, stepped_enclosures
from ._changes import parameter_changes, training_effects
from ._descent import PRECISION, largest_change, minimise
from ._downdate import without
from ._existence import is_endless
from ._models import TOLERANCE, predictors
from ._newton import loo_predictor, newton_steps
from ._retraining import Retrainer, retraining_curvature
from ._surroundings import Surroundings

#: Models that are retrained, and held, at a time.
MODELS_AT_A_TIME = 256


@dataclass(frozen=True)
class SteppedModels(ModelsWithout):
    """Models given by parameters in the coordinates of an objective.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    before : LinearObjective
        At the optimum of all rows.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
    """

    before: LinearObjective
    weights: np.ndarray

    def predictor_before(self, query):
        return self._predictors(query, self.before.weights[None])[:, 0]

    def predictors(self, query):
        return self._predictors(query, self.weights)

    def _predictors(self, query, weights):
        return np.concatenate([eta for _, eta in predictors(query.jacobian, weights)])

    def take(self, models):
        """Some of them."""
        return replace(self, positions=self.positions[models], weights=self.weights[models])

    def at(self, weights):
        """The same models at other parameters."""
        return replace(self, weights=weights)

    def parameter_change(self):
        return parameter_changes(self.before, self.weights)

    def training_change(self):
        return training_effects(self.before, self.weights)

    def tables(self):
        return [self.before.score_weights(weights) for weights in self.weights]

    def objectives(self, removals):
        for position, weights in zip(self.positions, self.weights, strict=True):
            yield replace(without(self.before, removals[position]), weights=weights)


class SettledModels(SteppedModels):
    """Models with other active parameters than that of all rows: in the columns of the user."""

    def _predictors(self, query, weights):
        jacobian = self.before.query_jacobian(query.features)
        return super()._predictors(query._replace(jacobian=jacobian), weights)


@dataclass(frozen=True)
class SettledModel(SettledModels):
    """One of these, whose active set is known.

    Attributes
    ----------
    settled : LinearObjective
        Of the rows that are left, on the active set of its optimum.
    """

    settled: LinearObjective

    def objectives(self, removals):
        yield self.settled


class SmoothRemover(Remover):
    """Newton steps from the optimum of all rows, and descent to the optima without some.

    Parameters
    ----------
    objective : LinearObjective
        At its optimum.
    curvature : Curvature
        Its Hessian there, without damping.
    doubt : str or None
        What to say of whatever is told, because no optimum was found.
    """

    objective: LinearObjective

    def __init__(self, objective: LinearObjective, curvature: Any, doubt: str | None = None):
        self.objective = objective
        self.curvature = curvature
        self.doubt = doubt

    @classmethod
    def of(cls, objective, curvature=None):
        """That of an objective, whose optimum is looked for first; see :func:`trained`."""
        return cls(*trained(objective, curvature))

    def at_optimum(self, query):
        # Models without rows are found in this machine's memory.
        return query._replace(jacobian=self.objective.query_jacobian(on_host(query.features)))

    def predictor(self, query):
        self._say_doubt()
        return self.objective.predictor(query.jacobian)

    def models_without(self, removals, order):
        self._say_doubt()
        if order == "newton":
            return newton_models(self.objective, self.curvature, removals)
        return retrained_models(self.objective, removals)

    @property
    def lacks_bounds(self):
        return obstacle(self.objective)

    @cached_property
    def surroundings(self):
        return Surroundings(self.objective)

    def __getstate__(self):
        """Without the surroundings: they hold functions, which cannot be saved."""
        return {name: value for name, value in vars(self).items() if name != "surroundings"}

    def enclosed_steps(self, removals, n_steps):
        for ball in stepped_enclosures(self.surroundings, removals, n_steps):
            yield SteppedModels(ball.models, self.objective, ball.centres), ball

    def enclosed_models(self, removals, order):
        for models in self.models_without(removals, order):
            groups = [removals[position] for position in models.positions]
            for ball in enclosures(self.surroundings, groups, models.weights):
                yield models.take(ball.models), ball

    def loo_predictor(self):
        self._say_doubt()
        return loo_predictor(self.objective, self.curvature)

    def _say_doubt(self):
        if self.doubt:
            warnings.warn(self.doubt, ConvergenceWarning, stacklevel=3)


def trained(objective, curvature=None):
    """An objective at its optimum, from wherever its fit has stopped, and the Hessian there.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object, optional
        Its Hessian. None: computed.

    Returns
    -------
    objective : LinearObjective
        In this machine's memory, on the active set of the optimum, where there is an L1 penalty.
    curvature : curvature object
    doubt : str or None
        Why this is not the optimum, if none was found: then it is where the search has ended.
    """
    doubt, given = None, objective
    if not objective.has_l1:
        curvature = _inverse_of(objective) if curvature is None else curvature
        objective = objective.on_host
        point = minimise(objective, curvature, goal=0.0)
        optimum = replace(objective, weights=point.weights[0])
        given = replace(given, weights=point.weights[0])
        if is_endless(optimum, point):
            return objective, _inverse_of(objective), no_optimum([])
        is_optimal = point.relative[0] <= TOLERANCE
    else:
        optimum, is_optimal = settle(objective)
        given = optimum
        if not optimum.weights.size:
            raise ValueError(f"At its optimum: {NO_PARAMETERS}")
    if not is_optimal:
        doubt = not_found("all rows")
    if objective.has_l1 or largest_change(objective, optimum.weights) > PRECISION:
        curvature = hessian_inverse(given)
    return optimum, curvature, doubt


def optimum_near(objective, curvature):
    """An objective at its optimum, from parameters that are near it.

    Parameters
    ----------
    objective : LinearObjective
        In this machine's memory.
    curvature : curvature object or None
        About its Hessian. None: it is computed.

    Returns
    -------
    objective : LinearObjective
    is_found : bool
        Whether there is an optimum, and it was reached.
    """
    if objective.has_l1:
        return settle(objective)
    point = minimise(objective, curvature, goal=0.0)
    found = replace(objective, weights=point.weights[0])
    return found, bool(point.relative[0] <= TOLERANCE) and not is_endless(found, point)


def _inverse_of(objective):
    """Its Hessian; of a model without an optimum, where that vanishes, the error says so."""
    try:
        return hessian_inverse(objective)
    except ValueError as error:
        if lacks_optimum(objective):
            raise ValueError(no_optimum([])) from error
        raise ValueError(
            "Models are retrained by the Hessian of what the model itself minimised, without any "
            "damping, and it is not positive definite: the rows leave a direction undetermined "
            "there. Fit the model with more regularisation, or closer to its optimum."
        ) from error


def newton_models(objective, curvature, removals):
    """One Newton step of each model without a group of rows, in batches."""
    for positions, weights in newton_steps(objective, curvature, removals):
        yield SteppedModels(positions, objective, weights)


def retrained_models(objective, removals):
    """Exactly retrained models, in batches.

    Where the active set of an L1 penalty changes, it is found anew.

    Parameters
    ----------
    objective : LinearObjective
        At its optimum.
    removals : list of ndarray of int
    """
    retrainer = Retrainer.of(objective, retraining_curvature(objective), len(removals))
    for first in range(0, len(removals), MODELS_AT_A_TIME):
        chunk = removals[first : first + MODELS_AT_A_TIME]
        result = retrainer.without(chunk)
        is_exact = result.converged & ~result.active_set_changed
        if is_exact.any():
            positions = first + np.flatnonzero(is_exact)
            yield SteppedModels(positions, result.objective, result.weights[is_exact])
        for index in np.flatnonzero(~is_exact):
            yield _settled(result, index, chunk[index], first + index)


def _settled(result, index, rows, position):
    """A model that left its active set, or that has found no optimum."""
    objective, weights = result.objective, result.weights[[index]]
    # Of a model without an optimum, a warning has told already.
    is_optimal = result.lacks_optimum[index]
    if not objective.has_l1:
        models = SteppedModels(np.array([position]), objective, weights)
    else:
        start = weights[0] if result.converged[index] else objective.weights
        settled, is_optimal = settle(replace(without(objective, rows), weights=start))
        table = settled.score_weights()
        at = np.array([position]), objective.unrestricted(), table[None]
        models = SettledModel(*at, settled=settled)
    if not is_optimal:
        doubt = not_found(f"all rows but {reprlib.repr(rows.tolist())}")
        warnings.warn(doubt, ConvergenceWarning, stacklevel=2)
    return models


def not_found(rows):
    return (
        f"No optimum was found for the model of {rows}. What is told of it is of where the search "
        "has ended. Parameters may fit the rows ever better as they grow, as of separable "
        "classes, or columns hardly vary about a mean far from 0: use a penalty, and standardise "
        "the columns."
    )
