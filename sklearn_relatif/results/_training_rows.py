"""What is known of the rows that explain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """What is known of the rows that explain, one entry a training row.

    Explanations share it by reference.

    Attributes
    ----------
    index : ndarray of shape (n_train,)
        The user's row index: the index labels of a data frame, or ``arange(n_train)``.
    labels : ndarray of shape (n_train,) or (n_train, n_targets), or None
        The labels or targets as the user gave them.
    predictions : ndarray of the shape of labels, or None
        What the model predicts for the row. None: there is no model.
    probabilities : ndarray of shape (n_train,) or None
        The model's probability of the row's own label. None: the model has none.
    library : str or None
        The data frame library of the training data: ``"pandas"``, ``"polars"``, ``"pyarrow"``, ...
        None: they were no data frame.
    """

    index: NDArray[Any]
    labels: NDArray[Any] | None = None
    predictions: NDArray[Any] | None = None
    probabilities: NDArray[np.floating] | None = None
    library: str | None = None
