"""The row of a prediction beside the rows that explain it, cell by cell."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ...utils._boxes import box, folded, line, paragraph, table
from ...utils._cells import Cells
from ...utils._text import clip, clip_apart, is_missing, short_text, text_of
from ..views import name_of, percent

#: What a cell is called that a sparse row does not have, and one that another table lacks.
ZERO, LACKING = "0", "–"
#: Ends of the range of a column within which differences are told by their size, in per cent.
RANGE = 5, 95
#: Columns and characters of a cell that are printed.
N_PRINTED, WIDTH = 12, 16
PROBABILITY = "probability of label"
NAMED_AGAIN = "named again"
#: What the criteria are called.
NAMES = {"loss_relative": "relative influence", "theta_relative": "theta-relative influence"}
HEADINGS = {
    "positive": ("Rows for {}", "Rows that raise the prediction"),
    "negative": ("Rows against {}", "Rows that lower the prediction"),
}
#: Values by which the range of a column is told, and the share of texts that must be numbers.
N_TRIED, MOST = 1000, 0.9


class Side(NamedTuple):
    """The rows that explain a prediction from one side, beside its own row.

    Attributes
    ----------
    heading : str
    rows : list of str
        Their names.
    facts : dict of str to list of str
        What is known of the row of the prediction, and of each of them.
    columns : list of Column
        Their cells, those that matter to the prediction first.
    """

    heading: str
    rows: list[str]
    facts: dict[str, list[str]]
    columns: list[Column]


class Column(NamedTuple):
    """The cells of one column.

    Attributes
    ----------
    name : str
    own : str
        Of the row of the prediction.
    others : list of str
        Of the rows that explain it.
    far : list of float
        How far these are from its own, from 0 for the same to 1.
    share : float or None
        What the column adds to the prediction, if that is known.
    """

    name: str
    own: str
    others: list[str]
    far: list[float]
    share: float | None


class Ranges:
    """The ranges of the numbers in the columns of a table, each found when it is first asked for.

    Parameters
    ----------
    cells : Cells or None
    """

    def __init__(self, cells: Cells | None) -> None:
        self._cells = cells
        self.of = cache(self._of)

    def _of(self, name: str) -> float:
        """What nearly all numbers of a column differ by at most; NaN if it holds none."""
        cells = self._cells
        if cells is None or cells.names is None or name not in cells.names:
            return np.nan
        values = cells.values(name)
        values = values[:: max(1, -(-len(values) // N_TRIED))]
        if values.dtype.kind not in "iuf":
            known = [text_of(value) for value in values if not is_missing(value)]
            values = np.array([_number(text) for text in known])
            if np.isfinite(values).sum() < MOST * len(known):
                return np.nan
        finite = values[np.isfinite(values)].astype(np.float64)
        if not len(finite):
            return np.nan
        low, high = np.percentile(finite, RANGE)
        return float(high - low) or float(np.ptp(finite))


def sides(
    one: Any, cells: Cells | None, own_cells: Cells | None, ranges: Ranges | None = None
) -> tuple[Side, Side]:
    """The rows that speak for a prediction, and those that speak against it.

    Parameters
    ----------
    one : ExplainedPrediction
    cells, own_cells : Cells or None
        The training rows, and the rows that the prediction is of one of.
    ranges : Ranges, default=None
        Of the training rows.
    """
    ranges = ranges or Ranges(cells)
    both = one.supporting, one.opposing
    positions = [some.columns()["position"] for some in both]
    order = None
    found = []
    for explanation, places in zip(both, positions, strict=True):
        columns = _columns(one, places, cells, own_cells, ranges, order)
        order = order or [column.name for column in columns]
        heading = HEADINGS[explanation.sign][not one.has_classes].format(name_of(one.prediction))
        rows = [text_of(name) for name in explanation.columns()["row"]]
        found.append(Side(heading, rows, _facts(one, explanation), columns))
    return found[0], found[1]


# --- what is known of the rows ------------------------------------------------------------------


def _facts(one, explanation):
    """What is known of each row, by what it is called."""
    known = explanation.columns()
    scores = {NAMES[explanation.criterion]: [LACKING, *(f"{s:+.3g}" for s in known["score"])]}
    if "stability" in known:
        scores[NAMED_AGAIN] = [LACKING, *map("{:.0%}".format, known["stability"])]
    if one.has_classes:
        own = LACKING if one.label is None else text_of(one.label)
        facts = {
            "label": [own, *map(text_of, known["label"])],
            "predicted": [text_of(one.prediction), *map(text_of, known["prediction"])],
        }
        if one.probability is not None:
            facts["predicted"][0] += f" ({percent(one.probability)})"
            own = LACKING if one.label is None else percent(one.label_probability)
            facts[PROBABILITY] = [own, *map(percent, known["probability"])]
        return facts | scores
    own = LACKING if one.label is None else short_text(one.label)
    residual = LACKING if one.label is None else _signed(one.label - one.prediction)
    residuals = known["label"] - known["prediction"]
    return {
        "target": [own, *map(short_text, known["label"])],
        "predicted": [short_text(one.prediction), *map(short_text, known["prediction"])],
        "residual": [residual, *map(_signed, residuals)],
    } | scores


def _signed(value):
    if np.ndim(value):
        return f"({', '.join(map(_signed, value))})"
    return f"{value:+,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:+.3g}"


# --- cells --------------------------------------------------------------------------------------


def _columns(one, positions, cells, own_cells, ranges, order):
    """The cells of the columns, in an order that is given or found."""
    given = cells or own_cells
    if given is None or given.row_shape is not None:
        return []
    is_sparse = given.names is None
    absent = ZERO if is_sparse else LACKING
    own = {} if own_cells is None else dict(own_cells.row(one.position))
    others = [{} if cells is None else dict(cells.row(place)) for place in positions]
    names = dict.fromkeys(name for row in (own, *others) for name in row)
    if order is not None:
        names = dict.fromkeys([*order, *names])
    are_both = own_cells is not None and cells is not None
    columns = []
    for name in names:
        text, texts = own.get(name, absent), [row.get(name, absent) for row in others]
        far = [_distance(text, other, ranges.of(name)) if are_both else 0.0 for other in texts]
        columns.append(Column(name, text, texts, far, one.contributions.get(name)))
    return columns if order is not None else sorted(columns, key=_unimportance)


def _unimportance(column):
    """Columns that add most come first; of those that are not known to, those that agree most."""
    agreement = sum(1 - far for far in column.far) if column.share is None else 0.0
    return -abs(column.share or 0.0), -agreement


def _number(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


def _distance(text, other, spread):
    if text == other:
        return 0.0
    distance = abs(_number(text) - _number(other)) / spread if spread > 0 else np.nan
    # What is no number, or missing, is as far as can be.
    return 1.0 if np.isnan(distance) else min(1.0, distance)


# --- in a terminal and in a notebook ------------------------------------------------------------


def as_text(one: Any) -> str:
    """A prediction and the rows that explain it, as lines of text.

    Parameters
    ----------
    one : ExplainedPrediction
    """
    lines = [f"{one.reason[:1].upper()}{one.reason[1:]}: {one.sentence()}"]
    for side in sides(one, one.cells, one.own_cells):
        lines += ["", side.heading]
        if not side.rows:
            lines.append("  none")
            continue
        records = _records(side)
        widths = [max(map(len, column)) for column in zip(*records, strict=True)]
        lines += [
            "  ".join(["", record[0].ljust(widths[0]), *map(str.rjust, record[1:], widths[1:])])
            for record in records
        ]
        n_more = len(side.columns) - N_PRINTED
        lines += [f"  ... and {n_more} more columns"] if n_more > 0 else []
    if one.flip_sentence():
        lines += ["", one.flip_sentence()]
    return "\n".join(lines)


def _records(side):
    """The lines of a side as lists of texts that fit a terminal."""
    head = ["", "this row", *clip_apart(side.rows, WIDTH)]
    facts = [[name, *map(_short, texts)] for name, texts in side.facts.items()]
    cells = [
        [clip(column.name, 2 * WIDTH), *map(_short, (column.own, *column.others))]
        for column in side.columns[:N_PRINTED]
    ]
    return [head, *facts, *cells]


def _short(text):
    return clip(text, WIDTH)


def as_box(one: Any) -> str:
    """The same as a box for notebooks.

    Parameters
    ----------
    one : ExplainedPrediction
    """
    return box("ExplainedPrediction", clip(one.reason, 3 * WIDTH), as_content(one))


def as_content(one: Any) -> str:
    """What is in that box, as HTML.

    Parameters
    ----------
    one : ExplainedPrediction
    """
    both = sides(one, one.cells, one.own_cells)
    parts = [paragraph(one.sentence())]
    for side, style in zip(both, ("supports", "opposes"), strict=True):
        head, *records = _records(side)
        words = range(len(head))
        content = table(head, [line(texts, words=words) for texts in records], words)
        key = f'<span class="key {style}">{escape(side.heading)}</span>'
        parts.append(f"<p>{key}</p>{content}" if side.rows else f"<p>{key}: none</p>")
    rest = both[0].columns[N_PRINTED:]
    if rest:
        lines = [line([_short(column.name), clip(column.own)], words=(0, 1)) for column in rest]
        parts.append(folded(f"{len(rest)} more columns of this row", table((), lines)))
    if one.flip_sentence():
        parts.append(paragraph(one.flip_sentence(), "soft"))
    return "".join(parts)
