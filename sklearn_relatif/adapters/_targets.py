"""Targets: between the labels of the user and what a loss takes."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from ..utils._validation import check_all_classes, class_positions, label_array

#: Distance of a score from a threshold that may be rounding.
CLOSE = 1e-6


class Targets:
    """Between the labels of the user and what a loss takes.

    Attributes
    ----------
    has_classes : bool
        Whether targets are positions in the classes of one label, of which a removal may leave no
        row.
    classes : ndarray or None
        These classes, sorted.
    n_columns : int, default=1
        How many labels or numbers a row has.
    are_numbers : bool, default=False
        Whether they are numbers in units of their own.
    are_known : bool, default=True
        Whether rows have any.
    are_columns : bool, default=False
        Whether even one of them is a column, to models that take y in two dimensions only.
    are_transformed : bool, default=False
        Whether a loss takes them in other units than the user's.
    cut : float or None, default=None
        The least score that the positive class has, where a threshold gives the labels.
    is_cut_tuned : bool, default=False
        Whether that is what ``fit`` has chosen.
    """

    has_classes: bool
    classes: Any = None
    n_columns = 1
    are_numbers = False
    are_known = True
    are_columns = False
    are_transformed = False
    cut: Any = None
    is_cut_tuned = False

    def handed_on(self, labels: np.ndarray) -> np.ndarray:
        """Labels of the user as they reach the model."""
        return labels

    def of_training(self, labels: np.ndarray, sample_weight: Any) -> np.ndarray:
        """Training labels, as they reach the model, as a loss takes them."""
        raise NotImplementedError

    def of_queries(self, labels: Any, objective: Any, jacobian: Any) -> np.ndarray:
        """Labels of queries as a loss takes them; where they are None, what is predicted."""
        raise NotImplementedError

    def predicted(self, loss: Any, eta: np.ndarray) -> np.ndarray:
        """What is predicted by some predictors, as a loss takes it."""
        predicted: np.ndarray = loss.predict(eta)
        return predicted

    def shown(self, targets: np.ndarray, predicted: Any) -> np.ndarray:
        """Targets as the user knows them, with what a function gives for predictions asked for."""
        raise NotImplementedError

    def shaped(self, labels, warn=False):
        """Labels as an array with an entry a row, or with one column a target."""
        if self.n_columns == 1:
            if isinstance(labels, np.ndarray) and labels.ndim == 1:
                return labels
            # Regressors of several targets take one of them as a column too.
            may_be_column = self.are_columns or not self.has_classes
            return column_or_1d(labels, warn=warn and not may_be_column)
        # Of several labels, scikit-learn takes a sparse indicator as well.
        labels = label_array(labels.toarray() if sparse.issparse(labels) else labels)
        if labels.shape[1:] != (self.n_columns,):
            raise ValueError(
                f"y must have one column for each of the {self.n_columns} targets of the model; "
                f"got an array of shape {labels.shape}."
            )
        return labels

    def each_on_its_own(self, X, y):
        """The labels that queries ask for one by one, and how many of them each query has.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features)
        y : array-like of shape (n_queries,) or (n_queries, n_labels), or None
            Columns are labels of a row, each to be explained on its own, unless a row has as many
            targets.

        Returns
        -------
        y : array-like of shape (n_queries * n_labels,) or (n_queries, n_columns), or None
            As given if there is one entry a query.
        n_labels : int
        """
        if self.n_columns > 1 or np.ndim(y) != 2:
            return y, 1
        labels = label_array(y)
        check_consistent_length(X, labels)
        if labels.shape[1] == 0:
            raise ValueError("y has no columns; give each query at least one label to explain.")
        return labels.ravel(), labels.shape[1]


class ClassTargets(Targets):
    """Labels, which a loss takes as positions in the sorted classes.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
    """

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


class ColumnTargets(Targets):
    """Several labels of each row, each among classes of its own, as positions in these.

    Parameters
    ----------
    columns : sequence of ClassTargets
    """

    has_classes = False

    def __init__(self, columns):
        self.columns = tuple(columns)
        self.n_columns = len(self.columns)

    def of_training(self, labels, sample_weight):
        """Positions of the labels of each column, in the shape of the labels."""
        return self._each(lambda own, column: own.of_training(column, sample_weight), labels)

    def of_queries(self, labels, objective, jacobian):
        """Positions of the labels of queries, or of the classes that the model predicts."""
        if labels is None:
            return objective.predict(jacobian)
        return self._each(lambda own, column: own.of_queries(column, objective, jacobian), labels)

    def shown(self, positions, predicted):
        """The labels at some positions."""
        return self._each(lambda own, column: own.shown(column, predicted), positions)

    def _each(self, function, values):
        values = np.asarray(values)
        columns = values.reshape(len(values), -1).T
        found = [function(own, column) for own, column in zip(self.columns, columns, strict=True)]
        kinds = {column.dtype.kind in "US" for column in found}
        # NumPy would make texts of numbers beside them.
        found = found if len(kinds) == 1 else [column.astype(object) for column in found]
        return np.stack(found, axis=1).reshape(values.shape)


class ThresholdTargets(ClassTargets):
    """Labels of two classes that a threshold gives, in place of the model's own.

    Parameters
    ----------
    classes : ndarray of shape (2,)
    cut : float
        The least score that the positive class has.
    of_probability : bool
        Whether it is one of probabilities, not of ``decision_function``.
    positive : {0, 1}, default=1
        Position of the positive class, whose score it is.
    is_cut_tuned : bool, default=False
        Whether ``fit`` has chosen the threshold.
    """

    def __init__(self, classes, cut, of_probability, positive=1, is_cut_tuned=False):
        super().__init__(classes)
        self.cut, self.of_probability, self.positive = cut, of_probability, positive
        self.is_cut_tuned = is_cut_tuned

    def predicted(self, loss, eta):
        """The positive class from the threshold on, and the other one below."""
        return np.where(self._score(loss, eta) >= self.cut, self.positive, 1 - self.positive)

    def _score(self, loss, eta):
        """That of the positive class, which the threshold cuts."""
        if self.of_probability:
            return loss.probabilities(eta)[:, self.positive]
        return loss.scores(eta) * (1 if self.positive else -1)

    def of_queries(self, labels, objective, jacobian):
        """Positions of the labels of queries, or of those that the threshold gives."""
        if labels is None:
            return self.predicted(objective.loss, objective.predictor(jacobian))
        return super().of_queries(labels, objective, jacobian)

    def agreeing(self, loss, eta, labels):
        """The same with the positive class by which these predictors give the labels.

        Raises
        ------
        ValueError
            If neither does: the labels rest on more than the predictor and a threshold.
        """
        if loss.has_probabilities or not self.of_probability:
            for positive in (1, 0):
                found = copy(self)
                found.positive = positive
                is_clear = np.abs(found._score(loss, eta) - self.cut) > CLOSE * max(1, self.cut)
                given = self.classes[found.predicted(loss, eta)]
                if np.array_equal(given[is_clear], labels[is_clear]):
                    return found
        raise ValueError(
            "The labels that the threshold gives do not come from the predictor of the model's "
            "objective. Explain the model inside, `estimator_`, by its own labels."
        )


class RealTargets(Targets):
    """Real numbers, which a loss takes as they are: of shape (n,), or (n, n_targets) for several.

    A query without a target asks for the prediction itself, or the sum of those of its targets; a
    loss knows that by NaN.

    Parameters
    ----------
    n_targets : int, default=1
    """

    has_classes = False
    are_numbers = True

    def __init__(self, n_targets=1):
        self.n_columns = n_targets

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
            shape = (jacobian.n_rows, self.n_columns)
            return np.full(shape[: 1 + (self.n_columns > 1)], np.nan)
        return self.of_training(self.handed_on(labels), None)

    def shown(self, values, predicted):
        """The targets, and predictions where these are asked for."""
        is_asked = np.isnan(values)
        return np.where(is_asked, predicted(), values) if is_asked.any() else values


class TransformedTargets(RealTargets):
    """Real numbers that a transformer has made of the user's, whose units differ from the loss's.

    Parameters
    ----------
    transformer : fitted transformer of tables with a column a target
    targets : RealTargets
        Of the model.
    """

    are_transformed = True

    def __init__(self, transformer, targets):
        super().__init__(targets.n_columns)
        self.transformer, self.targets = transformer, targets

    def handed_on(self, labels):
        """What the transformer makes of the labels."""
        return self.targets.handed_on(self._by(self.transformer.transform, labels))

    def of_training(self, labels, sample_weight):
        """Transformed targets, as those of the model are."""
        return self.targets.of_training(labels, sample_weight)

    def shown(self, values, predicted):
        """The same in the units of the user."""
        values = self.targets.shown(values, predicted)
        return self._by(self.transformer.inverse_transform, values)

    def _by(self, function, values):
        return np.reshape(function(np.reshape(values, (len(values), -1))), np.shape(values))


class NoTargets(Targets):
    """Of models that are fitted without targets: what there is to explain is the prediction.

    Labels that come with the training rows are shown with them, and mean nothing else.
    """

    has_classes = False
    are_known = False

    def shaped(self, labels, warn=False):
        """Labels as an array with an entry a row, or None."""
        return None if labels is None else super().shaped(labels, warn)

    def of_training(self, labels, sample_weight):
        """The same number for each row, which the loss knows to say nothing."""
        return np.zeros(len(sample_weight))

    def of_queries(self, labels, objective, jacobian):
        """NaN, for the prediction; labels cannot be asked for."""
        if labels is not None:
            raise ValueError(
                "The model has no targets that a query could ask for; leave y out. What is "
                "explained is the value that it gives to the query."
            )
        return np.full(jacobian.n_rows, np.nan)

    def shown(self, values, predicted):
        """The predictions."""
        return predicted()


class BoundedTargets(RealTargets):
    """Real numbers that a distribution has.

    Parameters
    ----------
    domain : Domain
    model : str
        Whose distribution it is, for the message.
    n_targets : int, default=1
    """

    def __init__(self, domain, model, n_targets=1):
        super().__init__(n_targets)
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
