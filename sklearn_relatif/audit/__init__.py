"""Auditing a model by its training rows: the numbers of each row, and a document about them."""

from ._audit import audit
from ._html import MAX_NAME, cells_of, number
from ._quantities import losses, times_first
from ._report import AuditReport
from ._sentences import about_conditioning, why

__all__ = [
    "MAX_NAME",
    "AuditReport",
    "about_conditioning",
    "audit",
    "cells_of",
    "losses",
    "number",
    "times_first",
    "why",
]
