"""Least squares, with and without a penalty, of one target or several."""

from __future__ import annotations

from ..losses import SquaredError
from ..objectives import build_objective
from ._linear import LinearAdapter
from ._registry import register


class RidgeAdapter(LinearAdapter):
    """Ridge: ``sum_i s_i e_i^2 / 2 + alpha / 2 * |w|^2`` for each target."""

    how_to_fit_closer = "a smaller tol, a larger max_iter, or solver='svd' or 'cholesky'"

    def reduce(self, model, X, y, sample_weight):
        if model.positive:
            raise ValueError(
                "Ridge with positive=True cannot be explained; fit it with positive=False."
            )
        parameters = self.penalised(model, l2=model.alpha)
        loss = SquaredError(len(parameters.weights))
        return build_objective(loss, *parameters, X, y, sample_weight, model.fit_intercept)


register("sklearn.linear_model.Ridge", RidgeAdapter())
