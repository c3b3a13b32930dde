"""The command line: a demonstration, the audit of a table, the explanation of some of its rows."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC

from . import RelatIFExplainer, _demo
from ._tables import Table, TableError, features_of, group_labels, make_table, read_frame

PROGRAM = "python -m sklearn_relatif"
MODELS = {
    "logistic": lambda: LogisticRegression(max_iter=10_000, tol=1e-6),
    "linear_svm": lambda: LinearSVC(max_iter=100_000, tol=1e-6),
    "svm": lambda: SVC(tol=1e-6),
}
#: Used where no damping is asked for and the curvature cannot be inverted without one.
FALLBACK_DAMPING = 1e-6
#: Rows below which none are put aside for testing.
ENOUGH_TO_SPLIT = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments. None: those of the process.

    Returns
    -------
    int
        The exit status: 0 if all went well, 1 if the data cannot be used. Wrong arguments end the
        process with status 2.
    """
    options = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            status = options.run(options)
    except (TableError, OSError) as error:
        print(f"{PROGRAM} {options.command}: {error}", file=sys.stderr)
        return 1
    for message in dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught):
        print(f"warning: {message}", file=sys.stderr)
    return status


def _parser():
    parser = argparse.ArgumentParser(
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
    print("\n".join(_demo.report(_demo.train_and_explain())))
    return 0


# --- audit ---------------------------------------------------------------------------------


def _add_audit(commands):
    audit = commands.add_parser(
        "audit",
        help="train a model on a table and report on its rows",
        description="Train a model on a table and report which rows to look at: labels that look "
        "wrong, rows that pull at the model, what groups of rows do.",
    )
    audit.add_argument(
        "data",
        nargs="?",
        help="CSV, CSV.gz or Parquet file (default: scikit-learn's breast cancer)",
    )
    _add_model_options(audit)
    audit.add_argument("--test", metavar="FILE", help="a table of test rows")
    audit.add_argument(
        "--test-size", type=_share, default=0.2, help="share of the rows to test on (default: 0.2)"
    )
    audit.add_argument("--groups", metavar="COLUMN", help="also remove each group of rows")
    audit.add_argument(
        "--output", default="audit.html", help="HTML report to write (default: audit.html)"
    )
    audit.add_argument("--top", type=_count, default=20, help="rows to list (default: 20)")
    audit.add_argument("--json", metavar="FILE", help="also write the numbers as JSON")
    audit.set_defaults(run=_audit)


def _audit(options):
    table = _table(options.data, options.target)
    groups = None
    if options.groups is not None:
        if options.groups not in table.X.columns:
            raise TableError(f"no column {options.groups!r} to group by")
        groups = group_labels(table.X[options.groups], table.notes)
    train, X_test, y_test = _split(table, options)
    explainer = _explainer(table, train, options)
    _say("looking at the training rows")
    report = explainer.audit(X_test, y_test, groups=None if groups is None else groups[train])
    print(report.summary())
    print(*_assumptions(table), sep="\n")
    report.to_html(options.output, table.X.iloc[train], n_rows=options.top)
    print(f"Report: {options.output}")
    if options.json is not None:
        _write_json(report, table, options)
    return 0


def _split(table, options):
    """Positions of the training rows, and the test rows with their labels."""
    everything = np.arange(len(table.y))
    if options.test is not None:
        test = make_table(read_frame(options.test, table.notes), options.target, table.notes)
        lacking = [name for name in table.X.columns if name not in test.X.columns]
        if lacking:
            raise TableError(f"{options.test}: no usable column {lacking[0]!r}")
        known = np.isin(test.y, table.y)
        if not known.any():
            raise TableError(f"{options.test}: none of the labels occurs in the training data")
        return everything, test.X.loc[known, list(table.X.columns)], test.y[known]
    if len(table.y) < ENOUGH_TO_SPLIT or not options.test_size:
        return everything, None, None
    _, counts = np.unique(table.y, return_counts=True)
    n_test = int(np.ceil(options.test_size * len(table.y)))
    stratify = table.y if n_test >= len(counts) <= len(table.y) - n_test else None
    train, test = train_test_split(
        everything, test_size=options.test_size, stratify=stratify, random_state=0
    )
    if len(np.unique(table.y[train])) < len(counts):
        return everything, None, None
    return np.sort(train), table.X.iloc[test], table.y[test]


def _write_json(report, table, options):
    rows = report.first_rows(options.top)
    content = {
        "model": report.model,
        "curvature": report.curvature,
        "rows": [
            {"row": report.index[row], "why": report.why(row)}
            | {name: values[row] for name, values in report.columns.items()}
            for row in rows
        ],
        "groups": {name: list(values) for name, values in report.groups.items()},
        "notes": [*table.notes, *report.notes],
    }
    with open(options.json, "w", encoding="utf-8") as file:
        json.dump(_plain(content), file, indent=2)
    print(f"Numbers: {options.json}")


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
    explain.set_defaults(run=_explain)


def _explain(options):
    table = _table(options.data, options.target)
    position = {name: place for place, name in enumerate(table.X.index)}
    unknown = [row for row in options.rows if row not in position]
    if unknown:
        raise TableError(f"no row {unknown[0]} that has a label (rows are counted from 0)")
    asked = [position[row] for row in options.rows]
    train = np.setdiff1d(np.arange(len(table.y)), asked)
    if len(np.unique(table.y[train])) < 2:
        raise TableError("too few rows are left to train on")
    explainer = _explainer(table, train, options)
    X = table.X.iloc[asked]
    explanation = explainer.explain(X, n_examples=options.top, criterion=options.criterion)
    print(explanation.frame().to_string(index=False))
    print(*_assumptions(table), sep="\n")
    return 0


# --- what they share -----------------------------------------------------------------------


def _add_model_options(parser):
    parser.add_argument("--target", metavar="COLUMN", help="the column of labels")
    parser.add_argument("--model", choices=list(MODELS), default="logistic")
    parser.add_argument(
        "--damping",
        type=_damping,
        default="auto",
        help="added to the diagonal of the curvature; auto: none unless it is needed",
    )


def _share(text):
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("must be at least 0 and less than 1")
    return value


def _count(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _damping(text):
    if text == "auto":
        return text
    value = float(text)
    if not 0 <= value < np.inf:
        raise argparse.ArgumentTypeError("must be 'auto' or a number of at least 0")
    return value


def _table(path, target) -> Table:
    notes = []
    if path is None:
        if target not in (None, "target"):
            raise TableError("the breast cancer data have the labels 'target'")
        data = load_breast_cancer(as_frame=True)
        frame = data.frame.assign(target=data.target_names[data.target])
        notes.append("No file was given: the breast cancer data of scikit-learn.")
        return make_table(frame, "target", notes)
    if target is None:
        raise TableError("which column holds the labels? Say --target COLUMN")
    _say(f"reading {path}")
    return make_table(read_frame(path, notes), target, notes)


def _explainer(table, train, options):
    """The model, trained on some rows of a table, with its explainer."""
    _say(f"training on {len(train)} rows")
    X, y = table.X.iloc[train], table.y[train]
    model = make_pipeline(features_of(table), MODELS[options.model]())
    damping = 0.0 if options.damping == "auto" else options.damping
    try:
        model.fit(X, y)
        try:
            return RelatIFExplainer.from_fitted(model, X, y, damping=damping)
        except ValueError:
            if options.damping != "auto":
                raise
            table.notes.append(f"The curvature is damped by {FALLBACK_DAMPING:g}.")
            return RelatIFExplainer.from_fitted(model, X, y, damping=FALLBACK_DAMPING)
    except ValueError as error:
        raise TableError(str(error).splitlines()[0]) from error


def _assumptions(table):
    return ["", "Assumed:", *(f"  {note}" for note in table.notes)] if table.notes else [""]


def _say(what):
    print(f"{what} ...", file=sys.stderr, flush=True)
