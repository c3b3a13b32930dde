"""Models without some of the rows by doing again everything that ``fit`` did, exactly."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import Parallel, delayed

from .._study import Query, Study
from ..adapters import adapter_of, chosen
from ..removal import refuse_lost_classes, remover_of
from ..utils._distribution import Parcel
from ..utils._progress import show_progress
from ..utils._validation import check_removals, check_sample_weight
from ._procedure import Procedure, Refit

#: How far predictors of one and the same model may be apart when it is fitted again, relative to
#: the largest: models at their optimum are closer than this by far.
CLOSE = 1e-6


class Asked(NamedTuple):
    """What is asked of the models without some rows.

    Attributes
    ----------
    study : Study
        Of all rows.
    procedure : Procedure
        That it is the outcome of.
    X : array-like of shape (n_queries, n_features)
        The queries as the user gave them.
    query : Query
        The same as the model of all rows takes them.
    """

    study: Study
    procedure: Procedure
    X: Any
    query: Query


class WholeModels(NamedTuple):
    """Models without rows, by what they predict, in the units of the model of all rows.

    Attributes
    ----------
    before : ndarray of shape (n_queries, n_outputs)
        By the model of all rows.
    after : ndarray of shape (n_queries, n_removals, n_outputs)
        By those that everything was done again for.
    held : ndarray of shape (n_queries, n_removals, n_outputs) or None
        By those for which everything was done again but for the choice of parameters. None if they
        were not asked for.
    chosen_before : dict of str to object
    chosen_after : list of dict of str to object, one a removal
        The parameters that each fit has chosen.
    """

    before: np.ndarray
    after: np.ndarray
    held: np.ndarray | None
    chosen_before: dict[str, Any]
    chosen_after: list[dict[str, Any]]


def fitted_of(study: Study) -> Any:
    """The estimator that the procedure has fitted."""
    is_frozen = isinstance(study.estimator, FrozenEstimator)
    return study.estimator.estimator if is_frozen else study.estimator


def retrain_without(study: Study, procedure: Procedure, rows: Sequence[Any]) -> list[Any]:
    """Whole estimators that ``fit`` gives without some of the rows.

    Parameters
    ----------
    study : Study
    procedure : Procedure
    rows : sequence
        Each item is a row position or an array of them.
    """
    removals = check_removals(rows, procedure.n_rows)
    check_can_refit(study, procedure, removals)
    return _each(study, _fitted, procedure, removals)


def _fitted(procedure: Procedure, rows: np.ndarray) -> Any:
    return procedure.without(rows).estimator


def refits(asked: Asked, removals: Sequence[np.ndarray], with_held: bool) -> WholeModels:
    """Models by scikit-learn's own fits without each group of rows, each brought to its optimum.

    What a fit at some tolerance lacks of its optimum can be more than what a removal changes.

    Parameters
    ----------
    asked : Asked
    removals : sequence of ndarray of int
    with_held : bool
        Whether also to hold what was chosen for all rows.

    Warns
    -----
    UserWarning
        If doing it all again for all rows gives another model.
    """
    study, procedure, _, query = asked
    check_can_refit(study, procedure, removals)
    fitted = fitted_of(study)
    before, chosen_before = study.remover.predictor(study.remover.at_optimum(query)), chosen(fitted)
    held = procedure.holding(fitted) if with_held and chosen_before else None
    context = Refitting(procedure, held, chosen_before, asked.X, query.y)
    again, *found = _each(study, _refitted, context, [np.empty(0, np.intp), *removals])
    predictors = [
        [_comparable(asked, part, rows) for part in own.parts]
        for own, rows in zip((again, *found), (np.empty(0, np.intp), *removals), strict=True)
    ]
    warn_if_other(before, predictors[0][0], chosen_before, again.chosen)
    after = np.stack([own[0] for own in predictors[1:]], axis=1)
    held_after = np.stack([own[-1] for own in predictors[1:]], axis=1) if with_held else None
    return WholeModels(before, after, held_after, chosen_before, [own.chosen for own in found])


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


class Predicted(NamedTuple):
    """What a model that was fitted again predicts for queries.

    Attributes
    ----------
    predictor : ndarray of shape (n_queries, n_outputs)
        At its optimum.
    loss : Loss
    targets : Targets
    """

    predictor: np.ndarray
    loss: Any
    targets: Any


class Refitted(NamedTuple):
    """The outcome of fitting again.

    Attributes
    ----------
    parts : list of Predicted
        Of everything, and if asked for and not the same, of everything but the choice.
    chosen : dict of str to object
    """

    parts: list[Predicted]
    chosen: dict[str, Any]


def _refitted(context: Refitting, rows: np.ndarray) -> Refitted:
    whole = context.procedure.without(rows)
    parts, found = [_predicted(whole, context)], chosen(whole.estimator)
    if context.held is not None and not same_choice(found, context.chosen):
        parts.append(_predicted(context.held.without(rows), context))
    return Refitted(parts, found)


def _predicted(refit: Refit, context: Refitting) -> Predicted:
    reduced = refit.reduced()
    objective, model = reduced.objective, reduced.model
    features = adapter_of(model).model_rows(reduced.transformers, model, context.X)
    query = Query(features, objective.query_jacobian(features), context.y)
    if objective.removal_kind == "smooth":  # In single precision a small change is rounding.
        objective = objective.astype(np.float64)
    remover = remover_of(objective)
    predictor = remover.predictor(remover.at_optimum(query))
    return Predicted(predictor, objective.loss, reduced.targets)


def _each(study: Study, function: Any, shared: Any, removals: Sequence[np.ndarray]) -> list[Any]:
    """A function of something shared and of each removal, in joblib's workers."""
    parcel, found = Parcel(shared), []
    # Not every backend hands on results as they come.
    handed_on = "generator" if study.verbose else "list"
    tasks = (delayed(_of_parcel)(function, parcel, rows) for rows in removals)
    for one in Parallel(n_jobs=study.n_jobs, return_as=handed_on)(tasks):
        found.append(one)
        show_progress("fits without rows", len(found), len(removals), study.verbose)
    return found


