"""statsmodels: results of OLS, WLS, Logit, Probit, Poisson and GLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

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
from .._base import Adapter, KeptData
from .._glm import check_means
from .._linear import LinearAdapter
from .._targets import BoundedTargets

#: The family of a model that has no other, by the name of its class.
FAMILIES = {
    "OLS": lambda families: families.Gaussian(),
    "WLS": lambda families: families.Gaussian(),
    "Logit": lambda families: families.Binomial(),
    "Probit": lambda families: families.Binomial(families.links.Probit()),
    "Poisson": lambda families: families.Poisson(),
}
#: Results without a penalty, by the names of their classes.
RESULTS = {
    "RegressionResultsWrapper",
    "GLMResultsWrapper",
    "BinaryResultsWrapper",
    "PoissonResultsWrapper",
}
LINKS: dict[str, Callable[[Any], Link]] = {
    "Identity": lambda link: IdentityLink(),
    "Log": lambda link: LogLink(),
    "Logit": lambda link: LogitLink(),
    "CLogLog": lambda link: ComplementaryLogLogLink(),
    "Power": lambda link: PowerLink(link.power),
    "Sqrt": lambda link: PowerLink(link.power),
    "InversePower": lambda link: PowerLink(link.power),
    "InverseSquared": lambda link: PowerLink(link.power),
}
DEVIANCES = {
    "Gaussian": lambda family, link: TweedieDeviance(0, link),
    "Poisson": lambda family, link: TweedieDeviance(1, link),
    "Gamma": lambda family, link: TweedieDeviance(2, link),
    "InverseGaussian": lambda family, link: TweedieDeviance(3, link),
    "Tweedie": lambda family, link: TweedieDeviance(family.var_power, link),
    "Binomial": lambda family, link: BinomialDeviance(link),
    "NegativeBinomial": lambda family, link: NegativeBinomialDeviance(family.alpha, link),
}


class StatsmodelsRegressor(RegressorMixin, BaseEstimator):
    """A generalised linear model of statsmodels, as an estimator of scikit-learn.

    Parameters
    ----------
    family : statsmodels.genmod.families.Family
        With its link.
    has_offset : bool, default=False
        Whether the last column of X is an offset: what is added to the predictor, the logarithm of
        an exposure included. Its coefficient is 1.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features_in_,)
        Parameters, of which 1 is the last one if there is an offset. A constant is a column of X.
    """

    #: The constant is a column of the design matrix.
    fit_intercept = False
    intercept_ = 0.0

    def __init__(self, family, has_offset=False):
        self.family = family
        self.has_offset = has_offset

    def fit(self, X, y, sample_weight=None):
        """Fit the model by statsmodels."""
        from statsmodels.genmod.generalized_linear_model import GLM

        design, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        offset = {}
        if self.has_offset:
            design, offset = design[:, :-1], {"offset": design[:, -1]}
        model = GLM(y, design, self.family, freq_weights=sample_weight, **offset)
        return self._take(model.fit(tol=1e-12, maxiter=1000).params)

    def _take(self, params):
        self.coef_ = np.append(params, [1.0] * self.has_offset)
        return self

    @classmethod
    def of(cls, params, family, has_offset, X):
        """The estimator of a fit with some parameters, on a design matrix X."""
        estimator = cls(family, has_offset)
        validate_data(estimator, X, dtype=np.float64)
        return estimator._take(np.asarray(params))

    def predict(self, X):
        """Predicted means, shape (n_rows,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr")
        return np.asarray(link_of(self.family).inverse(X @ self.coef_))


class StatsmodelsAdapter(LinearAdapter):
    """The same, with no penalty."""

    has_several_targets = False
    how_to_fit_closer = "fit it with a smaller tol and a larger maxiter"

    def targets(self, model):
        return BoundedTargets(deviance_of(model.family).targets, type(model.family).__name__)

    def reduce(self, model, X, y, sample_weight):
        loss, parameters = deviance_of(model.family), self.penalised(model, l2=0.0)
        objective = build_objective(loss, *parameters, X, y, sample_weight, fit_intercept=False)
        check_means(objective)
        if model.has_offset:
            mask = np.ones(objective.shape, X.dtype)
            mask[0, -1] = 0
            objective = replace(objective, mask=mask)
        return objective


class ResultAdapter(Adapter):
    """A result, which keeps the rows that it was fitted on."""

    def kept_data(self, model):
        from statsmodels.genmod import families

        fitted = model.model
        kind, name = type(model).__name__, type(fitted).__name__
        if kind not in RESULTS or name not in {*FAMILIES, "GLM"}:
            raise TypeError(
                f"{kind} of {name} cannot be explained. Of statsmodels the results of "
                f"{', '.join(FAMILIES)} and GLM can be, fitted without regularisation."
            )
        if getattr(model, "k_constr", 0):
            raise TypeError("A result of fit_constrained is no free optimum of its likelihood.")
        if fitted.exog is None:
            raise ValueError("The result has lost its data by remove_data; fit the model again.")
        family = fitted.family if name == "GLM" else FAMILIES[name](families)
        offsets = [getattr(fitted, part, None) for part in ("offset", "exposure")]
        offsets = [np.asarray(offset, np.float64) for offset in offsets if offset is not None]
        X = _design(fitted, sum(offsets) if offsets else None)
        estimator = StatsmodelsRegressor.of(model.params, family, bool(offsets), X)
        return KeptData(estimator, X, np.asarray(fitted.endog), _weights(fitted, name))


def _design(fitted, offset):
    """The design matrix, a frame if the user gave one, with the offset as the last column."""
    X: Any = fitted.data.orig_exog
    is_frame = hasattr(X, "columns")
    X = X if is_frame else np.asarray(fitted.exog)
    if offset is None:
        return X
    return X.assign(offset=offset) if is_frame else np.column_stack([X, offset])


def _weights(fitted, name):
    """What rows count: trials of a binomial share, frequencies, and inverse variances."""
    if name == "WLS":
        return np.asarray(fitted.weights, np.float64)
    if name == "GLM":
        return np.asarray(fitted.iweights * fitted.n_trials, np.float64)
    return None


def link_of(family):
    """The link of a family; by the functions of statsmodels if it is not one of ours."""
    link = family.link
    if type(link).__name__ in LINKS:
        return LINKS[type(link).__name__](link)
    return GivenLink(link.inverse, link.inverse_deriv, link.inverse_deriv2)


def deviance_of(family):
    """The deviance of a family, in its link."""
    name = type(family).__name__
    if name not in DEVIANCES:
        raise ValueError(
            f"The family {name} cannot be explained; the families are {', '.join(DEVIANCES)}."
        )
    return DEVIANCES[name](family, link_of(family))


ADAPTERS = {
    "statsmodels.base.wrapper.ResultsWrapper": ResultAdapter(),
    f"{__name__}.StatsmodelsRegressor": StatsmodelsAdapter(),
}
