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

    def table(rows, title):
        records = [[cell(view, n, found[n][i]) for n in found] for i in rows]
        return f"<h3>{title}</h3>{table_of(view, headings, records, title=f'{title} test rows')}"

    return (
        "<p>Of test rows, which the model has not seen. A prediction with little support has no "
        "training row that resembles it, as the model sees it.</p>"
        f"{table(order[:n_rows], 'Least supported')}{table(order[::-1][:n_rows], 'Most supported')}"
    )
