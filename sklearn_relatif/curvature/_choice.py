"""The choice of a solver, and what it does to the objective."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..objectives import CurvatureOperator, TangentOperator, reduce_to_row_space
from ..results import SolverChoice
from . import _memory
from ._base import Curvature, Prepared
from ._block_diagonal import BlockDiagonalCurvature
from ._cholesky import CholeskyCurvature
from ._composed import ComposedCurvature
from ._diagonal import DiagonalCurvature
from ._exact import proved_by_tangents, proved_exact
from ._inverse import build_curvature, diagonal_curvature, own_kind
from ._iterative import ConjugateGradients, Lissa, SplitCurvature
from ._kfac import KroneckerCurvature
from ._layers import LayeredCurvature, memory_of_blocks, obstacle_of_layers
from ._memory import MEMORY_SHARE
from ._softmax_woodbury import SoftmaxWoodburyCurvature
from ._trees import prepare_leaves

CURVATURES = ("hessian", "gauss_newton", "fisher", "empirical_fisher", "identity")
SOLVERS = (
    "auto",
    "cholesky",
    "woodbury",
    "cg",
    "lissa",
    "block_diagonal",
    "kfac",
    "ekfac",
)
#: Up to this size a factor costs so little that wide data are not reduced first.
SMALL = 1000
#: Up to this size a factor of a softmax regression on wide sparse data costs less than it saves.
MODERATE = 5000
#: Share of the memory that all denominators of such a model may take, for as long as they do.
TRANSIENT_SHARE = 0.75
#: Matrices of the size of a curvature that a device holds while it is factored.
MATRICES_AT_ONCE = 3
#: What makes an approximation of a :class:`CurvatureOperator`.
APPROXIMATIONS: dict[str, Any] = {
    "block_diagonal": BlockDiagonalCurvature,
    "kfac": KroneckerCurvature,
    "ekfac": partial(KroneckerCurvature, is_corrected=True),
    "diagonal": DiagonalCurvature.of,
}
#: The same of a :class:`TangentOperator`.
OF_TANGENTS: dict[str, Any] = {
    "block_diagonal": LayeredCurvature.of_blocks,
    "kfac": LayeredCurvature.of_layers,
    "ekfac": partial(LayeredCurvature.of_layers, is_corrected=True),
    "diagonal": DiagonalCurvature.of,
}
#: Residuals that conjugate gradients on networks of each precision arrive at.
CG_TOLERANCE = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-4}
#: Those that give denominators, from the best to the one that is always affordable.
OF_DENOMINATORS: dict[str, tuple[type[Curvature], str]] = {
    "block_diagonal": (BlockDiagonalCurvature, "the block-diagonal approximation"),
    "ekfac": (KroneckerCurvature, "the eigenvalue-corrected Kronecker approximation"),
    "diagonal": (DiagonalCurvature, "the diagonal of the curvature"),
}


def hessian_inverse(objective):
    """The inverse of the Hessian without damping, whatever curvature and solver explain.

    Returns
    -------
    CholeskyCurvature, DiagonalCurvature or ConjugateGradients
        The last where a factor is not affordable.
    """
    if objective.place is not None or has_room_for_factor(objective):
        return build_curvature(objective, "hessian", 0.0)
    total, sizes = CurvatureOperator(objective, "hessian", 0.0), objective.sizes()
    name = "diagonal" if sizes.is_wide else _affordable_approximation(sizes, "hessian", 0.0)
    return ConjugateGradients(total, APPROXIMATIONS[name](total))


def has_room_for_factor(objective) -> bool:
    """Whether a factor of the Hessian, in the coordinates of the objective, is affordable."""
    return CholeskyCurvature.memory(objective.sizes(), "hessian").is_affordable


def check_room_for_factor(objective):
    """Raise a ValueError if memory does not hold a Hessian's factor, even in single precision."""
    factor = CholeskyCurvature.memory(objective.sizes(), "hessian")
    if factor.n_bytes / 2 > MEMORY_SHARE * _memory.machine_memory():
        raise ValueError(
            f"Retraining needs a factor of the Hessian of {objective.weights.size} parameters, "
            f"which would take {_memory.in_units(factor.n_bytes / 2)} of the "
            f"{_memory.in_units(_memory.machine_memory())} of this machine. Use order='newton', "
            "which solves iteratively, or a model with fewer parameters."
        )


