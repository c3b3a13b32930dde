"""What a model at the core of an estimator was trained on, which is not always ``transform(X)``.

A transformer may give training rows other values than it gives them later (a target encoder
leaves the row's own label out), a sampler adds and drops rows, and metadata routing decides which
weights arrive. So what reaches the ``fit`` of the model is taken down as it arrives there. Nothing
of that is left on the fitted estimator: instances carry another ``fit`` only until it is called.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any, NamedTuple
from weakref import ref

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ._base import Adapter
from ._registry import find_adapter
from ._wrappers import is_sampler, samplers, split_pipeline, wrapper_of

#: Transformers whose ``fit_transform`` gives other values than their ``transform``, by package and
#: name, so that none of them has to be imported.
FIT_TRANSFORM_DIFFERS = {
    "sklearn.TargetEncoder",
    "category_encoders.CatBoostEncoder",
    "category_encoders.LeaveOneOutEncoder",
    "category_encoders.NestedCVWrapper",
}


class TrainingData(NamedTuple):
    """What reached the ``fit`` of a model.

    Attributes
    ----------
    X : array-like of shape (n_rows, n_features)
    y : array-like of shape (n_rows,)
    sample_weight : array-like of shape (n_rows,), float or None
    """

    X: Any
    y: Any
    sample_weight: Any


class Recordings:
    """What reached the ``fit`` of each model that is still there: a search soon drops most.

    Models are told apart by which they are: some compare, or have no hash, by what they predict.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[ref[Any], TrainingData]] = {}

    def keep(self, model: Any, data: TrainingData) -> None:
        """Keep what reached the ``fit`` of a model while it is there."""
        place = id(model)
        self._found[place] = ref(model, lambda _: self._found.pop(place, None)), data

    def of(self, model: Any) -> TrainingData | None:
        """What reached the ``fit`` of a model, if that is known."""
        found = self._found.get(id(model))
        return None if found is None else found[1]

    def __len__(self) -> int:
        return len(self._found)

    def __reduce__(self):
        # Workers fit for the folds, whose models are dropped: what reaches them is not asked for.
        return type(self), ()


@contextmanager
def recording(estimator, seen: Recordings) -> Iterator[None]:
    """While this is open, ``seen`` gets what reaches the model at the core of an estimator.

    A search fits clones, the best of them last, and other wrappers fit clones too: each clone of
    their template records in its turn.

    Parameters
    ----------
    estimator : estimator
        About to be fitted.
    seen : Recordings
    """
    if isinstance(estimator, Pipeline):
        with recording(estimator.steps[-1][1], seen):
            yield
        return
    wrapper = wrapper_of(estimator)
    template = estimator if wrapper is None else getattr(estimator, wrapper.template)
    if isinstance(estimator, FrozenEstimator) or not hasattr(template, "fit"):
        yield
    elif wrapper is None:
        with _hooks(estimator, fit=_fit_and_take_down, seen=seen):
            yield
    else:
        with _hooks(template, __sklearn_clone__=_clone_and_record, seen=seen):
            yield


@contextmanager
def _hooks(estimator, seen, **functions):
    """Functions in the place of methods of one instance, which they get as first argument."""
    try:
        for name, function in functions.items():
            setattr(estimator, name, partial(function, estimator, seen))
        yield
    finally:
        _unhook(estimator)


def _unhook(estimator):
    for name in ("fit", "__sklearn_clone__"):
        vars(estimator).pop(name, None)


def _fit_and_take_down(model, seen, /, *args, **kwargs):
    _unhook(model)
    given = inspect.signature(model.fit).bind(*args, **kwargs).arguments
    adapter = find_adapter(model) or Adapter()
    # Some name several targets by a capital letter, and some are fitted without any.
    y = given["y"] if "y" in given else given.get("Y")
    seen.keep(model, TrainingData(given["X"], y, adapter.weight_of_fit(model, given)))
    return model.fit(*args, **kwargs)


def _clone_and_record(template, seen, /):
    # Without the hook, in a copy of its own: others may be cloning the template.
    bare = copy(template)
    _unhook(bare)
    copied = clone(bare)
    copied.__sklearn_clone__ = partial(_clone_and_record, copied, seen)
    copied.fit = partial(_fit_and_record, copied, seen)
    return copied


def _fit_and_record(copied, seen, /, *args, **kwargs):
    # Its last step may have been replaced since it was cloned.
    _unhook(copied)
    with recording(copied, seen):
        return copied.fit(*args, **kwargs)


def positions_of_resampled(estimator, n_rows: int, n_seen: int) -> np.ndarray:
    """The user's row behind each row that the model was trained on.

    Parameters
    ----------
    estimator : fitted estimator
    n_rows : int
        Number of rows that the user gave.
    n_seen : int
        Number of rows that reached the model.

    Returns
    -------
    ndarray of int, shape (n_seen,)

    Raises
    ------
    ValueError
        If the rows that reached the model are none of the user's.
    """
    positions = np.arange(n_rows)
    for sampler in samplers(estimator):
        if not hasattr(sampler, "sample_indices_"):
            raise ValueError(
                f"{type(sampler).__name__} makes training rows that are none of the rows in X, "
                "so they cannot be told by its index. Explain the model on the rows that it was "
                "trained on: RelatIFExplainer.from_fitted(pipeline[-1], X_seen, y_seen), with "
                "what the sampler returned."
            )
        positions = positions[np.asarray(sampler.sample_indices_)]
    if len(positions) != n_seen:
        raise ValueError(
            f"The model was trained on {n_seen} rows, but X has {n_rows}, and it is not known "
            "which of them they are. Explain the model on the rows that it was trained on: "
            "RelatIFExplainer.from_fitted(pipeline[-1], X_seen, y_seen)."
        )
    return positions


def warn_if_transform_differs(estimator) -> None:
    """Warn where ``transform(X)`` is known not to be what the model was trained on.

    Parameters
    ----------
    estimator : fitted estimator
    """
    steps = [*split_pipeline(estimator)[0], *samplers(estimator)]
    parts = [part for step in steps for part in _parts(step)]
    names = sorted({type(part).__name__ for part in parts if _trains_on_other_rows(part)})
    if names:
        warnings.warn(
            f"The model was not trained on what the pipeline makes of X now: {', '.join(names)} "
            "gives other rows to train on than it gives afterwards. Effects can be wrong by "
            "far. Let RelatIFExplainer(pipeline).fit(X, y) fit the pipeline, which keeps the rows "
            "that reach the model; or pass them, if you have them: "
            "RelatIFExplainer.from_fitted(pipeline[-1], X_seen, y_seen).",
            UserWarning,
            stacklevel=6,
        )


def _parts(step):
    return [step, *step.get_params().values()] if hasattr(step, "get_params") else [step]


def _trains_on_other_rows(part):
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(part).__mro__}
    # Encoders of category_encoders add noise to training rows if they are randomized.
    is_noisy = getattr(part, "randomized", False) is True
    return is_sampler(part) or is_noisy or not kinds.isdisjoint(FIT_TRANSFORM_DIFFERS)
