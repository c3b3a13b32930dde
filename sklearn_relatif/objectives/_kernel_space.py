"""Objectives of models that are linear in the coordinates of a kernel's space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..jacobians import KernelSpaceJacobian
from ._linear import LinearObjective
from ._sizes import Sizes


@dataclass(frozen=True)
class KernelSpaceObjective(LinearObjective):
    """A linear objective whose columns are coordinates in the space of a kernel.

    Attributes
    ----------
    jacobian : KernelSpaceJacobian
    dual_coef : ndarray of shape (n_outputs, n_rows) or None
        Coefficients of the kernels with the training rows at the fitted parameters. None: without
        some of the rows, estimators are fitted again.
    fitted_weights : ndarray of shape (n_outputs, n_columns) or None
        The fitted parameters in the coordinates.
    is_ridge : bool, default=False
        Whether the loss is the squared error, with a penalty a target that all of its
        coefficients bear.
    """

    jacobian: KernelSpaceJacobian
    dual_coef: Any = None
    fitted_weights: Any = None
    is_ridge: bool = False

    @property
    def removal_kind(self) -> str:  # type: ignore[override]
        """By the inverse of the kernels, unless the space has by far fewer dimensions than rows."""
        n_counted = np.count_nonzero(self.sample_weight)
        is_penalised = bool((self.penalty[:, 0] > 0).all())
        is_large = 2 * self.jacobian.n_features > n_counted
        return "dual" if self.is_ridge and is_penalised and is_large else "smooth"

    @property
    def has_tables(self):
        return self.dual_coef is not None

    def sizes(self) -> Sizes:
        """What the choice of a solver asks."""
        obstacle = "the model is in coordinates of the space that the kernels of its rows span"
        return Sizes.of(self)._replace(row_space_obstacle=obstacle)

    def score_weights(self, weights=None) -> np.ndarray:
        """Coefficients of the kernels with the training rows, shape (n_outputs, n_rows).

        Where kernels depend on one another, coefficients are not unique. Those that were fitted
        are changed by as much as the parameters are.
        """
        weights, basis = self.weights if weights is None else weights, self.jacobian.basis
        table = self.dual_coef.astype(np.float64)
        table[:, basis.anchors] += basis.duals(weights - self.fitted_weights)
        return table
