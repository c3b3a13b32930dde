"""Tables in files. What a file holds is told by its content, not by its name."""

from __future__ import annotations

import csv
import gzip
import shutil
import sys
import zlib
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ._binary_files import SAVE_AS_CSV, read_arrow, read_workbook, refuse_other_zips
from ._csv_files import read_csv
from ._json_files import is_json, read_json
from ._refusals import TableError, import_pandas
from ._text_files import text_file

ZIP = b"PK\x03\x04"
ARROW = {b"PAR1": "Parquet", b"ARROW1": "Feather", b"FEA1": "Feather"}
#: How files begin that hold tables in a form that is not read, and what to do with them.
OTHER_FORMS = {
    b"\xd0\xcf\x11\xe0": f"it is an Excel workbook (.xls); {SAVE_AS_CSV}",
    b"SQLite format 3": "it is an SQLite database; write the table as CSV",
    b"BZh": "it is compressed by bzip2; unpack it first",
    b"\xfd7zXZ": "it is compressed by xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd; unpack it first",
}
#: The name that stands for what others write to this program.
STANDARD_INPUT = "-"


def read_frame(path, notes):
    """The data frame in a file, its rows named by an index whose name says what the names are.

    Parameters
    ----------
    path : str or path-like
        "-": what the standard input holds.
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
    called = "standard input" if path == STANDARD_INPUT else str(path)
    try:
        with _on_disk(path) as place:
            return _read(place, called, notes).rename(columns=str)
    except pandas.errors.EmptyDataError as error:
        raise TableError(f"{called}: the file is empty") from error
    except EOFError as error:
        raise TableError(f"{called}: the compressed file is cut off") from error
    except TableError as error:
        raise TableError(f"{called}: {error}") from error
    except (ValueError, csv.Error, zlib.error, gzip.BadGzipFile) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{called}: cannot be read as a table ({reason})") from error


def _read(place, called, notes):
    with open(place, "rb") as file:
        start = file.read(16)
    for mark, reason in OTHER_FORMS.items():
        if start.startswith(mark):
            raise TableError(reason)
    for mark, form in ARROW.items():
        if start.startswith(mark):
            return read_arrow(place, called, form)
    if start.startswith(ZIP):
        refuse_other_zips(place)
        return read_workbook(place, called, notes)
    file = text_file(place, called)
    return (read_json if is_json(file.head) else read_csv)(file, notes)


@contextmanager
def _on_disk(path):
    """The place of a file that can be read twice; pipes are written to one."""
    if path == STANDARD_INPUT:
        with _written(sys.stdin.buffer) as place:
            yield place
    elif Path(path).is_dir():
        raise TableError("is a directory")
    elif not Path(path).exists():
        raise TableError("no such file")
    elif Path(path).is_file():
        yield path
    else:
        with open(path, "rb") as pipe, _written(pipe) as place:
            yield place


@contextmanager
def _written(stream):
    with TemporaryDirectory() as folder:
        place = Path(folder, "table")
        with open(place, "wb") as file:
            shutil.copyfileobj(stream, file)
        yield place
