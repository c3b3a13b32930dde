"""The command that audits a table: the page about its rows, and a summary."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from ._options import DATA, add_table_options, share, whole_number
from ._output import say, show
from ._training import BREAST_CANCER, load_table, show_assumptions, source_of, train
from .tables import TableError, groups_in_column, more_rows, read_frame, require_columns

#: Rows below which none are put aside for testing.
ENOUGH_TO_SPLIT = 20
#: Share of the rows that are put aside for testing, and the most that are, unless told.
TEST_SHARE, MAX_TEST_ROWS = 0.2, 2000


def add_audit(commands):
    """Add the command to those of a parser."""
    audit = commands.add_parser(
        "audit",
        help="train a model on a table and report on its rows",
        description="Train a model on a table and report which rows to look at: labels or numbers "
        "that look wrong, rows that pull at the model, what groups of rows do.",
    )
    audit.add_argument("data", nargs="?", help=f"{DATA} (default: {BREAST_CANCER})")
    add_table_options(audit)
    test = audit.add_mutually_exclusive_group()
    test.add_argument("--test", metavar="FILE", help="a table of test rows")
    test.add_argument(
        "--test-size",
        type=share,
        metavar="SHARE",
        help=f"share of the rows to test on (default: {TEST_SHARE}, at most {MAX_TEST_ROWS} rows)",
    )
    audit.add_argument("--groups", metavar="COLUMN", help="also remove each group of rows")
    audit.add_argument(
        "--stability",
        action="store_true",
        help="also tell how often rows that explain a prediction would be named by other data",
    )
    audit.add_argument(
        "--output", default="audit.html", help="HTML report to write (default: audit.html)"
    )
    audit.add_argument("--top", type=whole_number, default=20, help="rows to list (default: 20)")
    audit.add_argument("--json", metavar="FILE", help="also write the numbers as JSON")
    audit.set_defaults(run=_audit, parser=audit)


def _audit(options):
    table = load_table(options)
    groups = None
    if options.groups is not None:
        require_columns(table.frame, [options.groups])
        groups = groups_in_column(table.frame[options.groups], table.notes)
    rows, test = _split(table, options)
    explainer = train(table, rows, options)
    say("looking at the training rows")
    report = explainer.audit(
        None if test is None else test.X,
        None if test is None else test.y,
        groups=None if groups is None else groups[rows],
        X_train=table.X.iloc[rows],
        source=source_of(table, options, test),
        stability=options.stability,
    )
    # Cells as they were read: columns that nothing is predicted from name rows, too.
    report.to_html(
        options.output,
        table.cells.iloc[rows],
        None if test is None else test.cells,
        n_rows=options.top,
    )
    if options.json is not None:
        report.to_json(options.json)
    show(report.summary())
    show_assumptions(table)
    show(f"\nReport: {options.output}")
    if options.json is not None:
        show(f"Numbers: {options.json}")
    return 0


def _split(table, options):
    """Positions of the training rows, and the rows to test on; None without such."""
    everything = np.arange(len(table.y))
    if options.test is not None:
        frame = read_frame(options.test, table.notes)
        try:
            return everything, more_rows(table, frame, options.target)
        except TableError as error:
            raise TableError(f"{options.test}: {error}") from error
    n_test = _n_test_rows(len(everything), options.test_size)
    if n_test == 0:
        table.notes.append("No rows were put aside for testing.")
        return everything, None
    n_classes = len(np.unique(table.y)) if table.has_classes else 0
    has_room = n_test >= n_classes <= len(everything) - n_test
    stratify = table.y if table.has_classes and has_room else None
    train, test = train_test_split(everything, test_size=n_test, stratify=stratify, random_state=0)
    if table.has_classes and len(np.unique(table.y[train])) < n_classes:
        table.notes.append("No rows were put aside for testing: some classes have too few.")
        return everything, None
    table.notes.append(
        f"{n_test} of {len(everything)} rows, drawn at random, were put aside for testing."
    )
    return np.sort(train), table.rows(np.sort(test))


def _n_test_rows(n_rows, share):
    if share is not None:
        return min(int(np.ceil(share * n_rows)), n_rows - 1)
    return min(int(TEST_SHARE * n_rows), MAX_TEST_ROWS) if n_rows >= ENOUGH_TO_SPLIT else 0
