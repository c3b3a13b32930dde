"""What is made of a training row by a model that has not seen it, and how that is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Unseen(NamedTuple):
    """Which model that is.

    Attributes
    ----------
    prefix : str
        Of the columns of a report, and of the facts of a model.
    model : str
        "the model without it", in sentences about a row.
    by, by_which : str
        The end of "it has 93%", and of what a picture shows of all rows.
    gives : str
        A clause on what a label has by that model.
    of_all : str
        What such predictions of all rows are.
    each : str
        How each of them is judged.
    each_is : str
        How each of them is predicted.
    without_each : str
        The models of all rows together.
    """

    prefix: str
    model: str
    by: str
    by_which: str
    gives: str
    of_all: str
    each: str
    each_is: str
    without_each: str

    def named(self, name: str) -> str:
        """The name of a column or a fact that is by this model."""
        return f"{self.prefix}_{name}"


LEAVE_ONE_OUT = Unseen(
    prefix="loo",
    model="the model without it",
    by="without it",
    by_which="by the model without the row",
    gives="which it gives {} without the row",
    of_all="leave-one-out",
    each="judged by the model without it (leave-one-out)",
    each_is="left out",
    without_each="the model without each row",
)
OUT_OF_BAG = Unseen(
    prefix="oob",
    model="the rest of the forest",
    by="by the rest of the forest",
    by_which="by the rest of the forest",
    gives="which the rest of the forest gives {}",
    of_all="out of bag",
    each="judged by the trees that were grown without it (out of bag)",
    each_is="predicted by the rest of the forest",
    without_each="the trees that were grown without each row",
)


def unseen_of(names: Iterable[str]) -> Unseen:
    """Which model that has not seen the rows their columns are by, if any."""
    is_of_bags = any(name.startswith(f"{OUT_OF_BAG.prefix}_") for name in names)
    return OUT_OF_BAG if is_of_bags else LEAVE_ONE_OUT
