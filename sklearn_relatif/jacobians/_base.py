"""What every Jacobian can be asked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..utils._arrays import Place, on_host, row_products
from ..utils._threads import CACHED_BYTES


class Jacobian:
    """How the predictors ``eta_i`` of rows depend on the parameters: ``J_i = d eta_i / d theta``.

    Gradients are ``g_i = J_i^T r_i``. All of them at once would often be too large a matrix; they
    come in blocks of rows, and what a block is made of is the business of the Jacobian: an array
    where :attr:`are_vectors`, something opaque in the feature space of a kernel.

    Attributes
    ----------
    n_rows : int
    dtype : dtype
        Precision of products with the rows.
    are_vectors : bool
        Whether blocks of gradients are arrays of shape (n, n_values).
    is_dense : bool
        Whether such a block is formed at no cost beside products with it.
    is_costly : bool
        Whether forming a gradient takes as long as hundreds of products with it, so that the rows
        are gone through as seldom as memory allows.
    can_be_split : bool
        Whether a part of the rows does without the others, so that it can be sent elsewhere.
    place : Place or None
        The library and the device that blocks of gradients are arrays of; None for NumPy. What
        comes of a single row is NumPy's in any case.
    """

    n_rows: int
    dtype: Any
    are_vectors = False
    is_dense = False
    is_costly = False
    can_be_split = True
    place: Place | None = None

    @property
    def on_host(self) -> Any:
        """The same Jacobian with NumPy's blocks."""
        return self

    @property
    def n_products(self) -> float:
        """Products of two features that a row has, on average; infinite unless they are sparse."""
        return np.inf

    @property
    def bytes_at_once(self) -> int:
        """Bytes of the rows that a thread works on: what stays in its cache."""
        return CACHED_BYTES

    def n_values(self, n_outputs: int) -> int:
        """Numbers that a gradient takes in a block."""
        raise NotImplementedError

    def n_formed(self, n_vectors: int, n_outputs: int) -> int:
        """Numbers that :meth:`products` forms of each row, besides the products."""
        return self.n_values(n_outputs)

    def __getitem__(self, rows: Any) -> Jacobian:
        """Some of the rows, in memory."""
        raise NotImplementedError

    def part(self, rows: slice) -> Jacobian:
        """Some of the rows, where they are."""
        return self[rows]

    def gradients(self, residual: np.ndarray, rows: Any) -> Any:
        """A fresh block ``J_i^T r_i`` of some rows; ``residual`` has shape (n, n_outputs)."""
        raise NotImplementedError

    def products(self, block: Any, residual: np.ndarray, rows: slice) -> np.ndarray:
        """Inner products of a block with the gradients of some rows, shape (len(block), n)."""
        raise NotImplementedError

    def lengths(self, block: Any, rows: slice) -> np.ndarray:
        """Lengths of the gradients in a block that belongs to some rows, shape (n,)."""
        raise NotImplementedError

    def n_beside(self, n_outputs: int) -> int:
        """Parameters of the user's features that it leaves out, as no training row has these."""
        return 0

    def weighted_lengths(
        self, residual: np.ndarray, roots: list[np.ndarray]
    ) -> list[np.ndarray] | None:
        """Lengths of all gradients with each of their numbers multiplied by that of a root.

        Parameters
        ----------
        residual : ndarray of shape (n_rows, n_outputs)
        roots : list of ndarray of shape (n_params,)

        Returns
        -------
        list of ndarray of shape (n_rows,), or None
            None where blocks of whole gradients are as good a way.
        """
        return None


