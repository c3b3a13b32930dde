"""Metrics of predictions, by name or as functions."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils._validation import check_choice
from ._base import Metric
from ._ranking import AveragePrecision, Ranking, RocAuc, TopRows
from ._readings import Reading
from ._rows import MetricRows
from ._summaries import (
    Brier,
    CalibrationError,
    CohensD,
    LargestGap,
    Mean,
    RSquared,
    Summary,
    WorstGroup,
)

#: Metrics of the first rows by score: so many, or so many per cent of all.
TOP = re.compile(r"(recall|precision)@(\d+(?:\.\d+)?%|\d+)")


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
        return np.array([self._answer(self.loss.scores(eta))[0] for eta in models])

    def gradient(self, predictor):
        scores = self.loss.scores(predictor)
        gradient = np.asarray(self._answer(scores)[1])
        if gradient.shape != scores.shape or gradient.dtype.kind not in "biuf":
            raise ValueError(
                "The gradient that a function as a metric returns must be numbers of the shape of "
                f"its scores, {scores.shape}; got shape {gradient.shape} of {gradient.dtype}."
            )
        if not np.isfinite(gradient).all():
            raise ValueError("The gradient that the function returns for the model is not finite.")
        return self.loss.from_scores(gradient)

    def _answer(self, scores: np.ndarray) -> tuple[float, Any]:
        answer = self.function(scores.copy())  # It may write into them.
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise ValueError(
                "A function as a metric must return a pair, the number and its gradient in the "
                f"scores; got {reprlib.repr(answer)}. Metrics that are known go by their names."
            )
        number, gradient = answer
        if np.shape(number) != ():
            raise ValueError(
                f"A function as a metric must return one number; got shape {np.shape(number)}."
            )
        if not np.isfinite(float(number)):
            raise ValueError(f"The function gives {number} for the scores of a model, no number.")
        return float(number), gradient


class NamedMetric(Metric):
    """A summary of what is read of the predictors.

    Parameters
    ----------
    name : str
    reading : Reading
    summary : Summary
    """

    def __init__(self, name: str, reading: Reading, summary: Summary):
        self.name, self.reading, self.summary = name, reading, summary
        self.is_smoothed = reading.is_smoothed or summary.is_smoothed
        self.has_bounds = reading.has_reach and summary.has_bounds
        self.is_of_tuned_labels = reading.is_of_tuned_labels

    def values(self, predictors):
        return self.summary.values(self.reading.values(predictors))

    def bounds(self, predictors, reach, moved):
        read = self.reading.values(predictors)
        return self.summary.bounds(read, self.reading.reach(predictors, reach, moved))

    def gradient(self, predictor):
        read = self.reading.values(predictor[:, None])[:, 0]
        return self.reading.pull(predictor, self.summary.gradient(read))


#: What a metric reads, and what it makes of that.
Parts = tuple[Reading, Summary]


def _top_rows(rows: MetricRows, kind: str, amount: str) -> Parts:
    """Recall or precision of the first rows."""
    is_positive = rows.is_positive(of_two=True)
    n_first = rows.n_first(amount)
    n_all = n_first if kind == "precision" else int(is_positive.sum())
    return rows.rank_scores(), TopRows(is_positive, n_first, n_all)


def _ranked(rows: MetricRows, ranking: type[Ranking]) -> Parts:
    is_positive = rows.is_positive()
    return rows.rank_scores(), ranking(is_positive)


#: Of rows with targets, by name.
OF_ROWS: dict[str, Callable[[MetricRows], Parts]] = {
    "accuracy": lambda rows: (rows.is_right(), Mean()),
    "average_precision": lambda rows: _ranked(rows, AveragePrecision),
    "brier": lambda rows: (rows.probabilities(), Brier(rows.class_positions(), rows.n_classes)),
    "calibration_error": lambda rows: (
        rows.probabilities(),
        CalibrationError(rows.class_positions()),
    ),
    "log_loss": lambda rows: (rows.log_losses(), Mean()),
    "mean_loss": lambda rows: (rows.own_losses(), Mean()),
    "mean_prediction": lambda rows: (rows.one_prediction(), Mean()),
    "mean_squared_error": lambda rows: (rows.squared_errors(), Mean()),
    "r2": lambda rows: (rows.predictions(), RSquared(rows.varying_numbers())),
    "roc_auc": lambda rows: _ranked(rows, RocAuc),
}
#: Of groups of rows, by name.
OF_GROUPS: dict[str, Callable[[MetricRows], Parts]] = {
    "cohens_d": lambda rows: (rows.one_prediction(), CohensD(rows.two_groups())),
    "demographic_parity": lambda rows: (rows.is_selected(), LargestGap(rows.groups(least=2))),
    "equal_opportunity": lambda rows: (rows.is_selected(), LargestGap(rows.groups_of_class(1))),
    "predictive_equality": lambda rows: (rows.is_selected(), LargestGap(rows.groups_of_class(0))),
    "soft_demographic_parity": lambda rows: (
        rows.one_prediction(),
        LargestGap(rows.groups(least=2)),
    ),
    "soft_equal_opportunity": lambda rows: (
        rows.one_prediction(),
        LargestGap(rows.groups_of_class(1)),
    ),
    "soft_predictive_equality": lambda rows: (
        rows.one_prediction(),
        LargestGap(rows.groups_of_class(0)),
    ),
    "worst_group": lambda rows: (rows.losses(), WorstGroup(rows.groups(), is_largest=True)),
    "worst_group_accuracy": lambda rows: (
        rows.is_right(),
        WorstGroup(rows.groups(), is_largest=False),
    ),
}
#: As they are asked for, k being a number of rows, or of per cent of them.
METRICS = (*sorted((*OF_ROWS, *OF_GROUPS)), "precision@k", "recall@k")


def metric_of(metric: Any, study: Any, query: Any, y: Any = None, sensitive: Any = None) -> Metric:
    """A metric by its name, by what a function makes of scores, or as it is given.

    Parameters
    ----------
    metric : str, callable or Metric
    study : Study
        Of the model that is judged.
    query : Query
        The rows that it is judged by.
    y : array-like of shape (n_rows,) or (n_rows, n_targets), or None
        Their targets as the user has them. None: they are not known; those of ``query`` are what
        the model predicts then.
    sensitive : array-like of shape (n_rows,), or None
        The group that each row belongs to, for metrics of groups.

    Raises
    ------
    ValueError
        If there is no such metric, or it is not one of such a model, of these targets or groups.
    """
    if isinstance(metric, Metric):
        _refuse_known("A Metric takes predictors", y, sensitive)
        return metric
    if callable(metric):
        _refuse_known("A function as a metric takes scores", y, sensitive)
        return ScoreFunction(metric, study.objective.loss)
    top = TOP.fullmatch(metric) if isinstance(metric, str) else None
    if not isinstance(metric, str) or (top is None and metric not in {**OF_ROWS, **OF_GROUPS}):
        check_choice("metric", metric, METRICS)
        raise ValueError(
            f"k of {metric!r} is a number of rows ('recall@100') or a share ('recall@5%')."
        )
    if sensitive is not None and metric not in OF_GROUPS:
        raise ValueError(
            f"sensitive means nothing to {metric!r}; leave it out. Metrics of groups are "
            f"{', '.join(map(repr, OF_GROUPS))}."
        )
    rows = MetricRows(metric, study, query, y, sensitive)
    if top is not None:
        return NamedMetric(metric, *_top_rows(rows, *top.groups()))
    return NamedMetric(metric, *{**OF_ROWS, **OF_GROUPS}[metric](rows))


def _refuse_known(what: str, y: Any, sensitive: Any) -> None:
    """Refuse what a metric of the user's own has no use for."""
    if y is not None or sensitive is not None:
        raise ValueError(
            f"{what} only: leave y and sensitive out. What it knows of the rows, it knows itself."
        )
