"""Wide data: the same objective in the space that the rows span.

With fewer rows than features, or with dependent ones, gradients and optimal coefficients lie in
the span of the rows. In an orthonormal basis ``V`` of it, with the intercept kept aside, the
objective has the rows ``X V`` and the coefficients ``W V``, and an L2 penalty that is the same
for all coefficients of an output stays what it is. Norms and inner products stay too, so that
influence and relative influence are exact.
"""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse
from scipy.linalg import lapack

from ..utils._blocks import block_budget, row_blocks
from ._linear import LinearJacobian

#: A column so many times longer than as many others as there are rows is kept aside.
HEAVY = 100
#: Gram matrices with a better reciprocal condition number have full rank beyond doubt.
WELL_CONDITIONED = 1e-8
#: Square of what a row of unit length must have outside the span of others for a Gram matrix to
#: tell it apart: half of the digits of a square are left.
APART = 1e-6
#: Coordinates of a row of unit length that cannot be told from zero.
COORDINATE_ROUNDING = 10 * np.finfo(float).eps


class RowSpace:
    """Orthonormal basis ``V = [E_heavy, (L^-1 anchors)^T, beyond^T]`` of a space of coefficients.

    Parameters
    ----------
    heavy : ndarray of int
        Features that are coordinates themselves. The rest of the basis has zeros there.
    anchors : ndarray or CSR matrix of shape (n_anchors, n_features)
    triangle : ndarray of shape (n_anchors, n_anchors) or None
        Lower factor ``L`` of the Gram matrix of the anchors. None: they are orthonormal.
    """

    def __init__(self, heavy, anchors, triangle=None):
        self.heavy = heavy
        self.anchors = anchors
        self.triangle = triangle
        self.beyond = np.zeros((0, anchors.shape[1]), anchors.dtype)

    @property
    def n_dimensions(self):
        return len(self.heavy) + self.anchors.shape[0] + len(self.beyond)

    def add(self, vectors, negligible):
        """Extend the space so that it holds these vectors as well.

        Parameters
        ----------
        vectors : iterable of ndarray of shape (n, n_features)
        negligible : float
            What a vector of unit length may have outside the space.
        """
        found = [self._outside(block, negligible) for block in vectors]
        if not sum(map(len, found)):
            return
        rest = np.concatenate(found)
        _, sizes, directions = linalg.svd(rest, full_matrices=False)
        directions = directions[sizes > negligible]
        if len(directions):
            # Directions of little size are as far from orthogonal to the space as rounding is
            # from that size.
            directions = directions - self.expand(self.project(directions))
            basis, _ = linalg.qr(directions.T, mode="economic")
            added = basis.T.astype(self.beyond.dtype)
            self.beyond = np.concatenate([self.beyond, added])

    def _outside(self, vectors, negligible):
        """What vectors of unit length have outside the space, where it is not negligible."""
        rest = np.array(vectors, dtype=np.float64)
        rest[:, self.heavy] = 0
        lengths = np.linalg.norm(rest, axis=1)
        rest = rest[lengths > 0] / lengths[lengths > 0, None]
        # Once leaves an error of the basis' own, which the second time is one of that error.
        for _ in range(2):
            rest = rest - self.expand(self.project(rest))
            rest = rest[np.linalg.norm(rest, axis=1) > negligible]
        return rest

    def project(self, X):
        """Coordinates ``X V`` of the rows of X, shape (n, n_dimensions), as float64."""
        coordinates = np.empty((X.shape[0], self.n_dimensions))
        heavy, inside, outside = self._parts(coordinates)
        for rows in row_blocks(X.shape[0], 24 * self.anchors.shape[0], block_budget()):
            products = _as_dense(X[rows] @ self.anchors.T)
            if self.triangle is not None:
                products = _solve_triangle(self.triangle, products, transpose=False)
            heavy[rows] = _as_dense(X[rows][:, self.heavy])
            inside[rows] = products
            outside[rows] = X[rows] @ self.beyond.T
        return coordinates

    def expand(self, coordinates):
        """Vectors ``C V^T`` with the given coordinates, shape (n, n_features)."""
        heavy, inside, outside = self._parts(coordinates)
        if self.triangle is not None:
            inside = _solve_triangle(self.triangle, inside, transpose=True)
        vectors = _as_dense(inside @ self.anchors) + outside @ self.beyond
        vectors[:, self.heavy] = heavy
        return vectors

    def _parts(self, coordinates):
        """Views of the coordinates along each part of the basis."""
        n_heavy = len(self.heavy)
        n_before = n_heavy + self.anchors.shape[0]
        return np.split(coordinates, [n_heavy, n_before], axis=1)


