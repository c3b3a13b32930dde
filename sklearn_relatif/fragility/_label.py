"""The label that a model gives one row, which is to be another."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..statistics import Statistic, effects_of
from ..utils._arrays import on_host


def refuse_without_labels(study: Any) -> None:
    """Refuse models that predict no label."""
    if not study.targets.has_classes:
        raise TypeError(f"{type(study.model).__name__} predicts no label that could flip.")


class Lead(Statistic):
    """How far one label of a query leads another.

    Parameters
    ----------
    features : array-like or CSR matrix of shape (1, n_features)
        Of the query, as the model takes them.
    direction : ndarray of shape (n_outputs,)
        Gradient of the lead in the predictor.
    """

    name = "lead"

    def __init__(self, features, direction):
        self.features, self.direction = features, direction

    def value(self, objective):
        eta = objective.predictor(objective.query_jacobian(self.features))
        return float(eta[0] @ self.direction)

    def row_effects(self, objective, curvature):
        slope = self.slope(objective)[None].astype(objective.dtype)
        return effects_of(slope, objective, curvature)

    def slope(self, objective):
        jacobian = objective.query_jacobian(self.features).astype(np.float64)
        return jacobian.adjoint(self.direction[None, None])[0]


class LabelSearch:
    """A search for rows that decide on the label of one query.

    The label is that of the model of all rows at its optimum, because that of a model which has
    stopped before it may flip without any row changed.

    Parameters
    ----------
    study : Study
    X : array-like of shape (1, n_features)

    Attributes
    ----------
    X : array-like of shape (1, n_features)
        Where the model takes it.
    query : Query
    loss : Loss
    classes : ndarray of shape (n_classes,)
    label : int
        Position of the label in these.
    """

    label: int

    def __init__(self, study: Any, X: Any) -> None:
        self.study, place = study, study.objective.place
        # Models predict of what they were fitted to, and of rows beside it.
        self.X = X if place is None else place.put(X)
        self.classes, self.query = study.model.classes_, study.query(X)
        if self.query.n_rows != 1:
            raise ValueError(f"X must hold one row to flip; it has {self.query.n_rows}.")
        self.loss = study.remover.objective.loss

    def rows_for(self, rival: int, limit: int) -> np.ndarray:
        """At most ``limit`` rows that turn the label into another, or none."""
        raise NotImplementedError

    def start_at(self, eta: np.ndarray) -> None:
        """Note the label by the predictor of the model at its optimum, (1, n_outputs)."""
        self.eta, self.label = eta, self.predicted(eta)
        if self.label != self.query.y[0]:
            given, label = self.classes[[self.query.y[0], self.label]]
            warnings.warn(
                f"The model predicts {given!s}, and trained to its optimum {label!s}: that is the "
                "prediction whose flip is looked for. Fit the model more closely, by a smaller tol "
                "and a larger max_iter.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def smallest(self, max_size: int) -> tuple[np.ndarray, int]:
        """The fewest rows that turn the label into any other, and that; -1 if there are none."""
        rows, label, limit = np.empty(0, np.intp), -1, max_size
        for rival in self.rivals():
            found = self.rows_for(rival, limit)
            if len(found):
                rows, label, limit = found, rival, len(found) - 1
            if limit == 0:
                break
        return rows, label

    def rivals(self) -> np.ndarray:
        """The other classes, nearest first."""
        others = np.delete(np.arange(len(self.classes)), self.label)
        return others[np.argsort([self.lead(self.eta, rival)[0] for rival in others.tolist()])]

    def direction(self, rival: int) -> np.ndarray:
        """Gradient in the predictor of the lead over another class, shape (n_outputs,)."""
        direction: np.ndarray = self.loss.lead(self.label, rival)
        return direction

    def lead_over(self, rival: int) -> Lead:
        """The lead over another class, as a number of a model."""
        return Lead(on_host(self.query.features), self.direction(rival))

    def lead(self, eta: np.ndarray, rival: int) -> np.ndarray:
        """How far the label leads another, for each of some predictors, shape (n,)."""
        lead: np.ndarray = eta @ self.direction(rival)
        return lead

    def predicted(self, eta: np.ndarray) -> int:
        """Position of the class that a predictor (1, n_outputs) leads to."""
        return int(self.study.targets.predicted(self.loss, eta)[0])

    def probability(self, eta: np.ndarray) -> float | None:
        """Probability of the label, if there are any probabilities."""
        if not self.loss.has_probabilities:
            return None
        return float(self.loss.probabilities(eta)[0, self.label])
