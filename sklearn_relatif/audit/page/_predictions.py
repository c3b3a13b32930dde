"""Predictions on the test rows."""

from __future__ import annotations

import numpy as np

from ._pieces import cell, table_of


def predictions_of(report, n_rows):
    found = dict(report.predictions)
    found["best_row"] = [
        "none" if is_none else name
        for name, is_none in zip(found["best_row"].data, found["best_row"].mask, strict=True)
    ]
    order = np.argsort(np.nan_to_num(found["support"], nan=-np.inf), kind="stable")
    view = report.view
    headings = [(name, view.prediction[name]) for name in found]

    def table(rows):
        return table_of(view, headings, [[cell(view, n, found[n][i]) for n in found] for i in rows])

    return (
        "<p>A prediction with little support has no training row that resembles it, as the model "
        f"sees it.</p><h3>Least supported</h3>{table(order[:n_rows])}"
        f"<h3>Most supported</h3>{table(order[::-1][:n_rows])}"
    )
