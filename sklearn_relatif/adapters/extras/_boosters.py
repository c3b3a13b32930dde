"""What adapters of the libraries that boost trees share: checks of a model and of its columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier

#: Names of columns that a message holds.
SHOWN = 5


class Refused(NamedTuple):
    """A setting with which leaf values do not follow from the rows alone.

    Attributes
    ----------
    is_met : callable
        From what was read of a booster to whether it is so.
    what, way_out : str
        For the message, after "with" and "Fit it with".
    """

    is_met: Callable[[Any], bool]
    what: str
    way_out: str


def check_covered(model: Any, booster: Any, each: Sequence[Refused]) -> None:
    """Refuse models whose leaf values do not follow from the rows alone.

    Parameters
    ----------
    model : fitted estimator
    booster : object
        What was read of its booster.
    each : sequence of Refused
        Of the library.

    Raises
    ------
    ValueError
        If one of them is met, or the model is a classifier of one class.
    """
    name = type(model).__name__
    for refused in each:
        if refused.is_met(booster):
            raise ValueError(
                f"{name} with {refused.what} cannot be explained. Fit it with {refused.way_out}."
            )
    if is_classifier(model) and len(model.classes_) == 1:
        raise ValueError(
            f"{name} was fitted to rows of one class, and tells nothing apart. Fit it to rows of "
            "two classes or more."
        )


def check_columns(
    kind: str, X: Any, names: list[str], unnamed: str, written: Callable[[Any], str] = str
) -> None:
    """Refuse rows of other columns, where a library takes columns by their positions alone.

    Parameters
    ----------
    kind : str
        The name of the estimator.
    X : array-like, CSR matrix or data frame of shape (n_rows, n_columns)
    names : list of str
        Of the columns that it was fitted with.
    unnamed : str
        The name that the library gives a column without one, with "{}" for its position.
    written : callable, default=str
        From the name of a column to what the library makes of it.

    Raises
    ------
    ValueError
        If there are more or fewer, or others.
    """
    if X.shape[1] != len(names):
        raise ValueError(
            f"X has {X.shape[1]} features, but {kind} is expecting {len(names)} features as input."
        )
    given = [written(name) for name in getattr(X, "columns", names)]
    is_named = names != [unnamed.format(position) for position in range(len(names))]
    if is_named and given != names:
        raise ValueError(
            f"The columns of X must be those that {kind} was fitted with, in the same order: "
            f"{', '.join(names[:SHOWN])}{', ...' if len(names) > SHOWN else ''}."
        )


def in_single_precision(numbers: Any) -> np.ndarray:
    """Numbers as a library keeps them that rounds them, in double precision again."""
    return np.asarray(numbers, np.float32).astype(np.float64)