class RowSpaceJacobian(LinearJacobian):
    """Rows by their coordinates in a :class:`RowSpace`.

    Parameters
    ----------
    coordinates : ndarray of shape (n_rows, n_dimensions)
    fit_intercept : bool
    space : RowSpace
    n_spare : int
        How many dimensions more there could be with other labels and weights of the rows.
    source : LinearJacobian of 0 rows
        In the features that span the space.
    """

    is_reduced = True

    def __init__(self, coordinates, fit_intercept, space, n_spare, source):
        super().__init__(coordinates, fit_intercept)
        self.space = space
        self.n_spare = n_spare
        self.source = source

    @classmethod
    def of(cls, jacobian, tables) -> RowSpaceJacobian:
        """The rows of a Jacobian in the space that they and some of its parameters span.

        Parameters
        ----------
        jacobian : LinearJacobian
        tables : list of ndarray of shape (n_outputs, n_columns)
        """
        X, n_features = jacobian.features(), jacobian.n_features
        space, coordinates = _sparse_row_space(X) if jacobian.is_sparse else _dense_row_space(X)
        n_found = space.n_dimensions
        n_most = min(n_features, jacobian.n_rows + len(space.heavy) + sum(map(len, tables)))
        space.add([table[:, :n_features] for table in tables], np.finfo(X.dtype).eps ** (2 / 3))
        # No row has a component along what the parameters add.
        coordinates = np.pad(coordinates, ((0, 0), (0, space.n_dimensions - n_found)))
        coordinates = coordinates.astype(X.dtype, copy=False)
        n_spare, source = n_most - space.n_dimensions, jacobian.without_rows()
        return cls(coordinates, jacobian.fit_intercept, space, n_spare, source)

    def at(self, X):
        """Other rows, given by the user's features, in the coordinates of this Jacobian."""
        return LinearJacobian(self.space.project(self.source.made_of(X)), self.fit_intercept)

    def astype(self, dtype):
        """The same rows in another precision."""
        coordinates, fit_intercept = self.X.astype(dtype, copy=False), self.fit_intercept
        return RowSpaceJacobian(coordinates, fit_intercept, self.space, self.n_spare, self.source)

    def project(self, weights):
        """Parameters of these columns that stand for parameters of the user's features."""
        n_features = self.space.anchors.shape[1]
        coef = self.space.project(weights.reshape(-1, weights.shape[-1])[:, :n_features])
        coef = coef.reshape(*weights.shape[:-1], -1)
        return np.concatenate([coef, weights[..., n_features:]], axis=-1)

    def expand(self, weights):
        """Parameters of the user's features that parameters of these columns stand for."""
        n_dimensions = self.space.n_dimensions
        coef = self.space.expand(weights.reshape(-1, weights.shape[-1])[:, :n_dimensions])
        coef = coef.reshape(*weights.shape[:-1], -1)
        return np.concatenate([coef, weights[..., n_dimensions:]], axis=-1)


def heavy_columns(X):
    """Columns beside which rounding would lose what rows have in the others, as positions.

    They are much longer than the n-th longest column of a matrix of n rows: as many of about
    that length could tell all rows apart.
    """
    if sparse.issparse(X):
        squares = np.bincount(X.indices, X.data.astype(np.float64) ** 2, X.shape[1])
    else:
        squares = np.einsum("ij,ij->j", X, X, dtype=np.float64)
    lengths = np.sqrt(squares)
    place = max(0, X.shape[1] - X.shape[0])
    return np.flatnonzero(lengths > HEAVY * np.partition(lengths, place)[place])


def without_columns(X, columns):
    """A CSR matrix in double precision with nothing in some of its columns."""
    if not len(columns):
        return X.astype(np.float64, copy=False)
    keep = np.ones(X.shape[1])
    keep[columns] = 0
    rest = sparse.csr_matrix(X.astype(np.float64) @ sparse.diags(keep))
    rest.eliminate_zeros()
    return rest


