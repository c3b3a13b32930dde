"""Whether classes are predicted, and the margins that labels change with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._readings import Probabilities, Reading, Scores
from ._smoothing import half_width, ramp_slope


class Margin(Reading):
    """By how much a class is ahead of the others: it is predicted where that is above 0.

    Parameters
    ----------
    y : ndarray of int, shape (n_rows,)
        The class of each row.
    """

    def __init__(self, y: np.ndarray):
        self.y = y


class LeadMargin(Margin):
    """The smallest lead over another class.

    Parameters
    ----------
    loss : Loss
        That ``has_leads``.
    y : ndarray of int, shape (n_rows,)
    n_classes : int
    """

    has_reach = True

    def __init__(self, loss: Any, y: np.ndarray, n_classes: int):
        super().__init__(y)
        classes = range(n_classes)
        rivals = [[rival for rival in classes if rival != own] for own in classes]
        leads = [[loss.lead(own, rival) for rival in rivals[own]] for own in classes]
        self.leads = np.asarray(leads, dtype=np.float64)

    def of_each(self, predictors):
        return self._all(predictors).min(axis=1, keepdims=True)

    def reach(self, predictors, reach, moved):
        each = np.abs(self.leads)[self.y]
        return np.einsum("nmk,nrk->nmr", reach, each).max(axis=2, keepdims=True)

    def _all(self, predictor):
        """The lead over each other class, shape (n_rows, n_classes - 1)."""
        leads = np.empty((len(predictor), self.leads.shape[1]))
        for own, directions in enumerate(self.leads):
            is_own = self.y == own
            leads[is_own] = predictor[is_own] @ directions.T
        return leads

    def pull(self, predictor, gradient):
        return gradient * self.leads[self.y, self._all(predictor).argmin(axis=1)]


class ProbabilityMargin(Margin):
    """The lead of the probability over the largest other one.

    Parameters
    ----------
    loss : Loss
        That ``has_probabilities``.
    y : ndarray of int, shape (n_rows,)
    n_classes : int
    """

    def __init__(self, loss: Any, y: np.ndarray, n_classes: int):
        super().__init__(y)
        self.probabilities = Probabilities(loss, list(range(n_classes)))

    def of_each(self, predictors):
        own, rival, p = self._both(predictors)
        return (p[own] - p[rival])[:, None]

    def _both(self, predictor):
        p, rows = self.probabilities.of_each(predictor), np.arange(len(predictor))
        others = p.copy()
        others[rows, self.y] = -np.inf
        return (rows, self.y), (rows, others.argmax(axis=1)), p

    def pull(self, predictor, gradient):
        own, rival, p = self._both(predictor)
        slopes = np.zeros(p.shape)
        slopes[own], slopes[rival] = gradient[:, 0], -gradient[:, 0]
        return self.probabilities.pull(predictor, slopes)


class CutMargin(Margin):
    """How far a score is on the right side of the threshold that gives the labels.

    Parameters
    ----------
    loss : Loss
    y : ndarray of int, shape (n_rows,)
    targets : ThresholdTargets
    """

    has_reach = True

    def __init__(self, loss: Any, y: np.ndarray, targets: Any):
        super().__init__(y)
        positive, self.cut = targets.positive, targets.cut
        self.signs = np.where(y == positive, 1.0, -1.0)[:, None]
        self.turn = 1.0 if targets.of_probability or positive else -1.0
        of_probability = targets.of_probability
        self.score = Probabilities(loss, [positive]) if of_probability else Scores(loss)

    def of_each(self, predictors):
        return self.signs * (self.turn * self.score.of_each(predictors) - self.cut)

    def reach(self, predictors, reach, moved):
        return self.score.reach(predictors, reach, moved)

    def pull(self, predictor, gradient):
        return self.score.pull(predictor, self.turn * self.signs * gradient)


class IsPredicted(Reading):
    """Whether a class is what the model predicts: 1 or 0, with the slope of a ramp of its margin.

    Parameters
    ----------
    loss : Loss
    targets : Targets
        Of classes.
    margin : Margin or None
        None where labels come together by votes, which no margin tells.
    y : ndarray of int, shape (n_rows,)
        The class of each row.
    """

    is_smoothed = True

    def __init__(self, loss: Any, targets: Any, margin: Margin | None, y: np.ndarray):
        self.loss, self.targets, self.margin, self.y = loss, targets, margin, y
        self.has_reach = margin is not None and margin.has_reach
        self.is_of_tuned_labels = targets.is_cut_tuned

    def values(self, predictors):
        n_rows, n_models, n_outputs = predictors.shape
        labels = self.targets.predicted(self.loss, predictors.reshape(-1, n_outputs))
        is_own = labels.reshape(n_rows, n_models) == self.y[:, None]
        return is_own.astype(np.float64)[:, :, None]

    def reach(self, predictors, reach, moved):
        margin: Any = self.margin
        each = [margin.of_each(predictors[:, model]) for model in range(predictors.shape[1])]
        is_sure = np.abs(np.stack(each, axis=1)) > margin.reach(predictors, reach, moved)
        return (~is_sure).astype(np.float64)

    def pull(self, predictor, gradient):
        if self.margin is None:
            raise ValueError(
                "order='first' needs a margin that labels change with, and the votes of several "
                "models have none; use order='newton' or order='retrain', which count labels."
            )
        margin = self.margin.of_each(predictor)
        slope = ramp_slope(margin, half_width(margin[:, 0]))
        return self.margin.pull(predictor, gradient * slope)
