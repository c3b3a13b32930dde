"""Newton steps without some rows: the Hessian less the part that a few of its rows have in it."""

from __future__ import annotations

import reprlib
from dataclasses import replace

import numpy as np

from ..curvature import CholeskyCurvature
from ._descent import solve_with
from ._models import Models, dot

#: Share of the curvature that a removal may leave along a direction for a difference to tell it.
#: Rounding is this much larger in it than in the factor that is downdated.
LEAST_LEFT = 1e-6
#: Products by which a share that is left is looked for.
POWER_ITERATIONS = 3
#: Share of the penalty that may leave with the rows of a downdate, which a series makes up for.
LARGEST_SHARE = 0.1
#: Relative size of the terms of that series that are left out.
SERIES = 1e-12


class Downdate:
    """The part that a few rows have in the Hessian, for a batch of models that lose them.

    With ``E`` the columns ``I ⊗ x~_i`` of a model's rows and ``A`` the blocks ``(s_i/S) A_i``,

        (H - E A E^T)^-1 = H^-1 + H^-1 E (I - A M)^-1 A E^T H^-1,    M = E^T H^-1 E.

    Where penalties count rows, the share ``l`` of them that leaves with the rows is no matrix of
    low rank. With P the inverse above, ``(P^-1 - l Lambda/S)^-1`` is the sum of ``(l P Lambda/S)^k
    P`` over k, of which each term is smaller than the one before by ``l`` at least.

    Arrays have the axes (model, block of H, row and output within the block); a Hessian that does
    not couple the outputs has a block for each of them.

    Parameters
    ----------
    objective : LinearObjective
    curvature : curvature object
        The Hessian of the objective.
    form : callable or None
        From :func:`closed_form`.
    rows, present : ndarray of shape (n_models, n_removed)
        Rows that each model loses; those with ``present`` 0 only fill up.

    Attributes
    ----------
    cancels : ndarray of bool, shape (n_models,)
        Whether next to nothing is left of the curvature along some direction, so that what is
        left is rounding. Nothing that is said of such a model holds; it needs an
        :class:`~sklearn_relatif.removal._own_hessian.OwnHessian`.
    """

    def __init__(self, objective, curvature, form, rows, present):
        self.objective, self.curvature = objective, curvature
        n_models, n_removed = rows.shape
        n_outputs, n_columns = objective.shape
        self.n_blocks = 1 if objective.loss.couples_outputs else n_outputs
        self.n_within = n_outputs // self.n_blocks
        self.is_convex = objective.loss.is_convex
        lost = (objective.sample_weight[rows] * present).sum(axis=1)
        self.share_left = 1 - lost / objective.total_weight
        self.penalty_lost = np.zeros(n_models)
        if objective.penalty_share is not None:
            self.penalty_lost = (objective.penalty_share[rows] * present).sum(axis=1)
        jacobian, rows = objective.jacobian, rows.ravel()
        x = jacobian.dense_block(rows).astype(np.float64, copy=False)
        self.x = x.reshape(n_models, 1, n_removed, n_columns)

        share = present.ravel() / objective.total_weight
        self.eta = x @ objective.weights.T
        residual = objective.loss.residual(objective.y[rows], self.eta)
        if objective.output_weight is not None:
            residual = residual * objective.output_weight[rows]
        residual = residual * (objective.sample_weight[rows] * share)[:, None]
        self.residual = self._by_block(residual)[..., None]

        inner = objective.weighted_second_derivative(rows).astype(np.float64)
        inner *= share.reshape(-1, *[1] * (inner.ndim - 1))
        self.inner = self._block_diagonal(inner)
        self.solved = None
        self.forms = self._forms(form, rows)
        self.remaining = np.eye(self.forms.shape[-1]) - self.inner @ self.forms
        self.cancels = self._cancels()
        if np.any(objective.penalty):
            # Terms of the series shrink by the share only where no row takes curvature away.
            self.cancels |= self.penalty_lost > (LARGEST_SHARE if self.is_convex else 0)
        self.sound = np.flatnonzero(~self.cancels)
        self.remaining[self.cancels] = np.eye(self.forms.shape[-1])
        self.correction = None

    def gradient(self):
        """Gradient of each model at the optimum of all rows."""
        return -self._lost_gradient() / self.share_left[:, None, None]

    def _lost_gradient(self):
        """What the rows, and the penalties that leave with them, have in the gradient of J."""
        of_penalty = self.objective.penalty_gradient() / self.objective.total_weight
        return self._spread(self.residual, self.x) + self.penalty_lost[:, None, None] * of_penalty

    def newton_step(self):
        """Step from the optimum of all rows, shape (n_models, n_outputs, n_columns)."""
        if not self.penalty_lost.any():
            return self._solve_spread(self._solve_remaining(self.residual), slice(None))
        everyone = np.arange(len(self.x))
        step = first = self._downdated(self._lost_gradient(), everyone)
        lost = self.penalty_lost[:, None, None] * self.objective.penalty
        for _ in range(self._n_terms()):
            step = first + self._downdated(lost / self.objective.total_weight * step, everyone)
        return step

    def _n_terms(self):
        """How many terms of the series count, after the first one."""
        lost = self.penalty_lost[self.sound].max(initial=0)
        if not (lost and np.any(self.objective.penalty)):
            return 0
        return int(np.log(SERIES) / np.log(lost))

    def inverse_columns(self, model, units):
        """Some columns of the inverse Hessian of one of the models that do not cancel.

        Up to a factor, and with the penalty of all rows.

        Parameters
        ----------
        model : int
            Its position among these.
        units : ndarray of shape (n_columns, n_params)
            Those columns of the identity.
        """
        models = np.full(len(units), self.sound[model])
        vectors = units.reshape(len(units), *self.objective.shape)
        return self._downdated(vectors, models).reshape(len(units), -1)

    def predictor_after_step(self, solved):
        """Predictor of the removed rows after that step, one row a model.

        ``solved`` of shape (n_outputs, n_columns) is ``H^-1`` times what a penalty that leaves with
        the rows had in the gradient of J.
        """
        seen = self._by_block(self.x[:, 0, 0] @ solved.T)[..., None]
        shift = seen + self.forms @ self._solve_remaining(self.residual + self.inner @ seen)
        return self.eta + shift.reshape(self.eta.shape)

    def solve(self, gradient, models):
        """Inverse Hessian of those models that do not cancel, applied to a gradient of each."""
        models = self.sound[models]
        solution = solve_with(self.curvature, gradient)
        corrected = self._corrected(solution, models)
        # In single precision a large leverage can make the downdated matrix indefinite.
        is_descent = dot(corrected, gradient) > 0
        solution = np.where(is_descent[:, None, None], corrected, solution)
        return solution * self.share_left[models, None, None]

    def least_left(self):
        """Least share of the curvature along a direction that is left, of each model."""
        return 1 - _largest_share(self.inner, self.forms).max(axis=1).clip(min=0)

    def _downdated(self, vectors, models):
        """``(H - E A E^T)^-1`` of each model, applied to a vector of each."""
        return self._corrected(solve_with(self.curvature, vectors), models)

    def _corrected(self, solution, models):
        """The same from ``H^-1`` applied to the vectors."""
        if self.correction is None:
            self.correction = self._solve_remaining(self.inner)
        x = self.x[models]
        blocks = solution.reshape(len(models), self.n_blocks, self.n_within, x.shape[-1])
        inner = (x @ blocks.swapaxes(2, 3)).reshape(len(models), self.n_blocks, -1, 1)
        return solution + self._solve_spread(self.correction[models] @ inner, models)

    def _solve_remaining(self, right):
        """``(I - A M)^-1`` times what is on the right."""
        return np.linalg.solve(self.remaining, right)

    def _cancels(self):
        """Whether the least eigenvalue of ``I - A^1/2 M A^1/2`` is lost in rounding.

        It is the least share of the curvature along a direction that the other rows and the
        penalty have in it.
        """
        rounding = 100 * np.finfo(self.curvature.dtype).eps
        least = max(LEAST_LEFT, rounding)
        if not self.is_convex:
            return (1 - _largest_share(self.inner, self.forms) < least).any(axis=1)
        lost = np.trace(self.inner @ self.forms, axis1=-2, axis2=-1)
        # Eigenvalues of A M are not negative, so that none is 1 where their sum is less.
        suspect = (~(lost < 1 - least)).any(axis=1)
        cancels = np.zeros(len(lost), bool)
        largest = _largest_share(self.inner[suspect], self.forms[suspect])
        cancels[suspect] = (1 - largest < least).any(axis=1)
        return cancels

    def _spread(self, coefficients, x):
        """``E t``: parameters (n, n_outputs, n_columns) from coefficients of the rows."""
        shape = len(x), self.n_blocks, x.shape[2], self.n_within
        spread = coefficients.reshape(shape).swapaxes(2, 3) @ x
        return spread.reshape(len(x), -1, x.shape[-1])

    def _solve_spread(self, coefficients, models):
        """``H^-1 E t`` of some of the models."""
        if self.solved is None:
            return solve_with(self.curvature, self._spread(coefficients, self.x[models]))
        solution = coefficients.swapaxes(2, 3) @ self.solved[models]
        return solution.reshape(len(solution), -1, self.x.shape[-1])

    def _by_block(self, values):
        """(n_models * n_removed, n_outputs) to (n_models, n_blocks, n_removed * n_within)."""
        n_models, _, n_removed, _ = self.x.shape
        values = values.reshape(n_models, n_removed, self.n_blocks, self.n_within)
        return values.swapaxes(1, 2).reshape(n_models, self.n_blocks, -1)

    def _block_diagonal(self, inner):
        """Second derivatives of the rows, put together into one matrix a model and block."""
        n_models, _, n_removed, _ = self.x.shape
        k = self.n_within
        if inner.ndim == 2:
            inner = self._by_block(inner)[..., None, None]
        inner = inner.reshape(n_models, self.n_blocks, n_removed, k, k)
        whole = np.zeros((n_models, self.n_blocks, n_removed, k, n_removed, k))
        each = np.arange(n_removed)
        whole[:, :, each, :, each, :] = np.moveaxis(inner, 2, 0)
        return whole.reshape(n_models, self.n_blocks, n_removed * k, -1)

    def _forms(self, form, rows):
        """``M = E^T H^-1 E``, by solving for E unless single rows have a closed form."""
        n_models, _, m, n_columns = self.x.shape
        n_blocks, k = self.n_blocks, self.n_within
        x = self.x[:, 0]
        if m == 1 and form is not None:
            return form(rows).astype(np.float64).reshape(n_models, n_blocks, k, k)
        # Blocks are solved for together, so that each needs its own copy of the features.
        outputs = np.eye(k) if n_blocks == 1 else np.ones((1, n_blocks))
        columns = outputs[:, :, None] * x[:, :, None, None, :]
        solved = solve_with(self.curvature, columns.reshape(-1, n_blocks * k, n_columns))
        self.solved = solved.reshape(n_models, m * k, n_blocks, -1).swapaxes(1, 2)
        products = x @ solved.reshape(n_models, -1, n_columns).swapaxes(1, 2)
        products = products.reshape(n_models, m, m, k, n_blocks, k)
        return products.transpose(0, 4, 1, 5, 2, 3).reshape(n_models, n_blocks, m * k, m * k)


