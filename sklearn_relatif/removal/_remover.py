"""The remover of an objective, by what it declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..objectives import Objective
from ._base import Remover
from ._composed import ComposedRemover
from ._dual import DualRemover
from ._grouped import GroupedRemover
from ._hinge import HingeRemover
from ._leaves import LeafRemover
from ._moments import MomentsRemover
from ._network import NetworkRemover
from ._smooth import SmoothRemover
from .active_set import hinge_machine


def _refused(*_: Any) -> Remover:
    raise ValueError(
        "The model is not linear in its parameters: what it is without some rows does not follow "
        "from its tangent. Use order='first', or retrain_without, which fits it again."
    )


def _composed(objective: Any, _: Any, n_jobs: int | None, damping: float) -> Remover:
    each = [remover_of(own.objective, None, n_jobs, damping) for own in objective.members]
    return ComposedRemover(objective, each)


#: By the ``removal_kind`` of an objective. Each takes it, its Hessian or None, ``n_jobs`` and the
#: damping.
REMOVERS: dict[str, Callable[..., Remover]] = {
    "smooth": lambda objective, curvature, *_: SmoothRemover.of(objective, curvature),
    "grouped": lambda objective, *_: GroupedRemover(objective),
    "hinge": lambda objective, _, n_jobs, __: HingeRemover(hinge_machine(objective, n_jobs)),
    "active_set": lambda objective, *_: HingeRemover(objective.machine),
    "dual": lambda objective, *_: DualRemover(objective),
    "moments": lambda objective, *_: MomentsRemover(objective),
    "network": lambda objective, _, *options: NetworkRemover(objective, *options),
    "leaves": lambda objective, _, n_jobs, __: LeafRemover(objective, n_jobs),
    "composed": _composed,
    "none": _refused,
}


def remover_of(
    objective: Objective, curvature: Any = None, n_jobs: int | None = None, damping: float = 0.0
) -> Remover:
    """What leads to the models without some of the rows of an objective.

    Parameters
    ----------
    objective : Objective
    curvature : Curvature, optional
        Its Hessian without damping, where that is at hand. None: computed where it is needed.
    n_jobs : int, optional
        For models that scikit-learn fits again, and networks.
    damping : float, default=0.0
        Of the proximal Bregman response of networks.

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
    return REMOVERS[objective.removal_kind](objective, curvature, n_jobs, damping)


def remover_from(
    objective: Any, curvature: Any, kind: str, damping: float, n_jobs: int | None = None
) -> Remover:
    """The remover of an objective that is explained by a curvature, in its coordinates.

    It starts from the optimum, whatever curvature and damping the criterion uses, and may have
    other columns than the objective, where an L1 penalty has others active.

    Parameters
    ----------
    objective : Objective
    curvature : Curvature
    kind : str
        The name of that.
    damping : float
    n_jobs : int, optional
    """
    if objective.members:
        both = zip(objective.members, curvature.members, strict=True)
        each = [remover_from(own.objective, inner, kind, damping, n_jobs) for own, inner in both]
        return ComposedRemover(objective, each)
    own = None
    if objective.removal_kind == "smooth":
        objective, own = curvature.coordinates(objective)
        own = own if kind == "hessian" and damping == 0 and own.is_exact else None
        if objective.dtype != np.float64:  # In which a small difference would be rounding.
            objective, own = objective.astype(np.float64), None
        if objective.dtype != np.float64:  # The device has no other.
            objective = objective.on_host.astype(np.float64)
    return remover_of(objective, own, n_jobs, damping)
