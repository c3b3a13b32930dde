"""What every loss promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._promises import promise, refuses, same

#: Of central differences in double precision, where truncation (its square) and rounding (the
#: precision over it) are about as large.
STEP = 1e-5


def check_loss(loss: Any, y: np.ndarray, eta: np.ndarray, *, tolerance: float = 1e-7) -> None:
    """Hold a loss to its protocol, by finite differences and by its definitions.

    - ``residual`` is the derivative of ``value``, and ``second_derivative`` that of ``residual``;
      it is of the shape that ``couples_outputs`` says, positive semi-definite if the loss
      ``is_convex``, zero without ``has_curvature``, and the same in all outputs with
      ``shares_curvature``.
    - ``direction`` is the residual, taken apart; ``query_direction`` is the derivative of
      ``query_value``.
    - With ``softmax_contrasts`` Q, the second derivative is ``Q^T (diag(p) - p p^T) Q``; with
      ``has_gauge``, the same number added to all outputs changes nothing.
    - With ``has_fisher``, the ``fisher_weight`` is of the same form as the second derivative, and
      ``E[r r^T]`` over the labels where ``exp(-loss)`` is their probability.
    - With ``has_probabilities``, these are numbers from 0 that sum to 1. What the flags do not
      promise is refused by an error.
    - ``from_scores`` undoes ``scores``; of classes, ``predict`` is a position, and the ``lead`` of
      one over another is minus that of the other. Of real targets, NaN asks for the prediction.
    - The loss falls along its ``endless_margins``.
    - Between the predictors of any two rows, the second derivative changes by no more than the
      ``concordance`` allows, unless a kink lies between, and the loss is no further from its
      tangent than the ``remainder``.
    - Answers are in the precision of ``eta``.

    Parameters
    ----------
    loss : Loss
    y : ndarray of shape (n_rows,)
        Positions of classes, of integers, or real targets. Of shape (n_rows, n_targets) for several
        of these.
    eta : ndarray of shape (n_rows, n_outputs)
        Predictors where the loss has derivatives: no row at a kink.
    tolerance : float, default=1e-7
        Share of the largest number by which central differences may be off: their rounding is
        1e-11, and what is left is for functions that bend more than themselves.

    Raises
    ------
    AssertionError
        That names the promise that is broken.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_relatif.losses import SquaredError
    >>> from sklearn_relatif.testing import check_loss
    >>> y, eta = np.array([0.5, 1.0, 2.0]), np.array([[1.0], [0.0], [2.5]])
    >>> check_loss(SquaredError(), y, eta)
    >>> class Wrong(SquaredError):
    ...     def slope(self, error):
    ...         return 2 * error
    >>> check_loss(Wrong(), y, eta)
    Traceback (most recent call last):
    AssertionError: Broken promise: residual is the derivative of value: ...
    """
    y, eta = np.asarray(y), np.asarray(eta, np.float64)
    promise(eta.shape == (len(y), loss.n_outputs), "predictors have a column for each of n_outputs")
    _check_derivatives(loss, y, eta, tolerance)
    _check_directions(loss, y, eta, tolerance)
    _check_flags(loss, y, eta, tolerance)
    (_check_classes if y.dtype.kind in "iu" else _check_numbers)(loss, y, eta, tolerance)
    if np.isfinite(loss.concordance):
        _check_concordance(loss, y, eta)
    _check_precision(loss, y, eta)


def differences(function: Callable[[np.ndarray], np.ndarray], point: np.ndarray) -> np.ndarray:
    """Central differences of a row-wise function in each column, as a new last axis."""
    steps = STEP * np.eye(point.shape[1])
    return np.stack(
        [(function(point + step) - function(point - step)) / (2 * STEP) for step in steps], axis=-1
    )


def as_matrices(diagonals_or_matrices: np.ndarray) -> np.ndarray:
    """Matrices (n, k, k), also where they are given by their diagonals."""
    given = np.asarray(diagonals_or_matrices)
    return given if given.ndim == 3 else given[:, :, None] * np.eye(given.shape[1])


def _check_derivatives(loss: Any, y: np.ndarray, eta: np.ndarray, tolerance: float) -> None:
    value, residual = loss.value(y, eta), loss.residual(y, eta)
    second = loss.second_derivative(y, eta)
    promise(value.shape == y.shape[:1], "value has shape (n,)")
    _check_form(loss, second, "second_derivative", loss.is_convex)
    of_value = differences(lambda at: loss.value(y, at), eta)
    same(residual, of_value, tolerance, "residual is the derivative of value")
    of_residual = differences(lambda at: loss.residual(y, at), eta)
    text = "second_derivative is the derivative of residual"
    same(as_matrices(second), of_residual, tolerance, text)
    promise(loss.has_curvature or not second.any(), "without has_curvature there is none")
    if loss.shares_curvature and not loss.couples_outputs:
        text = "with shares_curvature, second_derivative is the same in all outputs"
        promise((second == second[:, :1]).all(), text)


def _check_concordance(loss: Any, y: np.ndarray, eta: np.ndarray) -> None:
    there, slack = np.roll(eta, 1, axis=0), 1 + 1e-9
    moved = loss.moved(there - eta)
    low, high, kinks = np.minimum(eta, there), np.maximum(eta, there), loss.kinks(y)
    is_smooth = ~((kinks >= low) & (kinks <= high)).any(axis=(0, 2))
    most = np.exp(loss.concordance * moved) * slack
    way = np.random.default_rng(0).normal(size=eta.shape)
    before, after = (
        np.einsum("nk,nkl,nl->n", way, as_matrices(loss.second_derivative(y, at)), way)
        for at in (eta, there)
    )
    within = (after <= most * before) & (before <= most * after)
    promise(within[is_smooth].all(), "second_derivative changes as concordance allows")
    straight = loss.value(y, eta) + (loss.residual(y, eta) * (there - eta)).sum(axis=1)
    rounding = 1e-13 * (loss.value_terms(y, eta) + loss.value_terms(y, there))
    rest = np.abs(loss.value(y, there) - straight)
    text = "the loss is no further from its tangent than the remainder"
    promise((rest <= loss.remainder(y, eta, moved) + rounding).all(), text)


def _check_form(loss: Any, matrices: np.ndarray, name: str, is_positive: bool = True) -> None:
    """Square matrices or diagonals, as the loss says, and positive semi-definite if they should."""
    side = loss.n_outputs
    shape = (side, side) if loss.couples_outputs else (side,)
    promise(matrices.shape[1:] == shape, f"{name} has the shape that couples_outputs says")
    values = np.linalg.eigvalsh(as_matrices(matrices))
    least = -1e3 * np.finfo(np.float64).eps * np.abs(values).max(initial=0)
    if is_positive:
        promise(values.min(initial=0) >= least, f"{name} is positive semi-definite")


def _check_directions(loss: Any, y: np.ndarray, eta: np.ndarray, tolerance: float) -> None:
    norm, unit = loss.direction(y, eta)
    length = np.linalg.norm(unit, axis=1)
    rounding = 1e3 * np.finfo(np.float64).eps
    promise((norm >= 0).all(), "the norm of a direction is at least 0")
    is_unit = (np.abs(length - 1) <= rounding) | ((length == 0) & (norm == 0))
    promise(is_unit.all(), "a direction has length 1, or 0 where the residual is zero")
    text = "direction is the residual, taken apart"
    same(norm[:, None] * unit, loss.residual(y, eta), rounding, text)
    norm, unit = loss.query_direction(y, eta)
    of_value = differences(lambda at: loss.query_value(y, at), eta)
    text = "query_direction is the derivative of query_value"
    same(norm[:, None] * unit, of_value, tolerance, text)


def _check_flags(loss: Any, y: np.ndarray, eta: np.ndarray, tolerance: float) -> None:
    if loss.has_fisher:
        _check_form(loss, loss.fisher_weight(eta), "fisher_weight")
    else:
        text = "a loss that is no likelihood refuses fisher_weight by a ValueError"
        refuses(lambda: loss.fisher_weight(eta), ValueError, text)
    if not loss.has_probabilities:
        text = "a loss without probabilities refuses them by an AttributeError"
        refuses(lambda: loss.probabilities(eta), AttributeError, text)
    if loss.softmax_contrasts is not None:
        p, contrasts = loss.probabilities(eta), loss.softmax_contrasts
        of_classes = as_matrices(p) - p[:, :, None] * p[:, None, :]
        expected = np.einsum("ka,nkl,lb->nab", contrasts, of_classes, contrasts)
        text = "second_derivative is Q^T (diag(p) - p p^T) Q in the softmax_contrasts"
        same(loss.second_derivative(y, eta), expected, tolerance, text)
    if loss.has_gauge:
        text = "has_gauge: the same number added to all outputs changes nothing"
        same(loss.value(y, eta + 1.0), loss.value(y, eta), tolerance, text)
    promise(
        np.allclose(loss.from_scores(loss.scores(eta)), eta, rtol=0, atol=tolerance),
        "from_scores undoes scores",
    )


def _check_classes(loss: Any, y: np.ndarray, eta: np.ndarray, tolerance: float) -> None:
    predicted, n_classes = loss.predict(eta), _n_classes(loss, y)
    promise(predicted.shape == y.shape and predicted.dtype.kind in "iu", "predict is a position")
    promise((predicted >= 0).all() and (predicted < n_classes).all(), "predict is a position")
    for label in range(n_classes):
        for rival in range(label + 1):
            lead, lag = loss.lead(label, rival), loss.lead(rival, label)
            promise(lead.shape == (loss.n_outputs,), "lead has shape (n_outputs,)")
            same(lead, -lag, tolerance, "the lead of one class is minus that of the other")
    if loss.has_class_scores:
        scores = loss.scores(eta)
        promise(scores.shape == (len(y), n_classes), "has_class_scores: scores of each class")
        promise((scores.argmax(axis=1) == predicted).all(), "the highest class score is predicted")
    if loss.has_probabilities:
        p = loss.probabilities(eta)
        promise(p.shape == (len(y), n_classes), "probabilities have a column a class")
        promise((p >= 0).all(), "probabilities are at least 0")
        same(p.sum(axis=1), np.ones(len(y)), tolerance, "probabilities sum to 1")
        if loss.has_fisher:
            _check_expectation(loss, eta, p, tolerance)
    for outputs, margins in loss.endless_margins():
        for label, own in enumerate(margins):
            far = np.zeros((2, loss.n_outputs))
            # The shortest way on which all margins of the class grow by one each step.
            way = np.linalg.lstsq(own, np.ones(len(own)), rcond=None)[0]
            far[:, outputs] = np.outer([1, 50], way)
            near, low = loss.value(np.full(2, label), far)
            promise(low < near, "the loss falls along its endless_margins")


def _n_classes(loss: Any, y: np.ndarray) -> int:
    """As many as there are labels, and those that probabilities tell of besides."""
    known = int(y.max()) + 1
    if loss.has_probabilities:
        known = max(known, loss.probabilities(np.zeros((1, loss.n_outputs))).shape[1])
    return known


def _check_expectation(
    loss: Any, eta: np.ndarray, probabilities: np.ndarray, tolerance: float
) -> None:
    """Of the outer product of residuals, over labels of which each has its own likelihood."""
    labels = [np.full(len(eta), label) for label in range(probabilities.shape[1])]
    likelihoods = np.exp([-loss.value(label, eta) for label in labels]).T
    if not np.allclose(likelihoods, probabilities):
        return  # One of several binary labels at once, such as one vs rest has.
    residuals = [loss.residual(label, eta) for label in labels]
    outer = [
        p[:, None, None] * r[:, :, None] * r[:, None, :]
        for p, r in zip(probabilities.T, residuals, strict=True)
    ]
    actual = as_matrices(loss.fisher_weight(eta))
    same(actual, np.sum(outer, axis=0), tolerance, "fisher_weight is E[r r^T] over the labels")


def _check_numbers(loss: Any, y: np.ndarray, eta: np.ndarray, tolerance: float) -> None:
    def of_predictions(at: np.ndarray) -> np.ndarray:
        return -loss.predict(at).reshape(len(at), -1).sum(axis=1)

    predicted, unknown = loss.predict(eta), np.full(y.shape, np.nan)
    promise(predicted.shape == y.shape, "predict has the shape of y")
    text = "a query with a target of NaN enters by minus its prediction"
    same(loss.query_value(unknown, eta), of_predictions(eta), tolerance, text)
    norm, unit = loss.query_direction(unknown, eta)
    of_prediction = differences(of_predictions, eta)
    same(norm[:, None] * unit, of_prediction, tolerance, text)
    text = "a loss of real targets refuses lead by an AttributeError"
    refuses(lambda: loss.lead(0, 1), AttributeError, text)


def _check_precision(loss: Any, y: np.ndarray, eta: np.ndarray) -> None:
    single = eta.astype(np.float32)
    asked = [
        ("value", loss.value(y, single)),
        ("residual", loss.residual(y, single)),
        ("second_derivative", loss.second_derivative(y, single)),
        *(("direction", part) for part in loss.direction(y, single)),
    ]
    if loss.has_fisher:
        asked.append(("fisher_weight", loss.fisher_weight(single)))
    for name, answer in asked:
        promise(answer.dtype == np.float32, f"{name} is in the precision of the predictors")
