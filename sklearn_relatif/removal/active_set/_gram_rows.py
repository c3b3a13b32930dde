"""The rows of a Gram matrix that are needed, and no others."""

from __future__ import annotations

import numpy as np

#: Rows of the Gram matrix that are computed at once.
BATCH = 128


class GramRows:
    """Rows of the training Gram matrix: computed when asked for, stored when they are loaded.

    Attributes
    ----------
    largest : ndarray of shape (n_rows,)
        Largest absolute entry of each column so far.
    """

    def __init__(self, compute, n_rows):
        self._compute = compute
        self._slots = np.full(n_rows, -1)
        self._store = np.empty((0, n_rows))
        self._n_stored = 0
        self.largest = np.zeros(n_rows)

    def compute(self, rows):
        """Rows of the matrix, shape (n, n_rows), not stored."""
        stored = self._slots[rows] >= 0
        if stored.all():
            return self._store[self._slots[rows]]
        computed = np.asarray(self._compute(rows), dtype=np.float64)
        np.maximum(self.largest, np.abs(computed).max(axis=0), out=self.largest)
        return computed

    def product(self, rows, coefficients):
        """``coefficients @ matrix``, where coefficients vanish outside some rows."""
        total = np.zeros_like(coefficients)
        for some in np.array_split(rows, len(rows) // BATCH + 1):
            total += coefficients[..., some] @ self.compute(some)
        return total

    def load(self, rows):
        missing = rows[self._slots[rows] < 0]
        needed = self._n_stored + len(missing)
        if needed > len(self._store):
            store = np.empty((max(needed, 2 * len(self._store)), len(self._slots)))
            store[: self._n_stored] = self._store[: self._n_stored]
            self._store = store
        self._store[self._n_stored : needed] = self.compute(missing)
        self._slots[missing] = np.arange(self._n_stored, needed)
        self._n_stored = needed

    def __getitem__(self, row):
        if self._slots[row] < 0:
            self.load(np.array([row]))
        return self._store[self._slots[row]]

    def block(self, rows):
        """Matrix between loaded rows."""
        return self._store[np.ix_(self._slots[rows], rows)]

    def diagonal(self, rows):
        """Diagonal of the matrix at loaded rows."""
        return self._store[self._slots[rows], rows]

    def combine(self, rows, coefficients):
        """``coefficients @ matrix[rows]`` for loaded rows, without a copy of them."""
        weights = np.zeros(self._n_stored)
        weights[self._slots[rows]] = coefficients
        return weights @ self._store[: self._n_stored]
