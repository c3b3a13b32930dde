"""scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor.

They round the gradients of rows to single precision before they sum them, so that leaf values are
those of the recursion up to some 1e-8 of the largest prediction, and no closer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array, compute_sample_weight
from sklearn.utils.validation import check_is_fitted, validate_data

from ..losses import LogLink, Loss, PoissonDeviance, SquaredError, TweedieDeviance
from ..trees import (
    BoostedTrees,
    Leaves,
    LogStep,
    MeanStart,
    NewtonStep,
    PoissonStep,
    PriorStart,
    SoftmaxStep,
    SquaredStep,
    Start,
    Step,
    TweedieStep,
)
from ._boosting import BoostingAdapter, log_loss, softmax_loss
from ._hist_leaves import HistTree, hist_trees, leaf_numbers, seed_of_split, start_of
from ._registry import register
from ._targets import BoundedTargets


class Descent(NamedTuple):
    """What a boosted model descends: where from, by which steps, and by which loss queries enter.

    Attributes
    ----------
    start : Start
    step : Step
    loss : Loss
    outputs : ndarray of shape (n_predictors, n_outputs)
        What the loss takes, by the predictors of the trees.
    """

    start: Start
    step: Step
    loss: Loss
    outputs: np.ndarray


def _of_classes(model):
    n_classes = len(model.classes_)
    if n_classes > 2:
        start = PriorStart(n_classes, is_centred=True)
        return Descent(start, SoftmaxStep(n_classes), *softmax_loss(n_classes))
    return Descent(MeanStart("logit"), LogStep(), *log_loss())


#: By the name of the loss of a model.
DESCENTS: dict[str, Callable[[Any], Descent]] = {
    "log_loss": _of_classes,
    "squared_error": lambda model: Descent(MeanStart(), SquaredStep(), SquaredError(), np.eye(1)),
    "poisson": lambda model: Descent(
        MeanStart("log"), PoissonStep(), PoissonDeviance(LogLink()), np.eye(1)
    ),
    "gamma": lambda model: Descent(
        MeanStart("log"), TweedieStep(2), TweedieDeviance(2, LogLink()), np.eye(1)
    ),
}


class HistBoostingAdapter(BoostingAdapter):
    """Both of them, with all options that leave the values of leaves to their rows."""

    def targets(self, model):
        if model.loss in ("poisson", "gamma"):
            return BoundedTargets(_descent(model).loss.targets, type(model).__name__)
        return super().targets(model)

    def removal_changes_objective(self, model):
        """Of fewer rows, others would be held out."""
        return super().removal_changes_objective(model) or _has_held_out(model)

    def draws_rows(self, model):
        return _has_held_out(model)

    def model_rows(self, transformers, model, X):
        """Rows as the model takes them, which encodes categories and places missing values."""
        check_is_fitted(model)
        for transformer in transformers:
            X = transformer.transform(X)
        if not hasattr(X, "columns"):  # A frame stays: the model may know its columns by name.
            dtype = np.float64 if model.is_categorical_ is None else None
            X = check_array(X, dtype=dtype, ensure_all_finite=False)
        validate_data(model, X, reset=False, skip_check_array=True)
        return X

    def leaves_of(self, model, X):
        sizes = [len(tree.values) for tree in hist_trees(model)]
        positions = np.empty((len(sizes), X.shape[0]), np.min_scalar_type(max(sizes) - 1))
        for own, numbers in zip(positions, leaf_numbers(model, X), strict=True):
            own[:] = numbers
        return Leaves.of(positions, sizes)

    def loss(self, model):
        descent = _descent(model)
        return descent.loss, descent.outputs

    def trees(self, model, X, y, sample_weight):
        descent, trees, leaves = _descent(model), hist_trees(model), self.leaves_of(model, X)
        is_fitted = _rows_of_fit(model, y, leaves, trees[0])
        n_outputs = model.n_trees_per_iteration_
        # A tree that found no split adds nothing, whatever its rows.
        rate = np.where(leaves.sizes > 1, model.learning_rate, 0.0)
        return BoostedTrees(
            step=descent.step,
            start=descent.start,
            estimation=NewtonStep(rate, model.l2_regularization),
            y=y,
            weight=np.where(is_fitted, _weights(model, y, sample_weight), 0.0),
            leaves=leaves,
            outputs=np.arange(len(trees)) % n_outputs,
            stages=np.arange(len(trees)) // n_outputs,
            values=np.concatenate([tree.values for tree in trees]),
            start_values=start_of(model),
        )

    def causes(self, model):
        """What else may be wrong where leaf values do not follow from the rows."""
        causes = []
        if model.monotonic_cst is not None:
            causes.append(
                "monotonic_cst holds the values of leaves at those of their neighbours, which is "
                "not covered: fit it without."
            )
        if model.warm_start:
            causes.append(
                "With warm_start=True, it may have been fitted on other rows before, or with other "
                "options: fit it at once."
            )
        return " ".join(causes)


def _descent(model: Any) -> Descent:
    """What a model descends, of those losses of which leaf values are Newton steps."""
    if model.loss not in DESCENTS:
        raise ValueError(
            f"{type(model).__name__} with loss={model.loss!r} cannot be explained: it sets the "
            "values of leaves to quantiles of their rows' errors, or to what is not known. Losses "
            f"that are covered: {', '.join(sorted(DESCENTS))}."
        )
    return DESCENTS[model.loss](model)


def _weights(model: Any, y: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
    """What rows weigh, their classes included, which it knows by their positions."""
    class_weight = model.get_params().get("class_weight")
    return sample_weight * compute_sample_weight(class_weight, y)


def _has_held_out(model: Any) -> bool:
    """Whether a fit held out rows to stop early by, unless it was given others for that."""
    return bool(model.do_early_stopping_) and model.validation_fraction is not None


def _rows_of_fit(model: Any, y: np.ndarray, leaves: Leaves, first: HistTree) -> np.ndarray:
    """Which rows a fit did not hold out for early stopping, shape (n_rows,).

    It does not tell, but how many were in each leaf of the first tree.

    Parameters
    ----------
    model : fitted estimator
    y : ndarray of shape (n_rows,)
    leaves : Leaves
        Of all rows.
    first : HistTree
    """
    everyone = np.ones(len(y), bool)
    # Rows to stop by may have been given to fit, too: then, none of the others were held out.
    guesses = [_not_held_out(model, y), everyone] if _has_held_out(model) else [everyone]
    for guess in guesses:
        counts = np.bincount(leaves.positions[0, guess], minlength=len(first.counts))
        if np.array_equal(counts, first.counts):
            return guess
    raise ValueError(
        f"{type(model).__name__} was not fitted on these rows: other numbers of them are in the "
        f"leaves of its first tree, {first.counts.sum()} in all. Pass exactly the rows that it was "
        "fitted on."
    )


def _not_held_out(model, y):
    """The same split of the rows as in the fit."""
    rows, _ = train_test_split(
        np.arange(len(y)),
        test_size=model.validation_fraction,
        stratify=y if is_classifier(model) else None,
        random_state=seed_of_split(model),
    )
    return np.isin(np.arange(len(y)), rows)


for _name in ("Classifier", "Regressor"):
    register(f"sklearn.ensemble.HistGradientBoosting{_name}", HistBoostingAdapter())
