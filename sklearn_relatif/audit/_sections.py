"""The parts of an audit that are not one number a training row."""

from __future__ import annotations

import inspect
import math

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from ..objectives import CurvatureOperator
from ..removal import predictors_without
from ..utils._arrays import copied, row_products
from ..utils._blocks import block_budget, row_blocks
from ..utils._index import row_index, rows_at
from ..utils._text import text_of
from ..utils._validation import group_labels

#: What stands for a network in all that is told of its rows.
TANGENT = "its tangent where training stopped"
#: What an audit of trees leaves as it is.
HELD = "held as it was grown"
#: Groups that are retrained without, at most: the largest ones.
MAX_GROUPS = 50
#: Relative error of the condition number, of which the order of magnitude matters.
EIGENVALUE_TOLERANCE = 1e-2


# --- the model ------------------------------------------------------------------------------


def identify_model(study):
    """What a model is called, its settings and the size of what it was trained on."""
    return {
        "model": type(study.model).__name__,
        "settings": _settings(study.model),
        "n_rows": study.objective.n_rows,
        "n_features": math.prod(study.training_data.features.shape[1:]),
        **_fit(study),
    }


def _fit(study):
    """How far the fit is from an optimum, if there is one, and what the model is explained by."""
    objective = study.objective
    if objective.has_leaves:
        leaves = objective.training_leaves
        return {"n_trees": leaves.n_trees, "n_leaves": leaves.n_leaves, "structure": HELD}
    found = {"distance_to_optimum": study.distance_to_optimum}
    return found | ({"explained_by": TANGENT} if objective.may_stop_early else {})


def describe_model(study, view, columns, X_test, y_test):
    """Facts of the model and of its fit, as {name: value}."""
    objective = study.objective
    facts = {
        **identify_model(study),
        **view.of_model(study),
        **view.fit(columns),
    }
    if objective.rows.are_vectors:
        facts["n_parameters"] = int(objective.weights.size)
    if "leverage" in columns:
        facts["effective_parameters"] = float(columns["leverage"].sum())
    facts |= view.baseline(columns)
    if X_test is not None:
        facts["n_test"] = len(row_index(X_test))
    if y_test is not None:
        facts |= view.test_fit(study, columns, X_test, np.asarray(y_test))
    return facts


def _settings(model):
    """The parameters of a model that are not at their defaults, as text."""
    parameters = inspect.signature(type(model)).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    changed = {
        name: value
        for name, value in model.get_params(deep=False).items()
        if repr(value) != repr(defaults.get(name, inspect.Parameter.empty))
    }
    return ", ".join(f"{name}={value!r}" for name, value in changed.items()) or "defaults"


# --- predictions ----------------------------------------------------------------------------


def support(study, view, X_test, y_test, explanation, index):
    """Each prediction on the test rows, and how near its best explaining row comes to it.

    The support is the cosine between the gradients of the query and of the row in the metric
    of ``H^-1``: 1 for a training row that bears on the model just as the query would. Where a
    query has no gradient that can be written down (kernel machines), it is the score of the
    row, which is a cosine up to a factor if all rows have the same kernel with themselves.

    Parameters
    ----------
    study : Study
    view : View
    X_test : array-like of shape (n_test, n_features)
    y_test : array-like of shape (n_test,) or None
    explanation : Explanation
        The loss-relative one of the predictions.
    index : ndarray of shape (n_rows,)
        The names of the training rows.

    Returns
    -------
    dict of str to ndarray of shape (n_test,)
    """
    objective, query = study.objective, study.query(X_test)
    queries = objective.query_rows(query.jacobian, query.y)
    cosine = np.abs(explanation.scores[:, 0].astype(np.float64))
    if queries.are_vectors:
        length = _lengths(queries, study.curvature)
        unknown = np.full(len(cosine), np.nan)
        cosine = np.divide(cosine, length, out=unknown, where=length > 0)
    columns = {"query": row_index(X_test)}
    columns |= view.predicted(study, query, explanation.targets, y_test)
    best = rows_at(index, explanation.indices[:, 0])
    return columns | {"support": cosine, "best_row": best}


def _lengths(queries, curvature):
    """``sqrt(g_t^T H^-1 g_t)`` of queries."""
    square = np.empty(queries.n_rows)
    for rows in row_blocks(queries.n_rows, 4 * 8 * queries.n_values, block_budget()):
        gradients = queries.block(rows)
        square[rows] = row_products(gradients, curvature.solve(copied(gradients)))
    return np.sqrt(square) * queries.norm


# --- groups ---------------------------------------------------------------------------------


