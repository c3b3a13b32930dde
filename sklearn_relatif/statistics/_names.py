"""The parameters of a model by their names."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import Any

import numpy as np

from ..utils._text import text_of

INTERCEPT = "intercept"
#: Names that an error lists.
FEW = 5


def feature_names(study: Any) -> list[str]:
    """The names of the features that reach the model; ``x0``, ``x1``, ... where they have none.

    Parameters
    ----------
    study : Study
    """
    n_features = math.prod(study.training_data.features.shape[1:])
    names = getattr(study.model, "feature_names_in_", None)
    if names is None and study.transformers:
        names = getattr(study.estimator, "feature_names_in_", None)
        try:
            for transformer in study.transformers:
                names = transformer.get_feature_names_out(names)
        except (AttributeError, TypeError, ValueError):  # Some transformers name nothing.
            names = None
    if names is None or len(names) != n_features:
        names = [f"x{column}" for column in range(n_features)]
    return list(map(str, names))


def place_of(study: Any, name: str) -> tuple[int, int]:
    """Row and column of a parameter in the table of them, by its name.

    Parameters
    ----------
    study : Study
        Of a model with such a table.
    name : str
        A feature or "intercept"; where there is a row for each of several classes or targets,
        followed by a colon and one of these.

    Raises
    ------
    ValueError
        If no parameter, or more than one, has the name.
    """
    columns, outputs = _column_names(study), _output_names(study)
    places: dict[str, list[tuple[int, int]]] = {}
    for row, output in enumerate(outputs):
        for column, feature in enumerate(columns):
            places.setdefault(feature + output, []).append((row, column))
    found = places.get(name, [])
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{len(found)} parameters are called {name!r}, at the columns "
            f"{sorted({column for _, column in found})} of what reaches the model: give each "
            "column a name of its own."
        )
    if name in columns:
        raise ValueError(
            f"There is a coefficient of {name!r} for each of {len(outputs)} classes or targets: "
            f"ask for one of them, such as {name + outputs[0]!r}."
        )
    near = get_close_matches(name, places, FEW, 0.4) or list(places)[:FEW]
    raise ValueError(
        f"No parameter of the model is called {name!r}. Names are those of the columns that reach "
        f"it, after preprocessing; near ones are {', '.join(map(repr, near))}."
    )


def _column_names(study):
    """The names of the columns of the table of parameters."""
    names = feature_names(study)
    return [*names, INTERCEPT] if study.objective.jacobian.fit_intercept else names


def _output_names(study):
    """What the names of the rows of the table end with."""
    # A table may have a row below, such as that of a scale.
    n_scores = len(np.atleast_2d(study.model.coef_))
    if n_scores == 1:
        return [""]
    if study.targets.has_classes:
        return [f":{text_of(label)}" for label in study.model.classes_]
    return [f":{target}" for target in range(n_scores)]
