"""Everything that a fit does, on fewer rows, without doing it all again.

The transformers are fitted again by a few sums, once a fold and not once a candidate; all
candidates of a fold go from their optima with all rows to those with the rows that are left
together; and scikit-learn is asked again where the scores leave the choice open.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing

from ..adapters import adapter_of
from ._candidates import GOAL, GOAL_IN_FOLDS, Optima, Rows, moved, optima_of, predictors
from ._choice import choice
from ._first import FirstOrder
from ._nodes import numbers, take
from ._scores import ROUNDING, Scored, score_of
from ._search import Parts, parts_of
from ._steps import chain_of
from ._tangents import NotCoveredError

#: Bytes of the inverses that are kept, one a fold and candidate.
MOST_BYTES = 2**30


class Found(NamedTuple):
    """The model without some rows, and how rows reach it.

    Attributes
    ----------
    candidate : int
        Its penalty among those of the search; 0 without one.
    table : ndarray of shape (n_outputs, n_columns)
        Its parameters.
    held : ndarray of shape (n_outputs, n_columns)
        Those at the penalty that all rows have chosen.
    transform : callable
        From what :meth:`Shortcut.prepared` makes of queries to the features of the model.
    n_refits : int
        Fits of scikit-learn that the choice took.
    """

    candidate: int
    table: np.ndarray
    held: np.ndarray
    transform: Callable[[Any], np.ndarray]
    n_refits: int

    def predictors(self, prepared: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predictors of queries by both tables, (n_queries, n_outputs) each."""
        both = predictors(self.transform(prepared), np.stack([self.table, self.held]))
        return both[:, 0], both[:, 1]

    def predictor(self, prepared: Any) -> np.ndarray:
        """Predictor of queries, shape (n_queries, n_outputs)."""
        return self.predictors(prepared)[0]


class Left(NamedTuple):
    """The rows that are left, as they reach the folds.

    Attributes
    ----------
    rows : ndarray of int, shape (n_left,)
    base : nested tuples of arrays
        Of the transformers that the folds fit.
    transform : callable
        From what :meth:`Shortcut.prepared` makes of queries to such bases of them.
    features : callable
        Without arguments, to what scikit-learn's own fits of the folds take.
    """

    rows: np.ndarray
    base: Any
    transform: Callable[[Any], Any]
    features: Callable[[], Any]


class Training(NamedTuple):
    """Rows to train on.

    Attributes
    ----------
    rows : Rows
    penalty : ndarray of shape (n_candidates, n_outputs, n_columns)
    transform : callable
        From bases of other rows to their features, with a column of ones for the intercept.
    """

    rows: Rows
    penalty: np.ndarray
    transform: Callable[[Any], np.ndarray]


