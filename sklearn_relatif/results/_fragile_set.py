"""Rows without which a number is on the other side of a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._boxes import box, code_line, folded, line, paragraph, table
from ..utils._cells import Cells
from ..utils._frames import check_names, columns_at, frame_of, library_of
from ..utils._text import agreeing, clip, short_text, text_of
from ._training_rows import TrainingRows

#: Rows that a sentence names, and that a notebook lists, with cells of each.
MAX_NAMED, MAX_LISTED, MAX_CELLS = 10, 100, 8


@dataclass(frozen=True)
class NormalErrors:
    """How many rows it would take to move a number if the errors of least squares were normal.

    With the same columns, estimates and size of the errors as the data; sizes are estimates, by the
    sum of the effects of single rows.

    Attributes
    ----------
    estimated_size : float
        How many rows the same estimate says that it takes with the data as they are; infinite if
        all of them do not do.
    typical_size : float
        The median of that over draws of normal errors.
    range : tuple of float
        Between which 90 % of the draws are.
    p_value : float
        The share of draws that take as few rows as the data do. If it is small, a few rows are not
        like the others; if it is not, the number is as fragile as its noise makes any.
    """

    estimated_size: float
    typical_size: float
    range: tuple[float, float]
    p_value: float

    def __str__(self) -> str:
        estimated, typical, low, high = map(
            _number, (self.estimated_size, self.typical_size, *self.range)
        )
        draws = "in 9 of 10 draws" if low == high else f"{low} to {high} in 9 of 10 draws"
        return (
            f"By the sum of single rows it takes {estimated}, and with normal errors it would take "
            f"{typical} ({draws}, p = {self.p_value:.2g})."
        )


@dataclass(frozen=True, eq=False)
class FragileSet:
    """Training rows whose removal moves a number across a threshold, or that none were found.

    Attributes
    ----------
    statistic : str
        The name of the number, such as ``"coef:age"``.
    threshold : float
    positions : ndarray of int, shape (size,)
        Positions of the rows in the training data, as :meth:`RelatIFExplainer.retrain_without`
        takes them; empty if no set was found. The row that does most comes first.
    max_rows : int
        Largest size that was looked for.
    n_rows : int
        Number of training rows (those of weight 0 do not count).
    value_before : float
        The number of the model of all rows, at its optimum.
    value_predicted : float or None
        What the first order says that it is without the rows: the sum of the influences of each.
        None: no set was found.
    value_after : float or None
        The number of the model trained without the rows, exactly. None: no set was found.
    lower_bound : int or None
        No set of fewer rows moves the number across the threshold, which is proved. (Sets without
        which there is no model, as without all rows of a class, do not count.) None: nothing is
        known.
    method : {"search", "enumeration"}
        Whether the set was found by searching, or by trying all sets of so many rows.
    normal_errors : NormalErrors or None
        How many rows it would take if errors were normal. None: not least squares of one target,
        not a number that is linear in the parameters.
    training_rows : TrainingRows
        What is known of the training rows; kept by reference.
    cells : mapping of str to array-like of shape (size,)
        Cells of the rows in the table that the model was fitted to, by the names of the columns
        (``x0``, ``x1``, ... where they have none): those first whose coefficients the number is
        about, then those in which the rows are farthest from the mean of all, in standard
        deviations; 30 columns at most. Empty if they are not known: a sampler was between the table
        and the model, the explainer was saved and loaded or comes from ``without``, or the rows are
        pictures or dicts.
    """

    statistic: str
    threshold: float
    positions: NDArray[np.integer]
    max_rows: int
    n_rows: int
    value_before: float
    value_predicted: float | None = None
    value_after: float | None = None
    lower_bound: int | None = None
    method: str = "search"
    normal_errors: NormalErrors | None = None
    training_rows: Any = None
    cells: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> NDArray[Any]:
        """The user's index labels of the rows, shape (size,)."""
        rows: NDArray[Any] = self.training_rows.index[self.positions]
        return rows

    @property
    def size(self) -> int:
        """Number of rows; 0 if no set was found."""
        return len(self.positions)

    @property
    def found(self) -> bool:
        """Whether a set was found."""
        return self.size > 0

    @property
    def share(self) -> float:
        """What part of the training rows these are, from 0 to 1."""
        return self.size / self.n_rows

    @property
    def is_minimal(self) -> bool:
        """Whether it is proved that no set of fewer rows would do."""
        return self.found and self.size == self.lower_bound

    def frame(self, X_train: Any = None) -> Any:
        """One line a row, the one that does most first, with its cells.

        Parameters
        ----------
        X_train : data frame, series, array, sparse matrix or list, default=None
            The training rows in the order of ``fit``, to put all of their columns there. They may
            have others than the model was given. None: `cells`.

        Returns
        -------
        data frame
            Of the library of the training rows; pandas if they were arrays. With the columns `row`
            (the user's index label), `position`, `label`, `prediction` and `probability` (the
            model's, of the row's own label), each only where it is known. Cells follow, as
            ``row_<column>``, those that matter first.

        Raises
        ------
        ImportError
            If the library of the frame, such as pandas, is not installed.
        ValueError
            If `X_train` has other rows, by their number or by their index labels; or if it is
            sparse, and over 100 columns are not 0.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import LinearRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
        >>> frame = explainer.fragility("coef:age").frame()
        >>> frame.columns[:6].tolist()
        ['row', 'position', 'label', 'prediction', 'row_age', 'row_s3']
        >>> frame[["row", "label", "row_age"]].round(3).to_numpy().tolist()
        [[102.0, 302.0, -0.093]]
        """
        known: TrainingRows = self.training_rows
        columns: dict[str, Any] = {"row": self.rows, "position": self.positions}
        for name, values in [
            ("label", known.labels),
            ("prediction", known.predictions),
            ("probability", known.probabilities),
        ]:
            if values is None:
                continue
            own = values[self.positions]
            several = {f"{name}_{k}": part for k, part in enumerate(own.T)} if own.ndim > 1 else {}
            columns |= several or {name: own}
        library = known.library or library_of(X_train)
        if X_train is not None:
            features = columns_at(X_train, self.positions, "row_", library, len(known.index))
            check_names(X_train, self.rows, self.positions, known.library, "X_train")
            columns |= features
        else:
            columns |= {f"row_{name}": values for name, values in self.cells.items()}
        return frame_of(columns, library, "FragileSet.frame")

    def _repr_html_(self) -> str:
        """A box for notebooks: the sentence, and the rows by their names and positions."""
        content = paragraph(str(self))
        if self.normal_errors is not None:
            content += paragraph(str(self.normal_errors))
        if self.found:
            rows = self._listed()
            title = (
                f"The rows ({self.size})"
                if self.size <= MAX_LISTED
                else (f"The first {MAX_LISTED} of {self.size} rows")
            )
            content += folded(title, rows)
            content += code_line("fragile_set.frame()", "has them as a table.")
            content += code_line(
                "explainer.retrain_without([fragile_set.positions])", "is the model without them."
            )
        return box("FragileSet", f"of {clip(text_of(self.statistic))}", content)

    def _listed(self) -> str:
        """A table of the rows, with what is known of them and the cells that matter first."""
        positions = self.positions[:MAX_LISTED]
        headings, columns = ["row", "position"], [self.rows[:MAX_LISTED], positions]
        labels = self.training_rows.labels
        if labels is not None:
            headings.append("label")
            columns.append(labels[positions])
        texts = [list(map(text_of, column)) for column in columns]
        n_shown = MAX_CELLS if len(self.cells) > MAX_CELLS + 2 else len(self.cells)
        for name, values in islice(self.cells.items(), n_shown):
            cells = Cells(values)
            headings.append(clip(name))
            columns.append(np.asarray(values))
            texts.append([cells.row(place)[0][1] for place in range(len(positions))])
        words = [0, *(k for k, column in enumerate(columns) if column.dtype.kind not in "biuf")]
        lines = [line(list(map(clip, row)), words=words) for row in zip(*texts, strict=True)]
        return table(headings, lines, words)

    def __str__(self) -> str:
        name = text_of(self.statistic)
        before, threshold = short_text(self.value_before), short_text(self.threshold)
        if not self.found:
            return (
                f"No set of at most {_rows(self.max_rows)} was found without which "
                f"{name}, {before}, would be on the other side of {threshold}.{self._bound()}"
            )
        named = ", ".join(map(text_of, self.rows[:MAX_NAMED]))
        named += ", ..." if self.size > MAX_NAMED else ""
        direction = "falls" if self.value_before > self.threshold else "rises"
        share = f"{100 * self.share:.2g} % of {self.n_rows:,}"
        return (
            f"Without {_rows(self.size)} ({named}; {share}) {name} {direction} from {before} to "
            f"{short_text(self.value_after)}, past {threshold}.{self._bound()}"
        )

    def _bound(self) -> str:
        if self.is_minimal:
            return " No smaller set does that." if self.size > 1 else ""
        if self.lower_bound is None or self.lower_bound <= 1:
            return ""
        return f" It takes at least {_rows(self.lower_bound)}."


def _number(size: float) -> str:
    return f"{size:,.0f}" if np.isfinite(size) else "more than there are"


def _rows(number: int) -> str:
    return f"{number:,} training {agreeing(number, 'row', 'rows')}"
