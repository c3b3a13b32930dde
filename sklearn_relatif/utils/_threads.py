"""Loops over blocks in several threads, with one BLAS thread in each.

A matrix product in several threads leaves all but one of them idle while its result is looked
at. Where each thread multiplies and looks at blocks of its own, none waits, and there are never
more threads at work than BLAS was allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController

from ._progress import followed

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
    _one_thread_each.hold_while(loop.run_in_threads)


def in_one_blas_thread(function: Callable, *args, **kwargs) -> Any:
    """Call a function while BLAS has one thread, for small products between large ones of SciPy.

    NumPy and SciPy each bring a BLAS, whose threads wait for more work for a tenth of a second,
    and keep the cores busy meanwhile: those of one slow down the other.
    """
    return _one_thread_each.hold_while(lambda n_threads: function(*args, **kwargs))


class _Loop:
    """What the threads of :func:`for_each` share; each of them calls :meth:`run`."""

    def __init__(self, function, items, then):
        self._function = function
        are_blocks = bool(items) and isinstance(items[-1], slice)
        followed_items = followed(items, items[-1].stop) if are_blocks else items
        self._items, self._n_items = iter(enumerate(followed_items)), len(items)
        self._then = then
        self._lock, self._then_lock = Lock(), Lock()
        #: Results that wait for those of the items before them.
        self._results = {}
        self._n_handed_over = 0

    def run_in_threads(self, n_threads):
        """Work on the items in so many threads, of which this one only waits for others."""
        n_threads = min(n_threads, self._n_items)
        if n_threads == 1:
            self.run()
            return
        with ThreadPoolExecutor(n_threads) as pool:
            try:
                # A task for each thread, not for each item, of which there may be thousands.
                for running in [pool.submit(self.run) for _ in range(n_threads)]:
                    running.result()
            finally:  # Where the user interrupts, threads end with the items that they are at.
                self.drop_the_rest()

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
            self._items = enumerate(())

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
        self._holders = set()
        #: The libraries that had several threads before, and how many.
        self._before = []

    def hold_while(self, function: Callable[[int], Any]) -> Any:
        """Call a function under the limit, with the number of threads that it may start.

        An interrupt can be raised wherever Python enters or leaves a function. So this is no
        context manager, whose end would be one more function to enter, and the limit is undone
        twice, should an interrupt keep the first attempt from its work.
        """
        holder = object()
        try:
            try:
                return function(self._take(holder))
            finally:
                self._drop(holder)
        finally:
            self._drop(holder)

    def _take(self, holder):
        with self._lock:
            is_first = not self._holders
            self._holders.add(holder)
            if not is_first:
                return 1
            before = [(library, library.num_threads) for library in _blas_libraries()]
            # What has one thread stays as it is: small products are made often.
            self._before = [(library, n_threads) for library, n_threads in before if n_threads > 1]
            for library, _ in self._before:
                library.set_num_threads(1)
            return max((n_threads for _, n_threads in before), default=1)

    def _drop(self, holder):
        """Undo what :meth:`_take` did or began; nothing if that is done."""
        if holder not in self._holders:
            return
        with self._lock:
            if len(self._holders) == 1:
                for library, n_threads in self._before:
                    library.set_num_threads(n_threads)
                self._before = []
            self._holders.discard(holder)


_one_thread_each = _SharedLimit()


@cache
def _blas_libraries():
    """The BLAS libraries of this process, which take milliseconds to find."""
    return ThreadpoolController().select(user_api="blas").lib_controllers


def n_blas_threads() -> int:
    """Threads of the products, and so of :func:`for_each`."""
    return max((library.num_threads for library in _blas_libraries()), default=1)
