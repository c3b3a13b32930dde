"""Directions of the parameters that neither the rows nor the penalty sees."""

from __future__ import annotations

import numpy as np
from scipy import linalg, sparse

#: So many parameters without a penalty are searched for directions, where predictors are not linear
#: in them.
FEW = 1000


def null_space(objective, n_blocks, unpenalised):
    """Directions that no training row and no penalty sees, per block of a curvature.

    A duplicated, constant or empty column leaves such directions when its coefficients
    are not penalised. Row gradients have no component along them.

    Parameters
    ----------
    objective : LinearObjective
    n_blocks : int
        Of the curvature: as many as there are outputs, or 1.
    unpenalised : bool
        True if the curvature leaves the penalty out (Fisher).

    Returns
    -------
    directions : list of ndarray of shape (size, n_null), one a block
        What of them :func:`held` holds is orthonormal.
    """
    n_outputs, n_columns = objective.shape
    if objective.coupling is not None and not unpenalised:
        return [_along_lengths(objective, _gram(objective, np.arange(n_columns)))]
    is_free = np.ones(objective.shape, bool)
    if objective.mask is not None:
        is_free &= objective.mask > 0
    if not unpenalised:
        is_free &= objective.penalty == 0
    columns = np.flatnonzero(is_free.any(axis=0))
    gram, per_output = _gram(objective, columns), []
    for free in is_free[:, columns]:
        null = _of_gram(gram[np.ix_(free, free)])
        basis = np.zeros((n_columns, null.shape[1]))
        basis[columns[free]] = null
        per_output.append(
            _orthonormal_in_coefficients(basis) if _leaves_intercept(objective) else basis
        )
    return per_output if n_blocks == n_outputs else [linalg.block_diag(*per_output)]


def tangent_null_space(total, parameters) -> np.ndarray:
    """The same of some parameters of a model that is not linear in them.

    Among those are the gauge of a softmax's intercepts and all that leads to a unit that is zero
    for every row. More than a thousand parameters without a penalty are not searched.

    Parameters
    ----------
    total : TangentOperator
    parameters : slice

    Returns
    -------
    ndarray of shape (n_parameters, n_null)
        Orthonormal.
    """
    ridge = total.ridge[0, parameters]
    free = np.flatnonzero(ridge == 0)
    if not 0 < len(free) <= FEW:
        return np.zeros((len(ridge), 0))
    units = np.zeros((len(free), total.n_params), total.objective.dtype)
    units[np.arange(len(free)), parameters.start + free] = 1
    null = _of_gram(total.seen(units)[:, parameters][:, free].astype(np.float64), units.dtype)
    if total.is_bent and null.size:
        bent = total.bent(null.T.astype(units.dtype) @ units)
        _, sizes, ways = linalg.svd(bent.T, full_matrices=False)
        size_of_whole = max(np.abs(total.diagonal()).max(), np.finfo(units.dtype).tiny)
        null = null @ ways[sizes < np.sqrt(np.finfo(units.dtype).eps) * size_of_whole].T
    basis = np.zeros((len(ridge), null.shape[1]))
    basis[free] = null
    return basis


def _along_lengths(objective, gram):
    """Those of a penalty on lengths, which sees all but changes that are along the coefficients."""
    n_outputs, n_columns = objective.shape
    bears_none = (objective.penalty == 0).all(axis=0)
    along = np.flatnonzero(bears_none & (objective.length_penalty > 0))
    free = np.flatnonzero(bears_none & (objective.length_penalty == 0))
    ways = np.zeros((n_outputs, n_columns, len(along) + n_outputs * len(free)))
    units = objective.slope[:, along] / objective.length_penalty[along]
    ways[:, along, np.arange(len(along))] = units
    for k in range(n_outputs):
        ways[k, free, len(along) + k * len(free) + np.arange(len(free))] = 1
    null = _of_gram(np.einsum("kim,ij,kjn->mn", ways, gram, ways, optimize=True))
    return ways.reshape(n_outputs * n_columns, -1) @ null


def held(objective, directions):
    """What of some directions solutions must have no component of, in the same form.

    Of all parameters that the rows do not tell apart, those of a fit are of the least norm, from
    which an objective may leave the intercept out.
    """
    if not _leaves_intercept(objective):
        return directions
    is_coefficient = np.ones(objective.shape)
    is_coefficient[:, -1] = 0
    parts = is_coefficient.reshape(len(directions), -1, 1)
    return [part * own for part, own in zip(parts, directions, strict=True)]


def _leaves_intercept(objective):
    return objective.leaves_intercept and bool(objective.jacobian.fit_intercept)


def _orthonormal_in_coefficients(basis):
    """A basis of the same space that is orthonormal but for the intercept, the last row."""
    if not basis.size:
        return basis
    (triangle,) = linalg.qr(basis[:-1], mode="r")
    return linalg.solve_triangular(triangle[: basis.shape[1]], basis.T, trans="T").T


def _gram(objective, columns):
    """``sum_i x~_i x~_i^T`` of some columns of the rows that count."""
    gram = np.zeros((len(columns),) * 2)
    is_whole = len(columns) == objective.jacobian.n_columns
    for rows in objective.blocks(objective.jacobian.n_columns):
        counts = objective.sample_weight[rows] > 0
        x = objective.jacobian.product_block(rows)
        x = x if is_whole else x[:, columns]
        x = (x if counts.all() else x[counts]).astype(np.float64, copy=False)
        product = x.T @ x
        gram += product.toarray() if sparse.issparse(product) else product
    return gram


def _of_gram(gram, dtype=np.float64):
    """Orthonormal null directions of a Gram matrix, judged with its columns at unit length.

    It is known to the precision of a dtype.
    """
    lengths = np.sqrt(np.diag(gram))
    seen = lengths > 0
    scaled = gram[np.ix_(seen, seen)] / lengths[seen, None] / lengths[seen]
    values, vectors = np.linalg.eigh(scaled)
    # Eigenvalues are known to some eps: as much as the factorisation asks of its pivots.
    limit = 10 * np.sqrt(len(gram)) * np.finfo(dtype).eps * values.max(initial=1)
    null = vectors[:, values < limit]
    basis = np.zeros((len(gram), null.shape[1]))
    if null.size:
        basis[seen] = linalg.orth(null / lengths[seen, None])
    return np.hstack([np.eye(len(gram))[:, ~seen], basis])
