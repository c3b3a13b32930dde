"""What every objective can be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from ..utils._arrays import Place
from ..utils._blocks import block_budget, row_blocks


class Objective:
    """What a fitted estimator minimised, together with the rows that it was trained on.

    Attributes
    ----------
    loss : Loss
    y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Targets as the loss takes them.
    sample_weight : ndarray of shape (n_rows,)
        Effective weights ``s_i``.
    output_weight : ndarray of shape (n_rows, n_outputs) or None
        What a row counts in each output beyond ``s_i``, where that differs.
    leaves_intercept : bool, default=False
        Whether the norm, which is the least of all parameters that the rows do not tell apart,
        leaves the intercept out.
    penalty_share : ndarray of shape (n_rows,) or None
        Which share of the penalty each row brings, where the penalty counts rows: it leaves with
        the row. They sum to 1. None: the penalty stays as it is without some of the rows.
    removal_kind : {"smooth", "grouped", "dual", "hinge", "active_set", "composed", ...}
        What leads to the models without some of the rows: "smooth" Newton steps and descent,
        "grouped" the same for a penalty on lengths, "dual" the inverse of the rows' kernels,
        "hinge" the path of the dual solution, "active_set" that path where it is known already,
        "composed" what leads to those of each of the members, "moments" sums over the rows that
        are left, "network" further training, "leaves" estimating the values of leaves again,
        "none" nothing.
    members : tuple of Member
        The models that this one is made of; empty for most.
    is_linear : bool
        Whether predictors are linear in the parameters, so that the Hessian is that of J.
    minimises_loss : bool
        Whether the sum of ``loss`` over the rows is what the fit minimised. Otherwise the rows
        entered it by terms of their own, whose gradients ``rows`` are.
    has_closed_form : bool
        Whether models without rows cost no more than sums, so that no curvature is needed.
    has_first_order : bool
        Whether influence estimates what a removal does. That of a hinge does not.
    leverage_obstacle : str or None
        Why rows have no leverage; None if they have.
    target_weights_obstacle : str or None
        Why predictions are not told as weighted sums of training targets; None if they are.
    optimality_obstacle : str or None
        Why there is no optimum to be away from; None if there is.
    has_leaves : bool
        Whether the parameters are values of leaves, which have a curvature of their own.
    has_out_of_bag : bool
        Whether there is an ``out_of_bag_predictor``, because parts of the model have drawn rows.
    has_tables : bool
        Whether models without some of the rows are tables of parameters. Otherwise estimators
        without them are fitted again.
    has_dual_refits : bool
        Whether ``refitted_dual`` gives scikit-learn's own machine without some of the rows.
    has_l1 : bool
        Whether an L1 penalty, or a bound, chooses which of the parameters are active.
    has_tangents : bool
        Whether its curvatures are those of tangents, as predictors are not linear in parameters.
    is_bent : bool
        Whether the Hessian has a part that the Gauss-Newton matrix has not.
    may_stop_early : bool
        Whether training stops wherever it is told to, as that of networks does, so that a distance
        from the optimum tells neither of other rows nor of a failed fit.
    """

    loss: Any
    y: np.ndarray
    sample_weight: np.ndarray
    output_weight: Any = None
    leaves_intercept: bool = False
    penalty_share: Any = None
    removal_kind = "smooth"
    has_tangents = False
    has_leaves = False
    optimality_obstacle: str | None = None
    minimises_loss = True
    members: tuple[Any, ...] = ()

    @property
    def has_closed_form(self) -> bool:
        return False

    @property
    def place(self) -> Place | None:
        """The library and the device that blocks of gradients are on; None for NumPy."""
        return None

    @property
    def on_host(self) -> Objective:
        """The same objective with NumPy's blocks."""
        return self if self.place is None else self._copy_on_host

    @cached_property
    def _copy_on_host(self) -> Objective:
        # Apart, because what is cached must not hold itself.
        own: Any = self
        copy: Objective = replace(own, jacobian=own.jacobian.on_host)
        return copy

    @property
    def has_first_order(self) -> bool:
        return bool(self.loss.has_curvature)

    @property
    def target_weights_obstacle(self) -> str | None:
        return "forests and trees have them, and models that were boosted by squared error"

    @property
    def leverage_obstacle(self) -> str | None:
        return None if self.loss.has_curvature else "the hinge loss has no curvature"

    @property
    def fitted(self) -> Objective:
        """The objective as it was fitted, where this one has its rows in another form."""
        return self

    @property
    def coupling(self) -> np.ndarray | None:
        """What penalties have in the Hessian of the sum beside ``Lambda``, (n_columns, K, K)."""
        return None

    @property
    def has_dual_refits(self) -> bool:
        return False

    @property
    def is_linear(self) -> bool:
        return True

    @property
    def has_l1(self) -> bool:
        return False

    @property
    def is_bent(self) -> bool:
        return False

    @property
    def may_stop_early(self) -> bool:
        return False

    @property
    def has_tables(self) -> bool:
        return True

    @property
    def n_rows(self) -> int:
        return len(self.y)

    @property
    def dtype(self) -> Any:
        """Precision of products with the rows."""
        raise NotImplementedError

    def holding(self, other: Any, rows: np.ndarray) -> Objective:
        """The same objective with the weights, and the penalties, that its rows have in another.

        Parameters
        ----------
        other : Objective
            Of the same model, of these rows and more.
        rows : ndarray of int, shape (n_rows,)
            Their positions in it.
        """
        weight, own = other.sample_weight[rows], self
        if np.array_equal(weight, self.sample_weight):
            return self
        held: Objective = replace(own, sample_weight=weight)  # type: ignore[type-var]
        return held

    def relative_gradient(self) -> float:
        """Norm of the gradient, relative to those of the rows; NaN where there is none."""
        return np.nan

    @cached_property
    def total_weight(self) -> float:
        return float(np.sum(self.sample_weight, dtype=np.float64))

    @property
    def counts(self) -> np.ndarray:
        """Whether J would be another without a row, shape (n_rows,)."""
        has_weight = self.sample_weight > 0
        return has_weight if self.penalty_share is None else has_weight | (self.penalty_share != 0)

    def penalty_pulls(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each penalty that counts rows, the shares of these, and its gradient in the sum form.

        Returns
        -------
        list of pairs of ndarrays of shape (n_rows,) and (n_params,)
        """
        return []

    def penalty_steps(self, curvature: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of the same, the shares, and what losing all of it changes in the parameters.

        To first order, by a curvature; of shapes (n_rows,) and (n_params,).
        """
        return [
            (share, curvature.solve((pull[None] / self.total_weight).astype(self.dtype))[0])
            for share, pull in self.penalty_pulls()
        ]

    @cached_property
    def rows(self) -> Any:
        """Unit gradients of the training rows; rows of weight 0 have none."""
        raise NotImplementedError

    @cached_property
    def training_predictor(self) -> np.ndarray:
        """Predictor of the training rows, shape (n_rows, n_outputs)."""
        raise NotImplementedError

    @property
    def has_out_of_bag(self) -> bool:
        return False

    @property
    def out_of_bag_predictor(self) -> np.ndarray:
        """Predictor of the training rows by those parts of the model that have not drawn them.

        Shape (n_rows, n_outputs). NaN for rows that all have drawn. Only where there is one: see
        ``has_out_of_bag``.
        """
        raise NotImplementedError

    def query_jacobian(self, X: Any) -> Any:
        """The Jacobian of other rows, in the columns of this objective."""
        raise NotImplementedError

    def query_rows(self, jacobian: Any, y: np.ndarray) -> Any:
        """Unit gradients of query rows with explained targets ``y``."""
        raise NotImplementedError

    def row_jacobian(self, jacobian: Any) -> Any:
        """The Jacobian by which rows enter the fit, by that of the same rows as queries.

        In the precision that gradients are formed in.
        """
        first = np.repeat(self.y[:1], jacobian.n_rows, axis=0)
        return self.query_rows(jacobian, first).jacobian

    def predictor(self, jacobian: Any) -> np.ndarray:
        """Predictor of all rows of a Jacobian, shape (n_rows, n_outputs)."""
        raise NotImplementedError

    def predict(self, jacobian: Any) -> np.ndarray:
        """Predictions for the rows of a Jacobian, in the form of ``y``: positions of classes."""
        return self.loss.predict(self.predictor(jacobian))

    def weighted_second_derivative(self, rows: Any) -> np.ndarray:
        """``s_i A_i`` of some rows: (n, n_outputs), or square per row for coupled outputs."""
        return self._weighted(self.loss.second_derivative, rows)

    def weighted_fisher(self, rows: Any) -> np.ndarray:
        """``s_i`` times the Fisher weights of some rows, in the same form."""
        return self._weighted(self._fisher_weight, rows)

    def _fisher_weight(self, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
        return self.loss.fisher_weight(eta)

    def _weighted(self, second_derivative: Any, rows: Any) -> np.ndarray:
        return self._weigh(second_derivative(self.y[rows], self.training_predictor[rows]), rows)

    def _weigh(self, inner: np.ndarray, rows: Any) -> np.ndarray:
        if self.output_weight is not None:
            inner = inner * self.output_weight[rows]
        weight = self.sample_weight[rows].astype(inner.dtype)
        return inner * weight.reshape(-1, *[1] * (inner.ndim - 1))

    def dispersion(self) -> np.ndarray:
        """By how much squared residuals exceed their expectation, shape (n_outputs,).

        1 where the loss has no dispersion, or all residuals are zero. Outputs that are coupled
        share one.
        """
        n_outputs = self.loss.n_outputs
        if not self.loss.has_dispersion:
            return np.ones(n_outputs)
        found, expected = np.zeros((2, n_outputs))
        for rows in self.blocks(4 * n_outputs**2):
            weight, fisher = self.sample_weight[rows], self.weighted_fisher(rows)
            residual = self.rows.unit[rows] * self.rows.norm[rows, None].astype(np.float64)
            found += weight @ residual**2
            expected += (np.einsum("nkk->nk", fisher) if fisher.ndim == 3 else fisher).sum(axis=0)
        if self.loss.couples_outputs:
            found[:], expected[:] = found.sum(), expected.sum()
        return np.divide(found, expected, out=np.ones_like(found), where=found > 0)

    def hessian(self) -> np.ndarray:
        """Blocks of the Hessian of J, shape (n_blocks, size, size)."""
        raise NotImplementedError

    def gauss_newton(self) -> np.ndarray:
        """The Hessian without that of the predictors, which linear ones have not."""
        return self.hessian()

    def curvature_diagonal(self, kind: str) -> np.ndarray | None:
        """All of a curvature that is a diagonal matrix; None for one that is not."""
        raise NotImplementedError

    def forms(self, curvature: Any) -> Callable[[slice], np.ndarray]:
        """A function of a slice of the rows to their forms ``J_i M^-1 J_i^T`` by a curvature."""
        forms: Callable[[slice], np.ndarray] = curvature.forms(self)
        return forms

    def blocks(self, values_per_row: float) -> Iterator[slice]:
        """Slices over the training rows, given the size of the temporaries that each takes."""
        return row_blocks(self.n_rows, values_per_row * self.dtype.itemsize, block_budget())
