"""What an audit tells of rows, by what their targets are: classes, or numbers.

All else is the same for both: how hard rows pull at the model, which explain most, which help.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...optimality import in_standard_errors, is_at_optimum
from .._meanings import Meaning
from ._unseen import Unseen

#: What of a report is words, not numbers.
NAMES = ("row", "query", "best_row", "group")


class KeyFigure(NamedTuple):
    """A number that stands at the head of a report."""

    value: str
    name: str
    note: str
    is_bad: bool = False


class View:
    """What is told of targets of a kind.

    Attributes
    ----------
    target : str
        What the target of a row is called.
    sign : {"positive", "absolute"}
        Of the explanations of test rows.
    words : tuple of str
        Columns that hold text.
    endings : tuple of str
        Of the names of columns, one for each target that is a number.
    suspect_columns, hub_columns, harm_columns, test_suspect_columns : tuple of str
        Of the tables of rows.
    row, prediction, group, facts : dict of str to Meaning
        What each number is called, and what it means.
    unseen : Unseen
        The models that have not seen a training row, by which it is judged where there are any.
    """

    target: str
    sign: str
    words: tuple[str, ...]
    endings: tuple[str, ...] = ()
    suspect_columns: tuple[str, ...]
    hub_columns: tuple[str, ...]
    harm_columns: tuple[str, ...]
    test_suspect_columns: tuple[str, ...]
    row: dict[str, Meaning]
    prediction: dict[str, Meaning]
    group: dict[str, Meaning]
    facts: dict[str, Meaning]
    unseen: Unseen

    # --- numbers of rows -----------------------------------------------------------------------

    def columns(self, study: Any) -> tuple[dict[str, np.ndarray], list[str]]:
        """Targets and predictions of the training rows, and notes on what there is not."""
        raise NotImplementedError

    def without(self, study: Any, eta: np.ndarray) -> dict[str, np.ndarray]:
        """What the models that have not seen each row make of it, from their predictors."""
        raise NotImplementedError

    def test_targets(self, y_test: Any, study: Any) -> np.ndarray:
        """Targets of test rows; or an error if some are missing, or none of the model's."""
        raise NotImplementedError

    def predicted(self, study: Any, query: Any, shown: np.ndarray, y_test: Any) -> dict[str, Any]:
        """Predictions of test rows, beside their targets where these are known."""
        raise NotImplementedError

    # --- numbers of the model and of groups ------------------------------------------------------

    def of_model(self, study: Any) -> dict[str, Any]:
        """What the model predicts."""
        return {}

    def fit(self, columns: dict[str, np.ndarray]) -> dict[str, float]:
        """How well the model fits its rows, and with each left out."""
        raise NotImplementedError

    def baseline(self, columns: dict[str, np.ndarray]) -> dict[str, float]:
        """How well a model without features would."""
        raise NotImplementedError

    def test_fit(
        self, study: Any, columns: dict[str, np.ndarray], X_test: Any, y_test: np.ndarray
    ) -> dict[str, float]:
        """How well the model does on test rows, and one without features."""
        raise NotImplementedError

    def of_groups(
        self, columns: dict[str, np.ndarray], rows: list[np.ndarray]
    ) -> dict[str, np.ndarray]:
        """How well the model fits the rows of each group."""
        raise NotImplementedError

    def can_do_without(self, study: Any, rows: np.ndarray) -> bool:
        """Whether there is a model of the other rows."""
        raise NotImplementedError

    def performance(self, study: Any, query: Any, eta: np.ndarray, y_test: Any) -> dict[str, Any]:
        """What a model makes of each test row by its predictors, and how well if that is known."""
        raise NotImplementedError

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
        """What two performances differ by, with the ends of intervals."""
        raise NotImplementedError

    # --- words -----------------------------------------------------------------------------------

    def key_figures(self, model: dict[str, Any]) -> list[KeyFigure]:
        """The few numbers that tell how good the model is and whether to trust the others."""
        return [*self.errors(model), _sizes(model), _fit(model)]

    def errors(self, model: dict[str, Any]) -> list[KeyFigure]:
        """Those of them that are about predictions."""
        raise NotImplementedError

    def quality(self, model: dict[str, Any]) -> str:
        """A line on how well the model does."""
        raise NotImplementedError

    def heading(self, columns: dict[str, np.ndarray], first: np.ndarray) -> str:
        """A line above the rows to look at first."""
        raise NotImplementedError

    def introduction(self, columns: dict[str, np.ndarray], first: np.ndarray) -> str:
        """Sentences above the table of these rows."""
        raise NotImplementedError

    def about(self, columns: dict[str, np.ndarray], row: int) -> str:
        """What the model makes of the target of a row, as the beginning of a sentence."""
        raise NotImplementedError

    def about_test_row(self, predictions: dict[str, np.ndarray], row: int) -> str:
        """What the model, which has not seen it, makes of the target of a test row."""
        raise NotImplementedError


def _sizes(model):
    note = "all rows given; none were put aside for testing"
    if "n_test" in model:
        note = f"{model['n_test']:,} more to test on"
    return KeyFigure(f"{model['n_rows']:,}", "rows trained on", note)


def must_be_optimal(model: dict[str, Any]) -> bool:
    """Whether numbers mislead where the fit of a model is not at its optimum.

    Parameters
    ----------
    model : dict of str to object
        Facts of it.
    """
    return "explained_by" not in model


def is_off_optimum(model: dict[str, Any]) -> bool:
    """Whether the numbers of a report mislead, because its model is not at its optimum.

    Parameters
    ----------
    model : dict of str to object
        Facts of it.
    """
    if "distance_to_optimum" not in model:
        return False
    distance = model["distance_to_optimum"]
    return bool(np.isnan(distance)) or (must_be_optimal(model) and not is_at_optimum(distance))


def _fit(model):
    if "distance_to_optimum" not in model:
        note = "what is told of rows is told by the values of the leaves that they share"
        return KeyFigure("Held fixed", "the structure of the trees", note)
    distance = model["distance_to_optimum"]
    if np.isnan(distance):
        return KeyFigure("Unknown", "convergence", "the numbers overflow", is_bad=True)
    if not must_be_optimal(model):
        note = f"the model is explained at its parameters, {in_standard_errors(distance)} from an "
        return KeyFigure("By tangent", "the fit", f"{note}optimum")
    note = f"{in_standard_errors(distance)} from its optimum"
    if is_at_optimum(distance):
        return KeyFigure("Converged", "the fit", note)
    return KeyFigure("Not converged", "the fit", f"{note}: the numbers mislead", is_bad=True)
