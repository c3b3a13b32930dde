"""How far a fitted model is from the optimum of its objective, in standard errors.

With ``g`` the gradient of J at the fitted parameters, ``H`` its Hessian without damping,
``n = (sum s)^2 / sum s^2`` the effective number of rows and ``p = tr(H^-1 H_data)`` the effective
number of parameters (the sum of the leverages)::

    distance = sqrt(n g^T H^-1 g / p),

the Newton decrement, as the root mean square distance of the parameters from the optimum. Where
the loss is a likelihood up to a dispersion, as squared error is up to the variance, each output's
part of it is divided by an estimate of that. Neither the units nor the offsets of the features
matter to it (but for what the penalty makes of them), nor the number of rows or parameters, nor
the units of the weights and of such targets.

For a hinge, which has no curvature, twice the duality gap stands for ``g^T H^-1 g``, and the
number of support vectors on the margin for ``p``: they are the free parameters of its solution.
"""

from __future__ import annotations

import numpy as np

from ..curvature import own_kind
from ..objectives import CurvatureOperator
from ..utils._blocks import block_budget, row_blocks
from ._separability import runs_away
from ._tangents import squared_tangent_distance

#: Distance above which a model is not at the optimum of these rows.
LIMIT = 0.3
#: Up to so many parameters, a Hessian is computed in standardised features if none is at hand.
FEW_PARAMETERS = 1000
#: Deviations from the mean of a column, over the mean, that are nothing but rounding.
CONSTANT = 1e-13
#: Random gradients whose mean form estimates the effective number of parameters, and their seed.
N_PROBES = 8
SEED = 0
#: Steps of conjugate gradients, and the last ones of them, which may add so much to the forms.
MAX_STEPS = 300
LAST_STEPS, ADDED = 4, 0.01


def distance_to_optimum(objective, prepared, curvature, damping) -> float:
    """Distance of a model from the optimum of its objective, in standard errors.

    The factor of the Hessian is used where the explainer has one. Up to 1,000 parameters the
    Hessian is computed anew otherwise. Beyond, conjugate gradients solve for the gradient, with
    the explainer's curvature as preconditioner, and for 8 random gradients, of the distribution
    that the model gives them, from which p is estimated with a relative standard error of at
    most ``1 / (2 sqrt(p))``. Networks of more parameters are measured by the factor that explains
    them, damping included.

    Parameters
    ----------
    objective : objective
        Of the fitted model.
    prepared : Prepared
        The same objective, perhaps in other coordinates, with the curvature that explains.
    curvature : str
        What the curvature is.
    damping : float
        What was added to its diagonal.

    Returns
    -------
    float
        NaN or infinity where numbers overflow, or where J has a slope but no curvature; infinity
        where J has no optimum. Of a model that is made of several, the largest of theirs. NaN where
        there is nothing to be away from.
    """
    if objective.optimality_obstacle is not None:
        return np.nan
    if objective.members:
        return _largest_distance(objective, prepared, curvature, damping)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        curvature = own_kind(objective, curvature)
        if is_endless(prepared, curvature, damping):
            return np.inf
        if objective.has_tangents:
            square, n_params = squared_tangent_distance(objective, prepared, curvature, damping)
        elif not (objective.loss.has_curvature and objective.is_linear):
            square, n_params = objective.squared_distance()
        else:
            square, n_params = _decrement(objective, prepared, curvature, damping)
        return float(np.sqrt(ratio_or_zero(max(square, 0.0), n_params)))


def _largest_distance(objective, prepared, curvature, damping):
    """The largest distance of the models that one is made of: each has an optimum of its own."""
    found = []
    for member, own, inverse, scale in zip(
        objective.members,
        prepared.objective.members,
        prepared.curvature.members,
        prepared.curvature.scales,
        strict=True,
    ):
        of_member = prepared._replace(objective=own.objective, curvature=inverse)
        found.append(distance_to_optimum(member.objective, of_member, curvature, damping / scale))
    return float(np.max(found))


def is_endless(prepared, curvature, damping) -> bool:
    """Whether J has no optimum, as far as a factor of its Hessian is at hand to ask.

    Parameters
    ----------
    prepared : Prepared
    curvature : str
    damping : float
    """
    objective, own = prepared.objective, prepared.curvature
    if curvature != "hessian" or damping or not (objective.loss.has_curvature and own.is_exact):
        return False
    if not objective.is_linear:
        return False
    free = (objective.penalty == 0) & (objective.slope == 0)
    return bool(free[:, : objective.jacobian.n_features].any()) and runs_away(objective, own)


