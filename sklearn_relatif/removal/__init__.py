"""The removal: what is the model without some of its rows?"""

from ._base import ModelsWithout, Remover
from ._changes import loss_changes, parameter_changes, training_effects
from ._descent import predictors
from ._downdate import Downdate
from ._effects import RemovalMixin
from ._newton import loo_predictor, newton_step, newton_steps
from ._own_hessian import OwnHessian
from ._remover import remover_of
from ._retraining import polish, retrain, retraining_curvature

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
