"""XGBoost: XGBClassifier and XGBRegressor, and their random forests of trees of all rows.

XGBoost adds predictors up and sums gradients of single precision: leaf values are those of the
recursion up to some 1e-7 of the largest prediction, and no closer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit
from sklearn.base import is_classifier
from sklearn.utils import check_array
from sklearn.utils.fixes import parse_version
from sklearn.utils.validation import validate_data

from ...losses import LogLink, Loss, SquaredError, TweedieDeviance
from ...trees import (
    REPLAY_TOLERANCE,
    BoostedTrees,
    FixedStart,
    LogStep,
    MeanStart,
    NewtonStart,
    NewtonStep,
    PoissonStep,
    PriorStart,
    SharesStart,
    ShiftedStart,
    SinglePrecisionStep,
    SoftmaxStep,
    SquaredStep,
    Start,
    Step,
    TweedieStep,
    replay_error,
)
from .._boosting import BoostingAdapter, log_loss, softmax_loss
from .._targets import BoundedTargets
from .._wrappers import FLOATS, behind
from ._boosters import Refused, check_covered, in_single_precision
from ._xgboost_booster import ReadBooster, xgboost_release

#: What XGBoost takes for rounding, also where it adds it to shares of classes.
ROUNDING = np.float32(1e-6)
#: What it starts from where it neither estimates nor is told anything.
DEFAULT_SCORE = 0.5
#: The release that was the first to start from the link of the mean; before, by a Newton step.
MEAN_SINCE = parse_version("3.1")


class Link(NamedTuple):
    """Between predictions and predictors.

    Attributes
    ----------
    name : str
        As a :class:`MeanStart` calls it.
    predictor : callable
        From predictions, in XGBoost's precision: near 1, it tells the logit of a prediction in
        a few digits.
    prediction : callable
        The inverse.
    """

    name: str
    predictor: Callable[[np.ndarray], np.ndarray]
    prediction: Callable[[np.ndarray], np.ndarray]


def _logit(mean):
    mean = np.clip(mean, ROUNDING, 1 - ROUNDING)
    return -np.log(np.float32(1) / mean - np.float32(1))


IDENTITY = Link("identity", lambda mean: mean, lambda eta: eta)
LOGIT = Link("logit", _logit, expit)
LOG = Link("log", np.log, np.exp)


class BoosterObjective(NamedTuple):
    """What XGBoost descends, of an objective of its own.

    Attributes
    ----------
    step : callable
        From a booster to its :class:`Step`.
    link : Link
    loss : callable
        From a booster to the loss of queries, and what it takes by the predictors.
    has_classes : bool
    """

    step: Callable[[ReadBooster], Step]
    link: Link
    loss: Callable[[ReadBooster], tuple[Loss, np.ndarray]]
    has_classes: bool = False


def _max_step(booster):
    return booster.of_objective("poisson_regression_param", "max_delta_step")


def _power(booster):
    return booster.of_objective("tweedie_regression_param", "tweedie_variance_power")


def _deviance(power):
    return TweedieDeviance(power, LogLink()), np.eye(1)


SOFTMAX = BoosterObjective(
    lambda booster: SoftmaxStep(booster.n_outputs, 2.0),
    IDENTITY,
    lambda booster: softmax_loss(booster.n_outputs),
    has_classes=True,
)
OBJECTIVES = {
    "binary:logistic": BoosterObjective(
        lambda booster: LogStep(), LOGIT, lambda booster: log_loss(), has_classes=True
    ),
    "multi:softprob": SOFTMAX,
    "multi:softmax": SOFTMAX,
    "reg:squarederror": BoosterObjective(
        lambda booster: SquaredStep(), IDENTITY, lambda booster: (SquaredError(), np.eye(1))
    ),
    "count:poisson": BoosterObjective(
        lambda booster: PoissonStep(np.exp(_max_step(booster))), LOG, lambda booster: _deviance(1)
    ),
    "reg:gamma": BoosterObjective(
        lambda booster: TweedieStep(2), LOG, lambda booster: _deviance(2)
    ),
    "reg:tweedie": BoosterObjective(
        lambda booster: TweedieStep(_power(booster)),
        LOG,
        lambda booster: _deviance(_power(booster)),
    ),
}


class XGBoostAdapter(BoostingAdapter):
    """The leaf values of a booster, as Newton steps on all of its rows."""

    precision = float(np.finfo(np.float32).eps)

    def targets(self, model):
        booster = _checked(model)
        if is_classifier(model) or booster.objective == "reg:squarederror":
            return super().targets(model)
        return BoundedTargets(self.loss(model)[0].targets, type(model).__name__)

    def loss(self, model):
        booster = _checked(model)
        return OBJECTIVES[booster.objective].loss(booster)

    def scores(self, model, X):
        return model.predict(X, output_margin=True)

    def removal_changes_objective(self, model):
        """Of fewer rows, training might stop at another tree."""
        return bool(self.chosen(model))

    def chosen(self, model):
        booster = ReadBooster(model)
        return {} if booster.best_stage is None else {"n_estimators": booster.best_stage + 1}

    def held(self, model):
        """As many trees as were the best: no model keeps the rows that told."""
        return super().held(model).set_params(early_stopping_rounds=None, **self.chosen(model))

    def is_seeded(self, model):
        """A generator is none: the model's parameters are those of a number that it draws."""
        return isinstance(model.random_state, Integral | None)

    def check_refit(self, model, refit):
        """Parameters that a file does not keep may be others."""
        if ReadBooster(refit).training != ReadBooster(model).training:
            raise ValueError(
                f"This {type(model).__name__} does not know the parameters that it was trained "
                "with, which a file does not keep, and cannot be fitted again. Fit one with them."
            )

    def weight_of_fit(self, model, arguments):
        if arguments.get("base_margin") is not None:
            raise ValueError(
                f"{type(model).__name__} with a base_margin cannot be explained: its predictions "
                "start from numbers of each row that it does not keep. Fit it without."
            )
        return super().weight_of_fit(model, arguments)

    def model_rows(self, transformers, model, X):
        """Rows as the model takes them: missing values and categories are its own business."""
        X = behind(transformers, model, X)
        if not hasattr(X, "columns"):  # A frame stays: its columns may hold categories.
            options = {"accept_sparse": "csr", "dtype": list(FLOATS), "ensure_all_finite": False}
            X = check_array(X, **options)
        validate_data(model, X, reset=False, skip_check_array=True)
        return X

    def leaves_of(self, model, X):
        return ReadBooster(model).leaves_of(X)

    def trees(self, model, X, y, sample_weight):
        booster = _checked(model)
        objective = OBJECTIVES[booster.objective]
        # As XGBoost keeps them.
        y = y if objective.has_classes else in_single_precision(y)
        weight = in_single_precision(sample_weight)
        # Also a number that is 1 is a positive class to it.
        factor = booster.of_objective("reg_loss_param", "scale_pos_weight")
        weight = weight * np.where(y == 1, factor, 1.0)
        step, several = objective.step(booster), booster.n_values
        values = [column for tree in booster.trees for column in tree.values.T]
        rate = booster.parameter("learning_rate") / booster.n_parallel
        max_step = booster.parameter("max_delta_step")
        start = _start(booster, objective.link, step, y, weight)
        found = BoostedTrees(
            step=step,
            start=start,
            estimation=NewtonStep(
                rate=np.full(several.sum(), rate),
                l2=_l2(booster),
                l1=booster.parameter("reg_alpha"),
                max_step=max_step if max_step > 0 else np.inf,
            ),
            y=y,
            weight=weight,
            leaves=booster.leaves_of(X),
            outputs=np.concatenate(
                [first + np.arange(n) for first, n in zip(booster.outputs, several, strict=True)]
            ),
            stages=np.repeat(booster.stages, several),
            values=np.concatenate(values),
            start_values=start.values(y, weight),
        )
        if replay_error(found, self.precision) <= REPLAY_TOLERANCE:
            return found
        return replace(found, step=SinglePrecisionStep(step))

    def causes(self, model):
        booster, causes = ReadBooster(model), ["a base_margin", "an xgb_model of other rows"]
        if booster.is_monotone:
            causes.append("monotone_constraints, which hold leaf values at bounds")
        if booster.parameter("reg_lambda") < 1:
            causes.append(
                "a reg_lambda below 1, by which probabilities come so close to 0 and 1 that single "
                "precision has no digits left"
            )
        return (
            f"It may also be {', or '.join(causes)}: fit the model without. A model that came from "
            "a file by load_model has lost the parameters of its training: pickle it instead."
        )


