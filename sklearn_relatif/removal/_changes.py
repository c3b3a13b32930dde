"""What a removal changed, from the parameters before and after it."""

from __future__ import annotations

import numpy as np

from ..jacobians import LinearJacobian
from ..objectives import LinearObjective
from ._models import loss_change_blocks


def parameter_changes(objective: LinearObjective, weights: np.ndarray) -> np.ndarray:
    """Norm of the change of the parameters in each model, shape (n_models,).

    It is that of the coefficients, since the coordinates of the objective are orthonormal.

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    """
    return np.linalg.norm((weights - objective.weights).reshape(len(weights), -1), axis=1)


def loss_changes(
    objective: LinearObjective, weights: np.ndarray, jacobian: LinearJacobian, y: np.ndarray
) -> np.ndarray:
    """Change of the loss of each of some rows in each model, shape (n_rows, n_models).

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    jacobian : LinearJacobian
        Features of the rows, from ``objective.query_jacobian``.
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Their targets, as the loss takes them.
    """
    changes = np.empty((jacobian.n_rows, len(weights)))
    for rows, block in loss_change_blocks(objective, weights, jacobian, y):
        changes[rows] = block
    return changes


def training_effects(objective: LinearObjective, weights: np.ndarray) -> np.ndarray:
    """Root of the summed squared changes of the training rows' losses, shape (n_models,).

    All training rows count, the removed ones included, each by its weight ``s_i``. With the norm
    of :func:`parameter_changes` it is the effect of a removal on the whole model, in Tables 2 and
    4 of Barshan, Brunet & Dziugaite (2020).

    Parameters
    ----------
    objective : LinearObjective
        At the parameters of the model before the removal.
    weights : ndarray of shape (n_models, n_outputs, n_columns)
        Parameters after it, from :func:`retrain` or :func:`newton_steps`.
    """
    square = np.zeros(len(weights))
    for rows, block in loss_change_blocks(objective, weights, objective.jacobian, objective.y):
        square += objective.sample_weight[rows].astype(np.float64) @ block**2
    return np.sqrt(square)