def _dense_row_space(X):
    """Basis of the row space of an array by orthogonal factorisation, and the coordinates."""
    X = np.asarray(X)
    heavy = heavy_columns(X)
    scaled = X.astype(np.float64)
    scaled[:, heavy] = 0
    lengths = np.linalg.norm(scaled, axis=1)
    scaled /= _unit_divisors(lengths)[:, None]
    basis, triangle = linalg.qr(scaled.T, mode="economic", overwrite_a=True, check_finite=False)
    if not _has_full_rank(triangle):
        rotation, graded, _ = linalg.qr(triangle, mode="economic", pivoting=True)
        rank = np.count_nonzero(np.abs(np.diag(graded)) > _tolerance(len(X)))
        basis = basis @ rotation[:, :rank]
    basis[heavy] = 0
    space = RowSpace(heavy, np.ascontiguousarray(basis.T))
    coordinates = space.project(X)
    # What is rounding should not pass for a direction of its own.
    inside = coordinates[:, len(heavy) :]
    inside[np.abs(inside) < COORDINATE_ROUNDING * lengths[:, None]] = 0
    return space, coordinates


def _has_full_rank(triangle):
    """Whether ``R`` is square and, by an estimate of the condition of ``R^T R``, regular."""
    if triangle.shape[0] != triangle.shape[1]:
        return False
    size = np.abs(triangle)
    norm = size.sum(axis=0).max() * size.sum(axis=1).max()
    return lapack.dpocon(triangle, norm)[0] > WELL_CONDITIONED


def _sparse_row_space(X):
    """Basis of the row space of a CSR matrix by pivoted Cholesky, and the coordinates.

    Rows that the Gram matrix cannot tell from the span of others are compared with it themselves.
    """
    n_rows, heavy = X.shape[0], heavy_columns(X)
    rest = without_columns(X, heavy)
    lengths = np.sqrt(np.asarray(rest.multiply(rest).sum(axis=1)).ravel())
    scaled = sparse.csr_matrix(sparse.diags(1 / _unit_divisors(lengths)) @ rest)
    # The transpose of a C-ordered matrix is what LAPACK can factorise in place.
    factor, pivots, rank, _ = lapack.dpstrf(_gram(scaled).T, tol=APART, lower=0, overwrite_a=1)
    factor = factor.T[:, :rank]
    order = pivots - 1
    space = RowSpace(heavy, scaled[order[:rank]], np.tril(factor[:rank]))
    close = order[rank:]
    blocks = row_blocks(len(close), 24 * X.shape[1], block_budget())
    space.add((scaled[close[some]].toarray() for some in blocks), _tolerance(n_rows))
    coordinates = np.zeros((n_rows, space.n_dimensions))
    coordinates[:, : len(heavy)] = _as_dense(X[:, heavy])
    inside = coordinates[:, len(heavy) : len(heavy) + rank]
    for rows in row_blocks(n_rows, 16 * rank, block_budget()):
        lower = np.tril(factor[rows], rows.start)
        lower[np.abs(lower) * np.diag(factor) < COORDINATE_ROUNDING] = 0
        inside[order[rows]] = lengths[order[rows], None] * lower
    beyond = rest[close] @ space.beyond.T
    beyond[np.abs(beyond) < COORDINATE_ROUNDING * lengths[close, None]] = 0
    coordinates[close, len(heavy) + rank :] = beyond
    return space, coordinates


def _gram(X):
    """``X X^T`` of a CSR matrix as a dense array, from sparse products."""
    gram = np.empty((X.shape[0],) * 2)
    transpose = X.T.tocsr()
    for rows in row_blocks(X.shape[0], 24 * X.shape[0], block_budget()):
        gram[rows] = (X[rows] @ transpose).toarray()
    return gram


def _tolerance(size):
    """Relative size of what rounding leaves of a dependent row."""
    return 10 * np.sqrt(size) * np.finfo(float).eps


def _unit_divisors(lengths):
    return np.where(lengths > 0, lengths, 1)


def _solve_triangle(lower, rows, transpose):
    """``L^-1 v`` (or ``L^-T v``) for each row v."""
    options = {"lower": True, "trans": int(transpose), "check_finite": False}
    return linalg.solve_triangular(lower, rows.T, **options).T


def _as_dense(products):
    return products.toarray() if sparse.issparse(products) else np.asarray(products)
