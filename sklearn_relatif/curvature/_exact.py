"""The exact solvers, which have to prove that they are."""

from __future__ import annotations

import warnings
from operator import itemgetter

import numpy as np
from scipy.linalg import LinAlgWarning

from ..objectives import (
    CurvatureOperator,
    TangentOperator,
    reduce_to_row_space,
    without_empty_columns,
)
from ._base import Prepared
from ._cholesky import CholeskyCurvature
from ._inverse import build_curvature
from ._proof import predictor_error, solution_error, tangent_error
from ._woodbury import WoodburyCurvature

#: Error of solutions above which another exact solver is tried, for each precision, and above
#: which the last one says that it is none.
ACCURACY = {np.dtype(np.float64): 1e-8, np.dtype(np.float32): 1e-4}
TOLERATED = 1e-6
#: How many times the product of precision and condition number a factor may be off, at most.
FACTOR_ROUNDINGS = 10
#: What a reason says of such another one.
DOUBLE = "; in double precision, because single precision spoils it"
SPANNED = "; in a basis of their span, because rounding spoils a matrix of their products"
#: Condition number from which on the last digits of what the model was fitted to count.
ILL_CONDITIONED = 1e12
#: Where that comes from, and the way out.
_CAUSES = (
    "Columns or rows nearly depend on one another, or columns hardly vary about a mean far from 0, "
    "and next to no penalty tells them apart. Set a positive damping (for example damping=1e-3), "
    "standardise the columns, leave out those that repeat others, or fit the model with more "
    "regularisation."
)
_CAUSES_IN_NETWORKS = (
    "The rows tell many of the parameters hardly apart, and so little damping does not either. Set "
    "a larger one (for example damping=1e-2)."
)


def proved_exact(objective, kind, damping, choice) -> Prepared:
    """The first of the exact solvers that proves to be one, or else the best of them.

    Parameters
    ----------
    objective : LinearObjective
    kind : {"hessian", "fisher", "empirical_fisher"}
    damping : float
    choice : SolverChoice
        "cholesky" or "woodbury".
    """
    if choice.name == "cholesky" and _spares_empty_columns(objective, kind, damping):
        objective = without_empty_columns(objective)
    found: list[tuple[float, Prepared]] = []
    refusal = ValueError()
    for note, given, solver in _attempts(objective, kind, damping, choice):
        try:
            own, inverse = solver(given, kind, damping)
        except ValueError as raised:
            refusal = raised
            continue
        prepared = Prepared(own, inverse, choice._replace(reason=choice.reason + note))
        error = predictor_error(given)
        if own is not given or not _is_well_conditioned(inverse):
            total = CurvatureOperator(given, kind, damping)
            # NaN stays, unlike with the max of Python.
            error = float(np.maximum(error, solution_error(total, own, inverse)))
        found.append((error if np.isfinite(error) else np.inf, prepared))
        if error <= ACCURACY[own.dtype]:
            break
    if not found:
        raise refusal
    error, prepared = min(found, key=itemgetter(0))
    return _vouched_for(prepared, error)


def proved_by_tangents(objective, kind, damping, choice) -> Prepared:
    """A factor of a model that is not linear, held to the products that it is the inverse of.

    Parameters
    ----------
    objective : GaussNewtonObjective
    kind : {"hessian", "gauss_newton", "fisher", "empirical_fisher"}
    damping : float
    choice : SolverChoice
        "cholesky".
    """
    found: list[tuple[float, Prepared]] = []
    refusal = ValueError()
    for note, given in _precisions(objective, kind):
        try:
            curvature = build_curvature(given, kind, damping)
        except ValueError as raised:
            refusal = raised
            continue
        error = 0.0
        if not _is_well_conditioned(curvature):
            error = tangent_error(TangentOperator(given, kind, damping), curvature)
        prepared = Prepared(given, curvature, choice._replace(reason=choice.reason + note))
        found.append((error if np.isfinite(error) else np.inf, prepared))
        if error <= ACCURACY[given.dtype]:
            break
    if not found:
        raise refusal
    error, prepared = min(found, key=itemgetter(0))
    return _vouched_for(prepared, error)


def _precisions(objective, kind):
    """An objective as it is and, where memory has room for that, in double precision.

    On devices the sum and its factor are in double precision anyway.

    Yields what to add to the reason, and the objective.
    """
    yield "", objective
    if objective.dtype != np.float64 and objective.place is None:
        wide = objective.astype(np.float64)
        if CholeskyCurvature.memory(wide.sizes(), kind).is_affordable:
            yield DOUBLE, wide


def _attempts(objective, kind, damping, choice):
    """Exact solvers from the fastest to the most accurate.

    Yields what to add to the reason, the objective, and a function of it, the kind of curvature
    and the damping to the objective in other coordinates, if need be, and its curvature.
    """
    plain = _in_all_features if choice.name == "cholesky" else _in_row_space
    obstacle = WoodburyCurvature.obstacle(objective.sizes(), kind, damping)
    if choice.name == "woodbury" and obstacle is None:
        yield "", objective, _by_dual
        if objective.dtype != np.float64:
            yield DOUBLE, objective.astype(np.float64), _by_dual
        yield SPANNED, objective.astype(np.float64), plain
        return
    yield "", objective, plain
    # Some devices have no double precision.
    if objective.dtype != np.float64 and (objective.place is None or objective.place.has_double):
        yield DOUBLE, objective.astype(np.float64), plain


def _spares_empty_columns(objective, kind, damping):
    """Whether features that no row has are coupled to nothing, and held at zero by the ridge."""
    return (
        objective.place is None
        and objective.mask is None
        and objective.coupling is None
        and objective.sizes().has_ridge(kind, damping)
    )


def _in_all_features(objective, kind, damping):
    return objective, build_curvature(objective, kind, damping)


def _in_row_space(objective, kind, damping):
    return _in_all_features(reduce_to_row_space(objective), kind, damping)


def _by_dual(objective, kind, damping):
    return objective, WoodburyCurvature(CurvatureOperator(objective, kind, damping))


def _is_well_conditioned(inverse):
    """Whether a factor needs no other proof, as far as rounding can take it: eps x condition."""
    error = FACTOR_ROUNDINGS * np.finfo(inverse.dtype).eps * inverse.condition
    return error <= ACCURACY[inverse.dtype]


def _vouched_for(prepared, error) -> Prepared:
    """A warning, and no claim to be exact, where it is not warranted."""
    condition = prepared.curvature.condition
    is_proved = error <= max(TOLERATED, ACCURACY[prepared.objective.dtype])
    if is_proved and not condition > ILL_CONDITIONED:
        return prepared
    size = (
        f"its condition number is about {condition:.0e}, with all columns at the same scale, and "
    )
    spoilt = "scores may be off by rounding"
    if not is_proved:
        spoilt = f"rounding puts solutions off by about {error:.0e} of their size"
    causes = _CAUSES if prepared.objective.is_linear else _CAUSES_IN_NETWORKS
    warnings.warn(
        f"The curvature is ill-conditioned: {'' if np.isnan(condition) else size}{spoilt}. "
        f"{causes}",
        LinAlgWarning,
        stacklevel=2,
    )
    return prepared._replace(solver=prepared.solver._replace(is_proved=is_proved))
