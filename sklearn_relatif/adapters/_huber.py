"""HuberRegressor, whose scale is a parameter of its fit."""

from __future__ import annotations

from copy import copy

import numpy as np

from ..jacobians import LinearJacobian
from ..losses import ScaledHuber
from ..objectives import LinearObjective
from ._linear import LinearAdapter
from ._registry import register

#: The least scale that scikit-learn lets the fit find.
LEAST_SCALE = 10 * np.finfo(np.float64).eps


class HuberAdapter(LinearAdapter):
    """HuberRegressor: the scale is the intercept of a second output, which has nothing else.

    The fit minimised the sum over the rows of :class:`ScaledHuber`, plus ``alpha |w|^2``, which
    does not count rows.
    """

    how_to_fit_closer = "set a smaller tol and a larger max_iter, and standardise the features"

    def parameters(self, model):
        """Coefficients and the intercept, and below them zeros and the scale."""
        return np.vstack(
            [np.append(model.coef_, model.intercept_), np.append(0 * model.coef_, model.scale_)]
        )

    def restore(self, model, table):
        """A copy with other coefficients and another scale; ``outliers_`` are those of the fit."""
        changed = copy(model)
        (*coef, intercept), (*_, scale) = table
        changed.coef_ = np.array(coef, model.coef_.dtype)
        changed.intercept_ = np.asarray(intercept, np.asarray(model.intercept_).dtype)[()]
        changed.scale_ = np.asarray(scale, np.asarray(model.scale_).dtype)[()]
        return changed

    def reduce(self, model, X, y, sample_weight):
        n_rows = np.count_nonzero(sample_weight)
        if n_rows == 1 or not model.scale_ > LEAST_SCALE:
            raise ValueError(
                f"{type(model).__name__} has found no scale: most rows of these (n_samples="
                f"{n_rows}) are fitted exactly, so that scale_={model.scale_:g} goes to 0, where "
                "there is no optimum to explain."
            )
        weights = self.parameters(model)
        mask = np.ones(weights.shape, X.dtype)
        mask[1, :-1] = 0
        mask[0, -1] = model.fit_intercept
        penalty = np.zeros(weights.shape)
        penalty[0, :-1] = 2 * model.alpha
        return LinearObjective(
            loss=ScaledHuber(model.epsilon),
            weights=weights,
            jacobian=LinearJacobian(X, fit_intercept=True),
            y=y,
            sample_weight=sample_weight,
            penalty=penalty,
            mask=mask,
        )


register("sklearn.linear_model.HuberRegressor", HuberAdapter())