def _largest_share(inner, forms):
    """Largest eigenvalue of ``A M`` for symmetric A and positive semi-definite M."""
    values, vectors = np.linalg.eigh(inner)
    roots = vectors * np.sqrt(np.abs(values))[..., None, :]
    # With the signs D of A, it is that of D R^T M R, and of N^T D N for any root N of R^T M R.
    squares, basis = np.linalg.eigh(roots.swapaxes(-1, -2) @ forms @ roots)
    basis = basis * np.sqrt(np.maximum(squares, 0))[..., None, :]
    shares = (basis.swapaxes(-1, -2) * np.sign(values)[..., None, :]) @ basis
    return np.linalg.eigvalsh(shares)[..., -1]


def closed_form(objective, curvature, n_models):
    """``curvature.forms`` of rows, or None if there are none or solving for E costs less."""
    n_outputs = objective.shape[0]
    if curvature.is_iterative:
        return None
    if n_outputs * n_models < objective.weights.size / 3:
        return None
    return curvature.forms(objective)


class OwnFactors:
    """Hessians of their own for a batch of models.

    Parameters
    ----------
    inverses : sequence of curvature objects
        One a model.
    """

    def __init__(self, inverses):
        self.inverses = inverses

    def solve(self, gradient, models):
        """Inverse Hessian of the models, applied to a gradient of each."""
        solution = np.empty(gradient.shape)
        for index, model in enumerate(models):
            solution[[index]] = solve_with(self.inverses[model], gradient[[index]])
        return solution