def has_exact_factor(objective, kind) -> bool:
    """Whether the factor of a curvature is affordable, in the span of the rows if need be."""
    if objective.members:
        return all(has_exact_factor(member.objective, kind) for member in objective.members)
    return CholeskyCurvature.memory(objective.sizes().reduced, kind).is_affordable


def prepare_curvature(
    objective, kind, damping, solver="auto", random_state=None, verbose=False
) -> Prepared:
    """Choose a solver, and prepare it to apply the inverse of a curvature.

    Parameters
    ----------
    objective : objective
    kind : {"hessian", "gauss_newton", "fisher", "empirical_fisher", "identity"}
        Of curvature.
    damping : float
        Added to the diagonal (the objective being a mean over rows).
    solver : {"auto", "cholesky", "woodbury", "cg", "lissa", "block_diagonal", "kfac", "ekfac"}
        "woodbury" is exact as "cholesky" is, and for wide data: it inverts a matrix with a row for
        each training row (for a large softmax regression one a class, with queries solved for by
        conjugate gradients to a residual of 1e-11), or, where outputs are coupled otherwise or
        the features dense, reduces the data to the space that the rows span. The approximations
        are the same in that space, and are made there. "cg" and "lissa" solve for each query, and
        take the denominators of relative influence from the best approximation that fits into
        memory. The exact solvers are put to the proof by the residuals of a few solves, and take
        the features in double precision, or the space of the rows, where these are too large.
    random_state : int, RandomState instance or None, default=None
        Of the batches of "lissa".
    verbose : bool, default=False
        Whether long computations show their progress on standard error.

    Returns
    -------
    Prepared
        The objective is a new one where the data were reduced, or where single precision does
        not do for an exact solver.

    Raises
    ------
    ValueError
        If the curvature does not exist or is not positive definite, or if the solver does not
        apply to the objective.

    Warns
    -----
    LinAlgWarning
        If the condition number of a factored curvature is above 1e12, or if the residuals of an
        exact solver say that rounding spoils it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.curvature import prepare_curvature
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(30, 2000)), np.repeat([0, 1], 15)
    >>> objective = reduce_estimator(LogisticRegression().fit(X, y), X, y, np.ones(30))
    >>> reduced, curvature, choice = prepare_curvature(objective, "hessian", 0.0)
    >>> choice.name, reduced.shape
    ('woodbury', (1, 31))
    """
    kind = own_kind(objective, kind)
    if objective.members:
        return _of_members(objective, kind, damping, (solver, random_state, verbose))
    if objective.has_leaves:
        return prepare_leaves(objective, kind, damping, solver)
    own = diagonal_curvature(objective, kind, damping)
    if own is not None:
        reason = "the curvature is diagonal, and its inverse exact at no cost"
        return Prepared(objective, own, SolverChoice("diagonal", reason))
    if objective.place is not None:
        return _where_gradients_are(objective, kind, damping, solver)
    choice = SolverChoice(solver, "it was asked for")
    if solver == "auto":
        choice = choose_solver(objective, kind, damping)
    if objective.has_tangents:
        return _of_tangents(objective, kind, damping, choice, random_state)
    if choice.name in ("cg", "lissa"):
        return _split(objective, kind, damping, choice, random_state)
    if choice.name in ("cholesky", "woodbury"):
        if choice.name == "woodbury" and _is_large_softmax(objective.sizes(), kind, damping):
            total = CurvatureOperator(objective, kind, damping)
            return Prepared(objective, SoftmaxWoodburyCurvature(total, verbose), choice)
        return proved_exact(objective, kind, damping, choice)
    if objective.sizes().is_wide:
        objective = reduce_to_row_space(objective)
    total = CurvatureOperator(objective, kind, damping)
    return Prepared(objective, APPROXIMATIONS[choice.name](total), choice)


