"""Numbers of a row that are far from those of the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...utils._text import clip, short_text, text_of
from ._finding import Evidence
from ._predictors import Predictors

#: Shares of the rows between which numbers are called usual.
USUAL = (0.01, 0.99)
#: How many times as far from the median an extreme number is as the usual ones on its side.
EXTREME = 5.0


class Extreme(NamedTuple):
    """The number of a row that is farthest from those of the others.

    Attributes
    ----------
    times : float
        How many times as far from the median it is as the usual numbers on its side.
    column : str
    value, low, high : float
        The number, and the ends of the usual ones.
    """

    times: float
    column: str
    value: float
    low: float
    high: float


def extreme_of(predictors: Predictors, row: int) -> Extreme | None:
    """The most extreme number of a training row, where one is.

    Parameters
    ----------
    predictors : Predictors
    row : int
    """
    if not predictors.are_given or predictors.is_sparse:
        return None
    found = []
    for name in predictors.names:
        values = predictors.cells.values(name)
        if values.dtype.kind in "iuf":
            found.append(_extreme(predictors.shown(name), values, row))
    farthest = max(found, key=lambda it: it.times, default=None)
    return farthest if farthest is not None and farthest.times >= EXTREME else None


def _extreme(column, values, row):
    value = float(values[row])
    shares = [USUAL[0], 0.5, USUAL[1]]
    low, middle, high = np.nanquantile(values.astype(np.float64), shares, method="nearest")
    reach = high - middle if value > middle else middle - low
    # In a column that is the same for nearly all rows, other numbers are rare and not extreme.
    times = abs(value - middle) / reach if reach > 0 else 0.0
    return Extreme(float(np.nan_to_num(times)), column, value, low, high)


def described(evidence: Evidence, row: Any) -> str:
    """The name of a training row, with its most extreme number where it has one.

    Parameters
    ----------
    evidence : Evidence
    row : int
    """
    name = f"row {clip(text_of(evidence.index[row]))}"
    extreme = extreme_of(evidence.predictors, row)
    if extreme is None:
        return name
    value, low, high = map(short_text, (extreme.value, extreme.low, extreme.high))
    column = clip(extreme.column)
    return f"{name} ({column} is {value}; 98% of the rows have {low} to {high})"
