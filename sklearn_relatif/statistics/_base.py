"""What every statistic can be asked, and every metric of predictions.

A statistic is one number of a fitted model, such as a coefficient, or a loss on some rows. It is
asked of an objective at its optimum: that of all rows, or of those that are left of them (rows that
are not have the sample weight 0).
"""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

from ..search import contract


class Statistic:
    """One number of a fitted model.

    Attributes
    ----------
    name : str
        As it is asked for and shown, such as ``"coef:age"``.
    """

    name: str

    def value(self, objective: Any) -> float:
        """The number of the model at the parameters of an objective, exactly."""
        raise NotImplementedError

    def row_effects(self, objective: Any, curvature: Any) -> np.ndarray:
        """Change of the number on removing each row, to first order in its weight, (n_rows,).

        Parameters
        ----------
        objective : LinearObjective
            At its optimum. Rows of weight 0 are no longer there: their effect is 0.
        curvature : Curvature
            Its Hessian there, without damping.
        """
        raise NotImplementedError

    def slope(self, objective: Any) -> np.ndarray | None:
        """Its gradient in the parameters of an objective, (n_params,), if it is linear in them.

        None where it is not, or depends on the rows beside.
        """
        return None

    def own_features(self, objective: Any) -> np.ndarray:
        """Places of the features whose coefficients it is about; none if it is about no few."""
        return np.empty(0, np.intp)


class Metric:
    """A number of what a model predicts for some rows with known targets.

    It knows the targets of its rows, and sees the model by their predictors only.

    Attributes
    ----------
    name : str
    is_smoothed : bool, default=False
        Whether the gradient is that of a smooth function near the metric, which has none itself.
    has_bounds : bool, default=False
        Whether :meth:`bounds` tells how far the metric may be off, where predictors may.
    is_of_tuned_labels : bool, default=False
        Whether it is of labels by a threshold that the model's ``fit`` tunes.
    """

    name: str
    is_smoothed = False
    has_bounds = False
    is_of_tuned_labels = False

    def values(self, predictors: np.ndarray) -> np.ndarray:
        """The metric of several models, exactly, shape (n_models,).

        Parameters
        ----------
        predictors : ndarray of shape (n_rows, n_models, n_outputs)
        """
        raise NotImplementedError

    def bounds(self, predictors: np.ndarray, reach: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """The most that the metric of each model can differ near some predictors, (n_models,).

        Asked for only where it :attr:`has_bounds`.

        Parameters
        ----------
        predictors : ndarray of shape (n_rows, n_models, n_outputs)
        reach : ndarray of the same shape
            By how much each of them may be off.
        moved : ndarray of shape (n_rows, n_models)
            By how much those of a row may be off together, as the loss measures it.
        """
        raise NotImplementedError

    def gradient(self, predictor: np.ndarray) -> np.ndarray:
        """Gradient of the metric in the predictor, (n_rows, n_outputs) as that is."""
        raise NotImplementedError


class MetricOnRows(Statistic):
    """A metric of the predictions for some rows, as a statistic.

    Parameters
    ----------
    metric : Metric
    features : array-like or CSR matrix of shape (n_queries, n_features)
        Of the rows that the metric is of, as they reach the model.
    name : str, optional
        None: that of the metric.
    """

    def __init__(self, metric: Metric, features: Any, name: str | None = None):
        self.metric, self.features = metric, features
        self.name = name or metric.name

    def value(self, objective):
        predictor = objective.predictor(objective.query_jacobian(self.features))
        return float(self.metric.values(predictor[:, None])[0])

    def row_effects(self, objective, curvature):
        # Without some rows, an L1 penalty may leave other columns.
        jacobian = objective.query_jacobian(self.features)
        gradient = self.metric.gradient(objective.predictor(jacobian))
        pull = jacobian.adjoint(gradient[:, None]).astype(objective.dtype)
        return effects_of(pull, objective, curvature)


def number_of(told: Any, name: str) -> float:
    """The number that a user's function has returned, before its gradient.

    Parameters
    ----------
    told : object
        What it has returned.
    name : str
        By which an error calls the function.

    Raises
    ------
    TypeError
        If it is no pair that begins with a number.
    """
    try:
        number, _ = told
        return float(np.asarray(number, np.float64).item())
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must return a pair: one number, and its gradient in the form of what it "
            f"takes; got {reprlib.repr(told)}."
        ) from error


def gradient_of(told: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """The gradient that a user's function has returned, beside its number.

    Parameters
    ----------
    told, name
        As of :func:`number_of`, which says what else is raised.
    shape : tuple of int
        Of what the function took.

    Raises
    ------
    ValueError
        If the gradient has another shape, or is not finite.
    """
    number_of(told, name)
    gradient = np.asarray(told[1], dtype=np.float64)
    if gradient.shape != shape:
        raise ValueError(
            f"The gradient of {name} must have the shape {shape} of what it takes; got "
            f"{gradient.shape}."
        )
    if not np.isfinite(gradient).all():
        raise ValueError(f"The gradient of {name} must be finite; it has NaN or infinity.")
    return gradient


def effects_of(gradient: np.ndarray, objective: Any, curvature: Any) -> np.ndarray:
    """First-order changes, on removing each row, of a number with a gradient in the parameters.

    Without row i the parameters change by ``(s_i / S) H^-1 g_i``, and by ``(l_i / S) H^-1 (Lambda w
    + q)`` where it bears the share ``l_i`` of the penalty.

    Parameters
    ----------
    gradient : ndarray of shape (1, n_params)
    objective : LinearObjective
    curvature : Curvature

    Returns
    -------
    ndarray of shape (n_rows,), float64
    """
    solved, effect = curvature.solve(gradient), np.zeros(objective.n_rows)
    share = objective.rows.norm * objective.sample_weight / objective.total_weight
    for rows, block in contract(solved, objective.rows):
        effect[rows] = block[0] * share[rows]
    for of_rows, step in objective.penalty_steps(curvature):
        effect += float(gradient[0] @ step) * of_rows
    return effect
