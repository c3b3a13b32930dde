"""The command line: a demonstration, the audit of a table, the explanation of some of its rows."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC

from ..explainers import RelatIFExplainer
from ..utils._text import printable
from ..utils._whole_files import naming, write_whole
from . import _demo
from ._table_files import TableError, import_pandas, read_frame
from ._tables import (
    Table,
    describe_features,
    features_of,
    groups_in_column,
    make_table,
    more_rows,
    require_columns,
)

PROGRAM = "python -m sklearn_relatif"


class Model(NamedTuple):
    """A model to choose from.

    Attributes
    ----------
    predicts : {"classes", "numbers"}
    build : callable
        Takes the number of training rows.
    """

    predicts: str
    build: Callable[[int], Any]


#: Of mean losses: as much as a penalty of 1 is to their sum, as of the others.
ONE_OF_ALL = {"solver": "newton-cholesky", "tol": 1e-8, "max_iter": 1000}
MODELS = {
    "logistic": Model("classes", lambda n_rows: LogisticRegression(max_iter=10_000, tol=1e-6)),
    "linear_svm": Model("classes", lambda n_rows: LinearSVC(max_iter=100_000, tol=1e-6)),
    "svm": Model("classes", lambda n_rows: SVC(tol=1e-6)),
    "ridge": Model("numbers", lambda n_rows: Ridge(tol=1e-10)),
    "linear": Model("numbers", lambda n_rows: LinearRegression()),
    "lasso": Model("numbers", lambda n_rows: LassoCV(max_iter=100_000, tol=1e-8)),
    "huber": Model("numbers", lambda n_rows: HuberRegressor(max_iter=10_000)),
    "poisson": Model("numbers", lambda n_rows: PoissonRegressor(alpha=1 / n_rows, **ONE_OF_ALL)),
    "gamma": Model("numbers", lambda n_rows: GammaRegressor(alpha=1 / n_rows, **ONE_OF_ALL)),
}
#: By whether the target has classes.
DEFAULT_MODELS = {True: "logistic", False: "ridge"}
#: Different numbers up to which nobody doubts that they are classes.
FEW_NUMBERS = 10
#: Targets that models do not take.
REFUSED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "poisson": (lambda y: y < 0, "below 0"),
    "gamma": (lambda y: y <= 0, "of 0 or less"),
}
#: Used where no damping is asked for and the curvature cannot be inverted without one.
FALLBACK_DAMPING = 1e-6
#: Rows below which none are put aside for testing.
ENOUGH_TO_SPLIT = 20
#: Share of the rows that are put aside for testing, and the most that are, unless told.
TEST_SHARE, MAX_TEST_ROWS = 0.2, 2000
#: The labels where no file is given.
BREAST_CANCER_TARGET = "target"
#: What a shell reports for a program that was interrupted.
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments. None: those of the process.

    Returns
    -------
    int
        The exit status: 0 if all went well, 1 if the data cannot be used, 130 if interrupted.
        Wrong arguments end the process with status 2.
    """
    try:
        options = _parser().parse_args(argv)
    except SystemExit:
        _flush()
        raise
    try:
        if options.command is not None:
            _check(options)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            status = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        _flush()
        return 1
    except KeyboardInterrupt:
        return _complain(options, "interrupted", INTERRUPTED)
    except MemoryError:
        return _complain(options, "not enough memory")
    except OSError as error:
        _flush()
        place = "" if error.filename is None else f"{error.filename}: "
        return _complain(options, f"{place}{error.strerror or error}")
    except (ValueError, ImportError) as error:
        return _complain(options, str(error))
    except Exception as error:
        return _complain(options, f"{type(error).__name__}: {error}")
    for message in dict.fromkeys(_first_line(str(warning.message)) for warning in caught):
        _print(f"warning: {message}", sys.stderr)
    return status


def _print(text="", file=None):
    """Print text that may hold whatever the data hold, in what the reader's encoding has."""
    file = sys.stdout if file is None else file
    encoding = file.encoding or "utf-8"
    text = printable(text).encode(encoding, errors="backslashreplace").decode(encoding)
    with naming("the output"):
        print(text, file=file, flush=True)


