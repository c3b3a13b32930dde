"""Statistics by their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ._base import Statistic
from ._errors import ERRORS
from ._parameters import Gap
from ._requests import Coefficient, ParameterFunction, Request, TStatistic

#: What is between two statistics that are subtracted.
MINUS = re.compile(r"\s+-\s+(?=(?:coef|tstat):)")


class Difference(Request):
    """How much larger one statistic of a model is than another; ``"coef:age - coef:bmi"`` by name.

    Parameters
    ----------
    first, second : str or statistic
        Of the same model.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.statistics import Difference
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    >>> found = explainer.fragility(Difference("coef:s1", "coef:s2"))
    >>> found.statistic
    'coef:s1 - coef:s2'
    """

    def __init__(self, first: Any, second: Any):
        self.first, self.second = first, second

    def of(self, study: Any) -> Statistic:
        first, second = statistic_of(study, self.first), statistic_of(study, self.second)
        return Gap(f"{first.name} - {second.name}", first, second)


#: By the kind that a name begins with.
_KINDS: dict[str, Callable[[str], Request]] = {"coef": Coefficient, "tstat": TStatistic}


def statistic_of(study: Any, statistic: Any) -> Statistic:
    """A statistic of a model, by its name, or as it is given.

    Parameters
    ----------
    study : Study
    statistic : str, Request, callable or Statistic
        "coef:age", "tstat:age", "tstat:age:HC1", the difference of two of them; one of the objects
        of :mod:`sklearn_relatif.statistics`; or a function of the parameters, as of
        :class:`ParameterFunction`.

    Raises
    ------
    TypeError
        If the model has no such number.
    ValueError
        If there is no such name, or the number does not exist.
    """
    if isinstance(statistic, Statistic):
        return statistic
    if isinstance(statistic, Request):
        return statistic.of(study)
    if callable(statistic):
        return ParameterFunction(statistic).of(study)
    return _named(str(statistic)).of(study)


def _named(text: str) -> Request:
    """What a name asks for."""
    parts = MINUS.split(text)
    if len(parts) == 2:
        return Difference(*map(_named, parts))
    kind, _, name = text.partition(":")
    if len(parts) > 2 or kind not in _KINDS or not name:
        raise ValueError(
            f"{text!r} is no statistic: use 'coef:NAME', 'tstat:NAME', 'tstat:NAME:HC1', the "
            "difference of two of these, 'coef:A - coef:B', or an object of "
            "sklearn_relatif.statistics."
        )
    name, _, ending = name.rpartition(":") if kind == "tstat" else ("", "", name)
    if kind == "tstat" and ending in ERRORS and name:
        return TStatistic(name, ending)
    return _KINDS[kind](text.partition(":")[2])
