"""The rows of a metric: what is known of them, and what can be read of a model for them.

Whatever a metric asks for and the model, the targets or the groups do not have is refused here, by
the name of the metric.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..utils._validation import group_labels, label_array
from ._labels import CutMargin, IsPredicted, LeadMargin, Margin, ProbabilityMargin
from ._readings import (
    Lead,
    LogLosses,
    OwnLosses,
    Predictions,
    Probabilities,
    Reading,
    Scores,
    SquaredErrors,
)


class MetricRows:
    """Rows with their targets and groups, and a model that is judged by them.

    Parameters
    ----------
    metric : str
        Its name, for messages.
    study : Study
        Of the model.
    query : Query
        The rows.
    y : array-like of shape (n_rows,) or (n_rows, n_targets), or None
        Their targets as the user has them, if there are any.
    sensitive : array-like of shape (n_rows,), or None
        The group of each row.
    """

    def __init__(self, metric: str, study: Any, query: Any, y: Any, sensitive: Any):
        self.metric, self.query, self.y, self.sensitive = metric, query, y, sensitive
        self.loss, self.targets = study.objective.loss, study.targets
        self.model = type(study.model).__name__

    def refuse(self, why: str) -> NoReturn:
        raise ValueError(f"{self.metric!r} {why}.")

    # --- what is known of the rows ---------------------------------------------------------

    def known(self) -> np.ndarray:
        """The targets, as the loss takes them."""
        if self.y is None:
            self.refuse("compares predictions with targets: pass y, those of the rows")
        known: np.ndarray = self.query.y
        return known

    def class_positions(self) -> np.ndarray:
        """Positions of the classes of the rows."""
        self._check_classes()
        return self.known()

    def _check_classes(self, at_most: int | None = None) -> None:
        if not self.targets.has_classes:
            self.refuse(f"is of classifiers of one label a row, and {self.model} is none")
        if at_most is not None and self.n_classes > at_most:
            self.refuse(f"is of {at_most} classes, and {self.model} has {self.n_classes}")

    def numbers(self) -> np.ndarray:
        """Targets in the units of the user, shape (n_rows, n_targets)."""
        if not self.targets.are_numbers:
            self.refuse(f"is of regressors, and {self.model} is none")
        self.known()
        numbers = np.asarray(self.targets.shaped(label_array(self.y)), dtype=np.float64)
        return numbers.reshape(len(numbers), -1)

    def varying_numbers(self) -> np.ndarray:
        """The same, where they are not all alike."""
        numbers = self.numbers()
        if (numbers == numbers[0]).all(axis=0).any():
            self.refuse("is a share of the variance of y, and a target has none in these rows")
        return numbers

    @property
    def n_classes(self) -> int:
        return len(self.targets.classes)

    def is_positive(self, of_two: bool = False) -> np.ndarray:
        """Whether rows are of the second of two classes, or of each of more, a column each."""
        y = self.class_positions()
        self._check_classes(at_most=2 if of_two else None)
        missing = np.bincount(y, minlength=self.n_classes) == 0
        if missing.any():
            self.refuse(
                "compares rows of one class with those of others, and y has no row of "
                f"{self.targets.classes[missing].tolist()}"
            )
        return (y == 1)[:, None] if self.n_classes == 2 else y[:, None] == np.arange(self.n_classes)

    def groups(self, least: int = 1) -> np.ndarray:
        """Which rows are of each group, shape (n_groups, n_rows).

        Parameters
        ----------
        least : int, default=1
            How many groups it takes.
        """
        if self.sensitive is None:
            self.refuse("compares groups of rows: pass sensitive, the group of each")
        labels, member = group_labels(self.sensitive, self.query.n_rows, "sensitive", "rows")
        if len(labels) < least:
            only = labels.tolist()[0]
            self.refuse(f"compares groups, and all rows of sensitive are of one, {only!r}")
        return member == np.arange(len(labels))[:, None]

    def two_groups(self) -> np.ndarray:
        """The same of two groups, of two rows at least each."""
        groups = self.groups(least=2)
        if len(groups) != 2 or groups.sum(axis=1).min() < 2:
            self.refuse(
                "compares two groups of two rows at least; sensitive has groups of "
                f"{groups.sum(axis=1).tolist()} rows"
            )
        return groups

    def groups_of_class(self, label: int) -> np.ndarray:
        """Which rows of each group are of one of two classes, shape (n_groups, n_rows)."""
        self._check_classes(at_most=2)
        y = self.class_positions()
        groups = self.groups(least=2) & (y == label)
        if not groups.any(axis=1).all():
            name = self.targets.classes.tolist()[label]
            self.refuse(
                f"is of the rows of class {name!r}, of which a group of sensitive has none. Leave "
                "it out: None stands for rows of no group"
            )
        return groups

    def n_first(self, amount: str) -> int:
        """How many rows are meant by a number or by a number of per cent."""
        n_rows = self.query.n_rows
        share = amount.endswith("%")
        number = float(amount[:-1]) * n_rows / 100 if share else float(amount)
        if not 0.5 <= number < n_rows or round(number) == n_rows:
            self.refuse(f"asks for the first of {n_rows} rows; it takes 1 to {n_rows - 1}")
        return round(number)

    # --- what is read of the model ---------------------------------------------------------

    def probabilities(self) -> Reading:
        """Those of all classes."""
        self.class_positions()
        return Probabilities(self.loss, list(range(self._n_probabilities())))

    def _n_probabilities(self) -> int:
        if not self.loss.has_probabilities:
            self.refuse(
                f"is of probabilities, and the scores of {self.model} alone tell none. "
                "'roc_auc' and 'accuracy' need none, and 'mean_loss' is of the model's own loss"
            )
        return self.n_classes

    def rank_scores(self) -> Reading:
        """What ranks the rows: scores of the second of two classes, or probabilities of each."""
        loss = self.loss
        if self.n_classes == 2 and loss.has_leads and not loss.is_averaged:
            return Lead(loss)
        if loss.has_probabilities:
            return Probabilities(loss, [1] if self.n_classes == 2 else list(range(self.n_classes)))
        if self.n_classes > 2 and loss.has_class_scores:
            return Scores(loss)
        return self.refuse(
            f"ranks rows by a score or a probability of each class, and what {self.model} has of "
            "these its objective does not tell"
        )

    def predictions(self) -> Predictions:
        """Predicted numbers in the units of the user."""
        return Predictions(self.loss, self.targets)

    def one_prediction(self) -> Reading:
        """A number a row: a prediction, the probability of the second of two classes or a score."""
        if self.targets.are_numbers:
            if self.targets.n_columns > 1:
                self.refuse(f"is of one number a row, and {self.model} predicts several")
            return self.predictions()
        self._check_classes(at_most=2)
        return Probabilities(self.loss, [1]) if self.loss.has_probabilities else self.rank_scores()

    def log_losses(self) -> Reading:
        """Minus the log-probability of the class of each row."""
        y = self.class_positions()
        self._n_probabilities()
        return LogLosses(self.loss, y)

    def own_losses(self) -> Reading:
        """Those of the model's own loss."""
        return OwnLosses(self.loss, self.known())

    def squared_errors(self) -> Reading:
        """Those of predictions in the units of the user."""
        y = self.numbers()
        return SquaredErrors(self.predictions(), y)

    def losses(self) -> Reading:
        """Log losses where there are probabilities, squared errors of numbers, or own losses."""
        if self.targets.are_numbers:
            return self.squared_errors()
        return self.log_losses() if self.loss.has_probabilities else self.own_losses()

    def is_right(self) -> Reading:
        """Whether the label of a row is predicted."""
        return self._is_predicted(self.class_positions())

    def is_selected(self) -> Reading:
        """Whether the second of two classes is predicted for a row."""
        self._check_classes(at_most=2)
        return self._is_predicted(np.ones(self.query.n_rows, np.intp))

    def _is_predicted(self, y: np.ndarray) -> Reading:
        return IsPredicted(self.loss, self.targets, self._margin(y), y)

    def _margin(self, y: np.ndarray) -> Margin | None:
        if self.targets.cut is not None:
            return CutMargin(self.loss, y, self.targets)
        if self.loss.has_leads:
            return LeadMargin(self.loss, y, self.n_classes)
        return (
            ProbabilityMargin(self.loss, y, self.n_classes) if self.loss.has_probabilities else None
        )
