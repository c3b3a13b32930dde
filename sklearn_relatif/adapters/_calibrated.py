"""CalibratedClassifierCV, whose calibration is held as it is."""

from __future__ import annotations

import inspect
from copy import copy

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv

from ..losses import CalibratedLoss, MeanProbabilityLoss
from ._base import Adapter
from ._composed import ComposedAdapter, Part
from ._registry import register

_INSIDE = (
    "Explain the model inside, whose labels are the same where calibration keeps their order: "
    "RelatIFExplainer.from_fitted(model.calibrated_classifiers_[0].estimator, X, y), with the rows "
    "that it was fitted on."
)


class CalibratedAdapter(ComposedAdapter):
    """One model of all rows, or one of each fold's training rows, behind sigmoids that stay."""

    def estimators(self, model):
        return [calibrated.estimator for calibrated in model.calibrated_classifiers_]

    def parts(self, model, X, y, sample_weight):
        _refuse(model)
        weight = sample_weight if _passes_weights(model) else np.ones(len(y))
        estimators = self.estimators(model)
        for estimator, rows in zip(estimators, self._rows(model, X, y), strict=True):
            if len(estimator.classes_) < len(model.classes_):
                raise ValueError(
                    f"One of the models in {type(model).__name__} was fitted without any row of "
                    "some of the classes. Use fewer folds, or leave rare classes out."
                )
            own = np.arange(len(y)) if rows is None else rows
            yield Part(estimator, estimator.classes_[y[own]], weight[own], rows)

    def draws_rows(self, model):
        """Whether there is a model for each of the folds."""
        if model.ensemble == "auto":
            return not isinstance(model.estimator, FrozenEstimator)
        return bool(model.ensemble)

    def _rows(self, model, X, y):
        """Which rows each of the models was fitted on; None: all."""
        if not self.draws_rows(model):
            return [None]
        labels = model.classes_[y]
        folds = check_cv(model.cv, labels, classifier=True)
        if getattr(folds, "shuffle", False) and not isinstance(folds.random_state, int):
            raise ValueError(
                f"{type(model).__name__} drew its folds at random, and they cannot be drawn again. "
                "Give cv a whole number as random_state."
            )
        return [rows for rows, _ in folds.split(X, labels)]

    def loss(self, model, members):
        losses = []
        for calibrated, member in zip(model.calibrated_classifiers_, members, strict=True):
            slopes, offsets = np.transpose([(own.a_, own.b_) for own in calibrated.calibrators])
            losses.append(CalibratedLoss(member.objective.loss, slopes, offsets))
        return MeanProbabilityLoss(losses, np.ones(len(losses)))

    def with_estimators(self, model, estimators):
        changed = copy(model)
        changed.calibrated_classifiers_ = []
        for calibrated, estimator in zip(model.calibrated_classifiers_, estimators, strict=True):
            own = copy(calibrated)
            own.estimator = estimator
            changed.calibrated_classifiers_.append(own)
        return changed

    #: Where its models take none, they weigh in the calibration alone.
    takes_weights = Adapter.takes_weights

    def removal_changes_objective(self, model):
        """Folds and sigmoids would be others."""
        return True


def _refuse(model):
    """Raise an error where the chain rule does not lead through the calibration."""
    name, inner = type(model).__name__, model.calibrated_classifiers_[0].estimator
    if isinstance(inner, FrozenEstimator) or model.cv == "prefit":
        raise ValueError(
            f"{name} calibrated a model that was fitted before, on rows that it does not know. "
            f"{_INSIDE}"
        )
    if model.method != "sigmoid":
        raise ValueError(
            f"{name} with method={model.method!r} cannot be explained: only sigmoids are known "
            f"to have a slope everywhere. {_INSIDE}"
        )
    if not hasattr(inner, "decision_function"):
        raise ValueError(
            f"{name} around {type(inner).__name__} cannot be explained: it calibrates "
            f"probabilities and not scores, which {type(inner).__name__} has not. {_INSIDE}"
        )


def _passes_weights(model):
    """Whether weights reached the models, and not their calibration alone."""
    return (
        "sample_weight"
        in inspect.signature(model.calibrated_classifiers_[0].estimator.fit).parameters
    )


register("sklearn.calibration.CalibratedClassifierCV", CalibratedAdapter())
