"""What the command prints: text that any terminal shows, and files written whole."""

from __future__ import annotations

import os
import sys
from time import perf_counter

from ..utils._progress import Watcher
from ..utils._text import printable
from ..utils._whole_files import naming

#: Seconds after which a pass is told of, and between lines where each stays.
PATIENCE, PAUSE = 2, 10
#: Seconds between two states of a line that moves.
MOVE = 0.2


def show(text="", file=None):
    """Print text that may hold whatever the data hold, in what the reader's encoding has."""
    file = sys.stdout if file is None else file
    encoding = file.encoding or "utf-8"
    text = printable(text).encode(encoding, errors="backslashreplace").decode(encoding)
    with naming("the output"):
        print(text, file=file, flush=True)


def say(what):
    """Say on standard error what is being done."""
    show(f"{what} ...", sys.stderr)


class Progress(Watcher):
    """Tells of long passes on standard error: by a line that moves, or where none can by a few.

    Parameters
    ----------
    stream : text stream
    """

    def __init__(self, stream):
        super().__init__()
        self.stream, self.moves = stream, stream.isatty()
        self._width, self._last = 0, 0.0

    def show(self, n_done, n_rows, seconds):
        now = perf_counter()
        if seconds < PATIENCE or now - self._last < (MOVE if self.moves else PAUSE):
            return
        self._last, pace = now, n_done / seconds
        line = (
            f"  {self.what or 'working'}: {n_done:,} of {n_rows:,} rows, {pace:,.0f} a second, "
            f"{_duration((n_rows - n_done) / pace)} left"
        )
        if not self.moves:
            show(line, self.stream)
            return
        self.stream.write(f"\r{line:<{self._width}}")
        self.stream.flush()
        self._width = max(self._width, len(line))

    def end(self):
        if self._width:
            self.stream.write(f"\r{'':<{self._width}}\r")
            self.stream.flush()
            self._width = 0


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def flush():
    """Write out what was printed; if nobody can take it, keep Python from trying again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def first_line(text):
    """The first line of a message that says something."""
    return next((line for line in text.splitlines() if line.strip()), "failed")
