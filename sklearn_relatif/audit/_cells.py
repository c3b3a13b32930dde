"""The cells of a row as they were given, whatever the table."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from scipy import sparse

from ..utils._validation import refuse_lazy

#: What the only column of texts is called that have no name.
UNNAMED = "value"
#: Single precision in the words of PyArrow and of Polars, which give its values as doubles.
SINGLE = ("float", "Float32")


def cell_reader(X, n_rows):
    """A function from the position of a row to the names and values of its cells.

    Cells are read one at a time: a whole row would give them a common type.

    Parameters
    ----------
    X : data frame, series, array, sparse matrix or sequence
        Of pandas, Polars, PyArrow, NumPy or SciPy, or a list. Of sparse rows, the cells that are
        not 0 are read.
    n_rows : int
        The number of rows that it must have.

    Returns
    -------
    callable
        Its results are iterators of pairs.
    """
    refuse_lazy(X)
    # As objects: NumPy would turn the numbers beside a text into texts.
    is_table = hasattr(X, "shape") or hasattr(X, "__array__")
    table: Any = X if is_table else np.asarray(X, dtype=object)
    shape: tuple[int, ...] = table.shape if hasattr(table, "shape") else (len(table),)
    if not shape:
        raise TypeError(
            f"X must hold the training rows, as a data frame, an array, a sparse matrix or a list; "
            f"got {reprlib.repr(X)}."
        )
    if shape[0] != n_rows:
        raise ValueError(f"X has {shape[0]} rows; the model was trained on {n_rows}.")
    if sparse.issparse(table):
        return _sparse_reader(sparse.csr_array(table))
    if len(shape) == 1:
        columns = [(getattr(table, "name", None) or UNNAMED, table)]
    elif hasattr(table, "column_names"):  # PyArrow
        columns = list(zip(table.column_names, table.columns, strict=True))
    elif hasattr(table, "get_columns"):  # Polars
        columns = list(zip(table.columns, table.get_columns(), strict=True))
    else:
        at = table.iloc if hasattr(table, "iloc") else table
        names = list(getattr(table, "columns", range(shape[1])))
        return lambda row: ((name, at[row, place]) for place, name in enumerate(names))
    return lambda row: ((name, _value(column, row)) for name, column in columns)


def _sparse_reader(X):
    def read(row):
        row = slice(*X.indptr[row : row + 2])
        columns, values = X.indices[row], X.data[row]
        # Sorted here, because the matrix is the user's.
        order = np.argsort(columns, kind="stable")
        order = order[values[order] != 0]
        return zip(columns[order], values[order], strict=True)

    return read


def _value(column, row):
    """The value at a position of a column."""
    value = column.iloc[row] if hasattr(column, "iloc") else column[row]
    value = value.as_py() if hasattr(value, "as_py") else value
    is_single = str(getattr(column, "type", getattr(column, "dtype", None))) in SINGLE
    return np.float32(value) if is_single and value is not None else value
