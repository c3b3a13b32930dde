"""Training features that stay in a memory-mapped file."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import numpy as np

#: What is read of a file at a time, in bytes.
READ_BYTES = 32 * 2**20


class MappedRows:
    """Rows of a memory-mapped array, read when asked for.

    A page of a mapping that was read counts as memory of the process until it is needed
    elsewhere. Here pages are given back as soon as a copy of the rows exists, so that the memory
    does not grow with the number of rows.

    Parameters
    ----------
    array : memmap of shape (n_rows, n_features)
    dtype : dtype
        Precision of the rows that are read.
    """

    def __init__(self, array, dtype):
        self.array = array
        self.shape = array.shape
        self.ndim = array.ndim
        self.dtype = np.dtype(dtype)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        block = np.array(self.array[rows], dtype=self.dtype)
        give_back(self.array)
        return block

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def product(self, rows, matrix):
        """``self[rows] @ matrix`` of a slice of rows, which need not fit into memory."""
        array = self.array[rows]
        parts = [MappedRows(array, self.dtype)[some] @ matrix for some in reads(array)]
        return np.concatenate(parts) if parts else self[rows] @ matrix

    def astype(self, dtype, copy=False):
        """The same rows, to be read in another precision."""
        return MappedRows(self.array, dtype)


def mapped(X):
    """X itself, or as :class:`MappedRows` if it lies in a memory-mapped file."""
    return MappedRows(X, X.dtype) if is_mapped(X) else X


def is_mapped(X) -> bool:
    return isinstance(X, np.memmap) and _mapping(X) is not None


def reads(X) -> Iterator[slice]:
    """Slices of the rows of an array, to be read from a file one at a time."""
    size = max(1, READ_BYTES // max(1, X.shape[1] * X.itemsize))
    return (slice(start, start + size) for start in range(0, len(X), size))


def give_back(array) -> None:
    """Give the pages that were read of a memory-mapped array back to the system."""
    # A mapping that is copied on write would lose what was written to it.
    if is_mapped(array) and array.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        _mapping(array).madvise(mmap.MADV_DONTNEED)


def _mapping(array) -> mmap.mmap | None:
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None
