"""Targets: between the labels of the user and what a loss takes."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.multiclass import check_classification_targets

from ..utils._validation import check_all_classes, class_positions, label_array


class ClassTargets:
    """Labels, which a loss takes as positions in the sorted classes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    """

    #: Whether targets are positions in classes, of which a removal may leave no row.
    has_classes = True

    def __init__(self, classes):
        self.classes = classes

    def of_training(self, labels, sample_weight):
        """Positions of the training labels; every class must have a row that counts."""
        try:
            positions = class_positions(labels, self.classes, "y")
        except (TypeError, ValueError):
            # Numbers that are no labels at all have a message of their own.
            if labels.dtype.kind == "f" and np.isfinite(labels).all():
                check_classification_targets(labels)
            raise
        check_all_classes(positions, sample_weight, self.classes)
        return positions

    def of_queries(self, labels, objective, jacobian):
        """Positions of the labels of queries, or of the classes that the model predicts."""
        if labels is None:
            return objective.predict(jacobian)
        return class_positions(labels, self.classes, "y")

    def shown(self, positions, predicted):
        """The labels at some positions."""
        return self.classes[positions]


class RealTargets:
    """Real numbers, which a loss takes as they are.

    A query without a target asks for the prediction itself; a loss knows that by NaN.
    """

    has_classes = False

    def of_training(self, labels, sample_weight):
        """The training targets as numbers."""
        try:
            values = np.asarray(labels, np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError("y contains what is no number; give every row a target.") from error
        if not np.isfinite(values).all():
            raise ValueError("y contains NaN or infinity; give every row a finite target.")
        return values

    def of_queries(self, labels, objective, jacobian):
        """The targets of queries as numbers; NaN for the prediction."""
        if labels is None:
            return np.full(jacobian.n_rows, np.nan)
        return self.of_training(labels, None)

    def shown(self, values, predicted):
        """The targets, and predictions where these are asked for."""
        return np.where(np.isnan(values), predicted(), values)


class BoundedTargets(RealTargets):
    """Real numbers that a distribution has.

    Parameters
    ----------
    domain : Domain
    model : str
        Whose distribution it is, for the message.
    """

    def __init__(self, domain, model):
        self.domain, self.model = domain, model

    def of_training(self, labels, sample_weight):
        """The training targets as numbers, of which each must lie in the domain."""
        values = super().of_training(labels, sample_weight)
        outside = values[~self.domain.contains(values)]
        if outside.size:
            raise ValueError(
                f"y contains {outside[0]:g}, and the distribution of this {self.model} has targets "
                f"in {self.domain}."
            )
        return values


def flat_labels(X, y):
    """The labels of queries in one dimension, and how many of them each query has.

    Parameters
    ----------
    X : array-like of shape (n_queries, n_features)
    y : array-like of shape (n_queries,) or (n_queries, n_labels), or None

    Returns
    -------
    y : array-like of shape (n_queries * n_labels,), or None
        As given if it is not of two dimensions.
    n_labels : int
    """
    if np.ndim(y) != 2:
        return y, 1
    labels = label_array(y)
    check_consistent_length(X, labels)
    if labels.shape[1] == 0:
        raise ValueError("y has no columns; give each query at least one label to explain.")
    return labels.ravel(), labels.shape[1]
