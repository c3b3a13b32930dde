"""Noun 2: the curvature of an objective, and the application of its inverse.

A curvature has three methods on blocks of gradients, one gradient a row: ``whiten`` applies
``L^-1``, ``unwhiten`` applies ``L^-T``, and ``solve`` both. It knows no estimator.
"""

from ._active_set import ActiveSetSVM, IndefiniteKernelError
from ._block_diagonal import BlockDiagonalCurvature
from ._cholesky import CholeskyCurvature
from ._diagonal import DiagonalCurvature
from ._iterative import ConjugateGradients, Lissa, SplitCurvature
from ._kfac import KroneckerCurvature
from ._prepare import (
    CURVATURES,
    SOLVERS,
    Prepared,
    SolverChoice,
    build_curvature,
    check_room_for_factor,
    choose_solver,
    factorise,
    has_exact_factor,
    has_room_for_factor,
    hessian_inverse,
    prepare_curvature,
)
from ._softmax_woodbury import SoftmaxWoodburyCurvature
from ._woodbury import WoodburyCurvature

__all__ = [
    "CURVATURES",
    "SOLVERS",
    "ActiveSetSVM",
    "BlockDiagonalCurvature",
    "CholeskyCurvature",
    "ConjugateGradients",
    "DiagonalCurvature",
    "IndefiniteKernelError",
    "KroneckerCurvature",
    "Lissa",
    "Prepared",
    "SoftmaxWoodburyCurvature",
    "SolverChoice",
    "SplitCurvature",
    "WoodburyCurvature",
    "build_curvature",
    "check_room_for_factor",
    "choose_solver",
    "factorise",
    "has_exact_factor",
    "has_room_for_factor",
    "hessian_inverse",
    "prepare_curvature",
]
