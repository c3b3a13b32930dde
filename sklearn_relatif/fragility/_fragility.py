"""The smallest set of rows found whose removal moves a number across a threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..results import FragileSet
from ..statistics import statistic_of
from ..utils._validation import check_number, check_positive_int
from ._cells import cells_of
from ._chance import with_normal_errors
from ._enumeration import lower_bound
from ._question import Question
from ._search import Search

#: What else there is, by the ``removal_kind`` of an objective.
_OF_MACHINES = (
    "Ask flip_set for one prediction, or removal_effect_on for a metric of predictions; or take a "
    "LinearSVC with the squared hinge."
)
WAYS_OUT = {
    "hinge": _OF_MACHINES,
    "active_set": _OF_MACHINES,
    "network": (
        "Explain the last layer, by sklearn_relatif.networks.LastLayer or parameters='last_layer'."
    ),
    "composed": "Explain one of the models that it is made of on its own.",
}
WAY_OUT = (
    "removal_effect_on(metric, X, y, groups=...) tells what groups of rows of your choice do to a "
    "metric of predictions."
)


def find_fragile_set(
    study: Any,
    statistic: Any,
    threshold: float = 0.0,
    max_rows: int | None = None,
    table: Any = None,
) -> FragileSet:
    """See :meth:`RelatIFExplainer.fragility`; ``table`` is what was given to ``fit``, if known."""
    kind = study.objective.removal_kind
    if kind != "smooth":
        raise TypeError(
            f"{type(study.model).__name__} has no fragile sets: they are looked for by the effects "
            "of rows on the parameters of one linear model with a smooth loss. "
            f"{WAYS_OUT.get(kind, WAY_OUT)}"
        )
    check_number("threshold", threshold)
    question = Question(study, statistic_of(study, statistic), float(threshold))
    n_rows = question.n_rows
    if max_rows is None:
        max_rows = n_rows // 2
    check_positive_int("max_rows", max_rows)
    if not np.isfinite([question.value, threshold]).all():
        raise ValueError(
            f"{question.statistic.name} is {question.value!r}, and the threshold {threshold!r}: "
            "only finite numbers can cross one another."
        )
    if abs(question.value - threshold) <= question.noise:
        raise ValueError(
            f"{question.statistic.name} is at the threshold itself, {threshold!r}, as far as "
            "rounding lets tell."
        )
    search = Search(question, max_rows)
    search.run()
    searched = search.best
    bound = lower_bound(search)
    best = search.best
    found = FragileSet(
        statistic=question.statistic.name,
        threshold=question.threshold,
        positions=np.empty(0, np.intp),
        max_rows=max_rows,
        n_rows=n_rows,
        value_before=question.value,
        lower_bound=bound,
        normal_errors=with_normal_errors(question),
        training_rows=study.training_rows,
    )
    if best is None:
        return found
    moved = question.effects(question.whole)[best.rows].sum()
    return replace(
        found,
        positions=best.rows,
        method="search" if best is searched else "enumeration",
        value_predicted=question.value_of(question.whole.lead - moved),
        value_after=question.value_of(best.lead),
        cells=cells_of(study, question.statistic, best.rows, table),
    )
