"""Work on the parts of a data set, in the worker processes of joblib's active backend.

What is done with a part must not depend on where it is done, so that callers read as loops over
parts: of which there is one, the whole, unless joblib has processes to share it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from itertools import pairwise
from time import sleep
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from joblib import effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

#: How often a pass is begun anew because data were lost together with a worker.
ATTEMPTS = 4
#: Seconds before that, in which the scheduler notices that a worker is gone.
PAUSE = 0.2
#: How the address of a worker of Dask begins that has the memory of this process.
IN_THIS_PROCESS = "inproc://"


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


def split(*wholes: Any) -> list[tuple]:
    """The parts of rows for each worker process, of each of the wholes; these without any.

    Wholes are objects that give a ``part`` of theirs for a slice, and arrays of as many rows. The
    same wholes have the same parts as long as they live, so that nothing is sent to a worker
    twice: nothing that is in them may change.
    """
    slices = part_slices(wholes[0].n_rows)
    if len(slices) == 1:
        return [wholes]
    return list(zip(*(_parts(whole, slices) for whole in wholes), strict=True))


def _parts(whole, slices):
    known, parts = _PARTS.get([whole], (None, None))
    if known != slices:
        parts = [Part(whole, rows) for rows in slices]
        _PARTS.keep([whole], (slices, parts))
    return parts


class Part:
    """Some rows of a whole, which are taken of it when they are sent."""

    def __init__(self, whole: Any, rows: slice):
        self._whole = ref(whole)
        self._rows = rows

    @property
    def content(self) -> Any:
        whole: Any = self._whole()  # Who asks for a part holds the whole.
        return whole[self._rows] if isinstance(whole, np.ndarray) else whole.part(self._rows)


def map_parts(function: Callable, parts: Sequence[tuple], *shared) -> list:
    """``[function(part, *shared) for part in parts]``, in worker processes if there are several.

    Workers of Dask keep what they were sent, as long as it lives here: what another call has in
    common with this one is not sent again. Where a worker is lost with the data that it held, they
    are. Other backends send everything with each call.

    Parameters
    ----------
    function : callable
        A function of a module, which workers can import, or a partial of one.
    parts : sequence of tuple
        What is in a part is kept on its own.
    *shared
        Further arguments, the same for all parts. Objects that refer to the same data are given as
        a tuple, and kept together.
    """
    if len(parts) == 1:
        return [function(parts[0], *shared)]
    for _ in range(ATTEMPTS - 1):
        with suppress(CancelledError):
            return _run(function, parts, shared)
        _SENT.clear()
        sleep(PAUSE)
    return _run(function, parts, shared)


def _run(function, parts, shared):
    arguments = [(*part, *shared) for part in parts]
    backend, n_jobs = get_active_backend()
    client = getattr(backend, "client", None)
    # With one worker left, joblib works in this process, which has no use for what is sent.
    if client is None or effective_n_jobs(n_jobs) == 1:
        sent = [[_parcel(argument) for argument in own] for own in arguments]
    else:
        sent = _sent_by(client, arguments)
    size = len(parts[0])
    return Parallel(batch_size=1)(delayed(_on_part)(function, size, *own) for own in sent)


def _on_part(function, size, *parcels):
    if not all(isinstance(parcel, Parcel) for parcel in parcels):
        raise CancelledError  # Just now the last worker but one was lost.
    contents = [parcel.content for parcel in parcels]
    return function(tuple(contents[:size]), *contents[size:])


def _parcel(argument):
    return Parcel(argument.content if isinstance(argument, Part) else argument)


def _sent_by(client, arguments):
    """Arguments of tasks, each on the worker of Dask that keeps them; small ones as they are.

    All that belongs to a task lies on one worker, so that the scheduler has it done there. What a
    worker in this process kept would be the argument itself, which then would live for ever.
    """
    workers = [name for name, n in sorted(client.ncores().items()) for _ in range(n)]
    for closed in [one for one in _SENT if one.status == "closed"]:
        del _SENT[closed]  # What stands for their data would hold them.
    kept = _SENT.setdefault(client, WhileAlive())
    sent = []
    for place, own in enumerate(arguments):
        worker = workers[place % len(workers)]
        lasting = [] if worker.startswith(IN_THIS_PROCESS) else list(filter(_lasts, own))
        new = [it for it in lasting if not _found(kept, it, worker)]
        if new:
            futures = _scatter(client, list(map(_parcel, new)), worker)
            for argument, future in zip(new, futures, strict=True):
                others = kept.get(_members(argument), {})
                kept.keep(_members(argument), {**others, worker: future})
        sent.append([_found(kept, argument, worker) or _parcel(argument) for argument in own])
    return sent


def _scatter(client, parcels, worker):
    try:
        return client.scatter(parcels, workers=[worker], hash=False)
    except (OSError, KeyError) as error:  # It is unreachable, or the scheduler knows it no more.
        raise CancelledError(f"Worker {worker} was lost.") from error


def _found(kept, argument, worker):
    """What stands for an argument that a worker has; None if it has not, or lost it."""
    future = kept.get(_members(argument), {}).get(worker)
    return future if future is not None and future.status == "finished" else None


def _members(argument):
    return argument if isinstance(argument, tuple) else (argument,)


def _lasts(argument):
    """Whether it can be known how long an argument lives: numbers and words are sent anew."""
    return all(type(member).__weakrefoffset__ for member in _members(argument))


class WhileAlive:
    """Values that belong to some objects as long as all of these live, whatever they equal.

    No value may refer to one of its objects.
    """

    def __init__(self):
        self._values = {}

    def get(self, objects: Sequence, default: Any = None) -> Any:
        return self._values.get(tuple(map(id, objects)), (None, default))[1]

    def keep(self, objects: Sequence, value: Any) -> None:
        key = tuple(map(id, objects))
        forget = partial(_forget, self._values, key)
        self._values[key] = [ref(one, forget) for one in objects], value


def _forget(values, key, _):
    values.pop(key, None)


#: The parts of wholes, and for each client of Dask what its workers have.
_PARTS = WhileAlive()
_SENT: WeakKeyDictionary[Any, WhileAlive] = WeakKeyDictionary()


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