REFUSED = (
    Refused(
        lambda booster: booster.kind == "dart",
        "booster='dart', which scales trees again after they are grown,",
        "booster='gbtree'",
    ),
    Refused(
        lambda booster: booster.kind == "gblinear",
        "booster='gblinear', which has no trees,",
        "booster='gbtree', or take a linear model of scikit-learn",
    ),
    Refused(
        lambda booster: booster.parameter("subsample") < 1,
        "subsample below 1, which draws rows and does not tell which,",
        "subsample=1; colsample_bynode makes trees differ as well",
    ),
    Refused(
        lambda booster: booster.n_targets > 1,
        "several targets or labels at once",
        "one of them",
    ),
    Refused(
        lambda booster: booster.changes_trees,
        "process_type='update', which changes trees that were grown before,",
        "process_type='default'",
    ),
    Refused(
        lambda booster: "LearningRateScheduler" in booster.callbacks,
        "a LearningRateScheduler, which does not tell the rate of each tree,",
        "one learning_rate",
    ),
)


def _checked(model: Any) -> ReadBooster:
    """The booster of a fitted model, if leaf values may follow from its rows.

    Raises
    ------
    ValueError
        If it says of itself that they do not.
    """
    booster, name = ReadBooster(model), type(model).__name__
    check_covered(model, booster, REFUSED)
    of_kind = [k for k, o in OBJECTIVES.items() if o.has_classes == is_classifier(model)]
    if booster.objective not in of_kind:
        raise ValueError(
            f"{name} with {booster.objective} for its objective cannot be explained; the "
            f"objectives are {', '.join(of_kind)}."
        )
    return booster


