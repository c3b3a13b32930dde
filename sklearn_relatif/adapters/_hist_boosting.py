"""scikit-learn's HistGradientBoostingClassifier and HistGradientBoostingRegressor.

They round the gradients of rows to single precision before they sum them, so that leaf values are
those of the recursion up to some 1e-8 of what they were if gradients of both signs did not cancel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_array, compute_sample_weight
from sklearn.utils.validation import validate_data

from ..trees import BoostedTrees, Leaves, NewtonStep
from ..utils._frames import library_of
from ._hist_leaves import HistTree, hist_trees, leaf_numbers, seed_of_split, start_of
from ._registry import register
from ._sklearn_boosting import SklearnBoostingAdapter, not_held_out
from ._wrappers import behind

#: Rows by which it chooses thresholds, which it draws where there are more.
BINNED_ROWS = 200_000
#: The relative error of a gradient in single precision, and of those that follow from it.
ROUNDING = 4 * 2.0**-24


class HistBoostingAdapter(SklearnBoostingAdapter):
    """Both of them, with all options that leave the values of leaves to the rows in them."""

    def has_held_out(self, model):
        """So it did unless it was given other rows to stop by, of which it does not tell."""
        return bool(model.do_early_stopping_) and model.validation_fraction is not None

    def is_seeded(self, model):
        """So they are without a seed as well, unless something is drawn."""
        n_rows = hist_trees(model)[0].counts.sum()
        draws = model.max_features < 1 or n_rows > BINNED_ROWS
        return super().is_seeded(model) or not draws

    def held(self, model):
        return super().held(model).set_params(early_stopping=False, max_iter=model.n_iter_)

    def model_rows(self, transformers, model, X):
        """Rows as the model takes them, which encodes categories and places missing values."""
        X = behind(transformers, model, X)
        if library_of(X) is None:  # A frame stays, whose columns the model may know by name.
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

    def trees(self, model, X, y, sample_weight):
        descent, trees, leaves = self.descent(model), hist_trees(model), self.leaves_of(model, X)
        is_fitted = self.rows_of_fit(model, y, leaves, trees[0])
        # Classes are known to it by their positions, also as keys of class_weight.
        class_weight = compute_sample_weight(model.get_params().get("class_weight"), y)
        weight = np.where(is_fitted, sample_weight * class_weight, 0.0)
        if is_classifier(model):
            check_classes(model, y, weight)
        n_outputs = model.n_trees_per_iteration_
        # A tree that found no split adds nothing, whatever its rows.
        rate = np.where(leaves.sizes > 1, model.learning_rate, 0.0)
        return BoostedTrees(
            step=descent.step,
            start=descent.start,
            estimation=NewtonStep(rate, model.l2_regularization),
            y=y,
            weight=weight,
            leaves=leaves,
            outputs=np.arange(len(trees)) % n_outputs,
            stages=np.arange(len(trees)) // n_outputs,
            values=np.concatenate([tree.values for tree in trees]),
            start_values=start_of(model),
        )

    def rows_of_fit(self, model: Any, y: np.ndarray, leaves: Leaves, first: HistTree) -> np.ndarray:
        """Which rows the trees were fitted on, shape (n_rows,).

        The model does not tell, but how many there were in each leaf of its first tree.

        Raises
        ------
        ValueError
            If there are other numbers of rows in these.
        """
        guesses = [np.ones(len(y), bool)]
        if self.has_held_out(model):
            guesses.insert(0, not_held_out(model, y, seed_of_split(model)))
        for guess in guesses:
            counts = np.bincount(leaves.positions[0, guess], minlength=len(first.counts))
            if np.array_equal(counts, first.counts):
                return guess
        raise ValueError(
            f"{type(model).__name__} was fitted on other rows: the leaves of its first tree had "
            f"{first.counts.tolist()} rows, and of these they have {counts.tolist()}. Pass exactly "
            "what it was fitted on."
        )

    def rounding(self, trees):
        """As much as it may be in the first stage: later ones have smaller gradients.

        Where they cancel almost, as of labels that no feature tells, it is more than the tolerance.
        """
        stage, eta = next(trees.stages_of(trees.solved))
        gradient = np.abs(trees.step.gradient(trees.y, eta)) * trees.weight
        curvature = trees.step.curvature(trees.y, eta) * trees.weight
        largest = 0.0
        for tree in stage:
            output, estimation = trees.outputs[tree], trees.estimation
            sums = trees.leaves.summed(gradient[output], tree)
            bends = trees.leaves.summed(curvature[output], tree) + estimation.l2
            largest = max(largest, float((estimation.rate[tree] * sums / bends).max()))
        return ROUNDING * largest

    def causes(self, model):
        if model.monotonic_cst is None:
            return super().causes(model)
        return (
            "Its monotonic_cst holds the values of leaves at those of their neighbours, which is "
            "not covered: fit it without."
        )


def check_classes(model: Any, y: np.ndarray, weight: np.ndarray) -> None:
    """Refuse a fit that saw one class only, or none of one: no row moves where it started then.

    Raises
    ------
    ValueError
    """
    has_rows = np.bincount(y, weight, minlength=len(model.classes_)) > 0
    if np.count_nonzero(has_rows) > 1 and has_rows.all():
        return
    raise ValueError(
        f"The trees of this {type(model).__name__} were fitted on the classes "
        f"{model.classes_[has_rows].tolist()} only, of {model.classes_.tolist()}. Fit it on "
        "rows of two classes or more, some of each left when early stopping has held out its own."
    )


for _name in ("Classifier", "Regressor"):
    register(f"sklearn.ensemble.HistGradientBoosting{_name}", HistBoostingAdapter())
