"""How a broken promise is told of."""

from __future__ import annotations

from typing import Any

import numpy as np


def promise(is_kept: bool | np.bool_, text: str) -> None:
    """Raise an AssertionError with the text of a promise that is not kept."""
    if not is_kept:
        raise AssertionError(f"Broken promise: {text}.")


def same(actual: Any, expected: Any, tolerance: float, text: str) -> None:
    """Hold numbers to a reference, up to a share of the largest number of it.

    Parameters
    ----------
    actual, expected : array-like of the same shape
    tolerance : float
    text : str
        What is promised.
    """
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    promise(actual.shape == expected.shape, f"{text}: {actual.shape} is not {expected.shape}")
    if not expected.size:
        return
    promise(np.isfinite(actual).all(), f"{text}: there are numbers that are not finite")
    error, largest = np.abs(actual - expected), np.abs(expected).max()
    worst = np.unravel_index(error.argmax(), error.shape)
    share = error[worst] / max(largest, np.finfo(np.float64).tiny)
    promise(
        share <= tolerance,
        f"{text}: {actual[worst]:.6g} is not {expected[worst]:.6g}, at {tuple(map(int, worst))}. "
        f"It is off by {share:.2g} of the largest number, and {tolerance:.2g} is allowed",
    )


def refuses(call: Any, kind: type[Exception], text: str) -> None:
    """Promise that a call raises an error of a kind."""
    try:
        call()
    except kind:
        return
    raise AssertionError(f"Broken promise: {text}.")
