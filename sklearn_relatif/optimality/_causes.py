"""The warning that a model is not at the optimum of its rows, with the cause that can be told."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ..adapters import adapter_of
from ..utils._arrays import on_host
from ..utils._blocks import row_blocks
from ._distance import LIMIT

#: Ratio between the sizes of two columns from which solvers are known to stop early.
UNLIKE = 100
#: The same of a network. Training of 5 to 400 epochs on several tables left 0.03 to 4.8; rows that
#: were scaled otherwise gave 4.6 to 1300. Rows that are like its own are not told from them.
FAR = 5.0
#: Rows of which the sizes of the columns are taken.
ROWS_LOOKED_AT = 10_000
#: What is said of an infinite distance.
OUT_OF_REACH = (
    "There is no optimum within reach: a direction without penalty tells classes apart, so that "
    "coefficients grow for as long as the solver runs (fit the model with a penalty, a finite C), "
    "or predictors are so large that the loss has no curvature left (standardise the features)."
)


def is_at_optimum(distance) -> bool:
    """Whether a distance, which may be NaN, is that of a model at its optimum."""
    return bool(distance <= LIMIT)


def in_standard_errors(distance) -> str:
    """A distance to the optimum as text."""
    if distance < 0.001:
        return "less than 0.001 standard errors"
    return f"{distance:.2g} standard errors"


def warn_if_far(distance):
    """Warn when a network is farther from an optimum than training that stops early leaves it.

    Parameters
    ----------
    distance : float
        ``distance_to_optimum_``.
    """
    if distance <= FAR:
        return
    warnings.warn(
        f"The network is {in_standard_errors(distance)} of its parameters from an optimum of these "
        f"training rows. Training that is stopped early leaves about {FAR:g} at most, so these may "
        "not be the rows that it was trained on, or not as it takes them: pass exactly the rows "
        "and labels of its training, with the same scaling of features in front of it.",
        ConvergenceWarning,
        stacklevel=5,
    )


def warn_if_not_optimal(distance, model, X, transformers, sample_weight, is_frozen):
    """Warn when a model is not at the optimum of the rows it is said to be trained on.

    A kernel machine keeps some of its rows. It is told from one of other rows by these, however
    well it would do for the rows that are given: ``gamma="scale"`` makes it that of any multiple.

    Parameters
    ----------
    distance : float
        ``distance_to_optimum_``.
    model : fitted estimator
        Without the steps in front of it.
    X : ndarray, StoredRows or CSR matrix of shape (n_rows, n_features)
        The rows as the model takes them.
    transformers : list
        The steps in front.
    sample_weight : ndarray of shape (n_rows,) or None
        The weights that were given.
    is_frozen : bool
        Whether the model was fitted before, perhaps on other rows.
    """
    another = "Explanations and effects of removals are those of another model."
    if adapter_of(model).holds_other_rows(model, X, sample_weight):
        warnings.warn(
            "The rows that the model keeps are not among these rows: they are not the rows, or "
            f"not in the order, that it was fitted on. {another} Pass exactly the rows that it was "
            "fitted on, and the weights if it was fitted with any.",
            ConvergenceWarning,
            stacklevel=5,
        )
        return
    if is_at_optimum(distance):
        return
    if np.isnan(distance):
        found = (
            "numbers overflow or are not defined, so that its distance_to_optimum_ is not known "
            f"(features of {X.dtype}, sizes of columns up to {_sizes(X).max(initial=0):.1g})"
        )
    else:
        found = (
            f"distance_to_optimum_ is {in_standard_errors(distance)} of its parameters, and one "
            f"of a model that is fitted closely enough is at most {LIMIT:g}"
        )
    causes = list(_causes(model, X, transformers, sample_weight is not None, is_frozen))
    if np.isinf(distance):
        causes.insert(0, OUT_OF_REACH)
    warnings.warn(
        f"The model is not at the optimum of these training rows: {found}. {another} "
        f"{' '.join(causes)}",
        ConvergenceWarning,
        stacklevel=5,
    )


def _causes(model, X, transformers, has_weights, is_frozen):
    """Sentences on what can be told of the cause, the surest first."""
    adapter = adapter_of(model)
    early, unlike = adapter.stopping_cause(model), _unlike_columns(X)
    yield from (sentence for sentence in (early, unlike) if sentence)
    if is_frozen:
        converged = "" if early else "Its solver reported convergence, so that "
        given = "X, y, sample_weight" if has_weights else "X, y"
        yield _capital(
            f"{converged}{given} or their order may not be what it was fitted on: pass exactly "
            "the rows that it was fitted on."
        )
        if not has_weights:
            yield "If it was fitted with sample_weight, pass that too."
    if transformers:
        yield (
            "The steps in front of it may give other rows than it was fitted on: those with a "
            "fit_transform of its own (target encoders, samplers), or that were fitted again."
        )
    if not early:
        yield f"Otherwise fit it more closely: {adapter.how_to_fit_closer}."


def _capital(sentence):
    return sentence[0].upper() + sentence[1:]


def _unlike_columns(X):
    """How far the sizes of the columns are apart, if that is what stops solvers early."""
    sizes = _sizes(X)
    sizes = sizes[sizes > 0]
    if not sizes.size or not np.isfinite(sizes).all() or sizes.max() < UNLIKE * sizes.min():
        return None
    return (
        f"Its columns are of very different scale (the largest is {sizes.max() / sizes.min():.1g} "
        "times the smallest), where solvers stop long before the optimum: standardise them, for "
        "instance by a StandardScaler in front of the model."
    )


def _sizes(X):
    """Root mean squares of the columns, of the first rows; none of rows that are no vectors."""
    if len(X.shape) != 2 or not X.shape[0] or not X.shape[1]:
        return np.zeros(0)
    X = on_host(X[: min(X.shape[0], ROWS_LOOKED_AT)])
    total = np.zeros(X.shape[1])
    for rows in row_blocks(X.shape[0], 8 * X.shape[1], 2**24):
        block = X[rows].astype(np.float64)
        square = block.power(2) if sparse.issparse(block) else block**2
        total += np.asarray(square.sum(axis=0)).ravel()
    return np.sqrt(total / X.shape[0])
