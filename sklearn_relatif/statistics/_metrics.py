"""Metrics of predictions, by name or as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..losses import of_models
from ..utils._validation import check_choice
from ._base import Metric


class ScoreFunction(Metric):
    """What a user's function makes of the scores of some rows.

    Parameters
    ----------
    function : callable
        From scores, in the form of ``decision_function``, to the number and its gradient.
    loss : Loss
        Of the model.
    """

    name = "function"

    def __init__(self, function: Callable[[np.ndarray], tuple[float, np.ndarray]], loss: Any):
        self.function, self.loss = function, loss

    def values(self, predictors):
        models = predictors.swapaxes(0, 1)
        return np.array([self.function(self.loss.scores(eta))[0] for eta in models])

    def gradient(self, predictor):
        return self.loss.from_scores(self.function(self.loss.scores(predictor))[1])


class LogLoss(Metric):
    """Mean loss of the targets by the model's own loss."""

    name = "log_loss"
    has_bounds = True

    def __init__(self, y: np.ndarray, loss: Any):
        self.y, self.loss = y, loss

    def values(self, predictors):
        return of_models(self.loss.value, self.y, predictors).mean(axis=0)

    def bounds(self, predictors, reach, moved):
        def most(y, eta):
            slopes = np.abs(self.loss.residual(y, eta)) * reach.reshape(eta.shape)
            return slopes.sum(axis=1) + self.loss.remainder(y, eta, moved.ravel())

        return of_models(most, self.y, predictors).mean(axis=0)

    def gradient(self, predictor):
        return self.loss.residual(self.y, predictor) / len(self.y)


#: By name; each takes the targets of the rows and the loss of the model.
METRICS: dict[str, Callable[..., Metric]] = {"log_loss": LogLoss}


def metric_of(function: Any, loss: Any, y: np.ndarray, sensitive: Any = None) -> Metric:
    """A metric by its name, or by what a function makes of scores.

    Parameters
    ----------
    function : str or callable
    loss : Loss
        Of the model.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets of the rows, as the loss takes them.
    sensitive : array-like of shape (n_rows,), optional
        The group of people that each row belongs to, for gaps between groups.
    """
    if callable(function):
        return ScoreFunction(function, loss)
    check_choice("metric", function, tuple(METRICS))
    return METRICS[function](y, loss)
