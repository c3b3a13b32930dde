"""The pieces that sections of the page are made of: boxes, tables, figures, numbers."""

from __future__ import annotations

import re
from html import escape

import numpy as np

from ...utils._text import clip, text_of

PERCENT = (
    "probability", "loo_probability", "accuracy", "loo_accuracy", "largest_class", "test_accuracy",
    "test_largest_class", "predictions_changed", "accuracy_change",
)  # fmt: skip
SIGNED = (
    "test_influence", "accuracy_change", "log_loss_change", "residual", "loo_residual",
    "mean_residual", "error_change",
)  # fmt: skip
#: The end of a column's name that tells which of several targets it is of.
PLACE = re.compile(r"_\d+$")
#: Characters of a name that are shown, and those that fit a narrow column.
MAX_NAME, SHORT_NAME = 60, 16


def present(report, names):
    return [name for name in names if name in report.columns]


def fact_boxes(view, facts):
    boxes = []
    for name, value in facts.items():
        heading, meaning = view.facts[name]
        text = value if isinstance(value, str) else ", ".join(map(text_of, value[:30])) \
            if isinstance(value, np.ndarray) else number(name, value)  # fmt: skip
        wide = ' class="wide"' if len(text) > 40 else ""
        boxes.append(
            f'<div{wide} title="{escape(meaning)}"><dt>{escape(heading)}</dt>'
            f"<dd>{escape(text)}</dd></div>"
        )
    return f'<dl class="facts">{"".join(boxes)}</dl>'


def row_table(report, rows, columns, more=None):
    view = report.view
    headings = [(name, view.row[name]) for name in ("row", *columns)]
    records = [
        [
            cell(view, "row", report.index[row]),
            *(cell(view, name, report.columns[name][row]) for name in columns),
        ]
        for row in rows
    ]
    return table_of(view, headings, records, more)


def table_of(view, headings, records, more=None):
    """A table whose records are sorted by a click; each may have a line of its own below."""
    head = "".join(
        f'<th scope="col"{_style(view, name)} title="{escape(meaning.text)}">'
        f'<span role="button" tabindex="0">{escape(meaning.heading)}</span></th>'
        for name, meaning in headings
    )
    style = ' class="plain"' if more is None else ""
    body = []
    for place, record in enumerate(records):
        below = ""
        if more is not None:
            below = f'<tr><td class="more" colspan="{len(headings)}">{more[place]}</td></tr>'
        body.append(f"<tbody{style}><tr>{''.join(record)}</tr>{below}</tbody>")
    table = f"<table><thead><tr>{head}</tr></thead>{''.join(body)}</table>"
    return f'<div class="scroll">{table}</div>\n'


def _style(view, name):
    return ' class="text"' if name in view.words else ""


def cell(view, name, value):
    if name in view.words:
        text = text_of(value)
        style = "text long" if len(text) > SHORT_NAME else "text"
        title = f' title="{escape(text)}"' if len(text) > MAX_NAME else ""
        shown = escape(clip(text, MAX_NAME))
        return f'<td class="{style}" data-value="{escape(text)}"{title}>{shown}</td>'
    missing = bool(np.isnan(value))
    key = "" if missing else repr(float(value))
    return f'<td data-value="{key}">{escape(number(name, value))}</td>'


def number(name, value):
    """A number as the report shows it: three digits, and never 0 or 100 % of what is not."""
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if np.isnan(value):
        return "–"
    if value == 0:
        return "0%" if name in PERCENT else "0"
    sign = "+" if PLACE.sub("", name) in SIGNED else ""
    if name in PERCENT:
        return _percentage(value, sign)
    size = abs(value)
    if 1e3 <= size < 1e6:
        return f"{value:{sign},.0f}"
    is_long = size < 1e-3 or size >= 1e6
    return format(value, f"{sign}.2e" if is_long else f"{sign}#.3g").removesuffix(".")


def _percentage(share, sign):
    if sign:
        return f"{share:+.2%}"
    if share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return "100%" if share == 1 else f"{share:.1%}"


def more_below(sentence, cells):
    listed = ""
    if cells:
        listed = " · ".join(f"<b>{escape(n)}</b> {escape(v)}" for n, v in cells)
        listed = f'<p class="cells">{listed}</p>'
    return f"<div>{escape(sentence)}{listed}</div>"


def figure(chart, caption):
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"
