"""Statistics by their names."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._base import Statistic
from ._parameters import Coefficient

#: What the intercept is called.
INTERCEPT = "intercept"


def statistic_of(study: Any, statistic: Any) -> Statistic:
    """A statistic by its name, or as it is given.

    Parameters
    ----------
    study : Study
    statistic : str or Statistic
        ``"coef:NAME"``: a coefficient, by the name of its column in ``feature_names_in_``, or else
        by ``x0``, ``x1`` and so on; ``"coef:intercept"``. Of models with several classes or
        targets, ``"coef:NAME:CLASS"``.

    Raises
    ------
    ValueError
        If there is no such column or class.
    """
    if isinstance(statistic, Statistic):
        return statistic
    kind, _, rest = str(statistic).partition(":")
    if kind != "coef" or not rest:
        raise ValueError(
            f"statistic must be 'coef:NAME', 'coef:NAME:CLASS' or a Statistic; got {statistic!r}."
        )
    return Coefficient(statistic, _place(study, rest))


def _place(study, rest):
    """Row and column of a coefficient in the table of parameters."""
    names, rivals = _columns(study), _outputs(study)
    if rest in names:
        if len(rivals) > 1:
            raise ValueError(
                f"There is a coefficient of {rest!r} for each of {rivals}: ask for one of them, "
                f"such as 'coef:{rest}:{rivals[0]}'."
            )
        return 0, names[rest]
    name, _, output = rest.rpartition(":")
    if name in names and output in rivals:
        return rivals.index(output), names[name]
    raise ValueError(f"There is no coefficient {rest!r}; there are {', '.join(names)}.")


def _columns(study):
    """The places of the columns of the model by their names."""
    n_columns = study.objective.score_weights().shape[1]
    fits_intercept = study.objective.jacobian.fit_intercept
    known = vars(study.model).get("feature_names_in_")
    n_features = n_columns - fits_intercept
    names = [f"x{k}" for k in range(n_features)] if known is None else list(known)
    places = {name: place for place, name in enumerate(names)}
    return places | ({INTERCEPT: n_features} if fits_intercept else {})


def _outputs(study):
    """What the rows of the table of parameters are called, where there are several."""
    n_scores = len(study.objective.score_weights())
    if n_scores == 1:
        return [""]
    if study.targets.has_classes:
        return [str(label) for label in np.asarray(study.model.classes_)]
    return [str(target) for target in range(n_scores)]
