"""What every metric promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._losses import STEP
from ._promises import promise, same

#: Lengths of the steps by which bounds are tried, in units of predictors.
LENGTHS = (1e-6, 1e-2, 1.0)


def check_metric(
    metric: Any, predictors: np.ndarray, loss: Any, *, tolerance: float = 1e-7
) -> None:
    """Hold a metric to its protocol, by finite differences and by steps of random lengths.

    - ``values`` has a number a model, which does not depend on the models beside.
    - ``gradient`` is the derivative of the value by the predictor of each row, unless it
      ``is_smoothed``: then it is finite, and of the shape of the predictor.
    - Where it ``has_bounds``, no value a step away is further off than ``bounds`` say.

    Parameters
    ----------
    metric : Metric
    predictors : ndarray of shape (n_rows, n_models, n_outputs)
        Of the rows that the metric is of, by several models.
    loss : Loss
        Of these models. It measures steps.
    tolerance : float, default=1e-7
        Share of the largest number by which central differences may be off.

    Raises
    ------
    AssertionError
        That names the promise that is broken.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_relatif.losses import SquaredError
    >>> from sklearn_relatif.statistics import Metric
    >>> from sklearn_relatif.testing import check_metric
    >>> class Spread(Metric):
    ...     name = "spread"
    ...
    ...     def values(self, predictors):
    ...         return predictors[:, :, 0].var(axis=0)
    ...
    ...     def gradient(self, predictor):
    ...         return 2 * (predictor - predictor.mean(axis=0)) / len(predictor)
    >>> predictors = np.random.default_rng(0).normal(size=(20, 3, 1))
    >>> check_metric(Spread(), predictors, SquaredError())
    """
    predictors = np.asarray(predictors, np.float64)
    n_models = predictors.shape[1]
    promise(isinstance(metric.name, str), "a metric has a name")
    values = metric.values(predictors)
    promise(values.shape == (n_models,), "values has shape (n_models,)")
    alone = [metric.values(predictors[:, [model]])[0] for model in range(n_models)]
    same(values, alone, 1e-12, "the value of a model does not depend on the others")
    for predictor in predictors.swapaxes(0, 1):
        _check_gradient(metric, predictor, tolerance)
    if metric.has_bounds:
        for length in LENGTHS:
            _check_bounds(metric, predictors, loss, length)


def _check_gradient(metric: Any, predictor: np.ndarray, tolerance: float) -> None:
    gradient = metric.gradient(predictor)
    promise(gradient.shape == predictor.shape, "gradient has the shape of the predictor")
    if metric.is_smoothed:
        promise(np.isfinite(gradient).all(), "the gradient is finite")
        return
    steps = STEP * np.eye(predictor.size).reshape(*predictor.shape, -1).swapaxes(1, 2)
    above, below = (metric.values(predictor[:, None] + sign * steps) for sign in (1, -1))
    expected = ((above - below) / (2 * STEP)).reshape(predictor.shape)
    same(gradient, expected, tolerance, "gradient is the derivative of the value")


def _check_bounds(metric: Any, predictors: np.ndarray, loss: Any, length: float) -> None:
    steps = length * np.random.default_rng(0).normal(size=predictors.shape)
    bounds = metric.bounds(predictors, np.abs(steps), loss.moved(steps))
    promise(bounds.shape == predictors.shape[1:2], "bounds has shape (n_models,)")
    off = np.abs(metric.values(predictors + steps) - metric.values(predictors))
    promise((off <= bounds).all(), "no value near is further off than bounds say")
