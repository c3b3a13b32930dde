"""The remover of an objective, by what it declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..objectives import Objective
from ._base import Remover
from ._hinge import HingeRemover
from ._moments import MomentsRemover
from ._smooth import SmoothRemover
from .active_set import hinge_machine


def _refused(*_: Any) -> Remover:
    raise ValueError(
        "The model is not linear in its parameters: what it is without some rows does not follow "
        "from its tangent. Use order='first', or retrain_without, which fits it again."
    )


#: By the ``removal_kind`` of an objective. Each takes it, its Hessian or None, and ``n_jobs``.
REMOVERS: dict[str, Callable[..., Remover]] = {
    "smooth": lambda objective, curvature, _: SmoothRemover.of(objective, curvature),
    "hinge": lambda objective, _, n_jobs: HingeRemover(hinge_machine(objective, n_jobs)),
    "active_set": lambda objective, *_: HingeRemover(objective.machine),
    "moments": lambda objective, *_: MomentsRemover(objective),
    "none": _refused,
}


def remover_of(objective: Objective, curvature: Any = None, n_jobs: int | None = None) -> Remover:
    """What leads to the models without some of the rows of an objective.

    Parameters
    ----------
    objective : Objective
    curvature : Curvature, optional
        Its Hessian without damping, where that is at hand. None: computed where it is needed.
    n_jobs : int, optional
        For models that scikit-learn fits again.

    Returns
    -------
    Remover
        At the optimum of all rows.

    Raises
    ------
    ValueError
        If the Hessian is not positive definite, a hinge machine bears an L1 penalty, or the model
        is not linear in its parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.removal import remover_of
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> remover = remover_of(reduce_estimator(model, X, y, np.ones(150)))
    >>> removals = [np.array([0]), np.array([70, 77])]
    >>> (models,) = remover.models_without(removals, order="retrain")
    >>> models.parameter_change().round(3)
    array([0.005, 0.435])
    """
    return REMOVERS[objective.removal_kind](objective, curvature, n_jobs)
