"""The model of a command: which there are, the table for it, and its explainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC

from ..audit import DataSource
from ..explainers import RelatIFExplainer
from ..utils._progress import begin
from ._output import say, show
from .tables import (
    Table,
    TableError,
    describe_features,
    features_of,
    import_pandas,
    make_table,
    read_frame,
)


class Model(NamedTuple):
    """A model to choose from.

    Attributes
    ----------
    of_classes, of_numbers : callable or None
        Each takes the number of training rows, and makes the model of such targets, if it has any.
    has_curvature : bool, default=True
        Whether there is a curvature to damp.
    takes_sparse : bool, default=True
        Whether features may be a sparse matrix.
    """

    of_classes: Callable[[int], Any] | None = None
    of_numbers: Callable[[int], Any] | None = None
    has_curvature: bool = True
    takes_sparse: bool = True

    @property
    def predicts(self) -> str | None:
        """ "classes" or "numbers"; None for what the table has."""
        if self.of_classes is not None and self.of_numbers is not None:
            return None
        return "numbers" if self.of_classes is None else "classes"

    def build(self, n_rows: int, has_classes: bool) -> Any:
        """The model, to be trained."""
        make = self.of_classes if has_classes else self.of_numbers
        assert make is not None  # The table was read for what it predicts.
        return make(n_rows)


#: Of mean losses: as much as a penalty of 1 is to their sum, as of the others.
ONE_OF_ALL = {"solver": "newton-cholesky", "tol": 1e-8, "max_iter": 1000}
#: Of forests: rows in a leaf, so that not all leaves are pure, and so many trees that each row has
#: some that have not seen it.
FOREST = {"n_estimators": 200, "min_samples_leaf": 5, "random_state": 0}
#: Of boosting: from all rows, none of which it puts aside to stop by.
BOOSTING = {"early_stopping": False, "random_state": 0}
MODELS = {
    "logistic": Model(lambda n_rows: LogisticRegression(max_iter=10_000, tol=1e-6)),
    "linear_svm": Model(lambda n_rows: LinearSVC(max_iter=100_000, tol=1e-6)),
    "svm": Model(lambda n_rows: SVC(tol=1e-6)),
    "ridge": Model(None, lambda n_rows: Ridge(tol=1e-10)),
    "linear": Model(None, lambda n_rows: LinearRegression()),
    "lasso": Model(None, lambda n_rows: LassoCV(max_iter=100_000, tol=1e-8)),
    "huber": Model(None, lambda n_rows: HuberRegressor(max_iter=10_000)),
    "poisson": Model(None, lambda n_rows: PoissonRegressor(alpha=1 / n_rows, **ONE_OF_ALL)),
    "gamma": Model(None, lambda n_rows: GammaRegressor(alpha=1 / n_rows, **ONE_OF_ALL)),
    "forest": Model(
        lambda n_rows: RandomForestClassifier(**FOREST),
        lambda n_rows: RandomForestRegressor(**FOREST),
    ),
    "boosting": Model(
        lambda n_rows: HistGradientBoostingClassifier(**BOOSTING),
        lambda n_rows: HistGradientBoostingRegressor(**BOOSTING),
        has_curvature=False,
        takes_sparse=False,
    ),
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
#: The data and the labels where no file is given.
BREAST_CANCER, BREAST_CANCER_TARGET = "scikit-learn's breast cancer data", "target"


def load_table(options) -> Table:
    """The table that a command is about; its target and its model are put into the options.

    Parameters
    ----------
    options : argparse.Namespace
    """
    notes: list[str] = []
    import_pandas()
    if options.data is None:
        if options.target not in (None, BREAST_CANCER_TARGET):
            raise TableError(f"the breast cancer data have the labels {BREAST_CANCER_TARGET!r}")
        options.target = BREAST_CANCER_TARGET
        frame = _breast_cancer()
        notes.append(f"No file was given: {BREAST_CANCER}.")
    else:
        say(f"reading {options.data}")
        frame = read_frame(options.data, notes)
        if options.target not in frame.columns:  # Headers are read without spaces around them.
            options.target = options.target.strip()
    predicts = None if options.model is None else MODELS[options.model].predicts
    table = make_table(frame, options.target, notes, options.drop, predicts, options.id)
    _choose_model(table, options)
    notes.append(describe_features(table))
    return table


def _breast_cancer():
    data = load_breast_cancer(as_frame=True)
    frame = data.frame.assign(target=data.target_names[data.target])
    return frame.rename_axis("positions, counted from 0")


def _choose_model(table, options):
    """The model that was asked for, if it takes the targets, or the one for such targets."""
    if options.model is None:
        options.model = DEFAULT_MODELS[table.has_classes]
        table.notes += _said_of_target(table, options.target)
    elif MODELS[options.model].predicts is None:
        table.notes.append(_taken_for(table, options.target))
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
        others = [name for name, model in MODELS.items() if model.predicts != "classes"][1:]
        yield (
            f"{target!r} has {n_different} different numbers, and is predicted as a number, by "
            f"ridge regression (--model {', '.join(others)} for another model)."
        )
    elif table.y.dtype.kind in "if" and n_different > FEW_NUMBERS:
        yield (
            f"The {n_different} different numbers of {target!r} were taken as classes (--model "
            "ridge predicts them as numbers)."
        )


def _taken_for(table, target):
    """What a model of either kind takes the target for."""
    what = "classes" if table.has_classes else "numbers"
    return f"The {len(np.unique(table.y)):,} different values of {target!r} were taken as {what}."


def show_assumptions(table):
    """Print what was made of a table."""
    lines = [f"Rows are named by {table.row_names}.", *table.assumed()]
    show("\n".join(["\nAssumed:", *(f"  {line}" for line in lines)]))


def source_of(table, options, test=None):
    """Where the rows come from.

    Parameters
    ----------
    table : Table
    options : argparse.Namespace
    test : Rows, optional
        Those that are tested on.
    """
    names = [table.row_names]
    if test is not None and test.row_names != table.row_names:
        names.append(f"of test rows, {test.row_names}")
    return DataSource(
        name=BREAST_CANCER if options.data is None else options.data,
        target=options.target,
        n_rows_read=table.n_rows_read,
        n_columns_read=table.n_columns_read,
        rows_left_out=table.rows_left_out,
        columns_left_out=table.columns_left_out,
        row_names="; ".join(names),
        command=options.line,
        notes=tuple(table.notes),
    )


def train(table, rows, options) -> RelatIFExplainer:
    """The model, trained on some rows of a table, with its explainer.

    Parameters
    ----------
    table : Table
    rows : ndarray of int
        Positions of the rows to train on.
    options : argparse.Namespace
    """
    say(f"training on {len(rows):,} rows")
    X, y = table.X.iloc[rows], table.y[rows]
    chosen = MODELS[options.model]
    features = features_of(table, is_dense=not chosen.takes_sparse)
    model = make_pipeline(features, chosen.build(len(rows), table.has_classes)).fit(X, y)
    begin("measuring how each row bears on the model")
    if not chosen.has_curvature:
        return RelatIFExplainer.from_fitted(model, X, y)
    if options.damping != "auto":
        return RelatIFExplainer.from_fitted(model, X, y, damping=options.damping)
    try:
        return RelatIFExplainer.from_fitted(model, X, y)
    except ValueError:
        table.notes.append(f"The curvature is damped by {FALLBACK_DAMPING:g}.")
        return RelatIFExplainer.from_fitted(model, X, y, damping=FALLBACK_DAMPING)
