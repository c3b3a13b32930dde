"""Objectives of linear models, on the active set of an L1 penalty and of bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..jacobians import ArrayLinearJacobian, LinearJacobian
from ..utils._arrays import is_elsewhere
from ._linear import LinearObjective

NO_PARAMETERS = (
    "The L1 penalty, or positive=True, holds every parameter of the model at zero, so that no "
    "training row has an influence on it. Weaken the penalty (a larger C, a smaller alpha)."
)


def build_objective(
    loss,
    weights,
    l2,
    l1,
    X,
    y,
    sample_weight,
    fit_intercept,
    output_weight=None,
    kind=LinearObjective,
    penalty_share=None,
    positive=False,
) -> LinearObjective:
    """Objective of a linear model, restricted to the active set of its L1 penalty and its bounds.

    Parameters
    ----------
    loss : Loss
    weights, l2, l1 : ndarray of shape (n_scores, n_columns)
        Parameters as the estimator exposes them (intercept last) and their penalties, in the
        sum form of scikit-learn: ``l2/2 * w**2 + l1 * abs(w)``.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
    sample_weight : ndarray of shape (n_rows,)
    fit_intercept : bool
    output_weight : ndarray of shape (n_rows, n_scores), optional
        Weight of each row in each binary problem, where they differ by problem. It includes
        ``sample_weight``.
    kind : type, default=LinearObjective
    penalty_share : ndarray of shape (n_rows,), optional
        Share of the penalties that leaves with each row, where they count rows: ``1 / n`` for
        ``alpha * n``, and ``s_i / S`` for ``alpha * S``.
    positive : bool, default=False
        Whether coefficients may not be negative.
    """
    bounded = np.zeros(l1.shape, bool)
    bounded[:, : X.shape[1]] = positive
    kinks = bounded | (l1 > 0)
    if not np.any((weights != 0) | ~kinks):
        raise ValueError(NO_PARAMETERS)
    jacobian = _jacobian(X, fit_intercept, kinks.any() or not loss.has_curvature)
    if l1.shape[0] > loss.n_outputs:
        weights = np.ascontiguousarray(loss.from_scores(weights.T).T)
        l2 = l2[: loss.n_outputs]
    if output_weight is not None:
        present = sample_weight > 0
        output_weight = output_weight / np.where(present, sample_weight, 1)[:, None]
        output_weight = output_weight.astype(jacobian.dtype, copy=False)
    objective = kind(
        loss=loss,
        weights=weights,
        jacobian=jacobian,
        y=y,
        sample_weight=sample_weight,
        penalty=l2,
        output_weight=output_weight,
        penalty_share=penalty_share,
    )
    if kinks.any():
        full = {"full_l2": l2, "full_l1": l1, "full_positive": bounded}
        objective = replace(objective, full_jacobian=objective.jacobian, **full)
        objective = objective.with_active_set(weights, np.sign(weights))
    if not loss.has_curvature:
        n_features = objective.jacobian.n_features
        mask = _penalised(objective.penalty, n_features, objective.mask, jacobian.dtype)
        objective = replace(objective, mask=mask)
    return objective


def _jacobian(X, fit_intercept, has_held):
    """The Jacobian of features of any library, unless parameters may be held where they are."""
    if not is_elsewhere(X):
        return LinearJacobian(X, fit_intercept)
    if has_held:
        raise TypeError(
            "Models with an L1 penalty, bounds on coefficients or a hinge loss are explained with "
            "NumPy: fit the model, and the explainer, to np.asarray(X), or X.cpu().numpy() from a "
            "GPU."
        )
    return ArrayLinearJacobian(X, fit_intercept)


def _penalised(l2, n_features, mask, dtype):
    """Mask of the parameters that a loss without curvature can move: the penalised ones.

    An unpenalised intercept has no curvature at all then, and is held fixed.
    """
    if not l2[:, :n_features].all():
        raise ValueError(
            "The hinge loss has no curvature, so every coefficient needs an L2 penalty; set "
            "penalty='l2', or use the squared hinge loss."
        )
    penalised = (l2 > 0).astype(dtype)
    if mask is not None:
        return mask * penalised
    return None if penalised.all() else penalised
