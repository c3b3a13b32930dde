"""What is asked of the parameters of a fitted model: statistics that know no model yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils._validation import check_choice
from ._base import Statistic
from ._errors import ERRORS
from ._names import place_of
from ._parameters import OfTable, Ratio, coefficient


class Request:
    """A number of a fitted model that is asked for, whatever model that will be."""

    def of(self, study: Any) -> Statistic:
        """The same of one model, as a study knows it."""
        raise NotImplementedError


class Coefficient(Request):
    """A coefficient of a linear model, as its estimator exposes it; ``"coef:age"`` by name.

    Parameters
    ----------
    name : str
        A column that reaches the model, after preprocessing, by the name that
        ``get_feature_names_out`` has for it (``x0``, ``x1``, ... where there are no names), or
        "intercept". Of models with several classes or targets, with one of them:
        ``"age:setosa"``, or the position of the target, ``"age:0"``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.statistics import Coefficient
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    >>> explainer.fragility(Coefficient("age")).size
    1
    """

    def __init__(self, name: str):
        self.name = name

    def of(self, study: Any) -> Statistic:
        _check_has_parameters(study, f"coef:{self.name}")
        place = place_of(study, str(self.name))
        return coefficient(f"coef:{self.name}", place, study.objective.score_weights().shape)


class TStatistic(Request):
    """A coefficient by its standard error; ``"tstat:age"`` or ``"tstat:age:HC1"`` by name.

    The standard errors are those of statsmodels and R, in the equations of White (1980) and
    MacKinnon & White (1985). Of least squares, "classical" ones have the variance of the errors by
    ``n - p``; of likelihoods, they come from the Fisher information, with Pearson's dispersion
    where the distribution has one (gamma, Tweedie, inverse Gaussian). "HC0" to "HC3" are sandwich
    estimates, which hold where the spread of the targets is another than the model assumes; "HC1"
    multiplies the variance by ``n / (n - p)`` for all models, as R does (statsmodels does so for
    least squares only).

    A penalty pulls coefficients towards zero, so that a penalised coefficient by a classical
    standard error has no known distribution: it is refused. "HC0" and "HC1" have the penalty in
    their Hessian then, and are errors about what the penalised fit of ever more rows would arrive
    at. Effects are those of the share of each row that is there: it lowers ``n`` too, and moves the
    standard error directly as well as by the coefficients.

    Parameters
    ----------
    name : str or Difference
        As of :class:`Coefficient`; or the difference of two coefficients.
    errors : {"classical", "HC0", "HC1", "HC2", "HC3"}, default="classical"
        "HC2" and "HC3" are of least squares only, without a penalty.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.statistics import TStatistic
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    >>> found = explainer.fragility(TStatistic("s1", errors="HC3"), threshold=-1.0)
    >>> print(f"{found.value_before:.3f}")
    -1.926
    """

    def __init__(self, name: Any, errors: str = "classical"):
        self.name, self.errors = name, errors

    def of(self, study: Any) -> Statistic:
        check_choice("errors", self.errors, tuple(ERRORS))
        linear = self.name.of(study) if isinstance(self.name, Request) else None
        linear = Coefficient(str(self.name)).of(study) if linear is None else linear
        if linear.slope(study.remover.objective) is None:
            raise ValueError(
                f"{linear.name} is not linear in the parameters: it has no t-statistic."
            )
        ending = "" if self.errors == "classical" else f":{self.errors}"
        name = linear.name.replace("coef:", "tstat:") + ending
        _check_has_errors(study, name, self.errors)
        statistic = Ratio(name, linear, ERRORS[self.errors])
        if not np.isfinite(statistic.value(study.remover.objective)):
            raise ValueError(
                f"{name} does not exist: the rows do not determine the coefficient, or leave "
                "nothing to tell its standard error by. Leave out columns that repeat others (one "
                "of each set of dummies, beside an intercept), or fit the model to more rows."
            )
        return statistic


class ParameterFunction(Request):
    """Any number that depends on the parameters of a linear model, by a function.

    Parameters
    ----------
    function : callable
        From the parameters, an array of shape (n_scores, n_features + 1) with ``coef_`` and the
        intercept as its last column (which is not there without an intercept), to a number and its
        gradient in the same shape.
    name : str, default="function"
        By which results call it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.statistics import ParameterFunction
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    >>> def bmi_by_bp(parameters):
    ...     bmi, bp = parameters[0, 2:4]
    ...     gradient = np.zeros_like(parameters)
    ...     gradient[0, 2:4] = 1 / bp, -bmi / bp**2
    ...     return bmi / bp, gradient
    >>> found = explainer.fragility(ParameterFunction(bmi_by_bp, "bmi/bp"), threshold=1.5)
    >>> print(f"{found.value_before:.3f}")
    1.603
    """

    def __init__(
        self, function: Callable[[np.ndarray], tuple[float, np.ndarray]], name: str = "function"
    ):
        self.function, self.name = function, name

    def of(self, study: Any) -> Statistic:
        _check_has_parameters(study, self.name)
        return OfTable(self.name, self.function)


def _check_has_parameters(study, name):
    """Refuse models that are no tables of coefficients."""
    objective = study.objective
    if objective.removal_kind != "smooth" or not hasattr(study.model, "coef_"):
        raise TypeError(
            f"{type(study.model).__name__} has no {name}: it is of models that are linear in "
            "coefficients which minimise a smooth loss. MetricOn asks for a metric of the "
            "predictions."
        )


def _check_has_errors(study, name, errors):
    """Refuse models whose coefficients have no standard errors of a kind."""
    objective, model = study.remover.objective, type(study.model).__name__
    if study.remover.curvature.is_iterative:
        raise TypeError(
            f"{model} has no {name}: standard errors take a factor of the Hessian of "
            f"{objective.weights.size} parameters, which memory does not hold."
        )
    loss, is_penalised = objective.loss, bool(np.any(objective.penalty))
    if objective.has_l1 or objective.mask is not None:
        raise TypeError(
            f"{model} has no {name}: some of its parameters are held where they are (by an L1 "
            "penalty or a bound, whose choice is made by the same rows, or beside a scale), of "
            "which standard errors know nothing."
        )
    if loss.is_of_errors and loss.n_outputs > 1:
        raise TypeError(f"{model} has no {name} of several targets: fit one of them on its own.")
    if errors == "classical" and not loss.has_fisher:
        raise TypeError(
            f"{model} has no {name}: its loss is no likelihood. Use errors='HC0' or 'HC1', such as "
            f"'{name}:HC1'."
        )
    if is_penalised and errors not in ("HC0", "HC1"):
        raise TypeError(
            f"{model} has no {name}: its penalty pulls the coefficients towards zero, so that "
            "they have no such standard errors. Fit it without one (penalty=None, C=np.inf, "
            "alpha=0 or LinearRegression), or use errors='HC1', which are about the penalised fit "
            "of ever more rows."
        )
    if errors in ("HC2", "HC3") and not (loss.has_fisher and loss.is_of_errors):
        raise TypeError(f"{model} has no {name}: {errors} is of least squares; use errors='HC1'.")
