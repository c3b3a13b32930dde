"""Auditing a model by its training rows: the numbers of each row, and a document about them."""

from ._audit import audit
from ._explained import ExplainedPrediction
from ._quantities import losses, mean_influence, times_first
from ._report import AuditReport
from ._sentences import about_conditioning, why
from ._source import DataSource
from .findings import Finding
from .page import MAX_NAME, number

__all__ = [
    "MAX_NAME",
    "AuditReport",
    "DataSource",
    "ExplainedPrediction",
    "Finding",
    "about_conditioning",
    "audit",
    "losses",
    "mean_influence",
    "number",
    "times_first",
    "why",
]
