"""The pieces that sections of the page are made of: boxes, tables, figures, numbers."""

from __future__ import annotations

import re
from html import escape

import numpy as np

from ...utils._text import clip, short_text, text_of
from ..views import percent

PERCENT = (
    "probability", "loo_probability", "oob_probability", "label_probability", "accuracy",
    "loo_accuracy", "oob_accuracy",
    "largest_class", "test_accuracy", "test_largest_class", "predictions_changed",
    "accuracy_change",
)  # fmt: skip
SIGNED = (
    "test_influence", "accuracy_change", "loss_change", "loss_change_estimate", "residual",
    "loo_residual", "oob_residual", "mean_residual", "error_change",
)  # fmt: skip
#: The end of a column's name that tells which of several targets it is of.
PLACE = re.compile(r"_\d+$")
#: The ends of the names of columns that hold the 95 % interval of another one.
LOW, HIGH = "_low", "_high"
#: Characters of a name that are shown, and those that fit a narrow column.
MAX_NAME, SHORT_NAME = 120, 16
#: Characters of a cell that are shown at once, and in all.
MAX_CELL, MAX_TEXT = 300, 20_000
#: Cells of a row that are shown at once.
N_CELLS = 8
#: Names of a list that are shown at once.
N_NAMES = 12
#: Records of a table that are shown at once.
N_RECORDS = 5


def present(report, names):
    return [name for name in names if name in report.columns]


# --- words and lists --------------------------------------------------------------------------


def more_of(summary, content, style=""):
    """Content that opens."""
    style = f' class="{style}"' if style else ""
    return f"<details{style}><summary>{summary}</summary>{content}</details>"


def listed(texts, n_shown=N_NAMES):
    """Texts in a line, of which the last ones open where there are many."""
    shown, rest = list(texts[:n_shown]), list(texts[n_shown:])
    if len(rest) == 1:
        shown, rest = shown + rest, []
    line = escape(", ".join(shown))
    if not rest:
        return line
    return f"{line} " + more_of(
        f"… and {len(rest):,} more", f"<p>{escape(', '.join(map(str, rest)))}</p>", "listed"
    )


def fact_boxes(view, facts):
    boxes = []
    for name, value in facts.items():
        heading, meaning, *_ = view.facts[name]
        if isinstance(value, np.ndarray):
            texts = [text_of(entry) for entry in value]
            content, is_wide = listed(texts), sum(map(len, texts)) > 40
        else:
            text = value if isinstance(value, str) else number(name, value)
            content, is_wide = escape(text), len(text) > 40
        wide = ' class="wide"' if is_wide else ""
        boxes.append(
            f'<div{wide} title="{escape(meaning)}"><dt>{escape(heading)}</dt>'
            f"<dd>{content}</dd></div>"
        )
    return f'<dl class="facts">{"".join(boxes)}</dl>'


def figure(chart, caption):
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"


# --- tables -----------------------------------------------------------------------------------


def row_table(report, rows, columns, more=None, *, title):
    """A table of training rows, without the numbers that are the same for all of them.

    Parameters
    ----------
    report : AuditReport
    rows : ndarray of int
        Their positions.
    columns : list of str
        Those of the report.
    more : list of str, default=None
        As of :func:`table_of`.
    title : str
    """
    chosen = {"row": report.index[rows]} | {name: report.columns[name][rows] for name in columns}
    return value_table(report.view, report.view.row, chosen, more, title=title)


def value_table(view, meanings, columns, more=None, *, title):
    """A table of columns, without the numbers that are the same in all lines, which it tells.

    Parameters
    ----------
    view : View
    meanings : dict of str to Meaning
    columns : dict of str to sequence
    more : list of str, default=None
    title : str
    """
    same = {name: text for name, values in columns.items() if (text := _only(view, name, values))}
    names = [name for name in columns if name not in same]
    records = [
        [cell(view, name, value) for name, value in zip(names, line, strict=True)]
        for line in zip(*(columns[name] for name in names), strict=True)
    ]
    table = table_of(view, [(name, meanings[name]) for name in names], records, more, title=title)
    if not same:
        return table
    told = ", ".join(f"{meanings[name].heading} {text}" for name, text in same.items())
    return f'{table}<p class="soft same">The same for all of them: {escape(told)}.</p>'


def _only(view, name, values):
    """How a number is shown that is the same in all lines of a table; empty if they differ."""
    if name in view.words or len(values) < 2:
        return ""
    texts = {number(name, value) for value in values}
    return texts.pop() if len(texts) == 1 else ""


