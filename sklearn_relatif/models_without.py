"""Models without some of their training rows, however they were come by.

A batch of such models says at which positions of the list of removals it stands, and what its
models predict and how far they are from the model of all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import objectives, retraining
from .objectives import LinearObjective

#: Models that are retrained, and held, at a time.
MODELS_AT_A_TIME = 256


@dataclass(frozen=True)
class SteppedModels:
    """Models given by parameters in the coordinates of an objective.

    Attributes
    ----------
    positions : ndarray of int, shape (n_models,)
    before : LinearObjective
        At the parameters of the model of all rows.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
    """

    positions: np.ndarray
    before: LinearObjective
    weights: np.ndarray

    def predictor_before(self, query):
        """Linear predictor of queries by the model of all rows, (n_queries, n_outputs)."""
        return self.before.predictor(query.design)

    def predictors(self, query):
        """Linear predictors without the rows, (n_queries, n_models, n_outputs)."""
        blocks = retraining.predictors(query.design, self.weights)
        return np.concatenate([eta for _, eta in blocks])

    def parameter_change(self):
        """Norm of the change of the parameters, shape (n_models,)."""
        return retraining.parameter_changes(self.before, self.weights)

    def training_change(self):
        """Root of the summed squared changes of the training losses, shape (n_models,)."""
        return retraining.training_effects(self.before, self.weights)

    def estimators(self, model):
        """Copies of a fitted scikit-learn model with these parameters."""
        tables = (self.before.score_weights(weights) for weights in self.weights)
        return [objectives.with_score_weights(model, table) for table in tables]


@dataclass(frozen=True)
class RefittedModel:
    """One model that scikit-learn fitted again, in the interface of :class:`SteppedModels`."""

    positions: np.ndarray
    before: LinearObjective
    model: Any
    all_rows: Any

    def predictor_before(self, query):
        return self.before.predictor(query.design)

    def predictors(self, query):
        return self._predictor(query.features)[:, None]

    def parameter_change(self):
        change = objectives.score_weights(self.model) - self.before.score_weights()
        return np.array([np.linalg.norm(self.before.loss.from_scores(change.T))])

    def training_change(self):
        loss, y = self.before.loss, self.before.y
        before = loss.value(y, self.before.training_predictor)
        change = loss.value(y, self._predictor(self.all_rows)) - before
        return np.sqrt([self.before.sample_weight @ change**2])

    def estimators(self, model):
        return [self.model]

    def _predictor(self, features):
        scores = getattr(self.model, "decision_function", self.model.predict)(features)
        return self.before.loss.from_scores(scores)


def newton_models(objective, curvature, removals):
    """One Newton step of each model without a group of rows, in batches."""
    for positions, weights in retraining.newton_steps(objective, curvature, removals):
        yield SteppedModels(positions, objective, weights)


def retrained_models(objective, removals, refit, all_rows):
    """Exactly retrained models, in batches.

    A model that left the active set of its L1 penalty, or that did not converge, is fitted by
    scikit-learn: ``refit`` takes a list of removals and returns estimators.
    """
    curvature = retraining.retraining_curvature(objective)
    for first in range(0, len(removals), MODELS_AT_A_TIME):
        chunk = removals[first : first + MODELS_AT_A_TIME]
        result = retraining.retrain(objective, chunk, curvature)
        objective = result.objective
        exact = result.converged & ~result.active_set_changed
        if exact.any():
            yield SteppedModels(first + np.flatnonzero(exact), objective, result.weights[exact])
        left = np.flatnonzero(~exact)
        for index, model in zip(left, refit([chunk[i] for i in left]), strict=True):
            yield RefittedModel(np.array([first + index]), objective, model, all_rows)
