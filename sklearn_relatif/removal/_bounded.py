"""Effects of removals as they are asked for: of an order, with or without bounds."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..statistics import Metric
from ._effects import (
    check_every_class_stays,
    removal_effect,
    removal_effect_on,
    removals_of,
    that_count,
)
from ._guaranteed import MetricValue, QueryLosses, guaranteed_effects


def told_effects(
    study: Any,
    query: Any,
    groups: Any,
    order: str,
    tol: float,
    with_bounds: bool,
    metric: Metric | None = None,
) -> list[np.ndarray]:
    """Effects on each query's loss, or on a metric of them all, and their bounds if asked for.

    Parameters
    ----------
    study : Study
    query : Query of n_queries rows
    groups : array-like of shape (n_rows,) or None
        A label for each training row; None: each row on its own.
    order : {"first", "newton", "auto", "pbrf", "structure", "retrain"}
    tol : float
        Share of the largest effect that a bound may be, by "auto".
    with_bounds : bool
    metric : Metric, optional
        Of the queries.
    """
    if with_bounds or order == "auto":
        found = bounded_effects(study, query, groups, order, tol, metric)
        return list(found if with_bounds else found[:1])
    return [_effects(study, query, groups, order, metric)]


def _effects(study: Any, query: Any, groups: Any, order: str, metric: Metric | None) -> np.ndarray:
    if metric is None:
        return removal_effect(study, query, groups, order)
    return removal_effect_on(study, metric, query, groups, order)


def bounded_effects(
    study: Any,
    query: Any,
    groups: Any,
    order: str,
    tol: float,
    metric: Metric | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Effects with bounds on their errors: on each query's loss, or on a metric of them all.

    Parameters
    ----------
    study : Study
    query : Query of n_queries rows
    groups : array-like of shape (n_rows,) or None
    order : {"newton", "auto", "retrain"}
    tol : float
        Share of the largest effect that a bound may be, by "auto".
    metric : Metric, optional
        Of the queries.

    Returns
    -------
    effects, bounds : ndarray of shape (n_queries, n_groups) or (n_groups,)
    """
    refused = {
        "first": "estimates of the first order",
        "pbrf": "proximal responses",
        "structure": "models with the structure of their trees held",
    }
    if order in refused:
        raise ValueError(
            f"There are no bounds on the errors of {refused[order]}: return_bounds=True needs "
            "order='newton', 'auto' or 'retrain'."
        )
    remover, removals = study.remover, removals_of(groups, study.objective.n_rows)
    check_every_class_stays(study, removals)
    lacks = remover.lacks_bounds
    if lacks is None and metric is not None and not metric.has_bounds:
        lacks = f"none are known of the metric {metric.name!r}"
    if lacks is not None:
        return _without_bounds(study, query, groups, order, metric, lacks)
    obstacle = remover.obstacle(order)
    if obstacle is not None:
        raise ValueError(obstacle)
    query = remover.at_optimum(query)
    asked = QueryLosses(study.objective.loss, query.y) if metric is None else MetricValue(metric)
    some = that_count(study, removals)
    found = guaranteed_effects(remover, query, asked, [removals[i] for i in some], order, tol)
    whole = [np.zeros((asked.n_numbers, len(removals))) for _ in found]
    for values, part in zip(whole, found, strict=True):
        values[:, some] = part
    effects, bounds = whole if metric is None else (values[0] for values in whole)
    return effects, bounds


def _without_bounds(
    study: Any, query: Any, groups: Any, order: str, metric: Metric | None, lacks: str
) -> tuple[np.ndarray, np.ndarray]:
    """Effects as they are, exact for "auto", and NaN for bounds."""
    own = "retrain" if order == "auto" else order
    if order == "auto" and study.remover.obstacle("newton") and study.remover.trains_each:
        raise ValueError(
            "order='auto' is for models with an optimum, from which a step leads to those without "
            "rows: networks have none. Use order='retrain' or order='pbrf'."
        )
    obstacle = study.remover.obstacle(order)
    if obstacle is not None:
        raise ValueError(obstacle)
    warnings.warn(
        f"There are no bounds on the errors of these effects, since {lacks}. They are those of "
        f"order={own!r}, and their bounds NaN.",
        UserWarning,
        stacklevel=4,
    )
    effects = _effects(study, query, groups, own, metric)
    return effects, np.full_like(effects, np.nan)