def _flush():
    """Write out what was printed; if nobody can take it, keep Python from trying again."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(options, reason, status=1):
    """Say in one line what went wrong."""
    command = f"{PROGRAM} {options.command}" if options.command else PROGRAM
    _print(f"{command}: {_first_line(reason)}", sys.stderr)
    return status


def _first_line(text):
    return next((line for line in text.splitlines() if line.strip()), "failed")


class _Parser(argparse.ArgumentParser):
    """Complains of arguments in characters that a terminal shows."""

    def error(self, message):
        super().error(printable(message))


def _parser():
    parser = _Parser(
        prog=PROGRAM,
        description="Explain predictions by training rows. Without a command, explains predictions "
        "on scikit-learn's digits by the training images, with influence functions (IF) and with "
        "relative influence (RelatIF) side by side.",
    )
    parser.set_defaults(run=_demonstrate)
    commands = parser.add_subparsers(dest="command", metavar="{audit,explain}")
    _add_audit(commands)
    _add_explain(commands)
    return parser


def _demonstrate(options):
    _print("\n".join(_demo.report(_demo.train_and_explain())))
    return 0


# --- audit ---------------------------------------------------------------------------------
def _add_audit(commands):
    audit = commands.add_parser(
        "audit",
        help="train a model on a table and report on its rows",
        description="Train a model on a table and report which rows to look at: labels or numbers "
        "that look wrong, rows that pull at the model, what groups of rows do.",
    )
    audit.add_argument(
        "data",
        nargs="?",
        help="CSV, CSV.gz or Parquet file (default: scikit-learn's breast cancer)",
    )
    _add_model_options(audit)
    test = audit.add_mutually_exclusive_group()
    test.add_argument("--test", metavar="FILE", help="a table of test rows")
    test.add_argument(
        "--test-size",
        type=_share,
        metavar="SHARE",
        help=f"share of the rows to test on (default: {TEST_SHARE}, at most {MAX_TEST_ROWS} rows)",
    )
    audit.add_argument("--groups", metavar="COLUMN", help="also remove each group of rows")
    audit.add_argument(
        "--output", default="audit.html", help="HTML report to write (default: audit.html)"
    )
    audit.add_argument("--top", type=_count, default=20, help="rows to list (default: 20)")
    audit.add_argument("--json", metavar="FILE", help="also write the numbers as JSON")
    audit.set_defaults(run=_audit, parser=audit)


def _audit(options):
    table = _table(options)
    groups = None
    if options.groups is not None:
        require_columns(table.frame, [options.groups])
        groups = groups_in_column(table.frame[options.groups], table.notes)
    train, X_test, y_test = _split(table, options)
    explainer = _explainer(table, train, options)
    _say("looking at the training rows")
    report = explainer.audit(X_test, y_test, groups=None if groups is None else groups[train])
    # Cells as they were read: columns that nothing is predicted from name rows, too.
    cells = table.frame.drop(columns=options.target or BREAST_CANCER_TARGET).iloc[train]
    report.to_html(options.output, cells, n_rows=options.top)
    if options.json is not None:
        _write_json(report, table, options)
    _print(report.summary())
    _print_assumptions(table)
    _print(f"\nReport: {options.output}")
    if options.json is not None:
        _print(f"Numbers: {options.json}")
    return 0


def _split(table, options):
    """Positions of the training rows, and the test rows with their targets."""
    everything = np.arange(len(table.y))
    if options.test is not None:
        frame = read_frame(options.test, table.notes)
        try:
            return everything, *more_rows(table, frame, options.target)
        except TableError as error:
            raise TableError(f"{options.test}: {error}") from error
    n_test = _n_test_rows(len(everything), options.test_size)
    if n_test == 0:
        table.notes.append("No rows were put aside for testing.")
        return everything, None, None
    n_classes = len(np.unique(table.y)) if table.has_classes else 0
    has_room = n_test >= n_classes <= len(everything) - n_test
    stratify = table.y if table.has_classes and has_room else None
    train, test = train_test_split(everything, test_size=n_test, stratify=stratify, random_state=0)
    if table.has_classes and len(np.unique(table.y[train])) < n_classes:
        table.notes.append("No rows were put aside for testing: some classes have too few.")
        return everything, None, None
    table.notes.append(
        f"{n_test} of {len(everything)} rows, drawn at random, were put aside for testing; their "
        f"{'labels' if table.has_classes else 'targets'} are not looked at (--test-size 0 looks "
        "at all)."
    )
    return np.sort(train), table.X.iloc[test], table.y[test]


def _n_test_rows(n_rows, share):
    if share is not None:
        return min(int(np.ceil(share * n_rows)), n_rows - 1)
    return min(int(TEST_SHARE * n_rows), MAX_TEST_ROWS) if n_rows >= ENOUGH_TO_SPLIT else 0


def _write_json(report, table, options):
    content = {
        "model": report.model,
        "curvature": report.curvature,
        "rows": [
            {"row": report.index[place], "why": report.why(report.index[place])}
            | {name: values[place] for name, values in report.columns.items()}
            for place in report.first_positions(options.top)
        ],
        "groups": {name: list(values) for name, values in report.groups.items()},
        "notes": [*table.notes, *report.notes],
    }
    write_whole(options.json, json.dumps(_plain(content), indent=2))


def _plain(value):
    """The value in the types of JSON; numbers that JSON does not have become null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return None if value is None else str(value)