def curvature_without(objective, hessian, rows):
    """Factor of the Hessian of a model without some rows, at the parameters of all rows.

    It comes from a difference. None if too little is left of the Hessian along a direction.
    """
    part = part_of(objective, rows)
    total, lost = objective.total_weight, part.total_weight
    if lost == 0:  # Of rows of no weight there is no mean.
        return None
    blocks = (total * hessian - lost * part.hessian()) / (total - lost)
    mask = None if objective.mask is None else objective.mask.ravel()
    try:
        # No direction without curvature is restored, since it may have lost it with the rows.
        curvature = CholeskyCurvature(blocks, objective.dtype, None, mask)
    except ValueError:
        return None
    return None if _cancelled(curvature, hessian, 1 - lost / total) else curvature


def _cancelled(curvature, hessian, share_left):
    """Whether next to nothing of a Hessian is left in another along some direction.

    Power iteration soon finds such an outlier among the eigenvalues of ``C^-1 H``.
    """
    diagonal = np.einsum("bii->bi", hessian)
    vector = np.random.default_rng(0).normal(size=diagonal.shape)
    vector /= np.sqrt(np.where(diagonal > 0, diagonal, 1))
    product = np.einsum("bij,bj->bi", hessian, vector)
    for _ in range(POWER_ITERATIONS):
        size = np.sqrt(np.vdot(vector, product))
        vector = solve_with(curvature, product[None])[0]
        product = np.einsum("bij,bj->bi", hessian, vector)
        if not np.sqrt(np.vdot(vector, product)) * share_left < size / LEAST_LEFT:
            return True
    return False


