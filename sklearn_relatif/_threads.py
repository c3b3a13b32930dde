"""Loops over blocks in several threads, with one BLAS thread in each.

A matrix product in several threads leaves all but one of them idle while its result is looked
at. Where each thread multiplies and looks at blocks of its own, none waits, and there are never
more threads at work than BLAS was allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

#: Up to so many columns, a matrix product is worth less than what is done around it, so that
#: threads which each work on a block of rows beat the threads of BLAS.
FEW_COLUMNS = 256
#: Bytes of the rows that such a thread works on, which stay in its cache.
CACHED_BYTES = 2**20


def for_each(
    function: Callable, items: Sequence, then: Callable[[Any], None] | None = None
) -> None:
    """Call a function on each item, in as many threads as BLAS may use.

    Threads take items in order, but may finish them in any. An exception of the function is
    raised here.

    Parameters
    ----------
    function : callable
        Only what releases the GIL gains by threads: NumPy's products do, SciPy's do not.
    items : sequence
    then : callable, default=None
        Called with each result, in the order of the items and by one thread at a time: sums over
        the results are the same however many threads there are.
    """
    loop = _Loop(function, items, then)
    if len(items) <= 1:
        loop.run()
        return
    with _one_thread_each.hold() as n_threads:
        n_threads = min(n_threads, len(items))
        if n_threads == 1:
            loop.run()
            return
        with ThreadPoolExecutor(n_threads) as pool:
            try:
                # A task for each thread, not for each item, of which there may be thousands.
                for running in [pool.submit(loop.run) for _ in range(n_threads)]:
                    running.result()
            finally:  # Where the user interrupts, threads end with the items that they are at.
                loop.drop_the_rest()


def one_blas_thread():
    """A context in which BLAS has one thread, for small products between large ones of SciPy.

    NumPy and SciPy each bring a BLAS, whose threads wait for more work for a tenth of a second,
    and keep the cores busy meanwhile: those of one slow down the other.
    """
    return _one_thread_each.hold()


class _Loop:
    """What the threads of :func:`for_each` share; each of them calls :meth:`run`."""

    def __init__(self, function, items, then):
        self._function = function
        self._items = iter(enumerate(items))
        self._then = then
        self._lock, self._then_lock = Lock(), Lock()
        #: Results that wait for those of the items before them.
        self._results = {}
        self._n_handed_over = 0

    def run(self):
        """Work on items until none is left."""
        while (numbered := self._take()) is not None:
            index, item = numbered
            try:
                result = self._function(item)
                if self._then is not None:
                    self._hand_over(index, result)
            except BaseException:
                self.drop_the_rest()
                raise

    def _take(self):
        with self._lock:
            return next(self._items, None)

    def drop_the_rest(self):
        with self._lock:
            self._items = iter(())

    def _hand_over(self, index, result):
        with self._then_lock:
            self._results[index] = result
            while self._n_handed_over in self._results:
                self._then(self._results.pop(self._n_handed_over))
                self._n_handed_over += 1


class _SharedLimit:
    """A limit of one thread for BLAS, which holds for the whole process.

    Loops that run at the same time share it: the first sets it, and the last one to end undoes
    it, so that none of them takes the limit of another for the user's setting.
    """

    def __init__(self):
        self._lock = Lock()
        self._n_holders = 0
        self._limit = None

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Set the limit, and give the number of threads that the holder may start."""
        with self._lock:
            n_threads = 1
            if self._n_holders == 0:
                n_threads = n_blas_threads()
                self._limit = _controller().limit(limits=1, user_api="blas")
            self._n_holders += 1
        try:
            yield n_threads
        finally:
            with self._lock:
                self._n_holders -= 1
                if self._n_holders == 0:
                    self._limit.restore_original_limits()


_one_thread_each = _SharedLimit()


@cache
def _controller():
    """The BLAS libraries of this process, which take milliseconds to find."""
    return ThreadpoolController()


def n_blas_threads() -> int:
    """Threads of the products, and so of :func:`for_each`."""
    libraries = _controller().select(user_api="blas").info()
    return max((library["num_threads"] for library in libraries), default=1)
