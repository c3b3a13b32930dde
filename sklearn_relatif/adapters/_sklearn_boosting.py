"""What scikit-learn's two kinds of gradient boosting share: their losses, and rows held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import train_test_split

from ..losses import LogLink, PoissonDeviance, SquaredError, TweedieDeviance
from ..trees import (
    ExponentialStep,
    LogStep,
    MeanStart,
    PoissonStep,
    PriorStart,
    SoftmaxStep,
    SquaredStep,
    TweedieStep,
)
from ._boosting import BoostingAdapter, Descent, log_loss, softmax_loss
from ._targets import BoundedTargets

#: Losses that not every number is a target of.
DEVIANCES = {"gamma": TweedieDeviance(2, LogLink()), "poisson": PoissonDeviance(LogLink())}


def _log_loss(model):
    n_classes = len(model.classes_)
    if n_classes > 2:
        start = PriorStart(n_classes, is_centred=True)
        return Descent(start, SoftmaxStep(n_classes), *softmax_loss(n_classes))
    return Descent(MeanStart("logit"), LogStep(), *log_loss())


def _exponential(model):
    # Its predictor is half of the logarithm of the odds, by which queries enter.
    return Descent(MeanStart("half_logit"), ExponentialStep(), *log_loss(2.0))


def _squared_error(model):
    return Descent(MeanStart(), SquaredStep(), SquaredError(), np.eye(1))


def _poisson(model):
    return Descent(MeanStart("log"), PoissonStep(), DEVIANCES["poisson"], np.eye(1))


def _gamma(model):
    return Descent(MeanStart("log"), TweedieStep(2), DEVIANCES["gamma"], np.eye(1))


#: By the names that scikit-learn has for losses.
DESCENTS: dict[str, Callable[[Any], Descent]] = {
    "exponential": _exponential,
    "gamma": _gamma,
    "log_loss": _log_loss,
    "poisson": _poisson,
    "squared_error": _squared_error,
}


class SklearnBoostingAdapter(BoostingAdapter):
    """Of models whose ``loss`` is one of scikit-learn's, and that may have held out rows."""

    def has_held_out(self, model: Any) -> bool:
        """Whether a fit held out rows to stop early by."""
        raise NotImplementedError

    def descent(self, model: Any) -> Descent:
        """What a model descends.

        Raises
        ------
        ValueError
            If its leaf values are no Newton steps.
        """
        if model.loss not in DESCENTS:
            raise ValueError(
                f"{type(model).__name__} with loss={model.loss!r} cannot be explained: its leaf "
                "values are no Newton steps of a smooth loss, but quantiles of errors, which jump "
                f"with the weights of rows. Fit it with one of {', '.join(map(repr, DESCENTS))}, "
                "as far as it has them."
            )
        return DESCENTS[model.loss](model)

    def targets(self, model):
        if model.loss not in DEVIANCES:
            return super().targets(model)
        return BoundedTargets(DEVIANCES[model.loss].targets, type(model).__name__)

    def loss(self, model):
        descent = self.descent(model)
        return descent.loss, descent.outputs

    def removal_changes_objective(self, model):
        """Of fewer rows, it would hold out others."""
        return super().removal_changes_objective(model) or self.has_held_out(model)

    def draws_rows(self, model):
        return self.has_held_out(model)

    def causes(self, model):
        if not model.warm_start:
            return ""
        return (
            "With warm_start=True it may have been fitted on other rows before, or with other "
            "options: fit it at once."
        )


def not_held_out(model: Any, y: np.ndarray, random_state: int) -> np.ndarray:
    """Which rows a fit kept when it split off others to stop early by, shape (n_rows,).

    Parameters
    ----------
    model : fitted estimator
    y : ndarray of shape (n_rows,)
        Positions of classes, or numbers.
    random_state : int
        That of the split in its fit.
    """
    kept, _ = train_test_split(
        np.arange(len(y)),
        test_size=model.validation_fraction,
        stratify=y if is_classifier(model) else None,
        random_state=random_state,
    )
    is_kept = np.zeros(len(y), bool)
    is_kept[kept] = True
    return is_kept