# --- explain -------------------------------------------------------------------------------
def _add_explain(commands):
    explain = commands.add_parser(
        "explain",
        help="explain the predictions of some rows of a table",
        description="Train a model on a table without some of its rows, and explain what it "
        "predicts for them by the other rows.",
    )
    explain.add_argument("data", help="CSV, CSV.gz or Parquet file")
    _add_model_options(explain)
    explain.add_argument(
        "--rows", type=int, nargs="+", required=True, help="numbers of the rows, from 0"
    )
    explain.add_argument(
        "--criterion",
        choices=["influence", "theta_relative", "loss_relative"],
        default="loss_relative",
        help="(default: loss_relative)",
    )
    explain.add_argument("--top", type=_count, default=5, help="rows a prediction (default: 5)")
    explain.set_defaults(run=_explain, parser=explain)


def _explain(options):
    table = _table(options)
    position = {name: place for place, name in enumerate(table.X.index)}
    unknown = [row for row in options.rows if row not in position]
    if unknown:
        what = "label" if table.has_classes else "number to predict"
        raise TableError(f"no row {unknown[0]} that has a {what} (rows are counted from 0)")
    asked = [position[row] for row in options.rows]
    train = np.setdiff1d(np.arange(len(table.y)), asked)
    if len(train) < 2 or (table.has_classes and len(np.unique(table.y[train])) < 2):
        raise TableError("too few rows are left to train on")
    explainer = _explainer(table, train, options)
    X = table.X.iloc[asked]
    sign = "positive" if table.has_classes else "absolute"
    explanation = explainer.explain(
        X, n_examples=options.top, criterion=options.criterion, sign=sign
    )
    if not table.has_classes:
        table.notes.append("Rows with a score above 0 raise the prediction, others lower it.")
    # Positions would be those among the rows trained on, which nobody sees.
    _print(explanation.frame().drop(columns="position").to_string(index=False))
    _print_assumptions(table)
    return 0


# --- what they share -----------------------------------------------------------------------
def _add_model_options(parser):
    parser.add_argument(
        "--target", metavar="COLUMN", help="the column to predict, of labels or of numbers"
    )
    parser.add_argument(
        "--drop",
        metavar="COLUMN",
        nargs="+",
        action="extend",
        default=[],
        help="columns not to predict from, such as those that tell the label",
    )
    parser.add_argument(
        "--model",
        choices=list(MODELS),
        help="(default: logistic for labels, ridge for a target of many different numbers)",
    )
    parser.add_argument(
        "--damping",
        type=_damping,
        default="auto",
        help="added to the diagonal of the curvature; auto: none unless it is needed",
    )


def _check(options):
    """End with status 2 if the arguments do not fit each other or the places to write to."""
    parser = options.parser
    if options.data is None and getattr(options, "test", None) is not None:
        parser.error("--test needs a file to train on")
    if options.data is not None and options.target is None:
        parser.error("which column is to be predicted? Say --target COLUMN")
    read = [name for name in (options.data, getattr(options, "test", None)) if name is not None]
    written = [getattr(options, "output", None), getattr(options, "json", None)]
    written = [name for name in written if name is not None]
    for name in written:
        _check_place(name, read, parser)
    if len(written) == 2 and _are_one_file(*written):
        parser.error(f"cannot write to {written[1]!r}: the report is written there")


