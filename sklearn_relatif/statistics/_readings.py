"""What metrics read of the predictors of a model: a number a row, or one a class or target.

A metric is a summary of what is read (``_ranking.py`` and its neighbours), so that what it is does
not depend on the kind of model, nor how a model is read on the metric.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..losses import of_models

#: Relative step of the differences by which the transformer of a target is differentiated.
STEP = np.finfo(np.float64).eps ** (1 / 3)
#: Of what is read, as such.
ROUNDING = 10 * np.finfo(np.float64).eps


class Reading:
    """Numbers of rows, by the predictors of models for them.

    Attributes
    ----------
    is_smoothed : bool, default=False
        Whether they are steps, in whose place there is the slope of ramps.
    has_reach : bool, default=False
        Whether it is known how far they may be off, where predictors are.
    is_of_tuned_labels : bool, default=False
        Whether they are of labels by a threshold that the model's ``fit`` tunes.
    """

    is_smoothed = False
    has_reach = False
    is_of_tuned_labels = False

    def values(self, predictors: np.ndarray) -> np.ndarray:
        """The numbers, shape (n_rows, n_models, n_columns).

        Parameters
        ----------
        predictors : ndarray of shape (n_rows, n_models, n_outputs)
        """
        n_rows, n_models, n_outputs = predictors.shape
        read = self.of_each(predictors.reshape(-1, n_outputs))
        return read.reshape(n_rows, n_models, -1)

    def of_each(self, predictors: np.ndarray) -> np.ndarray:
        """The numbers of one predictor each, shape (n, n_columns), where rows do not matter."""
        raise NotImplementedError

    def reach(self, predictors: np.ndarray, reach: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """The most that the numbers may be off, in the shape of :meth:`values`.

        Asked for only of those with :attr:`has_reach`.

        Parameters
        ----------
        predictors : ndarray of shape (n_rows, n_models, n_outputs)
        reach : ndarray of the same shape
            By how much each of them may be off.
        moved : ndarray of shape (n_rows, n_models)
            By how much those of a row may be off together, as the loss measures it.
        """
        raise NotImplementedError

    def pull(self, predictor: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient in the predictor, (n_rows, n_outputs), of what has one in these numbers.

        Parameters
        ----------
        predictor : ndarray of shape (n_rows, n_outputs)
        gradient : ndarray of shape (n_rows, n_columns)
        """
        raise NotImplementedError


class Lead(Reading):
    """The lead of the second of two classes, which is the score of the model.

    Parameters
    ----------
    loss : Loss
        That ``has_leads``.
    """

    has_reach = True

    def __init__(self, loss: Any):
        self.direction = loss.lead(1, 0)

    def of_each(self, predictors):
        return predictors.astype(np.float64) @ self.direction[:, None]

    def reach(self, predictors, reach, moved):
        return reach @ np.abs(self.direction)[:, None]

    def pull(self, predictor, gradient):
        return gradient * self.direction


class Scores(Reading):
    """Scores of the classes, in the form of ``decision_function``.

    Parameters
    ----------
    loss : Loss
    """

    has_reach = True

    def __init__(self, loss: Any):
        self.loss = loss

    def of_each(self, predictors):
        return self.loss.scores(predictors).astype(np.float64).reshape(len(predictors), -1)

    def reach(self, predictors, reach, moved):
        return reach @ np.abs(self.of_each(np.eye(self.loss.n_outputs)))

    def pull(self, predictor, gradient):
        return self.loss.from_scores(gradient)


class Probabilities(Reading):
    """Probabilities of some classes.

    Parameters
    ----------
    loss : Loss
        That ``has_probabilities``.
    classes : list of int
    """

    has_reach = True

    def __init__(self, loss: Any, classes: list[int]):
        self.loss, self.classes = loss, classes

    def of_each(self, predictors):
        return self.loss.probabilities(predictors).astype(np.float64)[:, self.classes]

    def reach(self, predictors, reach, moved):
        p, steps = self.values(predictors), moved[:, :, None]
        if not self.loss.couples_outputs:  # Each in the sum of them moves as well.
            steps = steps * min(self.loss.n_outputs, 2)
        with np.errstate(over="ignore"):
            most = p * (1 - p) * np.expm1(steps) + ROUNDING
        return np.minimum(most, 1)

    def pull(self, predictor, gradient):
        pulled = np.zeros(predictor.shape)
        for slope, label in zip(gradient.T, self.classes, strict=True):
            own = np.full(len(predictor), label)
            pulled += slope[:, None] * self.loss.probability_gradient(own, predictor)
        return pulled