def table_of(view, headings, records, more=None, *, title, first=N_RECORDS):
    """A table whose records are sorted by a click, searched and saved.

    Parameters
    ----------
    view : View
    headings : list of (str, Meaning)
        The name and the meaning of each column.
    records : list of list of str
        The cells, as :func:`cell` makes them.
    more : list of str, default=None
        What stands on a line of its own below each record.
    title : str
        What the table lists, for those who do not see it, and for the name of its file.
    first : int, default=5
        Records that are shown until all are asked for.
    """
    head = "".join(_heading(view, name, meaning) for name, meaning in headings)
    body = []
    for place, record in enumerate(records):
        below = ""
        if more is not None:
            below = f'<tr><td class="more" colspan="{len(headings)}">{more[place]}</td></tr>'
        body.append(f"<tbody><tr>{''.join(record)}</tr>{below}</tbody>")
    table = f"<table><thead><tr>{head}</tr></thead>{''.join(body)}</table>"
    file = re.sub(r"\W+", "_", title.lower()).strip("_")
    return (
        f'<div class="card table" data-file="{file}.csv" data-first="{first}">'
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(title)}">{table}</div>'
        "</div>\n"
    )


def _heading(view, name, meaning):
    style = ' class="text"' if name in view.words else ""
    basis = f"<small>{escape(meaning.basis)}</small>" if meaning.basis else ""
    return (
        f'<th scope="col"{style} data-name="{escape(name)}" title="{escape(meaning.text)}">'
        f'<span role="button" tabindex="0">{escape(meaning.heading)}</span>{basis}</th>'
    )


def cell(view, name, value, interval=None):
    """A cell of a table, with the ends of the interval of its number where there is one."""
    if name in view.words:
        text = text_of(value)
        style = "text long" if len(text) > SHORT_NAME else "text"
        title = f' title="{escape(text)}"' if len(text) > MAX_NAME else ""
        shown = escape(clip(text, MAX_NAME))
        return f'<td class="{style}" data-value="{escape(text)}"{title}>{shown}</td>'
    missing = bool(np.isnan(value))
    key = "" if missing else repr(float(value))
    text = escape(number(name, value))
    if interval is not None and not np.isnan(interval).any():
        low, high = (escape(number(name, end)) for end in interval)
        text += f' <span class="interval">({low} to {high})</span>'
    return f'<td data-value="{key}">{text}</td>'


def number(name, value):
    """A number as the report shows it: three digits, and never 0 or 100 % of what is not."""
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if np.isnan(value):
        return "–"
    of_all = PLACE.sub("", name)
    if of_all == "target":
        return short_text(value)  # As the user wrote it.
    sign = "+" if of_all in SIGNED else ""
    if name in PERCENT:
        return f"{value:+.2%}" if sign and value else percent(value)
    if value == 0:
        return "0"
    size = abs(value)
    if 1e3 <= size < 1e6:
        return f"{value:{sign},.0f}"
    is_long = size < 1e-3 or size >= 1e6
    return format(value, f"{sign}.2e" if is_long else f"{sign}#.3g").removesuffix(".")


# --- the cells of a row -----------------------------------------------------------------------


def more_below(sentence, cells, picture=None):
    """What stands below a record: a sentence, and its row as cells, or as a picture by address."""
    image = "" if picture is None else f'<img class="pixels" src="{picture}" alt="this row">'
    return f'<div><p class="why">{escape(sentence)}</p>{image}{cell_list(cells)}</div>'


def cell_list(cells, n_shown=N_CELLS):
    """The cells of a row, the last of which open where there are many."""
    cells = list(cells)
    if not cells:
        return ""
    n_shown = len(cells) if len(cells) <= n_shown + 2 else n_shown
    shown, rest = _cells(cells[:n_shown]), cells[n_shown:]
    if not rest:
        return shown
    return shown + more_of(f"{len(rest):,} more columns", _cells(rest), "more-cells")


def _cells(cells):
    return f'<dl class="cells">{"".join(_one_cell(name, text) for name, text in cells)}</dl>'


def _one_cell(name, text):
    kept = text
    if len(text) > MAX_TEXT:
        kept = f"{text[:MAX_TEXT]} … ({len(text):,} characters)"
    shown = escape(kept) if text else '<span class="soft">empty</span>'
    if len(kept) > MAX_CELL:
        shown = f"{escape(kept[:MAX_CELL])}…" + more_of("all of it", f"<p>{escape(kept)}</p>")
    return (
        f'<div data-cell="{escape(name)}" data-value="{escape(kept)}">'
        f"<dt>{escape(name)}</dt><dd>{shown}</dd></div>"
    )
