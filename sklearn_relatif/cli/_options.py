"""The arguments that commands share, and what is wrong with them before anything is read."""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path

import numpy as np

from ._training import MODELS
from .tables import STANDARD_INPUT

DATA = (
    "the table: CSV, TSV, Excel (.xlsx), JSON lines, Parquet or Feather, told by its content; "
    "CSV and JSON may be gzipped; - for standard input"
)


def add_table_options(parser):
    """Arguments on what is predicted from what, by which model."""
    parser.add_argument(
        "--target", metavar="COLUMN", help="the column to predict, of labels or of numbers"
    )
    parser.add_argument(
        "--id",
        metavar="COLUMN",
        help="the column that names the rows, such as customers' numbers; it is not predicted from "
        "(default: rows are named by their lines in the file)",
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
        help="(default: logistic for labels, ridge for a target of many different numbers; forest "
        "and boosting predict either)",
    )
    parser.add_argument(
        "--damping",
        type=damping,
        default="auto",
        help="added to the diagonal of the curvature; auto: none unless it is needed",
    )


def check(options):
    """End with status 2 if the arguments do not fit each other or the places to write to.

    Parameters
    ----------
    options : argparse.Namespace
    """
    parser = options.parser
    if options.damping != "auto" and options.model and not MODELS[options.model].has_curvature:
        parser.error(f"--model {options.model} has no curvature to damp: leave --damping out")
    if options.data is None and options.test is not None:
        parser.error("--test needs a file to train on")
    if options.data is not None and options.target is None:
        parser.error("which column is to be predicted? Say --target COLUMN")
    if options.data == options.test == STANDARD_INPUT:
        parser.error("standard input can be one table only")
    if options.id is not None and options.id == options.target:
        parser.error("the column to predict cannot name the rows, too")
    read = [name for name in (options.data, options.test) if name not in (None, STANDARD_INPUT)]
    written = [name for name in (options.output, options.json) if name is not None]
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
        reason = error.strerror if isinstance(error, OSError) else error
        parser.error(f"cannot write to {name!r}: {reason}")
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


# --- values of arguments --------------------------------------------------------------------
def share(text):
    """A share of rows, of which some are left."""
    value = _real(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("must be at least 0 and less than 1")
    return value


def whole_number(text):
    """A number of things, at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def damping(text):
    """What is added to the diagonal of the curvature, or "auto"."""
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
