"""Trees: the leaves of rows, and how the values of leaves follow from the rows."""

from ._boosted import BoostedTrees, Solved, Stage, check_replay
from ._estimation import Estimation, NewtonStep
from ._forest import Forest
from ._leaves import Leaves
from ._recursion import DenseRecursion
from ._starts import (
    FixedStart,
    MeanStart,
    NewtonStart,
    PriorStart,
    SharesStart,
    ShiftedStart,
    Start,
)
from ._steps import (
    ExponentialStep,
    LogStep,
    PoissonStep,
    SoftmaxStep,
    SquaredStep,
    Step,
    TweedieStep,
)

__all__ = [
    "BoostedTrees",
    "DenseRecursion",
    "Estimation",
    "ExponentialStep",
    "FixedStart",
    "Forest",
    "Leaves",
    "LogStep",
    "MeanStart",
    "NewtonStart",
    "NewtonStep",
    "PoissonStep",
    "PriorStart",
    "SharesStart",
    "ShiftedStart",
    "SoftmaxStep",
    "Solved",
    "SquaredStep",
    "Stage",
    "Start",
    "Step",
    "TweedieStep",
    "check_replay",
]