class FiniteJacobian(Jacobian):
    """A Jacobian for a finite number P of parameters, which are one vector or several (m, P).

    A subclass gives :meth:`apply`, :meth:`gradients`, :meth:`predictor`, :meth:`at` and
    :meth:`__getitem__`, and its number of parameters unless it knows :meth:`n_values` otherwise.

    Attributes
    ----------
    n_params : int
    n_spare : int
        How many columns more there could be with the same rows, and other labels and weights.
    needs_rows : bool
        Whether other rows are mapped by what they have in common with the training rows.
    is_bent : bool
        Whether predictors have second derivatives in the parameters, and these are known.
    """

    n_params: int
    are_vectors = True
    n_spare = 0
    needs_rows = False
    is_bent = False

    @property
    def parameter_blocks(self) -> list[slice]:
        """The parameters that belong together, which an approximation keeps together."""
        return [slice(0, self.n_params)]

    @property
    def layer_shapes(self) -> list[tuple[int, int]]:
        """Sizes of B and of a of each of the blocks, where :meth:`factors` answers; else none."""
        return []

    @property
    def n_between(self) -> int:
        """Numbers that lie between a row and its predictors, for each vector of a product."""
        return self.n_params

    def n_values(self, n_outputs: int) -> int:
        """Numbers that a gradient takes in a block."""
        return self.n_params

    def apply(self, vectors: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """``J_i v`` of some rows for each row v of the vectors, shape (n, m, n_outputs)."""
        raise NotImplementedError

    def adjoint(self, residual: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """``sum_i J_i^T r_im`` over some rows, from (n, m, n_outputs) to (m, P)."""
        each = [self.gradients(one, rows).sum(axis=0) for one in np.swapaxes(residual, 0, 1)]
        return np.stack(each)

    def gradients_of(self, residuals: np.ndarray, rows: Any) -> Any:
        """``J_i^T r_im`` of some rows for several residuals each, (n, m, n_outputs) to (n, m, P).

        Where what the rows give costs much, gradients of one row share it.
        """
        each = [self.gradients(one, rows) for one in np.swapaxes(residuals, 0, 1)]
        return np.stack(each, axis=1)

    def products(self, block: Any, residual: np.ndarray, rows: slice) -> np.ndarray:
        """Inner products of a block with the gradients of some rows, shape (len(block), n)."""
        products: np.ndarray = on_host(block @ self.gradients(residual, rows).T)
        return products

    def predictor(self, weights: np.ndarray, rows: Any = slice(None)) -> np.ndarray:
        """Predictor of some rows by some parameters, in the precision of the rows.

        Shape (n, n_outputs). The parameters may be others than those of the Jacobian.
        """
        raise NotImplementedError

    def at(self, X: Any) -> FiniteJacobian:
        """The Jacobian of other rows, which are given by the user's features."""
        raise NotImplementedError

    def astype(self, dtype: Any) -> FiniteJacobian:
        """The Jacobian of the same rows in another precision."""
        if np.dtype(dtype) == self.dtype:
            return self
        raise NotImplementedError(f"{type(self).__name__} has one precision, {self.dtype}.")

    def moved(self, weights: np.ndarray) -> FiniteJacobian:
        """The Jacobian of the same rows at other parameters: the same where it is constant."""
        return self

    def bend(
        self, residual: np.ndarray, vectors: np.ndarray, rows: Any = slice(None)
    ) -> np.ndarray:
        """``sum_i sum_k r_ik (d^2 eta_ik / d theta^2) v`` over some rows, shape (m, P).

        What residuals, of shape (n, n_outputs), make of the curvature of the predictors along each
        row v of the vectors. Only where :attr:`is_bent`; elsewhere zeros, which is right where
        predictors are linear in the parameters.
        """
        return np.zeros_like(vectors)

    def factors(self, rows: Any) -> list[tuple[np.ndarray | None, Any]] | None:
        """Pairs (B, a), one a layer l, with ``J_i = [B_i1 ⊗ a_i1^T, B_i2 ⊗ a_i2^T, ...]``.

        ``B`` has shape (n, n_outputs, size), or is None in place of the identity; ``a`` shape
        (n, n_columns). None where the Jacobian has no such form.
        """
        return None

    def lengths(self, block: Any, rows: slice) -> np.ndarray:
        """Lengths of the gradients in a block, shape (n,)."""
        return np.sqrt(row_products(block, block))
