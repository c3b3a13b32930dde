"""The choice of a solver, and what it does to the objective."""

from __future__ import annotations

import warnings
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgWarning

from ..objectives import CurvatureOperator, LinearObjective, reduce_to_row_space, row_space_obstacle
from ..results import SolverChoice
from . import _memory
from ._block_diagonal import BlockDiagonalCurvature
from ._diagonal import DiagonalCurvature
from ._inverse import build_curvature, is_diagonal
from ._iterative import ConjugateGradients, Lissa, SplitCurvature
from ._kfac import KroneckerCurvature, shared_penalty_obstacle
from ._memory import MEMORY_SHARE, Factor
from ._proof import predictor_error, solution_error
from ._softmax_woodbury import SoftmaxWoodburyCurvature
from ._woodbury import WoodburyCurvature

CURVATURES = ("hessian", "fisher", "empirical_fisher", "identity")
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
#: Error of solutions above which another exact solver is tried, for each precision, and above
#: which the last one says that it is none.
ACCURACY = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-4}
TOLERATED = 1e-6
#: How many times the product of precision and condition number a factor may be off, at most.
ROUNDINGS = 10
#: What a reason says of such another one.
DOUBLE = "; in double precision, because single precision spoils it"
SPANNED = "; in a basis of their span, because rounding spoils a matrix of their products"
#: Condition number from which on the last digits of what the model was fitted to count.
ILL_CONDITIONED = 1e12
#: Up to this size a factor costs so little that wide data are not reduced first.
SMALL = 1000
#: Up to this size a factor of a softmax regression on wide sparse data costs less than it saves.
MODERATE = 5000
#: Matrices with a row for each training row that all denominators of such a model take at once,
#: and the share of the memory for them: they are gone when the denominators are known.
SOFTMAX_MATRICES = 5
TRANSIENT_SHARE = 0.75
#: Matrices of the size of the features that EK-FAC holds at once.
EKFAC_MATRICES = 4
NORMS = {
    "block_diagonal": "the block-diagonal approximation",
    "ekfac": "the eigenvalue-corrected Kronecker approximation",
    "diagonal": "the diagonal of the curvature",
}


def hessian_inverse(objective):
    """The inverse of the Hessian without damping, whatever curvature and solver explain.

    Returns
    -------
    CholeskyCurvature, DiagonalCurvature or ConjugateGradients
        The last where a factor is not affordable.
    """
    if has_room_for_factor(objective):
        return build_curvature(objective, "hessian", 0.0)
    total = CurvatureOperator(objective, "hessian", 0.0)
    is_wide = _is_wide(objective)
    name = "diagonal" if is_wide else _affordable_norms(objective, "hessian", 0.0)[0]
    return ConjugateGradients(total, _structured(total, name))


def has_room_for_factor(objective) -> bool:
    """Whether a factor of the Hessian, in the coordinates of the objective, is affordable."""
    return _exact_factor(objective, "hessian", objective.jacobian.X.shape[1]).is_affordable


def check_room_for_factor(objective):
    """Raise a ValueError if memory does not hold a Hessian's factor, even in single precision."""
    factor = _exact_factor(objective, "hessian", objective.jacobian.X.shape[1])
    if factor.n_bytes / 2 > MEMORY_SHARE * _memory.machine_memory():
        raise ValueError(
            f"Retraining needs a factor of the Hessian of {objective.weights.size} parameters, "
            f"which would take {factor.n_bytes / 2**21:,.1f} MiB of the "
            f"{_memory.machine_memory() / 2**20:,.1f} MiB of this machine. Use order='newton', "
            "which solves iteratively, or a model with fewer parameters."
        )


class Prepared(NamedTuple):
    """What explains: an objective, its curvature in the same coordinates, and the solver."""

    objective: Any
    curvature: Any
    solver: SolverChoice


