"""Hinge machines without some of their rows, on the active set of their solution."""

from ._influence import ActiveSetCurvature, ActiveSetObjective
from ._machines import Machine, hinge_machine, support_vector_models
from ._svm import ActiveSetSVM, IndefiniteKernelError

__all__ = [
    "ActiveSetCurvature",
    "ActiveSetObjective",
    "ActiveSetSVM",
    "IndefiniteKernelError",
    "Machine",
    "hinge_machine",
    "support_vector_models",
]
