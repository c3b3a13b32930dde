"""Auditing a model by its training rows: the numbers of each row, and a document about them."""

from ._audit import AuditMixin
from ._html import MAX_NAME, cells_of, number
from ._quantities import losses, times_first
from ._report import AuditReport
from ._sentences import about_conditioning, why

__all__ = [
    "MAX_NAME",
    "AuditMixin",
    "AuditReport",
    "about_conditioning",
    "cells_of",
    "losses",
    "number",
    "times_first",
    "why",
]
