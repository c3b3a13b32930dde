"""The same objective in the coordinates of the space that its rows span."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..jacobians import RowSpaceJacobian
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
    tables = [objective.weights, np.broadcast_to(objective.slope, objective.shape)]
    jacobian = RowSpaceJacobian.of(objective.jacobian, tables)

    def stretch(table):
        """The one value of the coefficients of an output, and that of its intercept."""
        same = np.repeat(table[:, :1], jacobian.n_features, axis=1)
        return np.hstack([same, table[:, objective.jacobian.n_features :]])

    return replace(
        objective,
        jacobian=jacobian,
        weights=jacobian.project(objective.weights),
        penalty=stretch(objective.penalty),
        slope=jacobian.project(tables[1]) if np.ndim(objective.slope) else objective.slope,
        mask=None if objective.mask is None else stretch(objective.mask),
    )