def describe_groups(study, view, groups, columns, X_test=None, y_test=None, n_suspects=0):
    """Each group of training rows, and what the model retrained without it does.

    Parameters
    ----------
    study : Study
    view : View
    groups : array-like of shape (n_rows,)
    columns : dict of str to ndarray
        Those of the training rows, with their ``suspicion_rank``.
    X_test, y_test
        Test rows and their labels, or None.
    n_suspects : int
        How many rows of the highest suspicion are counted.

    Returns
    -------
    table : dict of str to ndarray of shape (n_groups,)
    notes : list of str
    """
    labels, member = group_labels(groups, study.objective.n_rows)
    sizes = np.bincount(member[member >= 0], minlength=len(labels))
    notes = []
    if len(labels) > MAX_GROUPS:
        notes.append(f"Of {len(labels)} groups the {MAX_GROUPS} largest are shown.")
    shown = np.sort(np.argsort(-sizes, kind="stable")[:MAX_GROUPS])
    rows = [np.flatnonzero(member == group) for group in shown]
    suspects = columns["suspicion_rank"] <= n_suspects
    table = {
        "group": labels[shown],
        "rows": sizes[shown],
        **view.of_groups(columns, rows),
        "mean_loss": np.array([columns["loss"][some].mean() for some in rows]),
        "suspects": np.array([suspects[some].sum() for some in rows]),
    }
    if X_test is None:
        return table, notes
    # Of a loss that is linear where it is smooth, the influence is of the margin instead.
    if "test_influence" in columns and study.objective.has_first_order:
        helpful = columns["test_influence"]
        table["loss_change_estimate"] = np.array([helpful[some].sum() for some in rows])
    removable = np.array([view.can_do_without(study, some) for some in rows])
    if not removable.all():
        names = ", ".join(map(text_of, labels[shown][~removable][:5]))
        notes.append(f"Without these groups too few rows would be left, so they stay: {names}.")
    if removable.any():
        removals = [some for some, can in zip(rows, removable, strict=True) if can]
        changes = _changes_without(study, view, removals, X_test, y_test)
        for name in changes[0]:
            table[name] = np.full(len(rows), np.nan)
            table[name][removable] = [found[name] for found in changes]
    return table, notes


def _changes_without(study, view, removals, X_test, y_test):
    """What the predictions of test rows change by without each of some groups.

    The model of all rows is taken at its optimum, as the others are, or else the numbers would
    tell of what its own fit lacks.
    """
    query = study.query(X_test, y_test)
    before, after = predictors_without(study, query, removals)
    before, *after = (view.performance(study, query, eta, y_test) for eta in (before, *after))
    return [view.changes(before, other) for other in after]


# --- conditioning ---------------------------------------------------------------------------


def describe_curvature(study):
    """How the curvature was inverted, and how well it can be, as {name: value}.

    Nothing of trees: that of a forest counts the rows of each leaf, and boosting has none.
    """
    if study.objective.has_leaves:
        return {}
    facts = {
        "curvature": study.kind,
        "damping": float(study.damping),
        "solver": study.solver.name,
        "solver_reason": study.solver.reason,
    }
    objective = study.objective
    is_sum = objective.is_linear and objective.rows.are_vectors and objective.loss.has_curvature
    if is_sum and study.kind != "identity":
        extremes = extreme_eigenvalues(study)
        if extremes is not None:
            facts["smallest_eigenvalue"], facts["largest_eigenvalue"] = extremes
            facts["condition_number"] = extremes[1] / extremes[0]
    return facts


def extreme_eigenvalues(study):
    """The smallest and the largest eigenvalue of the curvature, to a per cent, by Lanczos.

    The smallest is that in the directions that the solver knows. None if Lanczos fails, or would
    solve too often for what one of its solutions costs.
    """
    if study.lacks_factor:
        return None
    objective, inverse = study.coordinates
    return _extremes(objective, inverse, study.kind, study.damping)


def _extremes(objective, inverse, kind, damping):
    if objective.members:
        return _extremes_of_members(objective, inverse, kind, damping)
    total = CurvatureOperator(objective, kind, damping).held(objective.dtype)
    # Eigenvalues of a Hessian in single precision: its rounding is far below a per cent.
    dtype = objective.dtype

    def multiply(vector):
        return total.multiply(vector.reshape(1, -1).astype(dtype)).ravel()

    def invert(vector):
        return inverse.solve(vector.reshape(1, -1).astype(dtype)).ravel()

    largest, flattest = (_largest_eigenvalue(f, total.n_params) for f in (multiply, invert))
    if largest is None or flattest is None or flattest <= 0:
        return None
    return 1 / flattest, largest


def _extremes_of_members(objective, inverse, kind, damping):
    """Those of a curvature that has a block for each of several models."""
    both = zip(objective.members, inverse.members, inverse.scales, strict=True)
    extremes = []
    for member, own, scale in both:
        found = _extremes(member.objective, own, kind, damping / scale)
        if found is None:
            return None
        extremes.append(scale * np.array(found))
    smallest, largest = np.transpose(extremes)
    return float(smallest.min()), float(largest.max())


def _largest_eigenvalue(product, size):
    start = np.random.RandomState(0).normal(size=size)
    if size < 3:
        matrix = np.column_stack([product(unit) for unit in np.eye(size)])
        return float(np.linalg.eigvalsh(matrix).max())
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    try:
        values = eigsh(
            operator, 1, which="LA", v0=start, tol=EIGENVALUE_TOLERANCE, return_eigenvectors=False
        )
    except ArpackNoConvergence:
        return None
    return float(values[0])
