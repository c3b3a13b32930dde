"""Which rows are equal to each other, and whether by chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import poisson

from ._predictors import RowKeys

#: Equal pairs are called copies if they are more than so many times those to be expected by
#: chance, and more than chance would give once in a hundred tables.
TIMES_CHANCE, LEVEL = 3, 0.01
#: Share of the different values of an only column from which on its repetitions are copies, and
#: not values that many rows have.
MOSTLY_DIFFERENT = 0.5


class Repeats(NamedTuple):
    """Which training rows are equal to each other.

    Attributes
    ----------
    group : ndarray of int, shape (n_rows,)
        The same for equal rows.
    sizes : ndarray of int, shape (n_groups,)
    first : ndarray of int, shape (n_groups,)
        The first row of each group.
    n_by_chance : float
        Pairs of equal rows that are to be expected where cells coincide by chance.
    are_copies : bool
        Whether there are many more.
    """

    group: np.ndarray
    sizes: np.ndarray
    first: np.ndarray
    n_by_chance: float
    are_copies: bool

    @property
    def n_repeating(self) -> int:
        """How many rows repeat an earlier one."""
        return len(self.group) - len(self.sizes)

    @property
    def repeating(self) -> np.ndarray:
        """These rows, those of the largest groups first."""
        rows = np.setdiff1d(np.arange(len(self.group)), self.first)
        return rows[np.argsort(-self.sizes[self.group[rows]], kind="stable")]


def repeats_of(keys: RowKeys) -> Repeats:
    """Which rows are equal to each other.

    Parameters
    ----------
    keys : RowKeys
    """
    _, first, group, sizes = np.unique(
        keys.of_rows, return_index=True, return_inverse=True, return_counts=True
    )
    return Repeats(group, sizes, first, *equal_by_chance(keys))


def equal_by_chance(keys: RowKeys, others: RowKeys | None = None) -> tuple[float, bool]:
    """Pairs of equal rows to be expected by chance, and whether there are many more.

    Of the pairs of rows that agree in all columns but one, chance makes as large a share agree in
    that one too as of all pairs. Copies agree in all columns without others that agree in all but
    one. Of the columns, that one counts by which chance gives most.

    Parameters
    ----------
    keys : RowKeys
    others : RowKeys, default=None
        Of the rows that the former are paired with. None: with each other.
    """
    n_equal, most = _n_pairs(keys.of_rows, others and others.of_rows), 0.0
    if n_equal == 0:
        return most, False
    if len(keys.of_columns) == 1:
        return most, len(np.unique(keys.of_rows)) >= MOSTLY_DIFFERENT * len(keys.of_rows)
    n_rows = len(keys.of_rows)
    n_all = n_rows * (n_rows - 1) / 2 if others is None else n_rows * len(others.of_rows)
    for name, column in keys.of_columns.items():
        other = others and others.of_columns[name]
        n_agreeing = _n_pairs(column, other)
        rest = others and others.of_rows - other
        n_but_one = _n_pairs(keys.of_rows - column, rest) - n_equal
        if n_agreeing < n_all:
            most = max(most, n_but_one * n_agreeing / (n_all - n_agreeing))
    is_chance = most > 0 and poisson.sf(n_equal - 1, most) >= LEVEL
    return most, n_equal > TIMES_CHANCE * most and not is_chance


def _n_pairs(keys, others=None):
    """How many pairs of rows have the same key, in a table or between two."""
    values, counts = np.unique(keys, return_counts=True)
    if others is None:
        return int(np.sum(counts * (counts - 1) // 2))
    more, more_counts = np.unique(others, return_counts=True)
    _, here, there = np.intersect1d(values, more, assume_unique=True, return_indices=True)
    return int(np.sum(counts[here] * more_counts[there]))
