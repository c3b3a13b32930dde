"""What a fitted estimator does before, around and inside its search for a penalty."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, check_cv
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from ..adapters import innermost_path, is_sampler, split_pipeline
from ._fold_fits import FoldFits, PathFits
from ._tangents import NotCoveredError

#: Parameters that are the strength of a penalty, and whether a larger one is a stronger penalty.
STRENGTHS = {"C": False, "alpha": True}


class Parts(NamedTuple):
    """A fitted estimator, taken apart.

    Attributes
    ----------
    outer : list of fitted transformers
        Those that rows go through before a search.
    search : Search or None
    inner : list of fitted transformers
        Those that are fitted again in each fold.
    model : fitted estimator
        The one at the end.
    """

    outer: list[Any]
    search: Search | None
    inner: list[Any]
    model: Any


class Search:
    """A search for the strength of a penalty, which it chooses by the folds' scores.

    Attributes
    ----------
    strengths : list of float
        Of the candidates.
    name : {"C", "alpha"}
    best : int
        The candidate that all rows have chosen.
    scoring : str, callable or None
    inner : list of fitted transformers
        Those that each fold fits.
    model : fitted estimator
        Of the kind that is fitted in the folds, without a search of its own.
    is_path : bool
        Whether a candidate's fit starts from that of another.
    has_folds : bool
        Whether it scores in folds. Otherwise it scores each row by the model without it.
    weighs_scores : bool
        Whether weights of rows count in its scores, and not only in its fits.
    """

    inner: list[Any] = []
    has_folds = True
    is_path = False
    weighs_scores = False
    strengths: list[float]
    name: str
    best: int
    scoring: Any
    model: Any

    def __init__(self, fitted: Any):
        self.fitted = fitted
        self._check_cv(fitted.cv)

    def splits(self, X: Any, y: np.ndarray, groups: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of rows to train and to test on, of the rows given."""
        cv = check_cv(self.fitted.cv, y, classifier=is_classifier(self.model))
        return list(cv.split(X, y, groups))

    def n_folds(self, y: np.ndarray) -> int:
        """How many folds there are."""
        cv = check_cv(self.fitted.cv, y, classifier=is_classifier(self.model))
        return int(cv.get_n_splits(np.zeros((len(y), 1)), y))

    def value(self, candidate: int) -> Any:
        """The strength of a candidate as the fit tells it."""
        return self.strengths[candidate]

    def in_fold(self, fold: Any, X: Any, y: np.ndarray, weight: Any) -> FoldFits:
        """scikit-learn's own fits in a fold of some rows."""
        return FoldFits(self, fold, X, y, weight)

    def prepared(self, X: Any, y: np.ndarray) -> tuple[Any, Any]:
        """Transformers that a fold fits, fitted, and what they make of the rows."""
        return FunctionTransformer(), X

    def fitted_to(self, X: Any, y: np.ndarray, candidate: int, weight: Any) -> Any:
        """The model that a fold fits to rows that are prepared."""
        model = clone(self.model).set_params(**{self.name: self.value(candidate)})
        return model.fit(X, y, **({} if weight is None else {"sample_weight": weight}))

    def chosen(self, scores: np.ndarray) -> int:
        """The candidate that scores (n_candidates, n_folds) choose, the first of several."""
        return int(np.argmax(np.average(scores, axis=1)))

    @staticmethod
    def _check_cv(cv: Any) -> None:
        own = {} if cv is None or np.isscalar(cv) else getattr(cv, "__dict__", {})
        if (
            cv is not None
            and not np.isscalar(cv)
            and (not hasattr(cv, "split") or "test_fold" in own)
        ):
            raise NotCoveredError("the folds are given row by row")
        is_drawn = "random_state" in own and own.get("shuffle", True)
        if is_drawn and not isinstance(own["random_state"], (int, np.integer)):
            raise NotCoveredError("the folds are drawn anew in every fit")


class GridSearch(Search):
    """GridSearchCV and RandomizedSearchCV over one parameter."""

    def __init__(self, fitted: Any):
        super().__init__(fitted)
        best = fitted.best_estimator_
        prefix = innermost_path(best)[0]
        self.inner, self.model = _steps(best)
        self.params = fitted.cv_results_["params"]
        names = {name for params in self.params for name in params}
        self.name = next(iter(names)).removeprefix(prefix)
        if len(names) != 1 or self.name not in STRENGTHS or f"{prefix}{self.name}" not in names:
            raise NotCoveredError("the search is over more than the strength of a penalty")
        if isinstance(fitted, RandomizedSearchCV) and not isinstance(
            fitted.random_state, (int, np.integer)
        ):
            raise NotCoveredError("the candidates are drawn anew in every fit")
        is_list = isinstance(fitted.scoring, (list, tuple, set, dict))
        if type(self.model) in SEARCHES or split_pipeline(best)[1] is not self.model:
            raise NotCoveredError("the search is not of a model by itself")
        if callable(fitted.refit) or (is_list and not isinstance(fitted.refit, str)):
            raise NotCoveredError("the choice is by a function")
        self.strengths = [float(next(iter(params.values()))) for params in self.params]
        self.best = int(fitted.best_index_)
        self.scoring = fitted.scoring
        if isinstance(fitted.scoring, dict):
            self.scoring = fitted.scoring[fitted.refit]
        elif is_list:
            self.scoring = fitted.refit

    def value(self, candidate):
        return next(iter(self.params[candidate].values()))

    def prepared(self, X, y):
        if not self.inner:
            return super().prepared(X, y)
        transformers = make_pipeline(*[clone(step) for step in self.inner])
        return transformers, transformers.fit_transform(X, y)


