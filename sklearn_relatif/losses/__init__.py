"""Pointwise losses of the predictor, with their links and derivatives."""

from ._base import Loss, of_models
from ._margin import (
    Hinge,
    LogLoss,
    MarginLoss,
    ModifiedHuber,
    OneVsOneHinge,
    SquaredHinge,
    binary_codebook,
    one_vs_rest_codebook,
)
from ._multinomial import MultinomialLogLoss, helmert_contrasts
from ._regression import Huber, RegressionLoss, SquaredEpsilonInsensitive, SquaredError

__all__ = [
    "Hinge",
    "Huber",
    "LogLoss",
    "Loss",
    "MarginLoss",
    "ModifiedHuber",
    "MultinomialLogLoss",
    "OneVsOneHinge",
    "RegressionLoss",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "binary_codebook",
    "helmert_contrasts",
    "of_models",
    "one_vs_rest_codebook",
]
