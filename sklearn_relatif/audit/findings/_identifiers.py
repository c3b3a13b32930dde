"""Columns that name the rows, from which nothing should be predicted."""

from __future__ import annotations

import re

import numpy as np

from ...utils._text import clip, is_missing
from ._finding import Check, Evidence, Finding, needs_columns

#: Columns that a sentence names, at most.
N_NAMED = 5
#: Rows below which columns are not judged.
ENOUGH_ROWS = 20
#: Pairs that coincide where whole numbers are drawn at random from their range, from which on it
#: is no chance that none do; and the share of them that may, since rows can be there twice.
EXPECTED_PAIRS, COINCIDING = 10, 0.1
#: Share of the values that differ in columns that are called after identifiers or hold codes.
MOSTLY_DIFFERENT = 0.9
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
OF_NAMES = {"id", "ids", "uid", "uuid", "guid", "key", "idx", "index", "rowid", "serial", "ssn"}
OF_TIMES = {"date", "dates", "datetime", "day", "days", "time", "times", "timestamp", "week"}
OF_TIMES |= {"month", "year", "dob", "born", "created", "updated"}
#: Whole numbers that are times: days such as 20240131, and seconds and milliseconds since 1970.
TIMES = (
    (19_000_101, 21_001_231),
    (631_152_000, 4_102_444_800),
    (631_152_000_000, 4_102_444_800_000),
)
#: Letters and digits in one word, or groups of them as in a UUID.
CODE = re.compile(r"(?=.*\d)\w{4,}(-\w+)*", re.ASCII)


def _find(evidence: Evidence) -> list[Finding]:
    predictors = evidence.predictors
    found = {}
    for name in predictors.names:
        reason = why_identifier(name, predictors.cells.values(name))
        if reason is not None:
            found[name] = reason
    mattering = predictors.mattering(list(found))
    shown = {predictors.shown(name): found[name] for name in found if name in mattering}
    if not shown:
        return []
    parts = [f"'{clip(name)}' ({reason})" for name, reason in list(shown.items())[:N_NAMED]]
    if len(shown) > N_NAMED:
        parts.append(f"{len(shown) - N_NAMED} more")
    names = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
    are, they = ("are", "they name") if len(parts) > 1 else ("is", "it names")
    return [
        Finding(
            kind="identifiers",
            sentence=f"{names} {are} predicted from, though {they} the rows.",
            value=float(len(shown)),
            weight=0.6,
            method="Columns of whole numbers that would have coincided if they had been measured, "
            "and columns of which nine in ten values differ and that hold codes or are called "
            "after identifiers; of these, those that the predictions depend on.",
            columns=tuple(shown),
        )
    ]


def why_identifier(name: str, values: np.ndarray) -> str | None:
    """Why a column seems to name rows and not to describe them; None if it does not.

    Parameters
    ----------
    name : str
    values : ndarray of shape (n_rows,)
    """
    words = {word.lower() for word in WORD.findall(name)}
    known = _known(values)
    if len(known) < ENOUGH_ROWS or words & OF_TIMES:
        return None
    return _why_codes(known, words) if known.dtype.kind == "U" else _why_numbers(known, words)


def _known(values):
    """The values that are there, if they are numbers or texts; else none."""
    if values.dtype.kind == "O":
        listed = [value for value in values.tolist() if not is_missing(value)]
        is_plain = all(isinstance(it, str) for it in listed) or all(
            isinstance(it, int | float) for it in listed
        )
        values = np.array(listed if is_plain else [])
    if values.dtype.kind == "f":
        return values[~np.isnan(values)]
    return values if values.dtype.kind in "iuU" else values[:0]


def _why_numbers(values, words):
    n_rows, n_different = len(values), len(np.unique(values))
    if (values % 1).any() or n_different < MOSTLY_DIFFERENT * n_rows:
        return None
    low, high = int(values.min()), int(values.max())
    if any(first <= low and high <= last for first, last in TIMES):
        return None
    expected = n_rows**2 / 2 / (high - low + 1)
    if expected >= EXPECTED_PAIRS and n_rows - n_different <= COINCIDING * expected:
        return f"{_different(n_different, n_rows, 'whole numbers')} from {low} to {high}"
    if words & OF_NAMES:
        return _different(n_different, n_rows, "whole numbers")
    return None


def _why_codes(values, words):
    n_rows, n_different = len(values), len(np.unique(values))
    if n_different < MOSTLY_DIFFERENT * n_rows:
        return None
    are_codes = all(CODE.fullmatch(value) for value in values)
    if are_codes or (words & OF_NAMES and not any(" " in value.strip() for value in values)):
        return f"{_different(n_different, n_rows, 'codes')}, such as '{clip(values[0], 20)}'"
    return None


def _different(n_different, n_rows, what):
    if n_different == n_rows:
        return f"{n_rows:,} {what}, all different"
    return f"{n_different:,} different {what} in {n_rows:,} rows"


IDENTIFIERS = Check("columns that name the rows", _find, needs_columns)
