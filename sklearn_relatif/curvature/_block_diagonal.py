"""A curvature without the coupling of its outputs: one Cholesky factor a class."""

from __future__ import annotations

import numpy as np

from ._cholesky import CholeskyCurvature


class BlockDiagonalCurvature:
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
        self._factors = CholeskyCurvature(
            blocks, self.dtype, lambda: self._null_space(total, blocks), mask
        )

    @property
    def n_whitened(self):
        """Length of a whitened gradient."""
        return self._factors.n_blocks * self._factors.size

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

    def _null_space(self, total, blocks):
        n_outputs = total.objective.shape[0]
        unpenalised = total.curvature != "hessian"
        directions = total.objective.null_space(blocks[:n_outputs], unpenalised)
        return directions if self.classes is None else directions[:1] * len(blocks)

    def whiten(self, gradients):
        """``L_k^-1 (u_k · g)`` for each row g, shape (n, n_blocks * n_columns)."""
        if self.classes is not None:
            gradients = self._change_outputs(gradients, self.classes.T)
        return self._factors.whiten(gradients)

    def unwhiten(self, whitened):
        """``sum_k u_k ⊗ L_k^-T v_k``: turns whitened gradients into ``M^-1 g``. Overwrites."""
        parts = self._factors.unwhiten(whitened)
        return parts if self.classes is None else self._change_outputs(parts, self.classes)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params). ``gradients`` may be overwritten."""
        return self.unwhiten(self.whiten(gradients))

    def quadratic_form(self, n_outputs):
        """A function of features x (n, n_columns) to the forms ``x^T [M^-1]_kl x``."""
        if self.classes is None:
            return self._factors.quadratic_form(n_outputs)
        form = self._factors.quadratic_form(self._factors.n_blocks)
        return lambda x: np.einsum(
            "kc,nc,lc->nkl", self.classes, form(x), self.classes, optimize=True
        ).astype(x.dtype, copy=False)

    def _change_outputs(self, vectors, matrix):
        parts = vectors.reshape(len(vectors), matrix.shape[1], -1)
        return np.matmul(matrix.astype(vectors.dtype), parts).reshape(len(vectors), -1)
