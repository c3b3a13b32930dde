"""What is told of rows that have numbers as their targets."""

from __future__ import annotations

import numpy as np

from ...utils._validation import label_array
from .._intervals import mean_change
from .._meanings import (
    NUMBER_FACTS,
    NUMBER_GROUP,
    NUMBER_PREDICTION,
    NUMBER_ROW,
    OUT_OF_BAG_NUMBER,
    Meaning,
)
from .._several_meanings import meanings_of_several
from ._base import NAMES, KeyFigure, View
from ._unseen import LEAVE_ONE_OUT, OUT_OF_BAG
from ._words import amount

#: Targets whose errors a sentence tells, at most.
N_TARGETS_TOLD = 3


class NumberView(View):
    """Rows have numbers as their targets, in whose units residuals are.

    Parameters
    ----------
    n_targets : int, default=1
        Of a row. The columns of several end in their places: ``target_0`` and so on.
    unseen : Unseen, default=LEAVE_ONE_OUT
    """

    target = "target"
    sign = "absolute"
    words = NAMES

    def __init__(self, n_targets=1, unseen=LEAVE_ONE_OUT):
        self.unseen = unseen
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
        if unseen is OUT_OF_BAG:
            self.row = self.row | OUT_OF_BAG_NUMBER
        shown: tuple[str, ...] = ("target", "prediction", "residual")
        alone: tuple[str, ...] = (unseen.named("prediction"), unseen.named("residual"))
        if n_targets > 1:
            # The table must fit the page, and the sentences tell the others.
            shown, alone = ("target", "residual"), ()
        self.suspect_columns = (
            *self._names(*shown, *alone), "loss", "leverage", "suspicion_rank", "loo_rank",
        )  # fmt: skip
        self.hub_columns = (
            *self._names(*shown), "hub_if", "hub_relatif", "self_influence", "leverage",
        )  # fmt: skip
        self.test_suspect_columns = (*self._names(*shown), "loss", "support", "suspicion_rank")
        self.harm_columns = (*self._names(*shown), "test_influence", "parameter_shift", "loss")

    @property
    def _judged(self):
        """Residuals by those models whose losses rank the rows."""
        return self.unseen.named("residual") if self.unseen is OUT_OF_BAG else "residual"

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
        columns = self._columns(prediction=prediction, residual=residual)
        columns["loss"] = objective.loss.value(objective.y, eta)
        return {self.unseen.named(name): values for name, values in columns.items()}

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
        names = {"residual": "error", self.unseen.named("residual"): self.unseen.named("error")}
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

    def performance(self, study, query, eta, y_test):
        loss, targets = study.objective.loss, study.targets
        prediction = targets.shown(targets.predicted(loss, eta), None)
        found = self._columns(prediction=prediction)
        if y_test is not None:
            found["loss"] = loss.value(query.y, eta)
            errors = self._columns(error=y_test - prediction)
            found |= {name: root_mean_square(values) for name, values in errors.items()}
        return found

    def changes(self, before, after):
        changes: dict[str, float] = {}
        if "loss" in before:
            changes |= mean_change("loss_change", before["loss"], after["loss"])
        for name in self._names("error"):
            if name in before:
                changes[name.replace("error", "error_change")] = after[name] - before[name]
        for end in self.endings:
            moved = after[f"prediction{end}"] - before[f"prediction{end}"]
            changes[f"prediction_change{end}"] = np.mean(np.abs(moved))
        return changes

    def errors(self, model):
        # Of several targets, the first: their units may differ.
        end = self.endings[0]
        of = f" of target{end}" if end else ""
        known = {
            f"test_error{end}": ("on test rows", f"test_spread{end}"),
            self.unseen.named(f"error{end}"): (self.unseen.of_all, f"spread{end}"),
            f"error{end}": ("on training rows (in sample)", f"spread{end}"),
        }
        figures = [
            KeyFigure(
                amount(model[name]),
                f"typical error{of}, {where}",
                f"root mean square; always the mean target: {amount(model[spread])}",
            )
            for name, (where, spread) in known.items()
            if name in model and spread in model
        ]
        return figures[:2]

    def quality(self, model):
        beginning = "The root mean square error of the model is"
        if len(self.endings) == 1:
            return f"{beginning} {self._errors(model, '')}."
        told = [
            f"of target{end} {self._errors(model, end)}" for end in self.endings[:N_TARGETS_TOLD]
        ]
        n_more = len(self.endings) - len(told)
        if n_more:
            told.append(f"those of {n_more} more targets are among the facts of the model")
        return f"{beginning}, {'; '.join(told)}."

    def heading(self, columns, first):
        return "Targets to look at first:"

    def introduction(self, columns, first):
        worst = [columns[self._judged + self._worst(columns, row)][row] for row in first]
        n_above = np.sum(np.array(worst) > 0)
        which, more = "a target", ""
        if len(self.endings) > 1:
            which = "the target that is furthest off, by the typical error of each target,"
            more = (
                " The loss is a sum over the targets: those with the larger errors decide most of "
                "it, so scale the targets if each should count alike."
            )
        what = "the model"
        if self.unseen is OUT_OF_BAG:
            what = "the rest of the forest, the trees whose samples did not hold the row,"
        return (
            f"The rows whose targets {what} contradicts most, by its loss. Of these "
            f"{len(first)}, {n_above or 'none'} have {which} above their prediction, a positive "
            f"residual, and {len(first) - n_above or 'none'} have one below. A suspect need not be "
            f"an error: it may be a rare case, or a case that the features do not tell.{more}"
        )

    def about(self, columns, row):
        end = self._worst(columns, row)
        target, own = columns[f"target{end}"][row], columns[f"prediction{end}"][row]
        prediction, has_other = self._of_others(columns, row, end)
        side = "above" if target >= prediction else "below"
        whose = self.unseen.model if has_other else "the model"
        with_it = f" ({amount(own)} with it)" if has_other else ""
        times = self._times_typical(columns, row, end)
        of = f" of target{end}" if end else ""
        compared = f", {times:.1f} times the typical error{of}" if np.isfinite(times) else ""
        return (
            f"Its target{end} {amount(target)} is {amount(abs(target - prediction))} {side} the "
            f"{amount(prediction)} that {whose} predicts{with_it}{compared}"
        )

    def about_test_row(self, predictions, row):
        end = max(self.endings, key=lambda end: _times_usual(predictions, row, end))
        residual = predictions[f"residual{end}"][row]
        side = "above" if residual >= 0 else "below"
        times = _times_usual(predictions, row, end)
        of = f" of target{end}" if end else ""
        compared = f", {times:.1f} times the typical error{of}" if np.isfinite(times) else ""
        return (
            f"Its target{end} {amount(predictions[f'target{end}'][row])} is "
            f"{amount(abs(residual))} {side} the {amount(predictions[f'prediction{end}'][row])} "
            f"that the model predicts{compared}"
        )

    def _worst(self, columns, row):
        """The ending of the target that is furthest off, in typical errors: units differ."""
        return max(self.endings, key=lambda end: self._times_typical(columns, row, end, fitted=0.0))

    def _errors(self, model, end):
        """The errors of a target, by the facts of a model."""
        parts = [f"{amount(model[f'error{end}'])} on the training rows"]
        if self.unseen.named(f"error{end}") in model:
            known = amount(model[self.unseen.named(f"error{end}")])
            parts.append(f"{known} when each is {self.unseen.each_is}")
        line, spread = ", ".join(parts), f"spread{end}"
        if f"test_error{end}" in model:
            line += f", and {amount(model[f'test_error{end}'])} on {model['n_test']:,} test rows"
            spread = f"test_spread{end}"
        return f"{line} (always the mean target: {amount(model[spread])})"

    def _of_others(self, columns, row, end):
        """The prediction of a row by a model that has not seen it, if any, and whether there is."""
        alone = columns.get(self.unseen.named(f"prediction{end}"))
        has_other = alone is not None and bool(np.isfinite(alone[row]))
        return (alone if has_other else columns[f"prediction{end}"])[row], has_other

    def _times_typical(self, columns, row, end, fitted=np.nan):
        """How often the error of a row has the typical one; a number for an exact fit."""
        typical = root_mean_square(columns[self._judged + end])
        error = abs(columns[f"target{end}"][row] - self._of_others(columns, row, end)[0])
        return error / typical if typical > 0 else fitted


def _times_usual(predictions, row, end):
    """How often the error of a test row has the typical error of the test rows."""
    residuals = predictions[f"residual{end}"]
    typical = root_mean_square(residuals)
    return abs(residuals[row]) / typical if typical > 0 else np.nan


def root_mean_square(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
