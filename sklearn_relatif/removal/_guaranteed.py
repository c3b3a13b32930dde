"""Effects of removals with bounds on their errors, and further steps where these are too wide.

What is asked is a number, or one a query, of the predictors of queries. It is told at the centre of
the ball that a model's optimum lies in, and bounded over the ball; see ``_bounds``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..losses import of_models
from ..statistics import Metric
from ._surroundings import OF_LOSS, Surroundings, U

#: Times the bound of the model of all rows, which is of rounding alone, that no step gets below.
AT_ROUNDING = 10


class Reach(NamedTuple):
    """How far the predictors of queries may be from those at the centres of some balls.

    Attributes
    ----------
    radii : ndarray of shape (n_models,)
    forms : ndarray of shape (n_queries, n_outputs, n_outputs) or (n_queries, n_outputs)
        Squared lengths of the queries' features in the norm of the radii.
    moved : ndarray of shape (n_queries, n_models)
        The largest steps, as the loss measures them.
    rounding : ndarray of shape (n_queries, n_models)
        By what each output may be off by rounding.
    """

    radii: np.ndarray
    forms: np.ndarray
    moved: np.ndarray
    rounding: np.ndarray

    @classmethod
    def of(cls, norm: Surroundings, jacobian: Any, centres: np.ndarray, radii: np.ndarray) -> Reach:
        """That of the rows of a Jacobian."""
        x = jacobian.dense_block(np.arange(jacobian.n_rows)).astype(np.float64)
        forms, loss = norm.forms(x), norm.objective.loss
        rounding = norm.predictor_rounding(norm.relative_lengths(x), centres)
        moved = np.multiply.outer(loss.reach(forms), radii) + 2 * rounding
        return cls(radii, forms, moved, rounding)

    def of_outputs(self) -> np.ndarray:
        """The most that each output may be off, shape (n_queries, n_models, n_outputs)."""
        own = self.forms if self.forms.ndim == 2 else np.einsum("nkk->nk", self.forms)
        lengths = np.sqrt(np.maximum(own, 0))[:, None]
        return lengths * self.radii[:, None] + self.rounding[:, :, None]

    def along(self, slopes: np.ndarray) -> np.ndarray:
        """The most that ``slopes`` (n_queries, n_models, n_outputs) times the step may be."""
        if self.forms.ndim == 2:
            squares = np.einsum("nmk,nk->nm", slopes**2, self.forms)
        else:
            squares = np.einsum("nmk,nkl,nml->nm", slopes, self.forms, slopes, optimize=True)
        size = np.abs(slopes).sum(axis=2)
        return np.sqrt(np.maximum(squares, 0)) * self.radii + size * self.rounding


class QueryLosses:
    """The loss of each query.

    Parameters
    ----------
    loss : Loss
    y : ndarray of shape (n_queries,) or (n_queries, n_targets)
    """

    def __init__(self, loss: Any, y: np.ndarray):
        self.loss, self.y, self.n_numbers = loss, y, len(y)

    def values(self, predictors: np.ndarray) -> np.ndarray:
        """By the predictors of some models, shape (n_queries, n_models)."""
        return of_models(self.loss.value, self.y, predictors)

    def bounds(self, predictors: np.ndarray, reach: Reach) -> np.ndarray:
        """The most that they differ from those of the optima, shape (n_queries, n_models)."""
        loss, shape = self.loss, predictors.shape
        y, eta = np.repeat(self.y, shape[1], axis=0), predictors.reshape(-1, shape[2])
        slopes = loss.residual(y, eta)
        rest = loss.remainder(y, eta, reach.moved.ravel()).reshape(shape[:2])
        rounding = OF_LOSS * U * loss.value_terms(y, eta).reshape(shape[:2])
        found = reach.along(slopes.reshape(shape)) + rest + rounding + np.finfo(float).tiny
        return np.where(np.isnan(found), np.inf, found)


class MetricValue:
    """A metric of the queries: one number.

    Parameters
    ----------
    metric : Metric
    """

    n_numbers = 1

    def __init__(self, metric: Metric):
        self.metric = metric

    def values(self, predictors: np.ndarray) -> np.ndarray:
        return self.metric.values(predictors)[None]

    def bounds(self, predictors: np.ndarray, reach: Reach) -> np.ndarray:
        return self.metric.bounds(predictors, reach.of_outputs(), reach.moved)[None]


class Guaranteed:
    """Effects of removals on what is asked, with bounds.

    Parameters
    ----------
    remover : Remover
    query : Query
        At the optimum.
    asked : QueryLosses or MetricValue
    removals : sequence of ndarray of int
        Those that count.
    """

    def __init__(self, remover: Any, query: Any, asked: Any, removals: Sequence[np.ndarray]):
        self.remover, self.query, self.asked, self.removals = remover, query, asked, removals
        self.effects = np.zeros((asked.n_numbers, len(removals)))
        self.bounds = np.full_like(self.effects, np.inf)
        ((models, ball),) = remover.enclosed_models([np.empty(0, np.intp)], "newton")
        self.before, self.error_before = self._at(models, ball)

    def _at(self, models: Any, ball: Any) -> tuple[np.ndarray, np.ndarray]:
        """What is asked, at the centres, and its bounds."""
        predictors = models.at(ball.centres).predictors(self.query)
        values = self.asked.values(predictors)
        known = np.isfinite(ball.radii)
        bounds = np.full(values.shape, np.inf)
        if known.any():
            reach = Reach.of(ball.norm, self.query.jacobian, ball.centres[known], ball.radii[known])
            bounds[:, known] = self.asked.bounds(predictors[:, known], reach)
        return values, bounds

    def steps(self, chosen: np.ndarray, n_steps: int) -> None:
        """What models a number of steps on tell of some of the removals."""
        for models, ball in self.remover.enclosed_steps(self._removals(chosen), n_steps):
            values, bounds = self._at(models, ball)
            self._note(chosen[models.positions], values, bounds)

    def exactly(self, chosen: np.ndarray) -> None:
        """What retrained models, one step on, tell of some of the removals."""
        for models, ball in self.remover.enclosed_models(self._removals(chosen), "retrain"):
            values, bounds = self._at(models, ball)
            self._note(chosen[models.positions], values, bounds)

    def of_order(self, order: str) -> None:
        """What models of an order tell, and how far that is from their optima."""
        for models, ball in self.remover.enclosed_models(self.removals, order):
            centres, bounds = self._at(models, ball)
            values = self.asked.values(models.predictors(self.query))
            self._note(models.positions, values, bounds + np.abs(values - centres))

    def _removals(self, chosen: np.ndarray) -> list[np.ndarray]:
        return [self.removals[index] for index in chosen]

    def _note(self, index: np.ndarray, values: np.ndarray, bounds: np.ndarray) -> None:
        self.effects[:, index] = values - self.before
        self.bounds[:, index] = bounds + self.error_before

    def too_wide(self, tol: float) -> np.ndarray:
        """The removals whose bounds exceed a share of the largest effect that is sure.

        Nor does any count that is next to what rounding is of the model of all rows alone.
        """
        sure = np.abs(self.effects) - self.bounds
        limit = np.maximum(tol * sure.max(axis=1, initial=0), AT_ROUNDING * self.error_before[:, 0])
        # Where rounding leaves nothing of the model of all rows, the limit is infinite too.
        is_wide = (self.bounds > limit[:, None]) | np.isinf(self.bounds)
        return np.flatnonzero(is_wide.any(axis=0))


def guaranteed_effects(
    remover: Any, query: Any, asked: Any, removals: Sequence[np.ndarray], order: str, tol: float
) -> tuple[np.ndarray, np.ndarray]:
    """Effects and the bounds of their errors, each of shape (n_numbers, n_removals).

    Parameters
    ----------
    remover : Remover
    query : Query
    asked : QueryLosses or MetricValue
    removals : sequence of ndarray of int
    order : {"newton", "auto", "retrain"}
    tol : float
        Share of the largest effect that a bound may be, by "auto".
    """
    found = Guaranteed(remover, query, asked, removals)
    if order != "auto":
        found.of_order(order)
        return found.effects, found.bounds
    wide = np.arange(len(removals))
    for further in (
        lambda some: found.steps(some, 1),
        lambda some: found.steps(some, 2),
        found.exactly,
    ):
        if wide.size:
            further(wide)
            wide = found.too_wide(tol)
    if wide.size:
        warnings.warn(
            f"The bounds of {wide.size} of {len(removals)} removals exceed tol={tol:g} times the "
            "largest effect, after retraining too: such models have no optimum, or rounding "
            "leaves no digits of their effects. return_bounds=True tells which. A penalty, and "
            "standardised columns, mend both.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return found.effects, found.bounds
