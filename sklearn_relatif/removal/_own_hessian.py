"""The Hessian of one model, and what becomes of the directions that none of its rows sees.

A group of rows can be the only one that sees a direction of the parameters: a category has a
column of its own, or is the one without a column. A model trained without the group goes, along
such a direction, where its penalty alone leads it: to 0 where a coefficient is the direction.
Without any penalty, no training could tell where to go; of all optima the one of least norm is
taken, which is what scikit-learn's solvers find when they start at 0.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from ..curvature import Curvature, factorise, held, hessian_inverse, null_space

#: Penalties along a direction, relative to the largest one of a coefficient, that are rounding.
NEGLIGIBLE = 1e-10
#: Curvature, relative to the diagonal, that directions are given where one has next to none.
LEAST = 1e-10


class Unseen:
    """Directions that no row sees, along which parameters are known from the penalty alone.

    With the directions as columns of N, the penalty ``Lambda`` and its slope q, the optimum along
    them is ``w - N (M^T w + D^-1 N^T q)`` for ``D = N^T Lambda N``, which is diagonal since N is
    rotated so, and ``M = Lambda N D^-1``. Where there is no penalty, q is left out, and M is what
    of N parameters must have no component of (see :func:`~sklearn_relatif.curvature.held`).

    Parameters
    ----------
    directions, duals : list of ndarray or sparse array of shape (size, n_unseen)
        N and M of each block of parameters.
    offset : ndarray of shape (n_outputs, n_columns)
        ``N D^-1 N^T q``.
    """

    def __init__(self, directions, duals, offset):
        self.directions, self.duals, self.offset = directions, duals, offset

    @classmethod
    def of_hessian(cls, objective, blocks):
        """All directions, of an objective whose Hessian has these blocks."""
        directions = null_space(objective, len(blocks), unpenalised=True)
        tables = (
            np.broadcast_to(table, objective.shape).reshape(len(blocks), -1)
            for table in (objective.penalty, objective.slope)
        )
        parts = zip(directions, held(objective, directions), *tables, strict=True)
        parts = zip(*[_along(*one) for one in parts], strict=True)
        directions, duals, offsets = parts
        return cls(directions, duals, np.reshape(offsets, objective.shape))

    @classmethod
    def columns(cls, objective):
        """Those of single columns, which a glance at the features shows."""
        seen = np.zeros(objective.shape[1], bool)
        for rows in objective.blocks(objective.shape[1]):
            x = objective.jacobian.product_block(rows)[objective.sample_weight[rows] > 0]
            seen |= np.asarray((x != 0).sum(axis=0)).ravel() > 0
        directions = [sparse.identity(len(seen), format="csc")[:, ~seen]] * objective.shape[0]
        where = ~seen & (objective.penalty > 0)
        offset = np.zeros(objective.shape)
        np.divide(objective.slope, objective.penalty, out=offset, where=where)
        return cls(directions, directions, offset)

    def settle(self, weights):
        """Parameters (..., n_outputs, n_columns) with the penalty at its optimum along them."""
        return self.project(weights) - self.offset

    def project(self, steps):
        """Steps that settled parameters may take, in the shape of parameters or flat."""
        pairs = list(zip(self.directions, self.duals, strict=True))
        parts = steps.reshape(-1, len(pairs), self.duals[0].shape[0]).swapaxes(0, 1)
        left = [w - (w @ m) @ n.T for w, (n, m) in zip(parts, pairs, strict=True)]
        return np.stack(left, axis=1).reshape(steps.shape)


def _along(directions, unpenalised, penalty, slope):
    """N rotated, M, and the offset."""
    values, rotation = np.linalg.eigh(directions.T @ (penalty[:, None] * directions))
    directions, unpenalised = directions @ rotation, unpenalised @ rotation
    is_penalised = values > NEGLIGIBLE * penalty.max(initial=0)
    inverse = np.divide(1, values, out=np.zeros_like(values), where=is_penalised)
    duals = np.where(is_penalised, penalty[:, None] * directions * inverse, unpenalised)
    return directions, duals, directions @ (inverse * (slope @ directions))


def _lift(blocks):
    lifted = blocks.copy()
    np.einsum("bii->bi", lifted)[...] *= 1 + LEAST
    return lifted


class OwnHessian(Curvature):
    """The Hessian of one objective at its parameters, summed over the rows that count.

    It is of double precision. Steps that it gives do not
    leave the parameters that :meth:`settle` returns.

    Parameters
    ----------
    objective : LinearObjective
    has_room : bool, default=True
        Whether a factor of the Hessian is affordable. Otherwise it is applied by conjugate
        gradients, and of the directions that no row sees only those of a column are known.

    Attributes
    ----------
    is_expected : bool
        Whether it is the Hessian that a model with a loss that is not convex expects, since its
        own is not positive definite: a direction to descend by, not the one of a Newton step.
    """

    is_expected = False

    dtype = np.dtype(np.float64)

    def __init__(self, objective, has_room=True):
        objective = objective.astype(np.float64)
        if not has_room:
            self.unseen = Unseen.columns(objective)
            self._inverse = hessian_inverse(objective)
            return
        blocks = objective.hessian()
        self.unseen = Unseen.of_hessian(objective, blocks)
        try:
            self._inverse = factorise(objective, blocks.copy())
        except ValueError:
            self._inverse = self._lifted(objective, blocks)

    def _lifted(self, objective, blocks):
        """The inverse of a Hessian that has next to no curvature somewhere, or less than none."""
        try:
            return factorise(objective, _lift(blocks))
        except ValueError:
            if objective.loss.is_convex or not objective.loss.has_fisher:
                raise
        self.is_expected = True
        return factorise(objective, _lift(objective.expected_hessian()))

    def settle(self, weights):
        """Parameters with the penalty at its optimum along what no row sees."""
        return self.unseen.settle(weights)

    def solve(self, gradients):
        """``H^-1 g`` for each row g, shape (n, n_params)."""
        # Along what no row sees the solution is rounding, over a curvature next to none.
        return self.unseen.project(self._inverse.solve(gradients.astype(self._inverse.dtype)))
