"""Class weights, as rows bore them."""

from __future__ import annotations

import inspect

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

#: Newer releases of scikit-learn let "balanced" class weights count sample weights.
BALANCED_COUNTS_WEIGHTS = "sample_weight" in inspect.signature(compute_class_weight).parameters


def class_weight_of_rows(class_weight, classes, y, sample_weight):
    """Class weight of each row, shape (n_rows,).

    Parameters
    ----------
    class_weight : dict, "balanced" or None
    classes : ndarray of shape (n_classes,)
    y : ndarray of int, shape (n_rows,)
        Positions in ``classes``.
    sample_weight : ndarray of shape (n_rows,) or None
        None where the estimator balances classes by counting rows.
    """
    if class_weight is None:
        return np.ones(len(y))
    counted = BALANCED_COUNTS_WEIGHTS and sample_weight is not None
    options = {"sample_weight": sample_weight} if counted else {}
    return compute_class_weight(class_weight, classes=classes, y=classes[y], **options)[y]
