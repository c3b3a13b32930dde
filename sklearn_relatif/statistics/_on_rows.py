"""What is asked of the predictions of a fitted model for some rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing, check_consistent_length, column_or_1d

from ._base import MetricOnRows, Statistic
from ._metrics import metric_of
from ._names import FEW
from ._parameters import Gap
from ._requests import Request


class MetricOn(Request):
    """A metric of the predictions for some rows, such as a test set.

    Parameters
    ----------
    metric : str, callable or Metric
        As of :meth:`RelatIFExplainer.removal_effect_on`: a name such as "log_loss", or a function
        from scores, in the form of ``decision_function``, to a number and its gradient.
    X : array-like or sparse matrix of shape (n_queries, n_features)
    y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
        Their targets. None: a metric by name that asks for none, or a function.
    sensitive : array-like of shape (n_queries,), default=None
        The group of people that each row belongs to, for metrics that compare groups.
    name : str, default=None
        By which results call it. None: the name of the metric.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.statistics import MetricOn
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = scale(X)
    >>> explainer = RelatIFExplainer(LogisticRegression()).fit(X[::2], y[::2])
    >>> metric = MetricOn("log_loss", X[1::2], y[1::2])
    >>> found = explainer.fragility(metric, threshold=0.12, max_rows=10)
    >>> found.value_before > 0.12 > found.value_after
    True
    """

    def __init__(
        self, metric: Any, X: Any, y: Any = None, *, sensitive: Any = None, name: str | None = None
    ):
        self.metric, self.X, self.y, self.sensitive, self.name = metric, X, y, sensitive, name

    def of(self, study: Any) -> Statistic:
        query = study.query(self.X, self.y)
        metric = metric_of(self.metric, study, query, self.y, self.sensitive)
        return MetricOnRows(metric, query.features, self.name)


class GroupGap(Request):
    """How much larger a metric is for one group of people than for another.

    Parameters
    ----------
    metric : str or callable
        As of :class:`MetricOn`, of the rows of one group.
    X : array-like or sparse matrix of shape (n_queries, n_features)
    y : array-like of shape (n_queries,) or (n_queries, n_targets), or None
        Their targets; None for functions of the scores, and "mean_prediction".
    groups : array-like of shape (n_queries,)
        The group that each row belongs to.
    between : pair of labels
        The two groups that are compared: the metric of the first, less that of the second.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.preprocessing import scale
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.statistics import GroupGap
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X, hospital = scale(X), np.where(np.arange(569) % 3, "A", "B")
    >>> explainer = RelatIFExplainer(LogisticRegression()).fit(X[::2], y[::2])
    >>> gap = GroupGap("log_loss", X[1::2], y[1::2], hospital[1::2], ("A", "B"))
    >>> explainer.fragility(gap, max_rows=3).statistic
    'log_loss of A - log_loss of B'
    """

    def __init__(self, metric: Any, X: Any, y: Any, groups: Any, between: tuple[Any, Any]):
        self.metric, self.X, self.y, self.groups, self.between = metric, X, y, groups, between

    def of(self, study: Any) -> Statistic:
        try:
            labels = first, second = self.between
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"between must name the two groups that are compared; got {self.between!r}."
            ) from error
        first, second = (self._of_group(study, label) for label in labels)
        return Gap(f"{first.name} - {second.name}", first, second)

    def _of_group(self, study, label):
        groups = column_or_1d(self.groups)
        check_consistent_length(self.X, self.y, groups)
        rows = np.flatnonzero(groups == label)
        if not len(rows):
            raise ValueError(
                f"No row is in the group {label!r} of between; groups has "
                f"{', '.join(map(repr, np.unique(groups).tolist()[:FEW]))}."
            )
        X = _safe_indexing(self.X, rows)
        y = None if self.y is None else _safe_indexing(self.y, rows)
        found = MetricOn(self.metric, X, y).of(study)
        found.name = f"{found.name} of {label}"
        return found
