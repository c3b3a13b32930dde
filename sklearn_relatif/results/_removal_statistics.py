"""What retraining changes, locally and globally."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class RemovalStatistics(NamedTuple):
    """What retraining without a row, or a group of rows, changes.

    The quantities of Tables 2 and 4 of Barshan, Brunet & Dziugaite (2020).

    Attributes
    ----------
    loss_change : ndarray of shape (n_queries, n_removals)
        Change of the loss of each query.
    parameter_change : ndarray of shape (n_removals,)
        Norm of the change of the parameters.
    training_change : ndarray of shape (n_removals,)
        Root of the summed squared changes of the losses of the training rows.
    """

    loss_change: np.ndarray
    parameter_change: np.ndarray
    training_change: np.ndarray

    @property
    def loss_per_parameter(self) -> np.ndarray:
        """Absolute change of each query's loss over the norm of the parameter change."""
        return ratio_or_zero(np.abs(self.loss_change), self.parameter_change)

    @property
    def loss_per_training(self) -> np.ndarray:
        """Absolute change of each query's loss over the change of the training losses."""
        return ratio_or_zero(np.abs(self.loss_change), self.training_change)


def ratio_or_zero(change: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """``change / scale``, and 0 where a removal changes nothing at all."""
    return np.divide(change, scale, out=np.zeros_like(change), where=scale > 0)
