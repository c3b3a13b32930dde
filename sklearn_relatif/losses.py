"""Pointwise losses and their derivatives with respect to the linear predictor.

A loss sees a target ``y`` of shape (n,) and a linear predictor ``eta`` of shape
(n, n_outputs), and knows nothing of features, weights or estimators.

Class targets are positions in the sorted classes. Which outputs a class takes part in, and
with which sign, is a *codebook* of shape (n_classes, n_outputs): one column for two classes,
one column a class for one-vs-rest.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Protocol

import numpy as np
from scipy.special import expit, log_softmax

__all__ = ["LogLoss", "Loss", "MultinomialLogLoss", "binary_codebook", "one_vs_rest_codebook"]


class Loss(Protocol):
    """What an objective asks of a loss; see :class:`MarginLoss` for the shapes."""

    n_outputs: int
    #: True when the second derivative is diagonal over the outputs.
    separable: bool
    #: True when exp(-loss) is a likelihood, so that a Fisher information exists.
    is_likelihood: bool
    #: True when the loss is linear wherever it is smooth, so that it has no curvature.
    is_piecewise_linear: bool

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray: ...

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray: ...

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray: ...

    def predict(self, eta: np.ndarray) -> np.ndarray: ...


def of_models(
    value: Callable[[np.ndarray, np.ndarray], np.ndarray], y: np.ndarray, predictors: np.ndarray
) -> np.ndarray:
    """A pointwise loss of several models.

    Parameters
    ----------
    value : callable
        ``value`` or ``query_value`` of a loss.
    y : ndarray of shape (n_rows,)
    predictors : ndarray of shape (n_rows, n_models, n_outputs)

    Returns
    -------
    ndarray of shape (n_rows, n_models)
    """
    n_rows, n_models, n_outputs = predictors.shape
    values = value(np.repeat(y, n_models), predictors.reshape(-1, n_outputs))
    return values.reshape(n_rows, n_models)


def binary_codebook() -> np.ndarray:
    """Codebook of two classes: the second one is positive."""
    return np.array([[-1.0], [1.0]])


def one_vs_rest_codebook(n_classes: int) -> np.ndarray:
    """Codebook of one binary problem a class: that class against all others."""
    return 2.0 * np.eye(n_classes) - 1.0


class MarginLoss:
    """A function of the margins, summed over the binary problems of a codebook.

    ``loss(y, eta) = sum_p phi(c[y, p] * eta[p])`` over the problems in which class y takes
    part, with the codebook ``c``. Subclasses give ``phi`` and its derivatives.

    A query enters by its margin, that is by the loss ``-sum_p c[y, p] * eta[p]``, because most
    queries lie where a hinge is flat.

    Parameters
    ----------
    codebook : ndarray of shape (n_classes, n_outputs)
        Sign with which each class takes part in each binary problem.
    """

    separable = True
    is_likelihood = False
    #: True when phi is linear wherever it is smooth, so that it has no curvature.
    is_piecewise_linear = False
    phi: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]

    def __init__(self, codebook: np.ndarray) -> None:
        self.codebook = codebook
        self.n_outputs = codebook.shape[1]

    def _signs(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.codebook.astype(eta.dtype)[y]

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        signs = self._signs(y, eta)
        return np.where(signs != 0, self.phi(signs * eta), 0).sum(axis=1)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""
        signs = self._signs(y, eta)
        return signs * self.slope(signs * eta)

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, n_outputs) of the residual; zero where it is zero."""
        return _polar(self.residual(y, eta))

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm and unit vector of the gradient by which a query enters: that of its margin."""
        return _polar(-self._signs(y, eta))

    def query_value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """What a query enters by, minus its margin, shape (n,)."""
        return -(self._signs(y, eta) * eta).sum(axis=1)

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """The predictor in the form of ``decision_function``."""
        return eta[:, 0] if self.n_outputs == 1 else eta

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        """The predictor, or a gradient with respect to it, from the form of the scores."""
        return np.reshape(scores, (-1, self.n_outputs))

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Diagonal of the second derivative with respect to ``eta``, shape (n, n_outputs)."""
        signs = self._signs(y, eta)
        return signs**2 * self.bend(signs * eta)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Position of the predicted class, shape (n,)."""
        return (eta[:, 0] > 0).astype(np.intp) if self.n_outputs == 1 else eta.argmax(axis=1)


class Hinge(MarginLoss):
    """``max(0, 1 - m)``. Rows within ``slack`` of the margin count as support vectors.

    Parameters
    ----------
    codebook : ndarray of shape (n_classes, n_outputs)
    slack : float, default=0.0
        How far above 1 the margin of a support vector may lie: the tolerance of the solver.
    """

    is_piecewise_linear = True

    def __init__(self, codebook: np.ndarray, slack: float = 0.0) -> None:
        super().__init__(codebook)
        self.slack = slack

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.maximum(1 - margin, 0)

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return -(margin <= 1 + self.slack).astype(margin.dtype)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return np.zeros_like(margin)


class OneVsOneHinge(Hinge):
    """Hinge with one problem a pair of classes, in the order of itertools.combinations.

    Parameters
    ----------
    n_classes : int
    break_ties : bool
        Whether equal numbers of votes are decided by confidence, rather than for the first.
    """

    def __init__(self, n_classes: int, break_ties: bool = False) -> None:
        pairs = np.array(list(combinations(range(n_classes), 2)))
        codebook = np.zeros((n_classes, len(pairs)))
        codebook[pairs[:, 0], np.arange(len(pairs))] = 1.0
        codebook[pairs[:, 1], np.arange(len(pairs))] = -1.0
        super().__init__(codebook)
        self.break_ties = break_ties

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Position of the class with the most votes, shape (n,)."""
        won = np.where(eta > 0, 1.0, -1.0)
        votes = np.rint((won @ self.codebook.T + len(self.codebook) - 1) / 2)
        if self.break_ties:
            confidence = eta @ self.codebook.T
            votes += confidence / (3 * (np.abs(confidence) + 1))
        return votes.argmax(axis=1)


