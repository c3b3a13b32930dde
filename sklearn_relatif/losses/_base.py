"""What an objective asks of a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np


class Loss(ABC):
    """A pointwise loss of a target and a predictor, and its derivatives in the predictor.

    A loss sees targets ``y`` of shape (n,), or (n, n_targets) where a row has several, and
    predictors ``eta`` of shape (n, n_outputs), and knows nothing of features, weights or
    estimators. Class targets are positions in the sorted classes. A subclass gives ``value``,
    ``residual``, ``second_derivative`` and ``predict``, and what else it knows better than the
    defaults. Answers are in the precision of ``eta``.

    Attributes
    ----------
    n_outputs : int
    has_curvature : bool, default=True
        False where the loss is linear wherever it is smooth.
    couples_outputs : bool, default=False
        Whether second derivatives and Fisher weights are square matrices (n, n_outputs,
        n_outputs), positive semi-definite. Otherwise they are non-negative diagonals
        (n, n_outputs).
    is_convex : bool, default=True
        False where the second derivative of a row may be negative. It is a diagonal then, and
        only the sum over the rows is positive definite, at an optimum.
    shares_curvature : bool, default=False
        Whether second derivatives and Fisher weights that are not coupled are the same in all
        outputs.
    softmax_contrasts : ndarray of shape (n_classes, n_outputs) or None
        ``Q``, where second derivative and Fisher weight both are ``Q^T (diag(p) - p p^T) Q``
        for the probabilities p. None: they have no such form.
    has_gauge : bool, default=False
        Whether the same number added to all outputs changes nothing.
    has_linear_queries : bool, default=False
        Whether what a query enters by is linear in the predictor, so that its gradient can be told
        without.
    has_fisher : bool, default=False
        Whether exp(-loss) is a likelihood, so that there is a ``fisher_weight``.
    has_dispersion : bool, default=False
        Whether that likelihood is known up to a dispersion, which the residuals tell.
    has_probabilities : bool, default=False
        Whether there are ``probabilities`` of classes.
    has_leads : bool, default=True
        Of losses of classes, whether these are ahead of one another by what is linear in the
        predictor, their ``lead``.
    has_class_scores : bool, default=False
        Whether ``scores`` are one for each of several classes, the higher the more it is this one.
    is_averaged : bool, default=False
        Whether the model ranks rows by what it averages over predictors that might be, and not by
        this one.
    is_of_errors : bool, default=False
        Whether residuals are those of differences between predictor and target, so that of small
        ones rounding leaves few digits.
    """

    n_outputs: int
    has_curvature: bool = True
    couples_outputs: bool = False
    is_convex: bool = True
    shares_curvature: bool = False
    softmax_contrasts: np.ndarray | None = None
    has_gauge: bool = False
    has_linear_queries: bool = False
    has_fisher: bool = False
    has_dispersion: bool = False
    has_probabilities: bool = False
    has_leads: bool = True
    has_class_scores: bool = False
    is_averaged: bool = False
    is_of_errors: bool = False

    @abstractmethod
    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""

    @abstractmethod
    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""

    @abstractmethod
    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``: see ``couples_outputs`` for the shape."""

    @abstractmethod
    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Position of the predicted class, or predicted targets, in the shape of ``y``."""

    def direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm (n,) and unit vector (n, n_outputs) of the residual; zero where it is zero."""
        return polar(self.residual(y, eta))

    def query_direction(self, y: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Norm and unit vector of the gradient of what a query enters by."""
        return self.direction(y, eta)

    def query_value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """What a query enters by, its loss unless a subclass says otherwise, shape (n,)."""
        return self.value(y, eta)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """E[residual residual^T] under the model, in the form of the second derivative."""
        raise ValueError(
            "curvature='fisher' needs a likelihood, and "
            f"{type(self).__name__} is not one; use curvature='hessian'."
        )

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Model probabilities, shape (n, n_classes)."""
        raise AttributeError(f"{type(self).__name__} has no probabilities.")

    def log_probability(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Logarithm of the probability of each row's class, by default minus the loss, (n,)."""
        return -self.value(y, eta)

    def log_probability_direction(
        self, y: np.ndarray, eta: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Norm and unit vector of the gradient of minus :meth:`log_probability`."""
        return self.direction(y, eta)

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """The predictor in the form of ``decision_function``, which is linear in it."""
        return eta[:, 0] if self.n_outputs == 1 else eta

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        """The predictor, or a gradient with respect to it, from the form of the scores."""
        return np.reshape(scores, (-1, self.n_outputs))

    def lead(self, label: int, rival: int) -> np.ndarray:
        """Gradient of the lead of one class over another in the predictor, shape (n_outputs,)."""
        raise AttributeError(f"{type(self).__name__} tells no classes apart.")

    def of_target(self, target: int) -> Loss:
        """The loss of one target on its own, of those that sum it over the targets of a row."""
        return self

    def endless_margins(self) -> list[tuple[list[int], np.ndarray]]:
        """Margins of the classes that the loss falls with for ever, never reaching an optimum.

        Returns
        -------
        list of (outputs, margins)
            Outputs that share margins, and the gradients of these in them for rows of each
            class, shape (n_classes, n_margins, len(outputs)). Empty if none are known.
        """
        return []

    def margin_classes(self, y: np.ndarray) -> np.ndarray:
        """Positions of targets in the classes of :meth:`endless_margins`, shape (n,)."""
        return y


def of_models(
    value: Callable[[np.ndarray, np.ndarray], np.ndarray], y: np.ndarray, predictors: np.ndarray
) -> np.ndarray:
    """A pointwise loss of several models.

    Parameters
    ----------
    value : callable
        ``value`` or ``query_value`` of a loss.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    predictors : ndarray of shape (n_rows, n_models, n_outputs)

    Returns
    -------
    ndarray of shape (n_rows, n_models)
    """
    n_rows, n_models, n_outputs = predictors.shape
    values = value(np.repeat(y, n_models, axis=0), predictors.reshape(-1, n_outputs))
    return values.reshape(n_rows, n_models)


def without_rounding(residual: np.ndarray, terms: Any) -> np.ndarray:
    """Differences of sums, with 0 for those that are the rounding of their terms.

    Parameters
    ----------
    residual : ndarray of shape (n, n_outputs)
    terms : ndarray of shape (n_outputs,) or float
        Number and size of the terms; 0: all differences count.
    """
    rounding = np.finfo(residual.dtype).eps * np.asarray(terms)
    if not np.any(rounding):
        return residual
    return np.where(np.abs(residual) > rounding, residual, residual.dtype.type(0))


def polar(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Norm (n,) of each row and its unit vector, which is zero where the norm is."""
    length = np.linalg.norm(vectors, axis=1)
    return length, vectors / np.where(length > 0, length, 1)[:, None]
