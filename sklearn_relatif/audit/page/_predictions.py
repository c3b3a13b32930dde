"""Predictions on the test rows."""

from __future__ import annotations

import numpy as np

from ._pieces import value_table

#: Numbers that stand in the table of the test rows to look at first.
OF_SUSPECTS = "label_probability", "loss", "suspicion_rank"


def predictions_of(report, n_rows):
    found = {name: v for name, v in report.predictions.items() if name not in OF_SUSPECTS}
    found["best_row"] = [
        "none" if is_none else name
        for name, is_none in zip(found["best_row"].data, found["best_row"].mask, strict=True)
    ]
    order = np.argsort(np.nan_to_num(found["support"], nan=-np.inf), kind="stable")
    found = {name: np.asarray(values, object) for name, values in found.items()}

    def table(rows, title):
        columns = {name: values[rows] for name, values in found.items()}
        name = f"{title} test rows"
        listed = value_table(report.view, report.view.prediction, columns, title=name)
        return f"<h3>{title}</h3>{listed}"

    return (
        "<p>Of test rows, which the model has not seen. A prediction with little support has no "
        "training row that resembles it, as the model sees it.</p>"
        f"{table(order[:n_rows], 'Least supported')}{table(order[::-1][:n_rows], 'Most supported')}"
    )
