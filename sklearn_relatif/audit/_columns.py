"""Which columns of the table a prediction comes from, where the model is linear and keeps apart."""

from __future__ import annotations

from collections import UserList
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import OneToOneFeatureMixin
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import OneHotEncoder

from ..utils._text import text_of

#: Training rows by which it is checked that the model is linear in its features.
COMPARED = 200
#: Relative difference of scores that is rounding.
CLOSE = 1e-5
#: Columns that are told of a row, at most: those that contribute most.
MAX_TOLD = 50
#: What stands for a feature that comes from several columns, or from one that is not known.
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class ColumnShares:
    """What each column of the table adds to predictions.

    Attributes
    ----------
    names : list of str
        Of the columns that the model predicts from.
    column : ndarray of int, shape (n_features,)
        The place of the column that each feature of the model comes from.
    coefficients : ndarray of shape (n_outputs, n_features)
    mean : ndarray of shape (n_features,)
        Of the training rows.
    """

    names: list[str]
    column: np.ndarray
    coefficients: np.ndarray
    mean: np.ndarray

    def of(self, features: Any, classes: np.ndarray | None) -> list[dict[str, float]]:
        """The contributions of the columns to the predictions of some rows, the largest first.

        Parameters
        ----------
        features : array-like or CSR matrix of shape (n, n_features)
            The rows as they reach the model.
        classes : ndarray of shape (n,) or None
            Positions of the classes that they are predicted. None: numbers are predicted.

        Returns
        -------
        list of dict of str to float
            A column adds what its features, less their means, add to the lead of the class over
            the mean of the others, or to the predicted number before its link.
        """
        features = features.toarray() if sparse.issparse(features) else np.asarray(features)
        shares = []
        for row, leading in zip(features, self._leading(classes, len(features)), strict=True):
            parts = leading * (row.astype(np.float64) - self.mean)
            total = np.bincount(self.column, parts, len(self.names))
            first = np.argsort(-np.abs(total), kind="stable")[:MAX_TOLD]
            shares.append({self.names[place]: float(total[place]) for place in first})
        return shares

    def _leading(self, classes, n_rows):
        """The coefficients of what is told of each row."""
        own = self.coefficients
        if classes is None:
            return np.repeat(own, n_rows, axis=0)
        if len(own) == 1:
            return np.where(classes == 1, 1.0, -1.0)[:, None] * own
        others = (own.sum(axis=0) - own) / (len(own) - 1)
        return (own - others)[classes]


def column_shares(study: Any) -> ColumnShares | None:
    """What the columns of the table add to the predictions of a model.

    Parameters
    ----------
    study : Study

    Returns
    -------
    ColumnShares or None
        None if the model is not linear in its features, or these mix the columns, or it predicts
        several numbers.
    """
    coefficients = _coefficients(study)
    is_of_one = study.targets.has_classes or study.targets.n_columns == 1
    if coefficients is None or not is_of_one:
        return None
    names = _names((study.transformers or [study.model])[0])
    column = np.arange(len(names))
    for transformer in study.transformers:
        column = _through(transformer, column)
    is_known = len(column) == coefficients.shape[1] and np.all(column != UNKNOWN)
    if len(names) < 2 or not is_known:
        return None
    mean = np.asarray(study.training_data.features.mean(axis=0), np.float64).ravel()
    return ColumnShares(names, column, coefficients, mean)


def _coefficients(study):
    """Those of the model, if its scores are the products of features with them, and a constant."""
    features, own = study.training_data.features, getattr(study.model, "coef_", None)
    is_table = isinstance(features, np.ndarray) or sparse.issparse(features)
    if own is None or not is_table:
        return None
    own = own.toarray() if sparse.issparse(own) else np.asarray(own, np.float64)
    own = own.reshape(-1, features.shape[1]) if own.size % features.shape[1] == 0 else own
    some = slice(0, COMPARED)
    loss = study.objective.loss
    scores = np.asarray(loss.scores(study.objective.training_predictor[some]), np.float64)
    scores = scores.reshape(len(scores), -1)
    if own.ndim != 2 or scores.shape[1] != len(own):
        return None
    difference = scores - features[some] @ own.T
    if len(own) > 1:  # The same number added to the scores of all classes changes nothing.
        difference = difference - difference.mean(axis=1, keepdims=True)
    spread = np.ptp(difference, axis=0).max(initial=0)
    return own if spread <= CLOSE * max(1.0, np.abs(scores).max(initial=0)) else None


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
