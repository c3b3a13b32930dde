"""Noun 2: the objective, which is what a fitted estimator minimised."""

from ._base import Objective
from ._build import NO_PARAMETERS, build_objective
from ._composed import ComposedObjective, Member
from ._counts import BernoulliMoments, CategoricalMoments, ComplementMoments, CountMoments
from ._discriminants import LinearMoments, QuadraticMoments, Shrinkage, scaled_inverse
from ._dual import BOUND
from ._empty_columns import without_empty_columns
from ._gauss_newton import GaussNewtonObjective
from ._gaussians import CentroidMoments, NormalMoments
from ._grams import mirror_lower
from ._grouped import GroupedObjective
from ._hinge import HingeObjective
from ._kernel import KernelObjective, UnknownBoundsError
from ._kernel_space import KernelSpaceObjective
from ._leaves import BoostedObjective, ForestObjective, LeafObjective, Refits
from ._linear import WITHOUT_L1, LinearObjective
from ._moments import ClassMoments, MomentsObjective, MomentsWithout, Removals
from ._network import NetworkObjective
from ._operator import CurvatureOperator, apply_inner
from ._pairs import PairGrams
from ._row_space import reduce_to_row_space
from ._sizes import PENALISED, Sizes
from ._tangents import LayerOperator, TangentOperator

__all__ = [
    "BOUND",
    "NO_PARAMETERS",
    "PENALISED",
    "WITHOUT_L1",
    "BernoulliMoments",
    "BoostedObjective",
    "CategoricalMoments",
    "CentroidMoments",
    "ClassMoments",
    "ComplementMoments",
    "ComposedObjective",
    "CountMoments",
    "CurvatureOperator",
    "ForestObjective",
    "GaussNewtonObjective",
    "GroupedObjective",
    "HingeObjective",
    "KernelObjective",
    "KernelSpaceObjective",
    "LayerOperator",
    "LeafObjective",
    "LinearMoments",
    "LinearObjective",
    "Member",
    "MomentsObjective",
    "MomentsWithout",
    "NetworkObjective",
    "NormalMoments",
    "Objective",
    "PairGrams",
    "QuadraticMoments",
    "Refits",
    "Removals",
    "Shrinkage",
    "Sizes",
    "TangentOperator",
    "UnknownBoundsError",
    "apply_inner",
    "build_objective",
    "mirror_lower",
    "reduce_to_row_space",
    "scaled_inverse",
    "without_empty_columns",
]
