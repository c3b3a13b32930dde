"""The names of rows: index labels of data frames, positions of other tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def row_index(X: Any) -> NDArray[Any]:
    """The index labels of a data frame's rows; the positions of any other table's.

    Parameters
    ----------
    X : array-like, sparse matrix or data frame of shape (n_rows, n_features)

    Returns
    -------
    index : ndarray of shape (n_rows,)

    Examples
    --------
    >>> from sklearn_relatif.utils._index import row_index
    >>> row_index([[0.0], [1.0]])
    array([0, 1])
    """
    if has_index(X):
        return np.array(X.index)
    if isinstance(X, Mapping) and not hasattr(X, "shape"):  # Some sparse arrays are mappings too.
        raise TypeError(f"X is a {type(X).__name__}; pass one array or data frame, a row an entry.")
    return np.arange(X.shape[0] if hasattr(X, "shape") else len(np.asarray(X)))


def has_index(X: Any) -> bool:
    """Whether the rows of a table have labels, as those of pandas have."""
    # A list has an `index` too, but it is a method.
    return hasattr(X, "iloc") and hasattr(X, "index")


def rows_at(index: NDArray[Any], positions: NDArray[np.integer]) -> np.ma.MaskedArray:
    """The index labels at some positions, masked where these are -1, which stands for no row."""
    return np.ma.MaskedArray(index[np.maximum(positions, 0)], mask=positions < 0)
