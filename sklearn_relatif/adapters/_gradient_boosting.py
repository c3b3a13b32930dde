"""scikit-learn's GradientBoostingClassifier and GradientBoostingRegressor."""

from __future__ import annotations

from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from ..trees import BoostedTrees, FixedStart, NewtonStep
from ._registry import register
from ._sklearn_boosting import SklearnBoostingAdapter, not_held_out
from ._trees import leaf_values, numbered_leaves


class GradientBoostingAdapter(SklearnBoostingAdapter):
    """Both of them, whose trees are regression trees that were given other values."""

    def has_held_out(self, model):
        return model.n_iter_no_change is not None

    def held(self, model):
        held = {"n_iter_no_change": None, "n_estimators": model.n_estimators_}
        return super().held(model).set_params(**held)

    def leaves_of(self, model, X):
        return numbered_leaves(_trees(model), X)

    def trees(self, model, X, y, sample_weight):
        descent = self.descent(model)
        check_covered(model)
        n_outputs, leaves = model.estimators_.shape[1], self.leaves_of(model, X)
        n_trees, outputs = leaves.n_trees, np.arange(leaves.n_trees) % n_outputs
        # Friedman's factor for several classes, which multiplies the learning rate.
        rate = model.learning_rate * ((n_outputs - 1) / n_outputs if n_outputs > 1 else 1.0)
        values = [leaf_values(tree)[:, 0] for tree in _trees(model)]
        starts_at_zero = isinstance(model.init, str)
        weight = sample_weight
        if self.has_held_out(model):
            weight = np.where(not_held_out(model, y, model.random_state), sample_weight, 0.0)
        return BoostedTrees(
            step=descent.step,
            start=FixedStart(np.zeros(n_outputs)) if starts_at_zero else descent.start,
            estimation=NewtonStep(np.full(n_trees, rate)),
            y=y,
            weight=weight,
            leaves=leaves,
            outputs=outputs,
            stages=np.arange(n_trees) // n_outputs,
            values=model.learning_rate * np.concatenate(values),
            start_values=_start_of(model, X[:1], values, leaves),
        )


def check_covered(model: Any) -> None:
    """Refuse options that change the values of leaves in ways that the model does not tell.

    Raises
    ------
    ValueError
    """
    name = type(model).__name__
    if model.subsample < 1:
        raise ValueError(
            f"{name} with subsample={model.subsample} drew other rows for each tree, and does not "
            "tell which. Fit it with subsample=1.0."
        )
    if not (model.init is None or isinstance(model.init, str)):
        raise ValueError(
            f"{name} starts from the predictions of its init={model.init!r}, a model of the same "
            "rows. Fit it with init=None or init='zero'."
        )
    if model.n_iter_no_change is not None and not isinstance(model.random_state, Integral):
        raise ValueError(
            f"{name} with n_iter_no_change={model.n_iter_no_change} held out rows, and with "
            f"random_state={model.random_state!r} it is not known which. Fit it with a number as "
            "its random_state."
        )


def _trees(model: Any) -> list[Any]:
    """The trees, in the order of stages and predictors."""
    return list(model.estimators_.ravel())


def _start_of(model, X, values, leaves):
    """The predictors before the first tree: what the trees have not added to those of one row."""
    n_outputs, model = model.estimators_.shape[1], copy(model)
    # Rows have been checked by their names already, and have none any more.
    vars(model).pop("feature_names_in_", None)
    predictors = model.decision_function(X) if is_classifier(model) else model.predict(X)
    added = [own[place] for own, place in zip(values, leaves.positions[:, 0], strict=True)]
    stages = np.reshape(added, (-1, n_outputs))
    return predictors.ravel() - model.learning_rate * stages.sum(axis=0)


for _name in ("Classifier", "Regressor"):
    register(f"sklearn.ensemble.GradientBoosting{_name}", GradientBoostingAdapter())
