"""Rows asked for by name."""

from __future__ import annotations

import reprlib
from collections.abc import Hashable
from typing import Any

from numpy.typing import NDArray

from ._text import is_missing, text_of
from ._validation import missing_places


def position_of(index: NDArray[Any], row: Any, kind: str = "training row") -> int:
    """The position of the one row of a name.

    Parameters
    ----------
    index : ndarray of shape (n_rows,)
        The names of all rows.
    row : label
    kind : str
        What the rows are, for messages.

    Raises
    ------
    KeyError
        If no row has this name.
    TypeError
        If it is no name but a list or an array.
    ValueError
        If several rows have it.
    """
    if not isinstance(row, Hashable):
        raise TypeError(f"A row is asked for by its name, a label of the index; got {row!r}.")
    # Python's own objects compare whatever they are, but times would lose their unit.
    names = index if index.dtype.kind in "mM" else index.tolist()
    if is_missing(row):
        places = missing_places(names)
    else:
        places = [place for place, name in enumerate(names) if not is_missing(name) and name == row]
    if not places:
        raise KeyError(f"No {kind} is called {text_of(row)}: rows go by their index labels.")
    if len(places) > 1:
        raise ValueError(
            f"{len(places)} {kind}s are called {text_of(row)}, at the positions "
            f"{reprlib.repr(places)}: give each row a name of its own{_by(kind)}."
        )
    return places[0]


def _by(kind):
    return " by audit(sample_names=...)" if kind == "training row" else ""
