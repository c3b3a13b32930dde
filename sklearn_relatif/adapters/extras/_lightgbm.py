"""LightGBM: LGBMClassifier and LGBMRegressor, from the leaf values that their boosters hold.

Gradients are rounded to single precision before LightGBM sums them up, and so are targets and
weights: the latter are here as well, and the former leave differences of some 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, check_array

from ...losses import LogLink, SquaredError, TweedieDeviance
from ...trees import (
    BoostedTrees,
    FixedStart,
    Leaves,
    LogStep,
    MeanStart,
    NewtonStep,
    PlainStart,
    PoissonStep,
    PriorStart,
    SoftmaxStep,
    SquaredStep,
    TweedieStep,
)
from ...utils._blocks import MAX_BLOCK, row_blocks
from .._boosting import BoostingAdapter, Descent, log_loss, softmax_loss
from .._class_weight import class_weight_of_rows
from .._targets import BoundedTargets
from .._wrappers import FLOATS, behind
from ._boosters import Refused, check_columns, check_covered, in_single_precision
from ._lightgbm_text import WrittenBooster, read_booster

#: Parameters by which training stops early, where they are above 0.
EARLY_STOPPING = {
    "early_stopping",
    "early_stopping_round",
    "early_stopping_rounds",
    "n_iter_no_change",
}
#: Leaf values are logarithms where the objective is none of squares: larger ones come of rows that
#: have next to no second derivatives, and make rounding grow from tree to tree.
LARGE_LOGARITHM = 30.0
#: Names for the number of trees an output.
ROUNDS = {
    "n_estimators",
    "num_iterations",
    "num_iteration",
    "n_iter",
    "num_tree",
    "num_trees",
    "num_round",
    "num_rounds",
    "nrounds",
    "num_boost_round",
    "max_iter",
}
#: Bytes of a row and a tree, while LightGBM looks its leaf up.
LOOKED_UP = 8 + 4


REFUSED = (
    Refused(
        lambda booster: booster.parameters["boosting"] == "dart",
        "boosting_type='dart', which scales trees again after they are grown,",
        "boosting_type='gbdt'",
    ),
    Refused(
        lambda booster: booster.parameters["boosting"] == "rf",
        "boosting_type='rf', which draws rows and does not tell which,",
        "RandomForestClassifier or RandomForestRegressor of scikit-learn",
    ),
    Refused(
        lambda booster: booster.parameters.get("data_sample_strategy") == "goss",
        "data_sample_strategy='goss', which draws rows and does not tell which,",
        "data_sample_strategy='bagging' and subsample_freq=0",
    ),
    Refused(
        lambda booster: _draws_rows(booster),
        "bagging (subsample below 1, subsample_freq above 0), which keeps its draws secret,",
        "subsample_freq=0; colsample_bytree and extra_trees=True make trees differ as well",
    ),
    Refused(
        lambda booster: booster.is_on("linear_tree"),
        "linear_tree=True, whose leaves hold no numbers but models,",
        "linear_tree=False",
    ),
    Refused(
        lambda booster: (
            booster.is_on("use_quantized_grad") and not booster.is_on("quant_train_renew_leaf")
        ),
        "use_quantized_grad=True, which rounds gradients at random,",
        "quant_train_renew_leaf=True, which finds leaf values from what they were",
    ),
    Refused(
        lambda booster: booster.number("path_smooth") > 0,
        "path_smooth, which draws leaf values towards those of nodes above,",
        "path_smooth=0 and a larger reg_lambda",
    ),
    Refused(
        lambda booster: booster.is_on("reg_sqrt"),
        "reg_sqrt=True, whose predictions are no sums of leaf values,",
        "a TransformedTargetRegressor around it with func=np.sqrt",
    ),
    Refused(
        lambda booster: _changes_rate(booster),
        "a learning rate that changes from tree to tree, which it tells in six digits only,",
        "one learning_rate and no reset_parameter among the callbacks",
    ),
)


OBJECTIVES: dict[str, Callable[[WrittenBooster], Descent]] = {
    "binary": lambda booster: Descent(MeanStart("logit"), LogStep(), *log_loss()),
    "multiclass": lambda booster: _of_classes(booster.n_outputs),
    "regression": lambda booster: Descent(MeanStart(), SquaredStep(), SquaredError(), np.eye(1)),
    "poisson": lambda booster: _of_means(
        1.0, PoissonStep(np.exp(booster.number("poisson_max_delta_step")))
    ),
    "gamma": lambda booster: _of_means(2.0, TweedieStep(2.0)),
    "tweedie": lambda booster: _of_means(_power(booster), TweedieStep(_power(booster))),
}


class LightGBMAdapter(BoostingAdapter):
    """Newton steps on gradients that LightGBM rounds; the first trees hold the start as well."""

    has_default_seed = True

    def held(self, model):
        """As many trees as were the best, or were added to others, without what would stop early.

        A fit that found no more splits may find some without some rows.
        """
        booster, held = read_booster(model.booster_), super().held(model)
        n_stages = len(booster.trees) // booster.n_outputs
        given = held.get_params().keys()
        if model.best_iteration_ or n_stages > model.n_estimators:
            held.set_params(**dict.fromkeys(given & ROUNDS, n_stages))
        return held.set_params(**dict.fromkeys(given & EARLY_STOPPING, 0))

    def options_of_fit(self, model):
        """The columns of categories, which a frame may tell by itself."""
        columns = np.flatnonzero(read_booster(model.booster_).n_categories > 1)
        return {"categorical_feature": columns.tolist()} if columns.size else {}

    def model_rows(self, transformers, model, X):
        """Rows as LightGBM takes them, with missing values; frames where it knows categories."""
        X = behind(transformers, model, X)
        # It takes columns by their positions, whatever their names, of which it writes no spaces.
        check_columns(
            type(model).__name__,
            X,
            model.feature_name_,
            "Column_{}",
            lambda name: str(name).replace(" ", "_"),
        )
        if hasattr(X, "columns") and model.booster_.pandas_categorical:
            return X
        return check_array(X, accept_sparse="csr", dtype=list(FLOATS), ensure_all_finite=False)

    def leaves_of(self, model, X):
        return leaves_of(model.booster_, X, read_booster(model.booster_).sizes)

    def scores(self, model, X):
        scores: np.ndarray = model.booster_.predict(X, raw_score=True)
        return scores

    def targets(self, model):
        booster = written_booster(model)
        if is_classifier(model) or booster.parameters["objective"] == "regression":
            return super().targets(model)
        return BoundedTargets(_descent(booster).loss.targets, type(model).__name__)

    def loss(self, model):
        descent = _descent(written_booster(model))
        return descent.loss, descent.outputs

    def causes(self, model):
        booster = read_booster(model.booster_)
        parameters = booster.parameters
        largest = max(np.abs(tree.values).max() for tree in booster.trees)
        is_logarithm = parameters["objective"] != "regression"
        told = {
            "a small min_child_weight, by which leaf values are so large that rounding errors grow "
            "from tree to tree": is_logarithm and largest > LARGE_LOGARITHM,
            "monotone_constraints that held leaf values back": "1"
            in parameters["monotone_constraints"],
            "forced splits by categories": parameters["forcedsplits_filename"],
            "quantised gradients": parameters["use_quantized_grad"] == "1",
        }
        causes = [cause for cause, is_possible in told.items() if is_possible]
        causes += ["an init_score", "an init_model of other rows", "a refit of the booster"]
        return f"Or fit it without what may also be the cause: {', '.join(causes)}."

    def removal_changes_objective(self, model):
        """Also where classes are balanced by their counts."""
        is_balanced = read_booster(model.booster_).is_on("is_unbalance")
        return is_balanced or super().removal_changes_objective(model)

    def trees(self, model, X, y, sample_weight):
        booster = written_booster(model)
        leaves = leaves_of(model.booster_, X, booster.sizes)
        _check_rows(booster, leaves, type(model).__name__)
        if is_classifier(model):
            own = class_weight_of_rows(model.class_weight, model.classes_, y, None)
            sample_weight = sample_weight * own
        else:
            y = in_single_precision(y)
        return boosted_trees(booster, leaves, y, in_single_precision(sample_weight))


def written_booster(model: Any) -> WrittenBooster:
    """The booster of a fitted model, if its leaf values follow from its rows.

    Raises
    ------
    ValueError
        If it says of itself that they do not.
    """
    booster, name = read_booster(model.booster_), type(model).__name__
    if not booster.parameters:
        raise ValueError(
            f"The booster of this {name} has lost the parameters of its training, and cannot be "
            "explained: fit the model again."
        )
    if booster.parameters["objective"] not in OBJECTIVES:
        raise ValueError(
            f"{name} with the objective {booster.parameters['objective']!r} cannot be explained; "
            f"the objectives are {', '.join(OBJECTIVES)}."
        )
    check_covered(model, booster, REFUSED)
    return booster


def leaves_of(booster: Any, X: Any, sizes: np.ndarray) -> Leaves:
    """The leaves of rows, some of which at a time LightGBM looks up.

    Parameters
    ----------
    booster : lightgbm.Booster
    X : array-like or CSR matrix of shape (n_rows, n_features)
    sizes : ndarray of int, shape (n_trees,)
        How many leaves each tree has.
    """
    shape = len(sizes), X.shape[0]
    positions = np.empty(shape, np.min_scalar_type(int(sizes.max()) - 1))
    X = sparse.csr_matrix(X) if sparse.issparse(X) else X  # It takes no sparse arrays.
    for rows in row_blocks(shape[1], LOOKED_UP * shape[0], MAX_BLOCK):
        found = booster.predict(_safe_indexing(X, rows), pred_leaf=True)
        positions[:, rows] = np.reshape(found, (-1, shape[0])).T
    return Leaves.of(positions, sizes)


def boosted_trees(
    booster: WrittenBooster, leaves: Leaves, y: np.ndarray, weight: np.ndarray
) -> BoostedTrees:
    """How a booster came about.

    Parameters
    ----------
    booster : WrittenBooster
    leaves : Leaves
        Of the training rows.
    y, weight : ndarray of shape (n_rows,)
        Their targets, or the positions of their classes, and what they weigh.
    """
    descent, n_outputs = _descent(booster), booster.n_outputs
    start, slope = descent.start, 1.0
    # Where nothing can be split, all rows have their average anyway.
    is_split = bool((booster.sizes[:n_outputs] > 1).any())
    if is_split and not booster.is_on("boost_from_average"):
        start = FixedStart(np.zeros(n_outputs))
    if booster.parameters["objective"] == "binary":
        factor, slope = _class_factors(booster, y), booster.number("sigmoid")
        start, weight = PlainStart(start, factor), weight * factor[y]
    # Predictors here are those of a sigmoid of slope 1, and the first trees do not hold the start.
    values = slope * np.concatenate([tree.values for tree in booster.trees])
    start_values = start.values(y, weight)
    for output in range(n_outputs):
        leaves.own(values, output)[:] -= start_values[output]
    max_step = booster.number("max_delta_step")
    return BoostedTrees(
        step=descent.step,
        start=start,
        estimation=NewtonStep(
            # A tree without a split adds nothing.
            rate=np.where(booster.sizes > 1, booster.number("learning_rate"), 0.0),
            l2=_l2(booster) / slope**2,
            l1=booster.number("lambda_l1") / slope,
            max_step=slope * max_step if max_step > 0 else np.inf,
        ),
        y=y,
        weight=weight,
        leaves=leaves,
        outputs=np.arange(leaves.n_trees) % n_outputs,
        stages=np.arange(leaves.n_trees) // n_outputs,
        values=values,
        start_values=start_values,
    )


def _descent(booster):
    return OBJECTIVES[booster.parameters["objective"]](booster)


def _of_classes(n_classes):
    """Its second derivatives are enlarged as those of Friedman's multinomial steps."""
    step = SoftmaxStep(n_classes, n_classes / (n_classes - 1))
    return Descent(PriorStart(n_classes), step, *softmax_loss(n_classes))


