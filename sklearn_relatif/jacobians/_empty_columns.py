"""Features that are zero in all rows, such as the corners of images, and the others without them.

An L2 penalty holds the coefficients of such features at zero, whatever the rows say. No gradient
of a training row has a part along them, and the curvature does not couple them to the others.
"""

from __future__ import annotations

import numpy as np

from ._linear import LinearJacobian
from ._stored import take_columns

#: Rows that are looked at first: most features that are ever present are present in one of them.
FIRST_ROWS = 128


def empty_columns(jacobian: LinearJacobian) -> np.ndarray:
    """Positions of the features that are zero in all rows, of an array in memory."""
    X = jacobian.X
    empty = np.flatnonzero(~X[:FIRST_ROWS].any(axis=0))
    for rows in jacobian.blocks(1):
        if not len(empty):
            break
        empty = empty[~X[rows][:, empty].any(axis=0)]
    return empty


class PresentColumnsJacobian(LinearJacobian):
    """Rows by some of their features, without which they are nothing.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_present)
    fit_intercept : bool
    columns : ndarray of int, shape (n_present,)
        Positions of these features among those of the source.
    source : LinearJacobian of 0 rows
        In all features.
    """

    is_reduced = True

    def __init__(self, X, fit_intercept, columns, source):
        super().__init__(X, fit_intercept)
        self.columns = columns
        self.source = source

    @classmethod
    def of(cls, jacobian, columns) -> PresentColumnsJacobian:
        """The rows of a Jacobian by some of its features."""
        X = take_columns(jacobian.X, columns)
        return cls(X, jacobian.fit_intercept, columns, jacobian.without_rows())

    def at(self, X):
        """Other rows, given by the user's features, in the columns of this Jacobian."""
        X = take_columns(self.source.made_of(X), self.columns)
        return LinearJacobian(X, self.fit_intercept)

    def n_beside(self, n_outputs):
        """Parameters of the user's features that it leaves out."""
        return n_outputs * (self.source.n_features - self.n_features)

    def beside(self, X):
        """Other rows, given by the user's features, in the features that this one leaves out."""
        left_out = np.delete(np.arange(self.source.n_features), self.columns)
        return LinearJacobian(take_columns(self.source.made_of(X), left_out), False)

    def astype(self, dtype):
        """The same rows in another precision."""
        X = self.X.astype(dtype, copy=False)
        return PresentColumnsJacobian(X, self.fit_intercept, self.columns, self.source)

    def project(self, weights):
        """Parameters of these columns that stand for parameters of the user's features."""
        return weights[..., self._kept]

    def expand(self, weights):
        """Parameters of the user's features that parameters of these columns stand for."""
        expanded = np.zeros((*weights.shape[:-1], self.source.n_columns), weights.dtype)
        expanded[..., self._kept] = weights
        return expanded

    @property
    def _kept(self):
        """Positions of these columns among all, with that of the intercept."""
        last = np.arange(self.source.n_features, self.source.n_columns)
        return np.concatenate([self.columns, last])
