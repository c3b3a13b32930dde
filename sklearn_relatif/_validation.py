"""Checks of arguments and data: each error names the argument, the value and the way out."""

from __future__ import annotations

import reprlib
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import column_or_1d

#: A relative gradient above this means that the model is not at the optimum of these rows.
STATIONARITY_LIMIT = 1e-2


def check_choice(name, value, choices):
    """Raise a ValueError if ``value`` is not one of the allowed strings."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")


def check_non_negative(name, value):
    """Raise an error if ``value`` is not a finite number of at least 0."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number; got {value!r}.")
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be finite and at least 0; got {value!r}.")


def check_positive_int(name, value):
    """Raise an error if ``value`` is not a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number; got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be at least 1; got {value!r}.")


def check_sample_weight(sample_weight, n_rows):
    """Sample weights as float64, shape (n_rows,); ones where there are none."""
    if sample_weight is None:
        return np.ones(n_rows)
    weight = column_or_1d(sample_weight, dtype=np.float64)
    if len(weight) != n_rows:
        raise ValueError(
            f"sample_weight has {len(weight)} entries for {n_rows} rows; it needs one a row."
        )
    if not np.all(np.isfinite(weight)):
        raise ValueError("sample_weight contains NaN or infinity; give every row a finite weight.")
    if weight.min() < 0:
        raise ValueError(
            f"sample_weight must not be negative; its smallest entry is {weight.min():g}. "
            "Use 0 to leave a row out."
        )
    if not weight.any():
        raise ValueError("sample_weight is 0 for every row; at least one row must count.")
    return weight


def place_sample_weight(prefix, sample_weight, fit_params):
    """Arguments for the estimator's ``fit``, and the weights that reach the model.

    ``prefix`` is the path of the model in a pipeline ("logisticregression__"), which its
    ``fit`` wants in front of the argument unless metadata routing is enabled.
    """
    key = "sample_weight" if get_config()["enable_metadata_routing"] else f"{prefix}sample_weight"
    if sample_weight is None:
        return fit_params, fit_params.get(key)
    if fit_params.get(key) is not None:
        raise ValueError(f"sample_weight was given twice, also as {key!r}; give it once.")
    return {**fit_params, key: sample_weight}, sample_weight


def class_positions(labels, classes, name):
    """Position of each label in ``classes``, shape (n,)."""
    labels = np.asarray(labels)
    # Text and numbers do not compare.
    if (classes.dtype.kind in "US") == (labels.dtype.kind in "US"):
        positions = np.searchsorted(classes, labels)
        if np.all(classes[np.minimum(positions, len(classes) - 1)] == labels):
            return positions
    unseen = set(np.unique(labels).tolist()) - set(classes.tolist())
    if unseen:
        raise ValueError(
            f"{name} contains labels that the model was not trained on: "
            f"{sorted(unseen, key=repr)[:5]}. Its classes are {classes.tolist()}."
        )
    return np.searchsorted(classes, labels)


def check_all_classes(positions, sample_weight, classes):
    """Raise a ValueError if a class of the model has no training row that counts."""
    present = np.bincount(positions, weights=sample_weight, minlength=len(classes)) > 0
    if not present.all():
        raise ValueError(
            f"y has no row (of a weight above 0) of the classes {classes[~present].tolist()}, "
            "which the model was trained on. Pass the rows and weights that it was fitted on."
        )


def check_removals(rows, n_rows):
    """Each item as an array of distinct training row positions."""
    if not np.iterable(rows) or isinstance(rows, str):
        raise TypeError(
            f"rows must be a sequence of row positions, or of arrays of them; got {rows!r}."
        )
    return [_row_positions(item, n_rows) for item in rows]


def _row_positions(item, n_rows):
    positions = np.unique(np.atleast_1d(np.asarray(item)))
    if not positions.size:
        return positions.astype(np.intp)
    if positions.dtype.kind not in "iu":
        raise TypeError(f"rows must hold row positions (whole numbers); got {reprlib.repr(item)}.")
    if positions.size and (positions[0] < 0 or positions[-1] >= n_rows):
        raise ValueError(
            f"rows must hold positions from 0 to {n_rows - 1}, of the {n_rows} training rows; "
            f"got {reprlib.repr(item)}."
        )
    return positions


def group_labels(groups, n_rows):
    """Sorted labels of the groups, and the position of each row's label; -1 for no label."""
    if np.ma.isMaskedArray(groups):
        groups, is_masked = groups.data.astype(object), np.ma.getmaskarray(groups)
        groups[is_masked] = None
    # In an array of strings, NaN would turn into the label "nan".
    groups = np.asarray(groups, dtype=None if hasattr(groups, "dtype") else object)
    if groups.shape != (n_rows,):
        raise ValueError(
            f"groups must have one label for each of the {n_rows} training rows; got an array of "
            f"shape {groups.shape}."
        )
    assigned = np.array([not _is_missing(label) for label in groups.tolist()])
    if not assigned.any():
        raise ValueError("groups assigns no row to a group; give at least one row a label.")
    try:
        labels, member = np.unique(groups[assigned], return_inverse=True)
    except TypeError as error:
        raise TypeError(
            "groups holds labels that cannot be sorted; let all be strings, or all numbers."
        ) from error
    members = np.full(n_rows, -1)
    members[assigned] = member
    return labels, members


def _is_missing(label):
    """None, NaN, NaT, or a masked value or that of pandas, whose comparisons are missing too."""
    if label is None or label is np.ma.masked or type(label).__name__ == "NAType":
        return True
    return label != label


def warn_if_not_stationary(relative_gradient):
    """Warn when a model is not at the optimum of the rows it is said to be trained on."""
    if relative_gradient > STATIONARITY_LIMIT:
        warnings.warn(
            f"The model is not at the optimum of these training rows: stationarity_ is "
            f"{relative_gradient:.2g}, and explanations are reliable below "
            f"{STATIONARITY_LIMIT:g}. If the model was fitted before, check that X, y and "
            "sample_weight are what it was fitted on. Otherwise fit it more closely: a smaller "
            "tol, a larger max_iter, standardised features, or a stronger penalty.",
            ConvergenceWarning,
            stacklevel=5,
        )