class Predictions(Reading):
    """Predicted numbers, in the units of the user.

    Parameters
    ----------
    loss : Loss
    targets : Targets
        Of numbers.
    """

    def __init__(self, loss: Any, targets: Any):
        self.loss, self.targets = loss, targets
        self.has_reach = not targets.are_transformed

    def reach(self, predictors, reach, moved):
        # Each rises, or falls, with its own predictor all the way.
        here = self.values(predictors)
        ends = [np.abs(self.values(predictors + sign * reach) - here) for sign in (1, -1)]
        most = np.maximum(*ends) + ROUNDING * np.abs(here)
        return np.where(np.isnan(most), np.inf, most)

    def of_each(self, predictors):
        return self._in_units(self.loss.predict(predictors).astype(np.float64))

    def _in_units(self, predicted):
        return self.targets.shown(predicted, lambda: predicted).reshape(len(predicted), -1)

    def pull(self, predictor, gradient):
        predicted = self.loss.predict(predictor).astype(np.float64)
        of_targets = self._through_units(predicted, gradient)
        pulled = np.zeros(predictor.shape)
        for target, slope in enumerate(of_targets.T):
            # Targets that are predicted have no residual, and one that is not known the slope.
            asked = predicted.reshape(len(predicted), -1).copy()
            asked[:, target] = np.nan
            asked = asked.reshape(predicted.shape)
            pulled -= slope[:, None] * self.loss.residual(asked, predictor)
        return pulled

    def _through_units(self, predicted, gradient):
        """Gradient in the targets of the loss, by central differences of their transformer."""
        columns = predicted.reshape(len(predicted), -1)
        of_targets = np.empty(columns.shape)
        for target in range(columns.shape[1]):
            step = STEP * np.maximum(np.abs(columns[:, target]), columns[:, target].std() or 1.0)
            ends = []
            for sign in (1, -1):
                moved = columns.copy()
                moved[:, target] += sign * step
                ends.append((moved[:, target], self._in_units(moved.reshape(predicted.shape))))
            (high, above), (low, below) = ends
            of_targets[:, target] = (gradient * (above - below)).sum(axis=1) / (high - low)
        return of_targets


class LogLosses(Reading):
    """Minus the logarithm of the probability of each row's class.

    Parameters
    ----------
    loss : Loss
        That ``has_probabilities``.
    y : ndarray of int, shape (n_rows,)
    """

    has_reach = True

    def __init__(self, loss: Any, y: np.ndarray):
        self.loss, self.y = loss, y

    def values(self, predictors):
        return -of_models(self.loss.log_probability, self.y, predictors)[:, :, None]

    def reach(self, predictors, reach, moved):
        if self.loss.n_outputs == 1 or self.loss.couples_outputs:
            return OwnLosses(self.loss, self.y).reach(predictors, reach, moved)
        terms = ROUNDING * (1 + np.abs(self.values(predictors)))
        return 2 * moved[:, :, None] + terms

    def pull(self, predictor, gradient):
        norm, unit = self.loss.log_probability_direction(self.y, predictor)
        return gradient * norm[:, None] * unit


class OwnLosses(Reading):
    """The loss of each row by the model's own loss.

    Parameters
    ----------
    loss : Loss
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    """

    def __init__(self, loss: Any, y: np.ndarray):
        self.loss, self.y = loss, y
        self.has_reach = bool(np.isfinite(loss.concordance))

    def values(self, predictors):
        return of_models(self.loss.value, self.y, predictors)[:, :, None]

    def reach(self, predictors, reach, moved):
        y = np.repeat(self.y, predictors.shape[1], axis=0)
        eta = predictors.reshape(-1, predictors.shape[2])
        slopes = np.abs(self.loss.residual(y, eta)) * reach.reshape(eta.shape)
        rounding = ROUNDING * self.loss.value_terms(y, eta)
        most = slopes.sum(axis=1) + self.loss.remainder(y, eta, moved.ravel()) + rounding
        return most.reshape(*predictors.shape[:2], 1)

    def pull(self, predictor, gradient):
        return gradient * self.loss.residual(self.y, predictor)


class SquaredErrors(Reading):
    """The squared error of each row's prediction, the mean over its targets.

    Parameters
    ----------
    predictions : Predictions
    y : ndarray of shape (n_rows, n_targets)
        In the units of the user.
    """

    def __init__(self, predictions: Predictions, y: np.ndarray):
        self.predictions, self.y = predictions, y
        self.has_reach = predictions.has_reach

    def reach(self, predictors, reach, moved):
        errors = np.abs(self.predictions.values(predictors) - self.y[:, None])
        most = self.predictions.reach(predictors, reach, moved)
        return ((2 * errors + most) * most).mean(axis=2, keepdims=True)

    def values(self, predictors):
        errors = self.predictions.values(predictors) - self.y[:, None]
        return (errors**2).mean(axis=2, keepdims=True)

    def pull(self, predictor, gradient):
        errors = self.predictions.of_each(predictor) - self.y
        return self.predictions.pull(predictor, 2 * gradient * errors / errors.shape[1])
