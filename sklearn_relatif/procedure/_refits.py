"""Models without some of the rows by doing again everything that ``fit`` did, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.parallel import Parallel, delayed

from .._study import Query, Study
from ..adapters import adapter_of, chosen
from ..removal import remover_of
from ..utils._distribution import Parcel
from ..utils._progress import show_progress
from ..utils._validation import check_removals
from ._doubts import check_classes_stay, refuse_networks, warn_if_drawn, warn_if_other
from ._models import Asked, Predicted, WholeModels, comparable, same_choice
from ._procedure import Procedure, Refit

NO_ROWS = np.empty(0, np.intp)


class Refitting(NamedTuple):
    """What a worker needs to fit again, and to tell of it.

    Attributes
    ----------
    procedure : Procedure
    held : Procedure or None
        That holds what was chosen for all rows, if it is asked for.
    chosen : dict of str to object
        What that was.
    X : array-like of shape (n_queries, n_features)
    y : ndarray of shape (n_queries,) or (n_queries, n_targets)
        Targets of the queries, as a loss takes them.
    """

    procedure: Procedure
    held: Procedure | None
    chosen: dict[str, Any]
    X: Any
    y: np.ndarray


class Refitted(NamedTuple):
    """The outcome of fitting again.

    Attributes
    ----------
    whole : Predicted
        With everything done again.
    held : Predicted
        With everything but the choice, where that was asked for.
    chosen : dict of str to object
    """

    whole: Predicted
    held: Predicted
    chosen: dict[str, Any]


def refit_without(study: Study, procedure: Procedure, rows: Sequence[Any]) -> list[Any]:
    """Whole estimators that ``fit`` gives without some of the rows.

    Parameters
    ----------
    study : Study
    procedure : Procedure
    rows : sequence
        Each item is a row position or an array of them.
    """
    removals = check_removals(rows, procedure.n_rows)
    check_classes_stay(study, procedure, removals)
    shared = Parcel(procedure)
    return _each(study, _estimator_without, [(shared, own) for own in removals])


def _estimator_without(procedure: Parcel, rows: np.ndarray) -> Any:
    return procedure.content.without(rows).estimator


def refits(asked: Asked, removals: Sequence[np.ndarray], with_held: bool) -> WholeModels:
    """Models by scikit-learn's own fits without each group of rows, each brought to its optimum.

    What a fit at some tolerance lacks of its optimum can be more than what a removal changes. The
    whole is also done again for all rows, and by other draws, to see that it tells of the rows.

    Parameters
    ----------
    asked : Asked
    removals : sequence of ndarray of int
    with_held : bool
        Whether also to hold what was chosen for all rows.

    Raises
    ------
    ValueError
        If the model is a network, no row of a class is left, or models cannot be compared.

    Warns
    -----
    UserWarning
        If doing it all again for all rows gives another model, or other draws do.
    """
    study, procedure = asked.study, asked.procedure
    refuse_networks(study)
    check_classes_stay(study, procedure, removals)
    before = study.remover.predictor(study.remover.at_optimum(asked.query))
    of_all = chosen(asked.fitted)
    held = procedure.holding(asked.fitted) if with_held and of_all else None
    refitting = Refitting(procedure, held, of_all, asked.X, asked.query.y)
    shared, redrawn = Parcel(refitting), procedure.redrawn()
    tasks = [(shared, rows) for rows in (NO_ROWS, *removals)]
    if redrawn is not None:
        tasks.append((Parcel(refitting._replace(procedure=redrawn, held=None)), NO_ROWS))
    again, *found = _each(study, _refitted, tasks)
    own = list(zip(found, removals, strict=False))  # One more, if drawn again.
    after = np.stack([comparable(asked, one.whole, rows) for one, rows in own], axis=1)
    warn_if_other(before, comparable(asked, again.whole, NO_ROWS), of_all, again.chosen)
    if redrawn is not None:
        warn_if_drawn(before, comparable(asked, found[-1].whole, NO_ROWS), after)
    held_after = None
    if with_held:
        held_after = np.stack([comparable(asked, one.held, rows) for one, rows in own], axis=1)
    return WholeModels(before, after, held_after, of_all, [one.chosen for one, _ in own])


def _refitted(shared: Parcel, rows: np.ndarray) -> Refitted:
    refitting: Refitting = shared.content
    refit = refitting.procedure.without(rows)
    found, whole = chosen(refit.estimator), _predicted(refit, refitting)
    if refitting.held is None or same_choice(found, refitting.chosen):
        return Refitted(whole, whole, found)
    return Refitted(whole, _predicted(refitting.held.without(rows), refitting), found)


def _predicted(refit: Refit, refitting: Refitting) -> Predicted:
    reduced = refit.reduced()
    objective, model = reduced.objective, reduced.model
    features = adapter_of(model).model_rows(reduced.transformers, model, refitting.X)
    query = Query(features, objective.query_jacobian(features), refitting.y)
    if objective.removal_kind == "smooth":  # In single precision a small change is rounding.
        objective = objective.astype(np.float64)
    remover = remover_of(objective)
    predictor = remover.predictor(remover.at_optimum(query))
    return Predicted(predictor, objective.loss, reduced.targets)


def _each(
    study: Study,
    function: Callable[[Parcel, np.ndarray], Any],
    tasks: Sequence[tuple[Parcel, np.ndarray]],
) -> list[Any]:
    """A function of something shared and of rows, for each task, in joblib's workers."""
    # Not every backend hands on results as they come.
    handed_on = "generator" if study.verbose else "list"
    calls, found = (delayed(function)(shared, rows) for shared, rows in tasks), []
    for one in Parallel(n_jobs=study.n_jobs, return_as=handed_on)(calls):
        found.append(one)
        show_progress("fits of everything", len(found), len(tasks), study.verbose)
    return found
