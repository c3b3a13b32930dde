"""Generalised linear models: PoissonRegressor, GammaRegressor and TweedieRegressor."""

from __future__ import annotations

from ..losses import IdentityLink, LogLink, PoissonDeviance, TweedieDeviance
from ..objectives import build_objective
from ._linear import LinearAdapter
from ._registry import register
from ._targets import BoundedTargets


class GLMAdapter(LinearAdapter):
    """Of estimators that minimise the mean of half a unit deviance and ``alpha / 2 |w|^2``.

    In the sum form the penalty is ``alpha`` times the sum of the weights, so that it counts rows:
    each takes its share of it along when it is removed, as it does from a fit at the same
    ``alpha``.
    """

    how_to_fit_closer = (
        "set solver='newton-cholesky' and a smaller tol, or standardise the features"
    )

    def loss(self, model):
        """The deviance that a model minimises, in its link."""
        raise NotImplementedError

    def targets(self, model):
        return BoundedTargets(self.loss(model).targets, type(model).__name__)

    def reduce(self, model, X, y, sample_weight):
        total = sample_weight.sum()
        penalised = self.penalised(model, l2=model.alpha * total)
        objective = build_objective(
            self.loss(model),
            *penalised,
            X,
            y,
            sample_weight,
            model.fit_intercept,
            penalty_share=sample_weight / total,
        )
        check_means(objective)
        return objective


class PoissonAdapter(GLMAdapter):
    """PoissonRegressor."""

    def loss(self, model):
        return PoissonDeviance(LogLink())


class GammaAdapter(GLMAdapter):
    """GammaRegressor, whose Hessian is not what the model expects of it: a row has ``y / mu``."""

    def loss(self, model):
        return TweedieDeviance(2, LogLink())


class TweedieAdapter(GLMAdapter):
    """TweedieRegressor of all powers and links.

    Its objective is convex with a log link and powers from 1 to 2, and with an identity link and
    the powers 0 and 1. With others, an optimum is a local one, and so are those without rows: they
    are what a fit finds that starts at the optimum of all rows.
    """

    def loss(self, model):
        has_log = model.link == "log" or (model.link == "auto" and model.power > 0)
        return TweedieDeviance(model.power, LogLink() if has_log else IdentityLink())


def check_means(objective):
    """Refuse a fit that gives training rows a mean that their distribution does not have."""
    counted = objective.sample_weight > 0
    means = objective.loss.link.inverse(objective.training_predictor[counted, 0])
    n_outside = int((~objective.loss.means.contains(means)).sum())
    if n_outside:
        raise ValueError(
            f"The model gives {n_outside} of its training rows a mean outside of "
            f"{objective.loss.means}, where its deviance does not exist: it is no optimum. Fit it "
            "with link='log', which leads to no such mean."
        )


register("sklearn.linear_model.PoissonRegressor", PoissonAdapter())
register("sklearn.linear_model.GammaRegressor", GammaAdapter())
register("sklearn.linear_model.TweedieRegressor", TweedieAdapter())
