"""What stands around the model that is explained: pipelines, searches, frozen estimators."""

from __future__ import annotations

from copy import copy

import numpy as np
from scipy import sparse
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from ..jacobians import StoredRows, is_stored


def is_searched(estimator) -> bool:
    """Whether the model at the core of an (unfitted) estimator is chosen by a search."""
    if isinstance(estimator, Pipeline):
        return is_searched(estimator.steps[-1][1])
    return not isinstance(estimator, FrozenEstimator) and is_search(estimator)


def split_pipeline(estimator):
    """Transformers in order of application, and the model at the core of a fitted estimator.

    Looks through Pipeline, FrozenEstimator and fitted searches, in any nesting. Samplers of
    imbalanced-learn are left out: they take part in training only.
    """
    *steps, model = _steps(estimator)
    return [step for step in steps if not is_sampler(step)], model


def samplers(estimator) -> list:
    """The steps of a fitted estimator that choose or make the rows to train on, in order."""
    return [step for step in _steps(estimator)[:-1] if is_sampler(step)]


def is_sampler(step) -> bool:
    """Whether a step of a pipeline of imbalanced-learn changes the rows to train on."""
    return hasattr(step, "fit_resample")


def _steps(estimator):
    """All steps of a fitted estimator in order, of which the model is the last."""
    if isinstance(estimator, FrozenEstimator):
        return _steps(estimator.estimator)
    if hasattr(estimator, "best_estimator_"):
        return _steps(estimator.best_estimator_)
    if isinstance(estimator, Pipeline):
        *steps, (_, last) = estimator.steps
        return [*(step for _, step in steps if not is_placeholder(step)), *_steps(last)]
    return [estimator]


def is_placeholder(step):
    return step is None or isinstance(step, str)


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