def _of_members(objective, kind, damping, options) -> Prepared:
    """The curvature of each member by itself, with the damping that its scale leaves of it."""
    if kind == "empirical_fisher":
        raise ValueError(
            "curvature='empirical_fisher' is that of one model: it couples the gradients of a row "
            "in all the models that this one is made of. Use curvature='hessian'."
        )
    scales = [1.0 if kind == "identity" else share for share in objective.shares]
    prepared = [
        prepare_curvature(member.objective, kind, damping / scale, *options)
        for member, scale in zip(objective.members, scales, strict=True)
    ]
    objectives, members, choices = zip(*prepared, strict=True)
    sizes = [own.weights.size for own in objectives]
    names = dict.fromkeys(choice.name for choice in choices)
    choice = SolverChoice(
        ", ".join(names),
        f"of {len(members)} models, each by itself: {choices[0].reason}",
        is_proved=all(choice.is_proved for choice in choices),
    )
    curvature = ComposedCurvature(members, scales, sizes)
    return Prepared(objective.with_objectives(objectives), curvature, choice)


def _where_gradients_are(objective, kind, damping, solver) -> Prepared:
    """The factor on a device, which is the only solver there."""
    place, size = objective.place, objective.weights.size
    if solver not in ("auto", "cholesky"):
        raise ValueError(
            f"solver={solver!r} is computed with NumPy, and the gradients are arrays of {place}: "
            "use solver='cholesky', or np.asarray(X), or X.cpu().numpy() from a GPU."
        )
    memory, factor = place.memory(), CholeskyCurvature.memory(objective.sizes(), kind)
    if memory is not None and MATRICES_AT_ONCE * factor.n_bytes > memory[1]:
        raise ValueError(
            f"An exact factor of {size} parameters takes {factor.amount}, and its computation "
            f"{MATRICES_AT_ONCE} times as much, of the {_memory.in_units(memory[1])} of {place}. "
            "Other solvers are computed with NumPy: pass np.asarray(X), or X.cpu().numpy()."
        )
    choice = SolverChoice(
        "cholesky", f"an exact factor of {size} parameters takes {factor.amount} of {place}"
    )
    if objective.is_linear:
        return proved_exact(objective, kind, damping, choice)
    return proved_by_tangents(objective, kind, damping, choice)


def _of_tangents(objective, kind, damping, choice, random_state) -> Prepared:
    """The curvature of a model that is not linear in its parameters."""
    if choice.name == "cholesky":
        return proved_by_tangents(objective, kind, damping, choice)
    total = TangentOperator(objective, kind, damping)
    if choice.name in ("cg", "lissa"):
        return _split_tangents(total, choice, random_state)
    obstacle = _obstacle_of_tangents(choice.name, total)
    if obstacle is not None:
        raise ValueError(
            f"solver={choice.name!r} cannot be used, because {obstacle}; use solver='cholesky', "
            "'block_diagonal' or 'cg'."
        )
    return Prepared(objective, OF_TANGENTS[choice.name](total), choice)


def _obstacle_of_tangents(name, total) -> str | None:
    """Why an approximation does not apply to a model with tangents; None if it does."""
    if name == "woodbury":
        return "it is for models that are linear in their parameters"
    if name not in ("kfac", "ekfac"):
        return None
    if total.is_bent:
        return "it approximates the Gauss-Newton matrix (set curvature='gauss_newton')"
    return obstacle_of_layers(total.objective)


