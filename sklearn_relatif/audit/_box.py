"""An audit as a box for notebooks: what was found, the first rows, and the way to the page."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from ..utils._boxes import (
    across,
    box,
    code_line,
    folded,
    line,
    listed,
    named_cells,
    paragraph,
    table,
)
from ..utils._text import clip, clip_apart, text_of
from ._sentences import why
from .explained import as_content
from .page import MAX_NAME, number
from .views import is_off_optimum

#: Rows, columns of numbers and cells of a row that are shown.
N_ROWS, N_COLUMNS, N_CELLS = 5, 5, 8
#: What is shown of a list of values, such as the classes of a model.
N_LISTED = 30


def box_of(report: Any) -> str:
    """The box of a report.

    Parameters
    ----------
    report : AuditReport
    """
    model = report.model
    caption = f"{model['model']}, {model['n_rows']:,} training rows"
    if report.n_test is not None:
        caption += f", {report.n_test:,} test rows"
    parts = [
        _source(report.source),
        paragraph(report.verdict(), "strong" if is_off_optimum(model) else ""),
        paragraph(report.view.quality(model)),
        _findings(report),
        _rows(report),
        _checked(report),
        _explained(report),
        folded("The model and its fit", _facts(report)),
        folded("Notes", listed(report.notes)) if report.notes else "",
        code_line('report.to_html("audit.html")', "writes the page with all of this."),
        code_line("report.frame()", "has the numbers of every row."),
    ]
    return box("AuditReport", caption, "".join(parts))


def _source(source: Any) -> str:
    told = [
        f"{what} {clip(text_of(name), MAX_NAME)}"
        for what, name in (("data:", source.name), ("target:", source.target))
        if name is not None
    ]
    return paragraph(", ".join([*told, f"{source.date:%Y-%m-%d %H:%M}"]), "soft")


def _findings(report: Any) -> str:
    if report.findings:
        methods = folded("How that is known", listed(f.method for f in report.findings))
        sentences = listed(finding.sentence for finding in report.findings)
        return f"<p><b>What was found</b></p>{sentences}{methods}"
    n_looked = sum(came_of == "nothing found" for came_of in report.checked.values())
    things = "1 thing that was" if n_looked == 1 else f"{n_looked} things that were"
    return paragraph(f"Nothing was found of the {things} looked for.")


def _rows(report: Any) -> str:
    """The first rows of the list of suspects, with what is known of them."""
    view, columns = report.view, report.columns
    first = report.first_positions(N_ROWS)
    shown = [name for name in view.suspect_columns if name in columns][:N_COLUMNS]
    words = [0, *(place for place, name in enumerate(shown, 1) if name in view.words)]
    texts = [clip_apart([text_of(name) for name in report.index[first]])]
    texts += [_texts(view, name, columns[name][first]) for name in shown]
    headings = [view.row[name].heading for name in ("row", *shown)]
    bodies = []
    for position, cells in zip(first, zip(*texts, strict=True), strict=True):
        more = escape(why(columns, position, report.n_test))
        if report.cells is not None and report.cells.row_shape is None:
            more += f"<br>{_cells(report.cells.row(position))}"
        bodies += [
            line(cells, words=words),
            across(more, len(headings), style="more"),
        ]
    heading = paragraph(view.heading(columns, first))
    return heading + table(headings, bodies, words)


def _texts(view: Any, name: str, values: np.ndarray) -> list[str]:
    if name in view.words:
        return clip_apart([text_of(value) for value in values])
    return [number(name, value) for value in values]


def _cells(cells: list[tuple[str, str]]) -> str:
    shown = named_cells(
        (clip(name, MAX_NAME), clip(text, MAX_NAME)) for name, text in cells[:N_CELLS]
    )
    n_more = len(cells) - N_CELLS
    return shown if n_more <= 0 else f"{shown} · and {n_more} more"


def _checked(report: Any) -> str:
    if not report.checked:
        return ""
    lines = [line([subject, came_of], words=(0, 1)) for subject, came_of in report.checked.items()]
    return folded(f"What was looked for ({len(lines)})", table((), lines))


def _explained(report: Any) -> str:
    if not report.explained:
        return ""
    shown = [folded(clip(one.reason, MAX_NAME), as_content(one)) for one in report.explained]
    summary = f"Predictions beside the rows that explain them ({len(shown)})"
    return folded(summary, "".join(shown))


def _facts(report: Any) -> str:
    def text(name: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, np.ndarray):
            n_more = len(value) - N_LISTED
            shown = ", ".join(map(text_of, value[:N_LISTED]))
            return shown if n_more <= 0 else f"{shown} and {n_more} more"
        return number(name, value)

    facts = {**report.model, **report.curvature}
    lines = [
        line([report.view.facts[name].heading, text(name, value)], words=(0, 1))
        for name, value in facts.items()
    ]
    return table((), lines)
