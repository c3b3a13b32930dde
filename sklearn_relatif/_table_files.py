"""Tables in files. What a file holds is told by its content, not by its name."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from pathlib import Path

from ._explanation import clip, text_of

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: Bytes of a file that are looked at to find out what it holds.
HEAD = 2**16


class TableError(ValueError):
    """The table cannot be used; the message is one line for the person who gave it."""


def import_pandas():
    try:
        import pandas
    except ImportError as error:
        raise TableError("reading tables needs pandas; run: pip install pandas") from error
    return pandas


def read_frame(path, notes):
    """The data frame in a CSV, gzipped CSV or Parquet file.

    Parameters
    ----------
    path : str or path-like
    notes : list of str
        What was assumed is added to it.

    Raises
    ------
    TableError
        If the file holds no table.
    OSError
        If the file cannot be read.
    """
    pandas = import_pandas()
    if Path(path).is_dir():
        raise TableError(f"{path}: is a directory")
    if not Path(path).exists():
        raise TableError(f"{path}: no such file")
    if not Path(path).is_file():
        raise TableError(f"{path}: is not a regular file, and it must be read twice")
    try:
        with open(path, "rb") as file:
            start = file.read(len(PARQUET))
        if start == PARQUET:
            return pandas.read_parquet(path)
        return _read_csv(pandas, path, start.startswith(GZIP), notes)
    except pandas.errors.EmptyDataError as error:
        raise TableError(f"{path}: the file is empty") from error
    except EOFError as error:
        raise TableError(f"{path}: the compressed file is cut off") from error
    except (ImportError, ValueError, csv.Error, zlib.error, gzip.BadGzipFile) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path}: cannot be read as a table ({reason})") from error


def _read_csv(pandas, path, is_gzipped, notes):
    with (gzip.open if is_gzipped else open)(path, "rb") as file:
        head = file.read(HEAD)
    marked = [name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)]
    encoding = marked[0] if marked else "utf-8"
    if encoding != "utf-16" and b"\0" in head:
        raise ValueError("it holds zero bytes, so it is neither text nor Parquet")
    separator = _separator(head.decode(encoding, errors="replace"))
    if separator != ",":
        notes.append(f"{path} was read as separated by {SEPARATORS[separator]}.")
    options = {
        "sep": separator,
        "skipinitialspace": True,
        "compression": "gzip" if is_gzipped else None,
    }
    try:
        return _parse(pandas, path, options | {"encoding": encoding}, notes)
    except UnicodeDecodeError:
        notes.append(f"{path} is not UTF-8 and was read as Latin-1.")
        return _parse(pandas, path, options | {"encoding": "latin-1"}, notes)


def _separator(text):
    """What separates the most names in the header; the comma, where it does so as well."""
    text = text.lstrip("\r\n ")

    def n_names(separator):
        return len(next(csv.reader(io.StringIO(text), delimiter=separator), []))

    return max(SEPARATORS, key=n_names)


def _parse(pandas, path, options, notes):
    frame = pandas.read_csv(path, low_memory=False, index_col=False, **options)
    header = pandas.read_csv(path, header=None, nrows=1, dtype=str, **options)
    names = header.iloc[0].dropna()
    twice = sorted(set(names[names.duplicated()]))
    if twice:
        notes.append(f"Columns that share a name were numbered: {some(twice)}.")
    return frame


def some(names, most=20):
    """The first few of some names, as text."""
    names = [clip(text_of(name)) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
