"""Columns that tell the target nearly alone, as what is known only after it does."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.feature_selection import f_classif, f_regression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ...utils._text import clip
from ..views import percent
from ._finding import Check, Evidence, Finding, no_columns
from ._predictors import alike, hashes

#: Rows and columns that are looked at, at most: rows drawn at random, and the columns that are most
#: closely related to the target.
MAX_ROWS, MAX_COLUMNS = 3000, 100
#: Rows below which columns are not judged.
ENOUGH_ROWS = 50
#: Share of the errors of an answer without features that a tree on one column avoids, from which
#: on the column is suspected.
MOST = 0.9
#: A column of so many values at most is no measurement that could be as telling.
FEW_VALUES = 10
#: Of another column, that all others together make so many times its errors.
TIMES_ERRORS = 3
#: Columns that a sentence names, at most.
N_NAMED = 5
#: Columns that lead to the same predictions for this share of the rows tell the same.
SAME = 0.99
METHOD = (
    "Trees on one column each and forests on the others, trained on one half of up to "
    f"{MAX_ROWS:,} rows and judged on the other, in turn. A column is named if it avoids nine in "
    "ten errors of an answer without features, and either holds few values or makes less than a "
    "third of the errors of the others, but for those that tell the same."
)


class Trial(NamedTuple):
    """What is predicted of rows that were not trained on.

    Attributes
    ----------
    predictions, errors : ndarray of shape (n,)
        Errors are 0 and 1, or squared.
    """

    predictions: np.ndarray
    errors: np.ndarray


class Leak(NamedTuple):
    """A column that tells the target.

    Attributes
    ----------
    name : str
    mean_error : float
    same : set of str
        Columns that tell the same, this one included.
    """

    name: str
    mean_error: float
    same: set[str]


class Trials:
    """Predictions of a sample of rows from some of the columns.

    Parameters
    ----------
    columns : dict of str to ndarray of shape (n,)
        As numbers, of which only the order counts.
    target : ndarray of shape (n,)
        Classes as integers, or numbers.
    has_classes : bool
    """

    def __init__(self, columns, target, has_classes):
        self.columns, self.target, self.has_classes = columns, target, has_classes
        if has_classes:
            usual = np.bincount(target).argmax()
            self.usual_error = np.mean(target != usual)
            self._tree, self._forest = DecisionTreeClassifier, ExtraTreesClassifier
        else:
            self.usual_error = np.var(target)
            self._tree, self._forest = DecisionTreeRegressor, ExtraTreesRegressor

    def alone(self, name) -> Trial:
        """From one column."""
        return self._of(self._tree(min_samples_leaf=3, random_state=0), [name])

    def together(self, names) -> Trial:
        """From several columns."""
        forest = self._forest(30, max_features=1 / 3, min_samples_leaf=2, random_state=0)
        return self._of(forest, names)

    def _of(self, model, names):
        X = np.column_stack([self.columns[name] for name in names])
        folds = KFold(2, shuffle=True, random_state=0)
        predictions = cross_val_predict(model, X, self.target, cv=folds)
        wrong = predictions - self.target
        return Trial(predictions, (wrong != 0).astype(float) if self.has_classes else wrong**2)

    def tell_the_same(self, one, other) -> bool:
        """Whether two trials have the same predictions for nearly all rows."""
        if self.has_classes:
            return np.mean(one.predictions == other.predictions) >= SAME
        return np.mean((one.predictions - other.predictions) ** 2) <= (1 - SAME) * self.usual_error


def _find(evidence: Evidence) -> list[Finding]:
    columns = evidence.columns
    if "label" in columns:
        return _found(evidence, np.unique(columns["label"], return_inverse=True)[1], True, "label")
    found = []
    for end in evidence.view.endings:
        found += _found(evidence, columns[f"target{end}"], False, f"target{end}")
    return found


def _found(evidence, target, has_classes, called):
    rows = np.random.RandomState(0).permutation(len(target))[:MAX_ROWS]
    trials = Trials(
        _columns(evidence.predictors, rows, target[rows], has_classes), target[rows], has_classes
    )
    if not trials.usual_error:
        return []
    alone = {name: trials.alone(name) for name in trials.columns}
    leaks = [leak for name in alone if (leak := _leak(trials, alone, name))]
    mattering = evidence.predictors.mattering([leak.name for leak in leaks])
    leaks = sorted((it for it in leaks if it.name in mattering), key=lambda it: it.mean_error)
    if not leaks:
        return []
    shown = [evidence.predictors.shown(leak.name) for leak in leaks]
    names = " and ".join(f"'{clip(name)}'" for name in shown[:N_NAMED])
    if len(shown) > N_NAMED:
        names += f" and {len(shown) - N_NAMED} more"
    error = max(leak.mean_error for leak in leaks)
    others = [name for name in alone if all(name not in leak.same for leak in leaks)]
    told = f"{names} {'each tell' if len(leaks) > 1 else 'alone tells'}"
    if has_classes:
        told += f" the label of {percent(1 - error)} of the rows"
    else:
        told += f" {percent(1 - error / trials.usual_error)} of the variance of the {called}"
    if others:
        of_others = _best(trials, alone, others).errors.mean()
        share = 1 - (of_others if has_classes else of_others / trials.usual_error)
        told += f", all other columns together {percent(max(share, 0))}"
    they = "these columns are" if len(leaks) > 1 else "this column is"
    check = f"check that {they} known before the {called} is"
    return [
        Finding(
            kind="leakage",
            sentence=f"{told}: {check}.",
            value=1 - error / trials.usual_error,
            weight=0.95,
            method=METHOD,
            columns=tuple(shown),
        )
    ]


def _leak(trials, alone, name):
    """A column that tells the target better than it should; None if it does not."""
    own = alone[name]
    if own.errors.mean() > (1 - MOST) * trials.usual_error:
        return None
    same = {other for other in alone if trials.tell_the_same(own, alone[other])}
    leak = Leak(name, float(own.errors.mean()), same)
    others = [other for other in alone if other not in same]
    n_values = len(np.unique(trials.columns[name]))
    if trials.has_classes and n_values <= max(FEW_VALUES, trials.target.max() + 1):
        return leak
    if not others:
        return None
    more = _best(trials, alone, others).errors - own.errors
    is_sure = more.mean() > TIMES_ERRORS * np.std(more) / np.sqrt(len(more))
    is_much = more.mean() >= (TIMES_ERRORS - 1) * own.errors.mean()
    return leak if is_sure and is_much else None


def _best(trials, alone, names):
    """The best that can be told from some columns: by all of them, or by one."""
    tried = [trials.together(names), *(alone[name] for name in names)]
    return min(tried, key=lambda trial: trial.errors.mean())


def _columns(predictors, rows, target, has_classes):
    """Values of some rows as numbers, by the names of the columns; only their order counts."""
    if predictors.is_sparse:
        table = predictors.cells.table[rows].tocsc()
        closest = _closest(table, target, has_classes, MAX_COLUMNS)
        return {str(place): table[:, [place]].toarray().ravel() for place in closest}
    columns = {}
    for name in predictors.names:
        values = predictors.cells.values(name)[rows]
        values = values if values.dtype.kind in "biufmM" else hashes(alike(values))
        columns[name] = np.unique(values, return_inverse=True)[1].astype(np.float32)
    if len(columns) <= MAX_COLUMNS:
        return columns
    table, names = np.column_stack(list(columns.values())), list(columns)
    return {
        names[place]: columns[names[place]]
        for place in _closest(table, target, has_classes, MAX_COLUMNS)
    }


def _closest(table, target, has_classes, n_columns):
    """Places of the columns that are most closely related to the target, by their F statistics."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # Of columns that hold one value.
        statistic = (f_classif if has_classes else f_regression)(table, target)[0]
    return np.sort(np.argsort(-np.nan_to_num(statistic, posinf=np.inf))[:n_columns])


def _obstacle(evidence: Evidence) -> str | None:
    n_rows = len(evidence.index)
    if n_rows < ENOUGH_ROWS:
        return f"of {n_rows} rows too few are left to judge by"
    return no_columns(evidence)


LEAKAGE = Check("columns that tell the target", _find, _obstacle)
