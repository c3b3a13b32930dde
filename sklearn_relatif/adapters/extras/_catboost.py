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
from sklearn.utils import check_array

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
    ShiftedStart,
    SoftmaxStep,
    SquaredStep,
    Start,
    Step,
    replay_error,
)
from ...utils._frames import library_of
from .._boosting import BoostingAdapter, log_loss, softmax_loss
from .._targets import BoundedTargets
from .._wrappers import FLOATS, behind
from ._boosters import check_columns, in_single_precision
from ._catboost_steps import lengths_of_steps

#: Losses that are covered, and the link of the mean that boost_from_average starts from.
LINKS = {
    "RMSE": "identity",
    "Logloss": "logit",
    "CrossEntropy": "logit",
    "MultiClass": None,
    "Poisson": None,
}
#: Parameters of fits that refits are told outright, by all of their names, or do without.
TOLD = {
    *("iterations", "n_estimators", "num_boost_round", "num_trees", "learning_rate", "eta"),
    *("l2_leaf_reg", "reg_lambda", "class_weights", "auto_class_weights", "scale_pos_weight"),
    *("use_best_model", "early_stopping_rounds", "od_type", "od_pval", "od_wait"),
}
#: Largest difference of leaf values, of the largest one, after steps that none was taken back of.
DIGITS = 1e-9
#: It has no penalty of 0 but one of 1e-20.
SMALLEST_L2 = 1e-10
#: Relative rounding of numbers of single precision.
ROUNDING = 1e-6
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

    has_default_seed = True

    def model_rows(self, transformers, model, X):
        """Rows as CatBoost takes them, with missing values; frames where it knows categories."""
        X = behind(transformers, model, X)
        _check_not_encoded(model)
        # It takes columns without names by their positions.
        check_columns(type(model).__name__, X, model.feature_names_, "{}")
        if library_of(X) is not None and model.get_cat_feature_indices():
            return X
        return check_array(X, accept_sparse="csr", dtype=list(FLOATS), ensure_all_finite=False)

    def causes(self, model):
        options = model.get_all_params()
        told = {
            "categories that are encoded by the targets of rows (set one_hot_max_size to their "
            "number, or encode them in front of the model)": model.get_cat_feature_indices(),
            "monotone_constraints that hold leaf values back": options.get("monotone_constraints"),
            "l2_leaf_reg=0, with which pure leaves have no end": options["l2_leaf_reg"]
            < SMALLEST_L2,
        }
        causes = [cause for cause, is_possible in told.items() if is_possible]
        causes += ["a baseline", "an init_model", "leaf values that were set by hand"]
        return f"Or fit it without what may also be the cause: {', '.join(causes)}."

    def targets(self, model):
        if _loss_name(model) == "Poisson":
            return BoundedTargets(PoissonDeviance(LogLink()).targets, type(model).__name__)
        if is_classifier(model) and list(model.classes_) != sorted(model.classes_):
            raise ValueError(
                f"The classes of this {type(model).__name__} are in the order "
                f"{np.asarray(model.classes_).tolist()}, which is that of its class_weights or "
                "class_names. Give these in ascending order."
            )
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
        weight = _weights(options, y, sample_weight)
        y = y if is_classifier(model) else in_single_precision(y)
        start_values = np.broadcast_to(np.float64(model.get_scale_and_bias()[1]), step.n_outputs)
        link = LINKS[_loss_name(model)] if options["boost_from_average"] else None
        trees = BoostedTrees(
            step=step,
            start=_start(link, start_values, y, weight),
            estimation=Estimation(),  # In its place: which steps they took, the leaf values tell.
            y=y,
            weight=weight,
            leaves=self.leaves_of(model, X),
            outputs=np.tile(np.arange(step.n_outputs), n_stages),
            stages=np.repeat(np.arange(n_stages), step.n_outputs),
            values=_values(model, step.n_outputs),
            start_values=start_values,
        )
        return _with_steps(trees, options)

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
        if model.get_scale_and_bias()[0] != 1:
            raise ValueError(
                f"The predictions of this {name} were rescaled by set_scale_and_bias, which does "
                "not follow from its rows. Explain it with a scale of 1."
            )

    def scores(self, model, X):
        scores: np.ndarray = model.predict(X, prediction_type="RawFormulaVal")
        return scores

    def loss(self, model) -> tuple[Loss, np.ndarray]:
        name = _loss_name(model)
        if name == "MultiClass":
            return softmax_loss(len(model.classes_))
        if name in ("Logloss", "CrossEntropy"):
            return log_loss()
        loss = SquaredError() if name == "RMSE" else PoissonDeviance(LogLink())
        return loss, np.eye(1)

    # --- without some rows -----------------------------------------------------------------------

    def chosen(self, model):
        """The learning rate, class weights and the number of trees, where it found them itself."""
        given, options = model.get_params(), model.get_all_params()
        found: dict[str, Any] = {}
        if not {"learning_rate", "eta"} & given.keys():
            found["learning_rate"] = options["learning_rate"]
        if options.get("auto_class_weights", "None") != "None":
            found["class_weights"] = options["class_weights"]
        if model.tree_count_ != options["iterations"]:
            found["iterations"] = model.tree_count_
        return found

    def held(self, model):
        options = model.get_all_params()
        told = {name: options[name] for name in ("learning_rate", "l2_leaf_reg")}
        if options.get("class_weights") is not None:
            told["class_weights"] = options["class_weights"]
        if model.get_cat_feature_indices():
            told["cat_features"] = model.get_cat_feature_indices()
        own = {name: value for name, value in model.get_params().items() if name not in TOLD}
        return type(model)(**{**own, "iterations": model.tree_count_, **told})

    def removal_changes_objective(self, model):
        """Also where the learning rate, or the weights of classes, follow from the rows."""
        return bool(self.chosen(model))


