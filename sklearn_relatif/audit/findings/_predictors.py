"""What a model predicts from, column by column, as checks see it."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing

from ...statistics import feature_names
from ...utils._blocks import block_budget, row_blocks
from ...utils._cells import Cells
from ...utils._text import is_missing
from .._quantities import sliceable

#: Values of a column that are exchanged to see whether it reaches the model.
N_EXCHANGED = 30
#: More columns than this are all taken to reach it.
MAX_TRIED = 200
#: Digits to which fractions are rounded, of them and of what they spread over.
N_DIGITS = 4
#: Shares of the rows between which numbers are called usual, and the middle.
USUAL = (0.01, 0.5, 0.99)
#: Training rows that are compared with those that were given.
N_COMPARED = 20
#: The whole number below which double precision holds all.
MAX_WHOLE = 2**53
#: The steps of SplitMix64 (Steele, Lea & Flood 2014), which makes a hash of a number.
GOLDEN, FIRST, SECOND = (
    np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
MISSING = np.uint64(0x7FF8000000000001)


def alike(values: np.ndarray) -> np.ndarray:
    """The same values, but for texts without regard to case and white space.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    """
    if values.dtype.kind not in "OU":
        return values
    listed = values.tolist()
    return np.array(
        [" ".join(it.casefold().split()) if isinstance(it, str) else it for it in listed], object
    )


def rounded(values: np.ndarray) -> np.ndarray:
    """The same values as :func:`alike`, but fractions to four digits.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    """
    if values.dtype.kind != "f":
        return alike(values)
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if not (finite % 1).any():
        return numbers
    # Numbers that lie close together, as those of years, differ in later digits.
    low, high = np.percentile(finite, [5, 95])
    largest = high - low if high > low else np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = np.floor(np.log10(np.minimum(np.abs(numbers), largest)))
        unit = np.maximum(10.0 ** (digits - (N_DIGITS - 1)), np.finfo(np.float64).tiny)
        return np.where(numbers == 0, 0.0, np.round(numbers / unit) * unit)


def usual_numbers(values: np.ndarray) -> np.ndarray:
    """The lower end, the middle and the upper end of the usual ones of some numbers.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
        Without those that are missing. If all are, no number is usual.
    """
    known = values.astype(np.float64)
    known = known[~np.isnan(known)]
    return np.quantile(known, USUAL, method="nearest") if len(known) else np.full(3, np.nan)


class RowKeys(NamedTuple):
    """Numbers that are the same for rows with the same values, whatever the case of texts.

    By chance they are for different rows of a table of a million in one table of ten million.

    Attributes
    ----------
    of_rows : ndarray of uint64, shape (n_rows,)
        The sums of those of the columns.
    of_columns : dict of str to ndarray of uint64, shape (n_rows,)
        None of sparse rows, nor of those that are arrays.
    """

    of_rows: np.ndarray
    of_columns: dict[str, np.ndarray]


class Predictors:
    """The columns that a model predicts from, in the training rows and in the test rows.

    Of rows that the user did not give, or gave with columns of which it cannot be told which the
    model takes, they are the features of the model.

    Parameters
    ----------
    study : Study
    cells, test_cells : Cells or None
        The rows as the user gave them.

    Attributes
    ----------
    are_given : bool
        Whether they are columns of the user's, not what transformers made of them.
    cells : Cells
        The training rows.
    test_cells : Cells or None
        The test rows, where there are some.
    """

    def __init__(self, study: Any, cells: Cells | None, test_cells: Cells | None) -> None:
        self._study = study
        asked = None if cells is None else self._asked(cells)
        if asked is not None and not self._are_taken(asked):
            asked = None
        self.are_given = asked is not None or not study.transformers
        if asked is None:
            self.cells = Cells(study.training_data.features)
            own = None if test_cells is None else study.query(test_cells.table).features
        else:
            self.cells = Cells(asked)
            own = None if test_cells is None else self._asked(test_cells)
        if own is not None and sparse.issparse(own) != self.is_sparse:
            own = sparse.csr_array(own) if self.is_sparse else own.toarray()
        self.test_cells = None if own is None else Cells(own)

    def _are_taken(self, table):
        """Whether the model takes the rows as they were given."""
        features = self._study.training_data.features
        some = np.unique(np.linspace(0, features.shape[0] - 1, N_COMPARED).astype(np.intp))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                found = self._study.query(_rows_of(table, some)).features
        except Exception:  # Whatever a model makes of columns that it was not fitted to.
            return False
        if isinstance(features, np.ndarray):
            found = found.astype(features.dtype, copy=False)
        differ = np.flatnonzero(_differ(found, _safe_indexing(features, some)))
        _refuse_other_order(found, some, differ, features)
        # Some transformers treat training rows in another way than others.
        return bool(self._study.transformers) or not len(differ)

    def _asked(self, cells):
        """The columns that the estimator takes, of a data frame that may have more by their names.

        None if it cannot be told which these are.
        """
        table, estimator = cells.table, self._study.estimator
        frame, names = _frame_of(table), getattr(estimator, "feature_names_in_", None)
        if frame is not None and names is not None:
            has_all = set(names) <= set(frame.columns)
            return frame.select(list(names)).to_native() if has_all else None
        if cells.row_shape is not None:
            return table
        n_columns = table.shape[1] if cells.names is None else len(cells.names)
        return table if getattr(estimator, "n_features_in_", n_columns) == n_columns else None

    @property
    def is_sparse(self) -> bool:
        """Whether the rows are sparse, so that columns are not read one by one."""
        return self.cells.names is None

    @property
    def has_columns(self) -> bool:
        """Whether cells at the same place of the rows are a column, to be looked at by itself."""
        return not self.is_sparse and self.cells.row_shape is None

    @cached_property
    def names(self) -> list[str]:
        """Names of the columns that reach the model; none of sparse rows."""
        names = self.cells.names or []
        is_tried = self.has_columns and 1 < len(names) <= MAX_TRIED
        if not self._study.transformers or not is_tried:
            return names
        reaching = self._changed(names, self._features)
        return [name for name in names if name in reaching]

    @cached_property
    def usual(self) -> dict[str, np.ndarray]:
        """The ends and the middle of the usual numbers of each column of numbers."""
        found = {}
        for name in self.names:
            values = self.cells.values(name)
            if values.dtype.kind in "iuf":
                found[name] = usual_numbers(values)
        return found

    def mattering(self, names: list[str]) -> set[str]:
        """Those of some columns that the predictions depend on.

        Of sparse rows, and of features of a model, they are taken to depend on all.
        """
        return self._changed(names, self._predictor) if names else set()

    def shown(self, name: str) -> str:
        """A column as its user knows it."""
        if self.are_given and hasattr(self.cells.table, "columns"):
            return name
        known, own = feature_names(self._study), self.cells.names
        n_columns = self.cells.table.shape[1] if own is None else len(own)
        place = int(name) if own is None else own.index(name)
        return known[place] if len(known) == n_columns else name

    # --- does a column count? ----------------------------------------------------------------

    def _changed(self, names, of_rows):
        """The columns of which some rows exchange their values and something changes for them."""
        own, frame = self.cells.names, _frame_of(self.cells.table)
        if not self.are_given or own is None or len(own) == 1:
            return set(names)
        if frame is None and hasattr(self.cells.table, "columns"):
            return set(names)  # Some have the same name.
        rows, places = np.empty(0, np.intp), {}
        for name in names:
            _, first = np.unique(hashes(self.cells.values(name)), return_index=True)
            some = np.linspace(0, len(first) - 1, min(len(first), N_EXCHANGED)).astype(int)
            places[own.index(name)] = slice(len(rows), len(rows) + len(some))
            rows = np.append(rows, first[some])
        table = _rows_of(self.cells.table, rows)
        with warnings.catch_warnings():
            # A model that was fitted to arrays warns of names.
            warnings.simplefilter("ignore", UserWarning)
            differ = _differ(of_rows(table), of_rows(_exchanged(table, places)))
        return {own[place] for place, of_column in places.items() if differ[of_column].any()}

    def _features(self, table):
        return self._study.query(table).features

    def _predictor(self, table):
        return self._study.objective.predictor(self._study.query(table).jacobian)

    # --- which rows are equal? ---------------------------------------------------------------

    @cached_property
    def keys(self) -> RowKeys:
        """Of the training rows, by all columns that reach the model."""
        return self._keys(self.cells)

    @cached_property
    def test_keys(self) -> RowKeys:
        """Of the test rows."""
        return self._keys(self.test_cells)

    @cached_property
    def rounded_keys(self) -> RowKeys:
        """Of the training rows, of which fractions are rounded to four digits."""
        return self._keys(self.cells, rounded)

    def _keys(self, cells, read=alike):
        if self.is_sparse:
            return RowKeys(_sparse_keys(cells.table), {})
        if not self.has_columns:
            return RowKeys(_array_keys(cells.flat), {})
        columns, own = {}, self.cells.names or []
        for name in self.names:
            place = own.index(name)
            values = read(cells.values(cells.names[place]))
            columns[name] = _mixed(hashes(values), place)
        return RowKeys(sum(columns.values(), np.zeros(cells.n_rows, np.uint64)), columns)


def _frame_of(table):
    """A data frame as Narwhals has it; None of other tables, and if some columns share a name."""
    columns: Any = getattr(table, "columns", ())
    if len(columns) and isinstance(columns[0], Hashable) and len(set(columns)) < len(columns):
        return None
    frame = nw.from_native(table, eager_only=True, pass_through=True)
    return frame if isinstance(frame, nw.DataFrame) else None


def _exchanged(table, places):
    """A table whose rows at some places exchanged their values in a column, last for first."""
    frame = _frame_of(table)
    if frame is None:
        other = table.copy()
        for column, rows in places.items():
            other[rows, column] = table[rows, column][::-1]
        return other
    new = []
    for column, rows in places.items():
        order = np.arange(len(frame))
        order[rows] = order[rows][::-1]
        name = frame.columns[column]
        new.append(frame.get_column(name)[order.tolist()].alias(name))
    return frame.with_columns(*new).to_native()


def _rows_of(table, rows):
    """Some rows of a table, by position."""
    frame = _frame_of(table)
    if frame is None:
        return _safe_indexing(sliceable(table), rows)
    return frame[rows.tolist()].to_native()


def _refuse_other_order(found, places, differing, features):
    """Raise an error if all rows that are not at their places are at others."""
    others = []
    for row in differing:
        own = _safe_indexing(found, [row])
        if sparse.issparse(features):
            is_equal = _sparse_keys(features) == _sparse_keys(own)
        else:
            is_equal = ~_differ(features, own)
        if not is_equal.any():
            return
        others.append(is_equal.argmax())
    if others:
        raise ValueError(
            "X_train must hold the training rows in the order in which the model was trained on "
            f"them; its row at position {places[differing[0]]} is theirs at position {others[0]}."
        )


def _differ(before, after):
    """Which rows of two tables of numbers differ."""
    if sparse.issparse(before):
        return np.asarray(abs(before - after).sum(axis=1)).ravel() > 0
    before, after = np.asarray(before), np.asarray(after)
    are_missing = (before != before) & (after != after)
    return ((before != after) & ~are_missing).reshape(len(before), -1).any(axis=1)


def hashes(values: np.ndarray) -> np.ndarray:
    """A 64-bit number for each value, the same for equal ones; missing ones are equal.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    """
    if values.dtype.kind in "biufmM":
        return _bits(values)
    listed = values.tolist()
    try:
        distinct = set(listed)
    except TypeError:  # Lists and the like.
        listed = list(map(str, listed))
        distinct = set(listed)
    number = {value: _number_of(value) for value in distinct}
    return np.fromiter((number[value] for value in listed), np.uint64, len(listed))


def _number_of(value):
    """The number of a value, the same in every process, and as of arrays of numbers."""
    if is_missing(value):
        return MISSING
    if isinstance(value, int) and abs(value) >= MAX_WHOLE:
        return np.uint64((value ^ int(GOLDEN)) % 2**64)
    if isinstance(value, int | float):
        return _bits(np.array([value], np.float64))[0]
    text = str(value).encode("utf-8", "surrogatepass")
    return np.uint64(int.from_bytes(blake2b(text, digest_size=8).digest(), "little"))


def _bits(values):
    """The bits of numbers, as of double precision where that holds them."""
    if values.dtype.kind in "mM":
        return values.astype(np.int64).view(np.uint64)
    numbers = values.astype(np.float64) + 0.0  # There are two zeros.
    bits = numbers.view(np.uint64).copy()
    bits[np.isnan(numbers)] = MISSING
    if values.dtype.kind in "iu":
        is_long = np.abs(numbers) >= MAX_WHOLE
        bits[is_long] = values[is_long].astype(np.uint64) ^ GOLDEN
    return bits


def _mixed(numbers, place):
    """Numbers whose sums over the places differ where the numbers at a place do."""
    with np.errstate(over="ignore"):
        mixed = numbers + (np.asarray(place).astype(np.uint64) + np.uint64(1)) * GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * SECOND
        return mixed ^ (mixed >> np.uint64(31))


def _array_keys(table):
    places, keys = np.arange(table.shape[1]), np.empty(len(table), np.uint64)
    for rows in row_blocks(len(table), 6 * 8 * len(places), block_budget()):
        keys[rows] = _mixed(hashes(table[rows]), places).sum(axis=1, dtype=np.uint64)
    return keys


def _sparse_keys(table):
    table = table.copy()
    table.sum_duplicates()
    table.eliminate_zeros()
    mixed = _mixed(hashes(table.data), table.indices)
    before = np.concatenate([[np.uint64(0)], np.cumsum(mixed)])
    return before[table.indptr[1:]] - before[table.indptr[:-1]]