def _check_place(name, read, parser):
    """End with status 2 if a file cannot be written to."""
    try:
        is_folder = stat.S_ISDIR(os.stat(name).st_mode)
    except FileNotFoundError:
        is_folder = False
    except (OSError, ValueError) as error:
        parser.error(f"cannot write to {name!r}: {getattr(error, 'strerror', None) or error}")
    # Where a link leads to nowhere, the file is written to where it leads.
    if is_folder or not os.path.basename(name) or not Path(os.path.realpath(name)).parent.is_dir():
        parser.error(f"cannot write to {name!r}: not a file in a directory that exists")
    if any(_are_one_file(name, other) for other in read):
        parser.error(f"cannot write to {name!r}: the data are read from there")


def _are_one_file(name, other):
    """Whether two names are of one file, through links of either kind too."""
    try:
        return os.path.samefile(name, other)
    except (OSError, ValueError):  # At least one of them does not exist.
        return os.path.realpath(name) == os.path.realpath(other)


def _share(text):
    value = _real(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("must be at least 0 and less than 1")
    return value


def _count(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def _damping(text):
    if text == "auto":
        return text
    value = _real(text)
    if not 0 <= value < np.inf:
        raise argparse.ArgumentTypeError("must be 'auto' or a number of at least 0")
    return value


def _real(text):
    try:
        return float(text)
    except ValueError:
        return np.nan


def _table(options) -> Table:
    notes: list[str] = []
    import_pandas()
    predicts = None if options.model is None else MODELS[options.model].predicts
    if options.data is None:
        if options.target not in (None, BREAST_CANCER_TARGET):
            raise TableError(f"the breast cancer data have the labels {BREAST_CANCER_TARGET!r}")
        data = load_breast_cancer(as_frame=True)
        frame = data.frame.assign(target=data.target_names[data.target])
        notes.append("No file was given: the breast cancer data of scikit-learn.")
        table = make_table(frame, BREAST_CANCER_TARGET, notes, options.drop, predicts)
    else:
        _say(f"reading {options.data}")
        frame = read_frame(options.data, notes)
        table = make_table(frame, options.target, notes, options.drop, predicts)
    _choose_model(table, options)
    notes.append(describe_features(table))
    notes.append("Rows are numbered from 0, the first one below the header.")
    return table


def _choose_model(table, options):
    """The model that was asked for, if it takes the targets, or the one for such targets."""
    if options.model is None:
        options.model = DEFAULT_MODELS[table.has_classes]
        table.notes += _said_of_target(table, options.target)
    is_refused, which = REFUSED.get(options.model, (None, ""))
    n_refused = int(is_refused(table.y).sum()) if is_refused else 0
    if n_refused:
        raise TableError(
            f"{options.target!r} has {n_refused} numbers {which}, which --model {options.model} "
            "does not take"
        )


def _said_of_target(table, target):
    """What is assumed of a target of numbers, of which others could be right."""
    n_different = len(np.unique(table.y))
    if not table.has_classes:
        others = [name for name, model in MODELS.items() if model.predicts == "numbers"][1:]
        yield (
            f"{target!r} has {n_different} different numbers, and is predicted as a number, by "
            f"ridge regression (--model {', '.join(others)} for another model)."
        )
    elif table.y.dtype.kind in "if" and n_different > FEW_NUMBERS:
        yield (
            f"The {n_different} different numbers of {target!r} were taken as classes (--model "
            "ridge predicts them as numbers)."
        )


def _explainer(table, train, options):
    """The model, trained on some rows of a table, with its explainer."""
    _say(f"training on {len(train)} rows")
    X, y = table.X.iloc[train], table.y[train]
    model = make_pipeline(features_of(table), MODELS[options.model].build(len(train)))
    model.fit(X, y)
    if options.damping != "auto":
        return RelatIFExplainer.from_fitted(model, X, y, damping=options.damping)
    try:
        return RelatIFExplainer.from_fitted(model, X, y)
    except ValueError:
        table.notes.append(f"The curvature is damped by {FALLBACK_DAMPING:g}.")
        return RelatIFExplainer.from_fitted(model, X, y, damping=FALLBACK_DAMPING)


def _print_assumptions(table):
    _print("\n".join(["\nAssumed:", *(f"  {note}" for note in table.notes)]))


def _say(what):
    _print(f"{what} ...", sys.stderr)
