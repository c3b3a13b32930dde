"""Checks of arguments and data: each error names the argument, the value and the way out."""

from __future__ import annotations

import reprlib
from contextlib import contextmanager, suppress
from numbers import Integral, Real

import numpy as np
from sklearn import get_config
from sklearn.utils import get_tags

from ._arrays import is_elsewhere, library_name, on_host
from ._index import row_index
from ._text import is_missing


def check_choice(name, value, choices):
    """Raise a ValueError if ``value`` is not one of the allowed strings."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")


def check_number(name, value):
    """Raise an error if ``value`` is not a number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number; got {value!r}.")


def check_non_negative(name, value):
    """Raise an error if ``value`` is not a finite number of at least 0."""
    check_number(name, value)
    if not 0 <= float(value) < np.inf:
        raise ValueError(f"{name} must be finite and at least 0; got {value!r}.")


def check_positive_int(name, value):
    """Raise an error if ``value`` is not a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number; got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be at least 1; got {value!r}.")


def refuse_lazy(X):
    """Raise a TypeError if a table is a plan of one, as the lazy frames of Polars are."""
    if hasattr(X, "collect") and not hasattr(X, "shape"):
        raise TypeError(
            f"X is a {type(X).__name__}, whose rows are not there yet; pass X.collect()."
        )


def is_dispatched(values):
    """Whether scikit-learn would compute with the arrays of another library that these are.

    Unless it does, they are converted to NumPy's, where the library lets them.
    """
    return get_config()["array_api_dispatch"] and is_elsewhere(values)


def refuse_dispatched(because, error=None, **arguments):
    """Raise a TypeError if scikit-learn would compute with the arrays of another library."""
    for name, values in arguments.items():
        if is_dispatched(values):
            raise TypeError(
                f"{name} is an array of {library_name(values)}, and {because}: pass "
                f"np.asarray({name}), or {name}.cpu().numpy() from a GPU."
            ) from error


def beside_rows(X, **arguments):
    """What comes with the rows, as NumPy has it: of another library only as the rows are.

    Returns
    -------
    list, of the arguments in their order
    """
    if not is_dispatched(X):
        refuse_dispatched("X is not", **arguments)
        return list(arguments.values())
    return [on_host(values) for values in arguments.values()]


def refuse_fitted_elsewhere(estimator):
    """Raise a TypeError if an estimator was fitted to arrays of another library than NumPy."""
    for name, values in vars(estimator).items():
        is_found = name.endswith("_") or name.startswith("_")  # Not one of its parameters.
        if is_found and is_elsewhere(values):
            raise TypeError(
                f"{type(estimator).__name__} was fitted to arrays of {library_name(values)} "
                f"({name} is one), and these rows are none: pass rows of that library, with "
                "array_api_dispatch=True, or fit it to np.asarray(X), or X.cpu().numpy() from a "
                "GPU."
            )


def refuse_elsewhere(what, X):
    """Raise a TypeError if something is computed with NumPy, and the rows are others' arrays."""
    if is_elsewhere(X):
        raise TypeError(
            f"{what} is computed with NumPy, and the rows are an array of {library_name(X)}: fit "
            "the model, and the explainer, to np.asarray(X), or X.cpu().numpy() from a GPU."
        )


@contextmanager
def refused_by_fit(estimator, X):
    """Say plainly that an estimator does not compute with the arrays that the rows are."""
    try:
        yield
    except (AttributeError, TypeError, ValueError) as error:
        if is_dispatched(X) and not get_tags(estimator).array_api_support:
            name = type(estimator).__name__
            cause = f"{name}, or its solver, does not compute with such in its fit ({error})"
            refuse_dispatched(cause, error, X=X)
        raise


def check_fitted_elsewhere(estimator, X):
    """Raise a TypeError if an estimator was fitted to NumPy's arrays, and the rows are others."""
    if not any(map(is_elsewhere, vars(estimator).values())):
        refuse_dispatched(f"{type(estimator).__name__} was fitted to NumPy's", X=X)


def check_sample_weight(sample_weight, n_rows):
    """Sample weights as float64, shape (n_rows,); ones where there are none."""
    if sample_weight is None:
        return np.ones(n_rows)
    try:
        weight = np.asarray(unmasked(sample_weight))
        if weight.dtype.kind == "c":
            raise TypeError("NumPy would drop the imaginary part.")
        weight = weight.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight must hold real numbers; got {reprlib.repr(sample_weight)}."
        ) from error
    if weight.ndim == 0:
        weight = np.full(n_rows, weight)
    if weight.ndim > 1:
        raise ValueError(
            f"sample_weight must be one number for each row, or for all rows; got an array of "
            f"shape {weight.shape}."
        )
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
        raise ValueError("sample_weight is zero for every row; at least one row must count.")
    return weight


