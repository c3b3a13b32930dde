"""LightGBM: LGBMClassifier and LGBMRegressor, from the leaf values that their boosters hold.

Gradients are rounded to single precision before LightGBM sums them up, and so are targets and
weights: the latter are here as well, and the former leave differences of some 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

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
    Start,
    Step,
    TweedieStep,
    check_replay,
)
from ...utils._blocks import MAX_BLOCK, row_blocks
from .._class_weight import class_weight_of_rows
from ._lightgbm_text import WrittenBooster, read_booster

#: Bytes of a row and a tree, while LightGBM looks its leaf up.
LOOKED_UP = 8 + 4


class Refused(NamedTuple):
    """Parameters after which leaf values do not follow from the rows alone."""

    is_met: Callable[[WrittenBooster], bool]
    what: str
    way_out: str


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


class Boosting(NamedTuple):
    """What an objective of LightGBM descends, and where it starts.

    Attributes
    ----------
    step : Step
    start : Start
        Where it boosts from the average.
    """

    step: Step
    start: Start


OBJECTIVES: dict[str, Callable[[WrittenBooster], Boosting]] = {
    "binary": lambda booster: Boosting(LogStep(), MeanStart("logit")),
    "multiclass": lambda booster: Boosting(
        SoftmaxStep(booster.n_outputs, booster.n_outputs / (booster.n_outputs - 1)),
        PriorStart(booster.n_outputs),
    ),
    "regression": lambda booster: Boosting(SquaredStep(), MeanStart()),
    "poisson": lambda booster: Boosting(
        PoissonStep(np.exp(booster.number("poisson_max_delta_step"))), MeanStart("log")
    ),
    "gamma": lambda booster: Boosting(TweedieStep(2.0), MeanStart("log")),
    "tweedie": lambda booster: Boosting(TweedieStep(_power(booster)), MeanStart("log")),
}


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
    objective = booster.parameters["objective"]
    if objective not in OBJECTIVES:
        raise ValueError(
            f"{name} with the objective {objective!r} cannot be explained; the objectives are "
            f"{', '.join(OBJECTIVES)}."
        )
    for refused in REFUSED:
        if refused.is_met(booster):
            raise ValueError(
                f"{name} with {refused.what} cannot be explained. Fit it with {refused.way_out}."
            )
    return booster


def leaves_of(model: Any, X: Any, sizes: np.ndarray) -> Leaves:
    """The leaves of rows.

    Parameters
    ----------
    model : fitted estimator
    X : array-like or CSR matrix of shape (n_rows, n_features)
    sizes : ndarray of int, shape (n_trees,)
    """
    shape = len(sizes), X.shape[0]
    positions = np.empty(shape, np.min_scalar_type(int(sizes.max()) - 1))
    for rows in row_blocks(shape[1], LOOKED_UP * shape[0], MAX_BLOCK):
        block = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
        found = model.booster_.predict(block, pred_leaf=True)
        positions[:, rows] = np.reshape(found, (-1, shape[0])).T
    return Leaves.of(positions, sizes)


def boosted_trees(model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> BoostedTrees:
    """How a fitted model came about.

    Parameters
    ----------
    model : fitted estimator
    X : array-like or CSR matrix of shape (n_rows, n_features)
        Its training rows.
    y : ndarray of shape (n_rows,)
        Positions of their classes, or their targets.
    sample_weight : ndarray of shape (n_rows,)

    Raises
    ------
    ValueError
        If its leaf values do not follow from these.
    """
    booster = written_booster(model)
    trees, n_outputs = booster.trees, booster.n_outputs
    sizes = np.array([tree.size for tree in trees])
    leaves = leaves_of(model, X, sizes)
    _check_rows(booster, leaves, type(model).__name__)
    step, start = OBJECTIVES[booster.parameters["objective"]](booster)
    if y.dtype.kind == "f":
        y = _rounded(y)
    else:
        own = class_weight_of_rows(model.class_weight, model.classes_, y, None)
        sample_weight = sample_weight * own
    weight = _rounded(sample_weight)
    # A stump of all rows is the average even where nothing is boosted from it.
    if not booster.is_on("boost_from_average") and (sizes[:n_outputs] > 1).any():
        start = FixedStart(np.zeros(n_outputs))
    if booster.parameters["objective"] == "binary":
        factor = _class_factors(booster, y)
        start, weight = PlainStart(start, factor), weight * factor[y]
    # Predictors are those of a sigmoid of slope 1.
    slope = booster.number("sigmoid") if booster.parameters["objective"] == "binary" else 1.0
    values = slope * np.concatenate([tree.values for tree in trees])
    start_values = start.values(y, weight)
    for output in range(n_outputs):
        # The first trees hold it.
        leaves.own(values, output)[:] -= start_values[output]
    rate = np.where(sizes > 1, booster.number("learning_rate"), 0.0)
    max_step = booster.number("max_delta_step")
    found = BoostedTrees(
        step=step,
        start=start,
        estimation=NewtonStep(
            rate=rate,
            l2=_l2(booster) / slope**2,
            l1=booster.number("lambda_l1") / slope,
            max_step=max_step * slope if max_step > 0 else np.inf,
        ),
        y=y,
        weight=weight,
        leaves=leaves,
        outputs=np.arange(len(trees)) % n_outputs,
        stages=np.arange(len(trees)) // n_outputs,
        values=values,
        start_values=start_values,
    )
    check_replay(found, type(model).__name__, _causes(booster))
    return found


def _rounded(numbers):
    """Numbers as LightGBM keeps them."""
    return np.asarray(numbers, np.float32).astype(np.float64)


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
    rates = {f"{tree.shrinkage:g}" for tree in later if tree.size > 1}
    return bool(rates - {booster.parameters["learning_rate"]})


def _check_rows(booster, leaves, name):
    for number, tree in enumerate(booster.trees):
        found = np.bincount(leaves.positions[number], minlength=tree.size)
        if tree.size > 1 and not np.array_equal(found, tree.counts):
            raise ValueError(
                f"The leaves of this {name} do not hold as many of the rows that were given as of "
                "those that it was fitted on, so nothing is explained. Give exactly these."
            )


def _causes(booster):
    """Why leaf values may differ from the replay."""
    parameters = booster.parameters
    told = {
        "monotone_constraints, which hold leaf values back": "1"
        in parameters["monotone_constraints"],
        "forced splits by categories": bool(parameters["forcedsplits_filename"]),
    }
    causes = [cause for cause, is_told in told.items() if is_told]
    causes += ["an init_score", "an init_model of other parameters or rows", "a refitted booster"]
    return f"It may also be {', '.join(causes)}: fit the model without."
