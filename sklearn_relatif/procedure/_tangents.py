"""How fast the features of all rows move as the weight of one row falls, through transformers.

Features are an affine function of a base that no row decides on, ``Z = B M + c``, and what
transformers take from the rows is in M and c. As the weight of row i falls to ``1 - t``, they
move by ``t dM_i`` and ``t dc_i``, which each transformer makes of those in front of it by the
derivatives of its means, variances and axes (Kato, *Perturbation theory for linear operators*, of
the eigenvectors of PCA). The smallest and the largest value of a column have no such derivative:
they move by what they change by when the row is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

#: Relative rounding of double precision.
EPS = np.finfo(np.float64).eps
#: Share of the largest variance by which the last axis that PCA keeps must exceed the next.
GAP = 1e-6

Moves = tuple[np.ndarray, np.ndarray]


class NotCoveredError(ValueError):
    """There is no fast way to the models without some rows, or it cannot be vouched for."""


class Affine(NamedTuple):
    """Features that are an affine function of a base.

    Attributes
    ----------
    base : ndarray of shape (n_rows, n_base)
        ``B``.
    matrix : ndarray of shape (n_base, n_columns)
        ``M``.
    shift : ndarray of shape (n_columns,)
        ``c``.
    moves : callable
        From rows, an array of their positions, to ``dM_i`` and ``dc_i`` of each, of shapes
        (n, n_base, n_columns) and (n, n_columns).
    lift : callable
        From what the transformers' own bases of queries are to their rows of B.
    """

    base: np.ndarray
    matrix: np.ndarray
    shift: np.ndarray
    moves: Callable[[np.ndarray], Moves]
    lift: Callable[[Any], np.ndarray]

    @property
    def features(self) -> np.ndarray:
        """``Z``."""
        return self.base @ self.matrix + self.shift

    def mean_moves(self, rows: np.ndarray, centred: np.ndarray, moves: Moves) -> np.ndarray:
        """How the means of the columns move, shape (n, n_columns)."""
        of_columns = np.einsum("q,nqp->np", self.base.mean(axis=0), moves[0]) + moves[1]
        return of_columns - centred[rows] / len(self.base)


def unmoved(base: np.ndarray) -> Affine:
    """Features that are their own base."""
    n_columns = base.shape[1]

    def moves(rows: np.ndarray) -> Moves:
        return np.zeros((len(rows), n_columns, n_columns)), np.zeros((len(rows), n_columns))

    return Affine(base, np.eye(n_columns), np.zeros(n_columns), moves, lambda other: other)


def side_by_side(parts: Sequence[Affine]) -> Affine:
    """The features of several transformers next to each other."""
    ends = np.cumsum([[0, 0], *(part.matrix.shape for part in parts)], axis=0)
    matrix = np.zeros(ends[-1])
    places = [tuple(map(slice, a, b)) for a, b in pairwise(ends)]
    for part, place in zip(parts, places, strict=True):
        matrix[place] = part.matrix

    def moves(rows: np.ndarray) -> Moves:
        whole, shift = np.zeros((len(rows), *matrix.shape)), np.zeros((len(rows), ends[-1, 1]))
        for part, place in zip(parts, places, strict=True):
            whole[(slice(None), *place)], shift[:, place[1]] = part.moves(rows)
        return whole, shift

    return Affine(
        np.hstack([part.base for part in parts]),
        matrix,
        np.concatenate([part.shift for part in parts]),
        moves,
        lambda other: np.hstack([p.lift(own) for p, own in zip(parts, other, strict=True)]),
    )


def imputed(base: np.ndarray, fill: np.ndarray, follows_rows: bool) -> Affine:
    """Missing values as the mean of the others, which follows the rows, or as a constant.

    The base holds the values, 0 for missing ones, and which are missing.
    """
    missing = np.isnan(base)
    n_known = (~missing).sum(axis=0)
    n_columns = base.shape[1]
    each = np.arange(n_columns)

    def lift(other: np.ndarray) -> np.ndarray:
        absent = np.isnan(other)
        return np.hstack([np.where(absent, 0, other), absent])

    def moves(rows: np.ndarray) -> Moves:
        matrix = np.zeros((len(rows), 2 * n_columns, n_columns))
        if follows_rows:
            errors = np.where(missing[rows], 0, base[rows] - fill)
            matrix[:, n_columns + each, each] = -errors / n_known
        return matrix, np.zeros((len(rows), n_columns))

    matrix = np.vstack([np.eye(n_columns), np.diag(fill)])
    return Affine(lift(base), matrix, np.zeros(n_columns), moves, lift)


def varying(n_rows: int, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Which columns vary by more than rounding, as scikit-learn has it."""
    return variance > n_rows * EPS * variance + (n_rows * mean * EPS) ** 2


def standardised(given: Affine, by_mean: bool, by_spread: bool) -> Affine:
    """Columns less their mean (``by_mean``) over their standard deviation (``by_spread``)."""
    features = given.features
    mean = features.mean(axis=0)
    centred = features - mean
    variance = np.mean(centred**2, axis=0)
    varies = varying(len(centred), mean, variance) & by_spread
    shift, scale = by_mean * mean, np.sqrt(np.where(varies, variance, 1))
    of_base = (given.base - given.base.mean(axis=0)).T @ centred / len(centred)

    def columns(rows: np.ndarray, moves: Moves) -> Moves:
        move = given.mean_moves(rows, centred, moves) if by_mean else np.zeros_like(moves[1])
        wider = 2 * np.einsum("nqp,qp->np", moves[0], of_base)
        wider -= (centred[rows] ** 2 - variance) / len(centred)
        return move, np.where(varies, wider / (2 * np.where(varies, variance, 1)), 0)

    return _scaled(given, shift, scale, columns)


