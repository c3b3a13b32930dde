"""What an explanation asks for its stability."""

from __future__ import annotations

from typing import Any

import numpy as np

#: What an explanation says that has no model behind it.
NO_MODEL = (
    "This explanation holds data only, and no model to ask how stable it is: it was made from "
    "arrays, loaded from a file, or copied. Call explain again, and stability of what it returns."
)


class Resampler:
    """What tells how stable the rows of an explanation are, for as long as it lives in memory.

    Explanations of models that cannot be asked have one that says why.
    """

    def of_queries(self, queries: np.ndarray) -> Resampler:
        """The same for some of the queries, by their positions (n,) among its own."""
        raise NotImplementedError

    def shares(
        self, indices: np.ndarray, sign: str, n_resamples: int | None, random_state: Any
    ) -> np.ndarray:
        """Share of resamples in which each row stays among those that explain best.

        Parameters
        ----------
        indices : ndarray of int, shape (n_queries, n_examples)
            -1 where there is no row.
        sign : {"positive", "negative", "absolute"}
        n_resamples : int or None
            How many models are fitted again. None: none is.
        random_state : int, RandomState instance or None

        Returns
        -------
        ndarray of shape (n_queries, n_examples)
            NaN where there is no row.
        """
        raise NotImplementedError


class NoResamples(Resampler):
    """That of an explanation whose stability is not known.

    Parameters
    ----------
    reason : str
        Why, and the way out.
    """

    def __init__(self, reason: str = NO_MODEL) -> None:
        self.reason = reason

    def of_queries(self, queries: np.ndarray) -> NoResamples:
        """The reason is the same."""
        return self

    def shares(
        self, indices: np.ndarray, sign: str, n_resamples: int | None, random_state: Any
    ) -> np.ndarray:
        """There are none: raises a ValueError with the reason."""
        raise ValueError(self.reason)
