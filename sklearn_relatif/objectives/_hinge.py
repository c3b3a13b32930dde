"""Linear objectives of machines with a hinge loss."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.optimize import Bounds, linprog, lsq_linear, minimize

from ..jacobians import Gradients, LinearKernel
from ..utils._blocks import block_budget, row_blocks
from ._dual import BOUND, DualForm, hinge_parameters
from ._linear import LinearObjective

#: Twice the duality gap for each row on the margin, above which another dual point is looked for.
TOO_FAR = 0.01
#: The same above which one is looked for that says which hinges rows are on.
VERY_NEAR = 1e-6
#: The most values of rows that are taken into account for that.
MANY_VALUES = 200_000
#: Of which part of the penalty an unpenalised intercept is given, to find it.
WEAK = 1e2
#: Steps that may be made towards it, and numbers of the rows that may be read beyond the fewest.
FEWEST_STEPS, MOST_STEPS, MOST_READ = 300, 1000, 1e9
#: Share of the dual that a round of steps gains if another one is worth while.
LEAST_GAIN = 1e-10


class HingeObjective(LinearObjective):
    """A linear objective whose loss has no curvature: the Hessian is the penalty's diagonal."""

    removal_kind = "hinge"

    @cached_property
    def rows(self) -> Gradients:
        """Unit gradients of the training rows; rows of weight 0 have none.

        Where rows have two hinges, the one that counts is told by their coefficients, as it is in
        the kernel machine: in a tube without width, errors of nothing have signs of rounding.
        """
        hinges = self._hinges
        if self._has_one_hinge:
            return super().rows
        pull = hinges.by_row(hinges.signs * self._best_dual[0])
        counts = (np.abs(pull) > BOUND) & (self.sample_weight[:, None] > 0)
        unit = np.where(counts, -np.sign(pull), 0.0).astype(self.dtype)
        return Gradients(self.jacobian, unit, np.abs(unit[:, 0]))

    def curvature_diagonal(self, kind):
        """All of a curvature that is diagonal, which the Hessian is, shape (n_params,)."""
        if kind != "hessian":
            return super().curvature_diagonal(kind)
        diagonal = self.curvature_diagonal("identity")
        diagonal = diagonal * (self.penalty / self.total_weight).ravel()
        return diagonal.astype(self.dtype, copy=False)

    def relative_gradient(self):
        """At its kinks there is no gradient."""
        return np.nan

    def squared_distance(self):
        """Twice the duality gap in effective rows, and the number of rows on the margin."""
        return self._best_dual[1]

    @cached_property
    def _best_dual(self):
        """Shares that make a good dual point, twice the gap that it leaves and the parameters.

        They are those of the rows on the margin that make the gradient shortest. Where the machine
        is too far from its optimum for these to say how far, better ones are searched for.
        """
        shares = self._shares
        found = shares, self._gap(shares)
        # Of rows with two hinges, it tells their directions.
        near = TOO_FAR if self._has_one_hinge else VERY_NEAR
        for limit, find in ((near, self._shares_of_nearest), (TOO_FAR, self._dual_shares)):
            square, n_params = found[1]
            if square > limit * n_params:
                shares = find()
                found = min(found, (shares, self._gap(shares)), key=lambda dual: dual[1])
        return found

    def _gap(self, share):
        weight, hinges = np.abs(self._signed_weights), self._hinges
        share = self._balanced(share)
        pull, penalised = self._gradient(share * self._signed_weights), self._is_penalised
        # The gradient is what the parameters lack of those that the coefficients make.
        own = self.weights - np.divide(pull, self.penalty, out=0 * pull, where=penalised)
        gain = np.sum(share * self._signed_weights * hinges.targets, axis=0)
        dual = gain - np.sum(self.penalty * own**2, axis=1) / 2
        excess = hinges.excess(self.training_predictor)
        primal = np.sum(self.penalty * self.weights**2 / 2 + self.slope * self.weights, axis=1)
        gap = primal + np.sum(weight * np.maximum(-excess, 0), axis=0) - dual
        free = (share > BOUND) & (share < 1 - BOUND) & (weight > 0)
        # More than there are parameters are between their bounds only far from the optimum.
        n_free = np.minimum(free.sum(axis=0), self.jacobian.n_columns)
        n_params = hinge_parameters(excess, weight, n_free)
        own = self.loss.unit(self.y, self.training_predictor, self.sample_weight)
        unit = self.effective_rows() / self.total_weight / own
        return float(np.sum(2 * gap * unit)), float(n_params.sum())

    def _balanced(self, share):
        """Shares of which both signs have the same weight, where an intercept asks for it."""
        if not self.jacobian.fit_intercept:
            return share
        pull = share * self._signed_weights
        gains, losses = np.maximum(pull, 0).sum(axis=0), np.maximum(-pull, 0).sum(axis=0)
        least = np.minimum(gains, losses)
        shrink = [np.divide(least, s, out=np.zeros_like(s), where=s > 0) for s in (gains, losses)]
        balanced = share * np.where(pull > 0, shrink[0], shrink[1])
        return np.where(self.penalty[:, -1] > 0, share, balanced)

    def _dual_shares(self):
        """Shares near those that solve the dual problems, shape (n_hinges, n_outputs)."""
        shares = np.empty(self._shares.shape)
        for k in range(shares.shape[1]):
            shares[:, k] = self._dual_share(k)
        return shares

    def _dual_share(self, k):
        weight, penalty = self._signed_weights[:, k], self.penalty[k]
        ridge, centre = np.where(self._is_penalised[k], penalty, np.inf), np.zeros_like(penalty)
        if self.jacobian.fit_intercept and penalty[-1] == 0:
            # It balances the signs. A weak penalty on its change stands for that.
            ridge[-1], centre[-1] = penalty.max() / WEAK, self.weights[k, -1]
        slope = np.broadcast_to(self.slope, self.shape)[k]
        gain, rows = weight * self._hinges.targets[:, k], self._hinges.rows

        def negative_dual(share):
            pull = self._sum((weight * share)[:, None])[0] - slope
            change = pull / ridge
            predictor = self.jacobian.predictor((centre + change)[None])[rows, 0]
            return pull @ (centre + change / 2) - gain @ share, weight * predictor - gain

        affordable = MOST_READ / max(self.n_rows * self.jacobian.n_stored, 1)
        max_steps = int(np.clip(affordable, FEWEST_STEPS, MOST_STEPS))
        return _minimum_in_box(negative_dual, self._shares[:, k], max_steps)

    @property
    def _is_penalised(self):
        """The active coefficients, and the intercept if it is penalised."""
        is_penalised = self.penalty > 0
        return is_penalised if self.mask is None else is_penalised & (self.mask > 0)

    @cached_property
    def _shares(self):
        """The share of each hinge's gradient that counts, by output, shape (n_hinges, n_outputs).

        1 inside the margin, 0 outside, and what makes the gradient of J shortest on it.
        """
        weight, hinges, slack = self._signed_weights, self._hinges, self.loss.slack
        excess, rows = hinges.excess(self.training_predictor), hinges.rows
        share = (excess < -slack).astype(np.float64)
        for k, gradient in enumerate(self._gradient(weight * share)):
            on = np.flatnonzero((np.abs(excess[:, k]) <= slack) & (weight[:, k] != 0))
            if on.size:
                columns = self.jacobian.dense_block(rows[on]) * weight[on, k, None]
                share[on, k] = lsq_linear(columns.T, gradient, bounds=(0, 1)).x
        return self._net(share)

    def _shares_of_nearest(self):
        """Shares that make the gradient zero at the least loss of the dual, by linear programs.

        How near a solver has put the rows on the margin does not follow from its tolerance. So any
        of many that are near may be on it, at the price of their distance.
        """
        weight, hinges = self._signed_weights, self._hinges
        n_near = MANY_VALUES // self.jacobian.n_columns
        if n_near < 2 * self.jacobian.n_columns:
            return self._shares
        excess = hinges.excess(self.training_predictor)
        distance = np.where(weight != 0, np.abs(excess), np.inf)
        n_near = min(len(distance), n_near)
        near = np.argpartition(distance, n_near - 1, axis=0)[:n_near]
        share = (excess < 0).astype(np.float64)
        np.put_along_axis(share, near, 0.0, axis=0)
        for k, gradient in enumerate(self._gradient(weight * share)):
            rows, own = near[:, k], weight[near[:, k], k]
            columns = self._dense_rows(hinges.rows[rows]).T * own
            size = np.abs(columns).sum(axis=1, keepdims=True)
            size[size == 0] = 1.0
            found = linprog(
                np.abs(own) * excess[rows, k],
                A_eq=columns / size,
                b_eq=gradient / size[:, 0],
                bounds=(0, 1),
                method="highs",
            )
            if found.x is None:  # There are none.
                return self._shares
            share[rows, k] = np.clip(found.x, 0, 1)
        return self._net(share)

    def _dense_rows(self, positions):
        """``x~`` of some rows in double precision, read a few at a time where they are stored."""
        found = np.empty((len(positions), self.jacobian.n_columns))
        bytes_per_row = self.jacobian.n_columns * self.jacobian.dtype.itemsize
        for some in row_blocks(len(positions), bytes_per_row, block_budget()):
            found[some] = self.jacobian.dense_block(positions[some])
        return found

    def _net(self, share):
        """Shares of which, of two hinges of one row, only the difference is left."""
        return self._hinges.of_rows(self._hinges.by_row(self._hinges.signs * share))

    def _gradient(self, pull):
        """Gradient of the sum if hinges have ``-pull_i x~_i``, shape (n_outputs, n_columns)."""
        return self.penalty * self.weights + self.slope - self._sum(pull)

    def _sum(self, pull):
        """``sum_i pull_i x~_i`` over the hinges, shape (n_outputs, n_columns)."""
        pull = pull.reshape(-1, self.n_rows, pull.shape[1]).sum(axis=0)
        total = np.zeros((pull.shape[1], self.jacobian.n_columns))
        for rows in self.jacobian.blocks(pull.shape[1]):
            total += self.jacobian.adjoint(pull[rows, None], rows).reshape(total.shape)
        return total

    @property
    def _signed_weights(self):
        rows = self._hinges.rows
        weight = self._hinges.signs * self.sample_weight[rows, None]
        return weight if self.output_weight is None else weight * self.output_weight[rows]

    @property
    def _has_one_hinge(self):
        """Whether that is all that a row has."""
        return len(self._hinges.signs) == self.n_rows

    @cached_property
    def _hinges(self):
        return self.loss.hinges(self.y)

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
        kernel = LinearKernel(self.jacobian, of_intercept)
        return DualForm(self._hinges, self._shares * upper, upper, intercept, kernel)


def _minimum_in_box(function, start, max_steps):
    """Where a function, given with its gradient, is least between 0 and 1.

    L-BFGS-B also stops at a step that happens to gain next to nothing, and then gains more from
    there when it begins anew.
    """
    options = {"ftol": 1e-12, "gtol": 1e-8}
    place, least, n_steps, is_done = start, np.inf, 0, False
    while not is_done and n_steps < max_steps:
        options["maxiter"] = max_steps - n_steps
        found = minimize(
            function, place, jac=True, method="L-BFGS-B", bounds=Bounds(0, 1), options=options
        )
        is_done = least - found.fun <= LEAST_GAIN * abs(found.fun)
        place, least, n_steps = found.x, found.fun, n_steps + max(found.nit, 1)
    return place
