"""The same objective in the coordinates of the space that its rows span."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from ..jacobians import RowSpaceJacobian, dense_row_space, sparse_row_space
from ._linear import LinearObjective


def reduce_to_row_space(objective: LinearObjective) -> LinearObjective:
    """The same objective in the coordinates of the space that its rows span.

    Sparse features stay sparse: their basis is found from the Gram matrix of the rows, and
    applied through a subset of the rows. Features of a much larger scale than most are coordinates
    of their own, because rows of unit length would hardly differ but for them. Rows that are, at
    unit length, within about 1e-13 of the span of others count as lying in it.

    Parameters
    ----------
    objective : LinearObjective
        Its coefficients may not bear different L2 penalties within an output.

    Returns
    -------
    LinearObjective
        With a Jacobian that has a column a dimension, and the intercept. It maps other rows to
        these coordinates by itself, and parameters back by ``jacobian.expand``.

    Raises
    ------
    ValueError
        If the penalty is not the same in all directions.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.objectives import reduce_to_row_space
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(30, 500)), np.repeat([0, 1], 15)
    >>> objective = reduce_estimator(LogisticRegression().fit(X, y), X, y, np.ones(30))
    >>> reduced = reduce_to_row_space(objective)
    >>> objective.shape, reduced.shape
    ((1, 501), (1, 31))
    >>> np.allclose(reduced.jacobian.expand(reduced.weights), objective.weights)
    True
    """
    obstacle = objective.sizes().row_space_obstacle
    if obstacle is not None:
        raise ValueError(
            f"solver='woodbury' cannot be used, because {obstacle}; use solver='auto'."
        )
    X, n_features = objective.jacobian.X, objective.jacobian.X.shape[1]
    space, coordinates = sparse_row_space(X) if sparse.issparse(X) else dense_row_space(X)
    tables = [objective.weights, np.broadcast_to(objective.slope, objective.shape)]
    n_found = space.n_dimensions
    n_most = min(n_features, X.shape[0] + len(space.heavy) + sum(map(len, tables)))
    space.add([table[:, :n_features] for table in tables], np.finfo(X.dtype).eps ** (2 / 3))
    # No row has a component along what the parameters add.
    coordinates = np.pad(coordinates, ((0, 0), (0, space.n_dimensions - n_found)))
    coordinates = coordinates.astype(X.dtype, copy=False)
    n_spare = n_most - space.n_dimensions
    jacobian = RowSpaceJacobian(coordinates, objective.jacobian.fit_intercept, space, n_spare)

    def stretch(table):
        """The one value of the coefficients of an output, and that of its intercept."""
        same = np.repeat(table[:, :1], space.n_dimensions, axis=1)
        return np.hstack([same, table[:, n_features:]])

    return replace(
        objective,
        jacobian=jacobian,
        weights=jacobian.project(objective.weights),
        penalty=stretch(objective.penalty),
        slope=jacobian.project(tables[1]) if np.ndim(objective.slope) else objective.slope,
        mask=None if objective.mask is None else stretch(objective.mask),
    )
