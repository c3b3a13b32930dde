"""An audit as one HTML page: all text is escaped, and nothing is loaded from elsewhere."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template
from typing import NamedTuple

from ...utils._cells import Cells
from ...utils._frames import check_order, library_of
from ._data import element, offer, pack
from ._explained import explained_of
from ._findings import findings
from ._groups import groups_of
from ._header import explained_header, header, title
from ._images import pictures_of
from ._meanings import conditioning, legend
from ._model import model_and_fit
from ._pieces import MAX_NAME, number
from ._predictions import predictions_of
from ._rows import harm, hubs, suspects

__all__ = ["MAX_NAME", "number", "render", "render_explained"]

FOOTER = (
    "Made by sklearn_relatif. Influence and relative influence: Barshan, Brunet and Dziugaite, "
    "AISTATS 2020."
)


class Section(NamedTuple):
    """A part of the page: what links to it are called, its heading, and its HTML."""

    link: str
    heading: str
    content: str


def render(report, X=None, X_test=None, n_rows=20, image_shape=None):
    """The page of a report as text.

    Parameters
    ----------
    report : AuditReport
    X, X_test : data frame, array-like, sparse matrix or sequence of texts, default=None
        The rows to show the cells of. None: those that the audit was given.
    n_rows : int, default=20
    image_shape : tuple of int, default=None
        Of the images that rows are. None: that of rows that are arrays, if they can be drawn.
    """
    packed = pack(report)
    cells, test_cells = report.cells, report.test_cells
    if X is not None:
        cells = Cells(X, len(report.index))
        check_order(X, report.index, report.library, "X")
    if X_test is not None:
        test_cells = _test_cells(X_test, report)
    pictures, sections = pictures_of(report, cells, test_cells, image_shape), {}
    if report.explained:
        content = explained_of(report, cells, test_cells, pictures)
        heading = "Predictions and the rows that explain them"
        sections["explained"] = Section("Explained", heading, content)
    sections |= _sections(report, cells, test_cells, n_rows, pictures, packed)
    found = findings(report, {name: section.heading for name, section in sections.items()})
    sections = {"findings": Section("Findings", "What was found", found)} | sections
    return _page(title(report), header(report), sections, element(packed))


def render_explained(report):
    """A page of no more than the predictions that a report explains.

    Parameters
    ----------
    report : AuditReport
    """
    heading = "Predictions and the rows that explain them"
    cells, test_cells = report.cells, report.test_cells
    content = explained_of(report, cells, test_cells, pictures_of(report, cells, test_cells))
    sections = {"explained": Section("Explained", heading, content)}
    name = report.source.name or report.model["model"]
    return _page(f"Predictions for rows of {name}", explained_header(report), sections)


def _page(name, head, sections, data=""):
    return Template(_part("page.html")).substitute(
        title=escape(name),
        style=_part("page.css"),
        header=head,
        links="\n".join(
            f'<a href="#{name}">{section.link}</a>' for name, section in sections.items()
        ),
        body="\n".join(
            f'<section id="{name}"><h2>{section.heading}</h2>\n{section.content}</section>'
            for name, section in sections.items()
        ),
        footer=FOOTER,
        data=data,
        script=_part("page.js"),
    )


def _sections(report, cells, test_cells, n_rows, pictures, packed):
    """The sections of the tables, by the names that findings link to."""
    content = suspects(report, cells, test_cells, n_rows, pictures) + offer(report, packed)
    sections = {"rows": Section("Rows", "Rows to look at first", content)}
    if report.n_test is not None:
        sections["hubs"] = Section("Hubs", "Hubs", hubs(report, n_rows))
    if "test_influence" in report.columns:
        content = harm(report, n_rows)
        sections["harm"] = Section("Harm and help", "Rows that harm and help", content)
    if report.groups:
        sections["groups"] = Section("Groups", "Groups", groups_of(report))
    if report.predictions:
        content = predictions_of(report, n_rows)
        sections["predictions"] = Section("Predictions", "Predictions", content)
    sections["model"] = Section("Model", "The model and its fit", model_and_fit(report))
    if report.curvature:
        sections["curvature"] = Section(
            "Conditioning", "Conditioning and damping", conditioning(report)
        )
    sections["legend"] = Section("Legend", "What the numbers mean", legend(report))
    return sections


def _test_cells(X_test, report):
    cells, n_test = Cells(X_test), report.n_test
    if cells.n_rows != n_test:
        given = "none" if n_test is None else f"{n_test:,}"
        raise ValueError(f"X_test has {cells.n_rows} rows; the audit was given {given}.")
    library = library_of(report.test_cells.table)
    check_order(X_test, report.predictions["query"], library, "X_test")
    return cells


def _part(name):
    return resources.files(__package__).joinpath(name).read_text("utf-8")
