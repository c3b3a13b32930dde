"""Trees: the leaves of rows, and how the values of leaves follow from the rows."""

from ._boosted import BoostedTrees, Solved, Stage
from ._estimation import Estimation, NewtonStep
from ._forest import Forest, Hierarchy, TreeWeights
from ._forest_without import forest_without, no_row_left
from ._leaves import Leaves, LeavesWithout, Places
from ._recursion import DenseRecursion, summed_over_pairs
from ._replay import REPLAY_TOLERANCE, check_forest, check_replay, replay_error
from ._several_steps import GradientSteps, NewtonSteps
from ._starts import (
    FixedStart,
    MeanStart,
    NewtonStart,
    PlainStart,
    PriorStart,
    SharesStart,
    ShiftedStart,
    Start,
)
from ._steps import (
    ExponentialStep,
    LogStep,
    PoissonStep,
    SinglePrecisionStep,
    SoftmaxStep,
    SquaredStep,
    Step,
    TweedieStep,
)
from ._sweep import SweptRecursion
from ._without import boosted_without

__all__ = [
    "REPLAY_TOLERANCE",
    "BoostedTrees",
    "DenseRecursion",
    "Estimation",
    "ExponentialStep",
    "FixedStart",
    "Forest",
    "GradientSteps",
    "Hierarchy",
    "Leaves",
    "LeavesWithout",
    "LogStep",
    "MeanStart",
    "NewtonStart",
    "NewtonStep",
    "NewtonSteps",
    "Places",
    "PlainStart",
    "PoissonStep",
    "PriorStart",
    "SharesStart",
    "ShiftedStart",
    "SinglePrecisionStep",
    "SoftmaxStep",
    "Solved",
    "SquaredStep",
    "Stage",
    "Start",
    "Step",
    "SweptRecursion",
    "TreeWeights",
    "TweedieStep",
    "boosted_without",
    "check_forest",
    "check_replay",
    "forest_without",
    "no_row_left",
    "replay_error",
    "summed_over_pairs",
]
