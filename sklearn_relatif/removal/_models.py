"""Many models at once: their objectives, evaluated together.

A model is an objective without a group of its rows. All models share each product with the data,
which is done in double precision whatever the precision of the features.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import numpy as np

from ..jacobians import LinearJacobian
from ..losses import of_models
from ..utils._blocks import row_blocks
from ..utils._threads import FEW_COLUMNS, for_each

#: Norm of the gradient, over the root mean square norm of the rows' gradients, at which a model
#: counts as trained.
TOLERANCE = 1e-10
#: Errors that rounding of the predictor leaves few digits of, relative to the target: gradients are
#: not held to be smaller than a share of such errors.
ERROR_ROUNDING = 1e-5
#: Bytes of the predictors that a loss is applied to at once. They should stay in cache, and be too
#: few for BLAS to start its threads on products with the few columns of a loss.
LOSS_BLOCK_BYTES = 2**17


class Points(NamedTuple):
    """Parameters of several models, their gradients, and the relative norms of these."""

    weights: np.ndarray
    gradient: np.ndarray
    relative: np.ndarray

    def take(self, models):
        return Points(*(part[models] for part in self))

    def merge(self, moves, points):
        """These points, and others instead for the models that move."""
        moves = moves[:, None, None], moves[:, None, None], moves
        return Points(
            *(np.where(m, new, old) for m, new, old in zip(moves, points, self, strict=True))
        )

    def put(self, models, points):
        for part, values in zip(self, points, strict=True):
            part[models] = values


class Models:
    """The objectives without each group of rows, evaluated together.

    Parameters
    ----------
    objective : LinearObjective
    groups : list of ndarray of int
        Rows that each model does without, each at most once.
    """

    def __init__(self, objective, groups):
        self.objective = objective
        self.weight = objective.sample_weight.astype(np.float64)
        self.squared_lengths = self._squared_lengths()
        self.least_square = self._least_square()
        self._lose(groups)

    def losing(self, groups) -> Models:
        """The same objective without other groups of rows, at no pass over its rows."""
        other = copy(self)
        other._lose(groups)
        return other

    def _lose(self, groups):
        objective, self.n_models = self.objective, len(groups)
        removed = np.concatenate([*groups, np.empty(0, np.intp)])
        model = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
        lost = np.bincount(model, self.weight[removed], self.n_models)
        self.total = self.weight.sum() - lost
        self.penalty_left = np.ones(len(groups))
        if objective.penalty_share is not None:
            share = objective.penalty_share[removed]
            self.penalty_left -= np.bincount(model, share, self.n_models)
        order = np.argsort(removed, kind="stable")
        self.removed, self.model = removed[order], model[order]

    def at(self, weights, members, watch=None) -> Points:
        """The models ``members`` at some parameters (n_members, n_outputs, n_columns).

        ``watch`` is called with each block of rows, their predictors (n, n_members, n_outputs),
        and the positions among both of what is removed.
        """
        objective, total = self.objective, self.total[members]
        gradient = np.zeros(weights.shape)
        square = np.full(len(members), self.least_square)
        stacked = _stacked(weights)
        if objective.jacobian.n_columns <= FEW_COLUMNS:
            self._sum_in_threads(gradient, square, stacked, members, watch)
        else:
            for rows in objective.jacobian.blocks(len(stacked)):
                block, residual = self._residuals(rows, stacked, members, watch)
                block.add_adjoint(gradient, residual)
                square += self._squares(rows, residual)
        left = self.penalty_left[members, None, None]
        gradient += left * (objective.penalty * weights + objective.slope)
        if objective.mask is not None:
            gradient *= objective.mask
        gradient /= total[:, None, None]
        norm = np.sqrt(dot(gradient, gradient) * total)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(norm == 0, 0, norm / np.sqrt(square))
        return Points(weights, gradient, relative)

    def _sum_in_threads(self, gradient, square, stacked, members, watch):
        """Add to gradients and sums of squares what each block of rows has in them."""

        def pull(rows):
            block, residual = self._residuals(rows, stacked, members, watch)
            return block.adjoint(residual), self._squares(rows, residual)

        def add(pulled):
            gradient.reshape(len(members), -1)[:] += pulled[0]
            square[:] += pulled[1]

        for_each(pull, self.objective.cached_blocks(len(stacked)), add)

    def watch(self, weights, members, watch):
        """The predictors alone, shown to ``watch`` as of :meth:`at`."""
        for rows, eta in predictors(self.objective.jacobian, weights):
            watch(rows, eta, self._gone(rows, members))

    def start(self, weights, gradient, members) -> Points:
        """The models ``members`` at the optimum of all rows, where their gradient is known."""
        rows, mask = self.objective.rows, self.objective.mask
        gradient = gradient if mask is None else gradient * mask
        square = (self.weight * rows.norm) ** 2 @ self.squared_lengths + self.least_square
        square /= self.weight.sum()
        norm = np.sqrt(dot(gradient, gradient))
        return Points(weights, gradient, norm / np.sqrt(square) if square > 0 else norm)

    def active_set_changed(self, weights):
        """Whether the optimality conditions of an L1 penalty or of bounds fail for each model."""
        objective = self.objective
        if objective.inactive_bound is None:
            return np.zeros(len(weights), bool)
        wrong_sign = objective.jacobian.expand(weights) * objective.signs < 0
        too_steep = self.excess(weights)[0] > 0
        return (wrong_sign.any(axis=2) | too_steep.any(axis=2)).any(axis=1)

    def excess(self, weights):
        """How much too steep each model is in the parameters that are held at zero.

        Returns
        -------
        excess : ndarray of shape (n_models, n_outputs, n_full_columns)
            What the slope exceeds the strength of the penalty by, less what rounding may be of it.
        gradient : ndarray of the same shape
            That of the sum of the losses.
        """
        jacobian = self.objective.full_jacobian
        bound = self.penalty_left[:, None, None] * self.objective.inactive_bound
        gradient = np.zeros(bound.shape)
        square = np.zeros((*bound.shape[:2], 1))
        everyone, stacked = np.arange(len(weights)), _stacked(weights)
        for rows in jacobian.blocks(len(stacked)):
            _, residual = self._residuals(rows, stacked, everyone)
            jacobian.loaded(rows, np.float64).add_adjoint(gradient, residual)
            square[..., 0] += np.einsum("nbk,nbk->bk", residual, residual)
        # By the inequality of Cauchy and Schwarz, no slope can be larger than this.
        largest = np.sqrt(square) * jacobian.column_lengths()
        steepness = self.objective.steepness(gradient)
        return steepness - bound - TOLERANCE * (bound + largest), gradient

    def _residuals(self, rows, stacked, members, watch=None):
        """A block of rows, and weighted residuals (n, n_members, n_outputs), 0 for removed rows."""
        objective = self.objective
        block = objective.jacobian.loaded(rows, np.float64)
        eta = block.apply(stacked).reshape(-1, len(members), objective.shape[0])
        gone = self._gone(rows, members)
        if watch is not None:
            watch(rows, eta, gone)
        y, weight = objective.y[rows], self.weight[rows, None, None]
        if objective.output_weight is not None:
            weight = weight * objective.output_weight[rows, None]

        def to_residuals(part):
            residual = objective.loss.residuals(y[part], eta[part])
            np.multiply(residual, weight[part], out=eta[part])

        for_each(to_residuals, list(row_blocks(len(eta), eta[0].nbytes, LOSS_BLOCK_BYTES)))
        eta[gone] = 0
        return block, eta

    def _squares(self, rows, residual):
        """Sums over some rows of the squared norms of their gradients, shape (n_members,)."""
        squares = np.zeros(residual.shape[1])
        for part in row_blocks(len(residual), residual[0].nbytes, LOSS_BLOCK_BYTES):
            lengths = np.einsum("nbk,nbk->nb", residual[part], residual[part])
            squares += self.squared_lengths[rows][part] @ lengths
        return squares

    def _gone(self, rows, members):
        """Positions among a slice of rows and some models of what is removed."""
        position = np.full(self.n_models, -1)
        position[members] = np.arange(len(members))
        first, last = np.searchsorted(self.removed, [rows.start, rows.stop])
        member = position[self.model[first:last]]
        takes_part = member >= 0
        return self.removed[first:last][takes_part] - rows.start, member[takes_part]

    def _least_square(self):
        """The sum of squares that the gradients of rows have by rounding alone."""
        if not self.objective.loss.is_of_errors:
            return 0.0
        targets = self.objective.y.reshape(len(self.weight), -1).astype(np.float64)
        errors = ERROR_ROUNDING * np.linalg.norm(targets, axis=1)
        return float((self.weight * errors) ** 2 @ self.squared_lengths)

    def _squared_lengths(self):
        """``norm(x~_i)^2 / s_i``, which times the squares of the weighted residuals sums up."""
        jacobian = self.objective.jacobian
        lengths = np.empty(jacobian.n_rows)
        for rows in jacobian.blocks(1):
            lengths[rows] = jacobian.loaded(rows, np.float64).squared_lengths()
        return np.divide(lengths, self.weight, out=np.zeros_like(lengths), where=self.weight > 0)


def predictors(jacobian: LinearJacobian, weights: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Linear predictors of several models, in blocks of rows.

    Parameters
    ----------
    jacobian : LinearJacobian
    weights : ndarray of shape (n_models, n_outputs, n_columns)

    Yields
    ------
    rows : slice
    eta : ndarray of shape (n, n_models, n_outputs), float64
    """
    stacked = _stacked(weights)
    for rows in jacobian.blocks(len(stacked)):
        eta = jacobian.loaded(rows, np.float64).apply(stacked)
        yield rows, eta.reshape(-1, *weights.shape[:2])


def _stacked(weights):
    """Tables of several models, one below the other."""
    # In the order in which sparse features are multiplied, or each block would make a copy of it.
    return np.asfortranarray(weights.reshape(-1, weights.shape[-1]))


def loss_change_blocks(objective, weights, jacobian, y):
    """Changes of the losses (n, n_models) of some rows, in blocks of rows."""
    both = np.concatenate([objective.weights[None], weights])
    for rows, eta in predictors(jacobian, both):
        values = of_models(objective.loss.value, y[rows], eta)
        yield rows, values[:, 1:] - values[:, :1]


def dot(a, b):
    return np.einsum("nkd,nkd->n", a, b)
