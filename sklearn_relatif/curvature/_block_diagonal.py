"""A curvature without the coupling of its outputs: one Cholesky factor a class."""

from __future__ import annotations

import numpy as np

from ._base import Curvature
from ._cholesky import CholeskyCurvature
from ._memory import Factor
from ._null_space import held, null_space


class BlockDiagonalCurvature(Curvature):
    """The diagonal blocks ``M_k`` of a curvature, one an output or a class.

    It is exact where the curvature does not couple the outputs: for one output, and for the
    Hessian and the Fisher information of one-vs-rest models. Softmax regression is taken in its
    classes, with the blocks ``(1/S) sum_i s_i p_ik (1 - p_ik) x~_i x~_i^T + diag(ridge)``, because
    contrasts are not, and because of the directions to choose from these couple least. With the
    contrasts ``u_k`` of class k the inverse is ``sum_k u_k u_k^T ⊗ M_k^-1``.

    Parameters
    ----------
    total : CurvatureOperator
        The curvature to approximate.

    Raises
    ------
    ValueError
        If a block is not positive definite.
    """

    def __init__(self, total):
        objective = total.objective
        self.dtype = objective.dtype
        contrasts, has_gauge = objective.loss.softmax_contrasts, objective.loss.has_gauge
        self.classes = None if contrasts is None or has_gauge else contrasts.T
        mask = None if objective.mask is None else objective.mask.ravel()
        blocks = self._blocks(total)
        self._uncoupled = CholeskyCurvature(
            blocks, self.dtype, lambda: self._null_space(total, len(blocks)), mask
        )
        self.n_whitened = self._uncoupled.n_whitened

    @classmethod
    def memory(cls, sizes, kind) -> Factor:
        """What the factors of the classes take."""
        return Factor(sizes.n_classes, sizes.n_columns)

    def _blocks(self, total):
        blocks = total.output_grams(self.classes)
        ridge = total.ridge if self.classes is None else total.ridge[:1]
        diagonals = np.einsum("kcc->kc", blocks)
        diagonals += ridge
        mask = total.objective.mask
        if mask is not None:
            blocks *= mask[:, :, None] * mask[:, None, :]
            diagonals += 1 - mask
        return blocks

    def _null_space(self, total, n_blocks):
        n_outputs = total.objective.shape[0]
        directions = null_space(total.objective, n_outputs, total.curvature != "hessian")
        directions = held(total.objective, directions)
        return directions if self.classes is None else directions[:1] * n_blocks

    def whiten(self, gradients):
        """``L_k^-1 (u_k · g)`` for each row g, shape (n, n_blocks * n_columns)."""
        if self.classes is not None:
            gradients = self._change_outputs(gradients, self.classes.T)
        return self._uncoupled.whiten(gradients)

    def unwhiten(self, whitened):
        """``sum_k u_k ⊗ L_k^-T v_k``: turns whitened gradients into ``M^-1 g``. Overwrites."""
        parts = self._uncoupled.unwhiten(whitened)
        return parts if self.classes is None else self._change_outputs(parts, self.classes)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params). ``gradients`` may be overwritten."""
        return self.unwhiten(self.whiten(gradients))

    def quadratic_form(self, n_outputs):
        """A function of features x (n, n_columns) to the forms ``x^T [M^-1]_kl x``."""
        if self.classes is None:
            return self._uncoupled.quadratic_form(n_outputs)
        form = self._uncoupled.quadratic_form(self._uncoupled.n_blocks)
        return lambda x: np.einsum(
            "kc,nc,lc->nkl", self.classes, form(x), self.classes, optimize=True
        ).astype(x.dtype, copy=False)

    def _change_outputs(self, vectors, matrix):
        parts = vectors.reshape(len(vectors), matrix.shape[1], -1)
        return np.matmul(matrix.astype(vectors.dtype), parts).reshape(len(vectors), -1)
