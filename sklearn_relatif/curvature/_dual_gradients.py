"""Conjugate gradients in the space of the rows, for wide sparse data."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ..jacobians import without_columns
from ..objectives import apply_inner
from ..utils._sparse import condensed
from ._iterative import ToTolerance
from ._woodbury import scaled_inverse

#: Longest features that stand in the head, and the parameters that all of it may have.
HEAD = 32
HEAD_SIZE = 1024


class DualConjugateGradients(ToTolerance):
    """``M^-1 g`` of wide sparse data, by conjugate gradients over vectors as long as the rows.

    For the curvature ``M = [X Z]^T B [X Z] + diag(r, ..., r, Q)`` of all outputs, where ``B`` holds
    a matrix of each row, the head ``Z`` holds the longest features, with r in ``Q``, and the
    column of ones, with its own ridge, which may be 0. The solution (w, t) of
    ``M (w, t) = (g, h)`` has::

        w = (g - X^T c) / r,    Q t = h - Z^T c,    c = B e,    e = X w + Z t.

    Steps are taken in ``e``, of which only ``c`` is needed, and in ``t``. They keep to all of these
    equations but the last one, which they miss by ``m = X w + Z t - e``. Up to ``Q^-1``, that is
    conjugate gradients in the product with B on the equation for e, where the multiplied matrix is
    ``I + X X^T B / r + Z Q^-1 Z^T B``. What precedes is the inverse of the same without X::

        m + Z s,    s = -C^-1 Z^T B m,    C = Q + Z^T B Z,

    to which ``Q = 0`` makes no difference. With t + s for t, the residual of ``M (w, t)`` is
    ``-X^T B (m + Z s)``, and nothing at all in the head. Its norm relative to r, which is more
    than that relative to the diagonal of M, follows from the lengths of the steps.

    Parameters
    ----------
    total : CurvatureOperator
        Its rows must couple the outputs, and its ridge be positive and the same for all outputs
        and coefficients, apart from the intercepts.
    tol : float
    max_iter : int, default=1000
        As of :class:`ToTolerance`.
    """

    def n_parts(self, gradients):
        """One for each, whose vectors stay in the caches."""
        return len(gradients)

    def solve(self, gradients):
        """``M^-1 g`` for each row g, shape (n, n_params)."""
        self._dual  # Before there are threads.
        return super().solve(gradients)

    def descend(self, total, residual, goal, max_iter):
        """Steps from 0 towards the solutions for some residuals, and how many were taken."""
        found = [
            self._descend(total, *of_one, max_iter) for of_one in zip(residual, goal, strict=True)
        ]
        solutions, used = zip(*found, strict=True)
        return np.stack(solutions), max(used)

    def _descend(self, total, right, goal, max_iter):
        dual = self._dual
        start, aside = dual.split(right)
        solved = dual.solve_head(aside - dual.head.T @ _pull(total, start))
        pull = _pull(total, start + dual.head @ solved)
        missed = -dual.multiply(pull)
        direction, change, shift, slope, bend = 0.0, 0.0, 0.0, 1.0, 0.0
        for used in range(1, max_iter + 1):
            step = -dual.solve_head(dual.head.T @ _pull(total, missed))
            ahead = missed + dual.head @ step
            pulled = _pull(total, ahead)
            before, slope = slope, np.vdot(ahead, pulled) + np.vdot(step, dual.scaled(step))
            share = slope / before
            direction = pulled + share * direction
            change = missed + share * change
            shift = step + share * shift
            product = change + dual.multiply(direction)
            last, bend = bend, np.vdot(direction, product)
            if np.sqrt(max(0.0, bend + share**2 * last - slope)) <= goal:
                return dual.joined(right, pull, solved + step), used
            length = slope / bend
            pull += length * direction
            solved += length * shift
            missed -= length * product
        return dual.joined(right, pull, solved), max_iter

    @cached_property
    def _dual(self):
        return Dual.of(self.total)

    def __getstate__(self):
        # What is found when first needed takes more space than time, and is found again.
        return {name: value for name, value in vars(self).items() if name != "_dual"}


class Dual(NamedTuple):
    jacobian: object
    places: np.ndarray
    head: np.ndarray
    inverse: np.ndarray
    ridges: np.ndarray
    ridge: float
    shared: sparse.csr_matrix
    own: np.ndarray

    @classmethod
    def of(cls, total):
        jacobian = total.objective.jacobian.astype(np.float64)
        X = jacobian.features()
        n_outputs = len(total.ridge)
        n_head = min(HEAD, HEAD_SIZE // n_outputs, X.shape[1])
        lengths = np.bincount(X.indices, X.data**2, X.shape[1])
        places = np.argsort(-lengths, kind="stable")[:n_head]
        head = X[:, places].toarray()
        shared, own = condensed(without_columns(X, places))
        if jacobian.fit_intercept:
            head = np.column_stack([head, np.ones(len(head))])
            places = np.append(places, X.shape[1])
        ridges = total.ridge[0, places]
        bend = _bend(total, head)
        np.einsum("akak->ak", bend)[...] += ridges[:, None]
        size = n_outputs * len(places)
        inverse = scaled_inverse(bend.reshape(size, size))
        return cls(jacobian, places, head, inverse, ridges, total.ridge[0, 0], shared, own)

    def solve_head(self, table):
        return (self.inverse @ table.ravel()).reshape(table.shape)

    def scaled(self, table):
        return self.ridges[:, None] * table

    def split(self, right):
        table = right.reshape(-1, self.jacobian.n_columns)
        rest = table.copy()
        rest[:, self.places] = 0
        eta = self.jacobian.apply(rest.reshape(1, -1))[:, 0]
        return eta / self.ridge, table[:, self.places].T

    def multiply(self, pull):
        """``X X^T c / r``"""
        product = self.shared.T @ (self.shared @ pull)
        product += self.own[:, None] * pull
        product /= self.ridge
        return product

    def joined(self, right, pull, solved):
        table = (right - self.jacobian.adjoint(pull[:, None])[0]) / self.ridge
        table.reshape(-1, self.jacobian.n_columns)[:, self.places] = solved.T
        return table


def _bend(total, head):
    n_outputs, size = len(total.ridge), head.shape[1]
    bend = np.zeros((size**2, n_outputs**2))
    for rows in total.objective.blocks(size**2 + n_outputs**2):
        pairs = head[rows, :, None] * head[rows, None]
        bend += pairs.reshape(-1, size**2).T @ total.inner(rows).reshape(-1, n_outputs**2)
    bend /= total.objective.total_weight
    bend = bend.reshape(size, size, n_outputs, n_outputs)
    return np.ascontiguousarray(bend.transpose(0, 2, 1, 3))


def _pull(total, eta):
    """``B e / S``"""
    pull = np.empty_like(eta)
    for rows in total.objective.blocks(eta.shape[1] ** 2):
        pull[rows] = apply_inner(total.inner(rows), eta[rows, None])[:, 0]
    pull /= total.objective.total_weight
    return pull
