"""What an audit tells of rows, by what their targets are: classes, or numbers."""

from __future__ import annotations

from itertools import count, takewhile

import numpy as np

from ._base import View, is_off_optimum, must_be_optimal
from ._classes import ClassView
from ._numbers import NumberView
from ._unseen import LEAVE_ONE_OUT, OUT_OF_BAG, Unseen, unseen_of
from ._words import amount, name_of, percent

__all__ = [
    "LEAVE_ONE_OUT", "OUT_OF_BAG", "ClassView", "NumberView", "Unseen", "View", "amount",
    "is_off_optimum", "must_be_optimal", "name_of", "percent", "unseen_of", "view_of",
]  # fmt: skip


def view_of(columns: dict[str, np.ndarray]) -> View:
    """The view by which the columns of training rows were made."""
    unseen = unseen_of(columns)
    if "label" in columns:
        return ClassView(unseen)
    names = (f"target_{k}" for k in count())
    return NumberView(max(1, sum(1 for _ in takewhile(columns.__contains__, names))), unseen)
