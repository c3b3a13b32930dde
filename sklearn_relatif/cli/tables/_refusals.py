"""What is said when a table cannot be used, in one line for the person who gave it."""

from __future__ import annotations

from ...utils._text import clip, text_of


class TableError(ValueError):
    """The table cannot be used; the message is one line for the person who gave it."""


def import_pandas():
    """The pandas module, which tables need."""
    try:
        import pandas
    except ImportError as error:
        raise TableError("this needs pandas; run: python -m pip install pandas") from error
    return pandas


def some(names, most=20):
    """The first few of some names, as text."""
    names = [clip(text_of(name)) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
