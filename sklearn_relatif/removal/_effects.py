"""What removing training rows does, as functions of a study.

A study offers the objective, its remover and the model; see ``_study.py``. Queries are those that
it makes.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from ..adapters import rebuild, split_pipeline
from ..jacobians import Gradients
from ..losses import of_models
from ..results import RemovalStatistics
from ..search import products
from ..statistics import Metric, effects_of
from ..utils._arrays import estimator_like
from ..utils._progress import show_progress
from ..utils._validation import check_removals, group_labels
from ._composed import check_classes_stay

ORDERS = ("first", "newton", "auto", "pbrf", "structure", "retrain")
#: Those that are models of their own, by which estimates are judged.
TRUTHS = ("retrain", "pbrf", "structure")


def removal_effect(study: Any, query: Any, groups: Any, order: str) -> np.ndarray:
    """Change of each query's loss without each row or group of rows.

    Parameters
    ----------
    study : Study
    query : Query of n_queries rows
    groups : array-like of shape (n_rows,) or None
        A label for each training row; None: each row on its own.
    order : {"first", "newton", "pbrf", "structure", "retrain"}

    Returns
    -------
    ndarray of shape (n_queries, n_groups)
    """
    loss = study.objective.loss
    if order == "first":
        residual = loss.residual(query.y, study.objective.predictor(query.jacobian))
        return _first_order(study, query.jacobian, residual, groups)
    removals = removals_of(groups, study.objective.n_rows)
    query = study.remover.at_optimum(query)
    effect = np.zeros((query.n_rows, len(removals)))
    for models in _models_without(study, removals, order):
        before = loss.value(query.y, models.predictor_before(query))
        after = of_models(loss.value, query.y, models.predictors(query))
        effect[:, models.positions] = after - before[:, None]
    return effect


def removal_effect_on(
    study: Any, metric: Metric, query: Any, groups: Any, order: str
) -> np.ndarray:
    """Change of a metric of the predictions for queries, shape (n_groups,).

    Parameters
    ----------
    study : Study
    metric : Metric
        Of the queries.
    query : Query of n_queries rows
    groups : array-like of shape (n_rows,) or None
    order : {"first", "newton", "pbrf", "structure", "retrain"}
        As of :func:`removal_effect`.
    """
    if order == "first":
        return _first_order_on(study, metric, query.jacobian, groups)
    removals = removals_of(groups, study.objective.n_rows)
    query = study.remover.at_optimum(query)
    effect = np.zeros(len(removals))
    for models in _models_without(study, removals, order):
        before = metric.values(models.predictor_before(query)[:, None])
        if np.isinf(before).any():
            raise ValueError(
                "The number that is asked for is infinite already with all training rows, as a log "
                "loss is where a label has probability 0: no removal changes it to be told. Use "
                "'brier', or 'mean_loss', the model's own loss."
            )
        effect[models.positions] = metric.values(models.predictors(query)) - before
    return effect


def retrain_without(study: Any, rows: Sequence[Any]) -> list[Any]:
    """Fitted estimators that training without some of the rows would have given.

    Parameters
    ----------
    study : Study
    rows : sequence
        Each item is a row position or an array of them.

    Returns
    -------
    list of estimators, one an item
    """
    objective, model = study.objective, study.model
    removals = check_removals(rows, objective.n_rows)
    check_every_class_stays(study, removals)
    if objective.has_tables:
        models = [None] * len(removals)
        for batch in _models(study, removals, "retrain"):
            for index, table in zip(batch.positions, batch.tables(), strict=True):
                models[index] = study.adapter.restore(model, table)
    else:
        X, y, sample_weight = study.training_data
        fitted, n_jobs = objective.fitted, study.n_jobs
        models = study.adapter.refit(model, fitted, X, y, sample_weight, removals, n_jobs)
    return [estimator_of(study, model) for model in models]


def estimator_of(study: Any, model: Any) -> Any:
    """The estimator of a study with another fitted model at its core.

    Parameters
    ----------
    study : Study
    model : fitted estimator
        Of the kind of its own, from this machine's memory.
    """
    names = vars(study.model).get("feature_names_in_")
    if names is not None:  # The model was fitted to an array.
        vars(model).setdefault("feature_names_in_", names)
    if study.objective.place is not None:
        model = estimator_like(model, split_pipeline(study.estimator)[1])
    return rebuild(study.estimator, model)


def check_rows_are_left(study: Any, left: np.ndarray, rows: np.ndarray) -> None:
    """Refuse to remove rows if none is left, or none of a class.

    Parameters
    ----------
    study : Study
    left : ndarray of int
        Positions of the rows that are left, among those of the study.
    rows : ndarray of int
        Those that are removed, as they were asked for.
    """
    n_rows, weight = study.objective.n_rows, study.objective.sample_weight[left]
    if not (weight > 0).any():
        raise ValueError(
            f"Without the rows {reprlib.repr(rows.tolist())} no training row is left that counts."
        )
    check_classes_stay(study.objective, [np.delete(np.arange(n_rows), left)])
    if not study.targets.has_classes:
        return
    classes, y = study.model.classes_, study.objective.y[left]
    lost = np.bincount(y[weight > 0], minlength=len(classes)) == 0
    if lost.any():
        _refuse_lost(classes[lost], rows, ", or fit a model of the other classes.")


def _refuse_lost(classes: np.ndarray, rows: np.ndarray, way_out: str) -> None:
    raise ValueError(
        f"Without the rows {reprlib.repr(rows.tolist())} there is no row of the "
        f"classes {classes.tolist()} to train with. Leave some of them in{way_out}"
    )


def predictors_without(
    study: Any, query: Any, rows: Sequence[Any], order: str = "retrain"
) -> tuple[Any, list[Any]]:
    """Predictors of queries by the model at its optimum, and by those trained without some rows.

    Parameters
    ----------
    study : Study
    query : Query of n_queries rows
    rows : sequence
        Each item is a row position or an array of them; there is at least one.
    order : {"newton", "pbrf", "structure", "retrain"}, default="retrain"

    Returns
    -------
    before : ndarray of shape (n_queries, n_outputs)
    after : list of ndarray of shape (n_queries, n_outputs), one an item
    """
    removals, query = check_removals(rows, study.objective.n_rows), study.remover.at_optimum(query)
    check_every_class_stays(study, removals)
    after: list[Any] = [None] * len(removals)
    for models in _models(study, removals, order):
        before = models.predictor_before(query)
        predictors = models.predictors(query).swapaxes(0, 1)
        for index, predictor in zip(models.positions, predictors, strict=True):
            after[index] = predictor
    return before, after


def removal_statistics(
    study: Any, rows: Sequence[Any], query: Any, order: str = "retrain"
) -> RemovalStatistics:
    """What models without some of the rows change.

    Parameters
    ----------
    study : Study
    rows : sequence
        Each item is a row position or an array of them.
    query : Query
    order : {"newton", "pbrf", "structure", "retrain"}, default="retrain"
    """
    removals = check_removals(rows, study.objective.n_rows)
    loss, query = study.objective.loss, study.remover.at_optimum(query)
    change = np.zeros((query.n_rows, len(removals)))
    parameter, training = np.zeros(len(removals)), np.zeros(len(removals))
    for models in _models_without(study, removals, order):
        before = loss.query_value(query.y, models.predictor_before(query))
        after = of_models(loss.query_value, query.y, models.predictors(query))
        change[:, models.positions] = after - before[:, None]
        parameter[models.positions] = models.parameter_change()
        training[models.positions] = models.training_change()
    return RemovalStatistics(change, parameter, training)


def loo_probabilities(study: Any) -> np.ndarray:
    """Class probabilities of each training row without it, shape (n_rows, n_classes)."""
    loss = study.objective.loss
    if not loss.has_probabilities:
        raise AttributeError(
            f"{type(study.model).__name__} has no probabilities that its scores alone tell, so "
            "there are no leave-one-out probabilities."
        )
    return loss.probabilities(study.remover.loo_predictor())


def loo_predictions(study: Any) -> np.ndarray:
    """Predictions for each training row without it, as the model gives them, a row each."""
    predicted = study.targets.predicted(study.objective.loss, study.remover.loo_predictor())
    return study.targets.shown(predicted, lambda: predicted)


def removals_of(groups: Any, n_rows: int) -> list[np.ndarray]:
    """The rows of each group, in the order of the groups' labels; without groups, each row."""
    if groups is None:
        return list(np.arange(n_rows)[:, None])
    _, member = group_labels(groups, n_rows)
    order = np.argsort(member, kind="stable")
    order = order[np.searchsorted(member[order], 0) :]
    return np.split(order, np.cumsum(np.bincount(member[order]))[:-1])


