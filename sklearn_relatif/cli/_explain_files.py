"""Explained predictions in files for other programs."""

from __future__ import annotations

import csv
import io
import json

from ..utils._json import plain
from ..utils._text import apart, is_missing
from ._explained_rows import explained_row

#: What is told of each row beside its cells, and what it is called.
KNOWN = {
    "score": "score",
    "label": "label",
    "prediction": "prediction",
    "probability": "probability_of_label",
}
SIDES = ("supporting", "opposing")


def as_csv(report):
    """A line for each row that is explained, of rank 0, and for each that explains it.

    Parameters
    ----------
    report : AuditReport
    """
    stream, explained = io.StringIO(), list(map(explained_row, report.explained))
    writer = csv.writer(stream, lineterminator="\n")
    # Columns of the table may be called like ours.
    names = ["query", "side", "rank", "row", *KNOWN.values(), *explained[0].row.cells]
    writer.writerow(apart(names))
    for one in explained:
        lines = [("", 0, one.row)]
        for side in SIDES:
            lines += [(side, rank, row) for rank, row in enumerate(vars(one)[side], 1)]
        for side, rank, row in lines:
            known = (vars(row)[name] for name in KNOWN)
            cells = [one.row.name, side, rank, row.name, *known, *row.cells.values()]
            writer.writerow("" if is_missing(cell) else cell for cell in cells)
    # Files hold no halves of characters, as texts of Python may.
    return stream.getvalue().encode("utf-8", "backslashreplace").decode("utf-8")


def as_json(report):
    """An object for each row that is explained, with those that explain it.

    Parameters
    ----------
    report : AuditReport
    """
    rows = [
        _row(one.row)
        | {"probability_of_prediction": one.certainty, "flip_set": one.flip_sentence}
        | {side: [_row(row) for row in vars(one)[side]] for side in SIDES}
        for one in map(explained_row, report.explained)
    ]
    content = {"source": vars(report.source), "rows": rows}
    return json.dumps(plain(content), allow_nan=False, indent=1)


def _row(row):
    known = {called: vars(row)[name] for name, called in KNOWN.items() if name != "score"}
    score = {} if row.score is None else {"score": row.score}
    return {"row": row.name} | score | known | {"cells": row.cells}
