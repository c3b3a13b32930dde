"""The hinges that losses without curvature are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Hinges(NamedTuple):
    """Losses of rows as sums of hinges ``max(0, sign * (target - eta))``, so many for each row.

    All rows have one first, then all have another, and so on. What the dual of a machine has a
    coefficient for is a hinge: those of one row add up, with their signs, to the row's own.

    Attributes
    ----------
    signs : ndarray of shape (n_hinges, n_outputs)
        To which side of the target the hinge pulls the predictor; 0 where there is none.
    targets : ndarray of shape (n_hinges, n_outputs)
        Where the hinge begins.
    n_rows : int
    """

    signs: np.ndarray
    targets: np.ndarray
    n_rows: int

    @property
    def rows(self) -> np.ndarray:
        """The row of each hinge, shape (n_hinges,)."""
        return np.arange(len(self.signs)) % max(self.n_rows, 1)

    def excess(self, eta: np.ndarray) -> np.ndarray:
        """How far the predictors of the rows lie beyond their hinges, (n_hinges, n_outputs)."""
        excess: np.ndarray = self.signs * (eta[self.rows] - self.targets)
        return excess

    def by_row(self, values: np.ndarray) -> np.ndarray:
        """Sums of values of hinges by their rows, shape (n_rows, n_outputs)."""
        total: np.ndarray = values.reshape(-1, *self.signs[: self.n_rows].shape).sum(axis=0)
        return total

    def of_rows(self, coefficients: np.ndarray) -> np.ndarray:
        """The coefficients of hinges that add up to those of rows, (n_hinges, n_outputs).

        A row that has two hinges is pulled by the one of the right sign only. One that has a
        single hinge may be given a coefficient of the wrong sign, which is negative here.
        """
        own: np.ndarray = self.signs * coefficients[self.rows]
        return own if len(self.signs) == self.n_rows else np.maximum(own, 0.0)
