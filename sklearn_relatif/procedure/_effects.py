"""What removing rows does to queries through everything that ``fit`` does, and what part of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..adapters import positions_of_resampled
from ..losses import of_models
from ..removal import removal_effect, removal_effect_on, removals_of
from ..results import ProcedureParts
from ..statistics import Metric
from ..utils._validation import group_labels
from ._doubts import refuse_trees
from ._fast import first, stepped
from ._models import Asked, WholeModels
from ._refits import refits

#: What is done again without the rows: the training of the model at the end, or everything.
PROCEDURES = ("model", "all")
#: What leads to the models without rows, by the order. Each takes what is asked, the removals, and
#: whether also to hold what was chosen.
ENGINES: dict[str, Callable[[Asked, Sequence[np.ndarray], bool], WholeModels]] = {
    "first": first,
    "newton": stepped,
    "retrain": refits,
}


def effect_on_losses(
    asked: Asked, groups: Any, order: str, with_parts: bool
) -> tuple[np.ndarray, ProcedureParts | None]:
    """Change of each query's loss without each row or group, and its parts if asked for.

    Parameters
    ----------
    asked : Asked
    groups : array-like of shape (n_rows,) or None
        A label for each row of the user; None: each row on its own.
    order : {"first", "newton", "retrain"}
    with_parts : bool

    Returns
    -------
    effect : ndarray of shape (n_queries, n_removals)
    parts : ProcedureParts or None
    """
    loss, y = asked.study.objective.loss, asked.query.y

    def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        if order == "first":
            moved = after - before[:, None]
            return np.einsum("nk,nmk->nm", loss.residual(y, before), moved)
        return of_models(loss.value, y, after) - loss.value(y, before)[:, None]

    def of_model(study: Any, own_groups: Any) -> np.ndarray:
        return removal_effect(study, asked.query, own_groups, order)

    return _effect(asked, groups, order, with_parts, change, of_model)


def effect_on_metric(
    metric: Metric, asked: Asked, groups: Any, order: str, with_parts: bool
) -> tuple[np.ndarray, ProcedureParts | None]:
    """Change of a metric of the queries without each row or group, and its parts if asked for.

    Parameters
    ----------
    metric : Metric
    asked, groups, order, with_parts
        As of :func:`effect_on_losses`.

    Returns
    -------
    effect : ndarray of shape (n_removals,)
    parts : ProcedureParts or None

    Raises
    ------
    ValueError
        If the metric is of labels by a threshold that is tuned again without rows.
    """
    if metric.is_of_tuned_labels:
        raise ValueError(
            f"{metric.name!r} is of labels, whose threshold is tuned again without rows, and "
            "effects are of the predictions that it cuts. Use retrain_without(rows, "
            "procedure='all'), and compare what the models predict; procedure='model' holds the "
            "threshold."
        )

    def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        if order == "first":
            return np.einsum("nk,nmk->m", metric.gradient(before), after - before[:, None])
        return metric.values(after) - metric.values(before[:, None])

    def of_model(study: Any, own_groups: Any) -> np.ndarray:
        return removal_effect_on(study, metric, asked.query, own_groups, order)

    return _effect(asked, groups, order, with_parts, change, of_model)


def _effect(
    asked: Asked,
    groups: Any,
    order: str,
    with_parts: bool,
    change: Callable[[np.ndarray, np.ndarray], np.ndarray],
    of_model: Callable[[Any, Any], np.ndarray],
) -> tuple[np.ndarray, ProcedureParts | None]:
    """What a function makes of predictors before and after, and its parts if asked for."""
    removals = removals_of(groups, asked.procedure.n_rows)
    if order not in ENGINES:
        refuse_trees(asked.study)
        orders = " or ".join(map(repr, ENGINES))
        raise ValueError(f"order={order!r} does not exist with procedure='all'; use {orders}.")
    models = ENGINES[order](asked, removals, with_parts)
    effect = change(models.before, models.after)
    if models.held is None:
        return effect, None
    held, model = change(models.before, models.held), _of_model(asked, groups, of_model, effect)
    parts = ProcedureParts(
        model=model,
        preprocessing=held - model,
        penalty=effect - held,
        chosen=models.chosen_before,
        chosen_without=models.chosen_after,
        removed=removed_labels(asked, groups),
        of_groups=groups is not None,
    )
    return effect, parts


def removed_labels(asked: Asked, groups: Any) -> np.ndarray:
    """The labels of what is removed, of rows or of groups, in the order of removals."""
    index = asked.procedure.index
    return index if groups is None else group_labels(groups, len(index))[0]


def _of_model(asked: Asked, groups: Any, effect_of: Any, like: np.ndarray) -> np.ndarray:
    """The effect with all but the model held, of rows that may have been drawn to train on."""
    study, n_rows = asked.study, asked.procedure.n_rows
    positions = positions_of_resampled(study.estimator, n_rows, study.objective.n_rows)
    if np.array_equal(positions, np.arange(n_rows)):
        return effect_of(study, groups)
    member = np.arange(n_rows) if groups is None else group_labels(groups, n_rows)[1]
    reached = member[positions]
    effect, found = np.zeros_like(like), np.unique(reached[reached >= 0])
    if len(found):
        effect[..., found] = effect_of(study, np.where(reached < 0, np.nan, reached))
    return effect
