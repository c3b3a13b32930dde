"""What stands around the model that is explained: pipelines, searches, thresholds, and the like."""

from __future__ import annotations

from copy import copy
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted, validate_data

from ..jacobians import StoredRows, is_stored
from ..utils._arrays import Place
from ..utils._blocks import row_blocks
from ..utils._threads import CACHED_BYTES, for_each
from ..utils._validation import is_dispatched
from ._targets import Targets, ThresholdTargets, TransformedTargets

#: Precisions that rows are explained in.
FLOATS = (np.float64, np.float32)
#: Rows whose labels tell which class a threshold takes for the positive one.
COMPARED = 1000


class Wrapper(NamedTuple):
    """An estimator around one other, by what it calls that.

    Attributes
    ----------
    template : str
        The parameter that holds the other one as it was given.
    fitted : str
        The attribute that holds it when it is fitted.
    stays : bool
        Whether it is still there around the models without some rows.
    """

    template: str = "estimator"
    fitted: str = "estimator_"
    stays: bool = True


FROZEN = Wrapper(fitted="estimator", stays=False)
SEARCH = Wrapper(fitted="best_estimator_", stays=False)
WRAPPERS = {
    FrozenEstimator: FROZEN,
    FixedThresholdClassifier: Wrapper(),
    TunedThresholdClassifierCV: Wrapper(),
    TransformedTargetRegressor: Wrapper("regressor", "regressor_"),
}


def wrapper_of(estimator) -> Wrapper | None:
    """How an estimator holds one other that it fits and asks, if it is of that kind."""
    for kind, wrapper in WRAPPERS.items():
        if isinstance(estimator, kind):
            return wrapper
    is_fitted_search = hasattr(estimator, "best_estimator_")
    return SEARCH if is_fitted_search or is_search(estimator) else None


def is_search(estimator) -> bool:
    """Whether an estimator searches for another's parameters and refits it (GridSearchCV, ...)."""
    searches = hasattr(estimator, "estimator") and not isinstance(estimator, tuple(WRAPPERS))
    return searches and bool(getattr(estimator, "refit", False))


def is_searched(estimator) -> bool:
    """Whether the model at the core of an (unfitted) estimator is chosen by a search."""
    if isinstance(estimator, Pipeline):
        return is_searched(estimator.steps[-1][1])
    wrapper = wrapper_of(estimator)
    if wrapper is None or wrapper is FROZEN:
        return False
    return wrapper is SEARCH or is_searched(getattr(estimator, wrapper.template))


