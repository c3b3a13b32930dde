"""Ratios of the times of two revisions, and how sure they are."""

from statistics import median
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

#: Of each interval: of ten jobs at which nothing has changed, one in ten runs shows a difference.
CONFIDENCE = 0.99
#: The fewest rounds whose ratios can lie so far on one side of 1 that they refute it.
LEAST_ROUNDS = 8
#: Least memory in MB that says something of a job: less differs by half from run to run.
LEAST_MEMORY = 8.0


class Ratio(NamedTuple):
    """Of the second time to the first: the median over the rounds, with its interval."""

    median: float
    low: float
    high: float

    @property
    def verdict(self):
        """What the interval says of the second."""
        if self.low > 1:
            return "slower"
        return "faster" if self.high < 1 else "not told apart"


def ratio_of(rounds):
    """Return the ratio of two times, from (seconds of the first, of the second) of each round.

    The interval is that of the sign test: of the values that the median may have, those that the
    numbers of ratios below and above do not refute. It assumes that rounds are independent, and
    nothing of how times are distributed.
    """
    ratios = sorted(second / first for first, second in rounds)
    # So many ratios at each end that a median beyond one of them would be refuted.
    n_beyond = int(binom(len(ratios), 0.5).ppf((1 - CONFIDENCE) / 2))
    low, high = (ratios[n_beyond - 1], ratios[-n_beyond]) if n_beyond else (np.nan, np.nan)
    return Ratio(median(ratios), low, high)


def memory_ratio(first, second):
    """Return the ratio of two peaks in MB; None if there is next to nothing to compare."""
    return second / first if min(first, second) >= LEAST_MEMORY else None
