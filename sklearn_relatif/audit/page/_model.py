"""The model and its fit."""

from __future__ import annotations

from html import escape

from ._pieces import fact_boxes


def model_and_fit(report):
    return (
        f"<p>{escape(report.verdict())} {escape(report.view.quality(report.model))}</p>"
        f"{fact_boxes(report.view, report.model)}"
    )
