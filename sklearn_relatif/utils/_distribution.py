"""Work on the parts of a data set, in the worker processes of joblib's active backend.

What is done with a part must not depend on where it is done, so that callers read as loops over
parts: of which there is one, the whole, unless joblib has processes to share it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import pairwise
from typing import Any

from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

#: How often a pass is begun anew because data were lost together with a worker.
ATTEMPTS = 4


def jobs(n_jobs: int | None) -> AbstractContextManager[Any]:
    """While this is open, joblib's number of jobs is the one given; None: as it is."""
    return nullcontext() if n_jobs is None else parallel_config(n_jobs=n_jobs)


def part_slices(n_rows: int) -> list[slice]:
    """Slices over rows, one for each worker process; a single one without any.

    Threads are no workers: the products of a process use all of its threads as they are.
    """
    backend, n_jobs = get_active_backend()
    is_shared = getattr(backend, "supports_sharedmem", False)
    n_workers = 1 if is_shared else effective_n_jobs(n_jobs)
    n_parts = max(1, min(n_workers, n_rows))
    bounds = [n_rows * part // n_parts for part in range(n_parts + 1)]
    return [slice(*ends) for ends in pairwise(bounds)]


def split(whole: Any) -> list:
    """The parts of rows for each worker process; a list of the whole without any."""
    slices = part_slices(whole.n_rows)
    return [whole] if len(slices) == 1 else [whole.part(rows) for rows in slices]


def map_parts(function: Callable, parts: Sequence, *shared) -> list:
    """``[function(part, *shared) for part in parts]``, in worker processes if there are several.

    Each part is sent to one worker, and ``shared`` to each worker once. Where a worker is lost
    with the data that it held, they are sent again.

    Parameters
    ----------
    function : callable
        A function of a module, which workers can import.
    parts : sequence
    *shared
        Further arguments, the same for all parts.
    """
    if len(parts) == 1:
        return [function(parts[0], *shared)]
    parcels, common = [Parcel(part) for part in parts], Parcel(shared)
    for _ in range(ATTEMPTS - 1):
        with suppress(CancelledError):
            return _run(function, parcels, common)
    return _run(function, parcels, common)


def _run(function, parcels, common):
    return Parallel(batch_size=1)(delayed(_on_part)(function, parcel, common) for parcel in parcels)


def _on_part(function, parcel, common):
    return function(parcel.content, *common.content)


class Parcel:
    """What is sent to workers, and how large it is.

    joblib's backend for Dask puts large arguments on a worker, from which others fetch them,
    rather than into each task. It goes by ``sys.getsizeof``, to which objects with arrays look
    small.
    """

    def __init__(self, content: Any):
        self.content = content

    def __sizeof__(self):
        return object.__sizeof__(self) + _size(self.content, set())


def _size(value, seen):
    """Bytes of a value and of all that it refers to, each counted once."""
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if hasattr(value, "nbytes"):
        return value.nbytes
    inner = [*vars(value).values()] if hasattr(value, "__dict__") else []
    if isinstance(value, (tuple, list)):
        inner += value
    elif isinstance(value, dict):
        inner += value.values()
    return sys.getsizeof(value) + sum(_size(part, seen) for part in inner)
