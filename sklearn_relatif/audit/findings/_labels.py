"""Labels and targets that look wrong, and those that only look so."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from ..suspects import named
from ..views import name_of, percent
from ._finding import Check, Evidence, Finding

#: Rows at the top of the list that are looked at.
N_FIRST = 20
#: Suspects from which their labels can be compared, and the share of them that must agree.
MIN_SUSPECTS, MIN_SHARE = 10, 0.9
#: Chance that suspects of one label are found where they are drawn from all rows, for all labels.
LEVEL = 0.001

LABEL_METHOD = (
    "Each row is judged by a model that has not seen it. From what the model contradicts where it "
    "is nearly certain, the rates follow at which labels go wrong (by maximum likelihood); the "
    "rest is ambiguity, which is no error. With 2, 5 and 10 % of the labels exchanged at random "
    "on four data sets, the number came within 30 % in nine of ten runs, and of the rows named 76 "
    "to 92 % were errors; where few labels are wrong, or only some kinds of them, it is rougher."
)
TARGET_METHOD = (
    "Each row is judged by a model that has not seen it. Errors of prediction may have heavy tails "
    "(Student's t); those of wrong targets are as if targets were dealt at random. Targets that "
    "are wrong by less than the model's own errors cannot be found."
)


# --- errors -----------------------------------------------------------------------------------


def _find_errors(evidence: Evidence) -> list[Finding]:
    suspects = evidence.suspects
    errors = suspects.errors
    if not errors.are_there:
        return []
    rows, test_rows = named(suspects.training), named(suspects.test)
    has_classes = evidence.study.targets.has_classes
    low, high = errors.interval
    what = evidence.view.target
    parts = _parts(suspects, evidence.view.unseen)
    # The sum of what is told of its parts, which are rounded.
    n_wrong = sum(n_of_part for n_of_part, _, _ in parts)
    method = LABEL_METHOD if has_classes else TARGET_METHOD
    return [
        Finding(
            kind="label_errors" if has_classes else "wrong_targets",
            sentence=f"About {n_wrong:,} of {len(errors.probability):,} {what}s look "
            f"wrong{_told(parts)}. {_named(len(rows) + len(test_rows))}",
            value=n_wrong,
            weight=0.8,
            method=f"{method} The number lies between {low:,.0f} and {high:,.0f}, as far as errors "
            "are as this model of them has it.",
            rows=rows,
            test_rows=test_rows,
            section="rows",
        )
    ]


def _parts(suspects, unseen):
    """About how many errors there are among the rows of each kind, of how many, of what."""
    kinds = (
        (suspects.training, f"training rows, each {unseen.each}"),
        (suspects.test, "test rows, which the model has not seen (out of sample)"),
    )
    return [(round(float(np.sum(own))), len(own), kind) for own, kind in kinds if len(own)]


def _told(parts):
    """The parts as the end of a sentence."""
    if len(parts) == 1:
        return f", those of {parts[0][2]}"
    return ": " + ", and ".join(
        f"{n_wrong:,} of the {n_all:,} {kind}" for n_wrong, n_all, kind in parts
    )


def _named(n_rows):
    """How many rows can be named."""
    return f"{n_rows:,} of them {'is' if n_rows == 1 else 'are'} more likely wrong than not."


def _obstacle(evidence: Evidence) -> str | None:
    return evidence.suspects.obstacle


def _has_classes(evidence: Evidence) -> bool:
    return evidence.study.targets.has_classes


def _has_numbers(evidence: Evidence) -> bool:
    return not _has_classes(evidence)


LABELS = Check("labels that look wrong", _find_errors, _obstacle, _has_classes)
TARGETS = Check("targets that look wrong", _find_errors, _obstacle, _has_numbers)


# --- suspects of one label --------------------------------------------------------------------


def _find_one_class(evidence: Evidence) -> list[Finding]:
    """None where errors are found: of labels that are rare, most are rows of others gone wrong."""
    if evidence.suspects.obstacle is None and evidence.suspects.errors.are_there:
        return []
    labels, predictions = evidence.columns["label"], _by_others(evidence)
    rows = _contradicted(evidence)
    if len(rows) < MIN_SUSPECTS:
        return []
    values, counts = np.unique(labels[rows], return_counts=True)
    label, n_rows = values[counts.argmax()], int(counts.max())
    of_label = labels == label
    share = float(np.mean(of_label))
    chance = len(np.unique(labels)) * binom.sf(n_rows - 1, len(rows), share)
    if n_rows < MIN_SHARE * len(rows) or chance > LEVEL:
        return []
    known = float(np.mean(predictions[of_label] == label))
    return [
        Finding(
            kind="one_class_suspects",
            sentence=f"{_amount(n_rows, len(rows))} suspicious training rows have the label "
            f"{name_of(label)}, as {percent(share)} of all training rows have, and the model is "
            f"right about {percent(known)} of the rows with that label: rather than errors, they "
            "may be cases of it that the columns do not tell.",
            value=n_rows / len(rows),
            weight=0.5,
            method=f"Those of the {N_FIRST} rows with the largest losses that the model "
            "contradicts: as many of one label would be drawn from all rows with a probability "
            f"below {LEVEL:g}. Predictions are those of {_whose(evidence)}.",
            rows=rows[labels[rows] == label],
            section="rows",
        )
    ]


def _by_others(evidence):
    """The prediction for each training row by a model that has not seen it, if there is one."""
    columns = evidence.columns
    return columns.get(evidence.view.unseen.named("prediction"), columns["prediction"])


def _contradicted(evidence):
    """Of the rows at the top of the list, those that the model contradicts."""
    first = np.argsort(evidence.columns["suspicion_rank"])[:N_FIRST]
    return first[_by_others(evidence)[first] != evidence.columns["label"][first]]


def _amount(n_rows, n_suspects):
    return f"All {n_rows}" if n_rows == n_suspects else f"{n_rows} of {n_suspects}"


def _whose(evidence):
    unseen = evidence.view.unseen
    if unseen.named("prediction") in evidence.columns:
        return unseen.without_each
    return "the model, which has seen the rows"


ONE_CLASS = Check("suspicious rows of one label", _find_one_class, applies=_has_classes)
