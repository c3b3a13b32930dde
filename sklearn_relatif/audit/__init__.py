"""Auditing a model by its training rows: the numbers of each row, and a document about them."""

from ._audit import audit
from ._quantities import losses, mean_influence, times_first
from ._report import AuditReport
from ._sections import identify_model
from ._sentences import about_conditioning, why
from ._source import DataSource
from .explained import ExplainedPrediction, column_shares, explained_predictions
from .findings import Finding
from .page import MAX_NAME, number, render_explained

__all__ = [
    "MAX_NAME",
    "AuditReport",
    "DataSource",
    "ExplainedPrediction",
    "Finding",
    "about_conditioning",
    "audit",
    "column_shares",
    "explained_predictions",
    "identify_model",
    "losses",
    "mean_influence",
    "number",
    "render_explained",
    "times_first",
    "why",
]
