"""What is told of rows that have labels."""

from __future__ import annotations

import numpy as np
from sklearn.utils import column_or_1d

from ...utils._validation import class_positions, label_array, missing_places
from .._intervals import mean_change, of_share
from .._meanings import FACTS, GROUP, OUT_OF_BAG_ROW, PREDICTION, ROW
from ._base import NAMES, KeyFigure, View
from ._unseen import LEAVE_ONE_OUT, OUT_OF_BAG
from ._words import name_of, ordinal, percent

NO_PROBABILITIES = (
    "The model gives no probabilities by scores alone; rows are judged by their loss."
)


class ClassView(View):
    """Rows have labels.

    Parameters
    ----------
    unseen : Unseen, default=LEAVE_ONE_OUT
    """

    target = "label"
    sign = "positive"
    words = (*NAMES, "label", "prediction", "loo_prediction", "oob_prediction")
    hub_columns = (
        "label", "prediction", "probability", "hub_if", "hub_relatif", "self_influence",
        "leverage",
    )  # fmt: skip
    harm_columns = (
        "label", "prediction", "probability", "test_influence", "parameter_shift", "loss",
    )  # fmt: skip
    test_suspect_columns = (
        "label", "prediction", "label_probability", "probability", "loss", "support",
        "suspicion_rank",
    )  # fmt: skip
    prediction, group, facts = PREDICTION, GROUP, FACTS

    def __init__(self, unseen=LEAVE_ONE_OUT):
        self.unseen = unseen
        self.row = ROW | (OUT_OF_BAG_ROW if unseen is OUT_OF_BAG else {})
        self.suspect_columns = (
            "label", "prediction", *map(unseen.named, ("probability", "loss")), "probability",
            "loss", "self_influence", "suspicion_rank", "loo_rank",
        )  # fmt: skip

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
            "prediction": targets.shown(targets.predicted(loss, eta), None),
            "loss": loss.value(objective.y, eta),
        }
        if loss.has_probabilities:
            columns["probability"] = of_own_class(loss.probabilities(eta), objective.y)
        return {self.unseen.named(name): values for name, values in columns.items()}

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
        names = {"prediction": "accuracy"}
        names[self.unseen.named("prediction")] = self.unseen.named("accuracy")
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
        found, sizes = {}, np.array([len(some) for some in rows])
        named = self.unseen.named
        for name, of in (
            ("accuracy", "prediction"),
            (named("accuracy"), named("prediction")),
        ):
            if of in columns:
                right = columns[of] == columns["label"]
                found[name] = np.array([right[some].mean() for some in rows])
                found[f"{name}_low"], found[f"{name}_high"] = of_share(found[name], sizes)
        return found

    def can_do_without(self, study, rows):
        """Whether all classes have rows left."""
        objective = study.objective
        counts = objective.sample_weight > 0
        counts[rows] = False
        return len(np.unique(objective.y[counts])) == len(study.model.classes_)

    def performance(self, study, query, eta, y_test):
        loss, targets = study.objective.loss, study.targets
        found = {"prediction": targets.shown(targets.predicted(loss, eta), None)}
        if y_test is not None:
            found["loss"] = loss.value(query.y, eta)
            found["is_right"] = found["prediction"] == y_test
        return found

    def changes(self, before, after):
        changes: dict[str, float] = {}
        if "loss" in before:
            changes |= mean_change("loss_change", before["loss"], after["loss"])
            changes |= mean_change("accuracy_change", before["is_right"], after["is_right"])
        changed = np.mean(before["prediction"] != after["prediction"])
        return changes | {"predictions_changed": changed}

    def errors(self, model):
        figures = []
        if "test_accuracy" in model:
            low, high = of_share(model["test_accuracy"], model["n_test"])
            figures.append(
                KeyFigure(
                    percent(model["test_accuracy"]),
                    "accuracy on test rows",
                    f"95% interval {percent(low)} to {percent(high)}; always the most frequent "
                    f"label: {percent(model['test_largest_class'])}",
                )
            )
        baseline = f"always the most frequent label: {percent(model['largest_class'])}"
        unseen = self.unseen
        if unseen.named("accuracy") in model:
            value, name = model[unseen.named("accuracy")], f"accuracy, {unseen.of_all}"
        else:
            value, name = model["accuracy"], "accuracy on training rows (in sample)"
        return [*figures, KeyFigure(percent(value), name, baseline)]

    def quality(self, model):
        parts = [f"{model['accuracy']:.1%} of the training rows"]
        if self.unseen.named("accuracy") in model:
            known = model[self.unseen.named("accuracy")]
            parts.append(f"{known:.1%} when each is {self.unseen.each_is}")
        line = f"The model is right about {', '.join(parts)}"
        if "test_accuracy" in model:
            line += (
                f", and {model['test_accuracy']:.1%} of {model['n_test']:,} test rows (always "
                f"the most frequent label: {model['test_largest_class']:.1%})"
            )
        return line + "."

    def heading(self, columns, first):
        if (columns["label"][first] != self._judged(columns)[first]).any():
            return "Labels to look at first:"
        return "The model contradicts none of the labels that fit it least:"

    def _judged(self, columns):
        """Predictions by those models whose losses rank the rows."""
        return columns["oob_prediction" if self.unseen is OUT_OF_BAG else "prediction"]

    def introduction(self, columns, first):
        n_contradicted = np.sum(columns["label"][first] != self._judged(columns)[first])
        if self.unseen is OUT_OF_BAG:
            told = (
                "The rows that the rest of the forest predicts worst, by its loss: the trees whose "
                "samples did not hold the row (out of bag). They contradict the labels of "
                f"{n_contradicted or 'none'} of these {len(first)}. "
            )
        else:
            told = (
                "The rows that the model fits worst, by its loss: of the rankings tried, it found "
                f"planted label errors best on most data. Of these {len(first)}, the model "
                f"contradicts the labels of {n_contradicted or 'none'}. "
            )
        if n_contradicted == 0:
            return told + "They are only those that it is least sure of."
        return told + (
            "A suspect need not be an error: it may be a rare case, or a case that the features "
            "do not tell."
        )

    def about(self, columns, row):
        label, prediction = (name_of(columns[name][row]) for name in ("label", "prediction"))
        is_right = columns["label"][row] == columns["prediction"][row]
        verdict = f"the model predicts {prediction}"
        unseen = self.unseen
        if unseen.named("probability") in columns:
            alone = percent(columns[unseen.named("probability")][row])
            own = percent(columns["probability"][row])
            if is_right and columns[unseen.named("prediction")][row] != columns["label"][row]:
                return (
                    f"Its label {label} has {own} only because of the row itself: {alone} "
                    f"{unseen.by}"
                )
            if is_right:
                return f"The model agrees with its label {label}, {unseen.gives.format(alone)}"
            return f"Its label is {label}, which {unseen.model} gives {alone}; {verdict}"
        if "loo_prediction" in columns:
            alone = name_of(columns["loo_prediction"][row])
            return f"Its label is {label}; {verdict}, and {alone} when trained without the row"
        place = int(columns["suspicion_rank"][row])
        where = f"the {ordinal(place)}largest"
        agrees = "as labelled" if is_right else f"not its label {label}"
        return f"Its loss is {where} of {len(columns['loss'])}; {verdict}, {agrees}"

    def about_test_row(self, predictions, row):
        label, prediction = (name_of(predictions[name][row]) for name in ("label", "prediction"))
        given = ""
        if "label_probability" in predictions:
            given = f", which the model gives {percent(predictions['label_probability'][row])}"
        if predictions["label"][row] == predictions["prediction"][row]:
            return f"Its label is {label}{given}; the model predicts it"
        return f"Its label is {label}{given}; the model predicts {prediction}"


def of_own_class(probabilities, classes):
    """Each row's probability of one class, given by its position."""
    return probabilities[np.arange(len(classes)), classes]


def _most_frequent(labels):
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmax()]
