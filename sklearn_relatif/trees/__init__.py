"""Trees: the leaves of rows, and how the values of leaves follow from the rows."""

from ._boosted import BoostedTrees, Solved, Stage, check_replay
from ._estimation import Estimation, NewtonStep
from ._forest import Forest
from ._leaves import Leaves
from ._recursion import DenseRecursion
from ._several_steps import GradientSteps, NewtonSteps
from ._starts import FixedStart, MeanStart, PriorStart, Start
from ._steps import ExponentialStep, LogStep, PoissonStep, SoftmaxStep, SquaredStep, Step

__all__ = [
    "BoostedTrees",
    "DenseRecursion",
    "Estimation",
    "ExponentialStep",
    "FixedStart",
    "Forest",
    "GradientSteps",
    "Leaves",
    "LogStep",
    "MeanStart",
    "NewtonStep",
    "NewtonSteps",
    "PoissonStep",
    "PriorStart",
    "SoftmaxStep",
    "Solved",
    "SquaredStep",
    "Stage",
    "Start",
    "Step",
    "check_replay",
]
