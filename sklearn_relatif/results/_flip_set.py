"""Rows without which a label flips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..utils._boxes import box, code_line, folded, line, paragraph, table
from ..utils._text import clip, text_of


@dataclass(frozen=True)
class FlipSet:
    """Training rows whose removal changes a predicted label, or that none were found.

    Attributes
    ----------
    rows : ndarray of shape (size,)
        The user's index labels of the training rows; empty if no set was found.
    positions : ndarray of int, shape (size,)
        Their positions in the training data, as :meth:`RelatIFExplainer.retrain_without` takes
        them.
    max_size : int
        Largest size that was looked for.
    label : label
        What the model predicts at its optimum, to which it is trained from where its fit has
        stopped. (Where that is not what it predicts as it was fitted, a warning says so.)
    new_label : label or None
        What it predicts when trained without the rows. None: no set was found.
    probability_before, probability_predicted, probability_after : float or None
        Probability of ``label`` under the model at its optimum, under the Newton step from there
        without the rows, and under the model retrained without them. None for models without
        probabilities, and the last two if no set was found.
    """

    rows: np.ndarray
    positions: np.ndarray
    max_size: int
    label: Any
    new_label: Any = None
    probability_before: float | None = None
    probability_predicted: float | None = None
    probability_after: float | None = None

    @property
    def size(self) -> int:
        """Number of rows; 0 if no set was found."""
        return len(self.rows)

    @property
    def found(self) -> bool:
        """Whether a set was found."""
        return self.size > 0

    def _repr_html_(self) -> str:
        """A box for notebooks: the sentence, and the rows by their names and positions."""
        content = paragraph(str(self))
        if self.found:
            places = zip(self.rows, self.positions, strict=True)
            lines = [line([clip(text_of(row)), str(place)], words=[0]) for row, place in places]
            rows = table(["row", "position in the training data"], lines, [0])
            content += folded(f"The rows ({self.size})", rows)
            content += code_line(
                "explainer.retrain_without([flip_set.positions])", "is the model without them."
            )
        return box("FlipSet", f"of a prediction of {clip(text_of(self.label))}", content)

    def __str__(self) -> str:
        if not self.found:
            return (
                f"No set of at most {self.max_size} training "
                f"{'row' if self.max_size == 1 else 'rows'} was found whose removal would "
                f"change the predicted label {text_of(self.label)}"
                f"{_probability(self.probability_before)}."
            )
        rows = ", ".join(map(text_of, self.rows[:10])) + (", ..." if self.size > 10 else "")
        changed = (
            f"Without {self.size} training {'row' if self.size == 1 else 'rows'} ({rows}) the "
            f"model predicts {text_of(self.new_label)} in place of {text_of(self.label)}"
        )
        if self.probability_before is None:
            return f"{changed}."
        return (
            f"{changed}, whose probability falls from {self.probability_before:.3f} to "
            f"{self.probability_after:.3f}."
        )


def _probability(value: float | None) -> str:
    return "" if value is None else f" (probability {value:.3f})"
