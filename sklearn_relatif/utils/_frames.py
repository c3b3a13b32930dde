"""Data frames of whatever library: what comes in tells its library, and what goes out is of it.

In the libraries that have an index of rows (pandas and those that are like it) the names of rows
are that; in the others they are the first column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from importlib import import_module
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ._cells import Cells
from ._index import has_index, row_index
from ._text import apart, is_missing, text_of

#: Of whose frames results are if no data frame came in.
DEFAULT = "pandas"
#: Modules that are not called like their library.
MODULES = {"modin": "modin.pandas"}
#: Types of which there are columns in all libraries.
PLAIN = {bool, int, float, str, bytes, date, datetime, timedelta}
#: Columns of sparse rows that frames may have.
MAX_SPARSE_COLUMNS = 100


def library_of(*tables: Any) -> str | None:
    """The library of the first of some tables that is a data frame, or a column of one.

    Parameters
    ----------
    *tables : data frame, series, array, sparse matrix or sequence

    Returns
    -------
    str or None
        As narwhals calls it: ``"pandas"``, ``"polars"``, ``"pyarrow"``, ... None if none is one.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_relatif.utils._frames import library_of
    >>> library_of([[1.0]]), library_of([[1.0]], pd.DataFrame([[1.0]]))
    (None, 'pandas')
    """
    for table in tables:
        if isinstance(table, np.ndarray):  # What is asked most, and takes long to rule out.
            continue
        # Without its columns, because narwhals takes none that share a name.
        is_like_pandas = nw.dependencies.is_pandas_like_dataframe(table)
        seen = table.iloc[:, :0] if is_like_pandas else table
        known = nw.from_native(seen, pass_through=True, allow_series=True)
        if isinstance(known, nw.DataFrame | nw.Series):
            return known.implementation.value
    return None


def names_rows(library: str | None) -> bool:
    """Whether frames of a library have labels of rows, and do not leave them to their positions."""
    return library is not None and _implementation(library).is_pandas_like()


def frame_of(
    columns: Mapping[str, Any],
    library: str | None,
    what: str,
    names: ArrayLike | None = None,
    name: str = "row",
) -> Any:
    """A data frame of some columns.

    Parameters
    ----------
    columns : dict of str to array-like of shape (n_rows,)
    library : str or None
        As of :func:`library_of`. None: pandas.
    what : str
        What needs the library, if it is not installed.
    names : array-like of shape (n_rows,), default=None
        The names of the rows.
    name : str, default="row"
        What these are names of.
    """
    implementation, module = _library(library, what)
    if implementation.is_pandas_like():
        index = None if names is None else module.Index(names, name=name)
        return module.DataFrame(dict(columns), index=index)
    if names is not None:
        columns = {name: names, **columns}
    held = {heading: _storable(values) for heading, values in columns.items()}
    return nw.from_dict(held, backend=module).to_native()


def labelled(values: NDArray[Any], X: Any, labels: NDArray[Any], name: str, what: str) -> Any:
    """Numbers of queries as a data frame of the library of the queries; of arrays, as they are.

    Parameters
    ----------
    values : ndarray of shape (n_queries, n_columns)
        Kept by reference, where the library holds rows.
    X : data frame, series, array, sparse matrix or sequence
        The queries.
    labels : ndarray of shape (n_columns,)
        What the columns are of.
    name : str
        What these labels are: "row" or "group".
    what : str
        What needs the library, if it is not installed.
    """
    library = library_of(X)
    if library is None:
        return values
    implementation, module = _library(library, what)
    if implementation.is_pandas_like():
        columns = module.Index(labels, name=name)
        return module.DataFrame(values, index=X.index, columns=columns, copy=False)
    names = apart(["query", *map(text_of, labels)])
    columns = dict(zip(names, (row_index(X), *values.T), strict=True))
    return nw.from_dict(columns, backend=module).to_native()


def columns_at(
    X: Any, positions: NDArray[np.integer], prefix: str, library: str | None, n_rows: int | None
) -> dict[str, Any]:
    """The features of some rows of a table, as columns for a frame of a library.

    Parameters
    ----------
    X : data frame, series, array, sparse matrix or sequence
    positions : ndarray of int
    prefix : str
        Of the names of the columns.
    library : str or None
    n_rows : int or None
        The number of rows that X must have.

    Raises
    ------
    ValueError
        If X has another number of rows, or is sparse with too many columns that are not 0.
    """
    cells = Cells(X, n_rows)
    if sparse.issparse(cells.table):
        names, columns = _of_sparse_rows(cells.table, positions)
    else:
        names = cells.names or []
        columns = _of_rows(cells.flat, positions, library)
    return dict(zip(apart(f"{prefix}{name}" for name in names), columns, strict=True))


def _of_rows(X: Any, positions: NDArray[np.integer], library: str | None) -> list[Any]:
    own = library_of(X)
    if own is None:
        return _of_array(X, positions)
    if _implementation(own).is_pandas_like():
        some = X.iloc[positions]
        several = [some] if some.ndim == 1 else [some.iloc[:, k] for k in range(some.shape[1])]
        # Without their index, which is not that of the frame to be.
        return [column.array if own == library else column.tolist() for column in several]
    some = nw.from_native(X, allow_series=True)[positions]
    several = [some] if isinstance(some, nw.Series) else list(some.iter_columns())
    return [column.to_native() if own == library else column.to_list() for column in several]


def _of_array(X: Any, positions: NDArray[np.integer]) -> list[Any]:
    # Some arrays, such as those of HDF5, give ascending rows only.
    distinct, places = np.unique(positions, return_inverse=True)
    some = np.asarray(X[distinct])[places]
    several = [some] if some.ndim == 1 else list(some.T)
    return [_of_one_type(column) if column.dtype == object else column for column in several]


def _of_one_type(column: NDArray[Any]) -> NDArray[Any]:
    """A column of objects, as which lists come, as an array of the type that all of them have."""
    values = column.tolist()
    return np.array(values) if len(_types(values)) == 1 and None not in values else column


def _of_sparse_rows(X: Any, positions: NDArray[np.integer]) -> tuple[list[str], list[Any]]:
    some = X[positions]
    used = np.unique(some.indices[some.data != 0])
    if len(used) > MAX_SPARSE_COLUMNS:
        raise ValueError(
            f"The rows have {len(used):,} columns that are not 0 in all of them, and a frame shows "
            f"at most {MAX_SPARSE_COLUMNS} of sparse rows. Pass what they were made from, such as "
            "the texts, or a part of the columns: X[:, columns]."
        )
    return list(map(str, used)), list(some[:, used].toarray().T)


def check_names(
    X: Any, names: NDArray[Any], positions: NDArray[np.integer], library: str | None, what: str
) -> None:
    """Raise a ValueError if a labelled table is not that whose rows are called so.

    Parameters
    ----------
    X : data frame, series, array, sparse matrix or sequence
    names : ndarray of shape (n_rows,)
        Index labels at the time.
    positions : ndarray of int, shape (n_rows,)
        Of these rows in X.
    library : str or None
        Of the data frame whose rows they were.
    what : str
        What X is called.
    """
    index = row_index(X)
    if len(index) <= positions.max(initial=-1):
        raise ValueError(
            f"{what} has {len(index)} rows, and none at position {positions.max()}: pass all rows "
            "as they were, also for a part of the queries."
        )
    # What went by its positions then, or does now, has no labels to compare.
    if has_index(X) and names_rows(library) and not _same(index[positions], names):
        raise ValueError(
            f"The index labels of {what} are not those that the rows had; pass the same rows in "
            "the same order."
        )


def check_order(X: Any, names: NDArray[Any], library: str | None, what: str) -> None:
    """Raise a ValueError if a labelled table has the rows in another order.

    Parameters
    ----------
    X : data frame, series, array, sparse matrix or sequence
    names : ndarray of shape (n_rows,)
        Of all rows, be they index labels or not.
    library : str or None
        Of the data frame whose rows they were.
    what : str
        What X is called.
    """
    if not (has_index(X) and names_rows(library)):
        return
    index = row_index(X)
    if Counter(index.tolist()) == Counter(names.tolist()) and not _same(index, names):
        raise ValueError(
            f"By its index labels, {what} has the rows in another order than they had; pass the "
            "same rows in the same order."
        )


def _same(some: NDArray[Any], others: NDArray[Any]) -> bool:
    pairs = zip(some.tolist(), others.tolist(), strict=True)
    return all(one == other or (is_missing(one) and is_missing(other)) for one, other in pairs)


def _library(library: str | None, what: str) -> tuple[nw.Implementation, Any]:
    implementation = _implementation(library or DEFAULT)
    name = implementation.value
    try:
        return implementation, import_module(MODULES.get(name, name))
    except ImportError as error:
        raise ImportError(
            f"{what} needs {name}, which is not installed: pip install {name}"
        ) from error


def _implementation(library: Any) -> nw.Implementation:
    return nw.Implementation.from_backend(library)


def _storable(values: Any) -> Any:
    """A column for libraries that hold one type in it: otherwise the texts of its values."""
    if not isinstance(values, np.ndarray):
        return values
    if values.dtype.kind in "biufU" and not np.ma.isMaskedArray(values):
        return values
    if values.dtype.kind in "mM":
        return values.astype(f"{values.dtype.kind}8[us]").tolist()
    held = [None if is_missing(value) else value for value in values.tolist()]
    if len(_types(held)) <= 1 and _types(held) <= PLAIN:
        return held
    return [None if value is None else text_of(value) for value in held]


def _types(values: Iterable[Any]) -> set[type]:
    return {type(value) for value in values if value is not None}
