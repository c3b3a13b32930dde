"""scikit-learn's own fits in a fold, at the user's tolerance.

The transformers in front of the model are fitted once, for all candidates.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring
from sklearn.utils import _safe_indexing


class FoldFits:
    """Fits of candidates to the training rows of a fold, each made when it is first asked for.

    Parameters
    ----------
    search : Search
    fold : pair of ndarray of int
        Rows to train and to test on.
    X : array-like of shape (n_rows, n_features)
        What the search takes.
    y : ndarray of shape (n_rows,)
    weight : ndarray of shape (n_rows,) or None
    """

    def __init__(self, search: Any, fold: Any, X: Any, y: np.ndarray, weight: Any):
        self.search, self.X, self.y, self.weight = search, X, y, weight
        self.train, self.test = fold
        self._models: dict[int, Any] = {}

    @cached_property
    def _prepared(self) -> tuple[Any, Any]:
        """The fitted transformers, and the training rows that they make."""
        return self.search.prepared(_safe_indexing(self.X, self.train), self.y[self.train])

    @cached_property
    def _tested(self) -> Any:
        """The test rows, as the transformers make them."""
        return self._prepared[0].transform(_safe_indexing(self.X, self.test))

    @cached_property
    def _everyone(self) -> Any:
        """All rows, as the transformers make them."""
        return self._prepared[0].transform(self.X)

    def model(self, candidate: int) -> Any:
        """The fitted model of a candidate."""
        if candidate not in self._models:
            weight = None if self.weight is None else self.weight[self.train]
            own = self._prepared[1], self.y[self.train], candidate, weight
            self._models[candidate] = self.search.fitted_to(*own)
        return self._models[candidate]

    def outcomes(self, candidate: int) -> np.ndarray:
        """What a candidate's model tells of the test rows, in the form of scores or numbers."""
        return _outcomes(self.model(candidate), self._tested)

    def outcomes_of_all(self, candidate: int) -> np.ndarray:
        """The same of all rows."""
        return _outcomes(self.model(candidate), self._everyone)

    def score(self, candidate: int) -> float:
        """The score of a candidate in the search, to the last bit."""
        return self.score_of_model(candidate)

    def score_of_model(self, candidate: int) -> float:
        """The score of a candidate's model by scikit-learn."""
        model, scoring = self.model(candidate), self.search.scoring
        scorer = check_scoring(model, None if scoring == "warn" else scoring)
        return float(scorer(model, self._tested, self.y[self.test]))


class PathFits(FoldFits):
    """Those of LogisticRegressionCV, whose candidates start from one another."""

    def score(self, candidate):
        return float(self._path[candidate])

    @cached_property
    def _path(self) -> np.ndarray:
        return self.search.path_scores((self.train, self.test), self.X, self.y)


def _outcomes(model: Any, features: Any) -> np.ndarray:
    told = model.decision_function if is_classifier(model) else model.predict
    result: np.ndarray = told(features)
    return result
