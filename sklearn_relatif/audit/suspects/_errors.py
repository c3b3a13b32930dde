"""Labels and targets that are likely to be wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Probability of an error from which a row is named.
NAMED = 0.5
#: Of a normal distribution, in standard deviations: 95 % of it.
INTERVAL = 1.96
#: Chance of finding errors where there are none.
LEVEL = 0.001


@dataclass(frozen=True, eq=False)
class Errors:
    """Rows whose labels or targets are likely to be wrong.

    Attributes
    ----------
    probability : ndarray of shape (n_rows,)
        Of each to be wrong.
    deviation : float
        Standard deviation of their number.
    p_value : float
        Of what errors add to the likelihood, if there were none.
    n_certain : int
        Rows whose right label is all but certain. Of numbers, all rows.
    """

    probability: np.ndarray
    deviation: float
    p_value: float
    n_certain: int

    @property
    def are_there(self) -> bool:
        """Whether there are more than chance makes, and any that can be named."""
        return self.p_value < LEVEL and bool(np.any(self.probability > NAMED))

    @property
    def share_certain(self) -> float:
        """The share of the rows whose right label is all but certain."""
        return self.n_certain / len(self.probability)

    @property
    def count(self) -> float:
        """The expected number of errors."""
        return float(self.probability.sum())

    @property
    def interval(self) -> tuple[float, float]:
        """Where their number lies, as far as the model of errors is right: 95 %."""
        reach = INTERVAL * self.deviation
        return max(0.0, self.count - reach), min(len(self.probability), self.count + reach)


def named(probability: np.ndarray) -> np.ndarray:
    """Positions of the rows that are more likely wrong than right, the likeliest first."""
    order = np.argsort(-probability, kind="stable")
    return order[probability[order] > NAMED]


def some_rows(random_state: np.random.RandomState, n_rows: int, n_wanted: int) -> np.ndarray:
    """Positions of rows, not more than are wanted."""
    if n_rows <= n_wanted:
        return np.arange(n_rows)
    return np.sort(random_state.choice(n_rows, max(1, n_wanted), replace=False))
