"""Progress of long loops: a line on standard error, and passes over rows that others watch."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter


def show_progress(label, done, total, enabled):
    """Rewrite the line that says how many of the items are done.

    Parameters
    ----------
    label : str
        What the items are.
    done, total : int
    enabled : bool
        False: nothing is written.
    """
    if enabled:
        sys.stderr.write(f"\r{done} of {total} {label}" + ("\n" if done == total else ""))
        sys.stderr.flush()


class Watcher:
    """Is told of each pass over rows: a subclass says what to show of it, and when to end that.

    Passes inside of others and those of a single block are not shown.

    Attributes
    ----------
    what : str
        What the passes are for.
    """

    def __init__(self) -> None:
        self.what = ""
        self._is_busy = False

    def show(self, n_done: int, n_rows: int, seconds: float) -> None:
        """Show how many rows a pass has done, and in what time."""
        raise NotImplementedError

    def end(self) -> None:
        """Show no longer what was shown."""
        raise NotImplementedError

    def follow(self, blocks: Iterable[slice], n_rows: int) -> Iterator[slice]:
        """The blocks of a pass, each of which is done when the next one is asked for."""
        start, is_shown = perf_counter(), False
        try:
            for block in blocks:
                if not self._is_busy and block.stop - block.start < n_rows:
                    self._is_busy = is_shown = True
                yield block
                if is_shown:
                    self.show(block.stop, n_rows, perf_counter() - start)
        finally:
            if is_shown:
                self._is_busy = False
                self.end()


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """While this is open, passes that begin in this thread are followed by a watcher."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def begin(what: str) -> None:
    """Tell the watcher, if there is one, what the passes are for from now on."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher.what = what


def followed(blocks: Iterable[slice], n_rows: int) -> Iterator[slice]:
    """The blocks of a pass over rows, followed by the watcher, if there is one.

    Parameters
    ----------
    blocks : iterable of slice
    n_rows : int
    """
    watcher = _watcher.get()
    return iter(blocks) if watcher is None else watcher.follow(blocks, n_rows)
