"""The cells of the rows that a number rests on, those first that tell what is special about them.

First come the columns whose coefficients the number is about. Others follow by how far the rows
found are from all rows on average, in standard deviations of the features that are made of a
column, as they reach the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.sparsefuncs import mean_variance_axis

from ..adapters import UNKNOWN, column_origins
from ..statistics import Statistic
from ..utils._arrays import on_host
from ..utils._cells import Cells
from ..utils._frames import columns_at, library_of
from ..utils._index import row_index

#: Columns of which the cells are told.
MOST_COLUMNS = 30


def cells_of(study: Any, statistic: Statistic, rows: np.ndarray, table: Any) -> dict[str, Any]:
    """The cells of some rows in the table of the user, those that matter first.

    Parameters
    ----------
    study : Study
    statistic : Statistic
    rows : ndarray of int
        Positions of the rows.
    table : data frame, series, array, sparse matrix, sequence or None
        That the model was fitted to. None: it is not there.

    Returns
    -------
    dict of str to array-like of shape (n_rows,)
        By the names of the columns; ``x0``, ``x1``, ... where they have none. Of sparse tables,
        only columns that are not 0 in all of the rows. Empty if the rows of the table are not those
        of the model, as after a sampler, or are pictures or dicts.
    """
    known = study.training_rows
    table = on_host(table)
    if table is None or not len(rows) or not np.array_equal(row_index(table), known.index):
        return {}
    try:
        cells = Cells(table)
    except TypeError:  # Rows that are no table, such as dicts.
        return {}
    if cells.row_shape is not None:
        return {}
    far = _how_far(study, statistic, rows)
    if cells.names is None:
        return _of_sparse(cells.table[rows], far)
    columns = columns_at(table, rows, "", known.library, None)
    has_names = library_of(table) is not None or np.ndim(cells.table) == 1
    names = list(columns) if has_names else [f"x{place}" for place in range(len(columns))]
    order = np.arange(len(names)) if len(far) != len(names) else np.argsort(-far, kind="stable")
    values = list(columns.values())
    return {names[place]: values[place] for place in order[:MOST_COLUMNS]}


def _of_sparse(some: Any, far: np.ndarray) -> dict[str, Any]:
    used = np.unique(some.indices[some.data != 0])
    if len(far) == some.shape[1]:
        used = used[np.argsort(-far[used], kind="stable")]
    used = used[:MOST_COLUMNS]
    columns = some[:, used].toarray().T
    return {f"x{place}": cells for place, cells in zip(used, columns, strict=True)}


def _how_far(study: Any, statistic: Statistic, rows: np.ndarray) -> np.ndarray:
    """How far rows are from the others in each column of the table; infinite where first."""
    features = study.training_data.features
    if not (isinstance(features, np.ndarray) or sparse.issparse(features)) or features.ndim != 2:
        return np.empty(0)
    names, column = column_origins(study.transformers, study.model)
    if len(column) != features.shape[1]:
        return np.empty(0)
    mean, deviation = _moments(features)
    own_mean, _ = _moments(features[rows])
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(deviation > 0, np.abs(own_mean - mean) / deviation, 0)
    shift[statistic.own_features(study.objective)] = np.inf
    far, is_known = np.zeros(len(names)), column != UNKNOWN
    np.maximum.at(far, column[is_known], shift[is_known])
    return far


def _moments(features: Any) -> tuple[np.ndarray, np.ndarray]:
    if not sparse.issparse(features):
        return features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    mean, variance = mean_variance_axis(check_array(features, accept_sparse="csr"), axis=0)
    return mean.astype(np.float64), np.sqrt(variance.astype(np.float64))
