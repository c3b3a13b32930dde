"""The softmax and its log loss."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from ._base import Loss, up_to


class MultinomialLogLoss(Loss):
    """Softmax cross-entropy in a basis of the predictor space.

    The softmax does not change when the same number is added to every class, so the log loss
    has no curvature along ``(1, ..., 1)``. In ``n_classes - 1`` orthonormal contrasts that
    direction does not exist: ``eta`` holds the contrast coordinates and
    ``eta @ softmax_contrasts.T`` the class scores. Norms are those of the minimum-norm solution.

    Parameters
    ----------
    n_classes : int
    use_contrasts : bool, default=True
        False keeps one output a class, for penalties that are not rotation invariant (L1).
    """

    softmax_contrasts: np.ndarray
    couples_outputs = True
    has_fisher = True
    has_probabilities = True
    concordance = 1.0
    has_class_scores = True

    def __init__(self, n_classes: int, use_contrasts: bool = True) -> None:
        contrasts = helmert_contrasts(n_classes) if use_contrasts else np.eye(n_classes)
        self.softmax_contrasts = contrasts
        self.n_outputs = contrasts.shape[1]
        self.has_gauge = not use_contrasts

    def _log_probabilities(self, eta: np.ndarray) -> np.ndarray:
        return log_softmax(self.scores(eta), axis=1)

    def value(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Loss of each row, shape (n,)."""
        return -self._log_probabilities(eta)[np.arange(len(y)), y]

    def residual(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """First derivative with respect to ``eta``, shape (n, n_outputs)."""
        contrasts = self.softmax_contrasts.astype(eta.dtype)
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
        unit = (scaled / length[:, None]) @ self.softmax_contrasts.astype(eta.dtype)
        return np.exp(largest[:, 0]) * length, unit

    def scores(self, eta: np.ndarray) -> np.ndarray:
        """The predictor in the form of ``decision_function``, shape (n, n_classes)."""
        return eta @ self.softmax_contrasts.T.astype(eta.dtype)

    def from_scores(self, scores: np.ndarray) -> np.ndarray:
        """The predictor, or a gradient with respect to it, from the form of the scores."""
        return scores @ self.softmax_contrasts

    def second_derivative(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Second derivative with respect to ``eta``, shape (n, n_outputs, n_outputs)."""
        return self.fisher_weight(eta)

    def fisher_weight(self, eta: np.ndarray) -> np.ndarray:
        """E[residual residual^T] under the model, shape (n, n_outputs, n_outputs).

        ``Q^T (diag(p) - p p^T) Q``, formed from the centred contrasts so that it does not
        cancel when one class takes all the probability.
        """
        p = np.exp(self._log_probabilities(eta))
        contrasts = self.softmax_contrasts.astype(eta.dtype)
        centred = contrasts[None] - (p @ contrasts)[:, None]
        return np.matmul((p[:, :, None] * centred).swapaxes(1, 2), centred)

    def moved(self, steps: np.ndarray) -> np.ndarray:
        """Sizes of steps of the predictor (..., n_outputs): the range of the scores' changes.

        The third derivative along u, u, v is ``E[(u - E u)^2 (v - E v)]`` of the probabilities, at
        most the range of v times the second derivative along u.
        """
        size: np.ndarray = np.ptp(steps @ self.softmax_contrasts.T, axis=-1)
        return size

    def reach(self, forms: np.ndarray) -> np.ndarray:
        """The largest size of steps ``F^1/2 z``: that of the difference of two scores."""
        contrasts = self.softmax_contrasts
        scores = contrasts @ forms @ contrasts.T
        own = np.einsum("nkk->nk", scores)
        squares = own[:, :, None] + own[:, None] - 2 * scores
        return np.sqrt(np.maximum(squares, 0).max(axis=(1, 2)))

    def remainder(self, y: np.ndarray, eta: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """The most that a loss can differ from its tangent after steps of some sizes, shape (n,).

        The variance of a step over the classes is at most a quarter of its squared range, and at
        most that square times the probability of all classes but the row's own.
        """
        others = np.exp(self._log_probabilities(eta))
        others[np.arange(len(y)), y] = 0
        return np.minimum(moved**2 / 8, up_to(others.sum(axis=1), 1.0, moved))

    def value_terms(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        """Those, and the 1 of a sum of exponentials whose largest is the row's own, (n,)."""
        return super().value_terms(y, eta) + 1

    def predict(self, eta: np.ndarray) -> np.ndarray:
        """Position of the predicted class, shape (n,)."""
        return self.scores(eta).argmax(axis=1)

    def probabilities(self, eta: np.ndarray) -> np.ndarray:
        """Model probabilities, shape (n, n_classes)."""
        return np.exp(self._log_probabilities(eta))

    def lead(self, label: int, rival: int) -> np.ndarray:
        """Gradient of the lead of one class over another in the predictor, shape (n_outputs,)."""
        lead: np.ndarray = self.softmax_contrasts[label] - self.softmax_contrasts[rival]
        return lead

    def endless_margins(self) -> list[tuple[list[int], np.ndarray]]:
        """The lead of a row's own class over each of the others."""
        contrasts = self.softmax_contrasts
        leads = [q - np.delete(contrasts, own, axis=0) for own, q in enumerate(contrasts)]
        return [(list(range(self.n_outputs)), np.stack(leads))]


def helmert_contrasts(n_classes: int) -> np.ndarray:
    """Orthonormal basis of the vectors that sum to zero, shape (n_classes, n_classes - 1)."""
    lower = np.tri(n_classes, n_classes - 1, -1)
    contrasts = np.eye(n_classes, n_classes - 1) * np.arange(n_classes - 1, 0, -1) - lower
    return contrasts / np.linalg.norm(contrasts, axis=0)
