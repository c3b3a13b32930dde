"""The KKT matrix of the free rows of a support vector machine, as rows join and leave."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

#: Changes that a factored KKT system may carry before they are merged.
MAX_TERMS = 64


@dataclass(frozen=True)
class KKTSystem:
    """The KKT matrix of the free rows and its inverse, which grow and shrink by one row.

    What was added is kept apart from the matrices of the beginning, and what left stays in
    them, unused: an object never changes, and all removals share the matrices of the start.
    """

    matrix: np.ndarray
    inverse: np.ndarray
    added: np.ndarray  # Further rows of the matrix.
    vectors: np.ndarray  # The inverse changed by the sum over t of
    weights: np.ndarray  # weights[t] * outer(vectors[t], vectors[t]).
    places: np.ndarray  # Where the rows that are present stand.

    @classmethod
    def of(cls, matrix, inverse=None):
        """A system with all its rows in one matrix."""
        n = len(matrix)
        inverse = np.linalg.inv(matrix) if inverse is None else inverse
        none = np.zeros((0, n))
        return cls(matrix, inverse, none, none, np.zeros(0), np.arange(n))

    def solve(self, right):
        """The inverse times a vector."""
        placed, n = self._placed(right), len(self.matrix)
        product = (self.weights * (self.vectors @ placed)) @ self.vectors
        product[:n] += self.inverse @ placed[:n]
        return product[self.places]

    def multiply(self, vector):
        """The matrix times a vector."""
        placed, n = self._placed(vector), len(self.matrix)
        product = placed[n:] @ self.added
        product[:n] += self.matrix @ placed[:n]
        product[n:] = self.added @ placed
        return product[self.places]

    def without(self, index):
        """The system without one of its rows."""
        system = self._merged_if_long()
        place, n = system.places[index], len(system.matrix)
        column = (system.weights * system.vectors[:, place]) @ system.vectors
        if place < n:
            column[:n] += system.inverse[place]
        return replace(
            system,
            vectors=np.vstack([system.vectors, column]),
            weights=np.append(system.weights, -1 / column[place]),
            places=np.delete(system.places, index),
        )

    def bordered(self, border, corner, response, distance):
        """The system with one more row.

        Parameters
        ----------
        border : ndarray of shape (n,)
            The new row of the matrix.
        corner : float
            Its diagonal element.
        response : ndarray of shape (n,)
            ``-inverse @ border``.
        distance : float
            ``corner + border @ response``.
        """
        system = self._merged_if_long()
        n, n_places = len(system.matrix), system.vectors.shape[1]
        places = np.append(system.places, n_places)
        added = _with_row(system.added, places, np.append(border, corner))
        added[:, -1] = added[-1, n:]
        return replace(
            system,
            added=added,
            vectors=_with_row(system.vectors, places, np.append(response, 1.0)),
            weights=np.append(system.weights, 1 / distance),
            places=places,
        )

    def renewed(self):
        """The same system, its inverse computed anew."""
        return KKTSystem.of(self._merged_matrix())

    def _placed(self, vector):
        placed = np.zeros(self.vectors.shape[1])
        placed[self.places] = vector
        return placed

    def _merged_if_long(self):
        if len(self.weights) < MAX_TERMS:
            return self
        n = len(self.matrix)
        inverse = (self.vectors.T * self.weights) @ self.vectors
        inverse[:n, :n] += self.inverse
        return KKTSystem.of(self._merged_matrix(), inverse[np.ix_(self.places, self.places)])

    def _merged_matrix(self):
        n, n_places = len(self.matrix), self.vectors.shape[1]
        matrix = np.empty((n_places, n_places))
        matrix[:n, :n] = self.matrix
        matrix[n:] = self.added
        matrix[:, n:] = self.added.T
        return matrix[np.ix_(self.places, self.places)]


def _with_row(rows, places, entries):
    """Rows with one more column, of zeros, and one more row, that has entries at places."""
    grown = np.zeros((rows.shape[0] + 1, rows.shape[1] + 1))
    grown[:-1, :-1] = rows
    grown[-1, places] = entries
    return grown
