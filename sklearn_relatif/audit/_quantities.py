"""The numbers of an audit, from what a study knows already."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

from ..curvature import has_exact_factor
from ..removal import removal_effect_on
from ..statistics import metric_of
from .suspects import Judged

#: Scores of queries and rows that are held at a time where they must be summed.
SCORES_AT_A_TIME = 2**24

NO_CURVATURE = (
    "The loss has no curvature: there is no leverage, and no leave-one-out loss in one step."
)
NO_FACTOR = (
    "The exact curvature is too large to factor: leave-one-out numbers are left out, and leverage "
    "and self-influence come from the approximation that the solver uses."
)
NOT_LINEAR = (
    "The model is not linear in its parameters, so no step leads to the models without single "
    "rows: leave-one-out numbers are left out. What is told of rows is told by its tangent."
)
NO_STRUCTURE = (
    "Trees are explained with their structure held fixed, by the values of their leaves. What a "
    "removal would do to the structure is told by growing them again only, as for groups. There is "
    "no leverage and no distance to an optimum: trees are grown, and minimise nothing together."
)
DAMPED = "The curvature of the leaves is damped by {:g}."
BY_TRAINING_LOSS = (
    "Rows are ranked by their training loss: not every row has trees that were grown without it "
    "(out of bag), and trees whose leaves are filled again without a row have still seen it in "
    "their structure. So there are no leave-one-out numbers."
)
NO_LEVERAGE = (
    "The exact curvature is too large to factor: leave-one-out numbers and leverage are left out."
)
NO_LABEL_FITTED = (
    "The model is fitted to features and labels together, in closed form: there is no leverage. "
    "Leave-one-out numbers are exact."
)


# --- one number a training row --------------------------------------------------------------


def model_columns(study, view):
    """What the model makes of each training row, and the row of the model.

    Parameters
    ----------
    study : Study
    view : View

    Returns
    -------
    columns : dict of str to ndarray of shape (n_rows,)
    notes : list of str
        What there is not, and why.
    alone : Judged or None
        The rows by the model without each, where there is one.
    """
    objective = study.objective
    columns, notes = view.columns(study)
    predictor = None
    if is_judged_out_of_bag(objective):
        predictor = objective.out_of_bag_predictor
    elif has_leave_one_out(objective):
        predictor = study.remover.loo_predictor()
    if predictor is not None:
        columns |= view.without(study, predictor)
    elif objective.has_leaves:
        notes.append(BY_TRAINING_LOSS)
    elif not objective.is_linear:
        notes.append(NOT_LINEAR)
    elif objective.loss.has_curvature:
        notes.append(NO_LEVERAGE if study.lacks_factor else NO_FACTOR)
    columns["loss"] = losses(objective)
    if objective.has_leaves:
        notes += [NO_STRUCTURE, *([DAMPED.format(study.damping)] if study.damping else [])]
    elif objective.leverage_obstacle is not None:
        notes.append(NO_CURVATURE if not objective.has_closed_form else NO_LABEL_FITTED)
    elif not study.lacks_factor:
        columns["leverage"] = study.leverage()
    columns["self_influence"] = study.self_influence()
    # The denominator of Definition 3.2.
    columns["parameter_shift"] = study.scale("theta_relative")
    if predictor is None:
        return columns, notes, None
    return (
        columns,
        notes,
        Judged(objective.y, predictor, study.training_data.features, columns.get("leverage")),
    )


def unseen_columns(study, query):
    """What the model makes of the targets of test rows, which it has not seen.

    Parameters
    ----------
    study : Study
    query : Query
        The test rows with their targets.

    Returns
    -------
    columns : dict of str to ndarray of shape (n_test,)
    unseen : Judged
    """
    loss, predictor = study.objective.loss, study.objective.predictor(query.jacobian)
    columns = {}
    if loss.has_probabilities:
        own = loss.probabilities(predictor)[np.arange(query.n_rows), query.y]
        columns["label_probability"] = own
    columns["loss"] = loss.value(query.y, predictor)
    columns["suspicion_rank"] = ranks(columns["loss"], columns["loss"])
    return columns, Judged(query.y, predictor, query.features)


def is_judged_out_of_bag(objective):
    """Whether every training row has parts of the model that have not seen it."""
    return objective.has_out_of_bag and not np.isnan(objective.out_of_bag_predictor).any()


def has_leave_one_out(objective):
    """Whether leave-one-out models can be had: in closed form, or by steps on an exact Hessian."""
    if objective.members:
        return all(has_leave_one_out(member.objective) for member in objective.members)
    if objective.has_closed_form:
        return True
    is_stepped = objective.is_linear and objective.loss.has_curvature
    return is_stepped and has_exact_factor(objective, "hessian")


def losses(objective):
    """Loss of each training row, unweighted."""
    values = np.empty(objective.n_rows)
    for rows in objective.blocks(4 * objective.loss.n_outputs):
        eta = objective.training_predictor[rows]
        values[rows] = objective.loss.value(objective.y[rows], eta)
    return values


def explain_first_rows(study, criterion, X_test, sign):
    """The row that comes first for each test row, by IF and by RelatIF, in one pass.

    RelatIF is the criterion that is given, where that is relative. The loss-relative
    explanation is there in any case.

    Returns
    -------
    dict of str to Explanation
        Under "if", "relatif" and "loss_relative".
    """
    relative = "loss_relative" if criterion == "influence" else criterion
    names = {"if": "influence", "relatif": relative, "loss_relative": "loss_relative"}
    criteria = list(dict.fromkeys(names.values()))
    found = study.explanations(X_test, None, criteria, n_examples=1, sign=sign)
    return {name: found[of_name] for name, of_name in names.items()}


def times_first(explanation):
    """How many queries each training row comes first for."""
    first = explanation.indices[:, 0]
    # -1 stands for "no row supports this label".
    return np.bincount(first[first >= 0], minlength=len(explanation.training_rows.index))


def mean_influence(study, X_test, y_test):
    """Estimated change of the mean test loss (for a hinge: minus the margin) without each row.

    To first order: ``(s_i / S)`` times the mean of ``I(t, i)``, and what the share of the penalty
    does that leaves with the row. Positive: the row helps.
    """
    objective = study.objective
    if objective.has_first_order:
        query = study.query(X_test, y_test)
        mean_loss = metric_of("mean_loss", study, query, y_test)
        return removal_effect_on(study, mean_loss, query, None, "first")
    total, n_queries = np.zeros(objective.n_rows), len(y_test)
    X_test, y_test = sliceable(X_test), np.asarray(y_test)
    for some in gen_batches(n_queries, max(1, SCORES_AT_A_TIME // objective.n_rows)):
        scores = study.scores(X_test[some], y_test[some], ["influence"])
        total += scores["influence"].sum(axis=0)
    return total / n_queries * objective.sample_weight / objective.total_weight


def sliceable(X):
    """A table whose rows are ``X[start:stop]``, as they are those of arrays and data frames."""
    if sparse.issparse(X):
        return X.tocsr()
    if not hasattr(X, "shape"):
        return np.asarray(X)
    # The arrays of data frames are sliced, but take no lists of positions.
    is_column = len(X.shape) == 1 and not hasattr(X, "iloc")
    return np.asarray(X, dtype=object) if is_column else X


def suspicion_ranks(columns):
    """Ranks of the rows by how likely their targets are wrong, 1 for the most suspicious.

    By the training loss: of all rankings, it found planted label errors best or nearly so on every
    data set (``benchmarks/bench_label_errors.py``). The rank by the leave-one-out loss, in which a
    row cannot vouch for itself, stands beside it where there is one. Rows of a forest are ranked by
    the trees that have not seen them: those that have fit nearly all labels, right or wrong.
    """
    if "oob_loss" in columns:
        return {"suspicion_rank": ranks(columns["oob_loss"], columns["loss"])}
    found = {"suspicion_rank": ranks(columns["loss"], columns["self_influence"])}
    if "loo_loss" in columns:
        found["loo_rank"] = ranks(columns["loo_loss"], columns["loss"])
    return found


def ranks(scores, tie_break):
    """Position of each row in the descending order of the scores, from 1."""
    order = np.lexsort((-tie_break, -scores))
    places = np.empty(len(order), np.intp)
    places[order] = np.arange(1, len(order) + 1)
    return places
