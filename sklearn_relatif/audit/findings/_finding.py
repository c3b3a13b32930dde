"""One thing that an audit found, and all that it is looked for in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...utils._cells import Cells
from ..suspects import NOT_JUDGED, Suspects, without_suspects
from ..views import View
from ._predictors import Predictors
from ._repeats import Repeats, repeats_of


def _no_rows() -> np.ndarray:
    return np.empty(0, np.intp)


@dataclass(frozen=True, eq=False)
class Finding:
    """What a check found: a plain sentence with its number, and what it rests on.

    Attributes
    ----------
    kind : str
        What was found, as a word for programs: ``"label_errors"``, ``"leakage"``, ...
    sentence : str
        What was found, with its number, in words that need no explanation.
    value : float
        The number.
    weight : float
        How much it matters, from 0 to 1: findings are listed by it.
    method : str
        How it was found, and how well that is known to work.
    rows : ndarray of int
        Positions of the training rows concerned, the most important first.
    test_rows : ndarray of int
        Positions of the test rows concerned, the most important first.
    columns : tuple of str
        The columns of the table concerned.
    section : str or None
        The part of the page that tells more.
    """

    kind: str
    sentence: str
    value: float
    weight: float
    method: str
    rows: np.ndarray = field(default_factory=_no_rows)
    test_rows: np.ndarray = field(default_factory=_no_rows)
    columns: tuple[str, ...] = ()
    section: str | None = None


@dataclass(frozen=True, eq=False)
class Evidence:
    """What checks look at.

    Attributes
    ----------
    study : Study
    view : View
    index : ndarray of shape (n_rows,)
        Names of the training rows.
    columns : dict of str to ndarray of shape (n_rows,)
        Numbers of the training rows.
    predictions : dict of str to ndarray of shape (n_test,)
        Numbers of the test rows, empty without these.
    model : dict of str to object
        Facts of the model.
    groups : dict of str to ndarray of shape (n_groups,)
        Numbers of groups of training rows, empty without these.
    cells, test_cells : Cells or None
        The rows as the user wrote them, as far as they are at hand.
    suspects : Suspects
        Rows whose labels or targets are likely to be wrong.
    """

    study: Any
    view: View
    index: np.ndarray
    columns: dict[str, np.ndarray]
    predictions: dict[str, np.ndarray]
    model: dict[str, Any]
    groups: dict[str, np.ndarray]
    cells: Cells | None = None
    test_cells: Cells | None = None
    suspects: Suspects = field(default_factory=lambda: without_suspects(NOT_JUDGED))

    @cached_property
    def predictors(self) -> Predictors:
        """What the model predicts from, column by column."""
        return Predictors(self.study, self.cells, self.test_cells)

    @cached_property
    def test_query(self) -> Any:
        """The test rows as the objective takes them, where there are some."""
        return None if self.test_cells is None else self.study.query(self.test_cells.table)

    @cached_property
    def repeats(self) -> Repeats:
        """Which training rows are equal to each other."""
        return repeats_of(self.predictors.keys)


class Check(NamedTuple):
    """Something that is looked for.

    Attributes
    ----------
    subject : str
        What is looked for, in words: "labels that look wrong".
    find : callable
        From an Evidence to the list of what was found, empty if nothing was.
    obstacle : callable
        From an Evidence to why it cannot be looked for, or None.
    applies : callable
        From an Evidence to whether there can be such a thing at all: labels, for one.
    """

    subject: str
    find: Callable[[Evidence], list[Finding]]
    obstacle: Callable[[Evidence], str | None] = lambda evidence: None
    applies: Callable[[Evidence], bool] = lambda evidence: True


def needs_columns(evidence: Evidence) -> str | None:
    """The obstacle of checks that look at the columns as they were given."""
    predictors = evidence.predictors
    if not predictors.are_given:
        return "the columns that go into the pipeline were not given: audit(X_train=...)"
    return "the rows are sparse" if predictors.is_sparse else no_columns(evidence)


def no_columns(evidence: Evidence) -> str | None:
    """The obstacle of checks that look at columns, of which rows that are arrays have none."""
    shape = evidence.predictors.cells.row_shape
    if shape is None:
        return None
    return f"each row is an array of {' x '.join(map(str, shape))} numbers, which are no columns"
