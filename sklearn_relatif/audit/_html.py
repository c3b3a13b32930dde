"""An audit as one HTML page: all text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re
from html import escape
from importlib import resources
from itertools import islice
from string import Template

import numpy as np

from ..optimality import is_at_optimum
from ..utils._text import clip, text_of
from . import _svg
from ._cells import cell_reader
from ._sentences import about_conditioning, why

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
#: Cells of a listed row that are shown, at most.
MAX_CELLS = 40
#: Targets whose residuals are drawn, at most.
MAX_PICTURES = 6
#: Characters of a name that are shown, and those that fit a narrow column.
MAX_NAME, SHORT_NAME = 60, 16


def render(report, X=None, n_rows=20):
    """The page of a report as text.

    Parameters
    ----------
    report : AuditReport
    X : data frame, array-like, sparse matrix or sequence of texts, default=None
    n_rows : int, default=20
    """
    cells = cells_of(X, len(report.index))
    sections = {
        "model": ("The model and its fit", _facts(report.view, report.model)),
        "rows": ("Rows to look at first", _suspects(report, cells, n_rows)),
    }
    if report.n_test is not None:
        sections["hubs"] = "Hubs", _hubs(report, n_rows)
    if "test_influence" in report.columns:
        sections["harm"] = "Rows that harm and help", _harm(report, n_rows)
    if report.groups:
        sections["groups"] = "Groups", _groups(report)
    if report.predictions:
        sections["predictions"] = "Predictions", _predictions(report, n_rows)
    sections["curvature"] = "Conditioning and damping", _conditioning(report)
    sections["legend"] = "What the numbers mean", _legend(report)
    template = resources.files(__package__).joinpath("template.html").read_text("utf-8")
    return Template(template).substitute(
        title=escape(f"Audit of {report.model['model']} and its {report.model['n_rows']:,} rows"),
        header=_header(report),
        links="\n".join(f'<a href="#{name}">{title}</a>' for name, (title, _) in sections.items()),
        body="\n".join(
            f'<section id="{name}"><h2>{title}</h2>\n{content}</section>'
            for name, (title, content) in sections.items()
        ),
        footer="Made by sklearn_relatif. Influence and relative influence: Barshan, Brunet and "
        "Dziugaite, AISTATS 2020.",
    )


def _header(report):
    is_off = not is_at_optimum(report.model["distance_to_optimum"])
    style = ' class="warning"' if is_off else ""
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in report.notes)
    return f"<p{style}>{escape(report.verdict())}</p>{notes}"


def _suspects(report, cells, n_rows):
    columns = _present(report, report.view.suspect_columns)
    if "loo_probability" in columns:
        columns.remove("loo_loss")  # Its logarithm, and the table must fit the page.
    rows = report.first_positions(n_rows)
    more = [_more(why(report.columns, row, report.n_test), cells(row)) for row in rows]
    return (
        f"<p>{escape(report.view.introduction(report.columns, rows))}</p>"
        + _row_table(report, rows, columns, more)
        + _pictures(report, rows)
    )


def _pictures(report, rows):
    columns, figures = report.columns, []
    own = columns.get("loo_probability")
    if own is not None:
        chart = _svg.histogram(
            own, x_label="p of the label, by the model without the row", y_label="rows"
        )
        figures.append(_figure(chart, "Rows at the left have a label that the others contradict."))
    marked = [(int(row), "suspect", f"row {text_of(report.index[row])}") for row in rows]
    key = '<span class="key suspect"></span>rows to look at first'
    if "hub_if" in columns:
        hubs = np.argsort(-columns["hub_if"], kind="stable")[:10]
        marked += [
            (int(row), "hub", f"row {text_of(report.index[row])}, a hub")
            for row in hubs
            if columns["hub_if"][row] > 0
        ]
        key += '<span class="key hub"></span>the ten largest hubs'
    for end in report.view.endings[:MAX_PICTURES]:
        chart = _svg.scatter(
            columns[f"prediction{end}"], columns[f"residual{end}"], marked,
            x_label=f"prediction{end}", y_label=f"residual{end}", axis=_svg.plain_axis,
        )  # fmt: skip
        figures.append(_figure(chart, f"All training rows.{key}"))
    chart = _svg.scatter(
        columns["loss"], columns["self_influence"], marked,
        x_label="loss", y_label="self-influence",
    )  # fmt: skip
    return "".join([*figures, _figure(chart, f"All training rows.{key}")])


def _hubs(report, n_rows):
    content = f"<p>{escape(report.hub_line())}</p>"
    shares = {}
    for style, name, method in (
        ("by-if", "hub_if", "influence"),
        ("by-relatif", "hub_relatif", "relative influence"),
    ):
        counts = report.columns[name]
        hubs = np.argsort(-counts, kind="stable")[:n_rows]
        table = _row_table(
            report, hubs[counts[hubs] > 0], _present(report, report.view.hub_columns)
        )
        content += f"<h3>Most often first by {method}</h3>{table}"
        counts = np.sort(counts[counts > 0])[::-1]
        shares[style] = np.cumsum(counts) / max(1, counts.sum())
    if any(len(values) for values in shares.values()):
        chart = _svg.curves(
            shares, x_label="training rows, most frequent first", y_label="share of test rows"
        )
        key = (
            '<span class="key line by-if"></span>influence'
            '<span class="key line by-relatif"></span>relative influence'
        )
        content += _figure(chart, f"How few rows explain how many predictions.{key}")
    return content


def _harm(report, n_rows):
    order = np.argsort(report.columns["test_influence"], kind="stable")
    columns = _present(report, report.view.harm_columns)
    harmful, helpful = order[:n_rows], order[::-1][:n_rows]
    return (
        f"<h3>Most harmful to the test rows</h3>{_row_table(report, harmful, columns)}"
        f"<h3>Most helpful</h3>{_row_table(report, helpful, columns)}"
    )


def _groups(report):
    view, groups = report.view, report.groups
    records = [
        [_cell(view, name, values[place]) for name, values in groups.items()]
        for place in range(len(groups["group"]))
    ]
    return _table(view, [(name, view.group[name]) for name in groups], records)


def _predictions(report, n_rows):
    found = dict(report.predictions)
    found["best_row"] = [
        "none" if is_none else name
        for name, is_none in zip(found["best_row"].data, found["best_row"].mask, strict=True)
    ]
    order = np.argsort(np.nan_to_num(found["support"], nan=-np.inf), kind="stable")
    view = report.view
    headings = [(name, view.prediction[name]) for name in found]

    def table(rows):
        return _table(view, headings, [[_cell(view, n, found[n][i]) for n in found] for i in rows])

    return (
        "<p>A prediction with little support has no training row that resembles it, as the model "
        f"sees it.</p><h3>Least supported</h3>{table(order[:n_rows])}"
        f"<h3>Most supported</h3>{table(order[::-1][:n_rows])}"
    )


def _conditioning(report):
    sentence = escape(about_conditioning(report.curvature))
    return f"<p>{sentence}</p>{_facts(report.view, report.curvature)}"


def _legend(report):
    view = report.view
    parts = {
        "A training row": (view.row, {"row": 0, **report.columns}),
        "A test row": (view.prediction, report.predictions),
        "A group of training rows": (view.group, report.groups),
        "The model and its curvature": (view.facts, {**report.model, **report.curvature}),
    }
    return "".join(
        f"<h3>{title}</h3>{_meanings(meanings, present)}"
        for title, (meanings, present) in parts.items()
        if present
    )


def _meanings(meanings, present):
    """Each meaning once, under all that have it."""
    headings: dict[str, list[str]] = {}
    for name in present:
        heading, text = meanings[name]
        headings.setdefault(text, []).append(heading)
    lines = "".join(
        f"<dt>{escape(', '.join(some))}</dt><dd>{escape(text)}</dd>"
        for text, some in headings.items()
    )
    return f'<dl class="legend">{lines}</dl>'


# --- pieces ---------------------------------------------------------------------------------


def _present(report, names):
    return [name for name in names if name in report.columns]


def _facts(view, facts):
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


def _row_table(report, rows, columns, more=None):
    view = report.view
    headings = [(name, view.row[name]) for name in ("row", *columns)]
    records = [
        [
            _cell(view, "row", report.index[row]),
            *(_cell(view, name, report.columns[name][row]) for name in columns),
        ]
        for row in rows
    ]
    return _table(view, headings, records, more)


def _table(view, headings, records, more=None):
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


def _cell(view, name, value):
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


def _more(sentence, cells):
    listed = ""
    if cells:
        listed = " · ".join(f"<b>{escape(n)}</b> {escape(v)}" for n, v in cells)
        listed = f'<p class="cells">{listed}</p>'
    return f"<div>{escape(sentence)}{listed}</div>"


def _figure(chart, caption):
    return f"<figure>{chart}<figcaption>{caption}</figcaption></figure>"


def cells_of(X, n_rows):
    """A function from the position of a row to the names and texts of its cells."""
    if X is None:
        return lambda row: []
    read = cell_reader(X, n_rows)

    def cells(row):
        shown = islice(read(int(row)), MAX_CELLS)
        return [(text_of(name), clip(text_of(value), 200)) for name, value in shown]

    return cells
