"""Noun 3: the curvature of an objective, and the application of its inverse."""

from ._array_cholesky import ArrayCholeskyCurvature
from ._base import Curvature, NoFactor, Prepared
from ._beside import n_beside, whitened_beside
from ._block_diagonal import BlockDiagonalCurvature
from ._choice import (
    CURVATURES,
    SOLVERS,
    check_room_for_factor,
    has_exact_factor,
    has_room_for_factor,
    hessian_inverse,
    prepare_curvature,
)
from ._cholesky import CholeskyCurvature
from ._diagonal import DiagonalCurvature
from ._dual_gradients import DualConjugateGradients
from ._inverse import build_curvature, factorise, own_kind
from ._iterative import ConjugateGradients, Lissa, SplitCurvature
from ._kfac import KroneckerCurvature
from ._layers import LayeredCurvature
from ._null_space import held, null_space
from ._softmax_woodbury import SoftmaxWoodburyCurvature
from ._woodbury import WoodburyCurvature

__all__ = [
    "CURVATURES",
    "SOLVERS",
    "ArrayCholeskyCurvature",
    "BlockDiagonalCurvature",
    "CholeskyCurvature",
    "ConjugateGradients",
    "Curvature",
    "DiagonalCurvature",
    "DualConjugateGradients",
    "KroneckerCurvature",
    "LayeredCurvature",
    "Lissa",
    "NoFactor",
    "Prepared",
    "SoftmaxWoodburyCurvature",
    "SplitCurvature",
    "WoodburyCurvature",
    "build_curvature",
    "check_room_for_factor",
    "factorise",
    "has_exact_factor",
    "has_room_for_factor",
    "held",
    "hessian_inverse",
    "n_beside",
    "null_space",
    "own_kind",
    "prepare_curvature",
    "whitened_beside",
]
