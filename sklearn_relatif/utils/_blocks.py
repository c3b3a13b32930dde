"""Blocks of rows, sized by what their temporaries may take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn import get_config

from ._progress import followed
from ._threads import CACHED_BYTES

MIB = 2.0**20
#: A block much larger than this leaves the caches without making the products faster.
MAX_BLOCK = 32 * MIB


def block_budget() -> float:
    """Bytes that one temporary block may take (scikit-learn's ``working_memory`` caps it).

    At least one: a block has at least one row, with no memory to work with too.
    """
    return max(1.0, min(MAX_BLOCK, working_memory() / 4))


def working_memory() -> float:
    """Bytes of scikit-learn's ``working_memory``, for what saves passes over the rows."""
    return float(get_config()["working_memory"] * MIB)


#: Temporaries for each row and output in what is computed of predictors, in double precision.
VALUES_AT_WORK = 4


def row_blocks(n_rows: int, bytes_per_row: float, max_bytes: float) -> Iterator[slice]:
    """Slices that cover ``n_rows`` rows, each at most ``max_bytes`` (and at least one row)."""
    n_blocks = max(1, int(np.ceil(n_rows * bytes_per_row / max_bytes)))
    size = max(1, int(np.ceil(n_rows / n_blocks)))
    blocks = (slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size))
    return followed(blocks, n_rows)


def value_blocks(n_rows: int, n_outputs: int) -> list[slice]:
    """Slices for threads that work on a few values of each row, and not on its features."""
    return list(row_blocks(n_rows, VALUES_AT_WORK * 8 * n_outputs, CACHED_BYTES))
