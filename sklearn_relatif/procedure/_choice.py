"""Which candidate the folds choose, where bounds of the scores may leave it open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._scores import ROUNDING, Scored

#: A score of a candidate in a fold, by scikit-learn's own fit: from the fold, the candidate, and
#: whether to the last bit, to the score and its bounds.
Rescored = Callable[[int, int, bool], tuple[float, float, float]]


def choice(search: Any, scored: Sequence[Scored], rescored: Rescored) -> tuple[int, int]:
    """The candidate that the folds choose, and how many fits of scikit-learn that took.

    While several may be the best, the one of the highest upper bound is fitted.

    Parameters
    ----------
    search : Search
    scored : sequence of Scored
        One a fold.
    rescored : callable
        As :data:`Rescored`.
    """
    bounds = np.array(scored)  # (n_folds, value or low or high, n_candidates)
    fitted = set()
    while True:
        value, low, high = bounds.transpose(1, 2, 0)
        lowest, highest = low.mean(axis=1), high.mean(axis=1)
        contends = highest >= lowest.max() - ROUNDING
        is_open = contends & (high > low).any(axis=1)
        if contends.sum() == 1 or not is_open.any():
            scores = np.where(contends[:, None], value, -np.inf)
            return search.chosen(scores), len(fitted)
        candidate = int(np.argmax(np.where(is_open, highest, -np.inf)))
        width = high[candidate] - low[candidate]
        # Where nothing else is open, rounding is.
        is_wide = width > 10 * ROUNDING
        for fold in np.flatnonzero(is_wide if is_wide.any() else width > 0).tolist():
            bounds[fold, :, candidate] = rescored(fold, candidate, not is_wide.any())
            fitted.add((fold, candidate))
