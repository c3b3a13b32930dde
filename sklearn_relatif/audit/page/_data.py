"""The numbers of all training rows, which the page holds once, compressed."""

from __future__ import annotations

import base64
import json
import zlib
from typing import NamedTuple

import numpy as np

from ...utils._text import text_of

#: Characters that the numbers may take, of a page of 1.5 MB.
MAX_DATA = 1_100_000
#: Digits of a number, the most that fit.
DIGITS = 6, 4, 3
#: Rows that tell how much room others take, and how far off that may be.
N_TRIED, ROOM = 5000, 1.2
ELEMENT = "all-rows"


class Packed(NamedTuple):
    """The numbers of training rows as text, of how many rows and with how many digits."""

    text: str
    n_rows: int
    digits: int


def pack(report):
    """The numbers of all training rows, or of the most suspicious ones where all do not fit.

    The most suspicious rows come first: sorted numbers take little room.

    Parameters
    ----------
    report : AuditReport
    """
    rows = report.first_positions(len(report.index))
    for digits in DIGITS:
        # Some rows tell how much all take, which need not be written in vain.
        a_row = len(_pack(report, rows[:N_TRIED], digits)) / min(N_TRIED, len(rows))
        if len(rows) * a_row <= ROOM * MAX_DATA:
            text = _pack(report, rows, digits)
            if len(text) <= MAX_DATA:
                return Packed(text, len(rows), digits)
    rows = rows[: int(MAX_DATA / a_row)]
    while len(text := _pack(report, rows, digits)) > MAX_DATA:
        rows = rows[: int(0.95 * len(rows) * MAX_DATA / len(text))]
    return Packed(text, len(rows), digits)


def offer(report, packed):
    """A sentence on them, with the place of a button."""
    n_all = len(report.index)
    which, more = f"all {n_all:,} training rows", ""
    if packed.n_rows < n_all:
        which = f"the {packed.n_rows:,} of {n_all:,} training rows that the model fits worst"
        more = "; the rest would make this page too large, and AuditReport.to_csv writes all"
    return (
        f'<p class="offer"><span data-download="{ELEMENT}">Download the numbers</span> of {which} '
        f"as CSV, the most suspicious first, to {packed.digits} digits{more}.</p>"
    )


def element(packed):
    """The element that holds them."""
    return (
        f'<script type="text/plain" id="{ELEMENT}" data-file="training_rows.csv">'
        f"{packed.text}</script>"
    )


def _pack(report, rows, digits):
    columns = {"row": report.index, **report.columns}
    texts = (_column(values[rows], digits) for values in columns.values())
    content = f'{{"names": {json.dumps(list(columns))}, "columns": [{", ".join(texts)}]}}'
    return base64.b64encode(zlib.compress(content.encode("ascii"))).decode("ascii")


def _column(values, digits):
    """A column as JSON; what is no number becomes null, and whole numbers the steps between them.

    (Ranks and the like have small steps, which take less room.)
    """
    if values.dtype.kind == "f":
        texts = np.char.mod(f"%.{digits}g", values)
        return f"[{','.join(np.where(np.isfinite(values), texts, 'null'))}]"
    if values.dtype.kind in "iu":
        steps = np.diff(values.astype(np.int64), prepend=0)
        return f'{{"steps": [{",".join(map(str, steps.tolist()))}]}}'
    if values.dtype.kind == "U":
        different, codes = np.unique(values, return_inverse=True)
        texts = np.array([json.dumps(text_of(value)) for value in different], dtype=object)
        return f"[{', '.join(texts[codes.ravel()])}]"
    return json.dumps([text_of(value) for value in values])
