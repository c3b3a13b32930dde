"""Diagonal curvature, the identity among others."""

from __future__ import annotations

import numpy as np


class DiagonalCurvature:
    """A curvature that is a diagonal matrix or a multiple of the identity.

    Parameters
    ----------
    diagonal : ndarray of shape (n_params,) or ()
        0 for parameters that are held fixed.
    """

    def __init__(self, diagonal):
        self.dtype = diagonal.dtype
        root = np.sqrt(diagonal)
        self.inverse_root = np.where(root > 0, 1 / np.where(root > 0, root, 1), 0)

    def whiten(self, gradients):
        """``L^-1 g`` for each row g, where ``L`` is the square root of the diagonal."""
        return gradients * self.inverse_root

    #: The factor is its own transpose.
    unwhiten = whiten

    def solve(self, gradients):
        """``M^-1 g`` for each row g."""
        return gradients * self.inverse_root**2

    def quadratic_form(self, n_outputs):
        """A function of features x (n, n_columns) to the forms ``x^T M_k^-1 x``."""
        inverse = (self.inverse_root**2).reshape(n_outputs, -1)
        return lambda x: x**2 @ inverse.T
