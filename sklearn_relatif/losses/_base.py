"""What an objective asks of a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils._blocks import value_blocks
from ..utils._threads import for_each


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
    is_quadratic : bool, default=False
        Whether the second derivative is 1 in each output, whatever the predictor.
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
    concordance : float, default=inf
        ``M``, by which bounds hold: on a step of the predictor of the size t, as :meth:`moved`
        measures it, second derivatives grow by a factor of at most ``exp(M t)``, and shrink by no
        more (generalised self-concordance: Bach 2010; Sun & Tran-Dinh 2019). 0 where they are
        constant but for jumps at the :meth:`kinks`; infinite where nothing is known.
    steepest : float, default=0.0
        The largest second derivative of an output, of losses with kinks.
    furthest : float, default=inf
        The size of predictors up to which the function is what it says, and not held.
    residual_rounding : float, default=0.0
        Units of rounding by which a residual may be off, beyond what it is of itself.
    """

    n_outputs: int
    has_curvature: bool = True
    couples_outputs: bool = False
    is_convex: bool = True
    is_quadratic: bool = False
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
    concordance: float = np.inf
    steepest: float = 0.0
    furthest: float = np.inf
    residual_rounding: float = 0.0

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

    def residuals(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """The :meth:`residual` of each row by several models.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, n_targets)
        eta : ndarray of shape (n, n_models, n_outputs)

        Returns
        -------
        ndarray of shape (n, n_models, n_outputs)
        """
        targets = np.repeat(y, eta.shape[1], axis=0)
        return self.residual(targets, eta.reshape(-1, eta.shape[2])).reshape(eta.shape)

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

    def probability_gradient(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Gradient of the probability of a class for each row, shape (n, n_outputs)."""
        norm, unit = self.log_probability_direction(y, eta)
        p = self.probabilities(eta).astype(np.float64)[np.arange(len(y)), y]
        # p' = p (log p)', which keeps its digits where p has few.
        gradient: np.ndarray = -(p * norm)[:, None] * unit
        return gradient

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

    def moved(self, steps: np.ndarray) -> np.ndarray:
        """Sizes of steps of the predictor (..., n_outputs): the most that an output changes."""
        sizes: np.ndarray = np.abs(steps)
        return sizes[..., 0] if self.n_outputs == 1 else sizes.max(axis=-1)

    def reach(self, forms: np.ndarray) -> np.ndarray:
        """The largest size, as :meth:`moved` has it, of steps ``F^1/2 z`` with ``|z| <= 1``.

        Parameters
        ----------
        forms : ndarray of shape (n, n_outputs, n_outputs) or (n, n_outputs)
            ``F`` of each row; diagonals where outputs are not coupled.
        """
        diagonal = forms if forms.ndim == 2 else np.einsum("nkk->nk", forms)
        return np.sqrt(np.maximum(diagonal, 0).max(axis=1))

    def remainder(self, y: np.ndarray, eta: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """The most that a loss can differ from its tangent after steps of some sizes, shape (n,).

        With second derivatives A, which grow by at most ``exp(M t)``, it is ``t^2 / 2 exp(M t)``
        times the sum of ``|A|`` over the outputs.

        Parameters
        ----------
        y : ndarray of shape (n,) or (n, n_targets)
        eta : ndarray of shape (n, n_outputs)
        moved : ndarray of shape (n,)
            Sizes of the steps from ``eta``.
        """
        bend = np.abs(self.second_derivative(y, eta)).reshape(len(y), -1).sum(axis=1)
        if self.steepest:
            is_met = (np.abs(self.kinks(y) - eta) <= moved[:, None]).any(axis=(0, 2))
            bend = np.where(is_met, self.n_outputs * self.steepest, bend)
        is_itself = np.abs(eta).max(axis=1) + moved <= self.furthest
        return np.where(is_itself, up_to(bend, self.concordance, moved), np.inf)

    def value_terms(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Size of the terms that a loss is summed of, of which rounding takes a share, (n,)."""
        slopes = np.abs(self.residual(y, eta)) * (1 + np.abs(eta))
        terms: np.ndarray = np.abs(self.value(y, eta)) + slopes.sum(axis=1)
        return terms

    def kinks(self, y: np.ndarray) -> np.ndarray:
        """Predictors at which second derivatives jump, shape (n_kinks, n, n_outputs)."""
        return np.empty((0, len(y), self.n_outputs))

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


def up_to(bend: Any, concordance: float, moved: np.ndarray) -> np.ndarray:
    """``t^2 / 2 A exp(M t)``, where 0 times infinity is infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        most = bend * moved**2 / 2 * np.exp(concordance * moved)
    return np.where(np.isnan(most), np.inf, most)


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
    values = np.empty((n_rows, n_models), predictors.dtype)

    def fill(rows: slice) -> None:
        targets = np.repeat(y[rows], n_models, axis=0)
        own = value(targets, predictors[rows].reshape(-1, n_outputs))
        values[rows] = own.reshape(-1, n_models)

    for_each(fill, value_blocks(n_rows, n_models * n_outputs))
    return values


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
