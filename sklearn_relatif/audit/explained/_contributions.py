"""Which columns of the table a prediction comes from, where the model is linear and keeps apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from ...adapters import UNKNOWN, column_origins

#: Training rows by which it is checked that the model is linear in its features.
COMPARED = 200
#: Relative difference of scores that is rounding.
CLOSE = 1e-5
#: Columns that are told of a row, at most: those that contribute most.
MAX_TOLD = 50


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
    names, column = column_origins(study.transformers, study.model)
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
