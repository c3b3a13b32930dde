"""Least squares of several targets, with a penalty on the lengths of their coefficients.

    J(W) = (1/S) [ 1/2 sum_i s_i |y_i - W x~_i|^2 + sum_j l_j |w_j| + 1/2 sum_j Lambda_j |w_j|^2 ]

where ``w_j`` holds the coefficients of feature j for all targets, so that a feature is active for
all of them or for none. The penalty of an active one is smooth, and its Hessian couples the
targets: ``(l_j / |w_j|) (I - u_j u_j^T)`` with ``u_j = w_j / |w_j|`` (Yuan & Lin 2006).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..losses import CoupledSquaredError
from ._build import NO_PARAMETERS
from ._linear import VIOLATION, LinearObjective


@dataclass(frozen=True)
class GroupedObjective(LinearObjective):
    """A linear objective on the active features of such a penalty; see :meth:`of`.

    Attributes
    ----------
    length_penalty : ndarray of shape (n_columns,)
        ``l_j``, 0 for the intercept.
    lengths : ndarray of shape (n_columns,)
        ``|w_j|``.
    """

    columns: Any = None
    length_penalty: Any = None
    lengths: Any = None
    removal_kind = "grouped"

    @classmethod
    def of(cls, objective: LinearObjective, strength: float) -> GroupedObjective:
        """That of a linear objective of squared error, with ``l_j = strength`` in the sum form.

        Parameters
        ----------
        objective : LinearObjective
            Of all features, without an L1 penalty.
        strength : float
        """
        full = objective.jacobian
        l1 = np.zeros(objective.shape)
        l1[:, : full.n_features] = strength
        whole = cls(
            CoupledSquaredError(objective.loss.n_outputs),
            objective.weights,
            full,
            objective.y,
            objective.sample_weight,
            objective.penalty,
            penalty_share=objective.penalty_share,
            full_jacobian=full,
            full_l2=objective.penalty,
            full_l1=l1,
        )
        return whole.at(objective.weights)

    def at(self, table) -> GroupedObjective:
        """The same at other coefficients of all features, shape (n_outputs, n_full_columns)."""
        columns = np.flatnonzero(table[:, : self.full_jacobian.n_features].any(axis=0))
        if not (len(columns) or self.full_jacobian.fit_intercept):
            raise ValueError(NO_PARAMETERS)
        lengths = np.linalg.norm(table, axis=0)
        return self._with(columns, table, table / np.where(lengths > 0, lengths, 1), lengths)

    def _with(self, columns, table, units, lengths):
        """The same on other active features, with directions and lengths of all coefficients."""
        full = self.full_jacobian
        kept = np.append(columns, full.n_features) if full.fit_intercept else columns
        l1 = self.full_l1[:, kept]
        return replace(
            self,
            weights=table[:, kept],
            jacobian=full.take_columns(columns),
            penalty=self.full_l2[:, kept],
            slope=l1 * units[:, kept],
            columns=columns,
            length_penalty=l1[0],
            lengths=lengths[kept],
        )

    @property
    def coupling(self):
        """The Hessian of the penalty of lengths, shape (n_columns, n_outputs, n_outputs)."""
        strength = self.length_penalty
        bend = np.divide(strength, self.lengths, out=np.zeros_like(strength), where=strength > 0)
        units = (self.slope / np.where(strength > 0, strength, 1)).T
        return bend[:, None, None] * (
            np.eye(len(self.weights)) - units[:, :, None] * units[:, None]
        )

    def with_violated(self) -> LinearObjective:
        """The same objective, with the features that should not be at zero among the active.

        Their coefficients are as long as one step of coordinate descent would have them.
        """
        pull, l1 = self._pull(self.full_jacobian), self.full_l1[0]
        steepness, is_held = np.linalg.norm(pull, axis=0), l1 > 0
        is_held[self.columns] = False
        steepest = np.linalg.norm(self._steepest(), axis=0)
        violated = is_held & (steepness > l1 + VIOLATION * (l1 + steepest))
        if not violated.any():
            return self
        table = self.score_weights()
        lengths = np.linalg.norm(table, axis=0)
        units = table / np.where(lengths > 0, lengths, 1)
        units[:, violated] = -pull[:, violated] / steepness[violated]
        bend = self.full_jacobian.column_lengths() ** 2 * self.sample_weight.max()
        lengths[violated] = ((steepness - l1) / (bend + self.full_l2[0]))[violated]
        columns = np.sort(np.append(self.columns, np.flatnonzero(violated)))
        return self._with(columns, table, units, lengths)

    def unrestricted(self) -> LinearObjective:
        """The losses and the L2 penalty, in all features."""
        return LinearObjective(
            self.loss,
            self.score_weights(),
            self.full_jacobian,
            self.y,
            self.sample_weight,
            self.full_l2,
        )

    def hessian(self, neglect=0.0):
        """Hessian of J, shape (1, n_params, n_params)."""
        blocks = super().hessian(neglect)
        (n_outputs, n_columns), columns = self.shape, np.arange(self.shape[1])
        cells = blocks.reshape(n_outputs, n_columns, n_outputs, n_columns)
        cells[:, columns, :, columns] += self.coupling / self.total_weight
        return blocks

    def sizes(self):
        return (
            super()
            .sizes()
            ._replace(
                shares_penalty=False,
                is_restricted=len(self.columns) < self.full_jacobian.n_features,
                row_space_obstacle="its penalty is not the same in all directions of the features",
            )
        )
