"""Linear objectives of machines with a hinge loss."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.optimize import Bounds, lsq_linear, minimize

from ..jacobians import LinearKernel
from ._dual import BOUND, DualForm, hinge_parameters
from ._linear import LinearObjective

#: Twice the duality gap for each row on the margin, above which another dual point is looked for.
TOO_FAR = 0.01
#: Of which part of the penalty an unpenalised intercept is given, to find it.
WEAK = 1e2
#: Steps that are made towards it.
MAX_STEPS = 300


class HingeObjective(LinearObjective):
    """A linear objective whose loss has no curvature: the Hessian is the penalty's diagonal."""

    removal_kind = "hinge"

    def curvature_diagonal(self, kind):
        """All of a curvature that is diagonal, which the Hessian is, shape (n_params,)."""
        if kind != "hessian":
            return super().curvature_diagonal(kind)
        diagonal = self.curvature_diagonal("identity")
        diagonal = diagonal * (self.penalty / self.total_weight).ravel()
        return diagonal.astype(self.dtype, copy=False)

    def squared_distance(self):
        """Twice the duality gap in effective rows, and the number of rows on the margin.

        The dual coefficients are those of the shares of the rows that make the gradient shortest.
        Where the machine is too far from its optimum for these to say how far, better ones are
        searched for.
        """
        found = self._gap(self._shares)
        if found[0] > TOO_FAR * found[1]:
            found = min(found, self._gap(self._dual_shares()))
        return found

    def _gap(self, share):
        weight, signs = np.abs(self._signed_weights), self.loss.codebook[self.y]
        share = self._balanced(share)
        pull, penalised = self._gradient(share * self._signed_weights), self._is_penalised
        # The gradient is what the parameters lack of those that the coefficients make.
        own = self.weights - np.divide(pull, self.penalty, out=0 * pull, where=penalised)
        dual = np.sum(share * weight, axis=0) - np.sum(self.penalty * own**2, axis=1) / 2
        slack = np.maximum(1 - signs * self.training_predictor, 0)
        primal = np.sum(self.penalty * self.weights**2 / 2 + self.slope * self.weights, axis=1)
        gap = primal + np.sum(weight * slack, axis=0) - dual
        free = (share > BOUND) & (share < 1 - BOUND) & (weight > 0)
        # More than there are parameters are between their bounds only far from the optimum.
        n_free = np.minimum(free.sum(axis=0), self.jacobian.n_columns)
        n_params = hinge_parameters(signs * self.training_predictor, weight, n_free)
        unit = self.effective_rows() / self.total_weight
        return float(np.sum(2 * gap * unit)), float(n_params.sum())

    def _balanced(self, share):
        """Shares of which both classes have the same weight, where an intercept asks for it."""
        if not self.jacobian.fit_intercept:
            return share
        pull = share * self._signed_weights
        gains, losses = np.maximum(pull, 0).sum(axis=0), np.maximum(-pull, 0).sum(axis=0)
        least = np.minimum(gains, losses)
        shrink = [np.divide(least, s, out=np.zeros_like(s), where=s > 0) for s in (gains, losses)]
        balanced = share * np.where(pull > 0, shrink[0], shrink[1])
        return np.where(self.penalty[:, -1] > 0, share, balanced)

    def _dual_shares(self):
        """Shares near those that solve the dual problems, shape (n_rows, n_outputs)."""
        shares = np.empty(self._shares.shape)
        for k in range(shares.shape[1]):
            shares[:, k] = self._dual_share(k)
        return shares

    def _dual_share(self, k):
        weight, penalty = self._signed_weights[:, k], self.penalty[k]
        ridge, centre = np.where(self._is_penalised[k], penalty, np.inf), np.zeros_like(penalty)
        if self.jacobian.fit_intercept and penalty[-1] == 0:
            # It balances the classes. A weak penalty on its change stands for that.
            ridge[-1], centre[-1] = penalty.max() / WEAK, self.weights[k, -1]
        slope = np.broadcast_to(self.slope, self.shape)[k]

        def negative_dual(share):
            pull = self._sum((weight * share)[:, None])[0] - slope
            change = pull / ridge
            predictor = self.jacobian.predictor((centre + change)[None])[:, 0]
            return pull @ (centre + change / 2) - size @ share, weight * predictor - size

        size, start, bounds = np.abs(weight), self._shares[:, k], Bounds(0, 1)
        options = {"maxiter": MAX_STEPS, "ftol": 1e-12, "gtol": 1e-8}
        found = minimize(
            negative_dual, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        )
        return found.x

    @property
    def _is_penalised(self):
        """The active coefficients, and the intercept if it is penalised."""
        is_penalised = self.penalty > 0
        return is_penalised if self.mask is None else is_penalised & (self.mask > 0)

    @cached_property
    def _shares(self):
        """The share of each row's gradient that counts, by output, shape (n_rows, n_outputs).

        1 inside the margin, 0 outside, and what makes the gradient of J shortest on it.
        """
        weight, slack = self._signed_weights, self.loss.slack
        margins = self.loss.codebook[self.y] * self.training_predictor
        share = (margins < 1 - slack).astype(np.float64)
        for k, gradient in enumerate(self._gradient(weight * share)):
            on = np.flatnonzero((np.abs(margins[:, k] - 1) <= slack) & (weight[:, k] != 0))
            if on.size:
                columns = self.jacobian.dense_block(on) * weight[on, k, None]
                share[on, k] = lsq_linear(columns.T, gradient, bounds=(0, 1)).x
        return share

    def _gradient(self, pull):
        """Gradient of the sum if rows contribute ``-pull_i x~_i``, shape (n_outputs, n_columns)."""
        return self.penalty * self.weights + self.slope - self._sum(pull)

    def _sum(self, pull):
        """``sum_i pull_i x~_i``, shape (n_outputs, n_columns)."""
        total = np.zeros((pull.shape[1], self.jacobian.n_columns))
        for rows in self.blocks(self.jacobian.n_columns):
            total += self.jacobian.adjoint(pull[rows, None], rows).reshape(total.shape)
        return total

    @property
    def _signed_weights(self):
        weight = self.loss.codebook[self.y] * self.sample_weight[:, None]
        return weight if self.output_weight is None else weight * self.output_weight

    # --- the dual form ---------------------------------------------------------------------

    @property
    def has_tables(self):
        """Whether it is a machine of inner products, which an L1 penalty is not."""
        return not self.has_l1

    def dual_form(self) -> DualForm:
        """The machine as its dual problems see it, in the linear kernel and double precision."""
        strength, of_intercept, intercept = self.penalty[0, 0], 0.0, None
        if self.has_l1:
            raise ValueError(
                "Removal from a machine with a hinge loss is followed for an L2 penalty only; use "
                "penalty='l2', or retrain_without."
            )
        if self.jacobian.fit_intercept and self.penalty[0, -1]:
            of_intercept = strength / self.penalty[0, -1]
        elif self.jacobian.fit_intercept:
            intercept = self.weights[:, -1]
        upper = np.abs(self._signed_weights) / strength
        signs = self.loss.codebook[self.y]
        kernel = LinearKernel(self.jacobian, of_intercept)
        return DualForm(signs, self._shares * upper, upper, intercept, kernel)