def own_newton_step(objective, rows, own):
    """Newton step of a model without some rows, summed over the other rows throughout.

    Along a direction that those do not see it leads to the optimum of the penalty. ``own`` is the
    :class:`OwnHessian` of that model.
    """
    reduced = without(objective, rows)
    if own.is_expected:
        raise ValueError(
            f"Without rows {reprlib.repr(np.ravel(rows).tolist())}, the Hessian at the optimum of "
            "all rows is not positive definite, since the loss is not convex: there is no Newton "
            "step. Use order='retrain'."
        )
    settled = own.settle(objective.weights[None].astype(np.float64))
    models = Models(reduced, [np.empty(0, np.intp)])
    gradient = models.at(settled, np.zeros(1, np.intp)).gradient
    return (settled - solve_with(own, gradient))[0] - objective.weights


def newton_step_without(objective, curvature, rows):
    """Newton step of a model without some rows from the optimum of all rows.

    ``curvature`` is that model's own Hessian.
    """
    part = part_of(objective, rows)
    models = Models(part, [np.empty(0, np.intp)])
    lost = models.at(objective.weights[None].astype(np.float64), np.zeros(1, np.intp)).gradient
    share = part.total_weight / (objective.total_weight - part.total_weight)
    return solve_with(curvature, share * lost)[0]


def part_of(objective, rows):
    """The objective of some rows alone, with the penalties that leave with them."""
    weight, share = objective.output_weight, objective.penalty_share
    lost = 0.0 if share is None else share[rows].sum()
    return replace(
        objective,
        jacobian=objective.jacobian[rows],
        y=objective.y[rows],
        sample_weight=objective.sample_weight[rows],
        output_weight=None if weight is None else weight[rows],
        penalty=lost * objective.penalty,
        slope=lost * objective.slope,
        penalty_share=None,
    )


def without(objective, rows):
    """The objective of the other rows: these have no weight, and no share of the penalties."""
    weight, share = objective.sample_weight.copy(), objective.penalty_share
    weight[rows] = 0
    if share is not None:
        share = share.copy()
        share[rows] = 0
        left = share.sum()
        objective, share = objective.with_penalties_times(left), share / left
    return replace(objective, sample_weight=weight, penalty_share=share)


def pad(groups):
    """Groups as the rows of a rectangle, and a mask of what is not padding."""
    sizes = np.array([len(rows) for rows in groups])
    present = np.arange(max(1, sizes.max())) < sizes[:, None]
    rows = np.zeros(present.shape, np.intp)
    rows[present] = np.concatenate(groups)
    return rows, present.astype(np.float64)
