"""The training rows that deserve a look."""

from __future__ import annotations

from html import escape

import numpy as np

from ...utils._text import text_of
from .._sentences import why
from . import _svg
from ._pieces import figure, more_below, number, present, row_table, value_table

HUBS = "A hub is a training row that comes first in the explanations of many test rows."
HARM = (
    "What removing a row, and it alone, would change the mean loss of the test rows by, as "
    "influence estimates it: rows below 0 harm, rows above 0 help."
)
#: Classes of style of the lines of hubs.
STYLES = {"hub_if": "by-if", "hub_relatif": "by-relatif"}
#: Relative difference of values that are drawn.
FLAT = 1e-3
#: Targets whose residuals are drawn, at most.
MAX_PICTURES = 6


def suspects(report, cells, test_cells, n_rows, pictures):
    """The section of the rows that the model fits worst.

    Parameters
    ----------
    report : AuditReport
    cells, test_cells : Cells or None
    n_rows : int
    pictures : Pictures or None
        In the place of cells.
    """
    rows = report.first_positions(n_rows)
    content = f"<p>{escape(report.view.introduction(report.columns, rows))}</p>"
    of_test_rows = _test_suspects(report, test_cells, n_rows, pictures)
    if of_test_rows:
        content += "<h3>Training rows</h3>"
    of_rows = _training_suspects(report, cells, rows, pictures)
    return content + of_rows + of_test_rows + _charts(report, rows)


def _training_suspects(report, cells, rows, pictures):
    columns = present(report, report.view.suspect_columns)
    named = report.view.unseen.named
    if named("probability") in columns:
        columns.remove(named("loss"))  # A function of it, and the table must fit the page.
    more = [
        more_below(
            why(report.columns, row, report.n_test),
            _cells_of(cells, row, report.contributions) if pictures is None else [],
            pictures and pictures.of_row(row),
        )
        for row in rows
    ]
    return row_table(report, rows, columns, more, title="Rows to look at first")


def _test_suspects(report, cells, n_rows, pictures):
    """The same of test rows, where their labels or targets are known."""
    found, view = report.predictions, report.view
    if "suspicion_rank" not in found:
        return ""
    rows = report.first_test_positions(n_rows)
    names = ["query", *(name for name in view.test_suspect_columns if name in found)]
    more = [
        more_below(
            f"{view.about_test_row(found, row)}.",
            _cells_of(cells, row, report.test_contributions) if pictures is None else [],
            pictures and pictures.of_test_row(row),
        )
        for row in rows
    ]
    table = value_table(
        view,
        view.prediction,
        {name: found[name][rows] for name in names},
        more,
        title="Test rows to look at first",
    )
    return f"<h3>Test rows, which the model has not seen</h3>{table}"


def _cells_of(cells, row, contributions):
    """The cells of a row, first those whose columns its prediction comes from."""
    place = {name: place for place, name in enumerate(contributions.get(int(row), {}))}
    own = [] if cells is None or cells.row_shape is not None else cells.row(row)
    return sorted(own, key=lambda one: place.get(one[0], len(place)))


def _charts(report, rows):
    columns, figures = report.columns, []
    unseen = report.view.unseen
    own = columns.get(unseen.named("probability"))
    if own is not None:
        chart = _svg.histogram(own, x_label=f"p of the label, {unseen.by_which}", y_label="rows")
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
    flat = _flat(columns["self_influence"])
    if flat is None:
        chart = _svg.scatter(
            columns["loss"], columns["self_influence"], marked,
            x_label="loss", y_label="self-influence",
        )  # fmt: skip
        figures.append(figure(chart, f"All training rows.{key}"))
    drawn = f'<div class="pictures">{"".join(figures)}</div>'
    return drawn if flat is None else f"{drawn}<p>{escape(flat)}</p>"


def _flat(values):
    """Why there is no picture of values that hardly vary; None if they do."""
    positive = values[(values > 0) & np.isfinite(values)]
    if len(positive) and positive.max() > (1 + FLAT) * positive.min():
        return None
    n_rest = len(values) - len(positive)
    if not len(positive):
        return "The self-influence is 0 for all rows, and not drawn."
    rest = f", and 0 for the other {n_rest:,}" if n_rest else ""
    text = number("self_influence", float(positive.max()))
    return f"The self-influence is {text} for {len(positive):,} rows{rest}: it is not drawn."


def hubs(report, n_rows):
    columns = report.columns
    methods = {"hub_if": "influence", "hub_relatif": "relative influence"}
    if np.array_equal(columns["hub_if"], columns["hub_relatif"]):
        methods = {"hub_if": "influence, relative or not"}
    content, shares = f"<p>{HUBS} {escape(report.hub_line())}</p>", {}
    for name, method in methods.items():
        counts, title = columns[name], f"Most often first by {method}"
        first = np.argsort(-counts, kind="stable")[:n_rows]
        listed = present(report, report.view.hub_columns)
        table = row_table(report, first[counts[first] > 0], listed, title=title)
        content += f"<h3>{title}</h3>{table}"
        counts = np.sort(counts[counts > 0])[::-1]
        shares[STYLES[name]] = np.cumsum(counts) / max(1, counts.sum())
    if not any(len(values) for values in shares.values()):
        return content
    chart = _svg.curves(
        shares, x_label="training rows, most frequent first", y_label="share of test rows"
    )
    key = "".join(
        f'<span class="key line {STYLES[name]}"></span>{method}' for name, method in methods.items()
    )
    return content + figure(chart, f"How few rows explain how many predictions.{key}")


def harm(report, n_rows):
    order = np.argsort(report.columns["test_influence"], kind="stable")
    columns = present(report, report.view.harm_columns)
    harmful, helpful = order[:n_rows], order[::-1][:n_rows]
    return f"<p>{HARM}</p>" + "".join(
        f"<h3>{title}</h3>{row_table(report, rows, columns, title=title)}"
        for title, rows in (
            ("Most harmful to the test rows", harmful),
            ("Most helpful to the test rows", helpful),
        )
    )
