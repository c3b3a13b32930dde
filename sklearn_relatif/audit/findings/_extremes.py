"""Numbers of a row that are far from those of the others."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...utils._text import clip, is_missing, text_of
from ..views import amount, percent
from ._finding import Check, Evidence, Finding, needs_columns
from ._identifiers import why_identifier
from ._predictors import Predictors, usual_numbers

#: How many times as far from the median an extreme number is as the usual ones on its side.
EXTREME = 5.0
#: Share of the variance of a column from which on one number of it is told, of columns with so many
#: different ones.
MOST, N_DIFFERENT = 0.5, 20


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
    if not predictors.are_given or not predictors.has_columns:
        return None
    found = (
        _extreme(predictors.shown(name), predictors.cells.value(row, name), usual)
        for name, usual in predictors.usual.items()
    )
    farthest = max(found, key=lambda it: it.times, default=None)
    return farthest if farthest is not None and farthest.times >= EXTREME else None


def _extreme(column, cell, usual):
    value = np.nan if is_missing(cell) else float(cell)
    low, middle, high = usual
    reach = high - middle if value > middle else middle - low
    # In a column that is the same for nearly all rows, other numbers are rare and not extreme.
    times = abs(value - middle) / reach if reach > 0 else 0.0
    return Extreme(float(np.nan_to_num(times)), column, value, low, high)


def described(evidence: Evidence, row: Any) -> str:
    """The name of a training row, with its most extreme number where it has one.

    Of numbers as far from the others, that of a column goes before the target.

    Parameters
    ----------
    evidence : Evidence
    row : int
    """
    extreme = extreme_of(evidence.predictors, row)
    for end in evidence.view.endings:
        if extreme is None:
            targets = evidence.columns[f"target{end}"]
            target = _extreme(f"its target{end}", targets[row], usual_numbers(targets))
            extreme = target if target.times >= EXTREME else None
    return _named(evidence, row, extreme)


def _named(evidence, row, extreme):
    name = f"row {clip(text_of(evidence.index[row]))}"
    if extreme is None:
        return name
    value, low, high = map(amount, (extreme.value, extreme.low, extreme.high))
    return f"{name} ({clip(extreme.column)} is {value}; 98% of the rows have {low} to {high})"


def _find(evidence: Evidence) -> list[Finding]:
    predictors = evidence.predictors
    found = []
    for name in predictors.names:
        values = predictors.cells.values(name)
        if values.dtype.kind not in "iuf" or len(np.unique(values)) < N_DIFFERENT:
            continue
        if why_identifier(name, values) is not None:  # No number is too large for a name.
            continue
        squares = (values.astype(np.float64) - np.nanmean(values)) ** 2
        row, share = int(np.nanargmax(squares)), np.nanmax(squares) / np.nansum(squares)
        extreme = _extreme(predictors.shown(name), values[row], predictors.usual[name])
        if share >= MOST and extreme.times >= EXTREME:
            found.append((float(share), row, extreme))
    return [
        Finding(
            kind="extreme_values",
            sentence=f"A single number makes up {percent(share)} of the variance of "
            f"'{clip(extreme.column)}', in {_named(evidence, row, extreme)}.",
            value=share,
            weight=0.58,
            method="Told of a number that makes up more than half of the variance of a column: "
            "scaled by it, the other rows hardly differ.",
            rows=np.array([row]),
            columns=(extreme.column,),
        )
        for share, row, extreme in sorted(found, key=lambda it: -it[0])[:1]
    ]


EXTREMES = Check("numbers that outweigh all others of a column", _find, needs_columns)
