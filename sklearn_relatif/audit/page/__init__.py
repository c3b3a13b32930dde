"""An audit as one HTML page: all text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template

from ...utils._cells import Cells
from ._data import element, pack
from ._findings import findings
from ._groups import groups_of
from ._header import header, title
from ._meanings import conditioning, legend
from ._model import model_and_fit
from ._pieces import MAX_NAME, number
from ._predictions import predictions_of
from ._rows import harm, hubs, suspects

__all__ = ["MAX_NAME", "number", "render"]

FOOTER = (
    "Made by sklearn_relatif. Influence and relative influence: Barshan, Brunet and Dziugaite, "
    "AISTATS 2020."
)


def render(report, X=None, X_test=None, n_rows=20):
    """The page of a report as text.

    Parameters
    ----------
    report : AuditReport
    X, X_test : data frame, array-like, sparse matrix or sequence of texts, default=None
        The rows to show the cells of. None: those that the audit was given.
    n_rows : int, default=20
    """
    cells = report.cells if X is None else Cells(X, len(report.index))
    sections = {"rows": ("Rows to look at first", suspects(report, cells, n_rows))}
    if report.n_test is not None:
        sections["hubs"] = "Hubs", hubs(report, n_rows)
    if "test_influence" in report.columns:
        sections["harm"] = "Rows that harm and help", harm(report, n_rows)
    if report.groups:
        sections["groups"] = "Groups", groups_of(report)
    if report.predictions:
        sections["predictions"] = "Predictions", predictions_of(report, n_rows)
    sections["model"] = "The model and its fit", model_and_fit(report)
    sections["curvature"] = "Conditioning and damping", conditioning(report)
    sections["legend"] = "What the numbers mean", legend(report)
    titles = {name: heading for name, (heading, _) in sections.items()}
    opening = {"findings": ("What was found", findings(report, titles))}
    sections, packed = opening | sections, pack(report)
    return Template(_part("page.html")).substitute(
        title=escape(title(report)),
        style=_part("page.css"),
        header=header(report, packed),
        links="\n".join(
            f'<a href="#{name}">{heading}</a>' for name, (heading, _) in sections.items()
        ),
        body="\n".join(
            f'<section id="{name}"><h2>{heading}</h2>\n{content}</section>'
            for name, (heading, content) in sections.items()
        ),
        footer=FOOTER,
        data=element(packed),
        script=_part("page.js"),
    )


def _part(name):
    return resources.files(__package__).joinpath(name).read_text("utf-8")
