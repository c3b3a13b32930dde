"""Conjugate gradients in the space of the rows, for wide sparse data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ..jacobians import LinearJacobian, heavy_columns, without_columns
from ..objectives import apply_inner
from ..utils._sparse import condensed
from ._iterative import ToTolerance, add_multiple
from ._woodbury import scaled_inverse

#: Features in the head, and the parameters that these may have in all outputs together. There may
#: be more of both only where more features are so long that rounding would lose the others.
HEAD = 32
HEAD_SIZE = 1024


class DualConjugateGradients(ToTolerance):
    """``M^-1 g`` of wide sparse data, by conjugate gradients over numbers of the rows.

    A row has as many numbers as there are outputs, so that vectors are shorter than gradients by
    as much as there are fewer rows than features. The curvature is

        M = [X Z]^T B [X Z] + diag(r, ..., r, Q),

    where B holds the matrix ``B_i / S`` of each row, for all outputs at once. The head Z holds the
    column of ones, whose ridge in Q may be 0, and the longest features, with r in Q. The solution
    (w, t) of ``M (w, t) = (g, h)`` is that of

        c = B e,    w = (g - X^T c) / r,    Q t = h - Z^T c,    e = X w + Z t.

    Steps change c and t. They keep to all of these equations but the last one, which is missed by
    ``m = X w + Z t - e``. But for the form in which it is written, because there may be no
    ``Q^-1``, this is the method of conjugate gradients on

        (I + X X^T B / r + Z Q^-1 Z^T B) e = X g / r + Z Q^-1 h,

    symmetric in the product with B, where the inverse of the same matrix without X precedes it:

        m -> m + Z s,    s = -C^-1 Z^T B m,    C = Q + Z^T B Z.

    With ``t + s`` for t, the residual of the solution is ``-X^T B (m + Z s)`` for w, and 0 for t.
    Its length over the root of r, which the lengths of the steps tell, is at least what it is
    measured by, because no number on the diagonal of M is below r.

    Parameters
    ----------
    total : CurvatureOperator
        Its rows must couple the outputs. Its ridge must be positive, and the same for all outputs
        and coefficients, apart from the intercepts.
    tol : float
    max_iter : int, default=1000
        As of :class:`ToTolerance`.
    """

    _dual: Any = None

    def __getstate__(self):
        # What is found when first needed takes more space than time, and is found again.
        return {name: value for name, value in vars(self).items() if name != "_dual"}

    def held(self):
        """The curvature, to be multiplied with many times, in several threads."""
        self._dual = self._dual or Dual.of(self.total)
        return super().held()

    def n_parts(self, n_gradients):
        """One right-hand side at a time: its vectors stay in the cache of a core."""
        return n_gradients

    def descend(self, total, residual, goal, max_iter):
        """Steps from 0 towards the solutions for some residuals, and how many were taken."""
        found = [
            self._solve_one(total, *of_one, max_iter) for of_one in zip(residual, goal, strict=True)
        ]
        solutions, used = zip(*found, strict=True)
        return np.stack(solutions), max(used)

    def _solve_one(self, total, right, goal, max_iter):
        dual = self._dual
        seen, aside = dual.seen(right)
        heads = dual.solve_head(aside - dual.Z.T @ pulls(total, seen))
        pull = pulls(total, seen + dual.Z @ heads)
        missed = -dual.multiply(pull)
        # Of a direction d in e and s in t, these are B d, d - Z s and s.
        direction, moved, shift = (np.zeros_like(own) for own in (pull, pull, heads))
        slope, bend = 1.0, 0.0
        for used in range(1, max_iter + 1):
            step = -dual.solve_head(dual.Z.T @ pulls(total, missed))
            preceded = missed + dual.Z @ step
            pulled = pulls(total, preceded)
            before, slope = slope, np.vdot(preceded, pulled) + np.vdot(step, dual.Q * step)
            share = slope / before
            for vectors, own in ((direction, pulled), (moved, missed), (shift, step)):
                vectors *= share
                vectors += own
            change = dual.multiply(direction)
            change += moved
            last, bend = bend, np.vdot(direction, change)
            if bend + share**2 * last - slope <= goal**2:
                return dual.solution(right, pull, heads + step), used
            self.check_bend(total, bend)
            length = slope / bend
            add_multiple(pull, length, direction)
            add_multiple(missed, -length, change)
            heads += length * shift
        return dual.solution(right, pull, heads), max_iter


class Dual(NamedTuple):
    """What the steps are made of.

    Attributes
    ----------
    jacobian : LinearJacobian
        All of the features, in double precision.
    places : ndarray of int, shape (n_head,)
        Of the head among the columns.
    Z : ndarray of shape (n_rows, n_head)
    Q : ndarray of shape (n_head, 1)
    inverse : ndarray of shape (n_head * n_outputs, n_head * n_outputs)
        ``C^-1``.
    ridge : float
    shared, own : CSR matrix of shape (n_condensed, n_rows) and ndarray of shape (n_rows, 1)
        ``X X^T``, as :func:`condensed` gives it.
    """

    jacobian: LinearJacobian
    places: np.ndarray
    Z: np.ndarray
    Q: np.ndarray
    inverse: np.ndarray
    ridge: float
    shared: sparse.csr_matrix
    own: np.ndarray

    @classmethod
    def of(cls, total) -> Dual:
        """Those of a curvature."""
        jacobian = total.objective.jacobian.astype(np.float64)
        X = jacobian.features()
        n_head = max(len(heavy_columns(X)), min(HEAD, HEAD_SIZE // len(total.ridge)))
        places = np.argsort(-jacobian.column_lengths()[: X.shape[1]], kind="stable")[:n_head]
        shared, own = condensed(without_columns(X, places))
        Z = X[:, places].toarray()
        if jacobian.fit_intercept:
            Z = np.column_stack([Z, np.ones(len(Z))])
            places = np.append(places, X.shape[1])
        Q = total.ridge[0, places, None]
        inverse = scaled_inverse(_head(total, Z, Q))
        return cls(jacobian, places, Z, Q, inverse, total.ridge[0, 0], shared, own[:, None])

    def seen(self, right):
        """``X g / r`` and ``h`` of a right-hand side."""
        rest = right.reshape(-1, self.jacobian.n_columns).copy()
        aside = rest[:, self.places].T
        rest[:, self.places] = 0
        return self.jacobian.apply(rest.reshape(1, -1))[:, 0] / self.ridge, aside

    def solve_head(self, aside):
        """``C^-1 h``."""
        return (self.inverse @ aside.ravel()).reshape(aside.shape)

    def multiply(self, pull):
        """``X X^T c / r``."""
        products = self.shared.T @ (self.shared @ pull)
        products += self.own * pull
        products /= self.ridge
        return products

    def solution(self, right, pull, heads):
        """(w, t) in the order of the parameters."""
        solution = right - self.jacobian.adjoint(pull[:, None])[0]
        solution /= self.ridge
        solution.reshape(-1, self.jacobian.n_columns)[:, self.places] = heads.T
        return solution


def pulls(total, eta):
    """``B e``, shape (n_rows, n_outputs)."""
    found = np.empty_like(eta)
    for rows in total.objective.blocks(eta.shape[1] ** 2):
        found[rows] = apply_inner(total.inner(rows), eta[rows, None])[:, 0]
    found /= total.objective.total_weight
    return found


def _head(total, Z, Q):
    """``C``, as a matrix."""
    n_outputs, n_head = len(total.ridge), Z.shape[1]
    summed = np.zeros((n_head**2, n_outputs**2))
    for rows in total.objective.blocks(n_head**2 + n_outputs**2):
        pairs, inner = Z[rows, :, None] * Z[rows, None], total.inner(rows)
        summed += pairs.reshape(len(inner), -1).T @ inner.reshape(len(inner), -1)
    summed /= total.objective.total_weight
    C = summed.reshape(n_head, n_head, n_outputs, n_outputs).transpose(0, 2, 1, 3).copy()
    np.einsum("akak->ak", C)[...] += Q
    return C.reshape(n_head * n_outputs, n_head * n_outputs)
