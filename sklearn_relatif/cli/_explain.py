"""The command that explains predictions for some rows of a table by its other rows."""

from __future__ import annotations

import numpy as np

from ._audit import show_assumptions
from ._options import DATA, add_table_options, whole_number
from ._output import show
from ._refusals import TableError
from ._training import load_table, train


def add_explain(commands):
    """Add the command to those of a parser."""
    explain = commands.add_parser(
        "explain",
        help="explain the predictions of some rows of a table",
        description="Train a model on a table without some of its rows, and explain what it "
        "predicts for them by the other rows.",
    )
    explain.add_argument("data", help=DATA)
    add_table_options(explain)
    explain.add_argument("--rows", nargs="+", required=True, help="names of the rows")
    explain.add_argument(
        "--criterion",
        choices=["influence", "theta_relative", "loss_relative"],
        default="loss_relative",
        help="(default: loss_relative)",
    )
    explain.add_argument(
        "--top", type=whole_number, default=5, help="rows a prediction (default: 5)"
    )
    explain.set_defaults(run=_explain, parser=explain, test=None, json=None, output=None)


def _explain(options):
    table = load_table(options)
    position = {str(name): place for place, name in enumerate(table.X.index)}
    unknown = [row for row in options.rows if row not in position]
    if unknown:
        what = "label" if table.has_classes else "number to predict"
        raise TableError(
            f"no row {unknown[0]} that has a {what} (rows are named by {table.row_names})"
        )
    asked = [position[row] for row in options.rows]
    rows = np.setdiff1d(np.arange(len(table.y)), asked)
    if len(rows) < 2 or (table.has_classes and len(np.unique(table.y[rows])) < 2):
        raise TableError("too few rows are left to train on")
    explainer = train(table, rows, options)
    X = table.X.iloc[asked]
    sign = "positive" if table.has_classes else "absolute"
    explanation = explainer.explain(
        X, n_examples=options.top, criterion=options.criterion, sign=sign
    )
    if not table.has_classes:
        table.notes.append("Rows with a score above 0 raise the prediction, others lower it.")
    # Positions would be those among the rows trained on, which nobody sees.
    show(explanation.frame().drop(columns="position").to_string(index=False))
    show_assumptions(table)
    return 0
