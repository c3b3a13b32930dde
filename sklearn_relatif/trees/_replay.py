"""Whether the values of leaves follow from the rows that were given, by which all else is told."""

from __future__ import annotations

import numpy as np

from ._boosted import BoostedTrees
from ._forest import Forest

#: By which predictors of about 1 may differ where nothing was split.
ROUNDING = 1e-12
#: By how much of the largest leaf value those of a replay may differ.
REPLAY_TOLERANCE = 1e-6


def replay_error(trees: BoostedTrees, precision: float = ROUNDING, rounding: float = 0.0) -> float:
    """By how much leaf values, and starts, do not follow from the rows.

    Parameters
    ----------
    trees : BoostedTrees
    precision : float, default=1e-12
        By which share of the largest predictor they may differ in any case, because a library adds
        predictors up no closer than that.
    rounding : float, default=0.0
        By how much they may differ in any case as well, because it rounds gradients.

    Returns
    -------
    float
        The largest difference above that, of the largest leaf value. Predictors may be much larger,
        by where they start: they would hide that all leaf values are wrong.
    """
    solved, largest = trees.solved, np.abs(trees.values).max(initial=0)
    off = np.abs(solved.values - trees.values).max(initial=0)
    start = np.abs(trees.start_values).max(initial=0)
    off_start = np.abs(solved.start - trees.start_values).max(initial=0)
    predictor = np.abs(trees.predictors(trees.leaves)).max(initial=1)
    rounding += precision * max(start, predictor)
    # Where nothing was split, there may be no leaf value to compare with.
    compared = np.array([max(largest, ROUNDING), max(start, largest, ROUNDING)])
    return float((np.maximum(np.array([off, off_start]) - rounding, 0) / compared).max())


def check_replay(
    trees: BoostedTrees,
    name: str,
    causes: str,
    precision: float = ROUNDING,
    rounding: float = 0.0,
) -> None:
    """Refuse a model whose predictions the recursion does not give again.

    Parameters
    ----------
    trees : BoostedTrees
    name : str
        Of the estimator.
    causes : str
        What else may be the cause, and the way out, as a sentence.
    precision : float, default=1e-12
    rounding : float, default=0.0
        Of the library; see :func:`replay_error`.

    Raises
    ------
    ValueError
        If they differ by more than :data:`REPLAY_TOLERANCE`.
    """
    off = replay_error(trees, precision, rounding)
    if not off <= REPLAY_TOLERANCE:
        raise ValueError(_other_rows(name, _off_by(off), causes))


def check_forest(forest: Forest, values: np.ndarray, name: str, causes: str) -> None:
    """Refuse a forest whose leaf values do not follow from its rows.

    Parameters
    ----------
    forest : Forest
    values : ndarray of shape (n_leaves, n_outputs)
        Those that the library has.
    name : str
        Of the estimator.
    causes : str
        What else may be the cause, and the way out, as sentences.

    Raises
    ------
    ValueError
        If they differ by more than :data:`REPLAY_TOLERANCE`, or leaves have no rows.
    """
    off = np.abs(forest.values - values).max() / (np.abs(values).max() or 1.0)
    n_empty = np.count_nonzero(forest.weight <= 0)
    if n_empty:
        raise ValueError(_other_rows(name, f"{n_empty} of them have no rows", causes))
    if not off <= REPLAY_TOLERANCE:
        raise ValueError(_other_rows(name, _off_by(off), causes))


def _off_by(off: float) -> str:
    return f"they differ by {off:.1g} of the largest"


def _other_rows(name: str, how: str, causes: str) -> str:
    """What to say where leaf values are not those of the rows."""
    return (
        f"The leaf values of this {name} do not follow from the rows, labels and weights that "
        f"were given: {how}, so nothing is explained. Give exactly what it was fitted on. {causes}"
    )
