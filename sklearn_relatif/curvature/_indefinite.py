"""What to do where a Hessian is not positive definite, found out and tried."""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from ._cholesky import factorise_block, least_pivot, restore

#: Up to this size all eigenvalues are found; beyond, the smallest one to this relative accuracy.
SMALL = 1000
ACCURACY = 1e-2
#: Steps to it, at most.
MAX_STEPS = 300
#: By how much more than an eigenvalue is added, and by how much this grows until it does.
MARGIN, GROWTH = 1.05, 1.3
MAX_GROWTHS = 60


def refusal_of(block, diagonal, damping) -> str:
    """Why a factorisation failed, and the damping with which it does not.

    Parameters
    ----------
    block : ndarray of shape (size, size)
        As the factorisation left it.
    diagonal : ndarray of shape (size,)
        What was its diagonal.
    damping : float
        What of it was added.
    """
    restore(block, diagonal)
    smallest, enough = _smallest_of_matrix(block) - damping, damping
    added = MARGIN * max(-smallest - damping, np.finfo(block.dtype).eps * diagonal.max())
    for _ in range(MAX_GROWTHS):
        restore(block, diagonal)
        enough = rounded_up(damping + added)
        np.einsum("ii->i", block)[...] += enough - damping
        if factorise_block(block)[1] >= least_pivot(len(block), block.dtype):
            break
        added *= GROWTH
    return _sentence(smallest, f"damping={enough:g} makes it so")


def refusal_by_products(total) -> str:
    """The same where there are but products: the damping is more than the eigenvalue says.

    Parameters
    ----------
    total : TangentOperator
    """
    operator = LinearOperator(
        (total.n_params,) * 2, lambda v: total.multiply(v.reshape(1, -1))[0], dtype=np.float64
    )
    smallest = _smallest(operator) - total.damping
    return _sentence(smallest, f"damping={rounded_up(-MARGIN * smallest):g} should make it so")


def rounded_up(number) -> float:
    """A number with two digits that is not smaller."""
    step = 10.0 ** (np.floor(np.log10(number)) - 1)
    return float(f"{np.ceil(number / step) * step:.2g}")


def _sentence(smallest, cure):
    return (
        "The Hessian of this network is not positive definite, as training seldom ends where it "
        f"is: its smallest eigenvalue without damping is {smallest:.2g}. {cure}; "
        "curvature='gauss_newton' is never below zero and takes any damping, and is what networks "
        "are mostly explained by."
    )


def _smallest_of_matrix(block):
    """The smallest eigenvalue of a matrix of which both triangles are there."""
    if len(block) <= SMALL:
        return float(np.linalg.eigvalsh(block)[0])
    (symv,) = blas.get_blas_funcs(("symv",), (block,))
    operator = LinearOperator(
        block.shape, lambda v: symv(1.0, block.T, v.ravel(), lower=1), dtype=block.dtype
    )
    return _smallest(operator)


def _smallest(operator):
    """The smallest eigenvalue, as near as Lanczos comes to it from above."""
    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    try:
        values = eigsh(
            operator,
            1,
            which="SA",
            v0=start,
            tol=ACCURACY,
            maxiter=MAX_STEPS,
            return_eigenvectors=False,
        )
        return float(values[0])
    except ArpackNoConvergence:
        vector = start / np.linalg.norm(start)
        return float(vector @ operator.matvec(vector))
