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

from functools import cached_property
from typing import Any

import numpy as np

from ..jacobians import DenseLeafVectors, LeafVectors
from ..objectives import BoostedObjective, ForestObjective
from ..results import SolverChoice
from ..trees import BoostedTrees, DenseRecursion, SweptRecursion
from ..utils._blocks import block_budget, row_blocks
from ._base import Curvature, Prepared

#: Random projections that give the lengths of rows in large models, and their seed.
N_PROJECTIONS = 200
SEED = 0
#: Of matrices with a row and a column a leaf, how many there are and what they may take; and of the
#: pairs of trees, times the rows, how many may be gone through.
N_MATRICES = 5
MATRIX_BYTES = 1.5 * 2**30
MOST_PAIRS = 5e9
NEEDS = {"theta_relative": ("loss_relative", "theta_relative"), "loss_relative": ("loss_relative",)}


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
    n_values = trees.n_outputs + trees.leaves.n_leaves
    n_pairs = trees.n_rows * trees.leaves.n_trees**2
    return N_MATRICES * 8 * n_values**2 <= MATRIX_BYTES and n_pairs <= MOST_PAIRS


class LeafCurvature(Curvature):
    """What both kinds share: lengths of all rows, some at a time."""

    dtype = np.dtype(np.float64)
    is_exact = True

    def lengths(self, rows, criterion):
        names = NEEDS[criterion]
        found = {name: np.empty(rows.n_rows) for name in names}
        for some in row_blocks(rows.n_rows, 8 * rows.n_formed(1), block_budget()):
            for name in names:
                found[name][some] = np.sqrt(self.squares(rows, some, name))
        return found

    def squares(self, rows: Any, some: slice, name: str) -> np.ndarray:
        """Squared lengths of some rows in a criterion."""
        raise NotImplementedError


class ForestCurvature(LeafCurvature):
    """The diagonal of a forest.

    Parameters
    ----------
    objective : ForestObjective
    damping : float
        Added to it.
    """

    def __init__(self, objective: ForestObjective, damping: float) -> None:
        forest = objective.forest
        diagonal = np.repeat(forest.weight / objective.total_weight, forest.n_outputs)
        if objective.bend is not None:
            diagonal *= objective.bend.ravel()
        diagonal += damping
        self.inverse = np.divide(1, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)

    def solve(self, gradients):
        return LeafVectors(_scaled(gradients.matrix, self.inverse))

    def squares(self, rows, some, name):
        factor = self.inverse if name == "loss_relative" else self.inverse**2
        matrix = rows.matrix(some)
        matrix.data **= 2
        return matrix @ factor

    def self_influence(self, objective):
        found = np.empty(objective.n_rows)
        rows = objective.rows
        for some in row_blocks(objective.n_rows, 8 * rows.n_formed(1), block_budget()):
            own = objective.own_rows(some)
            queries = _scaled(own.block(slice(None)).matrix, self.inverse)
            found[some] = own.norm * queries.multiply(rows.matrix(some)).sum(axis=1)
        return found


class RecursionCurvature(LeafCurvature):
    """The triangle of a boosted model in the place of its curvature.

    Attributes
    ----------
    objective : BoostedObjective
    choice : tuple of str
        Name of the way, and the reason.
    """

    objective: BoostedObjective
    choice: tuple[str, str]

    def own_forms(self, query: Any, pulls: Any, some: slice) -> np.ndarray:
        """``q^T A^-1 p`` of queries and pulls, a row each, of some of the rows."""
        raise NotImplementedError

    def self_influence(self, objective):
        found, rows = np.empty(objective.n_rows), objective.rows
        for some in row_blocks(objective.n_rows, 8 * rows.n_formed(1), block_budget()):
            own = objective.own_rows(some)
            query = own.block(slice(None)).matrix
            found[some] = own.norm * self.own_forms(query, rows.matrix(some), some)
        return found


class TriangleCurvature(RecursionCurvature):
    """The triangle as a matrix.

    Parameters
    ----------
    objective : BoostedObjective
    """

    choice = ("triangle", "leaf values follow from those of earlier trees, and few depend on few")

    def __init__(self, objective: BoostedObjective) -> None:
        self.objective = objective
        self.recursion = DenseRecursion(objective.trees)

    def solve(self, gradients):
        return DenseLeafVectors(self.recursion.solve_transposed(gradients.matrix.T.toarray()))

    @cached_property
    def inverse(self) -> np.ndarray:
        """``A^-1``."""
        return self.recursion.inverse()

    @cached_property
    def changes(self) -> dict[str, np.ndarray]:
        """The matrix whose form of a row's pulls is the squared length in a criterion."""
        fisher = leaf_fisher(self.objective)
        return {
            "theta_relative": self.inverse.T @ self.inverse,
            "loss_relative": self.inverse.T @ fisher @ self.inverse,
        }

    def squares(self, rows, some, name):
        pulls = rows.matrix(some)
        return np.maximum(forms(self.changes[name], pulls, pulls), 0)

    def own_forms(self, query, pulls, some):
        return forms(self.inverse, query, pulls)


