"""Gradient boosting, first of all that of scikit-learn."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..losses import LogLoss, Loss, MultinomialLogLoss, SquaredError, binary_codebook
from ..objectives import BoostedObjective
from ..trees import (
    BoostedTrees,
    ExponentialStep,
    FixedStart,
    LogStep,
    MeanStart,
    NewtonStep,
    PriorStart,
    SoftmaxStep,
    SquaredStep,
    Start,
    Step,
    check_replay,
)
from ._registry import register
from ._trees import TreeAdapter, leaf_values, numbered_leaves


class BoostingAdapter(TreeAdapter):
    """What adapters of boosted models share.

    A subclass says how a fitted model came about (:meth:`trees`), and by which :meth:`loss` queries
    enter.

    Attributes
    ----------
    precision : float, default=1e-12
        In which the library adds predictors up; see :func:`replay_error`.
    """

    precision = 1e-12

    def trees(self, model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> BoostedTrees:
        """How a fitted model came about.

        Raises
        ------
        ValueError
            If it has options that are not covered.
        """
        raise NotImplementedError

    def loss(self, model: Any) -> tuple[Loss, np.ndarray]:
        """The loss of queries, and what it takes by the predictors of the trees.

        Returns
        -------
        loss : Loss
        outputs : ndarray of shape (n_predictors, n_outputs)
        """
        raise NotImplementedError

    def causes(self, model: Any) -> str:
        """What else may be wrong where leaf values do not follow from the rows, and the way out."""
        return "A model that was fitted further with warm_start on other rows is not covered."

    def reduce(self, model, X, y, sample_weight):
        trees = self.trees(model, X, y, sample_weight)
        check_replay(trees, type(model).__name__, self.causes(model), precision=self.precision)
        loss, outputs = self.loss(model)
        leaves_of = partial(self.leaves_of, model)
        return BoostedObjective(loss, y, trees.weight, leaves_of, trees, outputs)


def softmax_loss(n_classes: int) -> tuple[Loss, np.ndarray]:
    """The log loss of several classes, by a predictor of each."""
    loss = MultinomialLogLoss(n_classes)
    return loss, loss.softmax_contrasts


def log_loss(factor: float = 1.0) -> tuple[Loss, np.ndarray]:
    """The log loss of two classes, by a multiple of one predictor."""
    return LogLoss(binary_codebook()), np.array([[factor]])


class GradientBoostingAdapter(BoostingAdapter):
    """scikit-learn's GradientBoosting, whose trees are regression trees with other values."""

    def leaves_of(self, model, X):
        return numbered_leaves(self.each(model), X)

    def each(self, model) -> list[Any]:
        """The trees, in the order of stages and predictors."""
        return list(model.estimators_.ravel())

    def trees(self, model, X, y, sample_weight):
        self.check(model)
        n_stages, n_outputs = model.estimators_.shape
        step, start = self.step(model), self.start(model, X)
        rate = model.learning_rate * ((n_outputs - 1) / n_outputs if n_outputs > 1 else 1.0)
        values = np.concatenate([leaf_values(tree)[:, 0] for tree in self.each(model)])
        return BoostedTrees(
            step=step,
            start=start,
            estimation=NewtonStep(np.full(n_stages * n_outputs, rate)),
            y=y,
            weight=sample_weight,
            leaves=self.leaves_of(model, X),
            outputs=np.tile(np.arange(n_outputs), n_stages),
            stages=np.repeat(np.arange(n_stages), n_outputs),
            values=model.learning_rate * values,
            start_values=start.values(y, sample_weight),
        )

    def check(self, model) -> None:
        """Refuse options that change leaf values in ways that are not covered."""
        name = type(model).__name__
        if model.subsample < 1:
            raise ValueError(
                f"{name} with subsample={model.subsample} has drawn the rows of each tree, and "
                "does not tell which. Fit it with subsample=1.0."
            )
        if model.n_iter_no_change is not None:
            raise ValueError(
                f"{name} with n_iter_no_change={model.n_iter_no_change} has held out rows, and "
                "does not tell which. Fit it with n_iter_no_change=None, and n_estimators as it "
                f"found it ({model.n_estimators_})."
            )
        if model.loss not in LOSSES:
            raise ValueError(
                f"{name} with loss={model.loss!r} sets the values of leaves to quantiles, which do "
                f"not follow the weights of rows smoothly. Losses that are covered: "
                f"{', '.join(sorted(LOSSES))}."
            )

    def step(self, model) -> Step:
        """What its trees descend."""
        return LOSSES[model.loss][0](model)

    def start(self, model, X) -> Start:
        """Its predictors before the first tree."""
        n_outputs = model.estimators_.shape[1]
        if isinstance(model.init, str):  # "zero"
            return FixedStart(np.zeros(n_outputs))
        if model.init is not None:
            raise ValueError(
                f"{type(model).__name__} starts from the predictions of "
                f"{type(model.init).__name__}, a model of the same rows. Fit it with init=None or "
                "init='zero'."
            )
        return LOSSES[model.loss][1](model)

    def loss(self, model):
        return LOSSES[model.loss][2](model)


def _n_classes(model: Any) -> int:
    return len(model.classes_)


#: Of each loss of scikit-learn's GradientBoosting, the step, the start and the loss of queries.
LOSSES: dict[str, tuple[Any, Any, Any]] = {
    "squared_error": (
        lambda model: SquaredStep(),
        lambda model: MeanStart(),
        lambda model: (SquaredError(), np.eye(1)),
    ),
    "exponential": (
        lambda model: ExponentialStep(),
        lambda model: MeanStart("half_logit"),
        lambda model: log_loss(2.0),
    ),
    "log_loss": (
        lambda model: LogStep() if _n_classes(model) == 2 else SoftmaxStep(_n_classes(model)),
        lambda model: (
            MeanStart("logit") if _n_classes(model) == 2 else PriorStart(_n_classes(model))
        ),
        lambda model: log_loss() if _n_classes(model) == 2 else softmax_loss(_n_classes(model)),
    ),
}


for _name in ("Classifier", "Regressor"):
    register(f"sklearn.ensemble.GradientBoosting{_name}", GradientBoostingAdapter())
