"""The statistic: which number of a fitted model is asked for?"""

from ._base import Metric, MetricOnRows, Statistic, effects_of
from ._metrics import METRICS, metric_of
from ._named import statistic_of
from ._parameters import Coefficient

__all__ = [
    "METRICS",
    "Coefficient",
    "Metric",
    "MetricOnRows",
    "Statistic",
    "effects_of",
    "metric_of",
    "statistic_of",
]
