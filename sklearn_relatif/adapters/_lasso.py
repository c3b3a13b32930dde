"""Least squares with an L1 penalty: by coordinate descent, and at the end of a LARS path."""

from __future__ import annotations

from ..losses import SquaredError
from ..objectives import build_objective
from ._linear import LinearAdapter
from ._registry import register


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
        )

    def strength(self, model) -> tuple[float, float]:
        """The strength ``alpha`` of the penalty, and the share of it that is L1."""
        return model.alpha, model.l1_ratio


class ElasticNetCVAdapter(ElasticNetAdapter):
    """ElasticNetCV, which searches for both."""

    def strength(self, model):
        return model.alpha_, model.l1_ratio_

    def removal_changes_objective(self, model):
        return True


class LassoAdapter(ElasticNetAdapter):
    """Lasso, and LassoLars, which is at its optimum where the LARS path has come to ``alpha``."""

    def strength(self, model):
        return model.alpha, 1.0


class LassoCVAdapter(LassoAdapter):
    """LassoCV, LassoLarsCV and LassoLarsIC, which search for their penalty."""

    def strength(self, model):
        return model.alpha_, 1.0

    def removal_changes_objective(self, model):
        return True


register("sklearn.linear_model.ElasticNet", ElasticNetAdapter())
register("sklearn.linear_model.ElasticNetCV", ElasticNetCVAdapter())
register(["sklearn.linear_model.Lasso", "sklearn.linear_model.LassoLars"], LassoAdapter())
register(
    [f"sklearn.linear_model.{name}" for name in ("LassoCV", "LassoLarsCV", "LassoLarsIC")],
    LassoCVAdapter(),
)