def _l2(booster):
    """Of each leaf, shape (n_leaves,): infinity where its rows weigh too little to move it from 0.

    In trees of one predictor that is only so where there is no split. Trees of several predictors
    are split where rows weigh enough for all of them together.
    """
    least, found = booster.parameter("min_child_weight"), []
    for tree in booster.trees:
        is_held = (tree.values == 0) & (tree.is_of_several or tree.weight < least)
        found.append(np.where(is_held, np.inf, booster.parameter("reg_lambda")).T.ravel())
    return np.concatenate(found)


def _start(booster, link, step, y, weight) -> Start:
    """The predictors before the first tree, by the rule that XGBoost has found them by.

    Releases have different rules: the link of the mean, a Newton step from 0, which also 3.2 takes
    where positive classes have a weight of their own, and of several classes centred logarithms
    of their shares, the shares themselves, or nothing. Counts with a mean of 1 start from 0 by
    either rule, with other slopes: then it is the rule of the release that is installed.
    """
    score = booster.base_score
    given = link.predictor(score).astype(np.float64)
    if not booster.is_start_estimated:
        return FixedStart(given)
    n_outputs = booster.n_outputs
    rules: list[Start] = [MeanStart(link.name), NewtonStart(step)]
    if parse_version(xgboost_release()) < MEAN_SINCE:
        rules.reverse()
    if n_outputs > 1:
        rules = [PriorStart(n_outputs, float(ROUNDING), is_centred=True), SharesStart(n_outputs)]
    found = [rule.values(y, weight) for rule in rules]
    off = [np.abs(link.prediction(values) - score).max() for values in found]
    is_near = np.array(off) <= ROUNDING * max(np.abs(score).max(), 1)
    if is_near.any():
        first = int(np.argmax(is_near))
        return ShiftedStart(rules[first], given - found[first])
    if n_outputs > 1 and (score == DEFAULT_SCORE).all():
        return FixedStart(given)
    raise ValueError(
        f"This {type(booster.model).__name__} starts from a base_score of "
        f"{', '.join(f'{of_class:g}' for of_class in score)}, which does not follow from the "
        "labels and weights that were given, so nothing is explained. Give exactly what it was "
        "fitted on. If you do, XGBoost has a rule for it that is not known here: fit the model "
        "with a base_score."
    )


ADAPTERS = {f"xgboost.XGB{name}": XGBoostAdapter() for name in ("Classifier", "Regressor")}
