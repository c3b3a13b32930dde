"""Predictions that an audit shows beside the rows that explain them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing

from ...fragility import find_flip_set
from ...results import Explanation, FlipSet
from ...utils._cells import Cells
from ...utils._index import row_index
from ...utils._names import position_of
from ...utils._text import clip, short_text, text_of
from .._quantities import sliceable
from ..views import name_of, percent
from ._beside import as_box, as_text
from ._contributions import ColumnShares

#: Characters of a name in a sentence.
MAX_NAME = 100
#: Explaining rows on each side.
N_ROWS = 5
#: Classes of which a typical row is shown, at most: the most frequent ones.
MAX_CLASSES = 3
#: Rows of a flip set, at most.
MAX_FLIP = 10
#: Work that is put into flip sets, at most: for each, numbers in the table of the features, times
#: the outputs of the model and the labels that it could flip to. (The model is trained again some
#: twenty times for each. With Adult, one takes 2 seconds.)
MAX_WORK = 7e6
#: Training rows of which contributions are kept: the most suspicious ones.
MAX_LISTED = 200
#: Of the lead of a label, what the rows of a flip set must take to first order: they do more
#: together than one by one, but hardly twice as much.
MIN_REACH = 0.5

NOT_SOUGHT = "Rows without which the label would be another were not looked for"
NO_STEPS = f"{NOT_SOUGHT}: for this kind of model it takes long; see flip_set."
TOO_LARGE = f"{NOT_SOUGHT}: the model takes long to train again; see flip_set."
GROWN = f"{NOT_SOUGHT}: trees would be grown again for each set of rows; see removal_effect."
NO_RAW_ROWS = f"{NOT_SOUGHT}: the training rows were not given; see audit(X_train=...)."
OTHER_COLUMNS = f"{NOT_SOUGHT}: the training rows were not given as the model takes them."
OUT_OF_REACH = f"By a first-order estimate, no {MAX_FLIP} training rows hold this prediction."


@dataclass(frozen=True, eq=False)
class ExplainedPrediction:
    """A prediction, with the training rows that speak for it and against it.

    Attributes
    ----------
    reason : str
        Why it is shown: "most confident mistake", "least certain", ...
    name : label
        Of the row that it is a prediction for.
    position : int
        Of that row, in the test rows or, without these, in the training rows.
    is_test : bool
        Whether it is a test row, that the model has not seen.
    has_classes : bool
        Whether it is a label, not a number.
    label, prediction : label or number
        Numbers are an array where the model has several targets. The label is None if it is not
        known.
    probability, label_probability : float or None
        The model's, of its prediction and of the label. None if there is none.
    supporting, opposing : Explanation
        Of this one query, by the names of the audit. A training row does not explain itself.
    flip_set : FlipSet or None
        None if none was looked for.
    no_flip_set : str
        Why none was looked for, in a sentence. Empty for numbers.
    contributions : dict of str to float
        What each column of the table adds to the lead of the prediction over the other labels, or
        to the predicted number, compared with its mean; the largest first. Empty if the model does
        not tell the columns apart.
    cells, own_cells : Cells or None
        The training rows, and the rows that it is one of, as they were given, where they were.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X[::2], y[::2])
    >>> report = explainer.audit(X[1::2], y[1::2], X_train=X[::2])
    >>> explained = report.explained[0]
    >>> print(explained.reason, explained.name, explained.label, explained.prediction, sep=", ")
    most confident mistake, 83, 1, 2
    """

    reason: str
    name: Any
    position: int
    is_test: bool
    has_classes: bool
    label: Any
    prediction: Any
    probability: float | None
    label_probability: float | None
    supporting: Explanation
    opposing: Explanation
    flip_set: FlipSet | None = None
    no_flip_set: str = ""
    contributions: dict[str, float] = field(default_factory=dict)
    cells: Cells | None = None
    own_cells: Cells | None = None

    def sentence(self) -> str:
        """What is predicted for which row, with what is known of it.

        Returns
        -------
        str
        """
        kind = "test" if self.is_test else "training"
        text = _name if self.has_classes else short_text
        of = ""
        if self.probability is not None:
            of = f" with a probability of {percent(self.probability)}"
        said = f"For {kind} row {_name(self.name)} the model predicts {text(self.prediction)}{of}"
        if self.label is None:
            return f"{said}."
        if not self.has_classes:
            return f"{said}; its target is {text(self.label)}."
        is_right = self.label == self.prediction
        return f"{said}{', as labelled' if is_right else f'; its label is {text(self.label)}'}."

    def flip_sentence(self) -> str:
        """The rows without which the label would be another, or why there are none.

        Returns
        -------
        str
            Empty for numbers.
        """
        return self.no_flip_set if self.flip_set is None else str(self.flip_set)

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_box(self)


def _name(value):
    return clip(text_of(value), MAX_NAME)


class Queries(NamedTuple):
    """Rows to choose from, and what the model makes of each.

    Attributes
    ----------
    study : Study
        One that takes the rows as they are here.
    X : array-like of shape (n, n_features)
    whole : Study
        One of the whole estimator.
    raw : array-like of n rows or None
        The rows as that one takes them, if they are at hand.
    names : ndarray of shape (n,)
    is_test : bool
    labels : ndarray of shape (n,) or (n, n_targets), or None
    predictions : ndarray of shape (n,) or (n, n_targets)
        As the user knows them, as are the labels.
    eta : ndarray of shape (n, n_outputs)
        What the loss takes for predictions.
    loss : ndarray of shape (n,)
        Of the label that is predicted: the smaller, the more certain. 0 of numbers.
    cells : Cells or None
    """

    study: Any
    X: Any
    whole: Any
    raw: Any
    names: np.ndarray
    is_test: bool
    labels: Any
    predictions: np.ndarray
    eta: np.ndarray
    loss: np.ndarray
    cells: Cells | None

    @property
    def kind(self) -> str:
        return "test row" if self.is_test else "training row"

    def probabilities(self, positions: np.ndarray, labels: Any) -> Any:
        """Those of one label for each of some rows, or None for each if there are none."""
        loss, classes = self.study.objective.loss, self.study.targets.classes
        if labels is None or not self.study.targets.has_classes or not loss.has_probabilities:
            return [None] * len(positions)
        places = np.searchsorted(classes, labels[positions])
        found = loss.probabilities(self.eta[positions])
        return found[np.arange(len(positions)), places].tolist()


def explained_predictions(
    study: Any,
    criterion: str,
    index: np.ndarray,
    X_test: Any,
    y_test: Any,
    cells: Cells | None = None,
    test_cells: Cells | None = None,
    asked: Any = None,
    shares: ColumnShares | None = None,
    n_rows: int = N_ROWS,
    stability: bool = False,
) -> tuple[tuple[ExplainedPrediction, ...], list[str]]:
    """Predictions for some rows, with the training rows that explain them, and notes.

    Parameters
    ----------
    study : Study
    criterion : {"influence", "theta_relative", "loss_relative"}
        Of the explanations.
    index : ndarray of shape (n_rows,)
        The names of the training rows.
    X_test, y_test
        Rows to choose from, and their labels or targets; or None, for the training rows.
    cells, test_cells : Cells, default=None
        The training rows and the test rows as they were given.
    asked : sequence of labels, default=None
        Names of the rows to explain. None: those that tell most of the model.
    shares : ColumnShares, default=None
        What columns add to predictions, where the model tells them apart.
    n_rows : int, default=5
        Explaining rows on each side.
    stability : bool, default=False
        Whether the explanations tell how stable their rows are.
    """
    if X_test is None:
        queries = _training_queries(study, index, cells)
    else:
        queries = _test_queries(study, X_test, y_test, test_cells)
    notes = []
    if asked is not None:
        reasons = {position_of(queries.names, row, queries.kind): "asked for" for row in asked}
    elif study.targets.has_classes:
        reasons, notes = _telling_classes(queries)
    else:
        reasons = _telling_numbers(queries)
    options = criterion, index, shares, cells, n_rows, stability
    found = _explained(queries, reasons, *options)
    return tuple(found), notes


def _test_queries(study, X_test, y_test, cells):
    names, X = row_index(X_test), sliceable(X_test)
    query = study.query(X)
    predictions = study.shown(query)
    eta = study.objective.predictor(query.jacobian)
    loss = _certainty(study, eta)
    return Queries(study, X, study, X, names, True, y_test, predictions, eta, loss, cells)


def _training_queries(study, index, cells):
    known = study.training_rows
    # As they reach the model, because they may not be at hand in any other form.
    X = raw = study.training_data.features
    if study.transformers:
        raw = None if cells is None else sliceable(cells.table)
    eta = study.objective.training_predictor
    loss = _certainty(study, eta)
    labels, predictions = known.labels, known.predictions
    return Queries(
        study.at_model(), X, study, raw, index, False, labels, predictions, eta, loss, cells
    )


def _certainty(study, eta):
    """The loss of what is predicted."""
    loss = study.objective.loss
    if not study.targets.has_classes:
        return np.zeros(len(eta))
    return loss.value(study.targets.predicted(loss, eta), eta)


# --- the choice ---------------------------------------------------------------------------------


def _telling_classes(queries):
    """Positions of rows that tell most of a classifier, with why they do, and notes."""
    reasons: dict[int, str] = {}
    is_right = np.ones(len(queries.loss), bool)
    if queries.labels is not None:
        is_right = queries.labels == queries.predictions
    wrong = np.flatnonzero(~is_right)
    if len(wrong):
        _add(reasons, wrong[queries.loss[wrong].argmin()], "most confident mistake")
    _add(reasons, queries.loss.argmax(), "least certain")
    labels, counts = np.unique(queries.predictions[is_right], return_counts=True)
    most = np.argsort(-counts, kind="stable")
    for label in labels[most[:MAX_CLASSES]]:
        of_label = np.flatnonzero(is_right & (queries.predictions == label))
        _add(reasons, _middle(queries.loss, of_label), f"typical {name_of(label)}")
    if len(labels) <= MAX_CLASSES:
        return reasons, []
    return reasons, [
        f"Of {len(labels)} labels, a typical prediction of each of the {MAX_CLASSES} most "
        "frequent is explained; audit(queries=[...]) explains others."
    ]


def _telling_numbers(queries):
    """The same of a regressor."""
    reasons: dict[int, str] = {}
    shown = queries.predictions.reshape(len(queries.names), -1)
    if queries.labels is not None:
        error = np.abs(queries.labels.reshape(shown.shape) - shown)
        spread = error.mean(axis=0)
        # Targets have units of their own.
        error = (error / np.where(spread > 0, spread, 1)).sum(axis=1)
        _add(reasons, error.argmax(), "largest error")
    if shown.shape[1] == 1:
        everything = np.arange(len(shown))
        _add(reasons, _middle(shown[:, 0], everything), "typical prediction")
        _add(reasons, shown[:, 0].argmax(), "highest prediction")
        _add(reasons, shown[:, 0].argmin(), "lowest prediction")
    elif not reasons:
        _add(reasons, _middle(shown.sum(axis=1), np.arange(len(shown))), "typical prediction")
    return reasons


def _add(reasons, position, reason):
    position = int(position)
    reasons[position] = f"{reasons[position]}, {reason}" if position in reasons else reason


def _middle(values, places):
    """The place whose value is the median, which one of them has."""
    order = np.argsort(values[places], kind="stable")
    return places[order[(len(order) - 1) // 2]]


# --- the explanations ---------------------------------------------------------------------------


def _explained(
    queries, reasons, criterion, index, shares, cells, n_rows, stability
) -> Iterator[ExplainedPrediction]:
    """The rows chosen, each explained."""
    positions = np.array(list(reasons), np.intp)
    if not len(positions):
        return
    study, X = queries.study, _safe_indexing(queries.X, positions)
    supporting, opposing = (
        _own_names(study, X, criterion, sign, positions, queries, index, n_rows, stability)
        for sign in ("positive", "negative")
    )
    contributions = _contributions(study, X, shares)
    of_prediction = queries.probabilities(positions, queries.predictions)
    of_label = queries.probabilities(positions, queries.labels)
    flips = _flip_sets(queries, X, positions, of_prediction, index)
    for place, (position, reason) in enumerate(reasons.items()):
        flip_set, no_flip_set = flips[place]
        yield ExplainedPrediction(
            reason=reason,
            name=queries.names[position],
            position=position,
            is_test=queries.is_test,
            has_classes=study.targets.has_classes,
            label=None if queries.labels is None else queries.labels[position],
            prediction=queries.predictions[position],
            probability=of_prediction[place],
            label_probability=of_label[place],
            supporting=supporting[place],
            opposing=opposing[place],
            flip_set=flip_set,
            no_flip_set=no_flip_set,
            contributions=contributions[place],
            cells=cells,
            own_cells=queries.cells,
        )


def _own_names(study, X, criterion, sign, positions, queries, index, n_rows, stability):
    """An explanation in the names of the audit, in which no training row explains itself."""
    n_found = n_rows if queries.is_test else n_rows + 1
    found = study.explanations(X, None, [criterion], n_found, sign)[criterion]
    if stability:
        found = found.with_stability(random_state=0)
    is_own = (found.indices == positions[:, None]) & (not queries.is_test)
    others = np.argsort(is_own, axis=1, kind="stable")[:, :n_rows]

    def of_others(values):
        return None if values is None else np.take_along_axis(values, others, axis=1)

    return Explanation(
        of_others(found.indices),
        of_others(found.scores),
        found.targets,
        criterion=criterion,
        sign=sign,
        training_rows=replace(found.training_rows, index=index),
        query_index=queries.names[positions],
        query_positions=positions,
        library=found.library,
        solver=found.solver,
        shares=of_others(found.shares),
    )


def _contributions(study, X, shares):
    query = study.query(X)
    if shares is None:
        return [{} for _ in range(query.n_rows)]
    return shares.of(query.features, query.y if study.targets.has_classes else None)


# --- flip sets ----------------------------------------------------------------------------------


def _flip_sets(queries, X, positions, probability, index):
    """The flip set of each row, or None, and why none was looked for."""
    obstacle = _obstacle(queries, positions)
    if obstacle is not None:
        return [(None, obstacle)] * len(positions)
    reach = _reach(queries.study, X, np.array(probability))
    in_reach = np.argsort(-reach, kind="stable")[: np.sum(reach >= MIN_REACH)]
    n_sets = int(MAX_WORK // _work(queries.whole))
    found: list[tuple[FlipSet | None, str]] = [(None, OUT_OF_REACH)] * len(positions)
    for place in in_reach[n_sets:]:
        found[place] = None, TOO_LARGE
    for place in in_reach[:n_sets]:
        row = _safe_indexing(queries.raw, positions[[place]])
        with warnings.catch_warnings():
            # That the model at its optimum may predict another label, which the set tells, and that
            # training rows have lost the names of their columns.
            warnings.simplefilter("ignore", UserWarning)
            flip_set = find_flip_set(queries.whole, row, MAX_FLIP)
        found[place] = replace(flip_set, rows=index[flip_set.positions]), ""
    return found


def _work(study):
    """What it takes to look for a flip set, in the unit of ``MAX_WORK``."""
    n_rows, n_features = study.training_data.features.shape
    n_others = len(study.model.classes_) - 1
    return n_rows * n_features * study.objective.loss.n_outputs * n_others


def _obstacle(queries, positions):
    """Why no flip sets are looked for, or None."""
    study = queries.whole
    objective = study.objective
    if not study.targets.has_classes:
        return ""
    if objective.has_leaves:
        return GROWN
    if not objective.loss.has_probabilities or objective.removal_kind != "smooth":
        return NO_STEPS
    if study.lacks_factor or _work(study) > MAX_WORK:
        return TOO_LARGE
    if queries.raw is None:
        return NO_RAW_ROWS
    if queries.is_test:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            study.query(_safe_indexing(queries.raw, positions))
    except Exception:  # Whatever transformers make of columns that they were not fitted to.
        return OTHER_COLUMNS
    return None


def _reach(study, X, probability):
    """Which part of the lead of each label the rows of a flip set could take, to first order."""
    objective = study.objective
    # How much the loss of the label rises without each row.
    rises = study.scores(X, None, ["influence"])["influence"]
    rises = rises * (objective.sample_weight / objective.total_weight)
    most = min(MAX_FLIP, rises.shape[1])
    strongest = np.maximum(-np.partition(-rises, most - 1, axis=1)[:, :most], 0).sum(axis=1)
    rest = np.maximum(1 - probability, np.finfo(float).tiny)
    # A label flips no sooner than it has lost its lead over all others together.
    lead = np.log(np.maximum(probability, np.finfo(float).tiny) / rest)
    fall = strongest / rest
    return np.where(lead > 0, fall / np.where(lead > 0, lead, 1), np.inf)


# --- training rows that are listed --------------------------------------------------------------


def contributions_of_rows(
    study: Any, X: Any, suspicion_rank: np.ndarray, shares: ColumnShares | None
) -> dict[int, dict[str, float]]:
    """What each column of the table adds to the predictions of the most suspicious rows.

    Parameters
    ----------
    study : Study
        One that takes the rows as they are here.
    X : array-like of shape (n_rows, n_features)
    suspicion_rank : ndarray of shape (n_rows,)
        1 for the most suspicious.
    shares : ColumnShares or None
        None: the model does not tell the columns apart.

    Returns
    -------
    dict of int to dict of str to float
        By position.
    """
    if shares is None:
        return {}
    first = np.argsort(suspicion_rank, kind="stable")[:MAX_LISTED]
    found = _contributions(study, _safe_indexing(X, first), shares)
    return dict(zip(first.tolist(), found, strict=True))
