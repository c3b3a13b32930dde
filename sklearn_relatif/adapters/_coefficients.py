"""Coefficients of linear models, as tables with a row a class score."""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy import sparse
from sklearn.multiclass import OneVsRestClassifier


# --- and back: from parameters to a fitted estimator -----------------------------------------
def coefficients(model) -> np.ndarray:
    """Coefficients of a fitted linear model, sparse or not, a row a class score."""
    coef = model.coef_.toarray() if sparse.issparse(model.coef_) else model.coef_
    return np.atleast_2d(coef)


def score_weights(model) -> np.ndarray:
    """Coefficients of a fitted linear model, a row a class score, with the intercept last."""
    coef = coefficients(model)
    return np.column_stack([coef, model.intercept_]) if model.fit_intercept else coef


def with_score_weights(model, table):
    """A copy of a fitted linear model with other coefficients (see :func:`score_weights`)."""
    if isinstance(model, OneVsRestClassifier):
        changed = copy(model)
        changed.estimators_ = [
            with_score_weights(part, row[None])
            for part, row in zip(model.estimators_, table, strict=True)
        ]
        return changed
    changed = copy(model)
    n_scores, n_features = coefficients(model).shape
    # A softmax of two classes keeps the scores of the second (scikit-learn before 1.8).
    table = table[-n_scores:]
    changed.coef_ = table[:, :n_features].reshape(model.coef_.shape).astype(model.coef_.dtype)
    if model.fit_intercept:
        changed.intercept_ = table[:, -1].astype(np.asarray(model.intercept_).dtype)
    return changed
