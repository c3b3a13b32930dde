"""Pointwise losses of the predictor, with their links and derivatives."""

from ._base import Loss, of_models
from ._brier import BrierScore
from ._calibrated import CalibratedLoss
from ._composed import (
    ComposedLoss,
    MeanPredictionLoss,
    MeanProbabilityLoss,
    ProblemsLoss,
    SeparateTargets,
    SummedLosses,
    TargetsLoss,
    VoteLoss,
    side_by_side,
)
from ._expected import ExpectedCurvature
from ._glm import (
    BinomialDeviance,
    Domain,
    NegativeBinomialDeviance,
    PoissonDeviance,
    TweedieDeviance,
    UnitDeviance,
)
from ._hinges import Hinges
from ._huber import ScaledHuber
from ._link import (
    ComplementaryLogLogLink,
    GivenLink,
    IdentityLink,
    Link,
    LogitLink,
    LogLink,
    PowerLink,
)
from ._margin import (
    Hinge,
    LatentLogLoss,
    LogLoss,
    MarginLoss,
    ModifiedHuber,
    OneVsOneHinge,
    SquaredHinge,
    SquaredMargin,
    binary_codebook,
    one_vs_rest_codebook,
)
from ._multinomial import MultinomialLogLoss, helmert_contrasts
from ._nearest import NearestMargin
from ._regression import (
    CoupledSquaredError,
    EpsilonInsensitive,
    Huber,
    OneClassHinge,
    RegressionLoss,
    SquaredEpsilonInsensitive,
    SquaredError,
)

__all__ = [
    "BinomialDeviance",
    "BrierScore",
    "CalibratedLoss",
    "ComplementaryLogLogLink",
    "ComposedLoss",
    "CoupledSquaredError",
    "Domain",
    "EpsilonInsensitive",
    "ExpectedCurvature",
    "GivenLink",
    "Hinge",
    "Hinges",
    "Huber",
    "IdentityLink",
    "LatentLogLoss",
    "Link",
    "LogLink",
    "LogLoss",
    "LogitLink",
    "Loss",
    "MarginLoss",
    "MeanPredictionLoss",
    "MeanProbabilityLoss",
    "ModifiedHuber",
    "MultinomialLogLoss",
    "NearestMargin",
    "NegativeBinomialDeviance",
    "OneClassHinge",
    "OneVsOneHinge",
    "PoissonDeviance",
    "PowerLink",
    "ProblemsLoss",
    "RegressionLoss",
    "ScaledHuber",
    "SeparateTargets",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "SquaredMargin",
    "SummedLosses",
    "TargetsLoss",
    "TweedieDeviance",
    "UnitDeviance",
    "VoteLoss",
    "binary_codebook",
    "helmert_contrasts",
    "of_models",
    "one_vs_rest_codebook",
    "side_by_side",
]
