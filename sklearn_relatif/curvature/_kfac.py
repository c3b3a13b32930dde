"""Kronecker-factored curvature: K-FAC, and EK-FAC with corrected eigenvalues.

Martens & Grosse (2015), "Optimizing neural networks with Kronecker-factored approximate
curvature"; George et al. (2018), "Fast approximate natural gradient descent in a
Kronecker-factored eigenbasis".
"""

from __future__ import annotations

import numpy as np
from scipy import linalg

from ..objectives import PENALISED
from ._base import Curvature
from ._memory import Factor

#: Matrices of the size of the features that EK-FAC holds at once.
MATRICES = 4


class KroneckerCurvature(Curvature):
    """The curvature ``M = G ⊗ A + I ⊗ diag(ridge)``, or its eigenvalue-corrected form.

    It is that of a linear objective, or of a layer of a network.

    ``G = (1/S) sum_i B_i`` is the mean of the rows' weights over the outputs, and
    ``A = sum_i a_i x~_i x~_i^T`` the second moment of the features, in which a row counts by its
    share ``a_i`` of the trace of ``G``. The penalty (not on the intercept) and the damping are
    kept exactly, by the basis ``T`` in which ``A`` and ``diag(ridge)`` are both diagonal. With the
    eigenvectors ``U`` of ``G``::

        M^-1 = (U ⊗ T) diag(1 / values) (U ⊗ T)^T.

    K-FAC is exact if the ``B_i`` are multiples of one matrix, as they are for one output.
    EK-FAC replaces the part of the rows in ``values`` by its exact diagonal in that basis.

    Parameters
    ----------
    total : CurvatureOperator or LayerOperator
        The curvature to approximate.
    is_corrected : bool
        True for EK-FAC.

    Raises
    ------
    ValueError
        If the outputs do not share their penalty and active features, or if M is not positive
        definite.
    """

    def __init__(self, total, is_corrected=False):
        obstacle = self.obstacle(total.sizes(), total.curvature, total.damping)
        if obstacle is not None:
            raise ValueError(
                f"solver='kfac' and 'ekfac' cannot be used, because {obstacle}; use "
                "solver='block_diagonal' or 'cg'."
            )
        self.dtype = total.dtype
        strengths, self.outputs = np.linalg.eigh(total.mean_inner())
        moment, ridge = total.second_moment(), total.ridge[0]
        self.columns, shares = _common_basis(moment, ridge)
        if is_corrected:
            self.values = total.projected_diagonal(self.outputs, self.columns)
        else:
            self.values = np.maximum(strengths, 0)[:, None] * shares
        self.values += 1 - shares
        smallest = self.values.min() / self.values.max()
        if smallest < 10 * np.sqrt(self.values.size) * np.finfo(float).eps:
            raise ValueError(
                "The Kronecker-factored curvature is not positive definite: its smallest "
                f"eigenvalue is {smallest:.2g} of its largest. Set a positive damping (for "
                "example damping=1e-3)."
            )
        self.n_whitened = self.values.size
        self._inverse_root = (1 / np.sqrt(self.values)).astype(self.dtype)
        self._outputs = self.outputs.astype(self.dtype)
        self._columns = self.columns.astype(self.dtype)

    @classmethod
    def obstacle(cls, sizes, kind, damping) -> str | None:
        """Why it cannot be that of an objective of some sizes; None if it can."""
        if kind in PENALISED and not sizes.shares_penalty:
            return "the outputs bear different penalties"
        if sizes.indefinite_rows(kind):
            return sizes.indefinite_rows(kind)
        if sizes.is_restricted:
            return "an L1 penalty holds parameters at zero"
        return None

    @classmethod
    def memory(cls, sizes, kind) -> Factor:
        """What its matrices take."""
        return Factor(MATRICES, sizes.n_columns)

    def whiten(self, gradients):
        """``diag(values)^-1/2 (U ⊗ T)^T g`` for each row g."""
        parts = self._outputs.T @ self._times(gradients, self._columns)
        return (parts * self._inverse_root).reshape(len(gradients), -1)

    def unwhiten(self, whitened):
        """``(U ⊗ T) diag(values)^-1/2 v``: turns whitened gradients into ``M^-1 g``."""
        parts = whitened.reshape(-1, *self.values.shape) * self._inverse_root
        solved = self._times(self._outputs @ parts, self._columns.T)
        return solved.reshape(len(whitened), -1)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params)."""
        return self.unwhiten(self.whiten(gradients))

    def quadratic_form(self, n_outputs):
        """A function of features x (n, n_columns) to ``x^T [M^-1]_kl x``, (n, k, l)."""
        inverse = self._inverse_root.T**2
        return lambda x: np.einsum(
            "ka,na,la->nkl", self._outputs, (x @ self._columns) ** 2 @ inverse, self._outputs
        )

    def _times(self, vectors, matrix):
        """Multiply the features of each output of each vector by a matrix."""
        product = vectors.reshape(-1, len(matrix)) @ matrix
        return product.reshape(len(vectors), len(self.outputs), -1)


def _common_basis(moment, ridge):
    """Basis ``T`` with ``T^T A T = diag(shares)`` and ``T^T diag(ridge) T = diag(1 - shares)``.

    Directions that neither sees are left out, and the basis is orthogonal to them. In their place
    it has columns of zeros, with shares of 0.
    """
    whole = moment + np.diag(ridge)
    lengths = np.sqrt(np.diag(whole))
    lengths[lengths == 0] = 1
    values, vectors = np.linalg.eigh(whole / lengths[:, None] / lengths)
    seen = values > 10 * np.sqrt(len(values)) * np.finfo(float).eps * values.max()
    root = vectors[:, seen] / np.sqrt(values[seen]) / lengths[:, None]
    shares, rotation = np.linalg.eigh(root.T @ moment @ root)
    basis = root @ rotation
    if not seen.all():
        null = linalg.orth(vectors[:, ~seen] / lengths[:, None])
        basis -= null @ (null.T @ basis)
    left_out = len(moment) - len(shares)
    return np.pad(basis, ((0, 0), (0, left_out))), np.pad(np.clip(shares, 0, 1), (0, left_out))
