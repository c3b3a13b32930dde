"""Noun 7: the statistic, which is a number of a fitted model; and metrics of its predictions.

Of these, users name one or make one for :meth:`RelatIFExplainer.fragility`.

.. autosummary::
   :toctree:
   :nosignatures:

   Coefficient
   TStatistic
   Difference
   MetricOn
   GroupGap
   ParameterFunction

And these are what classes of their own are made of:

.. autosummary::
   :toctree:
   :nosignatures:

   Statistic
   Metric
   MetricOnRows
   effects_of
"""

from ._base import Metric, MetricOnRows, Statistic, effects_of
from ._contest import Contest
from ._metrics import METRICS, metric_of
from ._named import Difference, statistic_of
from ._names import INTERCEPT, feature_names
from ._on_rows import GroupGap, MetricOn
from ._requests import Coefficient, ParameterFunction, Request, TStatistic

__all__ = [
    "INTERCEPT",
    "METRICS",
    "Coefficient",
    "Contest",
    "Difference",
    "GroupGap",
    "Metric",
    "MetricOn",
    "MetricOnRows",
    "ParameterFunction",
    "Request",
    "Statistic",
    "TStatistic",
    "effects_of",
    "feature_names",
    "metric_of",
    "statistic_of",
]
