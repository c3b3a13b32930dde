"""glum: GeneralizedLinearRegressor, and the one that searches for its penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...losses import (
    BinomialDeviance,
    ComplementaryLogLogLink,
    GivenLink,
    IdentityLink,
    Link,
    LogitLink,
    LogLink,
    NegativeBinomialDeviance,
    PowerLink,
    TweedieDeviance,
)
from ...objectives import build_objective
from .._glm import check_means
from .._linear import LinearAdapter
from .._targets import BoundedTargets

LINKS: dict[str, Callable[[Any], Link]] = {
    "IdentityLink": lambda link: IdentityLink(),
    "LogLink": lambda link: LogLink(),
    "LogitLink": lambda link: LogitLink(),
    # Its own second derivative is wrong before glum 3.3.
    "CloglogLink": lambda link: ComplementaryLogLogLink(),
    "TweedieLink": lambda link: _of_power(float(link.power)),
}
DEVIANCES = {
    "NormalDistribution": lambda family, link: TweedieDeviance(0, link),
    "PoissonDistribution": lambda family, link: TweedieDeviance(1, link),
    "GammaDistribution": lambda family, link: TweedieDeviance(2, link),
    "InverseGaussianDistribution": lambda family, link: TweedieDeviance(3, link),
    "TweedieDistribution": lambda family, link: TweedieDeviance(float(family.power), link),
    "BinomialDistribution": lambda family, link: BinomialDeviance(link),
    "NegativeBinomialDistribution": lambda family, link: NegativeBinomialDeviance(
        float(family.theta), link
    ),
}
#: Parameters that hold coefficients together or in bounds, or make other columns of X.
REFUSED = {
    "lower_bounds": "bounds of the coefficients",
    "upper_bounds": "bounds of the coefficients",
    "A_ineq": "inequalities of the coefficients",
    "monotonic_constraints": "monotonic constraints",
    "formula": "columns by a formula",
}


class GlumAdapter(LinearAdapter):
    """The mean of half a unit deviance, and an elastic net of its own strength for each column.

    ``alpha (l1_ratio sum_j P1_j |w_j| + (1 - l1_ratio) / 2 sum_j P2_j w_j^2)``, of which each row
    takes its share along. An offset that its ``fit`` was given is not known: then the model is not
    at the optimum of the rows that are, and a warning says so.
    """

    has_several_targets = False
    how_to_fit_closer = "a smaller gradient_tol, a larger max_iter, or standardised features"

    def targets(self, model):
        return BoundedTargets(self.loss(model).targets, type(model.family_instance).__name__)

    def loss(self, model):
        """The deviance that a model minimises, in its link."""
        family, link = model.family_instance, model.link_instance
        name, kind = type(family).__name__, LINKS.get(type(link).__name__)
        if name not in DEVIANCES:
            raise ValueError(
                f"The family {name} cannot be explained; the families are {', '.join(DEVIANCES)}."
            )
        if kind is not None:
            return DEVIANCES[name](family, kind(link))
        functions = link.inverse, link.inverse_derivative, link.inverse_derivative2
        return DEVIANCES[name](family, GivenLink(*functions))

    def strength(self, model):
        """``alpha`` and ``l1_ratio``; of a path of alphas its last, which ``coef_`` is of."""
        if model.alpha_search:
            raise ValueError(
                "A model with alpha_search=True keeps the coefficients of many penalties; fit the "
                "one to explain with its alpha."
            )
        return model.alpha or 0.0, model.l1_ratio

    def reduce(self, model, X, y, sample_weight):
        _check_parameters(model)
        total, (alpha, ratio) = sample_weight.sum(), self.strength(model)
        l1, l2 = (_of_columns(matrix, X.shape[1]) for matrix in (model.P1, model.P2))
        l2, l1 = total * alpha * (1 - ratio) * l2, total * alpha * ratio * l1
        parameters = self.penalised(model, l2[None], l1[None])
        share, fit_intercept = sample_weight / total, model.fit_intercept
        objective = build_objective(
            self.loss(model), *parameters, X, y, sample_weight, fit_intercept, penalty_share=share
        )
        check_means(objective)
        return objective


class GlumCVAdapter(GlumAdapter):
    """The same at the penalty that the search has found."""

    def strength(self, model):
        return model.alpha_, model.l1_ratio_

    def removal_changes_objective(self, model):
        """Without rows, the search might find another penalty."""
        return True


def _of_power(power):
    """The canonical link of a Tweedie distribution."""
    return {0: IdentityLink, 1: LogLink}.get(power, lambda: PowerLink(1 - power))()


def _check_parameters(model):
    for name, what in REFUSED.items():
        if getattr(model, name, None) is not None:
            raise ValueError(f"{type(model).__name__} with {what} ({name}) cannot be explained.")
    if model.scale_predictors:
        raise ValueError(
            f"{type(model).__name__} with scale_predictors=True cannot be explained: its penalty "
            "depends on the rows. Put a StandardScaler in front of it."
        )


def _of_columns(weights, n_features):
    """What an entry of P1 or P2 is for each column."""
    if weights is None or isinstance(weights, str):
        return np.ones(n_features)
    weights = np.asarray(weights, np.float64)
    if weights.ndim > 1:
        raise ValueError("A matrix P2 couples coefficients, and cannot be explained; pass a row.")
    return np.broadcast_to(weights, n_features)


ADAPTERS = {
    "glum.GeneralizedLinearRegressor": GlumAdapter(),
    "glum.GeneralizedLinearRegressorCV": GlumCVAdapter(),
}
