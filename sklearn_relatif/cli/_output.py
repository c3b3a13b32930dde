"""What the command prints: text that any terminal shows, and files written whole."""

from __future__ import annotations

import os
import sys

from ..utils._text import printable
from ..utils._whole_files import naming


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


def flush():
    """Write out what was printed; if nobody can take it, keep Python from trying again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def first_line(text):
    """The first line of a message that says something."""
    return next((line for line in text.splitlines() if line.strip()), "failed")
