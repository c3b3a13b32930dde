"""CatBoost: CatBoostClassifier and CatBoostRegressor, by public calls.

Permutations, draws and noise choose the structure of a tree; the values of its leaves follow from
all training rows that are in them. They take ``leaf_estimation_iterations`` steps, with
``l2_leaf_reg`` times the mean weight of the rows, and the sum of these is multiplied by the
learning rate. Weights and targets are of single precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier

from ...losses import LogLink, Loss, PoissonDeviance, SquaredError
from ...trees import (
    BoostedTrees,
    Estimation,
    FixedStart,
    GradientSteps,
    Leaves,
    LogStep,
    MeanStart,
    NewtonStep,
    NewtonSteps,
    PoissonStep,
    SoftmaxStep,
    SquaredStep,
    Start,
    Step,
)
from .._boosting import BoostingAdapter, log_loss, softmax_loss
from .._targets import BoundedTargets
from ._catboost_steps import lengths_of_steps

#: Losses that are covered, and the link of the mean that boost_from_average starts from.
LINKS = {
    "RMSE": "identity",
    "Logloss": "logit",
    "CrossEntropy": "logit",
    "MultiClass": None,
    "Poisson": None,
}
#: Estimation of leaves that is covered.
METHODS = {"Newton": NewtonSteps, "Gradient": GradientSteps}
#: Options that must have these values, and what they do otherwise.
NEUTRAL = {
    "task_type": ("CPU", "estimates leaves in single precision"),
    "langevin": (False, "adds noise to the gradients of leaves"),
    "posterior_sampling": (False, "adds noise to the gradients of leaves"),
    "model_shrink_rate": (0, "shrinks the trees that are there with each new one"),
    "eval_fraction": (0, "holds out rows that it does not tell: pass them as eval_set"),
}


class CatBoostAdapter(BoostingAdapter):
    """Losses whose gradients move with the predictions, on features that are numbers."""

    causes = (
        "Trees that were fitted with a baseline, further from an init_model, or to other rows "
        "before, and values that were set by hand, are not covered, nor are monotone_constraints "
        "where they hold a leaf back, nor leaves without any l2_leaf_reg that all rows agree in."
    )

    def targets(self, model):
        if _loss_name(model) == "Poisson":
            return BoundedTargets(PoissonDeviance(LogLink()).targets, type(model).__name__)
        return super().targets(model)

    def leaves_of(self, model, X):
        n_outputs = _step(model).n_outputs
        positions = np.asarray(model.calc_leaf_indexes(X)).T
        sizes = np.asarray(model.get_tree_leaf_counts())
        return Leaves.of(np.repeat(positions, n_outputs, axis=0), np.repeat(sizes, n_outputs))

    def trees(self, model, X, y, sample_weight):
        options = model.get_all_params()
        self.check(model, options)
        step, n_stages = _step(model), int(model.tree_count_)
        weight = _weights(model, options, y, sample_weight)
        y = y if is_classifier(model) else y.astype(np.float32).astype(np.float64)
        start_values = np.broadcast_to(np.float64(model.get_scale_and_bias()[1]), step.n_outputs)
        trees = BoostedTrees(
            step=step,
            start=_start(model, options, step.n_outputs),
            estimation=Estimation(),
            y=y,
            weight=weight,
            leaves=self.leaves_of(model, X),
            outputs=np.tile(np.arange(step.n_outputs), n_stages),
            stages=np.repeat(np.arange(n_stages), step.n_outputs),
            values=_values(model, step.n_outputs),
            start_values=start_values,
        )
        return replace(trees, estimation=_estimation(trees, options))

    def check(self, model: Any, options: Mapping[str, Any]) -> None:
        """Refuse options that change leaf values in ways that are not covered."""
        name = type(model).__name__
        if _loss_name(model) not in LINKS:
            raise ValueError(
                f"{name} with loss_function={options['loss_function']!r} is not covered. Losses "
                f"that are: {', '.join(LINKS)}."
            )
        if options["leaf_estimation_method"] not in METHODS:
            raise ValueError(
                f"{name} with leaf_estimation_method={options['leaf_estimation_method']!r} is not "
                f"covered. Methods that are: {', '.join(METHODS)}."
            )
        for option, (value, effect) in NEUTRAL.items():
            if options.get(option, value) != value:
                raise ValueError(
                    f"{name} with {option}={options[option]!r} {effect}, which is not covered. "
                    f"Fit it with {option}={value!r}."
                )
        if is_classifier(model) and list(model.classes_) != sorted(model.classes_):
            raise ValueError(
                f"The classes of this {name} are in the order {list(model.classes_)}. Give "
                "class_weights (as a dict) and class_names in ascending order."
            )
        if model.get_scale_and_bias()[0] != 1:
            raise ValueError(
                f"The predictions of this {name} were rescaled by set_scale_and_bias, which does "
                "not follow from its rows. Explain it with a scale of 1."
            )
        encoded = {
            "categories": model.get_cat_feature_indices(),
            "text": model.get_text_feature_indices(),
            "embeddings": model.get_embedding_feature_indices(),
        }
        for kind, columns in encoded.items():
            if columns:
                raise ValueError(
                    f"{name} has columns of {kind} ({columns[:5]}), which it encodes by the "
                    "targets of rows. Encode them in front of it: make_pipeline(encoder, model), "
                    "such as OneHotEncoder in a ColumnTransformer."
                )

    def loss(self, model) -> tuple[Loss, np.ndarray]:
        name = _loss_name(model)
        if name == "MultiClass":
            return softmax_loss(len(model.classes_))
        if name in ("Logloss", "CrossEntropy"):
            return log_loss()
        loss = SquaredError() if name == "RMSE" else PoissonDeviance(LogLink())
        return loss, np.eye(1)


def _loss_name(model: Any) -> str:
    return str(model.get_all_params()["loss_function"]).partition(":")[0]


def _step(model: Any) -> Step:
    name = _loss_name(model)
    if name == "MultiClass":
        return SoftmaxStep(len(model.classes_))
    return {"RMSE": SquaredStep, "Poisson": PoissonStep}.get(name, LogStep)()


def _start(model: Any, options: Mapping[str, Any], n_outputs: int) -> Start:
    """Zeros, or the link of the mean."""
    link = LINKS[_loss_name(model)]
    if link is None or not options["boost_from_average"]:
        return FixedStart(np.zeros(n_outputs))
    return MeanStart(link)


def _weights(
    model: Any, options: Mapping[str, Any], y: np.ndarray, sample_weight: np.ndarray
) -> np.ndarray:
    """What rows weigh: sample weights and, also where it balances them itself, class weights."""
    weight = sample_weight.astype(np.float32)
    if options.get("class_weights") is not None:
        weight = weight * np.asarray(options["class_weights"], np.float32)[y]
    return weight.astype(np.float64)


def _values(model: Any, n_outputs: int) -> np.ndarray:
    """Leaf values, of each tree those of one predictor after the other."""
    each = np.split(
        np.asarray(model.get_leaf_values()).reshape(-1, n_outputs),
        np.cumsum(model.get_tree_leaf_counts())[:-1],
    )
    return np.concatenate([values.T.ravel() for values in each])


def _estimation(trees: BoostedTrees, options: Mapping[str, Any]) -> Estimation:
    """How the leaves took their steps."""
    n_steps, rate = options["leaf_estimation_iterations"], options["learning_rate"]
    l2 = options["l2_leaf_reg"] * trees.weight.mean()
    is_newton = options["leaf_estimation_method"] == "Newton"
    if n_steps == 1 and trees.n_outputs == 1 and is_newton:
        return NewtonStep(np.full(trees.leaves.n_trees, rate), l2)
    taken = [[1.0] * n_steps] * len(trees.stage_trees)
    estimation = METHODS[options["leaf_estimation_method"]](rate, l2, taken)
    if n_steps == 1 or options["leaf_estimation_backtracking"] == "No":
        return estimation
    estimation.lengths = lengths_of_steps(trees, estimation, n_steps)
    return estimation


ADAPTERS = {
    "catboost.CatBoostClassifier": CatBoostAdapter(),
    "catboost.CatBoostRegressor": CatBoostAdapter(),
}
