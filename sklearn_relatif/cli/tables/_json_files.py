"""Tables in JSON: an object a line, or a list of objects."""

from __future__ import annotations

import json
import re

from ._refusals import TableError, import_pandas

#: How JSON begins that may hold a table.
OBJECT, LIST = re.compile(r'\s*\{\s*"'), re.compile(r"\s*\[\s*[\[{]")
OTHER_SHAPE = "it holds JSON, but neither an object a line nor a list of objects"


def is_json(head):
    """Whether a text begins as JSON does, and not as a table of separated values."""
    return OBJECT.match(head) is not None or LIST.match(head) is not None


def read_json(file, notes):
    """The data frame of the objects in a file; what lies in objects of objects has names a.b.

    Rows are named by lines where each object has its own, and else by their positions.

    Parameters
    ----------
    file : TextFile
    notes : list of str
        What was assumed is added to it.
    """
    is_list = LIST.match(file.head) is not None
    read = _objects_of_list if is_list else _objects_of_lines
    rows, index, names = file.decoded(lambda encoding, said: read(file, encoding), notes)
    if len(rows) < 2 or not all(isinstance(row, dict) for row in rows):
        raise TableError(OTHER_SHAPE)
    frame = import_pandas().json_normalize(rows).infer_objects()
    frame.index = index
    return frame.rename_axis(f"{names} {file.name}" + (", counted from 0" if is_list else ""))


def _objects_of_list(file, encoding):
    with file.open(encoding) as stream:
        rows = json.load(stream)
    return rows, range(len(rows)), "positions in"


def _objects_of_lines(file, encoding):
    rows, lines = [], []
    with file.open(encoding) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                shape = f"{OTHER_SHAPE} (line {number} is no object of its own)"
                raise TableError(shape) from error
            lines.append(number)
    return rows, lines, "lines of"
