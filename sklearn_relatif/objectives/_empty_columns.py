"""The same objective without the features that are zero in all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..jacobians import PresentColumnsJacobian, empty_columns
from ._linear import LinearObjective

#: Share of the features that is worth a copy of the others.
WORTH_A_COPY = 0.05


def without_empty_columns(objective: LinearObjective) -> LinearObjective:
    """The same objective without the features that are zero in all rows, if these are many.

    Features of which a coefficient is not zero stay: predictions of other rows depend on them.

    Parameters
    ----------
    objective : LinearObjective
        Without parameters that an L1 penalty or a bound holds at zero.

    Returns
    -------
    LinearObjective
        The same object if its features are sparse, stored, coordinates of a space, or hardly any
        of them, or all, empty. Otherwise its Jacobian maps other rows, and parameters back by
        ``jacobian.expand``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.objectives import without_empty_columns
    >>> X, y = np.random.default_rng(0).normal(size=(30, 4)), np.repeat([0, 1], 15)
    >>> X[:, 1] = 0
    >>> objective = reduce_estimator(LogisticRegression().fit(X, y), X, y, np.ones(30))
    >>> without_empty_columns(objective).jacobian.columns
    array([0, 2, 3])
    """
    jacobian = objective.jacobian
    if jacobian.is_reduced or not jacobian.loads_views(jacobian.dtype):
        return objective
    empty = empty_columns(jacobian)
    # Each by itself: a slope may make up for a coefficient.
    for table in (objective.weights, objective.penalty_gradient()):
        empty = empty[~table[:, empty].any(axis=0)]
    is_worth_it = len(empty) >= max(1, WORTH_A_COPY * jacobian.n_features)
    if not is_worth_it or len(empty) == jacobian.n_features:
        return objective
    present = np.delete(np.arange(jacobian.n_features), empty)
    reduced = PresentColumnsJacobian.of(jacobian, present)
    return replace(
        objective,
        jacobian=reduced,
        weights=reduced.project(objective.weights),
        penalty=reduced.project(objective.penalty),
        slope=reduced.project(objective.slope) if np.ndim(objective.slope) else objective.slope,
    )
