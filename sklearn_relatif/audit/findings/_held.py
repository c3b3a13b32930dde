"""Single rows and groups of rows without which the model predicts otherwise."""

from __future__ import annotations

import numpy as np

from ...removal import predictors_without
from ...utils._text import clip, text_of
from ..views import percent
from ._extremes import described, extreme_of
from ._finding import Check, Evidence, Finding

#: Rows that are left out, one at a time: those that should matter most; and those of them whose
#: effect is proved by retraining, and told.
N_LEFT_OUT, N_PROVED = 10, 5
#: Share of the labels that are predicted otherwise without a row, and how many times the share of
#: one row in all it must be.
SHARE, TIMES = 0.01, 100
#: Of a row with an extreme number, labels that are predicted otherwise without it.
FEW = 3
#: Change of predicted numbers without a row, by the typical error of the model.
TIMES_ERROR = 0.05
#: Leverage above which nothing can be said of a model without the row.
MOST_LEVERAGE = 1 - 1e-6
#: Standard errors between what a group changes and chance, which has many groups to try; and those
#: to each side of an interval that holds 95%.
SURE, WIDTH = 3.5, 1.96
#: Share of the test loss that the model loses without a harmful group; and that it gains without
#: one of up to a share of the rows, for these to be told.
HARM, NEED, SMALL = 0.02, 0.2, 0.25
#: Groups told of, at most.
N_GROUPS = 2


# --- single rows ----------------------------------------------------------------------------


def _find_rows(evidence: Evidence) -> list[Finding]:
    rows, query = _candidates(evidence), evidence.test_query
    for order, n_rows in (("newton", N_PROVED), ("retrain", N_PROVED)):
        if not len(rows):
            return []
        before, after = predictors_without(evidence.study, query, rows, order)
        changes = np.array([_change(evidence, before, other) for other in after])
        best = np.argsort(-changes, kind="stable")[:n_rows]
        limits = np.array([_limit(evidence, row) for row in rows[best]])
        best = best[changes[best] >= limits]
        rows, changes = rows[best], changes[best]
    if not len(rows):
        return []
    asked = f"{query.n_rows:,} test rows"
    most = percent(changes[0])
    if "label" in evidence.columns:
        effect = f"another label is predicted for {most} of {asked}"
    else:
        effect = f"the predictions for {asked} change by {most} of the typical error"
    more = f"{len(rows) - 1} other row{'s' if len(rows) > 2 else ''}"
    others = f", and nearly as much without {more}" if len(rows) > 1 else ""
    return [
        Finding(
            kind="conclusion_held",
            sentence=f"Without {described(evidence, rows[0])}, {effect}{others}.",
            value=float(changes[0]),
            weight=0.56,
            method="The model retrained without each of the rows that move it most by one Newton "
            "step. Told of rows without which 1% of the labels change and a hundred times as "
            "many as one row's share of all rows is; of numbers, if the root mean square change is "
            "5% of the typical error and above its standard error (Cook's distance above 1). Of a "
            "row with an extreme number, 1% and 5% are enough.",
            rows=rows,
            section="rows",
        )
    ]


def _candidates(evidence):
    """The rows without which the model should change most, by Cook's distance or what is like it.

    None that a class has no other row than.
    """
    columns, objective = evidence.columns, evidence.study.objective
    rest = 1 - columns["leverage"] if "leverage" in columns else np.ones(len(evidence.index))
    size = columns["self_influence"] / np.maximum(rest, 1 - MOST_LEVERAGE) ** 2
    can_go = (objective.sample_weight > 0) & (rest > 1 - MOST_LEVERAGE)
    if "label" in columns:
        _, label = np.unique(columns["label"], return_inverse=True)
        can_go &= np.bincount(label, objective.sample_weight > 0)[label] > 1
    first = np.argsort(-np.where(can_go, size, -np.inf), kind="stable")[:N_LEFT_OUT]
    return first[can_go[first]]


def _limit(evidence, row):
    """The change without a row from which on it is told, which is lower for an extreme one."""
    n_rows, is_extreme = len(evidence.index), extreme_of(evidence.predictors, row) is not None
    if "label" in evidence.columns:
        return max(SHARE, FEW / evidence.model["n_test"] if is_extreme else TIMES / n_rows)
    if is_extreme:
        return TIMES_ERROR
    n_parameters = evidence.model.get("effective_parameters", evidence.columns["leverage"].sum())
    return max(TIMES_ERROR, np.sqrt(n_parameters / n_rows))


def _change(evidence, before, after):
    """The share of the labels that differ, or how far the numbers do in typical errors."""
    targets, loss = evidence.study.targets, evidence.study.objective.loss
    before, after = (targets.shown(targets.predicted(loss, eta), None) for eta in (before, after))
    if "label" in evidence.columns:
        return np.mean(before != after)
    # Not those of the fit, which are small where there are many parameters.
    errors = [evidence.model[f"loo_error{end}"] for end in evidence.view.endings]
    moved = np.reshape(after - before, (len(before), -1)) / np.maximum(errors, np.finfo(float).tiny)
    return np.sqrt(np.mean(moved**2))


def _no_steps(evidence: Evidence) -> str | None:
    if evidence.study.objective.has_leaves:
        return "trees that are grown again differ by more than what a single row does"
    if evidence.test_cells is None:
        return "there are no test rows"
    ends = evidence.view.endings or ("",)
    if "leverage" in evidence.columns and f"loo_prediction{ends[0]}" in evidence.columns:
        return None
    return "there is no leverage and no step to the model without a row"


# --- groups ---------------------------------------------------------------------------------


def _find_groups(evidence: Evidence) -> list[Finding]:
    groups, loss = evidence.groups, np.mean(evidence.predictions["loss"])
    change = groups["loss_change"] / loss
    error = (groups["loss_change_high"] - groups["loss_change_low"]) / (2 * WIDTH) / loss
    share = groups["rows"] / len(evidence.index)
    is_sure = np.abs(change) > SURE * error
    harms = is_sure & (change <= -HARM)
    is_needed = is_sure & (change >= NEED) & (share <= SMALL)
    return [
        _of_group(evidence, place, change[place])
        for place in np.argsort(-np.abs(change))
        if harms[place] or is_needed[place]
    ][:N_GROUPS]


def _of_group(evidence, place, change):
    groups, n_test = evidence.groups, evidence.model["n_test"]
    name, n_rows = clip(text_of(groups["group"][place])), groups["rows"][place]
    does = "falls" if change < 0 else "rises"
    points = ""
    if "accuracy_change" in groups:
        accuracy = evidence.model["test_accuracy"]
        points = f", and its accuracy goes from {accuracy:.1%} to "
        points += f"{accuracy + groups['accuracy_change'][place]:.1%}"
    return Finding(
        kind="conclusion_held",
        sentence=f"Without the {n_rows:,} training rows of group '{name}' the mean loss of the "
        f"model on {n_test:,} test rows {does} by {percent(abs(change))}{points}.",
        value=float(change),
        weight=0.55,
        method="The model retrained without each group. Told of groups without which the loss "
        "falls by 2% or more, and of groups of up to a quarter of the rows without which it rises "
        f"by 20% or more, if that is {SURE} standard errors from 0.",
        section="groups",
    )


def _no_groups(evidence: Evidence) -> str | None:
    if not evidence.groups:
        return "no groups were given"
    return None if "loss_change" in evidence.groups else "there are no test rows with targets"


SINGLE_ROWS = Check("single rows that predictions hang on", _find_rows, _no_steps)
GROUPS = Check("groups of rows that the test loss hangs on", _find_groups, _no_groups)
