"""Least squares with an L1 penalty or on some features: by coordinate descent, LARS, and OMP."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LassoLars,
    MultiTaskElasticNet,
    MultiTaskLasso,
    OrthogonalMatchingPursuit,
)

from ..losses import SquaredError
from ..objectives import GroupedObjective, build_objective
from ._chosen import given
from ._least_squares import LinearRegressionAdapter
from ._linear import LinearAdapter
from ._registry import register

#: Where a path of LARS ends, as a share of the slope that it starts at.
AT_THE_END = 1e-10


class ElasticNetAdapter(LinearAdapter):
    """ElasticNet, whose penalty is multiplied by the weight of the rows.

    With ``S = sum_i s_i`` and each target on its own, it minimised::

        sum_i s_i e_i^2 / 2 + S alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2)
    """

    how_to_fit_closer = "a tol of 1e-8 or less, a larger max_iter, and standardised features"

    def reduce(self, model, X, y, sample_weight):
        alpha, ratio = self.strength(model)
        total = sample_weight.sum()
        parameters = self.penalised(model, total * alpha * (1 - ratio), total * alpha * ratio)
        return build_objective(
            SquaredError(len(parameters.weights)),
            *parameters,
            X,
            y,
            sample_weight,
            model.fit_intercept,
            penalty_share=sample_weight / total,
            positive=model.positive,
        )

    def strength(self, model) -> tuple[float, float]:
        """The strength ``alpha`` of the penalty, and the share of it that is L1."""
        return model.alpha, model.l1_ratio


class ChosenElasticNet:
    """What a search for the strength of a penalty and its L1 share has chosen."""

    def strength(self, model):
        return model.alpha_, model.l1_ratio_

    def removal_changes_objective(self, model):
        return True

    def chosen(self, model):
        return {"alpha": float(model.alpha_), "l1_ratio": float(model.l1_ratio_)}


class ChosenLasso(ChosenElasticNet):
    """What a search for the strength of an L1 penalty has chosen."""

    def strength(self, model):
        return model.alpha_, 1.0

    def chosen(self, model):
        return {"alpha": float(model.alpha_)}


class ElasticNetCVAdapter(ChosenElasticNet, ElasticNetAdapter):
    """ElasticNetCV, which searches for both."""

    def held(self, model):
        return given(ElasticNet, model, precompute=False, **self.chosen(model))


class LassoAdapter(ElasticNetAdapter):
    """Lasso, and LassoLars, which is at its optimum where the LARS path has come to ``alpha``."""

    def strength(self, model):
        return model.alpha, 1.0


class LassoCVAdapter(ChosenLasso, LassoAdapter):
    """LassoCV, which searches for its penalty."""

    def held(self, model):
        return given(Lasso, model, precompute=False, **self.chosen(model))


class LassoPathAdapter(LassoCVAdapter):
    """LassoLarsCV and LassoLarsIC.

    LassoLarsIC ends where its path turns, with a feature at zero that is about to enter. What
    removals do to first order, or by a step, is told with the features that are in; retraining
    lets others enter.
    """

    def held(self, model):
        return given(LassoLars, model, **self.chosen(model))


class MultiTaskAdapter(ElasticNetAdapter):
    """MultiTaskElasticNet, whose L1 penalty is one on the lengths of the targets' coefficients.

    With ``w_j`` the coefficients of feature j for all targets, it minimised::

        sum_i s_i |e_i|^2 / 2 + S alpha (l1_ratio sum_j |w_j| + (1 - l1_ratio) / 2 |w|^2)
    """

    def reduce(self, model, X, y, sample_weight):
        alpha, ratio = self.strength(model)
        total = sample_weight.sum()
        parameters = self.penalised(model, total * alpha * (1 - ratio))
        objective = build_objective(
            SquaredError(len(parameters.weights)),
            *parameters,
            X,
            y,
            sample_weight,
            model.fit_intercept,
            penalty_share=sample_weight / total,
        )
        return GroupedObjective.of(objective, total * alpha * ratio) if ratio else objective


class MultiTaskLassoAdapter(MultiTaskAdapter):
    """MultiTaskLasso."""

    def strength(self, model):
        return model.alpha, 1.0


class MultiTaskCVAdapter(ChosenElasticNet, MultiTaskAdapter):
    """MultiTaskElasticNetCV, which searches for its penalty."""

    def held(self, model):
        return given(MultiTaskElasticNet, model, **self.chosen(model))


class MultiTaskLassoCVAdapter(ChosenLasso, MultiTaskAdapter):
    """MultiTaskLassoCV, which searches for its penalty."""

    def held(self, model):
        return given(MultiTaskLasso, model, **self.chosen(model))


class SupportAdapter(LinearRegressionAdapter):
    """OrthogonalMatchingPursuit: least squares on the features that it has chosen.

    Which these are is held for all rows; the estimator's own fit on fewer may choose others.
    """

    how_to_fit_closer = "features of similar scales, without columns that are next to the same"

    def reduce(self, model, X, y, sample_weight):
        objective = super().reduce(model, X, y, sample_weight)
        return objective.on_support(self.parameters(model)[:, : X.shape[1]] != 0)

    def removal_changes_objective(self, model):
        return True


class SupportCVAdapter(SupportAdapter):
    """OrthogonalMatchingPursuitCV, which searches for the number of features."""

    def chosen(self, model):
        return {"n_nonzero_coefs": int(model.n_nonzero_coefs_)}

    def held(self, model):
        return given(OrthogonalMatchingPursuit, model, **self.chosen(model))


class LarsAdapter(SupportAdapter):
    """Lars and LarsCV, at the end of their path: least squares on all features that came in."""

    def reduce(self, model, X, y, sample_weight):
        objective = super().reduce(model, X, y, sample_weight)
        paths = model.alphas_ if isinstance(model.alphas_, list) else [model.alphas_]
        alpha = max(path[-1] for path in paths)
        start = replace(objective, weights=np.zeros_like(objective.weights))
        if alpha > AT_THE_END * np.abs(start.gradient()).max(initial=0):
            raise ValueError(
                f"{type(model).__name__} stopped on its path before least squares (at "
                f"alpha={alpha:.3g}), where its coefficients are the "
                "optimum of nothing, so that there is no derivative to explain them by. Use "
                "LassoLars or LassoLarsCV, or OrthogonalMatchingPursuit for a number of features; "
                "or have n_nonzero_coefs no less than the number of features."
            )
        return objective


register("sklearn.linear_model.ElasticNet", ElasticNetAdapter())
register("sklearn.linear_model.ElasticNetCV", ElasticNetCVAdapter())
register(["sklearn.linear_model.Lasso", "sklearn.linear_model.LassoLars"], LassoAdapter())
register("sklearn.linear_model.LassoCV", LassoCVAdapter())
register(
    ["sklearn.linear_model.LassoLarsCV", "sklearn.linear_model.LassoLarsIC"], LassoPathAdapter()
)
register("sklearn.linear_model.MultiTaskElasticNet", MultiTaskAdapter())
register("sklearn.linear_model.MultiTaskLasso", MultiTaskLassoAdapter())
register("sklearn.linear_model.MultiTaskElasticNetCV", MultiTaskCVAdapter())
register("sklearn.linear_model.MultiTaskLassoCV", MultiTaskLassoCVAdapter())
register("sklearn.linear_model.Lars", LarsAdapter())  # And LarsCV, which is derived from it.
register("sklearn.linear_model.OrthogonalMatchingPursuit", SupportAdapter())
register("sklearn.linear_model.OrthogonalMatchingPursuitCV", SupportCVAdapter())