class SquaredHinge(MarginLoss):
    """``max(0, 1 - m)^2``, with the generalised second derivative 2 on the support vectors."""

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.maximum(1 - margin, 0) ** 2

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return -2 * np.maximum(1 - margin, 0)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return 2 * (margin < 1).astype(margin.dtype)


class ModifiedHuber(MarginLoss):
    """``max(0, 1 - m)^2`` for m >= -1, and ``-4 m`` below."""

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.where(margin >= -1, np.maximum(1 - margin, 0) ** 2, -4 * margin)

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return -2 * np.clip(1 - margin, 0, 2)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return 2 * ((margin < 1) & (margin >= -1)).astype(margin.dtype)


class LogLoss(MarginLoss):
    """Binomial log loss ``log(1 + exp(-m))``: a query enters by the loss itself."""

    is_likelihood = True

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, -margin)

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return -expit(-margin)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return expit(margin) * expit(-margin)

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, n_outputs) of the residual.

        The unit vector is computed from logarithms, so that it stays right where the
        residual itself underflows.
        """
        signs = self._signs(y, eta)
        log_slope = -np.logaddexp(0, signs * eta)
        largest = log_slope.max(axis=1, keepdims=True)
        length, unit = _polar(-signs * np.exp(log_slope - largest))
        return np.exp(largest[:, 0]) * length, unit

    query_direction = direction

    def query_value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """What a query enters by, its loss, shape (n,)."""
        return self.value(y, eta)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """Diagonal of E[residual residual^T] under the model, shape (n, n_outputs)."""
        return self.bend(eta)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Model probabilities, shape (n, n_classes); one-vs-rest is normalised to sum to 1."""
        positive = expit(eta)
        if self.n_outputs == 1:
            return np.hstack([expit(-eta), positive])
        total = positive.sum(axis=1, keepdims=True)
        # Where every problem says no beyond the smallest number, there is nothing to normalise.
        return positive / np.where(total > 0, total, 1)


class RegressionLoss:
    """A function of the error ``eta - y`` of one real target. Subclasses give it.

    A target of NaN asks for the prediction itself: the loss is ``-eta`` then, so that what
    supports it is what raises the prediction.
    """

    n_outputs = 1
    separable = True
    is_likelihood = False
    is_piecewise_linear = False
    phi: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        error = eta[:, 0] - y
        value: np.ndarray = np.where(np.isnan(y), -eta[:, 0], self.phi(error))
        return value.astype(eta.dtype)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, 1)."""
        slope = np.where(np.isnan(y), -1.0, self.slope(eta[:, 0] - y))
        return slope.astype(eta.dtype)[:, None]

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, 1) of the residual; zero where it is zero."""
        return _polar(self.residual(y, eta))

    query_direction = direction
    query_value = value

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, 1)."""
        return self.bend(eta - y[:, None]).astype(eta.dtype)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Predictions, shape (n,)."""
        return eta[:, 0]

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """The predictor in the form of ``predict``, shape (n,)."""
        return eta[:, 0]

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        """The predictor, or a gradient with respect to it, from the form of the scores."""
        return np.reshape(scores, (-1, 1))


class SquaredError(RegressionLoss):
    """``e^2 / 2``."""

    def phi(self, error: np.ndarray) -> np.ndarray:
        return error**2 / 2

    def slope(self, error: np.ndarray) -> np.ndarray:
        return error

    def bend(self, error: np.ndarray) -> np.ndarray:
        return np.ones_like(error)