class SweptCurvature(RecursionCurvature):
    """The triangle by sweeps over the rows, and lengths by random projections.

    With vectors z of random signs, ``z^T A^-1 p`` has the mean square ``||A^-1 p||^2``, and with
    ``z = sum_j e_j sqrt(s_j / S) J_j^T Fisher_j^1/2`` of random signs e the loss-relative one.
    Their means over :data:`N_PROJECTIONS` have a relative standard error of about
    ``sqrt(2 / N_PROJECTIONS)``, and lengths half of that.

    Parameters
    ----------
    objective : BoostedObjective
    """

    choice = (
        "sweeps",
        "slopes between all pairs of leaves would take too much memory or time; relative influence "
        f"is divided by lengths from {N_PROJECTIONS} random projections, with a standard error of "
        f"{100 / np.sqrt(2 * N_PROJECTIONS):.0f} %",
    )

    def __init__(self, objective: BoostedObjective) -> None:
        self.objective = objective
        self.recursion = SweptRecursion(objective.trees)

    def solve(self, gradients):
        return DenseLeafVectors(self.recursion.solve_transposed(gradients.matrix.T.toarray()))

    @cached_property
    def signs(self) -> np.ndarray:
        """Random signs of all values, shape (n_values, N_PROJECTIONS)."""
        rng = np.random.default_rng(SEED)
        return rng.choice([-1.0, 1.0], (self.recursion.n_values, N_PROJECTIONS))

    @cached_property
    def of_parameters(self) -> np.ndarray:
        """``A^-T z`` for the change of the parameters."""
        return self.recursion.solve_transposed(self.signs)

    @cached_property
    def of_losses(self) -> np.ndarray:
        """``A^-T z`` for the change of the training losses."""
        return self.recursion.solve_transposed(drawn_losses(self.objective))

    def squares(self, rows, some, name):
        projected = self.of_losses if name == "loss_relative" else self.of_parameters
        return np.square(rows.matrix(some) @ projected).mean(axis=1)

    def own_forms(self, query, pulls, some):
        # What a row does to its own leaves directly is exact; what goes through later trees is not.
        direct = query.multiply(pulls).sum(axis=1)
        passed_on = pulls @ (self.of_parameters - self.signs)
        return direct + np.einsum("nk,nk->n", query @ self.signs, passed_on) / N_PROJECTIONS


def drawn_losses(objective: BoostedObjective) -> np.ndarray:
    """``sum_j e_j sqrt(s_j / S) J_j^T Fisher_j^1/2`` of random signs, (n_values, N_PROJECTIONS)."""
    trees, rng = objective.trees, np.random.default_rng(SEED + 1)
    fisher = np.moveaxis(predictor_fisher(objective), 2, 0)
    share = np.sqrt(trees.weight / objective.total_weight)
    drawn = np.zeros((trees.n_outputs + trees.leaves.n_leaves, N_PROJECTIONS))
    jacobian = objective.jacobian_of(trees.leaves)
    for some in row_blocks(trees.n_rows, 8 * N_PROJECTIONS * trees.n_outputs, block_budget()):
        values, vectors = np.linalg.eigh(fisher[some])
        root = vectors * np.sqrt(np.maximum(values, 0))[:, None]
        signs = rng.choice([-1.0, 1.0], (len(root), trees.n_outputs, N_PROJECTIONS))
        pull = np.einsum("nkl,nlp,n->nkp", root, signs, share[some], optimize=True)
        drawn += jacobian.summed(pull, some)
    return drawn


def forms(matrix: np.ndarray, left: Any, right: Any) -> np.ndarray:
    """``l_i^T M r_i`` of rows with as many entries each, shape (n,).

    Parameters
    ----------
    matrix : ndarray of shape (n_values, n_values)
    left, right : CSR matrices of shape (n, n_values)
    """
    n_rows, flat = left.shape[0], np.ascontiguousarray(matrix).ravel()
    columns = right.indices.reshape(n_rows, -1)
    entries = right.data.reshape(n_rows, -1)
    total = np.zeros(n_rows)
    # One tree after the other, of whose leaves the matrix has few rows, which stay in cache.
    both = zip(left.indices.reshape(n_rows, -1).T, left.data.reshape(n_rows, -1).T, strict=True)
    for place, own in both:
        picked = flat.take(place[:, None].astype(np.int64) * matrix.shape[1] + columns)
        total += own * np.einsum("nt,nt->n", picked, entries)
    return total


def leaf_fisher(objective: BoostedObjective) -> np.ndarray:
    """``F = (1/S) sum_j s_j J_j^T Fisher_j J_j`` in the values of leaves, the start included."""
    trees = objective.trees
    weight = predictor_fisher(objective) * (trees.weight / objective.total_weight)
    columns = trees.columns
    fisher = np.zeros((columns[-1].end, columns[-1].end))
    for number, own in enumerate(columns):
        for other in columns[: number + 1]:
            pairs = own.positions * other.size + other.positions
            sums = np.bincount(
                pairs, weight[own.output, other.output], minlength=own.size * other.size
            ).reshape(own.size, other.size)
            fisher[own.first : own.end, other.first : other.end] = sums
            fisher[other.first : other.end, own.first : own.end] = sums.T
    return fisher


def predictor_fisher(objective: BoostedObjective) -> np.ndarray:
    """Fisher weights of the predictors of trees, shape (n_predictors, n_predictors, n_rows)."""
    loss, outputs = objective.loss, objective.outputs
    fisher = loss.fisher_weight(objective.training_predictor)
    subscripts = "ka,nab,lb->kln" if fisher.ndim == 3 else "ka,na,la->kln"
    return np.einsum(subscripts, outputs, fisher, outputs, optimize=True)


def _scaled(matrix, factor):
    """A CSR matrix with each column multiplied by a factor."""
    scaled = matrix.copy()
    scaled.data *= factor[scaled.indices]
    return scaled


PREPARED: dict[type, Any] = {ForestObjective: _of_forest, BoostedObjective: _of_recursion}
