"""What every Jacobian of a finite number of parameters promises."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ._dense import dense_jacobian
from ._promises import promise, same

#: Roundings of the features' precision: of sums over hundreds of rows, of products with them.
ROUNDINGS = 1e3
#: Units of the square of their step by which central differences of predictors are off.
TANGENT = 1e3


def check_jacobian(jacobian: Any, weights: np.ndarray, *, tolerance: float | None = None) -> None:
    """Hold a Jacobian of a finite number of parameters to its protocol.

    The reference are the Jacobians of all rows, each written out as :meth:`apply` has it.

    - ``apply`` is the derivative of the ``predictor`` in the parameters.
    - ``adjoint`` is its transpose, and ``gradients`` are what each row adds to that, of
      ``n_values`` numbers. ``products`` are inner products with them, and ``lengths`` theirs.
    - All of this is the same for some of the rows, whether they are asked for or taken.
    - ``factors``, if there are any, multiply to the Jacobians.
    - ``bend``, if the Jacobian ``is_bent``, is the derivative of ``adjoint`` in the parameters.

    Parameters
    ----------
    jacobian : FiniteJacobian
    weights : ndarray of shape (n_outputs, n_columns) or (1, n_params)
        The parameters at which it is taken, in the form that its ``predictor`` takes.
    tolerance : float, default=None
        Share of the largest number by which sums may be off. None: a thousand roundings of the
        precision of the rows, as sums over hundreds of rows have.

    Raises
    ------
    AssertionError
        That names the promise that is broken.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_relatif.jacobians import LinearJacobian
    >>> from sklearn_relatif.testing import check_jacobian
    >>> rng = np.random.default_rng(0)
    >>> jacobian = LinearJacobian(rng.normal(size=(20, 3)), fit_intercept=True)
    >>> check_jacobian(jacobian, rng.normal(size=(2, 4)))
    """
    if tolerance is None:
        tolerance = rounding(jacobian.dtype)
    dense = dense_jacobian(jacobian, weights.size)
    _check_tangents(jacobian, weights, dense)
    for rows in (slice(None), slice(1, len(dense) // 2), np.arange(0, len(dense), 3)):
        _check_rows(jacobian, jacobian[rows], rows, dense[rows], tolerance)
    some = slice(1, len(dense) // 2)
    if jacobian.can_be_split:
        _check_rows(jacobian, jacobian.part(some), some, dense[some], tolerance)
    factors = jacobian.factors(some)
    if factors is not None:
        layers = [_kronecker(b, a, dense.shape[1]) for b, a in factors]
        outer = np.concatenate(layers, axis=2)
        same(outer, dense[some], tolerance, "factors multiply to the Jacobian")
    if jacobian.is_bent:
        _check_bend(jacobian, weights, dense.shape)


def rounding(dtype: Any) -> float:
    """The error that sums over rows of a precision may have."""
    return float(ROUNDINGS * np.finfo(dtype).eps)


def difference_step(dtype: Any) -> float:
    """Step at which central differences of a predictor in a precision are most accurate."""
    return float(np.cbrt(np.finfo(dtype).eps))


def _check_tangents(jacobian: Any, weights: np.ndarray, dense: np.ndarray) -> None:
    step = difference_step(jacobian.dtype)
    vector = np.random.default_rng(0).normal(size=weights.shape)
    ahead, behind = (jacobian.predictor(weights + side * vector) for side in (step, -step))
    text = "apply is the derivative of the predictor"
    same((ahead - behind) / (2 * step), dense @ vector.ravel(), TANGENT * step**2, text)


def _check_bend(jacobian: Any, weights: np.ndarray, shape: tuple[int, ...]) -> None:
    """Second derivatives, of all rows and of some."""
    rng, step = np.random.default_rng(2), difference_step(jacobian.dtype)
    vectors = rng.normal(size=(2, weights.size)).astype(jacobian.dtype)
    residual = rng.normal(size=(shape[0], shape[1])).astype(jacobian.dtype)
    for rows in (slice(None), slice(1, shape[0] // 2)):
        bent = [
            jacobian.moved(weights + side * vector.reshape(weights.shape)).adjoint(
                residual[rows][:, None], rows
            )
            for vector in vectors
            for side in (step, -step)
        ]
        expected = (np.concatenate(bent[::2]) - np.concatenate(bent[1::2])) / (2 * step)
        text = "bend is the derivative of adjoint"
        same(jacobian.bend(residual[rows], vectors, rows), expected, TANGENT * step**2, text)


def _check_rows(jacobian: Any, taken: Any, rows: Any, dense: np.ndarray, tolerance: float) -> None:
    """Some of the rows, as the Jacobian of all has them and as one of their own does."""
    n_rows, n_outputs, n_params = dense.shape
    promise(taken.n_rows == n_rows, "a Jacobian of some rows has these")
    rng, dtype = np.random.default_rng(1), jacobian.dtype
    vectors = rng.normal(size=(3, n_params)).astype(dtype)
    residuals = rng.normal(size=(n_rows, 2, n_outputs)).astype(dtype)
    moved = np.einsum("nkp,mp->nmk", dense, vectors)
    pulled = np.einsum("nmk,nkp->mp", residuals, dense)
    residual = residuals[:, 0]
    gradients = np.einsum("nk,nkp->np", residual, dense)
    for own, some in ((jacobian, rows), (taken, slice(0, n_rows))):
        same(own.apply(vectors, some), moved, tolerance, "apply is the same for some of the rows")
        block = own.gradients(residual, some)
        same(block, gradients, tolerance, "gradients are J^T r")
        text = "gradients of several residuals are those of each"
        same(own.gradients_of(residuals, some)[:, 0], gradients, tolerance, text)
        same(own.adjoint(residuals, some), pulled, tolerance, "adjoint is the transpose of apply")
        promise(block.shape[1] == own.n_values(n_outputs), "gradients have n_values numbers")
        if isinstance(some, slice):
            text = "products are inner products with gradients"
            for few in (vectors, vectors[:1]):
                same(own.products(few, residual, some), few @ gradients.T, tolerance, text)
            lengths = np.linalg.norm(gradients, axis=1)
            same(own.lengths(block, some), lengths, tolerance, "lengths are those of gradients")


def _kronecker(b: Any, a: Any, n_outputs: int) -> np.ndarray:
    a = a.toarray() if sparse.issparse(a) else a
    b = np.broadcast_to(np.eye(n_outputs), (len(a), n_outputs, n_outputs)) if b is None else b
    return np.einsum("nks,nc->nksc", b, a).reshape(len(a), n_outputs, -1)