class PathSearch(Search):
    """LogisticRegressionCV, where a fold's candidates start from one another."""

    name, is_path, weighs_scores = "C", True, True

    def __init__(self, fitted: LogisticRegressionCV):
        super().__init__(fitted)
        given = fitted.l1_ratios
        has_ratios = given is not None and not isinstance(given, str) and np.any(given)
        is_plain = vars(fitted).get("penalty", "l2") in ("l2", "deprecated") and not has_ratios
        is_one_model = vars(fitted).get("multi_class") in (None, "auto", "deprecated")
        if not (fitted.refit and is_plain and is_one_model):
            raise NotCoveredError("LogisticRegressionCV searches for more than one penalty")
        self.strengths = [float(C) for C in fitted.Cs_]
        self.best = int(np.argmin(np.abs(fitted.Cs_ - np.ravel(fitted.C_)[0])))
        self.scoring = fitted.scoring
        taken = {
            name: value
            for name, value in fitted.get_params().items()
            if name in LogisticRegression().get_params() and name not in ("penalty", "l1_ratio")
        }
        self.model = _like(LogisticRegression(**taken, C=self.strengths[self.best]), fitted)

    def in_fold(self, fold, X, y, weight):
        return PathFits(self, fold, X, y, weight)

    def path_scores(self, fold: Any, X: Any, y: np.ndarray) -> np.ndarray:
        """The scores of all candidates in a fold, each fitted from the one before it."""
        own = clone(self.fitted).set_params(cv=[fold], Cs=self.strengths, refit=False)
        scores = own.fit(X, y).scores_
        return np.ravel(next(iter(scores.values())) if isinstance(scores, dict) else scores)

    def chosen(self, scores):
        return int(np.argmax(scores.T.sum(axis=0)))


class RidgeSearch(Search):
    """RidgeCV and RidgeClassifierCV with folds."""

    name = "alpha"

    def __init__(self, fitted: Any):
        super().__init__(fitted)
        self.strengths = [float(alpha) for alpha in np.atleast_1d(fitted.alphas)]
        self.best = int(np.argmin(np.abs(np.array(self.strengths) - fitted.alpha_)))
        self.scoring = fitted.scoring
        if fitted.cv is None and (is_classifier(fitted) or fitted.alpha_per_target):
            raise NotCoveredError("it scores rows in a way of its own")
        kind = RidgeClassifier if is_classifier(fitted) else Ridge
        own = kind(alpha=float(fitted.alpha_), fit_intercept=fitted.fit_intercept)
        self.model = _like(own, fitted)


class LeftOutSearch(RidgeSearch):
    """RidgeCV without folds, which predicts each row by the model without it, in closed form."""

    has_folds, weighs_scores = False, True

    def __init__(self, fitted: Any):
        super().__init__(fitted)
        if fitted.scoring is not None or np.ndim(fitted.alpha_) or fitted.coef_.ndim > 1:
            raise NotCoveredError("it scores rows, or several targets, in a way of its own")

    def chosen_for(self, features: np.ndarray, y: np.ndarray) -> int:
        """The candidate of the least squared errors ``e_i / (1 - h_i)`` (Allen 1974)."""
        y, leverage = np.asarray(y, dtype=np.float64), 0.0
        if self.fitted.fit_intercept:
            features, y, leverage = features - features.mean(axis=0), y - y.mean(), 1 / len(y)
        variances, axes = np.linalg.eigh(features.T @ features)
        along = features @ axes
        shrunk = 1 / (variances[:, None] + self.strengths)
        errors = y[:, None] - along @ ((along.T @ y)[:, None] * shrunk)
        errors /= 1 - leverage - along**2 @ shrunk
        return int(np.argmin(np.mean(errors**2, axis=0)))


def _ridge(fitted: Any) -> Search:
    """RidgeCV, by folds or without."""
    return LeftOutSearch(fitted) if fitted.cv is None else RidgeSearch(fitted)


def _like(model: Any, fitted: Any) -> Any:
    """A model with the parameters that another one has found."""
    model = copy(model)
    names = ("coef_", "intercept_", "classes_", "n_features_in_", "_label_binarizer", "n_iter_")
    vars(model).update({name: vars(fitted)[name] for name in names if name in vars(fitted)})
    return model


SEARCHES: dict[type, Any] = {
    GridSearchCV: GridSearch,
    RandomizedSearchCV: GridSearch,
    LogisticRegressionCV: PathSearch,
    RidgeCV: _ridge,
    RidgeClassifierCV: RidgeSearch,
}


def parts_of(fitted: Any, with_search: bool = True) -> Parts:
    """Take a fitted estimator apart.

    Parameters
    ----------
    fitted : estimator
    with_search : bool
        Whether a search counts. Otherwise the model is the one that it has found.

    Raises
    ------
    NotCoveredError
        If its search is over more than a penalty, or something else stands around the model.
    """
    outer, last = _steps(fitted)
    if type(last) in SEARCHES and with_search:
        search = SEARCHES[type(last)](last)
        return Parts(outer, search, search.inner, search.model)
    if type(last) in (GridSearchCV, RandomizedSearchCV):
        inner, last = _steps(last.best_estimator_)
        outer = [*outer, *inner]
    if split_pipeline(last)[1] is not last:
        raise NotCoveredError(f"there is no fast way through {type(last).__name__}")
    return Parts([], None, outer, last)


def _steps(estimator: Any) -> tuple[list[Any], Any]:
    """Transformers of a fitted pipeline, and what stands at its end."""
    transformers: list[Any] = []
    while isinstance(estimator, Pipeline):
        *steps, (_, estimator) = estimator.steps
        transformers += [step for _, step in steps if step is not None and step != "passthrough"]
    if any(is_sampler(step) for step in transformers):
        raise NotCoveredError("the pipeline chooses the rows to train on")
    return transformers, estimator
