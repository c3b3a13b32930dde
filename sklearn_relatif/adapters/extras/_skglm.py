"""skglm: Lasso, WeightedLasso, ElasticNet, SparseLogisticRegression, and its generic estimator."""

from __future__ import annotations

import numpy as np
from sklearn.base import clone

from ...losses import (
    Huber,
    LogLink,
    LogLoss,
    PoissonDeviance,
    SquaredError,
    TweedieDeviance,
    binary_codebook,
)
from ...objectives import build_objective
from .._linear import LinearAdapter
from .._targets import BoundedTargets, ClassTargets, RealTargets

#: Losses by the names of datafits, each the mean over the rows.
LOSSES = {
    "Quadratic": lambda datafit: SquaredError(),
    "Huber": lambda datafit: Huber(float(datafit.delta)),
    "Poisson": lambda datafit: PoissonDeviance(LogLink()),
    "Gamma": lambda datafit: TweedieDeviance(2, LogLink()),
    "Logistic": lambda datafit: LogLoss(binary_codebook()),
}
#: Strengths of L2 and L1 by the names of penalties.
PENALTIES = {
    "L1": lambda penalty: (0.0, penalty.alpha),
    "L2": lambda penalty: (penalty.alpha, 0.0),
    "L1_plus_L2": lambda penalty: (
        penalty.alpha * (1 - penalty.l1_ratio),
        penalty.alpha * penalty.l1_ratio,
    ),
    "WeightedL1": lambda penalty: (0.0, penalty.alpha * np.asarray(penalty.weights)),
}


class SkglmAdapter(LinearAdapter):
    """The mean of a loss over the rows and a penalty, of which each row takes its share along."""

    has_several_targets = False
    how_to_fit_closer = "a smaller tol, a larger max_iter, or standardised features"

    def loss(self, model):
        """What the fit minimised the mean of."""
        return SquaredError()

    def strengths(self, model):
        """Of the L2 and the L1 penalty, for all columns or each."""
        return 0.0, model.alpha

    def is_positive(self, model):
        return model.positive

    def reduce(self, model, X, y, sample_weight):
        if self.is_positive(model):
            raise ValueError(
                f"{type(model).__name__} with positive=True cannot be explained: removals do not "
                "follow coefficients that bounds hold. Fit it with positive=False."
            )
        if np.ndim(model.intercept_) > 1 or len(np.atleast_2d(model.coef_)) > 1:
            raise ValueError(
                f"{type(model).__name__} of several classes or targets cannot be explained: put a "
                "OneVsRestClassifier of scikit-learn around it."
            )
        total, shape = sample_weight.sum(), (1, X.shape[1])
        l2, l1 = (total * np.broadcast_to(p, shape) for p in self.strengths(model))
        parameters = self.penalised(model, l2, l1)
        return build_objective(
            self.loss(model),
            *parameters,
            X,
            y,
            sample_weight,
            self.has_intercept(model),
            penalty_share=sample_weight / total,
        )

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Fits on the rows that are left: skglm takes no weights."""
        everyone = np.arange(len(y))
        kept = [np.setdiff1d(everyone, rows) for rows in removals]
        return [clone(model).fit(X[rows], y[rows]) for rows in kept]


class WeightedLassoAdapter(SkglmAdapter):
    def strengths(self, model):
        weights = 1.0 if model.weights is None else np.asarray(model.weights, np.float64)
        return 0.0, model.alpha * weights


class ElasticNetAdapter(SkglmAdapter):
    def strengths(self, model):
        return model.alpha * (1 - model.l1_ratio), model.alpha * model.l1_ratio


class SparseLogisticAdapter(ElasticNetAdapter):
    def loss(self, model):
        return LogLoss(binary_codebook())

    def is_positive(self, model):
        return False


class GenericAdapter(SkglmAdapter):
    """GeneralizedLinearEstimator, by the names of its datafit and its penalty.

    scikit-learn cannot clone it: it is explained by ``from_fitted``.
    """

    def has_intercept(self, model):
        return model.solver.fit_intercept

    def targets(self, model):
        name = type(model.datafit).__name__
        if name == "Logistic":
            return ClassTargets(model.classes_)
        if name in ("Poisson", "Gamma"):
            return BoundedTargets(self.loss(model).targets, name)
        return RealTargets()

    def loss(self, model):
        return _of_name(LOSSES, model.datafit, "datafit")(model.datafit)

    def strengths(self, model):
        return _of_name(PENALTIES, model.penalty, "penalty")(model.penalty)

    def is_positive(self, model):
        return getattr(model.penalty, "positive", False)


def _of_name(table, part, what):
    name = type(part).__name__
    if name not in table:
        raise ValueError(
            f"The {what} {name} of skglm cannot be explained; those that can are "
            f"{', '.join(table)}."
        )
    return table[name]


ADAPTERS = {
    "skglm.estimators.Lasso": SkglmAdapter(),
    "skglm.estimators.WeightedLasso": WeightedLassoAdapter(),
    "skglm.estimators.ElasticNet": ElasticNetAdapter(),
    "skglm.estimators.SparseLogisticRegression": SparseLogisticAdapter(),
    "skglm.estimators.GeneralizedLinearEstimator": GenericAdapter(),
}
