"""Values in the types that JSON has."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import numpy as np

from ._text import is_missing, text_of


def plain(value: Any) -> Any:
    """A value in JSON's own types: null for what is missing or not finite, texts for times."""
    if isinstance(value, dict):
        return {text_of(name): plain(held) for name, held in value.items()}
    if isinstance(value, np.ndarray):
        return plain_values(value)
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    if is_missing(value):
        return None
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, np.generic) and value.dtype.kind in "biufU":
        return plain(value.item())
    return text_of(value)


def plain_values(column: np.ndarray) -> list[Any]:
    """The values of a column; None where one is missing or not finite."""
    kind = "mixed" if np.ma.isMaskedArray(column) else column.dtype.kind
    if kind in "biuU":
        return column.tolist()
    if kind == "f":
        values = column.astype(object)
        values[~np.isfinite(column)] = None
        return values.tolist()
    return [plain(value) for value in column]
