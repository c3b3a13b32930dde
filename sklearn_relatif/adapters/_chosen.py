"""What a fit has chosen: by a search around the model, or by the model itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ._registry import adapter_of
from ._wrappers import FROZEN, SEARCH, wrapper_of


def chosen(estimator: Any) -> dict[str, Any]:
    """The parameters that the fit of an estimator has chosen, by their names in a pipeline.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    dict of str to object
        Empty where there was no choice. Choices of transformers are not among them.
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        return {f"{name}__{key}": value for key, value in chosen(last).items()}
    wrapper = wrapper_of(estimator)
    if wrapper is None:
        return adapter_of(estimator).chosen(estimator)
    inner = chosen(getattr(estimator, wrapper.fitted))
    return {**estimator.best_params_, **inner} if wrapper is SEARCH else inner


def held(estimator: Any) -> Any:
    """An estimator to fit that is given what the fit of another has chosen.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    estimator
        Without the searches around the model, and otherwise with all that fit does.
    """
    if isinstance(estimator, Pipeline):
        template, (name, last) = clone(estimator), estimator.steps[-1]
        template.steps[-1] = (name, held(last))
        return template
    wrapper = wrapper_of(estimator)
    if wrapper is None:
        return adapter_of(estimator).held(estimator)
    if wrapper is SEARCH:
        return held(getattr(estimator, wrapper.fitted))
    if wrapper is FROZEN:
        return estimator
    inner = held(getattr(estimator, wrapper.fitted))
    return clone(estimator).set_params(**{wrapper.template: inner})


def given(kind: type, model: Any, **parameters: Any) -> Any:
    """An estimator of a kind with some parameters, and all others that it shares with a model."""
    names = kind().get_params()
    shared = {name: value for name, value in model.get_params(deep=False).items() if name in names}
    return kind(**{**shared, **parameters})


def one_value(values: Any) -> Any:
    """What a fit has chosen for all of its outputs; an array where it differs."""
    distinct = set(np.ravel(values).tolist())
    return distinct.pop() if len(distinct) == 1 else np.asarray(values)
