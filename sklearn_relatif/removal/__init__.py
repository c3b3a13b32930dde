"""Noun 5: the removal, which is the model without some of its rows."""

from ._base import ModelsWithout, Remover
from ._bounded import told_effects
from ._changes import loss_changes, parameter_changes, training_effects
from ._descent import Pairs
from ._downdate import Downdate, without
from ._effects import (
    ORDERS,
    TRUTHS,
    check_rows_are_left,
    estimator_of,
    loo_predictions,
    loo_probabilities,
    predictors_without,
    refuse_lost_classes,
    removal_effect,
    removal_effect_on,
    removal_statistics,
    removals_of,
    retrain_without,
)
from ._existence import has_no_optimum
from ._fidelity import CORRELATIONS, correlated, estimate_and_truth
from ._models import TOLERANCE, predictors
from ._newton import loo_predictor, newton_step, newton_steps
from ._own_hessian import OwnHessian
from ._remover import remover_from, remover_of
from ._retraining import polish, retrain, retraining_curvature
from ._smooth import optimum_near
from ._unlearning import Unlearning

__all__ = [
    "CORRELATIONS",
    "ORDERS",
    "TOLERANCE",
    "TRUTHS",
    "Downdate",
    "ModelsWithout",
    "OwnHessian",
    "Pairs",
    "Remover",
    "Unlearning",
    "check_rows_are_left",
    "correlated",
    "estimate_and_truth",
    "estimator_of",
    "has_no_optimum",
    "loo_predictions",
    "loo_predictor",
    "loo_probabilities",
    "loss_changes",
    "newton_step",
    "newton_steps",
    "optimum_near",
    "parameter_changes",
    "polish",
    "predictors",
    "predictors_without",
    "refuse_lost_classes",
    "removal_effect",
    "removal_effect_on",
    "removal_statistics",
    "removals_of",
    "remover_from",
    "remover_of",
    "retrain",
    "retrain_without",
    "retraining_curvature",
    "told_effects",
    "training_effects",
    "without",
]
