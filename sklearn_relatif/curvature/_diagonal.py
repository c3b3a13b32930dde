"""Diagonal curvature, the identity among others."""

from __future__ import annotations

import numpy as np

from ..utils._arrays import beside
from ._base import Curvature


class DiagonalCurvature(Curvature):
    """A curvature that is a diagonal matrix or a multiple of the identity.

    Parameters
    ----------
    diagonal : ndarray of shape (n_params,) or ()
        0 for parameters that are held fixed.
    is_exact : bool, default=True
        Whether the diagonal is all of the curvature.
    """

    def __init__(self, diagonal, is_exact=True):
        self.is_exact = is_exact
        self.dtype = diagonal.dtype
        self.n_whitened = diagonal.size
        root = np.sqrt(diagonal)
        self.inverse_root = np.where(root > 0, 1 / np.where(root > 0, root, 1), 0)

    @classmethod
    def of(cls, total) -> DiagonalCurvature:
        """The diagonal of a curvature, which stands for all of it."""
        return cls(total.diagonal().astype(total.objective.dtype), is_exact=False)

    def whiten(self, gradients):
        """``L^-1 g`` for each row g, where ``L`` is the square root of the diagonal."""
        return gradients * beside(gradients, self.inverse_root)

    #: The factor is its own transpose.
    unwhiten = whiten

    def solve(self, gradients):
        """``M^-1 g`` for each row g."""
        return gradients * beside(gradients, self.inverse_root**2)

    def lengths(self, rows, criterion):
        """Lengths of the whitened and of the solved unit gradients of the training rows."""
        names = ("loss_relative", "theta_relative")[: 1 + (criterion == "theta_relative")]
        roots = [self.inverse_root, self.inverse_root**2][: len(names)]
        found = rows.jacobian.weighted_lengths(rows.unit, roots)
        if found is None:
            return super().lengths(rows, criterion)
        return dict(zip(names, found, strict=True))

    def quadratic_form(self, n_outputs):
        """A function of features x (n, n_columns) to the forms ``x^T M_k^-1 x``."""
        inverse = (self.inverse_root**2).reshape(n_outputs, -1)
        return lambda x: x**2 @ inverse.T
