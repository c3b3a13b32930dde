"""Text that a terminal shows, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from unicodedata import category

import numpy as np

#: Sizes of numbers that are written without an exponent. Above, some of the digits before the point
#: are not known.
PLAIN = 1e-7, 1e16
#: The time of dates that have none, and of durations in days.
MIDNIGHT = re.compile(r",? 0?0:00:00(?=$|[+-])")
#: Characters of a number that was computed, above which it is rounded.
MAX_NUMBER = 12


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT, masked, or the missing value of pandas."""
    if value is None or value is np.ma.masked or type(value).__name__ == "NAType":
        return True
    differs = value != value
    # An array, as a cell may hold one, differs from itself entry by entry.
    return isinstance(differs, bool | np.bool_) and bool(differs)


def text_of(value: Any) -> str:
    """A value of the user's, exactly as it was given, on one line.

    Parameters
    ----------
    value : object
        A label, an index label or a cell of a table.

    Returns
    -------
    str

    Examples
    --------
    >>> from sklearn_relatif.utils._text import text_of
    >>> [text_of(value) for value in (40817203, 40817203.0, 0.1, 1e-9, True, None)]
    ['40817203', '40817203', '0.1', '1e-09', 'True', 'missing']
    """
    if is_missing(value):
        return "missing"
    if isinstance(value, float | np.floating):
        return _number(value)
    if isinstance(value, np.datetime64):
        return str(np.datetime_as_string(value, unit="auto")).replace("T", " ")
    if isinstance(value, datetime | timedelta):
        return MIDNIGHT.sub("", str(value))
    if isinstance(value, tuple) or _is_row(value):
        return f"({', '.join(map(text_of, value))})"
    return printable(" ".join(str(value).split()))


def _number(value):
    """A number in the fewest digits that tell it from all others of its precision."""
    if PLAIN[0] <= abs(value) < PLAIN[1]:
        return np.format_float_positional(value, trim="-")
    return "0" if value == 0 else str(value)


def short_text(value: Any) -> str:
    """A prediction, which is no value of the user's: six digits of a number that has many."""
    if _is_row(value):
        return f"({', '.join(map(short_text, value))})"
    text = text_of(value)
    if isinstance(value, float | np.floating) and len(text) > MAX_NUMBER:
        return f"{value:.6g}"
    return text


def _is_row(value):
    """Whether a value is several, such as the targets of one row."""
    return isinstance(value, np.ndarray) and value.ndim == 1


def clip(text: str, width: int = 30) -> str:
    """Cut the middle out of a long text: names often differ at their ends only."""
    if len(text) <= width:
        return text
    head, tail = (width - 2) // 2, (width - 3) // 2
    return f"{text[:head].rstrip()}...{text[-tail:].lstrip()}"


def clip_apart(texts: list[str], width: int = 30) -> list[str]:
    """Clip texts, but not so far that different ones look the same."""
    longest = max(map(len, texts), default=0)
    while width < longest and len({clip(text, width) for text in texts}) < len(set(texts)):
        width *= 2
    return [clip(text, width) for text in texts]


def apart(names: Iterable[str]) -> list[str]:
    """Names, of which those that come again are counted: no two are the same.

    Examples
    --------
    >>> from sklearn_relatif.utils._text import apart
    >>> apart(["age", "age", "sex"])
    ['age', 'age (2)', 'sex']
    """
    listed = list(names)
    taken, counts, kept = set(listed), dict.fromkeys(listed, 0), []
    for name in listed:
        counts[name] += 1
        own = name
        while counts[name] > 1 and own in taken:
            own = f"{name} ({counts[name]})"
            counts[name] += own in taken
        taken.add(own)
        kept.append(own)
    return kept


def printable(value: Any) -> str:
    """A value as text without anything that a terminal would obey instead of showing it.

    Data may hold sequences that clear the screen, change a window's title or turn the direction of
    writing. Such characters are shown as Python writes them; spaces and ends of lines stay.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Examples
    --------
    >>> from sklearn_relatif.utils._text import printable
    >>> print(printable("a label" + chr(27) + "[2J"))
    a label\\x1b[2J
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        letter if _is_shown(letter) else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def _is_shown(letter):
    return letter.isprintable() or letter == "\n" or category(letter) == "Zs"


def agreeing(number: int, one: str, several: str) -> str:
    """The form of a word that agrees with a number.

    Examples
    --------
    >>> from sklearn_relatif.utils._text import agreeing
    >>> [f"{number} {agreeing(number, 'row', 'rows')}" for number in (0, 1, 2)]
    ['0 rows', '1 row', '2 rows']
    """
    return one if number == 1 else several
