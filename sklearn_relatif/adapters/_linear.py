"""What adapters of linear models share: tables of coefficients, and what penalties these bore."""

from __future__ import annotations

from copy import copy
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from ._base import Adapter
from ._targets import RealTargets, Targets


class Parameters(NamedTuple):
    """Coefficients and penalties, one row a class score, each of shape (n_scores, n_columns)."""

    weights: np.ndarray
    l2: np.ndarray
    l1: np.ndarray


class LinearAdapter(Adapter):
    """Of estimators with ``coef_`` and, by ``fit_intercept``, ``intercept_``.

    A regressor has as many targets as rows of coefficients. For instance that of ridge regression,
    which minimised half the sum of squared errors and ``alpha / 2`` times the sum of squared
    coefficients::

        class RidgeAdapter(LinearAdapter):
            def reduce(self, model, X, y, sample_weight):
                parameters = self.penalised(model, l2=model.alpha)
                loss = SquaredError(len(parameters.weights))
                return build_objective(loss, *parameters, X, y, sample_weight, model.fit_intercept)


        register("sklearn.linear_model.Ridge", RidgeAdapter())
    """

    has_several_targets = True
    takes_arrays = True

    def targets(self, model: Any) -> Targets:
        """Those of a regressor are as many as it has rows of coefficients."""
        targets = super().targets(model)
        return targets if targets.has_classes else RealTargets(len(_coefficients(model)))

    def has_intercept(self, model: Any) -> bool:
        """Whether a model has an intercept besides its coefficients."""
        return bool(model.fit_intercept)

    def parameters(self, model: Any) -> np.ndarray:
        """Coefficients, sparse or not, with the intercept last."""
        coef = _coefficients(model)
        return np.column_stack([coef, model.intercept_]) if self.has_intercept(model) else coef

    def restore(self, model: Any, table: np.ndarray) -> Any:
        """A copy with other coefficients."""
        changed = copy(model)
        n_scores, n_features = _coefficients(model).shape
        # A softmax of two classes keeps the scores of the second (scikit-learn before 1.8).
        table = table[-n_scores:]
        changed.coef_ = table[:, :n_features].reshape(model.coef_.shape).astype(model.coef_.dtype)
        if self.has_intercept(model):
            intercept = np.asarray(model.intercept_)
            changed.intercept_ = table[:, -1].astype(intercept.dtype).reshape(intercept.shape)[()]
        return changed

    def penalised(
        self, model: Any, l2: Any, l1: Any = 0.0, intercept_scaling: float = np.inf
    ) -> Parameters:
        """The parameters of a fitted model, and the penalty that each one bore.

        Parameters
        ----------
        model : fitted linear model
        l2, l1 : float or ndarray of shape (n_scores,) or (n_scores, n_features)
            Penalties of the coefficients in the sum form, ``l2/2 * w**2 + l1 * abs(w)``.
        intercept_scaling : float, default=inf
            liblinear treats the intercept as the coefficient of a column of this value, and
            penalises it. Infinity: no penalty on the intercept.
        """
        weights, shape = self.parameters(model), _coefficients(model).shape
        tables = (p if np.ndim(p) == 2 else np.reshape(p, (-1, 1)) for p in (l2, l1))
        l2, l1 = (np.broadcast_to(table, shape) for table in tables)
        if self.has_intercept(model):
            l2 = np.column_stack([l2, l2[:, :1] / intercept_scaling**2])
            l1 = np.column_stack([l1, l1[:, :1] / intercept_scaling])
        return Parameters(weights, l2, l1)


def _coefficients(model: Any) -> np.ndarray:
    """Coefficients of a fitted linear model, sparse or not, a row a class score."""
    coef = model.coef_.toarray() if sparse.issparse(model.coef_) else model.coef_
    return np.atleast_2d(coef)
