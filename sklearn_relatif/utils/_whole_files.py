"""Files that are written as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from uuid import uuid4


def write_whole(path, text: str) -> None:
    """Write a text file, or leave what was there: whatever happens on the way, no part of it.

    Parameters
    ----------
    path : str or path-like
        Where it leads through a link, the file is written there. Devices and pipes, which cannot
        be replaced, are written to.
    text : str

    Raises
    ------
    OSError
        If it cannot be written; its ``filename`` is the path.
    """
    with naming(path):
        if os.path.exists(path) and not os.path.isfile(path):
            _write(path, "w", text)
        else:
            _replace(os.path.realpath(path), text)


@contextmanager
def naming(path):
    """Name the file in what goes wrong on the way, such as a full disk."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = path, None
        raise


def _replace(path, text):
    # In the same folder, because only within a file system files are replaced at once.
    part = os.path.join(os.path.dirname(path), f".{uuid4().hex}.part")
    try:
        _write(part, "x", text)
        if os.path.exists(path):
            shutil.copymode(path, part)
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            os.remove(part)
        raise


def _write(path, mode, text):
    # The same bytes on all systems: texts of the data may have ends of lines in them.
    with open(path, mode, encoding="utf-8", newline="\n") as file:
        file.write(text)