def place_sample_weight(prefix, sample_weight, fit_params, X):
    """Arguments for the estimator's ``fit``, and the weights of the rows among them.

    ``prefix`` is the path of the model in a pipeline ("logisticregression__"), which its
    ``fit`` wants in front of the argument.
    """
    key = f"{prefix}sample_weight"
    if sample_weight is None:
        sample_weight = fit_params.get(key)
    elif fit_params.get(key) is not None:
        raise ValueError(f"sample_weight was given twice, also as {key!r}; give it once.")
    if sample_weight is None:
        return fit_params, None
    weight = check_sample_weight(sample_weight, len(row_index(X)))
    return {**fit_params, key: weight}, weight


def unmasked(values):
    """The values of a masked array with None where they are masked; any other values as they are.

    NumPy would take what lies under the mask.
    """
    if not (np.ma.isMaskedArray(values) and np.any(values.mask)):
        return values
    held = values.data.astype(object)
    held[values.mask] = None
    return held


def missing_places(labels):
    """Positions at which a sequence of labels has none."""
    return [place for place, label in enumerate(labels) if is_missing(label)]


def label_array(y):
    """Labels as an array, in which what is missing among texts is not a text itself."""
    y = unmasked(y)
    labels = np.asarray(y)
    # NaN in a list of strings would turn into the label "nan".
    return np.asarray(y, dtype=object) if labels.dtype.kind in "US" and y is not labels else labels


def check_training_labels(y):
    """Raise a ValueError if there is no y, or no label for one of the rows."""
    if y is None:
        raise ValueError("RelatIFExplainer requires y to be passed, but the target y is None.")
    labels = label_array(y)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        found = "NaN" if np.isnan(labels).any() else "infinity"
        raise ValueError(f"Input y contains {found}; give every row a label, or a finite target.")
    if labels.dtype.kind != "O" or labels.ndim != 1:
        return
    missing = missing_places(labels.tolist())
    if missing:
        raise ValueError(
            f"y has no label (None or NaN) for {len(missing)} of {len(labels)} rows, the first at "
            f"position {missing[0]}. Leave those rows out."
        )


def class_positions(labels, classes, name):
    """Position of each label in ``classes``, shape (n,)."""
    labels = np.asarray(labels)
    # Text and numbers do not compare, nor does either with what stands for no label.
    if (classes.dtype.kind in "US") == (labels.dtype.kind in "US"):
        with suppress(TypeError):
            positions = np.searchsorted(classes, labels)
            if np.all(classes[np.minimum(positions, len(classes) - 1)] == labels):
                return positions
    known = set(classes.tolist())
    unseen = sorted({repr(label) for label in labels.tolist() if label not in known})
    if unseen:
        raise ValueError(
            f"{name} contains labels that the model was not trained on: "
            f"[{', '.join(unseen[:5])}]. Its classes are {classes.tolist()}."
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
    try:
        positions = np.unique(np.atleast_1d(np.asarray(item)))
    except ValueError as error:  # Lists of several lengths.
        raise TypeError(
            f"rows must hold row positions (whole numbers), or arrays of them; got "
            f"{reprlib.repr(item)}."
        ) from error
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


def group_labels(groups, n_rows, name="groups", rows="training rows"):
    """Sorted labels of the groups, and the position of each row's label; -1 for no label."""
    groups = unmasked(groups)
    # In an array of strings, NaN would turn into the label "nan".
    groups = np.asarray(groups, dtype=None if hasattr(groups, "dtype") else object)
    if groups.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one label for each of the {n_rows} {rows}; got an array of "
            f"shape {groups.shape}."
        )
    if groups.dtype.kind in "biuUS":  # None of which can be missing.
        assigned = np.ones(n_rows, dtype=bool)
    else:
        assigned = np.array([not is_missing(label) for label in groups.tolist()])
    if not assigned.any():
        raise ValueError(f"{name} assigns no row to a group; give at least one row a label.")
    try:
        labels, member = np.unique(groups[assigned], return_inverse=True)
    except TypeError as error:
        raise TypeError(
            f"{name} holds labels that cannot be sorted; let all be strings, or all numbers."
        ) from error
    members = np.full(n_rows, -1)
    members[assigned] = member
    return labels, members
