"""The command that explains predictions for some rows of a table by its other rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..audit import render_explained
from ..utils._whole_files import write_whole
from ._chosen_rows import MAX_CHOSEN, chosen_rows
from ._explain_files import as_csv, as_json
from ._explain_text import as_text
from ._explained_rows import explained_row, report_on
from ._options import DATA, add_table_options, whole_number
from ._output import say, show
from ._training import load_table, show_assumptions, source_of, train
from .tables import TableError, count_of

#: What is written to a file, by how its name ends.
WRITERS = {".html": render_explained, ".csv": as_csv, ".json": as_json}


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
    explain.add_argument(
        "--rows",
        nargs="+",
        required=True,
        metavar="ROW",
        help='names of rows, as reports give them, or conditions such as "age > 60 and '
        f"class == 'bad'\", of which the first {MAX_CHOSEN} rows are explained",
    )
    explain.add_argument(
        "--criterion",
        choices=["influence", "theta_relative", "loss_relative"],
        default="loss_relative",
        help="(default: loss_relative)",
    )
    explain.add_argument(
        "--top", type=whole_number, default=5, help="rows on each side of a prediction (default: 5)"
    )
    explain.add_argument(
        "--output", metavar="FILE", help="also write them, as its name ends: .html, .csv or .json"
    )
    explain.set_defaults(run=_explain, parser=explain, test=None, json=None)


def _explain(options):
    suffix = None if options.output is None else Path(options.output).suffix.lower()
    if suffix not in (None, *WRITERS):
        options.parser.error(f"{options.output!r} must end in {', '.join(WRITERS)}")
    table = load_table(options)
    asked = chosen_rows(table, options.rows)
    rest = np.setdiff1d(np.arange(len(table.y)), asked)
    if len(rest) < 2 or (table.has_classes and len(np.unique(table.y[rest])) < 2):
        raise TableError("too few rows are left to train on")
    explainer = train(table, rest, options)
    say(f"explaining {count_of(len(asked), 'row')}")
    table.notes.append("The model was trained without the rows that are explained.")
    source, criterion = source_of(table, options), options.criterion
    report = report_on(explainer, table, asked, rest, options.top, criterion, source)
    if suffix is not None:
        write_whole(options.output, WRITERS[suffix](report))
    for one in report.explained:
        show(as_text(explained_row(one), table.has_classes) + "\n")
    show_assumptions(table)
    if suffix is not None:
        show(f"\nWritten: {options.output}")
    return 0
