"""The statistic: which number of a fitted model is asked for?

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
