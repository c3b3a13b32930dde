"""What is asked of models that everything was done again for, and what they answer."""

from __future__ import annotations

import reprlib
from typing import Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator

from .._study import Query, Study
from ._procedure import Procedure


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

    @property
    def fitted(self) -> Any:
        """The estimator that the procedure has fitted."""
        estimator = self.study.estimator
        return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


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


def same_choice(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two fits have chosen the same parameters."""
    # Among them may be estimators and arrays.
    return repr(sorted(one.items())) == repr(sorted(other.items()))


def comparable(asked: Asked, found: Predicted, rows: np.ndarray) -> np.ndarray:
    """A predictor in the units of the model of all rows, shape (n_queries, n_outputs).

    Parameters
    ----------
    asked : Asked
    found : Predicted
        By a model without some rows.
    rows : ndarray of int
        These.

    Raises
    ------
    ValueError
        If there is no comparison: the losses differ, or the classes.
    """
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
    if loss.has_probabilities and not _tell_the_same(loss, found):
        raise ValueError(
            f"Without the rows {reprlib.repr(rows.tolist())} scores are calibrated anew, so that "
            "the same scores are other probabilities. Use retrain_without(rows, procedure='all'), "
            "and compare what the models predict; procedure='model' holds the calibration."
        )
    return _in_units_of(asked, found) if targets.are_numbers else found.predictor


def _tell_the_same(loss: Any, found: Predicted) -> bool:
    """Whether the loss of all rows makes of a predictor what its own makes of it."""
    told, own = (each.probabilities(found.predictor) for each in (loss, found.loss))
    return bool(np.allclose(told, own, rtol=1e-9, atol=1e-12))


def _in_units_of(asked: Asked, found: Predicted) -> np.ndarray:
    """A predictor through the user's units, where a transformer of targets has other ones now."""
    targets, labels = asked.study.targets, asked.study.targets.shaped(asked.procedure.y)
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
    in_units: np.ndarray = np.reshape(targets.handed_on(shown), found.predictor.shape)
    return in_units
