"""Hinge machines without some of their rows, on the active set of their solution."""

from ._influence import ActiveSetCurvature, ActiveSetObjective
from ._machines import REMOVALS_AT_A_TIME, DualChange, Machine, hinge_machine
from ._solution import IndefiniteKernelError
from ._svm import ActiveSetSVM

__all__ = [
    "REMOVALS_AT_A_TIME",
    "ActiveSetCurvature",
    "ActiveSetObjective",
    "ActiveSetSVM",
    "DualChange",
    "IndefiniteKernelError",
    "Machine",
    "hinge_machine",
]
