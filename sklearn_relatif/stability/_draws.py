"""How often each row is in a resample of the data."""

from __future__ import annotations

import numpy as np


def multinomial_draws(counts: np.ndarray, n_draws: int, random: np.random.RandomState):
    """Rows drawn with replacement, as many as there are, each time independently.

    Parameters
    ----------
    counts : ndarray of bool, shape (n_rows,)
        Which rows there are; the others are never drawn.
    n_draws : int
    random : RandomState

    Yields
    ------
    ndarray of shape (n_rows,), float64
        How often each row was drawn.
    """
    rows = np.flatnonzero(counts)
    for _ in range(n_draws):
        drawn = rows[random.randint(len(rows), size=len(rows))]
        yield np.bincount(drawn, minlength=len(counts)).astype(np.float64)


def balanced_draws(counts: np.ndarray, n_draws: int, random: np.random.RandomState):
    """The same, where each row is drawn equally often in all of the draws together.

    Each draw by itself is as any other, but what is linear in the draws has no error in its mean
    (Davison, Hinkley & Schechtman, Efficient bootstrap simulation, Biometrika 73, 1986).

    Parameters
    ----------
    counts, n_draws, random
        As of :func:`multinomial_draws`.

    Yields
    ------
    ndarray of shape (n_rows,), float64
    """
    rows = np.flatnonzero(counts).astype(np.int32)
    drawn = random.permutation(np.tile(rows, n_draws)).reshape(n_draws, len(rows))
    for own in drawn:
        yield np.bincount(own, minlength=len(counts)).astype(np.float64)