def _decrement(objective, prepared, curvature, damping):
    """``n g^T H^-1 g`` and p."""
    extended = objective.with_violated()
    if extended is objective:
        objective, own = prepared.objective, prepared.curvature
    else:
        objective, own, curvature = extended, None, None
    per_error = np.sqrt(objective.effective_rows() / objective.dispersion())
    gradient = objective.gradient() * per_error[:, None]
    if not np.isfinite(gradient).all():
        return np.nan, 1.0
    is_hessian = curvature == "hessian"
    if objective.coupling is not None and objective.weights.size <= FEW_PARAMETERS:
        return _by_standardised_hessian(objective.on_host, gradient)
    if is_hessian and damping == 0 and _is_accurate(objective, own):
        return _by_factor(objective, own, gradient)
    if objective.weights.size <= FEW_PARAMETERS:
        return _by_standardised_hessian(objective.on_host, gradient)
    if is_hessian:  # Which preconditions: products do, where the rows are.
        return _by_conjugate_gradients(objective, own, gradient)
    return _by_conjugate_gradients(objective.on_host, None, gradient)


def ratio_or_zero(square, n_params):
    # A slope where the rows have no curvature is as far away as can be.
    return square / n_params if n_params > 0 else (np.inf if square else 0.0)


# --- with the factor at hand -----------------------------------------------------------------
def _is_accurate(objective, curvature):
    """Whether a curvature is a factor that is known to at least half of its digits.

    With a gauge, the factor has curvature where J may have a slope and none.
    """
    return curvature.is_accurate and (objective.mask is None or not objective.loss.has_gauge)


def _by_factor(objective, curvature, gradient):
    whitened = curvature.whiten(gradient.reshape(1, -1).astype(curvature.dtype))
    ridge = np.broadcast_to(objective.penalty, objective.shape) / objective.total_weight
    n_params = curvature.n_parameters(ridge.ravel())
    return float(np.sum(np.square(whitened, dtype=np.float64))), max(n_params, 0.0)


# --- with a Hessian in standardised features -------------------------------------------------
def _by_standardised_hessian(objective, gradient):
    """The same from a Hessian whose condition neither units nor offsets of features spoil."""
    jacobian = StandardisedJacobian(objective)
    data, penalty = standardised_hessian(objective, jacobian)
    gradient, size = gradient @ jacobian.change, np.full(objective.shape, _row_length(objective))
    if objective.mask is not None:
        gradient, size = gradient * objective.mask, size * objective.mask
    gradient, size = gradient.reshape(len(data), -1), size.reshape(len(data), -1)
    square = n_params = 0.0
    parts = zip(data, penalty, gradient, size, strict=True)
    for of_data, of_penalty, slope, length in parts:
        forms = _forms_of_block(of_data, of_penalty, slope, length, objective)
        square, n_params = square + forms[0], n_params + forms[1]
    return square, n_params


def _forms_of_block(data, penalty, gradient, size, objective):
    whole = data + penalty
    diagonal = np.diag(whole)
    scale = np.divide(1, np.sqrt(diagonal), out=np.ones_like(diagonal), where=diagonal > 0)
    values, vectors = np.linalg.eigh(whole * scale[:, None] * scale)
    limit = 10 * np.sqrt(len(values)) * np.finfo(float).eps * values.max(initial=0)
    curved = values > limit
    slopes = vectors.T @ (gradient * scale)
    flat = np.linalg.norm(slopes[~curved])
    rounding = np.sqrt(np.finfo(objective.dtype).eps) * np.linalg.norm(size * scale)
    # With an L1 penalty a direction without curvature ends where a parameter becomes zero.
    if flat > rounding and objective.inactive_bound is None:
        return np.inf, 1.0
    shares = np.einsum("ij,ij->j", vectors, (data * scale[:, None] * scale) @ vectors)
    return (
        float(np.sum(slopes[curved] ** 2 / values[curved])),
        float(np.sum(shares[curved] / values[curved])),
    )


