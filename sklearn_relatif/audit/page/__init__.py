"""An audit as one HTML page: all text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template

from ...optimality import is_at_optimum
from ...utils._cells import Cells
from ._groups import groups_table
from ._meanings import conditioning, legend
from ._pieces import MAX_NAME, fact_boxes, number
from ._predictions import predictions_of
from ._rows import harm, hubs, suspects

__all__ = ["MAX_NAME", "number", "render"]


def render(report, X=None, n_rows=20):
    """The page of a report as text.

    Parameters
    ----------
    report : AuditReport
    X : data frame, array-like, sparse matrix or sequence of texts, default=None
    n_rows : int, default=20
    """
    cells = report.cells if X is None else Cells(X, len(report.index))
    sections = {
        "model": ("The model and its fit", fact_boxes(report.view, report.model)),
        "rows": ("Rows to look at first", suspects(report, cells, n_rows)),
    }
    if report.n_test is not None:
        sections["hubs"] = "Hubs", hubs(report, n_rows)
    if "test_influence" in report.columns:
        sections["harm"] = "Rows that harm and help", harm(report, n_rows)
    if report.groups:
        sections["groups"] = "Groups", groups_table(report)
    if report.predictions:
        sections["predictions"] = "Predictions", predictions_of(report, n_rows)
    sections["curvature"] = "Conditioning and damping", conditioning(report)
    sections["legend"] = "What the numbers mean", legend(report)
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