def _split_tangents(total, choice, random_state) -> Prepared:
    """An iterative solver of the queries, with denominators from blocks or from the diagonal."""
    objective, kind = total.objective, total.curvature
    # That of the Gauss-Newton matrix is positive definite, whatever the Hessian is.
    own = TangentOperator(objective, "gauss_newton" if total.is_bent else kind, total.damping)
    name = "block_diagonal"
    if not memory_of_blocks(objective).is_affordable:
        name = "diagonal" if _obstacle_of_tangents("ekfac", own) else "ekfac"
    approximation = OF_TANGENTS[name](own)
    if choice.name == "cg":
        tol = CG_TOLERANCE[objective.dtype]
        solver: Any = ConjugateGradients(total, approximation, tol=tol)
    else:
        solver = Lissa(total, approximation, random_state=random_state)
    of_what = " of the Gauss-Newton matrix" if total.is_bent else ""
    reason = f"{choice.reason}; denominators from {OF_DENOMINATORS[name][1]}{of_what}"
    curvature = SplitCurvature(solver, approximation)
    return Prepared(objective, curvature, SolverChoice(choice.name, reason))


def choose_solver(objective, kind, damping=0.0) -> SolverChoice:
    """The exact solver if it is affordable, else conjugate gradients."""
    sizes = objective.sizes()
    factor = CholeskyCurvature.memory(sizes, kind)
    if factor.size > SMALL and sizes.is_wide:
        duals = SoftmaxWoodburyCurvature.memory(sizes, kind)
        if _is_large_softmax(sizes, kind, damping) and duals.fits(TRANSIENT_SHARE):
            return SolverChoice(
                "woodbury",
                f"there are fewer rows ({sizes.n_rows}) than features ({sizes.n_features}), and "
                f"one exact factor a class, taken one after the other, needs {duals.amount}",
            )
        reduced = CholeskyCurvature.memory(sizes.reduced, kind)
        if reduced.is_affordable:
            return SolverChoice(
                "woodbury",
                f"the {sizes.n_rows} rows span a part of the {sizes.n_features} features, in which "
                f"an exact factor takes {reduced.amount}",
            )
    exact = f"an exact factor of {objective.weights.size} parameters"
    if factor.is_affordable:
        return SolverChoice("cholesky", f"{exact} takes {factor.amount}")
    return SolverChoice("cg", f"{exact} would take {factor.amount}")


def _is_large_softmax(sizes, kind, damping):
    """Whether :class:`SoftmaxWoodburyCurvature` inverts a curvature, and for less than a factor."""
    is_large = sizes.n_outputs * sizes.n_rows > MODERATE
    return is_large and SoftmaxWoodburyCurvature.obstacle(sizes, kind, damping) is None


def _split(objective, kind, damping, choice, random_state):
    """An iterative solver of the queries, with denominators from a factor that is affordable."""
    sizes = objective.sizes()
    name = _affordable_approximation(sizes, kind, damping)
    is_reduced = sizes.is_wide and name != "diagonal"
    if is_reduced:
        objective = reduce_to_row_space(objective)
    total = CurvatureOperator(objective, kind, damping)
    approximation = APPROXIMATIONS[name](total)
    if choice.name == "cg":
        solver: Any = ConjugateGradients(total, approximation)
    else:
        solver = Lissa(total, approximation, random_state=random_state)
    where = ", in the span of the rows" if is_reduced else ""
    reason = f"{choice.reason}{where}; denominators from {OF_DENOMINATORS[name][1]}"
    own = SplitCurvature(solver, approximation)
    return Prepared(objective, own, SolverChoice(choice.name, reason))


def _affordable_approximation(sizes, kind, damping):
    """Name of the best one that fits into memory, for wide data in the space of the rows."""
    return next(
        name
        for name, (solver, _) in OF_DENOMINATORS.items()
        if solver.obstacle(sizes, kind, damping) is None
        and solver.memory(sizes.reduced, kind).is_affordable
    )
