"""Losses of the margins of binary problems.

Which outputs a class takes part in, and with which sign, is a *codebook* of shape
(n_classes, n_outputs): one column for two classes, one column a class for one-vs-rest.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, logsumexp

from ._base import Loss, polar, without_rounding
from ._hinges import Hinges


def binary_codebook() -> np.ndarray:
    """Codebook of two classes: the second one is positive."""
    return np.array([[-1.0], [1.0]])


def one_vs_rest_codebook(n_classes: int) -> np.ndarray:
    """Codebook of one binary problem a class: that class against all others."""
    return 2.0 * np.eye(n_classes) - 1.0


class MarginLoss(Loss):
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

    has_linear_queries = True
    phi: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray], np.ndarray]

    def __init__(self, codebook: np.ndarray) -> None:
        self.codebook = codebook
        n_classes, self.n_outputs = codebook.shape
        self.has_class_scores = n_classes > 2 and np.array_equal(
            codebook, one_vs_rest_codebook(n_classes)
        )

    def _signs(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.codebook.astype(eta.dtype)[y]

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        signs = self._signs(y, eta)
        return np.where(signs != 0, self.phi(signs * eta), 0).sum(axis=1)

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""
        return self.residuals(y, eta[:, None])[:, 0]

    def residuals(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """That of several models, in the shape of ``eta``, (n, n_models, n_outputs)."""
        signs = self._signs(y, eta)[:, None]
        return signs * self.slope(signs * eta)

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm and unit vector of the gradient by which a query enters: that of its margin."""
        return polar(-self._signs(y, eta))

    def query_value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """What a query enters by, minus its margin, shape (n,)."""
        return -(self._signs(y, eta) * eta).sum(axis=1)

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Diagonal of the second derivative with respect to ``eta``, shape (n, n_outputs)."""
        signs = self._signs(y, eta)
        return signs**2 * self.bend(signs * eta)

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Position of the predicted class, shape (n,)."""
        return (eta[:, 0] > 0).astype(np.intp) if self.n_outputs == 1 else eta.argmax(axis=1)

    def lead(self, label: int, rival: int) -> np.ndarray:
        """Gradient of the lead of one class over another in the predictor, shape (n_outputs,).

        It counts the problems in which both take part: one vs one, theirs only.
        """
        own, other = self.codebook[[label, rival]]
        lead: np.ndarray = np.where((own != 0) & (other != 0), own - other, 0) / 2
        return lead


class Hinge(MarginLoss):
    """``max(0, 1 - m)``. Rows within ``slack`` of the margin count as support vectors.

    Parameters
    ----------
    codebook : ndarray of shape (n_classes, n_outputs)
    slack : float, default=0.0
        How far above 1 the margin of a support vector may lie: the tolerance of the solver.
    """

    has_curvature = False

    def __init__(self, codebook: np.ndarray, slack: float = 0.0) -> None:
        super().__init__(codebook)
        self.slack = slack

    def hinges(self, y: np.ndarray) -> Hinges:
        """The hinges of rows of some classes, one a row."""
        signs = self.codebook[y]
        return Hinges(signs, signs, len(y))

    def unit(self, y: np.ndarray, eta: np.ndarray, weight: np.ndarray) -> float:
        """What losses are measured in: the margin."""
        return 1.0

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

    concordance = 0.0
    steepest = 2.0

    def kinks(self, y: np.ndarray) -> np.ndarray:
        """Where the margin is 1."""
        return self.codebook[y][None]

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.maximum(1 - margin, 0) ** 2

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return -2 * np.maximum(1 - margin, 0)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return 2 * (margin < 1).astype(margin.dtype)