class Huber(RegressionLoss):
    """``e^2 / 2`` up to ``epsilon``, and linear beyond.

    Parameters
    ----------
    epsilon : float
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

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

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def phi(self, error: np.ndarray) -> np.ndarray:
        return np.maximum(np.abs(error) - self.epsilon, 0) ** 2

    def slope(self, error: np.ndarray) -> np.ndarray:
        return 2 * np.sign(error) * np.maximum(np.abs(error) - self.epsilon, 0)

    def bend(self, error: np.ndarray) -> np.ndarray:
        return 2 * (np.abs(error) > self.epsilon).astype(error.dtype)


class MultinomialLogLoss:
    """Softmax cross-entropy in a basis of the predictor space.

    The softmax does not change when the same number is added to every class, so the log loss
    has no curvature along ``(1, ..., 1)``. In ``n_classes - 1`` orthonormal contrasts that
    direction does not exist: ``eta`` holds the contrast coordinates and
    ``eta @ contrasts.T`` the class scores. Norms are those of the minimum-norm solution.

    Parameters
    ----------
    n_classes : int
    use_contrasts : bool, default=True
        False keeps one output a class, for penalties that are not rotation invariant (L1).
    """

    separable = False
    is_likelihood = True
    is_piecewise_linear = False

    def __init__(self, n_classes: int, use_contrasts: bool = True) -> None:
        self.contrasts = helmert_contrasts(n_classes) if use_contrasts else np.eye(n_classes)
        self.n_outputs = self.contrasts.shape[1]

    def _log_probabilities(self, eta: np.ndarray) -> np.ndarray:
        return log_softmax(eta @ self.contrasts.T.astype(eta.dtype), axis=1)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        return -self._log_probabilities(eta)[np.arange(len(y)), y]

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""
        contrasts = self.contrasts.astype(eta.dtype)
        # Classes come first, because NumPy reduces over the leading axis several times faster.
        scores = contrasts @ eta.T
        p = np.exp(scores - scores.max(axis=0))
        own = y, np.arange(len(y))
        p_own, p[own] = p[own], 0
        others = p.sum(axis=0)
        p[own] = -others
        return (p / (p_own + others)).T @ contrasts

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, n_outputs) of the residual.

        The residual is ``p - e_y``. Its entry for the row's own class is taken as minus the
        sum of the others, because ``p_y - 1`` cancels when the row is fitted well.
        """
        log_p = self._log_probabilities(eta)
        own = np.arange(len(y)), y
        log_p[own] = -np.inf
        largest = log_p.max(axis=1, keepdims=True)
        scaled = np.exp(log_p - largest)
        scaled[own] = -scaled.sum(axis=1)
        length = np.linalg.norm(scaled, axis=1)
        unit = (scaled / length[:, None]) @ self.contrasts.astype(eta.dtype)
        return np.exp(largest[:, 0]) * length, unit

    query_direction = direction
    query_value = value

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """The predictor in the form of ``decision_function``, shape (n, n_classes)."""
        return eta @ self.contrasts.T.astype(eta.dtype)

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        """The predictor, or a gradient with respect to it, from the form of the scores."""
        return scores @ self.contrasts

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, n_outputs, n_outputs)."""
        return self.fisher_weight(eta)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """E[residual residual^T] under the model, shape (n, n_outputs, n_outputs).

        ``Q^T (diag(p) - p p^T) Q``, formed from the centred contrasts so that it does not
        cancel when one class takes all the probability.
        """
        p = np.exp(self._log_probabilities(eta))
        contrasts = self.contrasts.astype(eta.dtype)
        centred = contrasts[None] - (p @ contrasts)[:, None]
        return np.matmul((p[:, :, None] * centred).swapaxes(1, 2), centred)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Position of the predicted class, shape (n,)."""
        return (eta @ self.contrasts.T.astype(eta.dtype)).argmax(axis=1)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Model probabilities, shape (n, n_classes)."""
        return np.exp(self._log_probabilities(eta))


def helmert_contrasts(n_classes: int) -> np.ndarray:
    """Orthonormal basis of the vectors that sum to zero, shape (n_classes, n_classes - 1)."""
    lower = np.tri(n_classes, n_classes - 1, -1)
    contrasts = np.eye(n_classes, n_classes - 1) * np.arange(n_classes - 1, 0, -1) - lower
    return contrasts / np.linalg.norm(contrasts, axis=0)


def _polar(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Norm (n,) of each row and its unit vector, which is zero where the norm is."""
    length = np.linalg.norm(vectors, axis=1)
    return length, vectors / np.where(length > 0, length, 1)[:, None]