class Shortcut:
    """The way from the fit of all rows to that of fewer.

    Parameters
    ----------
    fitted : estimator
        Fitted to all rows.
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
    weight : ndarray of shape (n_rows,), optional
        Sample weights of the model.
    groups : array-like of shape (n_rows,), optional
        What the folds are made by.
    with_search : bool, default=True
        Whether the penalty is chosen again. Otherwise it is held as it was chosen.

    Attributes
    ----------
    loss : Loss
    best : int
        The candidate that all rows have chosen.

    Raises
    ------
    NotCoveredError
        If there is no such way, with the reason.
    """

    def __init__(
        self,
        fitted: Any,
        X: Any,
        y: Any,
        weight: Any = None,
        groups: Any = None,
        with_search: bool = True,
    ):
        self.parts = parts_of(fitted, with_search)
        self.search: Any = self.parts.search
        self.X, self.y, self.weight, self.groups = X, np.asarray(y), weight, groups
        self.adapter = adapter_of(self.parts.model)
        counts = np.ones(len(self.y)) if weight is None else weight
        self.targets = self.adapter.targets(self.parts.model).of_training(self.y, counts)
        self.n_classes = len(np.unique(self.targets)) if is_classifier(self.parts.model) else 0
        self.outer, self.inner = chain_of(self.parts.outer), chain_of(self.parts.inner)
        first = self.outer if self.parts.outer else self.inner
        self.base = first.base(X)
        self.template, self.factors = _template(self.parts)
        self.best = 0 if self.search is None else self.search.best

        everyone = self._left(np.arange(len(self.y)))
        features = self.inner.fit(everyone.base, self.y).features
        self._check(features)
        rows, penalty = self._rows(features, everyone.rows)
        self.loss, self.reference = rows.loss, numbers(features)
        shape = penalty[..., : self.reference.shape[1]]
        self.turns = (self.outer.turns or self.inner.turns) and np.ptp(shape[0]) == 0
        self.final = optima_of(rows, penalty)
        self.folds: list[tuple[np.ndarray, Optima]] = []
        if self.search is not None and self.search.weighs_scores and weight is not None:
            kind = type(self.search.fitted).__name__
            raise NotCoveredError(f"weights count in the scores of {kind}")
        if self.search is not None and self.search.has_folds:
            self.score: Any = score_of(self.search.scoring, self.parts.model, self.loss)
            if not (self.n_classes or self.loss.is_of_errors):
                raise NotCoveredError("its predictions are not the predictor of its loss")
            if self.score is None:
                raise NotCoveredError(
                    f"scoring={self.search.scoring!r} is none of those that are known"
                )
            self.missed = self._start_folds(everyone)

    def prepared(self, X: Any) -> Any:
        """What the transformers make of queries, as far as it depends on no training row."""
        return (self.outer if self.parts.outer else self.inner).base(X)

    def of_all(self) -> Found:
        """The model of all rows at its optimum."""
        everyone = self._left(np.arange(len(self.y)))
        return self._found(everyone, self.best, 0)

    def without(self, removed: np.ndarray) -> Found:
        """The model without some rows.

        Parameters
        ----------
        removed : ndarray of int

        Raises
        ------
        NotCoveredError
            If it cannot be vouched for, with the reason.
        """
        left = self._left(np.delete(np.arange(len(self.y)), removed))
        if self.search is None:
            return self._found(left, 0, 0)
        if not self.search.has_folds:
            candidate = self.search.chosen_for(numbers(left.base), self.y[left.rows])
            return self._found(left, candidate, 0)
        splits = self._splits(left)
        if len(splits) != len(self.folds):
            raise NotCoveredError("there are other folds without the rows")
        scored = [self._scored(left, fold, number) for number, fold in enumerate(splits)]
        candidate, n_refits = self._choice(left, splits, scored)
        return self._found(left, candidate, n_refits)

    def chosen(self, of_all: dict[str, Any], candidate: int) -> dict[str, Any]:
        """The parameters that the fit has chosen, by those chosen for all rows."""
        search = self.search
        if search is None:
            return of_all
        (name,) = (key for key in of_all if key.rpartition("__")[2] == search.name)
        return {**of_all, name: search.value(candidate)}

    def first_order(self) -> FirstOrder:
        """How the model of all rows moves as a row loses weight, at the penalty that it has."""
        if self.parts.model.get_params().get("class_weight") == "balanced":
            raise NotCoveredError("balanced class weights have no derivative here")
        chain = chain_of([*self.parts.outer, *self.parts.inner])
        affine = chain.start(chain.base(self.X))
        everyone = np.arange(len(self.y))
        rows, penalty = self._rows(affine.features, everyone)
        optimum = optima_of(rows, penalty)  # Axes may have other signs here.
        share = self._objective(affine.features, everyone).penalty_share
        return FirstOrder(chain, affine, rows, optimum, share, penalty[0] * optimum.tables[0])

    # --- parts of a fit --------------------------------------------------------------------

    def _left(self, rows: np.ndarray) -> Left:
        base = take(self.base, rows)
        if not self.parts.outer:
            return Left(rows, base, lambda other: other, lambda: _safe_indexing(self.X, rows))
        fitted = self.outer.fit(base, self.y[rows])
        own = self.inner.base(fitted.features)
        return Left(
            rows,
            own,
            lambda other: self.inner.base(fitted.transform(other)),
            lambda: fitted.features,
        )

    def _splits(self, left: Left) -> list[tuple[np.ndarray, np.ndarray]]:
        groups = None if self.groups is None else _safe_indexing(self.groups, left.rows)
        return self.search.splits(np.zeros((len(left.rows), 1)), self.y[left.rows], groups)

    def _rows(self, features: Any, rows: np.ndarray) -> tuple[Rows, np.ndarray]:
        """Training rows of the model, and the penalties of all candidates."""
        objective = self._objective(features, rows)
        x = numbers(features)
        if objective.shape[1] > x.shape[1]:
            x = np.column_stack([x, np.ones(len(x))])
        penalty = self.factors[:, None, None] * objective.penalty
        return Rows(objective.loss, x, objective.y, objective.sample_weight), penalty

    def _objective(self, features: Any, rows: np.ndarray) -> Any:
        targets = self.targets[rows]
        weight = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        return self.adapter.reduce(self.template, features, targets, weight)

    def _trained_on(self, left: Left, train: Any) -> Training:
        """Some of the rows that are left, as the model takes them in training."""
        rows = left.rows[train]
        fitted = self.inner.fit(take(left.base, train), self.y[rows])
        features = numbers(fitted.features)
        if features.shape[1] != self.reference.shape[1]:
            raise NotCoveredError("a column goes with the rows")
        turn = self._turn(features, rows)
        own, penalty = self._rows(features if turn is None else features @ turn, rows)

        def transform(base: Any) -> np.ndarray:
            x = numbers(fitted.transform(base))
            x = x if turn is None else x @ turn
            return x if x.shape[1] == penalty.shape[2] else np.column_stack([x, np.ones(len(x))])

        return Training(own, penalty, transform)

    def _turn(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        """The rotation that brings features nearest to those by all rows (Schoenemann 1966).

        Axes of nearly the same variance turn among one another without a row. Neither the losses
        nor a penalty of lengths know a rotation, but what starts from all rows does.
        """
        if not self.turns:
            return None
        left, _, right = np.linalg.svd(features.T @ self.reference[rows])
        return left @ right

    def _found(self, left: Left, candidate: int, n_refits: int) -> Found:
        """The model of the rows that are left at its optimum."""
        both = np.unique([self.best, candidate])
        training = self._trained_on(left, slice(None))
        tables = moved(training.rows, training.penalty[both], self.final.of(both), GOAL)
        table, held = tables[np.searchsorted(both, [candidate, self.best])]

        def transform(base: Any) -> np.ndarray:
            return training.transform(left.transform(base))

        return Found(candidate, table, held, transform, n_refits)

    # --- the choice of the penalty ---------------------------------------------------------

    def _start_folds(self, everyone: Left) -> np.ndarray:
        """The optima of each fold with all rows, and what scikit-learn's own fits miss them by."""
        missed, features = [], everyone.features()
        for train, test in self._splits(everyone):
            training = self._trained_on(everyone, train)
            optima, own = optima_of(*training[:2]), training.transform(everyone.base)
            fits = self.search.in_fold((train, test), features, self.y, self.weight)
            found = np.stack(
                [
                    self.loss.from_scores(fits.outcomes_of_all(candidate))
                    for candidate in range(len(self.factors))
                ],
                axis=1,
            )
            eta = found[test][:, [self.best]]
            own_score, *_ = self.score.of_one(self.loss, self.targets[test], eta)
            if abs(own_score - fits.score_of_model(self.best)) > ROUNDING * (1 + abs(own_score)):
                raise NotCoveredError("its folds are scored in a way of their own")
            difference = (found - predictors(own, optima.tables)).reshape(len(own), -1)
            table = np.linalg.lstsq(own, difference, rcond=None)[0].T
            missed.append(table.reshape(optima.tables.shape))
            self.folds.append((train, optima))
        return np.array(missed)

    def _scored(self, left: Left, fold: Any, number: int) -> Scored:
        """Scores of all candidates in a fold of the rows that are left."""
        train, test = fold
        if len(np.unique(self.targets[left.rows[train]])) < self.n_classes:
            raise NotCoveredError("a fold has no row of a class to train with")
        training = self._trained_on(left, train)
        start = self._start_of(left.rows[train], number)
        tables = moved(training.rows, training.penalty, start, GOAL_IN_FOLDS)
        own = training.transform(take(left.base, test))
        targets = self.targets[left.rows[test]]
        eta, missed = predictors(own, tables), [predictors(own, table) for table in self.missed]
        return self.score.bounded(self.loss, targets, eta, missed)

    def _start_of(self, train: np.ndarray, number: int) -> Optima:
        """The optima of the same fold, or of all rows if they have more rows in common with it."""
        before, optima = self.folds[number]
        is_moved = len(np.setxor1d(train, before)) > len(self.y) - len(train)
        return self.final if is_moved else optima

    def _choice(self, left: Left, splits: Any, scored: list[Scored]) -> tuple[int, int]:
        """The candidate that the folds choose, and the fits of scikit-learn that this took."""
        weight = None if self.weight is None else self.weight[left.rows]
        given = left.features(), self.y[left.rows], weight
        fits = [self.search.in_fold(fold, *given) for fold in splits]
        targets = [self.targets[left.rows[test]] for _, test in splits]

        def rescored(fold: int, candidate: int, to_the_bit: bool) -> tuple[float, float, float]:
            if to_the_bit or self.search.is_path:
                return (fits[fold].score(candidate),) * 3
            eta = self.loss.from_scores(fits[fold].outcomes(candidate))
            return self.score.of_one(self.loss, targets[fold], eta[:, None])

        return choice(self.search, scored, rescored)

    def _n_folds(self) -> int:
        has_folds = self.search is not None and self.search.has_folds
        return self.search.n_folds(self.y) if has_folds else 0

    def _check(self, features: np.ndarray) -> None:
        """Refuse what the optima of a smooth objective do not stand for."""
        objective = self._objective(features, np.arange(len(self.y)))
        loss = objective.loss
        is_smooth = (
            objective.removal_kind == "smooth"
            and not objective.has_l1
            and objective.mask is None
            and objective.output_weight is None
            and objective.coupling is None
            and loss.has_curvature
            and loss.is_convex
            and objective.is_linear
        )
        if not is_smooth:
            raise NotCoveredError("the model is not at the optimum of a smooth sum over rows")
        n_factors = 1 + self._n_folds()
        if 8 * n_factors * len(self.factors) * objective.weights.size**2 > MOST_BYTES:
            raise NotCoveredError("the Hessians of all folds and candidates take too much memory")


def _template(parts: Parts) -> tuple[Any, np.ndarray]:
    """A model to make objectives from, and how many times its penalty each candidate has."""
    if parts.search is None:
        return parts.model, np.ones(1)
    model, name = copy(parts.model), parts.search.name
    strengths = np.array(parts.search.strengths)
    if not (np.isfinite(strengths) & (strengths > 0)).all():
        raise NotCoveredError("a candidate has no penalty")
    vars(model)[name] = strengths[0]
    return model, strengths / strengths[0] if name == "alpha" else strengths[0] / strengths