def standardised_hessian(objective, jacobian):
    """The parts of the data and of the penalty in the Hessian, for standardised features.

    Returns
    -------
    data, penalty : ndarray of shape (n_blocks, size, size)
    """
    shape = objective.shape
    data = objective.row_sum_in("hessian", jacobian) / objective.total_weight
    ridge = np.broadcast_to(objective.penalty, shape) / objective.total_weight
    # In the new parameters, the penalty on an intercept is one on what the features centred.
    change = jacobian.change
    penalty = np.zeros((*shape, *shape))
    for k in range(shape[0]):
        penalty[k, :, k] = change.T @ (ridge[k, :, None] * change)
    if objective.coupling is not None:
        coupling = objective.coupling / objective.total_weight
        penalty += np.einsum("di,dkl,dj->kilj", change, coupling, change, optimize=True)
    if len(data) == shape[0]:
        penalty = np.einsum("kikj->kij", penalty)
    else:
        penalty = penalty.reshape(data.shape)
    if objective.mask is not None:
        mask = objective.mask.reshape(len(data), -1).astype(np.float64)
        both = mask[:, :, None] * mask[:, None, :]
        data, penalty = data * both, penalty * both
    return data, penalty


class StandardisedJacobian:
    """Features with mean 0 and variance 1, formed block by block and in double precision.

    They are centred only where there is an intercept to make up for it.

    Parameters
    ----------
    objective : LinearObjective
    """

    is_sparse = False
    n_products = np.inf

    def __init__(self, objective):
        self.raw = objective.jacobian
        self.n_rows = self.raw.n_rows
        self.n_columns = self.n_stored = self.raw.n_columns
        self.fit_intercept = self.raw.fit_intercept
        self.dtype = np.dtype(np.float64)
        self.mean, self.scale = _moments(objective)
        #: The parameters of the features as they are, by those of the standardised ones.
        self.change = np.diag(1 / self.scale)
        if self.fit_intercept:
            self.change[-1] -= self.mean / self.scale

    @property
    def bytes_at_once(self):
        """Bytes of the rows that a thread works on."""
        return self.raw.bytes_at_once

    def product_block(self, rows):
        """Standardised features of some rows, with the ones of the intercept."""
        return (self.raw.dense_block(rows) - self.mean) / self.scale

    def gradients(self, residual, rows):
        """The same times the residuals (n, 1) of one output."""
        return self.product_block(rows) * residual


def _row_length(objective):
    """Root mean square length of the residuals, of which standardised features make gradients."""
    square = (objective.rows.norm.astype(np.float64) ** 2) @ objective.sample_weight
    return np.sqrt(square / objective.total_weight)


def _moments(objective):
    """Means and standard deviations of the columns; 0 and 1 for that of the intercept.

    The means are 0 where no intercept can make up for them.
    """
    jacobian, weight = objective.jacobian, objective.sample_weight / objective.total_weight
    mean, square = np.zeros(jacobian.n_columns), np.zeros(jacobian.n_columns)
    blocks = list(objective.blocks(2 * jacobian.n_columns))
    if jacobian.fit_intercept and (objective.mask is None or objective.mask[:, -1].all()):
        for rows in blocks:
            mean[:-1] += weight[rows] @ jacobian.dense_block(rows)[:, :-1]
    for rows in blocks:
        square += weight[rows] @ (jacobian.dense_block(rows).astype(np.float64) - mean) ** 2
    # What is constant but for rounding is like the column of ones, and is not centred.
    is_constant = np.sqrt(square) <= CONSTANT * np.abs(mean)
    scale = np.where(is_constant, np.abs(mean), np.sqrt(square))
    return np.where(is_constant, 0.0, mean), np.where(scale > 0, scale, 1.0)


# --- by products alone -----------------------------------------------------------------------
def _by_conjugate_gradients(objective, curvature, gradient):
    total = CurvatureOperator(objective, "hessian", 0.0).held(np.float64)
    precondition = _preconditioner(total, curvature)
    vectors = np.vstack([gradient.reshape(1, -1), _random_gradients(total)])
    forms = inverse_forms(total.multiply, precondition, total.restrict(vectors))
    return forms[0], forms[1:].mean()


