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

    While several may be the best, the one of the highest upper bound is fitted in the fold in which
    its score is least known.

    Parameters
    ----------
    search : Search
    scored : sequence of Scored
        One a fold.
    rescored : callable
        As :data:`Rescored`.
    """
    bounds = np.array(scored)  # (n_folds, value or low or high, n_candidates)
    n_fits = 0
    while True:
        value, low, high = bounds.transpose(1, 2, 0)
        lowest, highest, width = low.mean(axis=1), high.mean(axis=1), high - low
        contends = highest >= lowest.max() - ROUNDING
        if contends.sum() == 1 or not width[contends].any():
            scores = np.where(contends[:, None], value, -np.inf)
            return search.chosen(scores), n_fits
        # Where nothing else is open, rounding is.
        is_open = width > 10 * ROUNDING
        to_the_bit = not is_open[contends].any()
        is_open = (is_open | to_the_bit) & (width > 0) & contends[:, None]
        candidate = int(np.argmax(np.where(is_open.any(axis=1), highest, -np.inf)))
        fold = int(np.argmax(np.where(is_open[candidate], width[candidate], -1)))
        bounds[fold, :, candidate] = rescored(fold, candidate, to_the_bit)
        n_fits += not to_the_bit
