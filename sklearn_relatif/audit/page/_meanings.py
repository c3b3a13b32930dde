"""The conditioning of the curvature, and what all numbers mean."""

from __future__ import annotations

from html import escape

from .._sentences import about_conditioning
from ._pieces import HIGH, LOW, fact_boxes


def conditioning(report):
    sentence = escape(about_conditioning(report.curvature))
    return f"<p>{sentence}</p>{fact_boxes(report.view, report.curvature)}"


def legend(report):
    view = report.view
    parts = {
        "A training row": (view.row, {"row": 0, **report.columns}),
        "A test row": (view.prediction, report.predictions),
        "A group of training rows": (view.group, report.groups),
        f"The model{' and its curvature' if report.curvature else ''}": (
            view.facts,
            {**report.model, **report.curvature},
        ),
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
        if name.endswith((LOW, HIGH)):
            continue
        heading, text, basis = meanings[name]
        text = f"{text} ({basis.capitalize()}.)" if basis else text
        headings.setdefault(text, []).append(heading)
    lines = "".join(
        f"<dt>{escape(', '.join(some))}</dt><dd>{escape(text)}</dd>"
        for text, some in headings.items()
    )
    return f'<dl class="legend">{lines}</dl>'
