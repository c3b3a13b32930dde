"""What the trees of a boosted model descend: gradients, what they are divided by, and slopes.

A leaf of a tree on predictor k takes one Newton step for its rows: ``-G / (H + l2)`` with the sums
G and H of the weighted gradients ``g_k`` and of the second derivatives ``h_k`` that the library
uses, which need not be those of the loss. Predictors come with the output first, (n_outputs, ...),
so that a row can be looked at in all of the stages at once.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logsumexp, softmax


class Step:
    """The loss of a boosted model, as its trees see it.

    Attributes
    ----------
    n_outputs : int, default=1
    is_linear : bool, default=False
        Whether gradients are linear in the targets and the predictors, with constant second
        derivatives, so that predictions are linear in the targets.
    """

    n_outputs = 1
    is_linear = False

    def loss(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Of each row, up to what depends on ``y`` alone; only asked for where steps compare it."""
        raise NotImplementedError

    def gradient(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """``g`` of rows, in the shape of ``eta``, (n_outputs, ...); ``y`` has one axis less."""
        raise NotImplementedError

    def curvature(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """``h`` of rows, in the shape of ``eta``."""
        raise NotImplementedError

    def gradient_and_curvature(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both, where one takes what the other does."""
        return self.gradient(y, eta), self.curvature(y, eta)

    def slopes(self, y: np.ndarray, eta: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of ``g_k`` and ``h_k`` in all predictors, in the shape of ``eta``."""
        raise NotImplementedError

    def moved_gradient(self, y: np.ndarray, eta: np.ndarray, move: np.ndarray) -> np.ndarray:
        """``g + J move`` with the matrix J of derivatives of ``g``, in the shape of ``eta``.

        As it stands for losses of one predictor.
        """
        return self.gradient(y, eta) + self.slopes(y, eta, 0)[0] * move

    def moved_slopes(
        self, y: np.ndarray, eta: np.ndarray, by: np.ndarray, move: np.ndarray
    ) -> np.ndarray:
        """Derivatives of ``by . (g + J move)`` of each row in its predictors.

        As it stands for losses of one predictor whose ``h`` is the derivative of ``g``.
        """
        slope, bend = self.slopes(y, eta, 0)
        return by * (slope + bend * move)


class SquaredStep(Step):
    """``(eta - y)^2 / 2``."""

    is_linear = True

    def loss(self, y, eta):
        return (eta[0] - y) ** 2 / 2

    def gradient(self, y, eta):
        return eta - y

    def curvature(self, y, eta):
        return np.ones_like(eta)

    def slopes(self, y, eta, k):
        return np.ones_like(eta), np.zeros_like(eta)


class LogStep(Step):
    """``log(1 + exp(eta)) - y eta`` of two classes, 0 and 1."""

    def loss(self, y, eta):
        return np.logaddexp(0, eta[0]) - y * eta[0]

    def gradient(self, y, eta):
        return expit(eta) - y

    def curvature(self, y, eta):
        p = expit(eta)
        return p * (1 - p)

    def gradient_and_curvature(self, y, eta):
        p = expit(eta)
        return p - y, p * (1 - p)

    def slopes(self, y, eta, k):
        p = expit(eta)
        h = p * (1 - p)
        return h, h * (1 - 2 * p)

    def moved_gradient(self, y, eta, move):
        p = expit(eta)
        return p - y + p * (1 - p) * move


class ExponentialStep(Step):
    """``exp(-(2 y - 1) eta)`` of two classes, 0 and 1."""

    def gradient(self, y, eta):
        sign = 2 * y - 1
        return -sign * np.exp(-sign * eta)

    def curvature(self, y, eta):
        return np.exp(-(2 * y - 1) * eta)

    def slopes(self, y, eta, k):
        h = self.curvature(y, eta)
        return h, -(2 * y - 1) * h


class PoissonStep(Step):
    """``exp(eta) - y eta``.

    Parameters
    ----------
    factor : float, default=1.0
        Of the second derivatives, where a library enlarges them.
    """

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def loss(self, y, eta):
        return np.exp(eta[0]) - y * eta[0]

    def gradient(self, y, eta):
        return np.exp(eta) - y

    def curvature(self, y, eta):
        return self.factor * np.exp(eta)

    def slopes(self, y, eta, k):
        mean = np.exp(eta)
        return mean, self.factor * mean


class TweedieStep(Step):
    """``exp((2 - p) eta) / (2 - p) - y exp((1 - p) eta) / (1 - p)``: Tweedie, logarithmic link.

    Half the unit deviance but for what is constant; gamma at power 2.

    Parameters
    ----------
    power : float
        ``p`` of the variance ``mean^p``, above 1 and at most 2.
    """

    def __init__(self, power: float) -> None:
        self.power = power

    def _terms(self, y, eta):
        return y * np.exp((1 - self.power) * eta), np.exp((2 - self.power) * eta)

    def gradient(self, y, eta):
        seen, expected = self._terms(y, eta)
        return expected - seen

    def curvature(self, y, eta):
        seen, expected = self._terms(y, eta)
        return (2 - self.power) * expected + (self.power - 1) * seen

    def slopes(self, y, eta, k):
        seen, expected = self._terms(y, eta)
        up, down = 2 - self.power, 1 - self.power
        return up * expected - down * seen, up**2 * expected - down**2 * seen


class SoftmaxStep(Step):
    """Softmax cross-entropy of several classes, of which a row's is ``y``.

    Parameters
    ----------
    n_outputs : int
    factor : float, default=1.0
        Of the diagonal of the second derivatives, ``p (1 - p)``, which is all that trees see.
    """

    def __init__(self, n_outputs: int, factor: float = 1.0) -> None:
        self.n_outputs = n_outputs
        self.factor = factor

    def loss(self, y, eta):
        return logsumexp(eta, axis=0) - np.take_along_axis(eta, y[None], axis=0)[0]

    def gradient(self, y, eta):
        return self.gradient_and_curvature(y, eta)[0]

    def curvature(self, y, eta):
        return self.gradient_and_curvature(y, eta)[1]

    def gradient_and_curvature(self, y, eta):
        p = softmax(eta, axis=0)
        classes = np.arange(self.n_outputs).reshape(-1, *[1] * (p.ndim - 1))
        return p - (classes == y), self.factor * p * (1 - p)

    def slopes(self, y, eta, k):
        p = softmax(eta, axis=0)
        slope = -p[k] * p
        slope[k] += p[k]
        return slope, self.factor * (1 - 2 * p[k]) * slope

    def moved_gradient(self, y, eta, move):
        p = softmax(eta, axis=0)
        return self.gradient(y, eta) + p * (move - (p * move).sum(axis=0))

    def moved_slopes(self, y, eta, by, move):
        p = softmax(eta, axis=0)
        by, move = by - (p * by).sum(axis=0), move - (p * move).sum(axis=0)
        product = by * move
        return p * (by + product - (p * product).sum(axis=0))


class SinglePrecisionStep(Step):
    """A step with gradients and second derivatives as single precision has them.

    Those of probabilities close to 1 have few digits then. How they change with the predictors is
    told exactly.

    Parameters
    ----------
    step : Step
    """

    def __init__(self, step: Step) -> None:
        self.step = step
        self.n_outputs, self.is_linear = step.n_outputs, step.is_linear

    def gradient(self, y, eta):
        return self.step.gradient(y, eta.astype(np.float32)).astype(np.float64)

    def curvature(self, y, eta):
        return self.step.curvature(y, eta.astype(np.float32)).astype(np.float64)

    def slopes(self, y, eta, k):
        return self.step.slopes(y, eta, k)
