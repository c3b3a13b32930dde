"""From an estimator to the objective it minimised: wrappers are peeled off, models reduced."""

from __future__ import annotations

from copy import copy
from functools import singledispatch

import numpy as np
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from ._stored import StoredRows, is_stored


@singledispatch
def reduce_estimator(estimator, X, y, sample_weight):
    """The objective that a fitted estimator minimised on its training data.

    Parameters
    ----------
    estimator : fitted estimator
        One of the registered types; wrappers have been removed by :func:`split_pipeline`.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Training features as the estimator itself saw them.
    y : ndarray of shape (n_rows,)
        Training targets: positions in ``estimator.classes_`` for classifiers.
    sample_weight : ndarray of shape (n_rows,)

    Returns
    -------
    LinearObjective

    Raises
    ------
    TypeError
        If the estimator is of no registered type.
    """
    raise TypeError(unsupported_message(estimator))


def unsupported_message(estimator) -> str:
    supported = ", ".join(
        sorted(kind.__name__ for kind in reduce_estimator.registry if kind is not object)
    )
    return (
        f"{type(estimator).__name__} cannot be explained. Supported estimators: {supported}; "
        "also as the last step of a Pipeline, as the best estimator of a search with "
        "refit=True, or in a FrozenEstimator."
    )


def is_supported(estimator) -> bool:
    """Whether a reduction is registered for the type of an unwrapped estimator."""
    return reduce_estimator.dispatch(type(estimator)) is not reduce_estimator.dispatch(object)


def split_pipeline(estimator):
    """Transformers in order of application, and the model at the core of a fitted estimator.

    Looks through Pipeline, FrozenEstimator and fitted searches, in any nesting.
    """
    if isinstance(estimator, FrozenEstimator):
        return split_pipeline(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return split_pipeline(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        transformers, model = split_pipeline(estimator[-1])
        return ([estimator[:-1]] if len(estimator) > 1 else []) + transformers, model
    return [], estimator


def innermost_path(estimator) -> tuple[str, object]:
    """Prefix of the parameters of the model at the core of an (unfitted) estimator.

    ``("logisticregression__", model)`` for ``make_pipeline(..., LogisticRegression())``: what
    ``fit`` of the pipeline wants in front of ``sample_weight``.
    """
    if isinstance(estimator, FrozenEstimator):
        return "", split_pipeline(estimator)[1]
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        prefix, model = innermost_path(last)
        return f"{name}__{prefix}", model
    if hasattr(estimator, "best_estimator_") or is_search(estimator):
        return innermost_path(estimator.estimator)
    return "", estimator


def is_search(estimator) -> bool:
    """Whether an estimator searches for another's parameters and refits it (GridSearchCV, ...)."""
    return bool(getattr(estimator, "refit", False)) and hasattr(estimator, "estimator")


def model_rows(transformers, model, X):
    """Rows as the model at the core of a fitted estimator takes them, checked against its fit.

    Parameters
    ----------
    transformers : list of fitted transformers
        The steps in front of the model.
    model : fitted estimator
    X : array-like of shape (n_rows, n_raw_features)

    Returns
    -------
    ndarray, CSR matrix or StoredRows of shape (n_rows, n_features)
        Of float32 or float64. Rows that are stored stay where they are: they go through the
        transformers and the checks block by block, here and whenever they are read. Only what
        transformers make sparse is held.
    """
    check_is_fitted(model)
    options = {"reset": False, "accept_sparse": "csr", "dtype": [np.float64, np.float32]}
    if not is_stored(X):
        for transformer in transformers:
            X = transformer.transform(X)
        return validate_data(model, X, **options)
    X = StoredRows(X, transformers)
    blocks = (validate_data(model, X.transformed(rows), **options) for rows in X.reads())
    if sparse.issparse(X[:1]):
        return sparse.vstack(list(blocks), format="csr")
    for _ in blocks:
        pass
    return X


# --- and back: from parameters to a fitted estimator -----------------------------------------


def score_weights(model) -> np.ndarray:
    """Coefficients of a fitted linear model, a row a class score, with the intercept last."""
    coef = model.coef_.toarray() if sparse.issparse(model.coef_) else model.coef_
    coef = np.atleast_2d(coef)
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
    n_features = model.coef_.shape[-1]
    # A softmax of two classes keeps the scores of the second (scikit-learn before 1.8).
    table = table[-(model.coef_.shape[0] if model.coef_.ndim == 2 else 1) :]
    changed.coef_ = table[:, :n_features].reshape(model.coef_.shape).astype(model.coef_.dtype)
    if model.fit_intercept:
        changed.intercept_ = table[:, -1].astype(np.asarray(model.intercept_).dtype)
    return changed


def rebuild(estimator, model):
    """The estimator with another fitted model at its core, without search or FrozenEstimator."""
    if isinstance(estimator, FrozenEstimator):
        return rebuild(estimator.estimator, model)
    if hasattr(estimator, "best_estimator_"):
        return rebuild(estimator.best_estimator_, model)
    if isinstance(estimator, Pipeline):
        changed = copy(estimator)
        name, last = estimator.steps[-1]
        changed.steps = [*estimator.steps[:-1], (name, rebuild(last, model))]
        return changed
    return model
