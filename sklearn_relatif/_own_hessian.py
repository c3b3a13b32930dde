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

from .curvature import factorise, hessian_inverse

#: Penalties along a direction, relative to the largest one of a coefficient, that are rounding.
NEGLIGIBLE = 1e-10
#: Curvature, relative to the diagonal, that directions are given where one has next to none.
LEAST = 1e-10


class Unseen:
    """Directions that no row sees, along which parameters are known from the penalty alone.

    With the directions as columns of N and the penalty ``Lambda``, its optimum along them is
    ``w - N M^T w`` for ``M = Lambda N (N^T Lambda N)^-1``, and where there is no penalty ``M = N``.
    Directions are rotated so that the matrix in parentheses is diagonal.

    Parameters
    ----------
    directions, duals : list of ndarray or sparse array of shape (size, n_unseen)
        N and M of each block of parameters.
    """

    def __init__(self, directions, duals):
        self.directions, self.duals = directions, duals

    @classmethod
    def of_hessian(cls, objective, blocks):
        """All directions, of an objective whose Hessian has these blocks."""
        directions = objective.null_space(blocks, unpenalised=True)
        penalties = np.broadcast_to(objective.penalty, objective.shape).reshape(len(blocks), -1)
        pairs = [_dual(*one) for one in zip(directions, penalties, strict=True)]
        return cls([pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def settle(self, weights):
        """Parameters (..., n_outputs, n_columns), or steps, with the penalty at its optimum."""
        pairs = list(zip(self.directions, self.duals, strict=True))
        parts = weights.reshape(-1, len(pairs), self.duals[0].shape[0]).swapaxes(0, 1)
        left = [w - (w @ m) @ n.T for w, (n, m) in zip(parts, pairs, strict=True)]
        return np.stack(left, axis=1).reshape(weights.shape)

    @classmethod
    def columns(cls, objective):
        """Those of single columns, which a glance at the features shows."""
        seen = np.zeros(objective.shape[1], bool)
        for rows in objective.blocks(objective.shape[1]):
            x = objective.design.product_block(rows)[objective.sample_weight[rows] > 0]
            seen |= np.asarray((x != 0).sum(axis=0)).ravel() > 0
        directions = [sparse.identity(len(seen), format="csc")[:, ~seen]] * objective.shape[0]
        return cls(directions, directions)


def _dual(directions, penalty):
    """N rotated, and M."""
    values, rotation = np.linalg.eigh(directions.T @ (penalty[:, None] * directions))
    directions = directions @ rotation
    is_penalised = values > NEGLIGIBLE * penalty.max(initial=0)
    scaled = penalty[:, None] * directions / np.where(is_penalised, values, 1)
    return directions, np.where(is_penalised, scaled, directions)


class OwnHessian:
    """The Hessian of one objective at its parameters, summed over the rows that count.

    It has the interface of a curvature, and is of double precision. Steps that it gives do not
    leave the parameters that :meth:`settle` returns.

    Parameters
    ----------
    objective : LinearObjective
    has_room : bool, default=True
        Whether a factor of the Hessian is affordable. Otherwise it is applied by conjugate
        gradients, and of the directions that no row sees only those of a column are known.
    """

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
            diagonal = np.einsum("bii->bi", blocks)
            diagonal += LEAST * diagonal
            self._inverse = factorise(objective, blocks)

    def settle(self, weights):
        """Parameters with the penalty at its optimum along what no row sees."""
        return self.unseen.settle(weights)

    def solve(self, gradients):
        """``H^-1 g`` for each row g, shape (n, n_params)."""
        # Along what no row sees the solution is rounding, over a curvature next to none.
        return self.unseen.settle(self._inverse.solve(gradients.astype(self._inverse.dtype)))
