"""Tables in files. What a file holds is told by its content, not by its name."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import suppress
from itertools import count, islice
from pathlib import Path

from ..utils._text import clip, text_of

GZIP, PARQUET, ZIP = b"\x1f\x8b", b"PAR1", b"PK\x03\x04"
#: How files begin that hold tables in a form that is not read, and what to do with them.
SAVE_AS_CSV = "in Excel or LibreOffice, save it as CSV, and give that file"
OTHER_FORMS = {
    b"\xd0\xcf\x11\xe0": f"it is an Excel workbook (.xls); {SAVE_AS_CSV}",
    b"ARROW1": "it is a Feather file; write it as Parquet or CSV",
    b"SQLite format 3": "it is an SQLite database; write the table as CSV",
    b"BZh": "it is compressed by bzip2; unpack it first",
    b"\xfd7zXZ": "it is compressed by xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "it is compressed by zstd; unpack it first",
}
BYTE_ORDER_MARKS = {
    # The first four bytes begin with the two of the next.
    **{b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"},
    **{b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"},
}
#: What text is in that is not UTF-8; in Latin-1, any bytes are some.
OLD_ENCODINGS = {"cp1252": "Latin-1 (Windows-1252)", "latin-1": "Latin-1"}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
#: Excel's first line that says what separates the values.
SEP_LINE = re.compile(r'\s*"?sep=(.)"?[\r\n]+', re.IGNORECASE)
#: Bytes of a file that are looked at to find out what it holds, and at most for a header.
HEAD, LONGEST_HEADER = 2**16, 2**26
#: Lines by which the width of a table is judged before it is read.
FIRST_LINES = 100
TOO_MANY_VALUES = "its lines hold more values than its header has names"
#: Stands for the missing name above names of rows; no other column has it.
NAMELESS = ""
#: Columns of a table; reading that many takes a few minutes.
MAX_COLUMNS = 100_000


class TableError(ValueError):
    """The table cannot be used; the message is one line for the person who gave it."""


def import_pandas():
    try:
        import pandas
    except ImportError as error:
        raise TableError("this needs pandas; run: python -m pip install pandas") from error
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
            start = file.read(16)
        if start.startswith(PARQUET):
            return pandas.read_parquet(path)
        _refuse_other_forms(path, start)
        return _read_csv(pandas, path, start.startswith(GZIP), notes)
    except pandas.errors.EmptyDataError as error:
        raise TableError(f"{path}: the file is empty") from error
    except EOFError as error:
        raise TableError(f"{path}: the compressed file is cut off") from error
    except TableError as error:
        raise TableError(f"{path}: {error}") from error
    except ImportError as error:
        raise TableError(
            f"{path}: reading Parquet needs pyarrow; run: python -m pip install pyarrow"
        ) from error
    except (ValueError, csv.Error, zlib.error, gzip.BadGzipFile) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path}: cannot be read as a table ({reason})") from error


def _refuse_other_forms(path, start):
    for mark, reason in OTHER_FORMS.items():
        if start.startswith(mark):
            raise TableError(reason)
    if not start.startswith(ZIP):
        return
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    if any(name.startswith("xl/") for name in names):
        raise TableError(f"it is an Excel workbook; {SAVE_AS_CSV}")
    if "content.xml" in names:
        raise TableError(f"it is an OpenDocument spreadsheet; {SAVE_AS_CSV}")
    raise TableError("it is a zip archive; unpack it first")


def _read_csv(pandas, path, is_gzipped, notes):
    with (gzip.open if is_gzipped else open)(path, "rb") as file:
        head = file.read(HEAD)
        if b"\n" not in head:
            head += file.readline(LONGEST_HEADER)
    marked = [name for mark, name in BYTE_ORDER_MARKS.items() if head.startswith(mark)]
    encoding = marked[0] if marked else "utf-8"
    if encoding not in ("utf-16", "utf-32") and b"\0" in head:
        raise ValueError("it holds zero bytes, so it is neither text nor Parquet")
    text = head.decode(encoding, errors="replace")
    _refuse_json(text)
    said = SEP_LINE.match(text)
    n_skipped = 0 if said is None else len(said[0].splitlines())
    text = text if said is None else text[said.end() :]
    separator = _separator(text) if said is None else said[1]
    if separator != ",":
        notes.append(f"{path} was read as separated by {SEPARATORS.get(separator, separator)}.")
    options = {
        "sep": separator,
        "skipinitialspace": True,
        "compression": "gzip" if is_gzipped else None,
        "skiprows": n_skipped,
        "dtype": str,
        # What stands for a missing value depends on what else the column holds.
        "na_filter": False,
    }
    nameless = _nameless(text, separator)
    for name, called in {encoding: None, **OLD_ENCODINGS}.items():
        found = [] if called is None else [f"{path} is not UTF-8 and was read as {called}."]
        with suppress(UnicodeDecodeError):
            frame = _parse(pandas, path, options | {"encoding": name}, nameless, found)
            notes += found
            return frame


def _refuse_json(text):
    is_lines = re.match(r'\s*\{\s*"', text) is not None
    if is_lines or re.match(r"\s*\[\s*[\[{]", text):
        how = ", lines=True" if is_lines else ""
        raise TableError(
            "it holds JSON; write it as CSV first, in Python: "
            f"pandas.read_json(file{how}).to_csv('table.csv', index=False)"
        )


def _separator(text):
    """What separates the names in the header as often as the values below; if several, most names.

    The comma, where it does so as well.
    """
    fits = {separator: _fit(text, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=fits.__getitem__)
    if best == " ":  # Names may hold spaces, too.
        best = max((one for one in SEPARATORS if one != " "), key=fits.__getitem__)
        best = " " if fits[best][1] == 1 else best
    return best


def _fit(text, separator):
    """Whether most lines have as many values as there are names, and how many names there are."""
    try:
        header, *lines = _first_lines(text, separator, FIRST_LINES)
    except csv.Error:  # A name longer than any is.
        return False, 1
    n_fitting = sum(len(fields) - len(header) in (0, 1) for fields in lines)
    return 2 * n_fitting > len(lines) and len(header) > 1, len(header)


def _first_lines(text, separator, most):
    """The fields of the first lines; of the last one known some may be missing, so it is none."""
    file = io.StringIO(text, newline=None)
    reader = csv.reader(file, delimiter=separator, skipinitialspace=True)
    lines = [fields for fields in islice(reader, most + 1) if fields]
    return lines[:-1] if len(lines) > 2 else lines or [[]]


def _nameless(text, separator):
    """The place of the column that the header has no name for; None: each has one.

    It is the first where R writes names of rows, and the last where lines end in a separator.
    """
    header, *lines = _first_lines(text, separator, FIRST_LINES)
    if len(header) > MAX_COLUMNS:
        raise TableError(
            f"it has {len(header)} columns, and at most {MAX_COLUMNS} are possible; keep those to "
            "predict from, and the labels"
        )
    if {len(fields) for fields in lines} != {len(header) + 1}:
        return None
    return 0 if any(fields[-1] for fields in lines) else -1


def _parse(pandas, path, options, nameless, notes):
    header = pandas.read_csv(path, header=None, nrows=1, **options).iloc[0]
    names = _names(header, notes)
    if nameless is not None:
        names.insert(0 if nameless == 0 else len(names), NAMELESS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame = pandas.read_csv(
                path, header=0, names=names, index_col=False, low_memory=False, **options
            )
        except pandas.errors.ParserWarning as error:
            raise TableError(TOO_MANY_VALUES) from error
    if (frame.iloc[:, -1] == "").any():
        _note_short_lines(path, options, len(names), notes)
    if nameless is None:
        return frame
    extra = frame.pop(NAMELESS)
    if not (extra.is_unique if nameless == 0 else (extra == "").all()):
        raise TableError(TOO_MANY_VALUES)
    if nameless == 0:
        notes.append(
            f"{path} has one name fewer than columns: the first column was taken for names of the "
            "rows, as R writes them."
        )
    return frame


def _note_short_lines(path, options, n_names, notes):
    """Say how many lines have too few values, of which the last ones then lack."""
    opened = gzip.open if options["compression"] == "gzip" else open
    with opened(path, "rt", encoding=options["encoding"], newline="") as file:
        for _ in range(options["skiprows"]):
            next(file)
        lines = csv.reader(file, delimiter=options["sep"], skipinitialspace=True)
        with suppress(csv.Error):  # A value longer than the module takes.
            n_short = sum(0 < len(fields) < n_names for fields in islice(lines, 1, None))
            if n_short:
                notes.append(
                    f"Lines of {path} with fewer values than names, of which the last were taken "
                    f"as missing: {n_short}."
                )


def _names(header, notes):
    """The names of the columns, without spaces around them, and all different."""
    given = [name.strip() for name in header.fillna("")]
    twice = sorted(name for name, times in Counter(given).items() if name and times > 1)
    if twice:
        notes.append(f"Columns that share a name were numbered: {some(twice)}.")
    names: dict[str, None] = {}
    for place, name in enumerate(given):
        name = name or f"Unnamed: {place}"
        names[next(new for new in _numbered(name) if new not in names)] = None
    return list(names)


def _numbered(name):
    yield name
    yield from (f"{name}.{number}" for number in count(1))


def some(names, most=20):
    """The first few of some names, as text."""
    names = [clip(text_of(name)) for name in names]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