def prepare_curvature(
    objective, curvature, damping, solver="auto", random_state=None, verbose=False
) -> Prepared:
    """Choose a solver, and prepare it to apply the inverse of a curvature.

    Parameters
    ----------
    objective : objective
    curvature : {"hessian", "fisher", "empirical_fisher", "identity"}
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
    if not isinstance(objective, LinearObjective) or is_diagonal(objective, curvature):
        own = build_curvature(objective, curvature, damping)
        reason = "the curvature is diagonal, and its inverse exact at no cost"
        return Prepared(objective, own, SolverChoice("diagonal", reason))
    choice = SolverChoice(solver, "it was asked for")
    if solver == "auto":
        choice = choose_solver(objective, curvature, damping)
    if choice.name in ("cg", "lissa"):
        return _split(objective, curvature, damping, choice, random_state)
    if choice.name in ("cholesky", "woodbury"):
        return _exact(objective, curvature, damping, choice, verbose)
    if _is_wide(objective):
        objective = reduce_to_row_space(objective)
    total = CurvatureOperator(objective, curvature, damping)
    return Prepared(objective, _structured(total, choice.name), choice)


def _exact(objective, curvature, damping, choice, verbose):
    """The first of the exact solvers that proves to be one, or else the best of them."""
    if choice.name == "woodbury" and _has_softmax_dual(objective, curvature, damping):
        total = CurvatureOperator(objective, curvature, damping)
        return Prepared(objective, SoftmaxWoodburyCurvature(total, verbose), choice)
    found: list[tuple[float, Prepared]] = []
    refusal = ValueError()
    for note, given, solver in _attempts(objective, curvature, damping, choice):
        try:
            own, inverse = solver(given, curvature, damping)
        except ValueError as raised:
            refusal = raised
            continue
        prepared = Prepared(own, inverse, choice._replace(reason=choice.reason + note))
        error = predictor_error(given)
        if own is not given or not _is_well_conditioned(inverse):
            total = CurvatureOperator(given, curvature, damping)
            # NaN stays, unlike with the max of Python.
            error = float(np.maximum(error, solution_error(total, own, inverse)))
        found.append((error if np.isfinite(error) else np.inf, prepared))
        if error <= ACCURACY[own.dtype]:
            break
    if not found:
        raise refusal
    error, prepared = min(found, key=itemgetter(0))
    return _vouched_for(prepared, error)


def _attempts(objective, curvature, damping, choice):
    """Exact solvers from the fastest to the most accurate.

    Yields what to add to the reason, the objective, and a function of it, the kind of curvature
    and the damping to the objective in other coordinates, if need be, and its curvature.
    """
    plain = _in_all_features if choice.name == "cholesky" else _in_row_space
    if choice.name == "woodbury" and _has_dual(objective, curvature, damping):
        yield "", objective, _by_dual
        if objective.dtype != np.float64:
            yield DOUBLE, objective.astype(np.float64), _by_dual
        yield SPANNED, objective.astype(np.float64), plain
        return
    yield "", objective, plain
    if objective.dtype != np.float64:
        yield DOUBLE, objective.astype(np.float64), plain


def _in_all_features(objective, curvature, damping):
    return objective, build_curvature(objective, curvature, damping)


def _in_row_space(objective, curvature, damping):
    return _in_all_features(reduce_to_row_space(objective), curvature, damping)


def _by_dual(objective, curvature, damping):
    return objective, WoodburyCurvature(CurvatureOperator(objective, curvature, damping))


def _is_well_conditioned(inverse):
    """Whether a factor needs no other proof, as far as rounding can take it: eps x condition."""
    error = ROUNDINGS * np.finfo(inverse.dtype).eps * getattr(inverse, "condition", np.inf)
    return error <= ACCURACY[inverse.dtype]


def _vouched_for(prepared, error) -> Prepared:
    """A warning, and no claim to be exact, where it is not warranted."""
    condition = getattr(prepared.curvature, "condition", 1.0)
    is_proved = error <= max(TOLERATED, ACCURACY[prepared.objective.dtype])
    if is_proved and condition <= ILL_CONDITIONED:
        return prepared
    size = f"its condition number is about {condition:.0e}, with all columns at the same scale"
    spoilt = "scores may be off by rounding"
    if not is_proved:
        spoilt = f"rounding puts solutions off by about {error:.0e} of their size"
    warnings.warn(
        f"The curvature is ill-conditioned: {size}, and {spoilt}. Columns or rows nearly depend on "
        "one another, or columns hardly vary about a mean far from 0, and next to no penalty tells "
        "them apart. Set a positive damping (for example damping=1e-3), standardise the columns, "
        "leave out those that repeat others, or fit the model with more regularisation.",
        LinAlgWarning,
        stacklevel=2,
    )
    return prepared._replace(solver=prepared.solver._replace(is_proved=is_proved))


def _structured(total, name):
    if name == "block_diagonal":
        return BlockDiagonalCurvature(total)
    if name == "diagonal":
        return DiagonalCurvature(total.diagonal().astype(total.objective.dtype))
    return KroneckerCurvature(total, is_corrected=name == "ekfac")


def choose_solver(objective, curvature, damping=0.0) -> SolverChoice:
    """The exact solver if it is affordable, else conjugate gradients."""
    n_rows, n_features = objective.jacobian.X.shape
    factor = _exact_factor(objective, curvature, n_features)
    if factor.size > SMALL and _is_wide(objective):
        duals = Factor(SOFTMAX_MATRICES, n_rows)
        if _has_softmax_dual(objective, curvature, damping) and duals.fits(TRANSIENT_SHARE):
            return SolverChoice(
                "woodbury",
                f"there are fewer rows ({n_rows}) than features ({n_features}), and one exact "
                f"factor a class, taken one after the other, needs {duals.amount}",
            )
        reduced = _exact_factor(objective, curvature, n_rows)
        if reduced.is_affordable:
            return SolverChoice(
                "woodbury",
                f"the {n_rows} rows span a part of the {n_features} features, in which an exact "
                f"factor takes {reduced.amount}",
            )
    exact = f"an exact factor of {objective.weights.size} parameters"
    if factor.is_affordable:
        return SolverChoice("cholesky", f"{exact} takes {factor.amount}")
    return SolverChoice("cg", f"{exact} would take {factor.amount}")


def _exact_factor(objective, curvature, n_features):
    """The Cholesky factor of a curvature, were there so many features."""
    n_outputs = objective.shape[0]
    n_columns = n_features + objective.jacobian.fit_intercept
    if not (objective.loss.couples_outputs or curvature == "empirical_fisher"):
        return Factor(n_outputs, n_columns)
    return Factor(1, n_outputs * n_columns)


def has_exact_factor(objective, curvature):
    """Whether the factor of a curvature is affordable, in the span of the rows if need be."""
    n_rows, n_features = objective.jacobian.X.shape
    n_columns = min(n_rows, n_features) if _is_wide(objective) else n_features
    return _exact_factor(objective, curvature, n_columns).is_affordable


def _split(objective, curvature, damping, choice, random_state):
    """An iterative solver of the queries, with norms from a factor that is affordable."""
    norms_name, is_reduced = _affordable_norms(objective, curvature, damping)
    if is_reduced:
        objective = reduce_to_row_space(objective)
    total = CurvatureOperator(objective, curvature, damping)
    norms = _structured(total, norms_name)
    if choice.name == "cg":
        solver: Any = ConjugateGradients(total, norms)
    else:
        solver = Lissa(total, norms, random_state=random_state)
    where = ", in the span of the rows" if is_reduced else ""
    reason = f"{choice.reason}{where}; denominators from {NORMS[norms_name]}"
    return Prepared(objective, SplitCurvature(solver, norms), SolverChoice(choice.name, reason))


def _affordable_norms(objective, curvature, damping):
    """The best approximation that fits into memory, and whether wide data are to be reduced."""
    is_wide = _is_wide(objective)
    n_rows, n_features = objective.jacobian.X.shape
    n_columns = (n_rows if is_wide else n_features) + objective.jacobian.fit_intercept
    contrasts = objective.loss.softmax_contrasts
    n_blocks = objective.shape[0] if contrasts is None else len(contrasts)
    if Factor(n_blocks, n_columns).is_affordable:
        return "block_diagonal", is_wide
    obstacle = shared_penalty_obstacle(CurvatureOperator(objective, curvature, damping))
    if obstacle is None and Factor(EKFAC_MATRICES, n_columns).is_affordable:
        return "ekfac", is_wide
    return "diagonal", False


def _is_wide(objective):
    n_rows, n_features = objective.jacobian.X.shape
    return n_rows < n_features and row_space_obstacle(objective) is None


def _has_dual(objective, curvature, damping):
    """Whether the curvature is one that :class:`WoodburyCurvature` inverts."""
    is_coupled = objective.loss.couples_outputs or curvature == "empirical_fisher"
    return (
        objective.jacobian.is_sparse
        and _is_wide(objective)
        and (objective.shape[0] == 1 or not is_coupled)
        and (objective.mask is None or bool(objective.mask.all()))
        and CurvatureOperator(objective, curvature, damping).ridge[:, 0].min() > 0
    )


def _has_softmax_dual(objective, curvature, damping):
    """Whether :class:`SoftmaxWoodburyCurvature` inverts the curvature, and for less than a factor.

    It is for the softmax in contrasts.
    """
    return (
        objective.loss.softmax_contrasts is not None
        and not objective.loss.has_gauge
        and objective.shape[0] > 1
        and curvature in ("hessian", "fisher")
        and objective.jacobian.is_sparse
        and _is_wide(objective)
        and objective.mask is None
        and objective.weights.shape[0] * objective.n_rows > MODERATE
        and CurvatureOperator(objective, curvature, damping).ridge[:, 0].min() > 0
    )
