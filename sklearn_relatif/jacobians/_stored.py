"""Training features that stay where they are stored, and are read block by block."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

#: What is read at a time, in bytes.
READ_BYTES = 32 * 2**20
#: Rows here and there that are read of a mapping before its pages are given back: the system may
#: bring in megabytes around each.
SCATTERED_ROWS = 32
FLOATS = (np.dtype(np.float64), np.dtype(np.float32))


class StoredRows:
    """Rows of a stored array as a model takes them, read when asked for, each time anew.

    A page of a memory mapping that was read counts as memory of the process until it is needed
    elsewhere. Here pages are given back as soon as a copy of the rows exists, so that the memory
    does not grow with the number of rows.

    Parameters
    ----------
    source : memmap, or object with ``shape``, ``dtype`` and ``__getitem__``
        Of shape (n_rows, n_raw_columns). It is asked for slices, and for rising positions.
    transformers : sequence of fitted transformers, default=()
        What rows pass through on their way to the model, each row on its own.
    """

    ndim = 2

    def __init__(self, source, transformers=()):
        self.source = source
        self.transformers = transformers
        self.columns = self.dtype = None
        self.first, self.stop = 0, source.shape[0]
        first = self._block(slice(1))
        self.n_columns = first.shape[1]
        self.dtype = first.dtype if first.dtype in FLOATS else FLOATS[0]

    @property
    def shape(self):
        return self.stop - self.first, self.n_columns

    def __len__(self):
        return self.stop - self.first

    def __getitem__(self, rows):
        if not (isinstance(rows, slice) and rows.step is None):
            return self._block(rows)
        # A few columns may come of many: what is read at a time is limited as well.
        blocks = [self._block(some) for some in self.reads(rows)]
        if len(blocks) == 1:
            return blocks[0]
        return sparse.vstack(blocks) if sparse.issparse(blocks[0]) else np.concatenate(blocks)

    def transformed(self, rows):
        """Some of the rows as the last transformer makes them, which may be frames."""
        block = self._read(rows)
        for transformer in self.transformers:
            block = transformer.transform(block)
        return block

    def _block(self, rows):
        """Some of the rows, all read at once."""
        block = self.transformed(rows)
        if sparse.issparse(block):
            return block
        block = np.asarray(block)
        if self.columns is not None:
            block = block[:, self.columns]
        return np.ascontiguousarray(block, self.dtype)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def _read(self, rows):
        """Raw rows, as an array of their own."""
        if isinstance(rows, slice) and rows.step is None:
            start, stop, _ = rows.indices(len(self))
            return self._copy(slice(self.first + start, self.first + max(start, stop)))
        positions = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        if positions.dtype == bool:
            positions = np.flatnonzero(positions)
        rising, places = np.unique(positions, return_inverse=True)
        return self._copy_scattered(rising.astype(np.intp) + self.first)[places]

    def _copy(self, rows):
        block = np.array(self.source[rows])
        give_back(self.source, rows)
        return block

    def _copy_scattered(self, rising):
        """Rows at rising positions."""
        if not is_mapped(_array(self.source)) or len(rising) <= SCATTERED_ROWS:
            return self._copy(rising)
        starts = range(0, len(rising), SCATTERED_ROWS)
        return np.concatenate([self._copy(rising[start:][:SCATTERED_ROWS]) for start in starts])

    def product(self, rows, matrix):
        """``self[rows] @ matrix``. A slice of rows need not fit into memory."""
        some = self.reads(rows) if isinstance(rows, slice) else [rows]
        return np.concatenate([self[rows] @ matrix for rows in some])

    def reads(self, rows=slice(None)) -> Iterator[slice]:
        """Slices of some rows, at least one, to be read one at a time."""
        n_columns = max(self.source.shape[1], self.n_columns)
        size = max(1, READ_BYTES // max(1, n_columns * FLOATS[0].itemsize))
        start, stop, _ = rows.indices(len(self))
        starts = range(start, max(start + 1, stop), size)
        return (slice(first, min(first + size, stop)) for first in starts)

    def part(self, rows) -> StoredRows:
        """Some of the rows, given by a slice. Where they lie in a file, they pickle as its name."""
        start, stop, _ = rows.indices(len(self))
        part = copy(self)
        part.first, part.stop = self.first + start, self.first + max(start, stop)
        part.source = MappedFile.of(self.source)
        return part

    def take_columns(self, columns) -> StoredRows:
        """Some of the columns of the same rows."""
        taken = copy(self)
        taken.columns = columns if self.columns is None else self.columns[columns]
        taken.n_columns = len(columns)
        return taken

    def astype(self, dtype, copy=False) -> StoredRows:
        """The same rows, to be read in another precision."""
        return _with_dtype(self, dtype)


def _with_dtype(rows, dtype):
    changed = copy(rows)
    changed.dtype = np.dtype(dtype)
    return changed


class MappedFile:
    """A memory-mapped array by the file that it lies in, which any process can open."""

    def __init__(self, filename, offset, shape, dtype):
        self.filename = filename
        self.offset = offset
        self.shape = shape
        self.dtype = dtype

    @classmethod
    def of(cls, source):
        """The file of a memory-mapped array; any other source as it is."""
        # A private mapping may differ from its file.
        if not is_mapped(source) or source.mode == "c" or not source.flags.c_contiguous:
            return source
        offset = _whole(source).offset + _distance(source, _whole(source))
        return cls(source.filename, offset, source.shape, source.dtype)

    def __getitem__(self, rows):
        return self.array[rows]

    @cached_property
    def array(self):
        return np.memmap(self.filename, self.dtype, "r", self.offset, self.shape)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "array"}


def stored(X):
    """X itself, or as :class:`StoredRows` if it lies in a memory-mapped file."""
    return StoredRows(X) if is_mapped(X) else X


def is_stored(X) -> bool:
    """Whether X is to be read block by block: a memory-mapped or another sliceable array."""
    dtype, shape = getattr(X, "dtype", None), getattr(X, "shape", ())
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub" or len(shape) != 2:
        return False
    if isinstance(X, np.ndarray):
        return is_mapped(X)
    return hasattr(X, "__getitem__") and not sparse.issparse(X)


def is_mapped(X) -> bool:
    return isinstance(X, np.memmap) and _mapping(X) is not None


def take_columns(X, columns):
    """Some of the columns of features, which stay where they are stored."""
    return X.take_columns(columns) if isinstance(X, StoredRows) else X[:, columns]


def held(X):
    """Features in memory."""
    return X[:] if isinstance(X, StoredRows) else X


def give_back(source, rows) -> None:
    """Give the pages that were read of a memory-mapped array back to the system."""
    array = _array(source)
    # A mapping that is copied on write would lose what was written to it.
    if not is_mapped(array) or array.mode == "c" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    mapping: Any = _mapping(array)
    if not isinstance(rows, slice) or not array.flags.c_contiguous:
        mapping.madvise(mmap.MADV_DONTNEED)
        return
    # Only the pages of a block, because going through those of all rows takes its time.
    whole, row_bytes = _whole(array), array.shape[1] * array.itemsize
    start = whole.offset % mmap.ALLOCATIONGRANULARITY + _distance(array, whole)
    first = (start + rows.start * row_bytes) // mmap.PAGESIZE * mmap.PAGESIZE
    last = min(start + rows.stop * row_bytes, len(mapping))
    if last > first:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)


def _array(source):
    return source.array if isinstance(source, MappedFile) else source


def _whole(array) -> np.memmap:
    """The memory-mapped array that an array is a part of, as it was opened."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _distance(array, whole):
    """Bytes from the beginning of an array to that of a part of it."""
    address = [a.__array_interface__["data"][0] for a in (array, whole)]
    return address[0] - address[1]


def _mapping(array) -> mmap.mmap | None:
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None
