"""The training rows that deserve a look."""

from __future__ import annotations

from html import escape

import numpy as np

from ...utils._text import text_of
from .._sentences import why
from . import _svg
from ._pieces import figure, more_below, present, row_table

#: Targets whose residuals are drawn, at most.
MAX_PICTURES = 6


def suspects(report, cells, n_rows):
    columns = present(report, report.view.suspect_columns)
    if "loo_probability" in columns:
        columns.remove("loo_loss")  # Its logarithm, and the table must fit the page.
    rows = report.first_positions(n_rows)
    more = [
        more_below(why(report.columns, row, report.n_test), [] if cells is None else cells.row(row))
        for row in rows
    ]
    return (
        f"<p>{escape(report.view.introduction(report.columns, rows))}</p>"
        + row_table(report, rows, columns, more, title="Rows to look at first")
        + _pictures(report, rows)
    )


def _pictures(report, rows):
    columns, figures = report.columns, []
    own = columns.get("loo_probability")
    if own is not None:
        chart = _svg.histogram(
            own, x_label="p of the label, by the model without the row", y_label="rows"
        )
        figures.append(figure(chart, "Rows at the left have a label that the others contradict."))
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
        figures.append(figure(chart, f"All training rows.{key}"))
    chart = _svg.scatter(
        columns["loss"], columns["self_influence"], marked,
        x_label="loss", y_label="self-influence",
    )  # fmt: skip
    figures.append(figure(chart, f"All training rows.{key}"))
    return f'<div class="pictures">{"".join(figures)}</div>'


def hubs(report, n_rows):
    content = f"<p>{escape(report.hub_line())}</p>"
    shares = {}
    for style, name, method in (
        ("by-if", "hub_if", "influence"),
        ("by-relatif", "hub_relatif", "relative influence"),
    ):
        counts = report.columns[name]
        hubs = np.argsort(-counts, kind="stable")[:n_rows]
        title = f"Most often first by {method}"
        columns = present(report, report.view.hub_columns)
        table = row_table(report, hubs[counts[hubs] > 0], columns, title=title)
        content += f"<h3>{title}</h3>{table}"
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
        content += figure(chart, f"How few rows explain how many predictions.{key}")
    return content


def harm(report, n_rows):
    order = np.argsort(report.columns["test_influence"], kind="stable")
    columns = present(report, report.view.harm_columns)
    harmful, helpful = order[:n_rows], order[::-1][:n_rows]
    return "".join(
        f"<h3>{title}</h3>{row_table(report, rows, columns, title=title)}"
        for title, rows in (
            ("Most harmful to the test rows", harmful),
            ("Most helpful to the test rows", helpful),
        )
    )
