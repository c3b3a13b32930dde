"""The first order of a removal through the transformers in front of a model."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..utils._blocks import row_blocks
from ._candidates import Optima, Rows
from ._nodes import Chain
from ._tangents import Affine

#: Bytes of the moves that are at hand at once.
BLOCK_BYTES = 2**26


class FirstOrder(NamedTuple):
    """A model at its optimum, and the features of its rows as they move with their weights.

    With the parameters W and the sum of losses and penalties at its optimum, a row of less weight
    moves them by ``H^-1 (g_i - dF_i)``: ``g_i`` is its gradient, and ``dF_i`` what the gradient of
    all rows moves by with their features ``z``, which is the sum over the rows of

        s [r ⊗ dz + A (W dz) ⊗ z],    dz = b dM_i + dc_i.

    Attributes
    ----------
    chain : Chain
        The transformers.
    moved : Affine
        The features of the rows.
    rows : Rows
        The same, as the model takes them.
    optimum : Optima
        Of the one candidate that all rows have chosen.
    share : ndarray of shape (n_rows,) or None
        Of the penalty, which leaves with a row.
    pull : ndarray of shape (n_outputs, n_columns)
        The gradient of the penalty.
    """

    chain: Chain
    moved: Affine
    rows: Rows
    optimum: Optima
    share: np.ndarray | None
    pull: np.ndarray

    def lifted(self, X: Any) -> np.ndarray:
        """The bases of queries, as the user gives them, shape (n_queries, n_base)."""
        return self.moved.lift(self.chain.base(X))

    def changes(self, base: np.ndarray, removed: np.ndarray) -> np.ndarray:
        """How predictors of queries move without each of some rows.

        Parameters
        ----------
        base : ndarray of shape (n_queries, n_base)
        removed : ndarray of int, shape (n_removed,)

        Returns
        -------
        ndarray of shape (n_queries, n_removed, n_outputs)
        """
        table = self.optimum.tables[0]
        n_columns = self.moved.matrix.shape[1]
        queries = base @ self.moved.matrix + self.moved.shift
        if table.shape[1] > n_columns:
            queries = np.column_stack([queries, np.ones(len(queries))])
        result = np.empty((len(base), len(removed), len(table)))
        parts, bytes_per_row = self._parts(), 8 * 4 * self.moved.matrix.size
        for block in row_blocks(len(removed), bytes_per_row, BLOCK_BYTES):
            at = removed[block]
            matrix, shift = self.moved.moves(at)
            seen = matrix @ table[:, :n_columns].T
            seen_shift = shift @ table[:, :n_columns].T
            step = self._steps(parts, at, (matrix, shift), (seen, seen_shift))
            result[:, block] = np.einsum("qp,nkp->qnk", queries, step)
            result[:, block] += np.einsum("qb,nbk->qnk", base, seen) + seen_shift
        return result

    def _parts(self) -> tuple[np.ndarray, ...]:
        """Sums over the rows: of ``s r ⊗ b`` and ``s r``, and of ``s A z ⊗ b`` and ``s A z``."""
        rows, table = self.rows, self.optimum.tables[0]
        eta = rows.predictors(table[None])[:, 0]
        residual = rows.loss.residual(rows.y, eta) * rows.weight[:, None]
        bend = rows.loss.second_derivative(rows.y, eta)
        if bend.ndim == 2:
            bend = bend[:, :, None] * np.eye(bend.shape[1])
        bend = bend * rows.weight[:, None, None]
        base = np.column_stack([self.moved.base, np.ones(len(eta))])
        bent = np.einsum("nkm,np,nb->kpmb", bend, rows.features, base, optimize=True)
        return residual, residual.T @ base, bent

    def _steps(self, parts, at, moves, seen):
        """Moves of the parameters, shape (n, n_outputs, n_columns)."""
        residual, pulled, bent = parts
        (matrix, shift), (through, along) = moves, seen
        gradient = residual[at][:, :, None] * self.rows.features[at][:, None, :]
        if self.share is not None:
            gradient = gradient + self.share[at][:, None, None] * self.pull
        n_columns = shift.shape[1]
        gradient[:, :, :n_columns] -= np.einsum("kb,nbp->nkp", pulled[:, :-1], matrix)
        gradient[:, :, :n_columns] -= pulled[:, -1][:, None] * shift[:, None]
        gradient -= np.einsum("kpmb,nbm->nkp", bent[..., :-1], through, optimize=True)
        gradient -= np.einsum("kpm,nm->nkp", bent[..., -1], along)
        inverse = self.optimum.inverses[0]
        flat = gradient.reshape(len(at), inverse.shape[0], -1)
        return np.einsum("bij,nbj->nbi", inverse, flat).reshape(gradient.shape)