def check_every_class_stays(study: Any, removals: Sequence[np.ndarray]) -> None:
    """Refuse removals after which the model has no row of a class (of a weight above 0)."""
    check_classes_stay(study.objective, removals)
    if not study.targets.has_classes:
        return
    weight, classes = study.objective.sample_weight, study.model.classes_
    refuse_lost_classes(study.objective.y, weight, classes, removals)


def refuse_lost_classes(
    y: np.ndarray, sample_weight: np.ndarray, classes: np.ndarray, removals: Sequence[np.ndarray]
) -> None:
    """Refuse removals that leave no row of a class.

    Parameters
    ----------
    y : ndarray of int, shape (n_rows,)
        The position of each row's class.
    sample_weight : ndarray of shape (n_rows,)
        Rows of weight 0 are none of a class.
    classes : ndarray of shape (n_classes,)
    removals : sequence of ndarray of int

    Raises
    ------
    ValueError
        That names the rows and the classes.
    """
    counts = sample_weight > 0
    n_rows = np.bincount(y[counts], minlength=len(classes))
    for rows in removals:
        lost = n_rows == np.bincount(y[rows[counts[rows]]], minlength=len(classes))
        if lost.any():
            way_out = "; in groups, None stands for rows that are never removed."
            _refuse_lost(classes[lost], rows, way_out)


