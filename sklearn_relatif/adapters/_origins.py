"""Which column of the user's table does each feature of a model come from?"""

from __future__ import annotations

from collections import UserList
from typing import Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder

from ..utils._text import text_of

#: What stands for a feature that comes from several columns, or from one that is not known.
UNKNOWN = -1


def column_origins(transformers: list[Any], model: Any) -> tuple[list[str], np.ndarray]:
    """The columns of a table, and which of them each feature that reaches a model comes from.

    Parameters
    ----------
    transformers : list of fitted transformers
        What rows of the table go through before they reach the model.
    model : fitted estimator

    Returns
    -------
    names : list of str
        Of the columns; their positions where they have none.
    column : ndarray of int, shape (n_features,)
        The place of the column; UNKNOWN of features of several columns, or of one that is not
        known.
    """
    names = _names((transformers or [model])[0])
    column = np.arange(len(names))
    for transformer in transformers:
        column = _through(transformer, column)
    return names, column


def _names(first):
    """Names of the columns of the table that the first step of a model takes."""
    given = getattr(first, "feature_names_in_", None)
    if given is None:
        given = range(getattr(first, "n_features_in_", 1))
    return [text_of(name) for name in given]


def _through(transformer, column):
    """The columns of the features that a fitted transformer makes of others.

    Parameters
    ----------
    transformer : fitted transformer
    column : ndarray of int
        The column of the table that each of its own features comes from.
    """
    if isinstance(transformer, Pipeline):
        for _, step in transformer.steps:
            column = _through(step, column)
        return column
    if transformer is None or isinstance(transformer, str):  # "passthrough"
        return column
    if isinstance(transformer, ColumnTransformer):
        return _of_parts(transformer, column)
    if isinstance(transformer, FeatureUnion):
        parts = [_through(part, column) for _, part in transformer.transformer_list]
        return np.concatenate(parts)
    if isinstance(transformer, OneHotEncoder):
        return np.repeat(column, _n_categories(transformer))
    if isinstance(transformer, OneToOneFeatureMixin):
        return column
    return _by_names(transformer, column)


def _of_parts(transformer, column):
    """Those of a ColumnTransformer, whose parts take some of the columns each."""
    places = transformer.output_indices_
    found = np.full(max((part.stop for part in places.values()), default=0), UNKNOWN)
    names = list(getattr(transformer, "feature_names_in_", []))
    for name, part, columns in transformer.transformers_:
        size = places[name].stop - places[name].start
        own = _selected(columns, names, len(column)) if size else None
        through = [] if own is None else _through(part, column[own])
        if own is not None and len(through) == size:
            found[places[name]] = through
    return found


def _selected(columns, names, n_columns):
    """The places of the columns that a part of a ColumnTransformer takes, or None."""
    if isinstance(columns, slice):
        is_of_places = not isinstance(columns.start, str) and not isinstance(columns.stop, str)
        return np.arange(n_columns)[columns] if is_of_places else None
    # The list of the columns that are left over warns of being read before scikit-learn 1.7.
    chosen = np.atleast_1d(columns.data if isinstance(columns, UserList) else np.asarray(columns))
    if chosen.dtype.kind in "iub":
        return np.arange(n_columns)[chosen]
    return np.array([names.index(name) for name in chosen.tolist()], np.intp)


def _n_categories(encoder):
    """How many features a OneHotEncoder makes of each column."""
    counts = np.array([len(categories) for categories in encoder.categories_])
    for place, infrequent in enumerate(getattr(encoder, "infrequent_categories_", [])):
        counts[place] -= 0 if infrequent is None else len(infrequent) - 1
    if encoder.drop_idx_ is not None:
        counts -= np.array([place is not None for place in encoder.drop_idx_])
    return counts


def _by_names(transformer, column):
    """By the names of what a transformer makes, which begin with those of what it takes.

    All that is made of a single column comes from it.
    """
    taken = getattr(transformer, "n_features_in_", len(column))
    try:
        made = list(transformer.get_feature_names_out())
    except Exception:  # Whatever a transformer of the user's makes of being asked.
        made = []
    if len(column) == 1:
        return np.repeat(column, len(made)) if made else np.array([UNKNOWN])
    given = getattr(transformer, "feature_names_in_", [f"x{place}" for place in range(taken)])
    return np.array([_origin(str(name), list(map(str, given)), column) for name in made], np.intp)


def _origin(name, given, column):
    for own in (name, name.removeprefix("missingindicator_")):
        if own in given:
            return column[given.index(own)]
    fitting = [place for place, own in enumerate(given) if name.startswith(f"{own}_")]
    return column[fitting[0]] if len(fitting) == 1 else UNKNOWN
