"""Rows that are there twice: in training, with different labels, in training and in test."""

from __future__ import annotations

import numpy as np

from ...utils._text import clip
from ..views import amount, percent
from ._finding import Check, Evidence, Finding
from ._repeats import equal_by_chance

#: Share of the rows about which all models of the columns are wrong, from which on that is told
#: of rows that are equal by chance, too.
WRONG_SHARE = 0.01
#: Share of the rows from which on copies matter to what can be said of the model.
SOME = 0.005
#: Rows from which on it is told about how many the model is right.
ENOUGH_ROWS = 20
#: Targets of equal rows contradict each other if they differ by so many typical errors.
TIMES_TYPICAL = 3
EQUAL = (
    "Rows are compared in the columns that the model is predicted from, and texts without regard "
    "to case and white space."
)


def conflicting_rows(evidence: Evidence) -> np.ndarray:
    """Positions of the training rows that are equal to rows of other labels.

    Of targets that are numbers: that are further off than errors are.

    Parameters
    ----------
    evidence : Evidence
    """
    group = evidence.repeats.group
    differs = _differing(evidence, group)
    rows = np.flatnonzero(differs[group])
    return rows[np.argsort(evidence.columns["suspicion_rank"][rows], kind="stable")]


def _differing(evidence, group):
    """For each group of equal rows, whether their targets contradict each other."""
    n_groups, columns = group.max() + 1, evidence.columns
    if "label" in columns:
        _, labels = np.unique(columns["label"], return_inverse=True)
        lowest, highest = np.full(n_groups, len(labels)), np.full(n_groups, -1)
        np.minimum.at(lowest, group, labels)
        np.maximum.at(highest, group, labels)
        return lowest < highest
    differs = np.zeros(n_groups, bool)
    for end in evidence.view.endings:
        lowest, highest = np.full(n_groups, np.inf), np.full(n_groups, -np.inf)
        np.minimum.at(lowest, group, columns[f"target{end}"])
        np.maximum.at(highest, group, columns[f"target{end}"])
        error = f"error{end}"
        typical = evidence.model.get(evidence.view.unseen.named(error), evidence.model[error])
        differs |= highest - lowest > TIMES_TYPICAL * typical
    return differs


def _compared(evidence):
    """What rows are compared in."""
    names = evidence.predictors.names
    if evidence.predictors.cells.row_shape is not None:
        return "all numbers"
    if len(names) != 1:
        return "all columns"
    return f"the only column '{clip(evidence.predictors.shown(names[0]))}'"


# --- what was found -------------------------------------------------------------------------


def _find_copies(evidence: Evidence) -> list[Finding]:
    repeats, n_rows = evidence.repeats, len(evidence.index)
    if not repeats.are_copies:
        return []
    largest = repeats.sizes.argmax()
    n_most, n_copies = repeats.sizes[largest], repeats.n_repeating
    most = f"; one of them is there {n_most} times" if n_most > 2 else ""
    return [
        Finding(
            kind="duplicates",
            sentence=f"{n_copies:,} of {n_rows:,} training rows ({percent(n_copies / n_rows)}) "
            f"repeat an earlier row in {_compared(evidence)}{most}.",
            value=float(n_copies),
            weight=0.2,
            method=f"{EQUAL} By chance, {amount(repeats.n_by_chance)} pairs of equal rows are "
            "to be expected.",
            rows=repeats.repeating,
        )
    ]


def _find_conflicts(evidence: Evidence) -> list[Finding]:
    repeats, target, n_rows = evidence.repeats, evidence.view.target, len(evidence.index)
    rows = conflicting_rows(evidence)
    if not len(rows):
        return []
    has_classes = "label" in evidence.columns
    n_wrong = _n_wrong(repeats.group, evidence.columns["label"]) if has_classes else 0
    if not repeats.are_copies and n_wrong < WRONG_SHARE * n_rows:
        return []
    sentence = (
        f"{len(rows):,} of {n_rows:,} training rows ({percent(len(rows) / n_rows)}) are equal in "
        f"{_compared(evidence)} to a row with another {target}"
    )
    if has_classes:
        sentence += f", so that every model is wrong about at least {n_wrong:,} of them"
    how = "Targets differ if by more than three typical errors of the model. "
    return [
        Finding(
            kind="conflicting_duplicates",
            sentence=f"{sentence}.",
            value=float(len(rows)),
            weight=0.78 if repeats.are_copies and len(rows) >= SOME * n_rows else 0.4,
            method=f"{EQUAL} {'' if has_classes else how}Of equal rows, a model can be right about "
            f"those with the most frequent {target} only.",
            rows=rows,
        )
    ]


def _n_wrong(group, labels):
    """About how many rows a model is wrong that is right about the most of each group."""
    _, label = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(np.column_stack([group, label]), axis=0, return_counts=True)
    right = np.zeros(group.max() + 1, np.intp)
    np.maximum.at(right, pairs[:, 0], counts)
    return len(group) - int(right.sum())


def _find_leaks(evidence: Evidence) -> list[Finding]:
    predictors = evidence.predictors
    by_chance, are_copies = equal_by_chance(predictors.keys, predictors.test_keys)
    if not are_copies:
        return []
    keys, test_keys = predictors.keys.of_rows, predictors.test_keys.of_rows
    is_seen = np.isin(test_keys, keys)
    n_seen, n_test = int(is_seen.sum()), len(is_seen)
    return [
        Finding(
            kind="duplicates_across_split",
            sentence=f"{n_seen:,} of {n_test:,} test rows ({percent(n_seen / n_test)}) are equal "
            f"in {_compared(evidence)} to training rows, so that the model has seen them"
            f"{_on_seen(evidence, is_seen)}.",
            value=n_seen / n_test,
            weight=0.7 if n_seen >= SOME * n_test else 0.2,
            method=f"{EQUAL} By chance, {amount(by_chance)} pairs of a training row and an equal "
            "test row are to be expected.",
            rows=np.flatnonzero(np.isin(keys, test_keys[is_seen])),
            test_rows=np.flatnonzero(is_seen),
            section="predictions",
        )
    ]


def _on_seen(evidence, is_seen):
    """How much better the model is on test rows that it has seen."""
    predictions = evidence.predictions
    n_fewest = min(is_seen.sum(), (~is_seen).sum())
    if "label" not in predictions or n_fewest < ENOUGH_ROWS:
        return ""
    right = predictions["prediction"] == predictions["label"]
    return (
        f": it is right about {right[is_seen].mean():.1%} of these and "
        f"{right[~is_seen].mean():.1%} of the others"
    )


def _no_test_rows(evidence: Evidence) -> str | None:
    return None if evidence.predictions else "there are no test rows"


DUPLICATES = Check("rows that are there twice", _find_copies)
CONFLICTS = Check("equal rows that contradict each other", _find_conflicts)
LEAKS_OF_ROWS = Check("test rows that are among the training rows", _find_leaks, _no_test_rows)
