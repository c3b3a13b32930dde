"""Squared standard errors of a linear function of the parameters, and what they owe to each row.

A row counts for the share ``w_i`` of it that is there. With the scores ``g_i = s_i J_i^T r_i`` and
second derivatives ``s_i A_i`` of the rows, the Fisher weights ``F_i``, and n the sum of the shares
of rows with a weight::

    classical       phi c^T (sum_i w_i s_i J_i^T F_i J_i)^-1 c
    sandwich        c^T H^-1 (sum_i w_i m_i g_i g_i^T) H^-1 c,     H = sum_i w_i s_i J_i^T A_i J_i

where ``phi`` is 1, or Pearson's statistic by ``n - p``; H has the penalty beside, where there is
one. The factors ``m_i`` are 1 (HC0; Huber 1967, White 1980), ``n / (n - p)`` (HC1),
``1 / (1 - h_i)`` (HC2; Horn, Horn & Duncan 1975) and ``1 / (1 - h_i)^2`` (HC3; MacKinnon & White
1985) with the leverages ``h_i``. Effects are minus the derivatives in the shares: the direct one,
and that by way of the parameters, which move with the share by ``-H^-1 g_i``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..curvature import hessian_inverse
from ..losses import ExpectedCurvature
from ._base import effects_of

#: Residuals of this share of the predictions are rounding.
ROUNDING = 10 * np.finfo(np.float64).eps
#: Share of a variance that is more than rounding where the rows do not determine the number.
UNDETERMINED = 1e-6


class Errors:
    """A kind of standard errors.

    ``c`` is the gradient of the number in the parameters of the objective, shape (n_params,).
    """

    def variance(self, c: np.ndarray, objective: Any) -> float:
        """Squared standard error; NaN where the rows do not determine the number."""
        raise NotImplementedError

    def with_effects(
        self, c: np.ndarray, objective: Any, curvature: Any
    ) -> tuple[float, np.ndarray]:
        """The same, and what removing each row changes in it, to first order, (n_rows,)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Along:
    """A direction of the parameters, and what the rows see of it.

    Attributes
    ----------
    objective : LinearObjective
    curvature : Curvature
        Its Hessian.
    c : ndarray of shape (n_params,)
    """

    objective: Any
    curvature: Any
    c: np.ndarray

    @cached_property
    def solved(self) -> np.ndarray:
        """``H^-1 c`` of the sum over the rows."""
        return self.solve(self.c)

    @cached_property
    def seen(self) -> np.ndarray:
        """``J_i H^-1 c`` of each row, shape (n_rows, n_outputs)."""
        return self.see(self.solved)

    @cached_property
    def weight(self) -> np.ndarray:
        """What each row weighs in each output, shape (n_rows, n_outputs) or (n_rows, 1)."""
        weight = self.objective.sample_weight[:, None].astype(np.float64)
        by_output = self.objective.output_weight
        return weight if by_output is None else weight * by_output

    @property
    def n_left(self) -> int:
        """Rows that have a weight."""
        return int(np.count_nonzero(self.objective.sample_weight))

    @property
    def n_spare(self) -> float:
        """Rows beyond those that the parameters take; NaN if there are none."""
        spare = self.n_left - int(self.curvature.n_free)
        return spare if spare > 0 else np.nan

    def solve(self, vector: np.ndarray) -> np.ndarray:
        objective = self.objective
        solved: np.ndarray = self.curvature.solve(vector[None].astype(objective.dtype))[0]
        return solved / objective.total_weight

    def see(self, vector: np.ndarray) -> np.ndarray:
        return in_rows(self.objective, lambda rows, jacobian: jacobian.apply(vector[None], rows))

    def pulled(self, by_row: np.ndarray) -> np.ndarray:
        """``sum_i J_i^T v_i``, shape (n_params,), of vectors of shape (n_rows, n_outputs)."""
        summed: np.ndarray = self.objective.jacobian.adjoint(by_row[:, None])[0]
        return summed

    def size(self, weights: Any) -> float:
        """``c^T H^-1 c`` by the rows that the Hessian is the sum of; NaN if that is not all.

        Parameters
        ----------
        weights : ndarray
            Second derivatives of the rows.
        """
        seen = float(form(weights, self.seen * self.weight, self.seen).sum())
        penalty = np.broadcast_to(self.objective.penalty, self.objective.shape).ravel()
        seen += float(penalty @ self.solved**2)
        is_all = abs(float(self.c @ self.solved) - seen) <= UNDETERMINED * seen
        return seen if is_all else np.nan