class SquaredMargin(MarginLoss):
    """``(1 - m)^2 / 2``, which is the squared error of targets -1 and 1.

    Parameters
    ----------
    codebook : ndarray of shape (n_classes, n_outputs)
    terms : ndarray of shape (n_outputs,) or float, default=0.0
        As of :class:`SquaredError`.
    """

    is_quadratic = True
    shares_curvature = True
    concordance = 0.0

    def __init__(self, codebook: np.ndarray, terms: Any = 0.0) -> None:
        super().__init__(codebook)
        self.terms = terms
        self.residual_rounding = float(np.max(terms))

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return (1 - margin) ** 2 / 2

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return margin - 1

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return np.ones_like(margin)

    def residuals(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative of several models, in the shape of ``eta``."""
        return without_rounding(super().residuals(y, eta), self.terms)


class ModifiedHuber(MarginLoss):
    """``max(0, 1 - m)^2`` for m >= -1, and ``-4 m`` below."""

    concordance = 0.0
    steepest = 2.0

    def kinks(self, y: np.ndarray) -> np.ndarray:
        """Where the margin is 1 or -1."""
        return np.stack([self.codebook[y], -self.codebook[y]])

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.where(margin >= -1, np.maximum(1 - margin, 0) ** 2, -4 * margin)

    def slope(self, margin: np.ndarray) -> np.ndarray:
        return -2 * np.clip(1 - margin, 0, 2)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        return 2 * ((margin < 1) & (margin >= -1)).astype(margin.dtype)


class LogLoss(MarginLoss):
    """Binomial log loss ``log(1 + exp(-m))``: a query enters by the loss itself."""

    has_linear_queries = False
    has_fisher = True
    has_probabilities = True
    concordance = 1.0
    query_direction = Loss.query_direction
    query_value = Loss.query_value

    # By functions that NumPy computes several at a time, unlike logaddexp, and SciPy's expit.

    def phi(self, margin: np.ndarray) -> np.ndarray:
        return np.log1p(np.exp(-np.abs(margin))) + np.maximum(-margin, 0)

    def slope(self, margin: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # Of what is no number any more, the reciprocal is 0.
            odds = np.exp(margin)
        odds += 1
        return np.divide(-1, odds, out=odds)

    def bend(self, margin: np.ndarray) -> np.ndarray:
        odds = np.exp(-np.abs(margin))
        return odds / (1 + odds) ** 2

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, n_outputs) of the residual.

        The unit vector is computed from logarithms, so that it stays right where the
        residual itself underflows.
        """
        signs = self._signs(y, eta)
        if self.n_outputs == 1:
            return expit(-signs * eta)[:, 0], -signs
        log_slope = -np.logaddexp(0, signs * eta)
        largest = log_slope.max(axis=1, keepdims=True)
        length, unit = polar(-signs * np.exp(log_slope - largest))
        return np.exp(largest[:, 0]) * length, unit

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

    def log_probability(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """That of one of two classes, or of one-vs-rest probabilities, normalised, shape (n,)."""
        if self.n_outputs == 1:
            return super().log_probability(y, eta)
        log_positive = -np.logaddexp(0, -eta)
        own: np.ndarray = log_positive[np.arange(len(y)), y] - logsumexp(log_positive, axis=1)
        return own

    def log_probability_direction(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Norm and unit vector of the gradient of minus :meth:`log_probability`."""
        if self.n_outputs == 1:
            return super().log_probability_direction(y, eta)
        share = np.exp(log_softmax(-np.logaddexp(0, -eta), axis=1))
        own = np.arange(len(y)), y
        share[own] = 0
        share[own] = -share.sum(axis=1)
        return polar(share * expit(-eta))

    def endless_margins(self) -> list[tuple[list[int], np.ndarray]]:
        """The margin of each binary problem."""
        return [([k], self.codebook[:, None, [k]]) for k in range(self.n_outputs)]


class LatentLogLoss(LogLoss):
    """The log loss of the mean of a latent score.

    A model averages its probabilities over what is not known of the score, so that they are not
    those of the mean, and this loss has none.
    """

    has_probabilities = False
    is_averaged = True
    probabilities = Loss.probabilities