def _random_gradients(total):
    """Gradients of independent rows with the covariance that the data's part of H has."""
    objective = total.objective
    rng = np.random.default_rng(SEED)
    n_outputs, n_columns = objective.shape
    gradients = np.zeros((N_PROBES, n_outputs * n_columns))
    # Where second derivatives of rows may be negative, those that the model expects stand for them.
    inner_of = total.inner if objective.loss.is_convex else objective.weighted_fisher
    n_values = 2 * N_PROBES * n_outputs + 2 * n_outputs**2 + objective.jacobian.n_stored
    for rows in row_blocks(objective.n_rows, 8 * n_values, block_budget()):
        inner = np.asarray(inner_of(rows), np.float64)
        normal = rng.standard_normal((len(inner), N_PROBES, n_outputs))
        if inner.ndim == 2:
            drawn = np.sqrt(inner)[:, None] * normal
        else:
            values, vectors = np.linalg.eigh(inner)
            drawn = (normal * np.sqrt(np.maximum(values, 0))[:, None]) @ vectors.swapaxes(1, 2)
        gradients += objective.jacobian.adjoint(drawn, rows)
    return gradients / np.sqrt(objective.total_weight)


def _preconditioner(total, curvature):
    """A function of rows g to about ``H^-1 g``."""
    own = None if curvature is None else curvature.factored
    if own is None:
        return _EliminatedIntercept(total).solve
    return lambda rows: own.solve(rows.astype(own.dtype)).astype(np.float64)


class _EliminatedIntercept:
    """The diagonal of a curvature, but for the intercepts, which are eliminated exactly.

    What is left of the diagonal then is that of centred features: offsets do not matter.

    Parameters
    ----------
    total : CurvatureOperator
    """

    def __init__(self, total):
        n_outputs, n_columns = total.objective.shape
        self.shape = n_outputs, n_columns
        diagonal = total.diagonal().reshape(self.shape)
        self.border = np.zeros(self.shape)
        if total.objective.jacobian.fit_intercept:
            unit = np.zeros((n_outputs, n_outputs, n_columns))
            unit[:, :, -1] = np.eye(n_outputs)
            columns = total.multiply(unit.reshape(n_outputs, -1)).reshape(unit.shape)
            bend = diagonal[:, -1:]
            own = np.einsum("kkj->kj", columns)
            self.border = np.divide(own, bend, out=np.zeros(self.shape), where=bend > 0)
            self.border[:, -1] = 0
            left = diagonal - self.border * own
            diagonal = np.maximum(left, np.sqrt(np.finfo(float).eps) * diagonal)
        self.inverse = np.divide(1, diagonal, out=np.zeros(self.shape), where=diagonal > 0)

    def solve(self, rows):
        """What stands for ``H^-1 g`` for each row g."""
        parts = rows.reshape(-1, *self.shape)
        solved = (parts - self.border * parts[:, :, -1:]) * self.inverse
        solved[:, :, -1] -= np.einsum("mkj,kj->mk", solved, self.border)
        return solved.reshape(rows.shape)


def inverse_forms(multiply, precondition, vectors):
    """``g^T H^-1 g`` of some rows g by preconditioned conjugate gradients, from below.

    Each step adds what it takes off the error in the norm of H, so that the last steps tell what
    is still to come, whatever the scales of the parameters.

    Parameters
    ----------
    multiply, precondition : callable
        Take rows v to ``H v``, and to about ``H^-1 v``.
    vectors : ndarray of shape (n, n_params), float64

    Returns
    -------
    ndarray of shape (n,)
        Infinite where H has no curvature along a direction that a vector has.
    """
    residual = vectors.copy()
    direction = precondition(residual)
    slope = _dot(residual, direction)
    forms = np.zeros(len(vectors))
    steps: list[np.ndarray] = []
    while len(steps) < MAX_STEPS and (slope > 0).any():
        product = multiply(direction)
        length = _over(slope, _dot(direction, product))
        steps.append(length * slope)
        forms += steps[-1]
        if not np.isfinite(forms).all():
            break
        if len(steps) > LAST_STEPS and (sum(steps[-LAST_STEPS:]) <= ADDED * forms).all():
            break
        residual -= length[:, None] * product
        preconditioned = precondition(residual)
        before, slope = slope, _dot(residual, preconditioned)
        direction = preconditioned + _over(slope, before)[:, None] * direction
    return forms


def _over(numbers, divisors):
    """Quotients of positive numbers; infinite for a divisor that is not positive, 0 for 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(numbers > 0, numbers / np.maximum(divisors, 0.0), 0.0)


def _dot(a, b):
    return np.einsum("ij,ij->i", a, b)
