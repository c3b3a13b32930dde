"""LinearSVR, with the penalised intercept of liblinear."""

from __future__ import annotations

import numpy as np

from ..losses import EpsilonInsensitive, SquaredEpsilonInsensitive
from ..objectives import HingeObjective, build_objective
from ._linear import LinearAdapter
from ._margin import MARGIN_ROUNDINGS
from ._registry import register


class LinearSVRAdapter(LinearAdapter):
    """LinearSVR with either loss; that with hinges is explained as LinearSVC is."""

    how_to_fit_closer = "a smaller tol, a larger max_iter, or standardised features and targets"

    def reduce(self, model, X, y, sample_weight):
        parameters = self.penalised(model, 1 / model.C, 0.0, model.intercept_scaling)
        shared = (*parameters, X, y, sample_weight, model.fit_intercept)
        if model.loss == "squared_epsilon_insensitive":
            return build_objective(SquaredEpsilonInsensitive(model.epsilon), *shared)
        loss = EpsilonInsensitive(model.epsilon, tube_slack(y, model.tol, X.dtype))
        return build_objective(loss, *shared, kind=HingeObjective)


def tube_slack(y, tol, dtype) -> float:
    """How far from its end of the tube a row may be that lies on it.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Targets, whose size the tolerance of the solver refers to.
    tol : float or None
    dtype : dtype
        Precision of the features.
    """
    size = np.abs(y)
    return max((tol or 0.0) * size.mean(), MARGIN_ROUNDINGS * np.finfo(dtype).eps * size.max())


register("sklearn.svm.LinearSVR", LinearSVRAdapter())