def stretched(given: Affine, low: float, high: float) -> Affine:
    """Columns between their least and their largest value, which become two numbers."""
    features, edges = given.features, _Edges(given)
    least, most = features.min(axis=0), features.max(axis=0)
    length = np.where(most - least < 10 * EPS, 1.0, most - least)
    scale = length / (high - low)

    def columns(rows: np.ndarray, moves: Moves) -> Moves:
        lower, upper = edges.least(rows, moves), edges.most(rows, moves)
        longer = np.where(most - least >= 10 * EPS, upper - lower, 0) / length
        return lower - low * scale * longer, longer

    return _scaled(given, least - low * scale, scale, columns)


def divided(given: Affine) -> Affine:
    """Columns over their largest absolute value."""
    features, edges = given.features, _Edges(given)
    size = np.abs(features).max(axis=0)
    scale, is_low = (
        np.where(size < 10 * EPS, 1.0, size),
        -features.min(axis=0) >= features.max(axis=0),
    )

    def columns(rows: np.ndarray, moves: Moves) -> Moves:
        lower, upper = edges.least(rows, moves), edges.most(rows, moves)
        return np.zeros_like(lower), np.where(is_low, -lower, upper) * (size >= 10 * EPS) / scale

    return _scaled(given, np.zeros(len(scale)), scale, columns)


class _Edges:
    """How the least and the largest value of columns move."""

    def __init__(self, given: Affine):
        self.given = given
        order = np.argsort(given.features, axis=0)
        self.low, self.high = order[:2], order[::-1][:2]

    def least(self, rows: np.ndarray, moves: Moves) -> np.ndarray:
        """Of the least one, shape (n, n_columns)."""
        return self._moved(self.low, rows, moves)

    def most(self, rows: np.ndarray, moves: Moves) -> np.ndarray:
        """Of the largest one, shape (n, n_columns)."""
        return self._moved(self.high, rows, moves)

    def _moved(self, extreme, rows, moves):
        (first, second), features = extreme, self.given.features
        each = np.arange(features.shape[1])
        along = np.einsum("pq,nqp->np", self.given.base[first], moves[0]) + moves[1]
        jump = features[second, each] - features[first, each]
        return along + np.where(rows[:, None] == first, jump, 0)


def _scaled(
    given: Affine,
    shift: np.ndarray,
    scale: np.ndarray,
    columns: Callable[[np.ndarray, Moves], Moves],
) -> Affine:
    """``(Z - shift) / scale``, with the moves of the shift and, relative to it, of the scale."""
    matrix, constant = given.matrix / scale, (given.shift - shift) / scale

    def moves(rows: np.ndarray) -> Moves:
        before = given.moves(rows)
        move, longer = columns(rows, before)
        return (
            before[0] / scale - matrix * longer[:, None],
            (before[1] - move) / scale - constant * longer,
        )

    return Affine(given.base, matrix, constant, moves, given.lift)


def projected(given: Affine, n_components: int, whitens: bool) -> Affine:
    """The first principal components."""
    features = given.features
    mean = features.mean(axis=0)
    centred, n_rows = features - mean, len(features)
    covariance = centred.T @ centred / (n_rows - 1)
    variances, axes = np.linalg.eigh(covariance)
    variances, axes = variances[::-1], axes[:, ::-1]
    gaps = variances[:n_components] - variances[:, None]
    limit = GAP * variances[0]
    if (gaps[n_components:] <= limit).any():
        raise NotCoveredError("the last axis that PCA keeps is hardly told from the next one")
    # Axes that are kept may turn into one another: no penalty minds.
    turns = np.divide(1, gaps, out=np.zeros_like(gaps), where=np.abs(gaps) > limit)
    kept, sizes = axes[:, :n_components], variances[:n_components]
    length = np.sqrt(sizes) if whitens else np.ones(n_components)
    of_base = (given.base - given.base.mean(axis=0)).T @ centred / (n_rows - 1)
    own = centred @ axes

    def moves(rows: np.ndarray) -> Moves:
        before = given.moves(rows)
        half = np.einsum("nqp,qr->npr", before[0], of_base)
        spread = axes.T @ (half + half.swapaxes(1, 2)) @ kept
        at = own[rows]
        spread -= at[:, :, None] * at[:, None, :n_components] / (n_rows - 1)
        each = np.arange(n_components)
        spread[:, each, each] += sizes / (n_rows - 1)
        turned = axes @ (spread * turns)
        if whitens:
            turned = (
                turned / length - kept / length * (spread[:, each, each] / (2 * sizes))[:, None]
            )
        move = given.mean_moves(rows, centred, before)
        matrix = before[0] @ (kept / length) + given.matrix @ turned
        shift = (before[1] - move) @ (kept / length)
        return matrix, shift + np.einsum("p,npk->nk", given.shift - mean, turned)

    to_axes = kept / length
    return Affine(
        given.base, given.matrix @ to_axes, (given.shift - mean) @ to_axes, moves, given.lift
    )