def _of_means(power, step):
    """Targets of a variance ``mean^power``, with the logarithm of the mean as the predictor."""
    return Descent(MeanStart("log"), step, TweedieDeviance(power, LogLink()), np.eye(1))


def _class_factors(booster, y):
    """What both classes are multiplied by, once the start is found, shape (2,)."""
    counts = np.bincount(y, minlength=2)
    balance = counts.max() / counts if booster.is_on("is_unbalance") else np.ones(2)
    return balance * [1.0, booster.number("scale_pos_weight")]


def _l2(booster):
    """Of each leaf: sets of several categories are held back by more, shape (n_leaves,)."""
    limit = booster.number("max_cat_to_onehot")
    features = np.concatenate([tree.splits for tree in booster.trees])
    is_by_set = (features >= 0) & (booster.n_categories[features] > limit)
    return booster.number("lambda_l2") + np.where(is_by_set, booster.number("cat_l2"), 0.0)


def _power(booster):
    return booster.number("tweedie_variance_power")


def _draws_rows(booster):
    fractions = ("bagging_fraction", "pos_bagging_fraction", "neg_bagging_fraction")
    is_drawn = any(booster.number(name) < 1 for name in fractions)
    return is_drawn and booster.number("bagging_freq") > 0


def _changes_rate(booster):
    """The first trees are told to have a rate of 1, with what they start from."""
    later = booster.trees[booster.n_outputs :]
    rates = {f"{tree.shrinkage:g}" for tree in later if len(tree.values) > 1}
    return bool(rates - {booster.parameters["learning_rate"]})


def _check_rows(booster, leaves, name):
    """The text of a booster says how many training rows each leaf had."""
    for number, tree in enumerate(booster.trees):
        found = np.bincount(leaves.positions[number], minlength=len(tree.values))
        if len(tree.values) > 1 and not np.array_equal(found, tree.counts):
            raise ValueError(
                f"The leaves of this {name} do not hold as many of the rows that were given as of "
                "those that it was fitted on, so nothing is explained. Give exactly these."
            )


ADAPTERS = dict.fromkeys(("lightgbm.LGBMClassifier", "lightgbm.LGBMRegressor"), LightGBMAdapter())
