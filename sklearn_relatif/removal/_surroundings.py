"""What is known of an objective about its parameters: its Hessian there, and the sizes of its rows.

Bounds are measured in them; ``_bounds`` says what of, and how rounding is counted.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..curvature import hessian_inverse, null_space
from ._descent import solve_with
from ._models import Models, dot

#: Unit of rounding.
U = np.finfo(np.float64).eps / 2
#: Roundings of a loss or of its slope, as such, and of a predictor, beyond its terms.
OF_LOSS, OF_PREDICTOR = 20, 4
#: How many times the rounding of a factor that of its inverse and of solutions may be.
OF_FACTOR = 8
#: Share of the terms of a product that a direction which no row sees may leave of it.
BLIND = 1e-12


class Surroundings:
    """What is known of an objective near its parameters: its Hessian there, and its rows' lengths.

    Parameters
    ----------
    objective : LinearObjective
        In double precision.

    Raises
    ------
    ValueError
        If its Hessian is not positive definite.
    """

    def __init__(self, objective):
        self.objective, self.curvature = objective, hessian_inverse(objective)
        self.loss = objective.loss
        self.form = self.curvature.quadratic_form(objective.shape[0])
        self.largest = np.abs(objective.training_predictor).max(initial=0)
        self.rows = np.flatnonzero(objective.sample_weight > 0)
        self._measure_columns()
        self._measure_rows()

    def forms(self, x):
        """``x^T [Q^-1]_kl x`` of dense features, shape (n, K, K), or (n, K) if not coupled."""
        return self.form(np.array(x, np.float64)) / self.objective.total_weight

    def relative_lengths(self, x):
        """``|D^-1 x|`` of dense features."""
        return np.sqrt(np.square(x / self.scale).sum(axis=1))

    def scaled(self, tables):
        """``|D w|`` of tables (n, n_outputs, n_columns)."""
        return np.sqrt(np.square(tables * self.scale).sum(axis=(1, 2)))

    def predictor_rounding(self, lengths, tables):
        """By what predictors may be off, (n_rows, n_models)."""
        count = U * (self.objective.shape[1] + OF_PREDICTOR)
        return count * np.multiply.outer(lengths, self.scaled(tables))

    def _blocks(self):
        """Rows that count, in blocks: their positions, features, and ``tr(s_i A_i)``."""
        objective, n_outputs = self.objective, self.objective.shape[0]
        for rows, x in _blocks(objective):
            bend = objective.weighted_second_derivative(rows).astype(np.float64)
            bend = bend.reshape(len(rows), n_outputs, -1)
            trace = np.einsum("nkk->n", bend) if bend.shape[2] > 1 else bend.sum(axis=(1, 2))
            if self.loss.steepest:
                weight = objective.sample_weight[rows].astype(np.float64)
                if objective.output_weight is not None:
                    weight = weight * objective.output_weight[rows].max(axis=1)
                trace = weight * n_outputs * self.loss.steepest
            yield rows, x, trace

    def _measure_columns(self):
        square = np.asarray(self.objective.penalty, np.float64).max(axis=0)
        square = np.broadcast_to(square, self.objective.shape[1:]).copy()
        for _, x, bend in self._blocks():
            square += bend @ x**2
        self.scale = np.sqrt(np.where(square > 0, square, 1))
        diagonal = self.curvature.inverse_diagonal().reshape(self.objective.shape)
        self.omega = float((diagonal @ self.scale**2).sum() / self.objective.total_weight)

    def _measure_rows(self):
        objective = self.objective
        self.lengths, self.row_reach = np.zeros(objective.n_rows), np.zeros(objective.n_rows)
        if self.loss.steepest:
            self.row_forms = np.zeros((objective.n_rows, objective.shape[0]))
        slopes = bends = ones = 0.0
        for rows, x, bend in self._blocks():
            forms, weight = self.forms(x), objective.sample_weight[rows]
            self.lengths[rows] = lengths = self.relative_lengths(x)
            self.row_reach[rows] = self.loss.reach(forms)
            if self.loss.steepest:
                self.row_forms[rows] = forms
            size = np.sqrt(_trace(forms))
            slopes += weight * objective.rows.norm[rows] @ lengths
            bends += bend * lengths @ size
            ones += weight @ size
        n_outputs, n_columns = objective.shape
        self.slopes, self.bends = np.sqrt(n_outputs) * float(slopes), float(bends)
        self.zeroed = n_outputs * self.loss.residual_rounding * float(ones)
        n_params, n_rows = n_outputs * n_columns, len(self.rows)
        of_bends = self.loss.concordance * self.row_rounding(objective.weights[None]) / U
        each = n_rows + n_params + OF_LOSS + float(of_bends[0])
        self.factor_rounding = OF_FACTOR * U * n_params * self.omega * each
        if not is_blind_to_null(objective, self.curvature):
            self.factor_rounding = np.inf

    def row_rounding(self, tables):
        """By what the predictor of any row may be off, (n_models,)."""
        return self.predictor_rounding(self.lengths.max(keepdims=True), tables)[0]

    def gradient_rounding(self, tables, change):
        """The most that rounding can be of gradients, in the norm of ``Q^-1``.

        ``change`` is the factor by which second derivatives may have changed.
        """
        objective, (n_outputs, n_columns) = self.objective, self.objective.shape
        moved = self.scaled(tables - objective.weights)
        slopes = self.slopes + change * n_outputs * n_columns * moved
        penalty = np.sqrt(np.square(objective.penalty * tables / self.scale).sum(axis=(1, 2)))
        sums = np.sqrt(self.omega) * ((len(self.rows) + OF_LOSS) * slopes + 4 * penalty)
        of_predictors = (n_columns + OF_PREDICTOR) * change * self.scaled(tables) * self.bends
        return U * (sums + of_predictors + self.zeroed)

    @cached_property
    def decrement(self):
        """At most the Newton decrement of the objective itself at its parameters."""
        models, alone = Models(self.objective, [np.empty(0, np.intp)]), np.zeros(1, np.intp)
        tables = self.objective.weights[None].astype(np.float64)
        gradient = models.at(tables, alone).gradient
        square = dot(solve_with(self.curvature, gradient), gradient) * models.total
        return float((np.sqrt(np.maximum(square, 0)) + self.gradient_rounding(tables, 1.0))[0])


def is_blind_to_null(objective, curvature) -> bool:
    """Whether directions that were taken for ones that no row sees are none but by rounding."""
    if curvature.is_iterative or curvature.n_free == objective.weights.size:
        return True
    directions = null_space(objective, curvature.n_blocks, unpenalised=False)
    columns = np.vstack([own.T.reshape(-1, objective.shape[1]) for own in directions if own.size])
    return all(
        (np.abs(x @ columns.T) <= BLIND * (np.abs(x) @ np.abs(columns).T)).all()
        for _, x in _blocks(objective)
    )


def _blocks(objective):
    """Rows that count, in blocks: their positions and features."""
    for block in objective.blocks(4 * objective.weights.size):
        rows = np.arange(block.start, block.stop)
        rows = rows[objective.sample_weight[rows] > 0]
        yield rows, objective.jacobian.dense_block(rows).astype(np.float64)


def _trace(forms):
    return forms.sum(axis=1) if forms.ndim == 2 else np.einsum("nkk->n", forms)
