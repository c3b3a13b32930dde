"""Which of two models is better, as a number that may rest on a few rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..statistics import Contest, MetricOn, Request, Statistic
from ._fragility import FragilityMixin
from ._studied import study_of


class Comparison(Request):
    """How much larger a metric of some rows is for this model than for another one.

    Both are trained without the same rows: which of two models is better may rest on a few of them.

    Parameters
    ----------
    metric : str or callable
        As of :class:`MetricOn`.
    X : array-like or sparse matrix of shape (n_queries, n_features)
        As both models take it.
    y : array-like of shape (n_queries,) or (n_queries, n_targets)
    other : RelatIFExplainer
        Fitted to the same training rows, in the same order: the model that is compared with.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_relatif import Comparison, RelatIFExplainer
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = scale(X)
    >>> strong = RelatIFExplainer(LogisticRegression(C=0.01)).fit(X[::2], y[::2])
    >>> weak = RelatIFExplainer(LogisticRegression(C=0.1)).fit(X[::2], y[::2])
    >>> comparison = Comparison("log_loss", X[1::2], y[1::2], other=strong)
    >>> weak.fragility(comparison, max_rows=3).value_before < 0
    True
    """

    def __init__(self, metric: Any, X: Any, y: Any, other: Any):
        self.metric, self.X, self.y, self.other = metric, X, y, other

    def of(self, study: Any) -> Statistic:
        if not isinstance(self.other, FragilityMixin):
            raise TypeError(
                "other must be a fitted explainer; got a "
                f"{type(self.other).__name__}. Use RelatIFExplainer.from_fitted(model, X, y)."
            )
        other = study_of(self.other)
        if other.objective.removal_kind != "smooth":
            raise TypeError(
                f"other explains a {type(other.model).__name__}, which cannot be compared: both "
                "must be one linear model with a smooth loss."
            )
        if other.remover.doubt:
            raise ValueError(f"Of other: {other.remover.doubt}")
        n_rows, n_other = study.objective.n_rows, other.objective.n_rows
        if n_rows != n_other:
            raise ValueError(
                f"other was fitted to {n_other} rows, and this model to {n_rows}: both must have "
                "the same training rows, in the same order."
            )
        rows, of_other = study.training_rows, other.training_rows
        if rows.library == of_other.library and not np.array_equal(rows.index, of_other.index):
            raise ValueError(
                "other was fitted to other rows than this model: the labels of their index differ. "
                "Both must have the same training rows, in the same order; remove the same ones "
                "from both."
            )
        own, rival = (MetricOn(self.metric, self.X, self.y).of(each) for each in (study, other))
        return Contest(own, rival, other.remover)
