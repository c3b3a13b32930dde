"""The cells of a row as they were given, whatever the table."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from ._text import apart, is_missing, printable, text_of
from ._validation import refuse_lazy

#: What the only column of texts is called that have no name.
UNNAMED = "value"
#: Characters of texts whose spaces at the ends are told.
MAX_QUOTED = 60
#: Single precision in the words of PyArrow and of Polars, which give its values as doubles.
SINGLE = ("float", "Float32")


class Cells:
    """The rows of a table as their user wrote them, read one cell at a time.

    (A whole row would give its cells a common type.) The table is kept by reference.

    Parameters
    ----------
    table : data frame, series, array, sparse matrix or sequence
        Of pandas, Polars, PyArrow, NumPy (also with named fields) or SciPy, or a list. Of sparse
        rows, the cells that are not 0 are read. Rows that are arrays themselves, as pictures are,
        have a cell for each number.
    n_rows : int, default=None
        The number of rows that it must have. None: any.

    Attributes
    ----------
    table : data frame, series, array, sparse matrix or sequence
    n_rows : int
    names : list of str or None
        Of the columns, in their order, each once. None of sparse rows, which have too many.
    row_shape : tuple of int or None
        Of rows that are arrays themselves, so that their cells are no columns. None of others.
    flat : data frame, series, array, sparse matrix or sequence
        The table with a column a cell: another one only of rows that are arrays themselves.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_relatif.utils._cells import Cells
    >>> Cells(np.array([[1.0, 2.5], [3.0, np.nan]])).row(1)
    [('0', '3'), ('1', 'missing')]
    """

    def __init__(self, table: Any, n_rows: int | None = None) -> None:
        refuse_lazy(table)
        is_table = hasattr(table, "shape") or hasattr(table, "__array__")
        if isinstance(table, Mapping) or (not is_table and _holds_mappings(table)):
            raise TypeError(
                "X must hold the training rows, as a data frame, an array, a sparse matrix or a "
                "list; got dicts. Make a data frame of them: pandas.DataFrame(X)."
            )
        # As objects: NumPy would turn the numbers beside a text into texts.
        self.table: Any = table if is_table else np.asarray(table, dtype=object)
        shape = self.table.shape if hasattr(self.table, "shape") else (len(self.table),)
        if not shape:
            raise TypeError(
                "X must hold the training rows, as a data frame, an array, a sparse matrix or a "
                f"list; got {reprlib.repr(table)}."
            )
        if n_rows not in (None, shape[0]):
            raise ValueError(f"X has {shape[0]} rows; the model was trained on {n_rows}.")
        self.n_rows = int(shape[0])
        if sparse.issparse(self.table):
            self.table = sparse.csr_array(self.table)
        self.row_shape = tuple(map(int, shape[1:])) if len(shape) > 2 else None
        self.flat: Any = self.table
        if self.row_shape is not None:
            self.flat = np.asarray(self.table).reshape(self.n_rows, -1)
        self.names = None if sparse.issparse(self.table) else apart(self._named(shape))

    def _named(self, shape):
        table = self.table
        if len(shape) == 1:
            fields = getattr(getattr(table, "dtype", None), "names", None)
            return map(text_of, fields or [_own_name(table)])
        if self.row_shape is not None:
            return (",".join(map(str, place)) for place in np.ndindex(*self.row_shape))
        if hasattr(table, "column_names"):  # PyArrow
            return map(text_of, table.column_names)
        return map(text_of, getattr(table, "columns", range(shape[1])))

    def row(self, position: int) -> list[tuple[str, str]]:
        """The names and texts of the cells of a row, in the order of the columns.

        A value is written in full, in as few digits as tell it from others, and a date without
        midnight. What is missing is "missing", whatever the table calls it; a text stands in quotes
        where it would be taken for that, is empty, or has spaces at its ends.
        """
        position = int(position)
        if self.names is None:
            cells = _sparse_row(self.table, position)
        else:
            cells = ((name, self._cell(position, n)) for n, name in enumerate(self.names))
        return [(text_of(name), cell_text(value)) for name, value in cells]

    def value(self, position: int, name: str) -> Any:
        """The value of a cell."""
        return self._cell(int(position), self._place(name))

    def values(self, name: str) -> np.ndarray:
        """The cells of a column, as an array of the type that they have."""
        return np.asarray(self._column(self._place(name)))

    def _place(self, name):
        if self.names is None:
            raise KeyError(f"Sparse rows have no column {name!r}.")
        return self.names.index(name)

    def _cell(self, row, place):
        """The value at a place, read without its column where that would have to be loaded."""
        table = self.flat
        if hasattr(table, "iloc"):
            return table.iloc[row] if table.ndim == 1 else table.iloc[row, place]
        if _has_columns(table):
            return _value(self._column(place), row)
        if _has_fields(table):
            return table[row][place]
        return _value(table, row) if np.ndim(table) == 1 else table[row, place]

    def _column(self, place):
        table = self.flat
        if _has_fields(table):
            return table[table.dtype.names[place]]
        if table.ndim == 1 if hasattr(table, "ndim") else not _has_columns(table):
            return table
        if hasattr(table, "iloc"):
            return table.iloc[:, place]
        if hasattr(table, "get_columns"):  # Polars
            return table.get_columns()[place]
        return table.columns[place] if hasattr(table, "column_names") else table[:, place]


def _has_columns(table):
    """Whether a table is of PyArrow or Polars, which hold columns and not rows."""
    return hasattr(table, "column_names") or hasattr(table, "get_columns")


def _has_fields(table):
    """Whether the rows of an array are records."""
    return getattr(getattr(table, "dtype", None), "names", None) is not None


def _holds_mappings(table):
    return hasattr(table, "__len__") and any(isinstance(row, Mapping) for row in table)


def _own_name(table):
    name = getattr(table, "name", None)
    return UNNAMED if is_missing(name) or name == "" else name


def cell_text(value: Any) -> str:
    """The text of a cell: see :meth:`Cells.row`."""
    text = text_of(value)
    if not isinstance(value, str) or len(value) > MAX_QUOTED:
        return text
    is_bare = bool(text) and value == value.strip() and text != text_of(None)
    return text if is_bare else '"{}"'.format(printable(value).replace("\n", r"\n"))


def _sparse_row(X, row):
    places = slice(*X.indptr[row : row + 2])
    columns, values = X.indices[places], X.data[places]
    # Sorted here, because the matrix is the user's.
    order = np.argsort(columns, kind="stable")
    order = order[values[order] != 0]
    return zip(columns[order], values[order], strict=True)


def _value(column, row):
    """The value at a position of a column."""
    value = column.iloc[row] if hasattr(column, "iloc") else column[row]
    value = value.as_py() if hasattr(value, "as_py") else value
    is_single = str(getattr(column, "type", getattr(column, "dtype", None))) in SINGLE
    return np.float32(value) if is_single and value is not None else value