def along_own(c: np.ndarray, objective: Any) -> Along | None:
    """A direction of an objective by its own Hessian; None if that is not positive definite."""
    try:
        return Along(objective, hessian_inverse(objective), c)
    except ValueError:  # Rows are left that can be told apart.
        return None


def in_rows(objective, product):
    """What a Jacobian makes of one vector, in blocks of its rows, shape (n_rows, n_outputs)."""
    seen = np.empty((objective.n_rows, objective.shape[0]))
    for rows in objective.blocks(objective.shape[1]):
        seen[rows] = product(rows, objective.jacobian)[:, 0]
    return seen


def form(weights: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """``l_i^T A_i r_i`` of each row, for square matrices or diagonals, shape (n_rows,)."""
    return np.einsum("nk,nk->n", left, applied(weights, right))


def applied(weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``A_i v_i`` of each row, shape (n_rows, n_outputs)."""
    if weights.ndim == 2:
        return weights * vectors
    return np.einsum("nkm,nm->nk", weights, vectors)


def slopes(function: Callable[[np.ndarray], np.ndarray], eta: np.ndarray) -> np.ndarray:
    """Gradient of a number of each row in its predictor, by central differences.

    Parameters
    ----------
    function : callable
        From predictors of shape (n_rows, n_outputs) to numbers of shape (n_rows,), each of its own
        row only.
    eta : ndarray of shape (n_rows, n_outputs)
    """
    steps = np.cbrt(np.finfo(np.float64).eps) * (1 + np.abs(eta))
    gradient = np.empty(eta.shape)
    for output, step in enumerate(steps.T):
        shift = np.zeros(eta.shape)
        shift[:, output] = step
        gradient[:, output] = (function(eta + shift) - function(eta - shift)) / (2 * step)
    return gradient


class ClassicalErrors(Errors):
    """Of a model that is right: by the Fisher information, and the dispersion where there is one.

    That of least squares is the sum of the squared errors by ``n - p``; of gamma and Tweedie
    distributions, Pearson's statistic by ``n - p``.
    """

    def variance(self, c, objective):
        along = self._along(c, objective)
        if along is None:
            return np.nan
        return along.size(self._fisher(along)) * self._dispersion(along)

    def with_effects(self, c, objective, curvature):
        along = self._along(c, objective)
        if along is None:
            return np.nan, np.full(objective.n_rows, np.nan)
        fisher, dispersion = self._fisher(along), self._dispersion(along)
        size, left = along.size(fisher), along.seen * along.weight
        # Without the row itself.
        of_size = form(fisher, left, along.seen)
        loss, eta = objective.loss, objective.training_predictor
        bends = slopes(lambda eta: form(loss.fisher_weight(eta), left, along.seen), eta)
        of_size -= effects_of(along.pulled(bends)[None], objective, curvature)
        if not loss.has_dispersion:
            return size, of_size
        if np.isnan(dispersion):
            return np.nan, np.full(objective.n_rows, np.nan)
        squares = self._squares(along, eta)
        slope = slopes(lambda eta: self._squares(along, eta), eta)
        of_squares = effects_of(along.pulled(slope)[None], objective, curvature) - squares
        relative = of_squares / squares.sum() + objective.counts / along.n_spare
        return size * dispersion, (of_size + size * relative) * dispersion

    def _along(self, c, objective):
        return along_own(c, replace(objective, loss=ExpectedCurvature(objective.loss)))

    def _fisher(self, along):
        return along.objective.loss.fisher_weight(along.objective.training_predictor)

    def _dispersion(self, along):
        """1 where the distribution has none; NaN where residuals are rounding."""
        objective = along.objective
        if not objective.loss.has_dispersion:
            return 1.0
        eta = objective.training_predictor
        squares = float(self._squares(along, eta).sum())
        size = float((along.weight * self._fisher(along) * eta**2).sum())
        is_known = squares > ROUNDING**2 * size
        return squares / along.n_spare if is_known else np.nan

    def _squares(self, along, eta):
        """Squared Pearson residuals ``s_i r_i^2 / F_i``, shape (n_rows,)."""
        objective = along.objective
        residual = objective.loss.residual(objective.y, eta)
        fisher = objective.loss.fisher_weight(eta)
        counts = along.weight > 0
        ratio = np.divide(residual**2, fisher, out=np.zeros(eta.shape), where=counts)
        return (along.weight * ratio).sum(axis=1)


class SandwichErrors(Errors):
    """Of any model at its optimum, whether or not it is right about the spread of the targets.

    Parameters
    ----------
    power : int, default=0
        Power of ``1 / (1 - h_i)`` that each row's square is multiplied by.
    is_corrected : bool, default=False
        Whether all are multiplied by ``n / (n - p)``.
    """

    def __init__(self, power: int = 0, is_corrected: bool = False):
        self.power, self.is_corrected = power, is_corrected

    def variance(self, c, objective):
        along = along_own(c, objective)
        if along is None:
            return np.nan
        return self._variance(along, self._scores(along), self._factors(along))

    def with_effects(self, c, objective, curvature):
        along = Along(objective, curvature, c)
        scores, factors = self._scores(along), self._factors(along)
        loss, eta, y = objective.loss, objective.training_predictor, objective.y
        bends, left = loss.second_derivative(y, eta), along.seen * along.weight
        pull = (2 * factors * scores)[:, None]
        # By the inverse: of H, which is the sum over the rows and of the penalty.
        through = along.solve(along.pulled(pull * self._residual(along)))
        seen = along.see(through)
        effects = form(bends, left, seen) - factors * scores**2
        for share, of_all in self._penalties(objective):
            effects += share * float(through * of_all @ along.solved)
        # By the parameters: of the residuals, and of the second derivatives in H.
        slope = slopes(lambda eta: form(loss.second_derivative(y, eta), left, seen), eta)
        moved = along.pulled(pull * applied(bends, left) - slope)
        effects += effects_of(moved[None], objective, curvature)
        if self.power:
            effects += self._by_leverages(along, factors * scores**2)
        variance, size = self._variance(along, scores, factors), float(factors @ scores**2)
        if self.is_corrected:
            effects *= variance / size
            effects += variance * objective.counts * (1 / along.n_spare - 1 / along.n_left)
        return variance, effects

    def _variance(self, along, scores, factors):
        bends = along.objective.loss.second_derivative(
            along.objective.y, along.objective.training_predictor
        )
        if np.isnan(along.size(bends) / along.n_spare):
            return np.nan
        correction = along.n_left / along.n_spare if self.is_corrected else 1.0
        return float(factors @ scores**2) * correction

    def _residual(self, along):
        """``s_i r_i``, shape (n_rows, n_outputs)."""
        objective = along.objective
        return along.weight * objective.loss.residual(objective.y, objective.training_predictor)

    def _scores(self, along):
        """``g_i^T H^-1 c``, shape (n_rows,)."""
        return np.einsum("nk,nk->n", self._residual(along), along.seen)

    def _factors(self, along):
        """``m_i``, but for what is the same of all rows."""
        if not self.power:
            return np.ones(along.objective.n_rows)
        return (1 - self._leverages(along)) ** -float(self.power)

    def _leverages(self, along):
        objective = along.objective
        forms = objective.forms(along.curvature)
        leverages = np.empty(objective.n_rows)
        for rows in objective.blocks(2 * objective.shape[1]):
            leverages[rows] = forms(rows)[:, 0]
        return leverages * objective.sample_weight / objective.total_weight

    def _by_leverages(self, along, squares):
        """What a row changes by the leverages of the others, which rise without it.

        That of row k rises by ``s_k s_i (x_k^T H^-1 x_i)^2``.
        """
        objective = along.objective
        weight = objective.sample_weight
        rise = self.power * squares / (1 - self._leverages(along)) * weight
        gram = np.zeros((objective.shape[1],) * 2)
        for rows in objective.blocks(2 * objective.shape[1]):
            x = objective.jacobian.dense_block(rows)
            gram += x.T @ (x * rise[rows, None])
        scale = objective.total_weight**2
        inner = along.curvature.solve(along.curvature.solve(gram).T.copy()) / scale
        effects = np.empty(objective.n_rows)
        for rows in objective.blocks(2 * objective.shape[1]):
            x = objective.jacobian.dense_block(rows)
            effects[rows] = np.einsum("ij,ij->i", x @ inner, x)
        return effects * weight

    def _penalties(self, objective):
        """Of each penalty that counts rows, the shares of these, and its Hessian's diagonal."""
        penalty = np.broadcast_to(objective.penalty, objective.shape).ravel()
        return [(share, penalty) for share, _ in objective.penalty_pulls()]


#: By name.
ERRORS: dict[str, Errors] = {
    "classical": ClassicalErrors(),
    "HC0": SandwichErrors(),
    "HC1": SandwichErrors(is_corrected=True),
    "HC2": SandwichErrors(power=1),
    "HC3": SandwichErrors(power=2),
}
