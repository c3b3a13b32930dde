"""Groups of training rows, and what the model is without each."""

from __future__ import annotations

import numpy as np

from ...utils._text import text_of
from . import _svg
from ._pieces import HIGH, LOW, cell, figure, table_of

#: Groups of the picture: those without which the loss changes most.
MAX_DRAWN = 20


def groups_of(report):
    """The section of the groups.

    Parameters
    ----------
    report : AuditReport
    """
    view, groups = report.view, report.groups
    has_unseen = view.unseen.named("accuracy") in groups
    left_out = {"accuracy", "mean_loss"} if has_unseen else set()
    names = [name for name in groups if not name.endswith((LOW, HIGH)) and name not in left_out]
    records = [
        [cell(view, name, groups[name][place], _interval(groups, name, place)) for name in names]
        for place in range(len(groups["group"]))
    ]
    headings = [(name, view.group[name]) for name in names]
    return f"{_effects(groups)}{table_of(view, headings, records, title='Groups', first=12)}"


def _interval(groups, name, place):
    if name + LOW not in groups:
        return None
    return np.array([groups[name + LOW][place], groups[name + HIGH][place]])


def _effects(groups):
    """A picture of what removing each group does to the test loss."""
    if "loss_change" not in groups:
        return ""
    effects = groups["loss_change"]
    order = np.argsort(-np.abs(np.nan_to_num(effects)), kind="stable")
    known = order[np.isfinite(effects[order])]
    if not len(known):
        return ""
    shown = known[:MAX_DRAWN]
    shown = shown[np.argsort(-effects[shown], kind="stable")]
    estimates = groups.get("loss_change_estimate")
    chart = _svg.forest(
        [text_of(groups["group"][place]) for place in shown],
        effects[shown],
        groups[f"loss_change{LOW}"][shown],
        groups[f"loss_change{HIGH}"][shown],
        None if estimates is None else estimates[shown],
        x_label="change of the mean test loss without the group",
    )
    key = '<span class="key effect"></span>retrained without the group, with its 95% interval'
    if estimates is not None:
        key += '<span class="key estimate"></span>estimated by influence'
    n_more = len(known) - len(shown)
    more = f" Of {len(known)} groups, the {len(shown)} that change it most." if n_more else ""
    return (
        "<p>What the whole group does to the predictions of the test rows, which the model has not "
        "seen. A group above 0 is needed: without it the loss rises. Where an interval crosses 0, "
        "the test rows do not tell whether the group helps."
        f"</p>{figure(chart, f'{key}{more}')}"
    )