def split_pipeline(estimator):
    """Transformers in order of application, and the model at the core of a fitted estimator.

    Looks through pipelines and wrappers in any nesting. Samplers of imbalanced-learn are left out:
    they take part in training only.
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
    if isinstance(estimator, Pipeline):
        *steps, (_, last) = estimator.steps
        return [*(step for _, step in steps if not is_placeholder(step)), *_steps(last)]
    wrapper = wrapper_of(estimator)
    if wrapper is None:
        return [estimator]
    if not hasattr(estimator, wrapper.fitted):  # The check asks for all tags, which takes longer.
        check_is_fitted(estimator, wrapper.fitted)
    return _steps(getattr(estimator, wrapper.fitted))


def targets_of(estimator, targets: Targets) -> Targets:
    """The targets of the user of a fitted estimator, from those of the model at its core.

    Around it the target may be transformed.
    """
    for outer in reversed(_wrapped(estimator)):
        if isinstance(outer, TransformedTargetRegressor):
            targets = TransformedTargets(outer.transformer_, targets)
    return targets


def fitted_around(estimator) -> list[str]:
    """Names of what was fitted around the model at the core of a fitted estimator.

    That is what training rows have left traces in besides the model: transformers of features and
    of the target, samplers, thresholds that were tuned and parameters that were searched for.
    """
    steps = [*_steps(estimator)[:-1]]
    steps += [outer.transformer_ for outer in _wrapped(estimator) if _transforms_target(outer)]
    names = [type(step).__name__ for step in steps if _is_fitted_to_rows(step)]
    chose = [outer for outer in _wrapped(estimator) if _has_chosen(outer)]
    return [*names, *(f"the choice of {type(outer).__name__}" for outer in chose)]


def _transforms_target(outer):
    return isinstance(outer, TransformedTargetRegressor)


def _has_chosen(outer):
    return isinstance(outer, TunedThresholdClassifierCV) or wrapper_of(outer) is SEARCH


def _is_fitted_to_rows(step):
    """Whether a step of a pipeline has learned anything; those of others may not say."""
    return not hasattr(step, "__sklearn_tags__") or get_tags(step).requires_fit


def thresholded(estimator, model, targets, objective, features):
    """Targets with the labels that a threshold around the model gives, if there is one.

    Which class is the positive one may be known to a scorer only, so it is told by what is
    predicted for some of the rows.

    Parameters
    ----------
    estimator : fitted estimator
    model : fitted estimator
        At the core of it.
    targets : Targets
    objective : objective
    features : array-like of shape (n_rows, n_features)
        The training rows as they reach the model.
    """
    kinds = (FixedThresholdClassifier, TunedThresholdClassifierCV)
    outer = next((outer for outer in _wrapped(estimator) if isinstance(outer, kinds)), None)
    if outer is None:
        return targets
    outer, rows = copy(outer), slice(0, COMPARED)
    outer.estimator_ = model
    is_tuned = isinstance(outer, TunedThresholdClassifierCV)
    cut = outer.best_threshold_ if is_tuned else outer.threshold
    named = outer.response_method
    methods = ("predict_proba", "decision_function") if named == "auto" else (named,)
    of_probability = "predict_proba" in methods and hasattr(model, "predict_proba")
    if cut == "auto":
        cut = 0.5 if of_probability else 0.0
    found = ThresholdTargets(targets.classes, float(cut), of_probability, is_cut_tuned=is_tuned)
    eta = objective.training_predictor[rows]
    return found.agreeing(objective.loss, eta, outer.predict(features[rows]))


def _wrapped(estimator) -> list:
    """The wrappers around the model at the core of a fitted estimator, the outermost first."""
    if isinstance(estimator, Pipeline):
        return _wrapped(estimator.steps[-1][1])
    wrapper = wrapper_of(estimator)
    return [] if wrapper is None else [estimator, *_wrapped(getattr(estimator, wrapper.fitted))]


def is_placeholder(step):
    return step is None or isinstance(step, str)


def is_frozen(estimator) -> bool:
    """Whether an estimator as it was given holds a model that is fitted, and stays so."""
    if isinstance(estimator, FrozenEstimator):
        return True
    if isinstance(estimator, Pipeline):
        return is_frozen(estimator.steps[-1][1])
    wrapper = wrapper_of(estimator)
    return wrapper is not None and is_frozen(getattr(estimator, wrapper.template))


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
    wrapper = wrapper_of(estimator)
    if wrapper is None:
        return "", estimator
    # A regressor of a transformed target may be left to the default.
    template = getattr(estimator, wrapper.template)
    # Not its truth: an ensemble that is not fitted has no length.
    return innermost_path(LinearRegression() if template is None else template)


def behind(transformers, model, X):
    """Rows behind the transformers in front of a fitted model, which checks them itself."""
    check_is_fitted(model)
    for transformer in transformers:
        X = transformer.transform(X)
    return X


def model_rows(transformers, model, X, may_miss=False):
    """Rows as the model at the core of a fitted estimator takes them, checked against its fit.

    Parameters
    ----------
    transformers : list of fitted transformers
        The steps in front of the model.
    model : fitted estimator
    X : array-like of shape (n_rows, n_raw_features)
    may_miss : bool, default=False
        Whether the model takes rows with missing values.

    Returns
    -------
    ndarray, CSR matrix, StoredRows or array of another library, of shape (n_rows, n_features)
        Of float32 or float64. Rows that are stored stay where they are: they go through the
        transformers and the checks block by block, here and whenever they are read. Only what
        transformers make sparse is held.
    """
    check_is_fitted(model)
    options = {"reset": False, "accept_sparse": "csr", "dtype": list(FLOATS)}
    if may_miss:
        options["ensure_all_finite"] = "allow-nan"
    if not is_stored(X):
        for transformer in transformers:
            X = transformer.transform(X)
        if is_dispatched(X):
            options["dtype"] = [Place.of(X).own_dtype(dtype) for dtype in FLOATS]
        return X if _is_valid(model, X) else validate_data(model, X, **options)
    X = StoredRows(X, transformers)
    blocks = (validate_data(model, X.transformed(rows), **options) for rows in X.reads())
    if sparse.issparse(X[:1]):
        return sparse.vstack(list(blocks), format="csr")
    for _ in blocks:
        pass
    return X


def _is_valid(model, X):
    """Whether rows are surely what validation would return as they are, which takes it longer."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in FLOATS or not X.size:
        return False
    fitted = vars(model)
    if fitted.get("n_features_in_") != X.shape[1] or "feature_names_in_" in fitted:
        return False
    are_finite: list[bool] = []
    blocks = list(row_blocks(len(X), X[0].nbytes, CACHED_BYTES))
    for_each(lambda rows: _has_finite_sum(X[rows]), blocks, are_finite.append)
    return all(are_finite)


def _has_finite_sum(X):
    # Threads have settings of their own.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))


def rebuild(estimator, model):
    """The estimator with another fitted model at its core, without search or FrozenEstimator."""
    if isinstance(estimator, Pipeline):
        changed = copy(estimator)
        name, last = estimator.steps[-1]
        changed.steps = [*estimator.steps[:-1], (name, rebuild(last, model))]
        return changed
    wrapper = wrapper_of(estimator)
    if wrapper is None:
        return model
    inner = rebuild(getattr(estimator, wrapper.fitted), model)
    if not wrapper.stays:
        return inner
    changed = copy(estimator)
    setattr(changed, wrapper.fitted, inner)
    return changed