def _first_order(study: Any, jacobian: Any, residual: np.ndarray, groups: Any) -> np.ndarray:
    """Influence, weighted by the rows' shares, of the gradients ``residual ⊗ x~``.

    Without a row i whose share of the penalty is ``l_i``, the parameters change by
    ``H^-1 (s_i g_i + l_i (Lambda w + q)) / S``.
    """
    objective = study.objective
    _check_has_first_order(objective)
    queries = Gradients(jacobian, residual, np.ones(len(residual)))
    share = objective.rows.norm * objective.sample_weight / objective.total_weight
    member, n_effects = _members(groups, objective.n_rows)
    effect = np.zeros((jacobian.n_rows, n_effects))
    for asked, rows, product in products(queries, objective.rows, study.curvature):
        product = product * share[rows]
        if member is None:
            effect[asked, rows] = product
        else:
            assigned = np.flatnonzero(member[rows] >= 0)
            indicator = (np.ones(len(assigned)), (assigned, member[rows][assigned]))
            shape = (product.shape[1], n_effects)
            effect[asked] += product @ sparse.csr_array(indicator, shape=shape)
    for of_rows, step in objective.penalty_steps(study.curvature):
        moved = jacobian.apply(step[None].astype(jacobian.dtype))[:, 0]
        of_penalty = np.einsum("nk,nk->n", residual, moved)
        effect += np.outer(of_penalty, _sum_by_group(of_rows, member, n_effects))
    return effect


def _first_order_on(study: Any, metric: Metric, jacobian: Any, groups: Any) -> np.ndarray:
    """The same of a metric of all rows of a Jacobian together."""
    objective = study.objective
    _check_has_first_order(objective)
    gradient = metric.gradient(objective.predictor(jacobian))
    pull = jacobian.adjoint(gradient[:, None]).astype(objective.dtype)
    effect = effects_of(pull, objective, study.curvature)
    return _sum_by_group(effect, *_members(groups, objective.n_rows))


def _check_has_first_order(objective: Any) -> None:
    if not objective.has_first_order:
        raise ValueError(
            "order='first' needs a loss with curvature, which the hinge has not; use "
            "order='newton' (one step on the active set) or order='retrain' (exact)."
        )


def _members(groups: Any, n_rows: int) -> tuple[np.ndarray | None, int]:
    """The position of each row's group, -1 without one, and how many removals there are."""
    if groups is None:
        return None, n_rows
    member = group_labels(groups, n_rows)[1]
    return member, member.max() + 1


def _sum_by_group(values: np.ndarray, member: np.ndarray | None, n_groups: int) -> np.ndarray:
    if member is None:
        return values
    assigned = member >= 0
    return np.bincount(member[assigned], values[assigned], n_groups)


def _models_without(study: Any, removals: Sequence[np.ndarray], order: str) -> Iterator[Any]:
    """Models without each group of rows that counts, in batches (see _base.py).

    Rows of weight 0 change nothing by being removed, unless a penalty counts them.
    """
    check_every_class_stays(study, removals)
    some = that_count(study, removals)
    for batch in _models(study, [removals[index] for index in some], order):
        yield replace(batch, positions=some[batch.positions])


def that_count(study: Any, removals: Sequence[np.ndarray]) -> np.ndarray:
    """Positions of the removals that take a row which counts, (n_models,)."""
    counts = study.objective.counts
    return np.array([i for i, rows in enumerate(removals) if counts[rows].any()], np.intp)


def _models(study: Any, removals: Sequence[np.ndarray], order: str) -> Iterator[Any]:
    obstacle = study.remover.obstacle(order)
    if obstacle is not None:
        raise ValueError(obstacle)
    done = 0
    for batch in study.remover.models_without(removals, order):
        yield batch
        done += len(batch.positions)
        show_progress("models without rows", done, len(removals), study.verbose)
