"""Losses of regression."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np

from ._base import Loss, without_rounding
from ._hinges import Hinges


class RegressionLoss(Loss):
    """A function of the error ``eta - y`` of a real target, summed over the targets of a row.

    Subclasses give it. Each target is an output of its own: ``y`` has the shape (n,) for one, and
    (n, n_outputs) for several. A target of NaN asks for the prediction itself: its loss is ``-eta``
    then, so that what supports it is what raises the prediction.

    Attributes
    ----------
    n_outputs : int, default=1
        Number of targets.
    """

    n_outputs = 1
    is_of_errors = True
    phi: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        y = y.reshape(eta.shape)
        value: np.ndarray = np.where(np.isnan(y), -eta, self.phi(eta - y)).sum(axis=1)
        return value.astype(eta.dtype)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""
        y = y.reshape(eta.shape)
        return np.where(np.isnan(y), -1.0, self.slope(eta - y)).astype(eta.dtype)

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, n_outputs)."""
        return self.bend(eta - y.reshape(eta.shape)).astype(eta.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Predictions, in the shape of ``y``."""
        return self.scores(eta)

    def of_target(self, target: int) -> RegressionLoss:
        """The same with one output."""
        one = copy(self)
        one.n_outputs = 1
        return one


class SquaredError(RegressionLoss):
    """``e^2 / 2``, up to a constant minus the log-likelihood of a Gaussian of variance 1.

    Parameters
    ----------
    n_targets : int, default=1
        How many real numbers a row has as its targets.
    terms : ndarray of shape (n_targets,) or float, default=0.0
        By how many units of rounding a predictor may miss a target and be told from it by that
        alone: the errors of rows that a model passes through. 0: all errors count.
    """

    has_fisher = True
    has_dispersion = True
    is_quadratic = True
    shares_curvature = True
    concordance = 0.0

    def __init__(self, n_targets: int = 1, terms: Any = 0.0) -> None:
        self.n_outputs = n_targets
        self.terms = terms
        self.residual_rounding = float(np.max(terms))

    def phi(self, error: np.ndarray) -> np.ndarray:
        return error**2 / 2

    def slope(self, error: np.ndarray) -> np.ndarray:
        return error

    def bend(self, error: np.ndarray) -> np.ndarray:
        return np.ones_like(error)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""
        return without_rounding(super().residual(y, eta), self.terms)

    def of_target(self, target: int) -> SquaredError:
        """The same with one output."""
        return SquaredError(terms=np.broadcast_to(self.terms, self.n_outputs)[target])

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """``E[e^2] = 1`` under the model, shape (n, n_outputs)."""
        return np.ones_like(eta)


class CoupledSquaredError(SquaredError):
    """The same, where something else in the objective couples the targets of a row."""

    couples_outputs = True

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """The identity, shape (n, n_outputs, n_outputs)."""
        return self.fisher_weight(eta)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        return np.repeat(np.eye(self.n_outputs, dtype=eta.dtype)[None], len(eta), axis=0)


class Huber(RegressionLoss):
    """``e^2 / 2`` up to ``epsilon``, and linear beyond.

    Parameters
    ----------
    epsilon : float
    """

    concordance = 0.0
    steepest = 1.0

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def kinks(self, y: np.ndarray) -> np.ndarray:
        """Where the error is ``epsilon`` on either side."""
        return either_side(y, self.epsilon)

    def phi(self, error: np.ndarray) -> np.ndarray:
        size = np.minimum(np.abs(error), self.epsilon)
        return size * (np.abs(error) - size / 2)

    def slope(self, error: np.ndarray) -> np.ndarray:
        return np.clip(error, -self.epsilon, self.epsilon)

    def bend(self, error: np.ndarray) -> np.ndarray:
        return (np.abs(error) <= self.epsilon).astype(error.dtype)


class SquaredEpsilonInsensitive(RegressionLoss):
    """``max(0, |e| - epsilon)^2``.

    Parameters
    ----------
    epsilon : float
    """

    concordance = 0.0
    steepest = 2.0

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def kinks(self, y: np.ndarray) -> np.ndarray:
        """Where the error is ``epsilon`` on either side."""
        return either_side(y, self.epsilon)

    def phi(self, error: np.ndarray) -> np.ndarray:
        return np.maximum(np.abs(error) - self.epsilon, 0) ** 2

    def slope(self, error: np.ndarray) -> np.ndarray:
        return 2 * np.sign(error) * np.maximum(np.abs(error) - self.epsilon, 0)

    def bend(self, error: np.ndarray) -> np.ndarray:
        return 2 * (np.abs(error) > self.epsilon).astype(error.dtype)


def either_side(y: np.ndarray, distance: float) -> np.ndarray:
    """Predictors at a distance from the targets, shape (2, n, n_outputs)."""
    y = y.reshape(len(y), -1)
    return np.stack([y - distance, y + distance])


class RealHinge(RegressionLoss):
    """A sum of hinges of the error of a real target. Subclasses give these."""

    has_curvature = False

    def hinges(self, y: np.ndarray) -> Hinges:
        """The hinges of rows of some targets."""
        raise NotImplementedError

    def unit(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> float:
        """What losses are measured in: the mean size of an error, as in Laplace's distribution."""
        error = np.abs(eta[:, 0] - y)
        return float(np.average(error, weights=weight)) or 1.0

    def bend(self, error: np.ndarray) -> np.ndarray:
        return np.zeros_like(error)


class EpsilonInsensitive(RealHinge):
    """``max(0, |e| - epsilon)``: a hinge on either side of a tube around the target.

    Parameters
    ----------
    epsilon : float
    slack : float, default=0.0
        How far inside the tube a support vector may lie: the tolerance of the solver.
    """

    def __init__(self, epsilon: float, slack: float = 0.0) -> None:
        self.epsilon = epsilon
        self.slack = slack

    def hinges(self, y: np.ndarray) -> Hinges:
        """The hinges of rows of some targets: those that pull upwards, then the others."""
        signs = np.repeat([1.0, -1.0], len(y))[:, None]
        return Hinges(signs, np.tile(y, 2)[:, None] - self.epsilon * signs, len(y))

    def phi(self, error: np.ndarray) -> np.ndarray:
        return np.maximum(np.abs(error) - self.epsilon, 0)

    def slope(self, error: np.ndarray) -> np.ndarray:
        edge = max(self.epsilon - self.slack, 0.0)
        return np.sign(error) * (np.abs(error) >= edge)


class OneClassHinge(RealHinge):
    """``max(0, -e)`` of a machine of one class, whose rows all have the target 0.

    A query without a target, as all are, enters by its predictor, whatever side it is on.
    """

    def hinges(self, y: np.ndarray) -> Hinges:
        """The hinges of rows, one a row."""
        return Hinges(np.ones((len(y), 1)), y[:, None], len(y))

    def phi(self, error: np.ndarray) -> np.ndarray:
        return np.maximum(-error, 0)

    def slope(self, error: np.ndarray) -> np.ndarray:
        return -(error <= 0).astype(error.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """1 inside the boundary and -1 outside, shape (n,)."""
        return np.where(eta[:, 0] > 0, 1, -1)
