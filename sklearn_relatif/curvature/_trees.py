"""What stands for the inverse curvature of models of trees.

A forest has one: leaves share no rows within a tree, and trees no loss, so that the Hessian is a
diagonal, of the weight of each leaf. A boosted model has the triangle A of its recursion
(:mod:`sklearn_relatif.trees._recursion`) in the place of H: with what a row pulls at its own leaves
``p_i = -S dv/dw_i``, influence is ``q^T A^-1 p_i``, and relative influence divides that by what the
row does to the model ::

    theta-relative   || A^-1 p_i ||
    loss-relative    sqrt(p_i^T A^-T F A^-1 p_i),    F = (1/S) sum_j s_j J_j^T Fisher_j J_j,

the change of the parameters, and the root of the expected squared change of the training losses, as
Definitions 3.2 and 3.4 of Barshan, Brunet and Dziugaite (2020) have it, where ``F = H``.
"""

from __future__ import annotations

from typing import Any

from ..objectives import BoostedObjective, ForestObjective
from ..results import SolverChoice
from ..trees import BoostedTrees
from ._base import Prepared
from ._leaves import ForestCurvature
from ._recursion import TriangleCurvature
from ._sweeps import SweptCurvature

#: Of matrices with a row and a column a leaf, how many there are and what they may take; and of the
#: pairs of trees, times the rows, how many may be gone through.
N_MATRICES = 5
MATRIX_BYTES = 1.5 * 2**30
MOST_PAIRS = 5e9


def prepare_leaves(objective: Any, kind: str, damping: float, solver: str) -> Prepared:
    """The curvature of a model of trees.

    Raises
    ------
    ValueError
        If another curvature or solver is asked for, or damping where there is nothing to damp.
    """
    if kind != "hessian":
        raise ValueError(
            f"curvature={kind!r} does not exist for models of trees, whose parameters are the "
            "values of leaves; use curvature='hessian'."
        )
    if solver != "auto":
        raise ValueError(
            f"solver={solver!r} is not for models of trees, which have a way of their own; use "
            "solver='auto'."
        )
    return PREPARED[type(objective)](objective, damping)


def _of_forest(objective: ForestObjective, damping: float) -> Prepared:
    reason = "leaves share no rows, so that the curvature is diagonal, and its inverse exact"
    choice = SolverChoice("diagonal", reason)
    return Prepared(objective, ForestCurvature(objective, damping), choice)


def _of_recursion(objective: BoostedObjective, damping: float) -> Prepared:
    if damping:
        raise ValueError(
            f"A boosted model follows from its rows without a curvature that damping could be "
            f"added to; got damping={damping!r}. Set damping=0."
        )
    kind = TriangleCurvature if _is_small(objective.trees) else SweptCurvature
    return Prepared(objective, kind(objective), SolverChoice(*kind.choice))


def _is_small(trees: BoostedTrees) -> bool:
    """Whether the slopes between all pairs of leaves are affordable."""
    n_pairs = trees.n_rows * trees.leaves.n_trees**2
    return N_MATRICES * 8 * trees.n_values**2 <= MATRIX_BYTES and n_pairs <= MOST_PAIRS


PREPARED: dict[type, Any] = {ForestObjective: _of_forest, BoostedObjective: _of_recursion}
