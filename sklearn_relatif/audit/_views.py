"""What an audit tells of rows, by what their targets are: classes, or numbers.

All else is the same for both: how hard rows pull at the model, which explain most, which help.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d

from ..utils._text import clip, text_of
from ..utils._validation import class_positions, label_array, missing_places
from ._meanings import (
    FACTS,
    GROUP,
    NUMBER_FACTS,
    NUMBER_GROUP,
    NUMBER_PREDICTION,
    NUMBER_ROW,
    PREDICTION,
    ROW,
    Meaning,
    meanings_of_several,
)

NO_PROBABILITIES = (
    "The model gives no probabilities by scores alone; rows are judged by their loss."
)
#: What of a report is words, not numbers.
NAMES = ("row", "query", "best_row", "group")
#: Targets whose errors a sentence tells, at most.
N_TARGETS_TOLD = 3


class View:
    """What is told of targets of a kind.

    Attributes
    ----------
    target : str
        What the target of a row is called.
    sign : {"positive", "absolute"}
        Of the explanations of test rows.
    words : tuple of str
        Columns that hold text.
    endings : tuple of str
        Of the names of columns, one for each target that is a number.
    suspect_columns, hub_columns, harm_columns : tuple of str
        Of the tables of rows.
    row, prediction, group, facts : dict of str to Meaning
        What each number is called, and what it means.
    """

    target: str
    sign: str
    words: tuple[str, ...]
    endings: tuple[str, ...] = ()
    suspect_columns: tuple[str, ...]
    hub_columns: tuple[str, ...]
    harm_columns: tuple[str, ...]
    row: dict[str, Meaning]
    prediction: dict[str, Meaning]
    group: dict[str, Meaning]
    facts: dict[str, Meaning]

    # --- numbers of rows -----------------------------------------------------------------------

    def columns(self, study: Any) -> tuple[dict[str, np.ndarray], list[str]]:
        """Targets and predictions of the training rows, and notes on what there is not."""
        raise NotImplementedError

    def without(self, study: Any, eta: np.ndarray) -> dict[str, np.ndarray]:
        """What the models without each row make of it, from their predictors."""
        raise NotImplementedError

    def test_targets(self, y_test: Any, study: Any) -> np.ndarray:
        """Targets of test rows; or an error if some are missing, or none of the model's."""
        raise NotImplementedError

    def predicted(self, study: Any, query: Any, shown: np.ndarray, y_test: Any) -> dict[str, Any]:
        """Predictions of test rows, beside their targets where these are known."""
        raise NotImplementedError

    # --- numbers of the model and of groups ------------------------------------------------------

    def of_model(self, study: Any) -> dict[str, Any]:
        """What the model predicts."""
        return {}

    def fit(self, columns: dict[str, np.ndarray]) -> dict[str, float]:
        """How well the model fits its rows, and with each left out."""
        raise NotImplementedError

    def baseline(self, columns: dict[str, np.ndarray]) -> dict[str, float]:
        """How well a model without features would."""
        raise NotImplementedError

    def test_fit(
        self, study: Any, columns: dict[str, np.ndarray], X_test: Any, y_test: np.ndarray
    ) -> dict[str, float]:
        """How well the model does on test rows, and one without features."""
        raise NotImplementedError

    def of_groups(
        self, columns: dict[str, np.ndarray], rows: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """How well the model fits the rows of each group."""
        raise NotImplementedError

    def can_do_without(self, study: Any, rows: np.ndarray) -> bool:
        """Whether there is a model of the other rows."""
        raise NotImplementedError

    def performance(self, model: Any, X_test: Any, y_test: Any) -> dict[str, Any]:
        """Predictions on the test rows, and how good they are where that is known."""
        raise NotImplementedError

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
        """What two performances differ by."""
        raise NotImplementedError

    # --- words -----------------------------------------------------------------------------------

    def quality(self, model: dict[str, Any]) -> str:
        """A line on how well the model does."""
        raise NotImplementedError

    def heading(self, columns: dict[str, np.ndarray], first: np.ndarray) -> str:
        """A line above the rows to look at first."""
        raise NotImplementedError

    def introduction(self, columns: dict[str, np.ndarray], first: np.ndarray) -> str:
        """Sentences above the table of these rows."""
        raise NotImplementedError

    def about(self, columns: dict[str, np.ndarray], row: int) -> str:
        """What the model makes of the target of a row, as the beginning of a sentence."""
        raise NotImplementedError


class ClassView(View):
    """Rows have labels."""

    target = "label"
    sign = "positive"
    words = (*NAMES, "label", "prediction", "loo_prediction")
    suspect_columns = (
        "label", "prediction", "probability", "loo_probability", "loo_loss", "loss",
        "self_influence", "suspicion_rank", "loo_rank",
    )  # fmt: skip
    hub_columns = (
        "label", "prediction", "probability", "hub_if", "hub_relatif", "self_influence",
        "leverage",
    )  # fmt: skip
    harm_columns = (
        "label", "prediction", "probability", "test_influence", "parameter_shift", "loss",
    )  # fmt: skip
    row, prediction, group, facts = ROW, PREDICTION, GROUP, FACTS

    def columns(self, study):
        known = study.training_rows
        columns = {"label": known.labels, "prediction": known.predictions}
        if known.probabilities is None:
            return columns, [NO_PROBABILITIES]
        return columns | {"probability": known.probabilities}, []

    def without(self, study, eta):
        objective, loss = study.objective, study.objective.loss
        targets = study.targets
        columns = {
            "loo_prediction": targets.shown(targets.predicted(loss, eta), None),
            "loo_loss": loss.value(objective.y, eta),
        }
        if loss.has_probabilities:
            columns["loo_probability"] = of_own_class(loss.probabilities(eta), objective.y)
        return columns

    def test_targets(self, y_test, study):
        # As they were given: among strings, NumPy makes the label "nan" of NaN.
        labels, classes = column_or_1d(label_array(y_test)), study.model.classes_
        missing = missing_places(labels.tolist())
        if missing:
            raise ValueError(
                f"y_test has no label (None or NaN) for {len(missing)} of its {len(labels)} rows, "
                f"the first at position {missing[0]}. Leave these rows out."
            )
        return classes[class_positions(labels, classes, "y_test")]

    def predicted(self, study, query, shown, y_test):
        columns, loss = {"prediction": shown}, study.objective.loss
        if loss.has_probabilities:
            probabilities = loss.probabilities(study.objective.predictor(query.jacobian))
            columns["probability"] = of_own_class(probabilities, query.y)
        return columns if y_test is None else columns | {"label": np.asarray(y_test)}

    def of_model(self, study):
        return {"classes": study.model.classes_}

    def fit(self, columns):
        names = {"prediction": "accuracy", "loo_prediction": "loo_accuracy"}
        return {
            name: float(np.mean(columns[of] == columns["label"]))
            for of, name in names.items()
            if of in columns
        }

    def baseline(self, columns):
        label = columns["label"]
        return {"largest_class": float(np.mean(label == _most_frequent(label)))}

    def test_fit(self, study, columns, X_test, y_test):
        return {
            "test_accuracy": float(np.mean(study.estimator.predict(X_test) == y_test)),
            "test_largest_class": float(np.mean(y_test == _most_frequent(columns["label"]))),
        }

    def of_groups(self, columns, rows):
        right = columns["prediction"] == columns["label"]
        return {"accuracy": np.array([right[some].mean() for some in rows])}

    def can_do_without(self, study, rows):
        """Whether all classes have rows left."""
        objective = study.objective
        counts = objective.sample_weight > 0
        counts[rows] = False
        return len(np.unique(objective.y[counts])) == len(study.model.classes_)

    def performance(self, model, X_test, y_test):
        """Predictions and, as far as they are known, accuracy and mean log loss."""
        found = {"prediction": model.predict(X_test)}
        if y_test is not None:
            found["accuracy"] = np.mean(found["prediction"] == y_test)
            if hasattr(model, "predict_proba"):
                places = np.searchsorted(model.classes_, y_test)
                own = of_own_class(model.predict_proba(X_test), places)
                found["log_loss"] = -np.log(np.maximum(own, np.finfo(float).tiny)).mean()
        return found

    def changes(self, before, after):
        changes = {"predictions_changed": np.mean(before["prediction"] != after["prediction"])}
        for name in ("accuracy", "log_loss"):
            if name in before:
                changes[f"{name}_change"] = after[name] - before[name]
        return changes

    def quality(self, model):
        parts = [f"{model['accuracy']:.1%} of the training rows"]
        if "loo_accuracy" in model:
            parts.append(f"{model['loo_accuracy']:.1%} when each is left out")
        line = f"The model is right about {', '.join(parts)}"
        if "test_accuracy" in model:
            line += (
                f", and {model['test_accuracy']:.1%} of {model['n_test']} test rows (always "
                f"the most frequent label: {model['test_largest_class']:.1%})"
            )
        return line + "."

    def heading(self, columns, first):
        if (columns["label"][first] != columns["prediction"][first]).any():
            return "Labels to look at first:"
        return "The model contradicts none of the labels that fit it least:"

    def introduction(self, columns, first):
        n_contradicted = np.sum(columns["label"][first] != columns["prediction"][first])
        return (
            "The rows that the model fits worst, by its loss: of the rankings tried, it found "
            f"planted label errors best on most data. Of these {len(first)}, the model "
            f"contradicts the labels of {n_contradicted or 'none'}. A suspect need not be an "
            "error: it may be a rare case, or a case that the features do not tell."
        )

    def about(self, columns, row):
        label, prediction = (name_of(columns[name][row]) for name in ("label", "prediction"))
        is_right = columns["label"][row] == columns["prediction"][row]
        verdict = f"the model predicts {prediction}"
        if "loo_probability" in columns:
            alone = percent(columns["loo_probability"][row])
            own = percent(columns["probability"][row])
            if is_right and columns["loo_prediction"][row] != columns["label"][row]:
                return (
                    f"Its label {label} has {own} only because of the row itself: {alone} without "
                    "it"
                )
            if is_right:
                return (
                    f"The model agrees with its label {label}, which it gives {alone} without the "
                    "row"
                )
            return f"Its label is {label}, which the model without it gives {alone}; {verdict}"
        if "loo_prediction" in columns:
            alone = name_of(columns["loo_prediction"][row])
            return f"Its label is {label}; {verdict}, and {alone} when trained without the row"
        place = int(columns["suspicion_rank"][row])
        where = "the largest" if place == 1 else f"number {place} by size"
        agrees = "as labelled" if is_right else f"not its label {label}"
        return f"Its loss is {where} of {len(columns['loss'])}; {verdict}, {agrees}"


class NumberView(View):
    """Rows have numbers as their targets, in whose units residuals are.

    Parameters
    ----------
    n_targets : int, default=1
        Of a row. The columns of several end in their places: ``target_0`` and so on.
    """

    target = "target"
    sign = "absolute"
    words = NAMES

    def __init__(self, n_targets=1):
        self.endings = ("",) if n_targets == 1 else tuple(f"_{k}" for k in range(n_targets))
        meanings: tuple[dict[str, Meaning], ...] = (
            NUMBER_ROW,
            NUMBER_PREDICTION,
            NUMBER_GROUP,
            NUMBER_FACTS,
        )
        if n_targets > 1:
            meanings = meanings_of_several(n_targets)
        self.row, self.prediction, self.group, self.facts = meanings
        shown: tuple[str, ...] = ("target", "prediction", "residual")
        alone: tuple[str, ...] = ("loo_prediction", "loo_residual")
        if n_targets > 1:
            # The table must fit the page, and the sentences tell the others.
            shown, alone = ("target", "residual"), ()
        self.suspect_columns = (
            *self._names(*shown, *alone), "loss", "leverage", "suspicion_rank", "loo_rank",
        )  # fmt: skip
        self.hub_columns = (
            *self._names(*shown), "hub_if", "hub_relatif", "self_influence", "leverage",
        )  # fmt: skip
        self.harm_columns = (*self._names(*shown), "test_influence", "parameter_shift", "loss")

    def _names(self, *names):
        return tuple(name + ending for name in names for ending in self.endings)

    def _columns(self, **tables):
        """A column for each target of each table, whose rows have one or several."""
        columns = [np.reshape(table, (len(table), -1)).T for table in tables.values()]
        return dict(zip(self._names(*tables), np.concatenate(columns), strict=True))

    def columns(self, study):
        target, prediction = self._targets(study), study.training_rows.predictions
        residual = target - prediction
        return self._columns(target=target, prediction=prediction, residual=residual), []

    def _targets(self, study):
        """In the units of the user, where a transformer gives the model others."""
        return study.targets.shown(study.objective.y, None)

    def without(self, study, eta):
        objective, targets = study.objective, study.targets
        prediction = targets.shown(targets.predicted(objective.loss, eta), None)
        residual = self._targets(study) - prediction
        columns = self._columns(loo_prediction=prediction, loo_residual=residual)
        return columns | {"loo_loss": objective.loss.value(objective.y, eta)}

    def test_targets(self, y_test, study):
        labels = study.targets.shaped(label_array(y_test))
        study.targets.of_queries(labels, study.objective, None)  # Refuses what is no target.
        return np.asarray(labels, np.float64)

    def predicted(self, study, query, shown, y_test):
        columns = self._columns(prediction=shown)
        if y_test is None:
            return columns
        return columns | self._columns(target=y_test, residual=y_test - shown)

    def fit(self, columns):
        names = {"residual": "error", "loo_residual": "loo_error"}
        return {
            name + ending: root_mean_square(columns[of + ending])
            for of, name in names.items()
            for ending in self.endings
            if of + ending in columns
        }

    def baseline(self, columns):
        return {f"spread{end}": float(np.std(columns[f"target{end}"])) for end in self.endings}

    def test_fit(self, study, columns, X_test, y_test):
        mean = np.array([np.mean(columns[name]) for name in self._names("target")])
        prediction = study.estimator.predict(X_test)
        found = self._columns(test_error=y_test - prediction, test_spread=y_test - mean)
        return {name: root_mean_square(values) for name, values in found.items()}

    def of_groups(self, columns, rows):
        found = {}
        for measure, name in ((np.mean, "mean_residual"), (root_mean_square, "error")):
            for end in self.endings:
                residuals = columns[f"residual{end}"]
                found[name + end] = np.array([measure(residuals[some]) for some in rows])
        return found

    def can_do_without(self, study, rows):
        """Whether any row is left."""
        counts = study.objective.sample_weight > 0
        counts[rows] = False
        return bool(counts.any())

    def performance(self, model, X_test, y_test):
        prediction = model.predict(X_test)
        found = self._columns(prediction=prediction)
        if y_test is not None:
            errors = self._columns(error=y_test - prediction)
            found |= {name: root_mean_square(values) for name, values in errors.items()}
        return found

    def changes(self, before, after):
        changes = {}
        for end in self.endings:
            moved = after[f"prediction{end}"] - before[f"prediction{end}"]
            changes[f"prediction_change{end}"] = np.mean(np.abs(moved))
        for name in self._names("error"):
            if name in before:
                changes[name.replace("error", "error_change")] = after[name] - before[name]
        return changes

    def quality(self, model):
        beginning = "The root mean square error of the model is"
        if len(self.endings) == 1:
            return f"{beginning} {_errors(model, '')}."
        told = [f"of target{end} {_errors(model, end)}" for end in self.endings[:N_TARGETS_TOLD]]
        n_more = len(self.endings) - len(told)
        if n_more:
            told.append(f"those of {n_more} more targets are among the facts of the model")
        return f"{beginning}, {'; '.join(told)}."

    def heading(self, columns, first):
        return "Targets to look at first:"

    def introduction(self, columns, first):
        worst = [columns[f"residual{self._worst(columns, row)}"][row] for row in first]
        n_above = np.sum(np.array(worst) > 0)
        which, more = "a target", ""
        if len(self.endings) > 1:
            which = "the target that is furthest off, by the typical error of each target,"
            more = (
                " The loss is a sum over the targets: those with the larger errors decide most of "
                "it, so scale the targets if each should count alike."
            )
        return (
            "The rows whose targets the model contradicts most, by its loss. Of these "
            f"{len(first)}, {n_above or 'none'} have {which} above their prediction, a positive "
            f"residual, and {len(first) - n_above or 'none'} have one below. A suspect need not be "
            f"an error: it may be a rare case, or a case that the features do not tell.{more}"
        )

    def about(self, columns, row):
        end = self._worst(columns, row)
        target, own = columns[f"target{end}"][row], columns[f"prediction{end}"][row]
        prediction, has_other = _of_others(columns, row, end)
        side = "above" if target >= prediction else "below"
        whose = "the model without it" if has_other else "the model"
        with_it = f" ({amount(own)} with it)" if has_other else ""
        times = _times_typical(columns, row, end)
        of = f" of target{end}" if end else ""
        compared = f", {times:.1f} times the typical error{of}" if np.isfinite(times) else ""
        return (
            f"Its target{end} {amount(target)} is {amount(abs(target - prediction))} {side} the "
            f"{amount(prediction)} that {whose} predicts{with_it}{compared}"
        )

    def _worst(self, columns, row):
        """The ending of the target that is furthest off, in typical errors: units differ."""
        return max(self.endings, key=lambda end: _times_typical(columns, row, end, fitted=0.0))


def view_of(columns: dict[str, np.ndarray]) -> View:
    """The view by which the columns of training rows were made."""
    if "label" in columns:
        return CLASSES
    names = (f"target_{k}" for k in count())
    return NumberView(max(1, sum(1 for _ in takewhile(columns.__contains__, names))))


CLASSES = ClassView()


def _errors(model, end):
    """The errors of a target, by the facts of a model."""
    parts = [f"{amount(model[f'error{end}'])} on the training rows"]
    if f"loo_error{end}" in model:
        parts.append(f"{amount(model[f'loo_error{end}'])} when each is left out")
    line, spread = ", ".join(parts), f"spread{end}"
    if f"test_error{end}" in model:
        line += f", and {amount(model[f'test_error{end}'])} on {model['n_test']} test rows"
        spread = f"test_spread{end}"
    return f"{line} (always the mean target: {amount(model[spread])})"


def _of_others(columns, row, end):
    """The prediction of a row by the model without it where there is one, and whether there is."""
    alone = columns.get(f"loo_prediction{end}")
    has_other = alone is not None and bool(np.isfinite(alone[row]))
    return (alone if has_other else columns[f"prediction{end}"])[row], has_other


def _times_typical(columns, row, end, fitted=np.nan):
    """How often the error of a row has the typical error; a number for a target fitted exactly."""
    typical = root_mean_square(columns[f"residual{end}"])
    error = abs(columns[f"target{end}"][row] - _of_others(columns, row, end)[0])
    return error / typical if typical > 0 else fitted


def of_own_class(probabilities, classes):
    """Each row's probability of one class, given by its position."""
    return probabilities[np.arange(len(classes)), classes]


def root_mean_square(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _most_frequent(labels):
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmax()]


def name_of(label):
    """A label as it appears in a sentence."""
    return f"'{clip(text_of(label), 40)}'"


def amount(value) -> str:
    """A number of a sentence: three digits, or all before the decimal point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.3g}"


def percent(share):
    """A share in words: two digits, and never 0% or 100% of what is not."""
    if np.isnan(share):
        return "an unknown share"
    value = 100 * share
    if 0 < value < 0.1:
        return "less than 0.1%"
    if 99.9 < value < 100:
        return "more than 99.9%"
    digits = 1 if 0 < value < 1 or 99 < value < 100 else 0
    return f"{value:.{digits}f}%"
