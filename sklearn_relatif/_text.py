"""Text that a terminal shows, whatever it holds."""

from __future__ import annotations

from typing import Any
from unicodedata import category


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
    >>> from sklearn_relatif._text import printable
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