def _of_parcel(function: Any, parcel: Parcel, rows: np.ndarray) -> Any:
    return function(parcel.content, rows)


def same_choice(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two fits have chosen the same parameters."""
    # Among them may be estimators and arrays.
    return repr(sorted(one.items())) == repr(sorted(other.items()))


def _comparable(asked: Asked, found: Predicted, rows: np.ndarray) -> np.ndarray:
    """A predictor in the units of the model of all rows."""
    loss, targets = asked.study.objective.loss, asked.study.targets
    if type(found.loss) is not type(loss):
        raise ValueError(
            f"Without the rows {reprlib.repr(rows.tolist())} the search has chosen a model of "
            f"another loss ({type(found.loss).__name__} in place of {type(loss).__name__}), which "
            "cannot be compared with that of all rows. Use retrain_without(rows, procedure='all'), "
            "and compare what the models predict."
        )
    if targets.classes is not None and not np.array_equal(targets.classes, found.targets.classes):
        raise ValueError(
            f"Without the rows {reprlib.repr(rows.tolist())} the model has the classes "
            f"{np.asarray(found.targets.classes).tolist()} in place of {targets.classes.tolist()}."
        )
    return _in_units_of(asked, found)


def _in_units_of(asked: Asked, found: Predicted) -> np.ndarray:
    """A predictor, through the user's units where a transformer of targets has other ones now."""
    targets, y = asked.study.targets, asked.procedure.y
    if not targets.are_numbers:
        return found.predictor
    labels = targets.shaped(y)
    if np.array_equal(targets.handed_on(labels), found.targets.handed_on(labels)):
        return found.predictor
    predicted = found.targets.predicted(found.loss, found.predictor)
    if not np.array_equal(predicted.ravel(), found.predictor.ravel()):
        raise ValueError(
            "Fitted again without rows, the transformer of the target makes other numbers of it, "
            f"and the predictor of {type(asked.study.model).__name__} is not the target but what a "
            "link makes targets of, so that losses are in different units. Use a transformer that "
            "does not depend on the rows, such as a FunctionTransformer."
        )
    shown = found.targets.shown(predicted, lambda: predicted)
    return np.reshape(targets.handed_on(shown), found.predictor.shape)


def warn_if_other(before, again, chosen_before, chosen_again) -> None:
    """Say that doing it all again for all rows does not lead to the model that is explained."""
    if not same_choice(chosen_before, chosen_again):
        what = f"chooses {chosen_again} in place of {chosen_before}"
    elif np.abs(again - before).max(initial=0) > CLOSE * np.abs(before).max(initial=1):
        what = f"moves predictors by up to {np.abs(again - before).max():.2g}"
    else:
        return
    warnings.warn(
        f"Fitting everything again to all of the rows {what}, so that the effects are not of the "
        "removed rows alone. If something in the estimator draws at random, give it a number as "
        "random_state; of a model that was fitted before, check its rows, weights and parameters.",
        UserWarning,
        stacklevel=6,
    )


def check_can_refit(study: Study, procedure: Procedure, removals: Sequence[np.ndarray]) -> None:
    """Refuse what cannot be fitted again, and removals that leave no row of a class."""
    targets = study.targets
    if targets.has_classes:
        weight = check_sample_weight(procedure.sample_weight, procedure.n_rows)
        y = targets.of_training(targets.shaped(procedure.y), weight)
        refuse_lost_classes(y, weight, targets.classes, removals)
