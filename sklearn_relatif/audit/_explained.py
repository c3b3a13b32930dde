"""Predictions that an audit shows beside the rows that explain them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..results import Explanation, FlipSet


@dataclass(frozen=True, eq=False)
class ExplainedPrediction:
    """A prediction, with the training rows that speak for it and against it.

    Attributes
    ----------
    reason : str
        Why it is shown: "most confident mistake", "least certain", ...
    name : label
        Of the row that it is a prediction for.
    position : int
        Of that row, in the test rows or, without these, in the training rows.
    is_test : bool
        Whether it is a test row, that the model has not seen.
    label, prediction : label or number
        The label is None if it is not known.
    probability : float or None
        The model's, of its prediction.
    supporting, opposing : Explanation
        Of this one query.
    flip_set : FlipSet or None
        None if none was looked for.
    """

    reason: str
    name: Any
    position: int
    is_test: bool
    label: Any
    prediction: Any
    probability: float | None
    supporting: Explanation
    opposing: Explanation
    flip_set: FlipSet | None = None
