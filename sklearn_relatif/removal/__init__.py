"""Noun 5: the removal, which is what the model is without some of its rows."""

from ._base import ModelsWithout, Remover
from ._descent import predictors
from ._downdate import Downdate
from ._effects import RemovalMixin
from ._own_hessian import OwnHessian
from ._remover import remover_of
from ._retraining import (
    loo_predictor,
    loss_changes,
    newton_step,
    newton_steps,
    parameter_changes,
    polish,
    retrain,
    retraining_curvature,
    training_effects,
)

__all__ = [
    "Downdate",
    "ModelsWithout",
    "OwnHessian",
    "RemovalMixin",
    "Remover",
    "loo_predictor",
    "loss_changes",
    "newton_step",
    "newton_steps",
    "parameter_changes",
    "polish",
    "predictors",
    "remover_of",
    "retrain",
    "retraining_curvature",
    "training_effects",
]