def _check_not_encoded(model: Any) -> None:
    """Refuse columns whose numbers are made of the targets of other rows."""
    encoded = [*model.get_text_feature_indices(), *model.get_embedding_feature_indices()]
    if encoded:
        raise ValueError(
            f"{type(model).__name__} encodes columns of text and embeddings ({encoded[:5]}) by the "
            "targets of rows. Encode them in front of it: make_pipeline(encoder, model)."
        )


def _loss_name(model: Any) -> str:
    return str(model.get_all_params()["loss_function"]).partition(":")[0]


def _step(model: Any) -> Step:
    name = _loss_name(model)
    if name == "MultiClass":
        return SoftmaxStep(len(model.classes_))
    return {"RMSE": SquaredStep, "Poisson": PoissonStep}.get(name, LogStep)()


def _start(link: str | None, given: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Start:
    """What was given, or that as the link of the mean, which is of single precision."""
    if link is None:
        return FixedStart(given)
    start = MeanStart(link)
    rounding = given - start.values(y, weight)
    is_rounding = np.abs(rounding) <= ROUNDING * np.maximum(np.abs(given), 1)
    return ShiftedStart(start, np.where(is_rounding, rounding, 0))


def _weights(options: Mapping[str, Any], y: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
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


def _with_steps(trees: BoostedTrees, options: Mapping[str, Any]) -> BoostedTrees:
    """The same with the steps that its leaves took."""
    n_steps, rate = options["leaf_estimation_iterations"], options["learning_rate"]
    l2 = options["l2_leaf_reg"] * trees.weight.mean()
    is_newton = options["leaf_estimation_method"] == "Newton"
    if n_steps == 1 and trees.n_outputs == 1 and is_newton:
        return replace(trees, estimation=NewtonStep(np.full(trees.leaves.n_trees, rate), l2))
    kind = METHODS[options["leaf_estimation_method"]]
    estimation = kind(rate, l2, [[1.0] * n_steps] * len(trees.stage_trees))
    whole = replace(trees, estimation=estimation)
    may_halve = n_steps > 1 and options["leaf_estimation_backtracking"] != "No"
    if not may_halve or replay_error(whole) <= DIGITS:
        return whole
    lengths = lengths_of_steps(trees, estimation, n_steps)
    return replace(trees, estimation=kind(rate, l2, lengths))


ADAPTERS = {
    "catboost.CatBoostClassifier": CatBoostAdapter(),
    "catboost.CatBoostRegressor": CatBoostAdapter(),
}
