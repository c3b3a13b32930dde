"""Gradients of rows: a residual times the Jacobian of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..utils._blocks import block_budget
from ._base import Jacobian


class Gradients:
    """Unit gradients ``J_i^T u_i`` of rows, with the length ``norm_i`` of each residual.

    Directions and lengths are kept apart, because a row that the model fits perfectly still
    has a direction when its length underflows. A row whose gradient is zero by definition
    (weight 0, no support vector) has a zero direction.

    Parameters
    ----------
    jacobian : Jacobian
    unit : ndarray of shape (n_rows, n_outputs)
        Unit residuals.
    norm : ndarray of shape (n_rows,)
        Residual lengths.

    Attributes
    ----------
    n_rows : int
    dtype : dtype
    n_values : int
        Numbers that a row takes in a block.
    are_vectors, is_dense, is_costly, can_be_split : bool
    place : Place or None
        As the Jacobian has them.
    """

    def __init__(self, jacobian: Jacobian, unit: np.ndarray, norm: np.ndarray) -> None:
        self.jacobian = jacobian
        self.unit = unit
        self.norm = norm
        self.n_rows, n_outputs = unit.shape
        self.dtype = unit.dtype
        self.n_values = jacobian.n_values(n_outputs)
        self.are_vectors = jacobian.are_vectors
        self.is_dense = jacobian.is_dense
        self.is_costly = jacobian.is_costly
        self.can_be_split = jacobian.can_be_split
        self.place = jacobian.place

    @property
    def block_bytes(self) -> float:
        """Bytes that a block of gradients may take where it is."""
        return block_budget() if self.place is None else self.place.block_bytes()

    def scaled(self, factors: np.ndarray) -> Gradients:
        """Rows whose directions are multiplied with a factor each."""
        return Gradients(self.jacobian, self.unit * factors[:, None], self.norm)

    @property
    def pieces(self) -> tuple[Jacobian, np.ndarray, np.ndarray]:
        """What it is made of."""
        return self.jacobian, self.unit, self.norm

    def part(self, rows: slice) -> Gradients:
        """Some of the rows, given by a slice."""
        return Gradients(self.jacobian.part(rows), self.unit[rows], self.norm[rows])

    def block(self, rows: Any) -> Any:
        """Unit gradients of some rows, afresh: of shape (n, n_values) if they are vectors."""
        return self.jacobian.gradients(self.unit[rows], rows)

    def lengths(self, rows: slice, block: Any) -> np.ndarray:
        """Lengths of gradients, given as a block that belongs to ``rows``."""
        return self.jacobian.lengths(block, rows)

    def contract(self, block: Any, rows: slice) -> np.ndarray:
        """Inner products of a block with the unit gradients of some rows, (len(block), n)."""
        return self.jacobian.products(block, self.unit[rows], rows)

    def n_formed(self, n_vectors: int) -> int:
        """Numbers that :meth:`contract` forms of each row, besides the products."""
        return self.jacobian.n_formed(n_vectors, self.unit.shape[1])
