"""Pieces that the reductions share: class weights, and the active set of an L1 penalty."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from ._linear import LinearObjective
from ._registry import coefficients
from ._rows import Design

NO_PARAMETERS = (
    "The L1 penalty holds every parameter of the model at zero, so that no training row has an "
    "influence on it. Weaken the penalty (a larger C, a smaller alpha)."
)
#: Newer releases of scikit-learn let "balanced" class weights count sample weights.
BALANCED_COUNTS_WEIGHTS = "sample_weight" in inspect.signature(compute_class_weight).parameters

#: Share of its upper bound within which a dual coefficient counts as being at one of its bounds.
BOUND = 1e-6
#: Rows near the margin, and their share of all, besides those on it, that tell the density there.
NEAR, NEAR_SHARE = 10, 0.05
#: Where almost all rows are on the margin, their density there says little.
LEAST_QUOTIENT = 0.1


def class_weight_of_rows(class_weight, classes, y, sample_weight):
    """Class weight of each row, shape (n_rows,).

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    y : ndarray of int, shape (n_rows,)
        Positions in ``classes``.
    sample_weight : ndarray of shape (n_rows,) or None
        None where the estimator balances classes by counting rows.
    """
    if class_weight is None:
        return np.ones(len(y))
    counted = BALANCED_COUNTS_WEIGHTS and sample_weight is not None
    options = {"sample_weight": sample_weight} if counted else {}
    return compute_class_weight(class_weight, classes=classes, y=classes[y], **options)[y]


class DualForm(NamedTuple):
    """The binary problems of a hinge machine, as their dual sees them.

    Attributes
    ----------
    signs : ndarray of shape (n_rows, n_problems)
        0 where a row takes no part in a problem.
    alpha : ndarray of shape (n_rows, n_problems)
        Dual coefficients, as exact as the solver left them.
    upper : ndarray of shape (n_rows, n_problems)
        Their upper bounds.
    intercept : ndarray of shape (n_problems,) or None
        The unpenalised intercepts that belong to ``kernel``. None: there is no intercept, or a
        penalised one, which is part of the kernel.
    kernel : TrainingKernel or LinearKernel
        In double precision, and free of the offset of the features where nothing depends on it.
    """

    signs: np.ndarray
    alpha: np.ndarray
    upper: np.ndarray
    intercept: np.ndarray | None
    kernel: object


def hinge_parameters(margin, weight, n_free):
    """Effective number of parameters of hinge machines, shape (n_problems,).

    A free coefficient of the dual, which keeps a row on the margin, is a free parameter. How far
    another sample moves it goes by the share of the rows that pull at it, inside the margin,
    over the density of rows that resist, near the margin; in log losses that quotient is 1.

    Parameters
    ----------
    margin, weight : ndarray of shape (n_rows, n_problems)
    n_free : ndarray of shape (n_problems,)
        Free coefficients. The intercept is a parameter too, if there is none.
    """
    quotients = []
    for m, w, n in zip(margin.T, weight.T, n_free, strict=True):
        m, w = m[w > 0], w[w > 0]
        n_near = min(len(m), n + max(NEAR, int(NEAR_SHARE * len(m))))
        near = np.argpartition(np.abs(m - 1), n_near - 1)[:n_near]
        width = 2 * np.abs(m[near] - 1).max()
        quotients.append(w[m < 1].sum() * width / w[near].sum())
    return np.maximum(n_free, 1) * np.clip(quotients, LEAST_QUOTIENT, 1)


class Parameters(NamedTuple):
    """Coefficients and penalties, one row a class score, each of shape (n_scores, n_columns)."""

    weights: np.ndarray
    l2: np.ndarray
    l1: np.ndarray


def linear_parameters(estimator, l2, l1, intercept_scaling=np.inf) -> Parameters:
    """Coefficients with the intercept as last column, and the penalty that each one bore.

    Parameters
    ----------
    estimator : fitted linear model
    l2, l1 : float or ndarray of shape (n_scores,)
        Penalties of the coefficients in the sum form, ``l2/2 * w**2 + l1 * abs(w)``.
    intercept_scaling : float, default=inf
        liblinear treats the intercept as the coefficient of a column of this value, and
        penalises it. Infinity: no penalty on the intercept.
    """
    coef = coefficients(estimator)
    l2, l1 = (np.broadcast_to(np.reshape(p, (-1, 1)), coef.shape) for p in (l2, l1))
    if not estimator.fit_intercept:
        return Parameters(coef, l2, l1)
    return Parameters(
        np.column_stack([coef, estimator.intercept_]),
        np.column_stack([l2, l2[:, :1] / intercept_scaling**2]),
        np.column_stack([l1, l1[:, :1] / intercept_scaling]),
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
) -> LinearObjective:
    """Objective of a linear model, restricted to the active set of its L1 penalty.

    Parameters
    ----------
    loss : Loss
    weights, l2, l1 : ndarray of shape (n_scores, n_columns)
        Parameters as the estimator exposes them (intercept last) and their penalties, in the
        sum form of scikit-learn: ``l2/2 * w**2 + l1 * abs(w)``.
    X : ndarray or CSR matrix of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
    sample_weight : ndarray of shape (n_rows,)
    fit_intercept : bool
    output_weight : ndarray of shape (n_rows, n_scores), optional
        Weight of each row in each binary problem, where they differ by problem. It includes
        ``sample_weight``.
    kind : type, default=LinearObjective
    """
    if l1.any() and not np.any((weights != 0) | (l1 == 0)):
        raise ValueError(NO_PARAMETERS)
    if hasattr(loss, "contrasts") and l1.shape[0] > loss.n_outputs:
        weights = loss.contrasts.T @ weights
        l2 = l2[: loss.n_outputs]
    if output_weight is not None:
        present = sample_weight > 0
        output_weight = output_weight / np.where(present, sample_weight, 1)[:, None]
        output_weight = output_weight.astype(X.dtype, copy=False)
    objective = kind(
        loss=loss,
        weights=weights,
        design=Design(X, fit_intercept),
        y=y,
        sample_weight=sample_weight,
        penalty=l2,
        output_weight=output_weight,
    )
    if l1.any():
        objective = replace(objective, full_design=objective.design, full_l2=l2, full_l1=l1)
        objective = objective.with_active_set(weights, np.sign(weights))
    if getattr(loss, "is_piecewise_linear", False):
        n_features = objective.design.X.shape[1]
        mask = _penalised(objective.penalty, n_features, objective.mask, X.dtype)
        objective = replace(objective, mask=mask)
    return objective


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
