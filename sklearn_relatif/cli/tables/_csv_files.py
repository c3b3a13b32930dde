"""Tables in text, as programs and people write them: what separates their values, their lines."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections import Counter
from itertools import count, islice

from ._refusals import TableError, import_pandas, some

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
#: Excel's first line that says what separates the values.
SEP_LINE = re.compile(r'\s*"?sep=(.)"?(\r\n|\r|\n)', re.IGNORECASE)
#: Lines by which the width of a table is judged before it is read.
FIRST_LINES = 100
TOO_MANY_VALUES = "its lines hold more values than its header has names"
#: Stands for the missing name above names of rows; no other column has it.
NAMELESS = ""
#: Columns of a table; reading that many takes a few minutes.
MAX_COLUMNS = 100_000


def read_csv(file, notes):
    """The data frame in a file of separated values, each row named by the line that it begins in.

    Parameters
    ----------
    file : TextFile
    notes : list of str
        What was assumed is added to it.
    """
    said = SEP_LINE.match(file.head)
    n_skipped = 0 if said is None else len(said[0].splitlines())
    text = file.head if said is None else file.head[said.end() :]
    separator = _separator(text) if said is None else said[1]
    if separator != ",":
        called = SEPARATORS.get(separator, separator)
        notes.append(f"{file.called} was read as separated by {called}.")
    options = {
        "sep": separator,
        "skipinitialspace": True,
        "compression": "gzip" if file.is_gzipped else None,
        "skiprows": n_skipped,
        "dtype": str,
        # What stands for a missing value depends on what else the column holds.
        "na_filter": False,
    }
    nameless = _nameless(text, separator)
    return file.decoded(
        lambda encoding, said: _parse(file, encoding, options, nameless, said), notes
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


def _parse(file, encoding, options, nameless, notes):
    pandas = import_pandas()
    options = options | {"encoding": encoding}
    header = pandas.read_csv(file.path, header=None, nrows=1, **options).iloc[0]
    names = column_names(header, notes)
    if nameless is not None:
        names.insert(0 if nameless == 0 else len(names), NAMELESS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            frame = pandas.read_csv(
                file.path, header=0, names=names, index_col=False, low_memory=False, **options
            )
        except pandas.errors.ParserWarning as error:
            raise TableError(TOO_MANY_VALUES) from error
    _name_by_lines(frame, file, encoding, options, notes)
    if nameless is None:
        return frame
    extra = frame.pop(NAMELESS)
    if not (extra.is_unique if nameless == 0 else (extra == "").all()):
        raise TableError(TOO_MANY_VALUES)
    if nameless == 0:
        notes.append(
            f"{file.called} has one name fewer than columns: the first column was taken for names "
            "of the rows, as R writes them."
        )
        frame.index = pandas.Index(
            extra, name=f"the first column of {file.name}, which has no name"
        )
    return frame


def _name_by_lines(frame, file, encoding, options, notes):
    """Name each row by the line that it begins in, and say how many lines have too few values."""
    try:
        with file.open(encoding) as lines:
            starts, n_short = _lines_of_rows(lines, options, frame.shape[1])
    except csv.Error:  # A value longer than the module takes.
        starts, n_short = [], 0
    if len(starts) == len(frame):
        frame.index, frame.index.name = starts, f"lines of {file.name}"
    else:
        frame.index.name = f"positions in {file.name}, counted from 0 below the header"
    if n_short:
        notes.append(
            f"Lines of {file.called} with fewer values than names, of which the last were taken as "
            f"missing: {n_short}."
        )


def _lines_of_rows(lines, options, n_columns):
    """The line that each row begins in, the first line being 1, and how many rows are short."""
    n_skipped = options["skiprows"]
    for _ in range(n_skipped):
        next(lines)
    reader = csv.reader(lines, delimiter=options["sep"], skipinitialspace=True)
    starts, n_short, n_read = [], 0, 0
    for fields in reader:
        if len(fields) > 1 or any(fields):  # Others are no rows to pandas, either.
            starts.append(n_skipped + n_read + 1)
            n_short += len(fields) < n_columns and len(starts) > 1
        n_read = reader.line_num
    return starts[1:], n_short


def column_names(header, notes):
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
