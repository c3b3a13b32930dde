"""Pieces that the adapters share: class weights, coefficients and their penalties."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from ._coefficients import coefficients

#: Newer releases of scikit-learn let "balanced" class weights count sample weights.
BALANCED_COUNTS_WEIGHTS = "sample_weight" in inspect.signature(compute_class_weight).parameters


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
