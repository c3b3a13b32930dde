"""Rows of a table that are asked for by name or by a condition."""

from __future__ import annotations

import re
from keyword import iskeyword

import numpy as np

from .tables import AsDate, TableError, as_quantity, count_of, import_pandas, texts_of

#: Rows that a condition, or a value that several share, chooses at most.
MAX_CHOSEN = 10
#: What a condition has and a name hardly.
OF_CONDITIONS = re.compile(r"[<>=!]|\s(and|or|in|not)\s|\.[a-z]+\(")
#: A text, a name between backticks, or a bare word in a condition.
WORDS = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|[^\W\d]\w*""")


def chosen_rows(table, asked):
    """Positions of the rows of a table that are asked for, each once, in that order.

    Parameters
    ----------
    table : Table
        What is assumed is added to its notes.
    asked : sequence of str
        Names of rows, values of the column that names them, or conditions of pandas' ``query``.
    """
    names = texts_of(table.frame.index.to_series()).to_numpy()
    values = None if table.id_column is None else texts_of(table.frame[table.id_column]).to_numpy()
    found: dict[int, None] = {}
    for one in asked:
        places = np.flatnonzero(names == one.strip())
        if not len(places) and values is not None:
            places = np.flatnonzero(values == one.strip())
        if not len(places):
            places = _fitting(table, one)
        if len(places) > MAX_CHOSEN:
            table.notes.append(
                f"{count_of(len(places), 'row')} fit {one!r}, of which the first {MAX_CHOSEN} are "
                "explained; others can be asked for by name."
            )
        found |= dict.fromkeys(places[:MAX_CHOSEN].tolist())
    return list(found)


def _fitting(table, condition):
    """The rows that a condition is true of."""
    if OF_CONDITIONS.search(condition) is None:
        what = "label" if table.has_classes else "number to predict"
        raise TableError(
            f"no row {condition} that has a {what} (rows are named by {table.row_names})"
        )
    values = _values(table)
    try:
        fits = values.eval(
            _quoted(condition, values.columns),
            engine="python",
            # Names of this program mean nothing in a condition.
            local_dict={},
            global_dict={},
        )
        if np.asarray(fits).dtype != bool:
            raise ValueError("it is not true or false of each row")
        places = np.flatnonzero(np.reshape(fits, len(values)))
    except Exception as error:  # Whatever Python makes of the condition.
        raise TableError(f"--rows {condition!r} cannot be understood: {_reason(error)}") from error
    if not len(places):
        raise TableError(f"no row fits {condition!r}")
    return places


def _reason(error):
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return f"{reason} (names of columns stand alone or in backticks, texts in quotes)"


def _values(table):
    """The rows as conditions see them: numbers as numbers, dates as dates, the rest as text."""
    columns = {name: _of_column(table, name) for name in table.frame.columns}
    columns[table.target] = table.y
    return import_pandas().DataFrame(columns, index=table.frame.index)


def _of_column(table, name):
    reading = table.readings.get(name)
    if isinstance(reading, AsDate):
        epoch = import_pandas().Timestamp("1970-01-01")
        return epoch + import_pandas().to_timedelta(table.X[name], unit="D")
    if reading is not None and reading.kind == "number":
        return table.X[name]
    given = table.frame[name]
    numbers = None if reading is not None else as_quantity(given)
    return texts_of(given).fillna("") if numbers is None else numbers


def _quoted(condition, columns):
    """A condition in which columns that are called like words of Python are in backticks."""

    def quoted(found):
        word = found[0]
        is_name = iskeyword(word) and word in columns and word not in ("and", "or", "not", "in")
        return f"`{word}`" if is_name else word

    return WORDS.sub(quoted, condition)
