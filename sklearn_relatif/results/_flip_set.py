"""Rows without which a label flips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..utils._boxes import box, code_line, folded, line, paragraph, table
from ..utils._text import agreeing, clip, text_of


@dataclass(frozen=True)
class FlipSet:
    """Training rows whose removal, or other labels, change a predicted label, if any were found.

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
        without the rows, and under the model retrained without them (or with their other labels).
        None for models without probabilities, and the last two if no set was found.
    edit : {"remove", "relabel"}
        Whether the rows are removed, or bear other labels.
    labels_before, labels_after : ndarray of shape (size,) or None
        Their labels, and those that they would have to bear. None: they are removed.
    """

    rows: np.ndarray
    positions: np.ndarray
    max_size: int
    label: Any
    new_label: Any = None
    probability_before: float | None = None
    probability_predicted: float | None = None
    probability_after: float | None = None
    edit: str = "remove"
    labels_before: np.ndarray | None = None
    labels_after: np.ndarray | None = None

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
            content += folded(f"The rows ({self.size})", self._listed())
        if self.found and self.edit == "remove":
            content += code_line(
                "explainer.retrain_without([flip_set.positions])", "is the model without them."
            )
        return box("FlipSet", f"of a prediction of {clip(text_of(self.label))}", content)

    def _listed(self) -> str:
        """A table of the rows, with their labels where these would be others."""
        headings = ["row", "position in the training data"]
        columns: list[Any] = [self.rows, self.positions]
        if self.edit == "relabel":
            headings += ["label", "would have to be"]
            columns += [self.labels_before, self.labels_after]
        cells = [[clip(text_of(cell)) for cell in row] for row in zip(*columns, strict=True)]
        words = [place for place in range(len(headings)) if place != 1]
        return table(headings, [line(row, words=words) for row in cells], words)

    def __str__(self) -> str:
        change = "removal" if self.edit == "remove" else "change of label"
        if not self.found:
            return (
                f"No set of at most {self.max_size} training "
                f"{agreeing(self.max_size, 'row', 'rows')} was found whose {change} would "
                f"change the predicted label {text_of(self.label)}"
                f"{_probability(self.probability_before)}."
            )
        names = [text_of(row) for row in self.rows[:10]]
        if self.labels_before is not None and self.labels_after is not None:
            labels = zip(names, self.labels_before, self.labels_after, strict=False)
            names = [f"{name}: {text_of(old)} to {text_of(new)}" for name, old, new in labels]
        rows = ", ".join(names) + (", ..." if self.size > 10 else "")
        which = "Without" if self.edit == "remove" else "With other labels of"
        changed = (
            f"{which} {self.size} training {agreeing(self.size, 'row', 'rows')} ({rows}) the "
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
