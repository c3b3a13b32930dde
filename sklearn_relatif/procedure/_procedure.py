"""The whole of a fit, so that it can be done again on fewer rows."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import PredefinedSplit
from sklearn.utils import _safe_indexing
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import _check_method_params

from .._study import Reduced, reduce_fitted
from ..adapters import Recordings, held, innermost_path, recording
from ..utils._index import row_index


@dataclass(frozen=True)
class Procedure:
    """What ``fit`` of an explainer was given, by which everything that it did can be done again.

    Attributes
    ----------
    estimator : estimator
        As the user gave it, with its search, its pipeline, its threshold or its calibration.
    X : array-like, sparse matrix or data frame of shape (n_rows, n_features)
    y : array-like of shape (n_rows,) or (n_rows, n_targets), or None
    fit_params : mapping
        Further arguments of the estimator's ``fit``.
    sample_weight : ndarray of shape (n_rows,) or None
        The weights among them.
    """

    estimator: Any
    X: Any
    y: Any
    fit_params: Mapping[str, Any]
    sample_weight: np.ndarray | None

    @classmethod
    def of(cls, estimator, X, y, fit_params, sample_weight) -> Procedure:
        """That of an estimator, or of what is inside a FrozenEstimator, fitted as it was once."""
        if not isinstance(estimator, FrozenEstimator):
            return cls(clone(estimator), X, y, fit_params, sample_weight)
        inner = estimator.estimator
        if sample_weight is not None:
            # What is frozen is told its weights, not whom they reach.
            fit_params = {f"{innermost_path(inner)[0]}sample_weight": sample_weight}
        return cls(inner, X, y, fit_params, sample_weight)

    @property
    def n_rows(self) -> int:
        return len(row_index(self.X))

    @property
    def index(self) -> np.ndarray:
        """The user's labels of the rows."""
        return row_index(self.X)

    def holding(self, fitted: Any) -> Procedure:
        """The same without any choice: with the parameters that a fit of it has chosen.

        Parameters
        ----------
        fitted : estimator
            Fitted by this procedure.
        """
        estimator = held(fitted)
        known = get_routing_for_object(estimator).consumes("fit", self.fit_params)
        # Without routing, what a search needs for its folds has this name.
        passed = {
            name: value
            for name, value in self.fit_params.items()
            if name in known or not name.endswith("groups")
        }
        return replace(self, estimator=estimator, fit_params=passed)

    def redrawn(self) -> Procedure | None:
        """The same by other draws; None where none is by a number that was given."""
        estimator, seeds = clone(self.estimator), {}
        for name, value in estimator.get_params().items():
            last = name.rpartition("__")[2]
            if last == "random_state" and value is not None:
                seeds[name] = _other_seed(value)
            elif last == "cv" and getattr(value, "random_state", None) is not None:
                seeds[name] = splitter = copy(value)
                splitter.random_state = _other_seed(value.random_state)
        return replace(self, estimator=estimator.set_params(**seeds)) if seeds else None

    def without(self, rows: np.ndarray) -> Refit:
        """Everything that fit does, on the rows that are left.

        Parameters
        ----------
        rows : ndarray of int
            Positions of those that are not.
        """
        left = np.delete(np.arange(self.n_rows), rows)
        estimator, seen = _among(clone(self.estimator), left, self.n_rows), Recordings()
        X = _safe_indexing(self.X, left)
        y = None if self.y is None else _safe_indexing(self.y, left)
        weight = None if self.sample_weight is None else self.sample_weight[left]
        passed = _check_method_params(self.X, self.fit_params, left)
        with recording(estimator, seen):
            estimator = estimator.fit(X, y, **passed)
        return Refit(estimator, X, y, weight, seen)


class Refit(NamedTuple):
    """An estimator that is fitted again, and what it was fitted on.

    Attributes
    ----------
    estimator : fitted estimator
    X : array-like of shape (n_left, n_features)
    y : array-like of shape (n_left,) or (n_left, n_targets), or None
    sample_weight : ndarray of shape (n_left,) or None
    seen : Recordings
    """

    estimator: Any
    X: Any
    y: Any
    sample_weight: np.ndarray | None
    seen: Recordings

    def reduced(self) -> Reduced:
        """What the model in it minimised."""
        return reduce_fitted(*self)


def _other_seed(seed: Any) -> Any:
    if isinstance(seed, Integral):
        return (int(seed) + 1) % 2**32
    return np.random.RandomState(seed.randint(2**31))


def _among(estimator: Any, left: np.ndarray, n_rows: int) -> Any:
    """An estimator whose folds, where they are given row by row, are of the rows that are left."""
    for name, value in estimator.get_params().items():
        if name.rpartition("__")[2] != "cv" or value is None or np.isscalar(value):
            continue
        if isinstance(value, PredefinedSplit):
            estimator.set_params(**{name: PredefinedSplit(value.test_fold[left])})
        elif not hasattr(value, "split"):
            estimator.set_params(**{name: _folds_among(value, left, n_rows)})
    return estimator


def _folds_among(folds: Any, left: np.ndarray, n_rows: int) -> list[tuple[np.ndarray, ...]]:
    """Pairs of positions to train and to test on, by where they are among the rows left."""
    place = np.full(n_rows, -1)
    place[left] = np.arange(len(left))
    moved = [tuple(_those_left(place[np.asarray(part)]) for part in fold) for fold in folds]
    return [fold for fold in moved if all(len(part) for part in fold)]


def _those_left(places: np.ndarray) -> np.ndarray:
    kept: np.ndarray = places[places >= 0]
    return kept
