"""What the choice of a solver asks of an objective."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

#: The curvatures that the penalty is a part of.
PENALISED = ("hessian", "gauss_newton")


class Sizes(NamedTuple):
    """How large the curvatures of a linear objective are, and of which structure.

    Attributes
    ----------
    n_rows, n_features, n_outputs : int
    n_classes : int
        Of a softmax in contrasts, which has one output less. Otherwise the number of outputs.
    fit_intercept : bool
    is_sparse : bool
        Whether the features are.
    couples_outputs : bool
        Whether second derivatives of the loss do.
    is_convex : bool
        Whether the loss is convex, so that no row has a negative second derivative.
    is_penalised : bool
        Whether the coefficients of every output bear an L2 penalty.
    shares_penalty : bool
        Whether the outputs bear the same one.
    is_restricted : bool
        Whether an L1 penalty or a bound holds parameters at zero.
    row_space_obstacle : str or None
        Why the features cannot be reduced to the space of the rows; None if they can.
    itemsize : int
        Bytes of each number in a matrix.
    """

    n_rows: int
    n_features: int
    n_outputs: int
    n_classes: int
    fit_intercept: bool
    is_sparse: bool
    couples_outputs: bool
    is_convex: bool
    is_penalised: bool
    shares_penalty: bool
    is_restricted: bool
    row_space_obstacle: str | None
    itemsize: int = 8

    @classmethod
    def of(cls, objective: Any) -> Sizes:
        """Those of a linear objective."""
        jacobian, penalty, mask = objective.jacobian, objective.penalty, objective.mask
        contrasts = objective.loss.softmax_contrasts
        n_rows, n_features = jacobian.n_rows, jacobian.n_features
        return cls(
            n_rows=n_rows,
            n_features=n_features,
            n_outputs=len(objective.weights),
            n_classes=len(objective.weights if contrasts is None else contrasts),
            fit_intercept=bool(jacobian.fit_intercept),
            is_sparse=jacobian.is_sparse,
            couples_outputs=objective.loss.couples_outputs,
            is_convex=objective.loss.is_convex,
            is_penalised=bool(penalty[:, :n_features].min(initial=np.inf) > 0),
            shares_penalty=not np.ptp(penalty, axis=0).any(),
            is_restricted=mask is not None and not mask.all(),
            row_space_obstacle=_row_space_obstacle(n_features, penalty, mask),
        )

    @classmethod
    def of_parameters(
        cls,
        n_rows: int,
        n_params: int,
        *,
        is_convex: bool = True,
        is_penalised: bool = False,
        shares_penalty: bool = True,
        itemsize: int = 8,
    ) -> Sizes:
        """Those of parameters that predictors do not depend on in a linear way: one block."""
        return cls(
            n_rows=n_rows,
            n_features=n_params,
            n_outputs=1,
            n_classes=1,
            fit_intercept=False,
            is_sparse=False,
            couples_outputs=True,
            is_convex=is_convex,
            is_penalised=is_penalised,
            shares_penalty=shares_penalty,
            is_restricted=False,
            row_space_obstacle="the model is not linear in its parameters",
            itemsize=itemsize,
        )

    @property
    def n_columns(self) -> int:
        """Columns of a row, with that of the intercept."""
        return self.n_features + self.fit_intercept

    @property
    def is_wide(self) -> bool:
        """Whether the rows span a part of the features, to which these can be reduced."""
        return self.n_rows < self.n_features and self.row_space_obstacle is None

    @property
    def reduced(self) -> Sizes:
        """Those in the space of the rows, at most; the same if they are not wide."""
        return self._replace(n_features=self.n_rows) if self.is_wide else self

    def indefinite_rows(self, kind: str) -> str | None:
        """Why a curvature has no root of each row's part in it; None if it has."""
        if kind in PENALISED and not self.is_convex:
            return "the loss is not convex, so that rows may have negative second derivatives"
        return None

    def has_ridge(self, kind: str, damping: float) -> bool:
        """Whether a curvature has something on the diagonal for every coefficient."""
        return damping > 0 or (kind in PENALISED and self.is_penalised)


def _row_space_obstacle(n_features, penalty, mask):
    if not n_features:
        return "no coefficient is active"
    if np.ptp(penalty[:, :n_features], axis=1).any():
        return "the coefficients of one output bear different L2 penalties"
    if mask is not None and not mask[:, :n_features].all():
        return "the L1 penalty or a bound left other features active for one output than another"
    return None
