"""What every adapter promises."""

from __future__ import annotations

from copy import copy
from typing import Any

import joblib
import numpy as np

from .._study import Query
from ..adapters import adapter_of, split_pipeline
from ..removal import remover_of
from ..utils._validation import check_sample_weight, label_array
from ._dense import DenseObjective
from ._jacobians import TANGENT, difference_step, rounding
from ._leaves import check_leaves
from ._objectives import check_objective, predictors_without, two_removals
from ._promises import promise, same


def check_adapter(
    adapter: Any,
    model: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    distance: float = 0.01,
    refits: float = 0.01,
) -> None:
    """Hold an adapter to its protocol, with a model that was fitted closely.

    - ``reduce`` leaves the model and the data as they are. Its objective keeps what
      :func:`check_objective` asks of it, and predicts what the model does: a classifier by its
      ``decision_function``, or probabilities if it has none.
    - The model is at its optimum: the Newton decrement of the dense objective is next to nothing.
      A wrong weight or penalty moves the optimum away.
    - ``targets`` makes the labels what the loss takes, and shows them again.
    - ``restore`` writes ``parameters`` back: a copy with the same ones predicts the same, one with
      others predicts what the Jacobian says, and the model stays as it is.
    - Where a model is made of several, each of these keeps all of this, with what it was fitted on,
      and the rows are the members' side by side, as often as each counts there.
    - Of a model of trees, the rows that it was fitted on are in the leaves that they are in when
      asked, and influence is how losses change with the weights of rows, the structure held. There
      is no optimum, and none of what follows is asked.
    - Unless ``removal_changes_objective`` or predictors are not linear in the parameters, models
      without rows that the objective leads to predict what the estimator's own ``refit`` does.

    Parameters
    ----------
    adapter : Adapter
    model : fitted estimator
        Without a wrapper around it, and fitted to a small tolerance.
    X : array-like or sparse matrix of shape (n_rows, n_features)
        The rows that it was fitted on.
    y : array-like of shape (n_rows,) or (n_rows, n_targets)
    sample_weight : array-like of shape (n_rows,), default=None
    distance : float, default=0.01
        Standard errors by which the model may be away from its optimum. Solvers come within
        1e-4 or closer at tight tolerances, and a wrong penalty is usually 0.1 or more.
    refits : float, default=0.01
        Share of the largest change of a score by which a refit may differ: as far as its solver
        is from the optimum, in relation to what a few rows change.

    Raises
    ------
    AssertionError
        That names the promise that is broken.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import adapter_of
    >>> from sklearn_relatif.testing import check_adapter
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(solver="newton-cholesky", tol=1e-8).fit(X, y)
    >>> check_adapter(adapter_of(model), model, X, y)
    """
    X = adapter.model_rows([], model, X)
    weight = check_sample_weight(sample_weight, X.shape[0])
    labels = None if y is None else label_array(y)
    targets = adapter.targets(model)
    positions = targets.of_training(labels, weight)
    before = joblib.hash((model, X, positions, weight))
    objective = adapter.reduce(model, X, positions, weight)
    promise(joblib.hash((model, X, positions, weight)) == before, "reduce changes nothing")
    if objective.members:
        limits = {"distance": distance, "refits": refits}
        _check_composition(adapter, model, objective, X, positions, weight, limits)
        return
    rows = Query(X, objective.query_jacobian(X), positions)
    if objective.has_leaves:
        _check_predictions(adapter, model, objective, rows, targets, labels)
        check_leaves(objective, rows)
        return
    check_objective(objective, X)
    _check_predictions(adapter, model, objective, rows, targets, labels)
    if objective.loss.has_curvature or not objective.minimises_loss:
        far = _distance(objective)
        promise(
            far <= distance,
            f"the model is at the optimum of its objective: it is {far:.3g} standard errors away",
        )
    if objective.has_tables:
        _check_tables(adapter, model, objective, rows)
    if objective.removal_kind != "none" and not adapter.removal_changes_objective(model):
        _check_refits(adapter, model, objective, rows, labels, sample_weight, refits)


def _distance(objective: Any) -> float:
    """From the optimum, in standard errors."""
    if objective.minimises_loss:
        return DenseObjective(objective).distance()
    square, n_params = objective.squared_distance()
    return float(np.sqrt(square / n_params)) if square else 0.0


def _of_model(adapter: Any, model: Any, objective: Any, X: Any) -> np.ndarray:
    """What a model says of rows: predictors by its scores, or predictions where it has none."""
    targets = adapter.targets(model)
    if not targets.has_classes:
        # Of an outlier detector they are sides only.
        has_scores = hasattr(model, "decision_function")
        predicted = model.decision_function(X) if has_scores else model.predict(X)
        return predicted.ravel() if targets.n_columns == 1 else predicted
    if _tells_probabilities_only(model, objective):
        return model.predict_proba(X)
    if "decision_function_shape" in model.get_params():
        model = copy(model)
        model.decision_function_shape = "ovo"
    scores = adapter.scores(model, X)
    return _without_gauge(objective, objective.loss.from_scores(scores))


def _of_objective(adapter: Any, model: Any, objective: Any, predictor: np.ndarray) -> np.ndarray:
    """The same by the objective."""
    if not adapter.targets(model).has_classes:
        of_loss = objective.loss
        has_scores = hasattr(model, "decision_function")
        return of_loss.scores(predictor) if has_scores else of_loss.predict(predictor)
    if _tells_probabilities_only(model, objective):
        return objective.loss.probabilities(predictor)
    return _without_gauge(objective, predictor)


def _tells_probabilities_only(model: Any, objective: Any) -> bool:
    return objective.loss.has_probabilities and not hasattr(model, "decision_function")


def _without_gauge(objective: Any, predictor: np.ndarray) -> np.ndarray:
    if not objective.loss.has_gauge:
        return predictor
    return predictor - predictor.mean(axis=1, keepdims=True)


def _check_predictions(
    adapter: Any, model: Any, objective: Any, rows: Any, targets: Any, labels: Any
) -> None:
    predicted = _of_objective(adapter, model, objective, objective.predictor(rows.jacobian))
    expected = _of_model(adapter, model, objective, rows.features)
    # Some tell predictions in single precision whatever they compute in.
    told = expected.dtype if expected.dtype.kind == "f" else objective.dtype
    tolerance = max(rounding(objective.dtype), rounding(told))
    same(predicted, expected, tolerance, "the objective predicts what the model does")
    positions = targets.of_queries(None, objective, rows.jacobian)
    shown = targets.shown(positions, lambda: objective.predict(rows.jacobian))
    if targets.has_classes:
        # Some models tell one label as a column.
        predicted = np.reshape(model.predict(rows.features), shown.shape)
        promise(np.array_equal(shown, predicted), "targets are shown as the model predicts them")
        again = targets.shown(rows.y, None)
        promise(np.array_equal(again, labels), "targets are the labels again when shown")
    elif hasattr(model, "decision_function"):
        is_clear = np.abs(expected) > tolerance * np.abs(expected).max()
        predicted = model.predict(rows.features)
        promise(np.array_equal(shown[is_clear], predicted[is_clear]), "so are predictions shown")
    else:
        same(shown, expected, tolerance, "targets are shown as the model predicts them")


def _check_tables(adapter: Any, model: Any, objective: Any, rows: Any) -> None:
    table, tolerance = adapter.parameters(model), rounding(objective.dtype)
    same(objective.score_weights(), table, tolerance, "parameters are those of the objective")
    before = joblib.hash(model)
    text = "a copy with the same parameters"
    copied = adapter.restore(model, table)
    same(adapter.parameters(copied), table, tolerance, f"{text} has them")
    expected = _of_model(adapter, model, objective, rows.features)
    found = _of_model(adapter, copied, objective, rows.features)
    same(found, expected, tolerance, f"{text} predicts the same")
    moved = objective.score_weights(0.5 * objective.weights)
    text = "a copy has the parameters that it is given"
    same(adapter.parameters(adapter.restore(model, moved)), moved, tolerance, text)
    _check_tangent(adapter, model, objective, rows)
    promise(joblib.hash(model) == before, "restore leaves the model as it is")


def _check_tangent(adapter: Any, model: Any, objective: Any, rows: Any) -> None:
    """That copies with parameters on either side differ as the Jacobian says."""
    step = difference_step(objective.dtype)
    vector = np.random.default_rng(0).normal(size=objective.weights.shape)
    vector *= 1.0 if objective.mask is None else objective.mask
    slope = objective.jacobian.apply(vector.reshape(1, -1).astype(objective.dtype))[:, 0]
    predictor = objective.training_predictor
    copies, tangent = [], []
    for side in (step, -step):
        table = objective.score_weights(objective.weights + side * vector)
        copied = adapter.restore(model, table)
        copies.append(_of_model(adapter, copied, objective, rows.features))
        tangent.append(_of_objective(adapter, model, objective, predictor + side * slope))
    text = "a copy with other parameters predicts what the Jacobian says"
    same(np.subtract(*copies), np.subtract(*tangent), TANGENT * step**2, text)


def _check_refits(
    adapter: Any,
    model: Any,
    objective: Any,
    rows: Any,
    labels: np.ndarray | None,
    sample_weight: Any,
    tolerance: float,
) -> None:
    removals, remover = two_removals(objective), remover_of(objective)
    query, X = remover.at_optimum(rows), rows.features
    refits = adapter.refit(model, objective, X, labels, sample_weight, removals)
    found = predictors_without(remover, removals, query, "retrain")
    before, *own = (_of_objective(adapter, model, objective, eta) for eta in found)
    expected = [_of_model(adapter, refit, objective, X) - before for refit in refits]
    text = "models without rows predict what refits without them do"
    same(np.subtract(own, before), expected, tolerance, text)


# --- models that are made of several -----------------------------------------------------------


def _check_composition(
    adapter: Any, model: Any, objective: Any, X: Any, y: np.ndarray, weight: Any, limits: Any
) -> None:
    parts = adapter.parts(model, X, y, weight)
    for part, member in zip(parts, objective.members, strict=True):
        core = member.inputs.model
        own = member.features if part.rows is None else member.features[part.rows]
        check_adapter(adapter_of(core), core, own, part.labels, part.sample_weight, **limits)
    _check_rows_side_by_side(objective)
    query = Query(X, objective.query_jacobian(X), y)
    predictor = objective.predictor(query.jacobian)
    tolerance = rounding(objective.dtype)
    _check_said(adapter, model, objective, X, predictor, tolerance, "the objective")
    if objective.has_tables:
        before = joblib.hash(model)
        copied = adapter.restore(model, adapter.parameters(model))
        promise(joblib.hash(model) == before, "restore leaves the model as it is")
        text = "a copy with the same parameters"
        _check_said(adapter, copied, objective, X, predictor, tolerance, text)
    removals, remover = two_removals(objective), remover_of(objective)
    at_optimum = remover.at_optimum(query)
    found = predictors_without(remover, removals, at_optimum, "retrain")
    labels = adapter.targets(model).shown(y, lambda: y)
    refits = adapter.refit(model, objective, X, labels, weight, removals)
    expected = [_predictor_of_refit(adapter, refit, objective, X) for refit in refits]
    text = "models without rows predict what refits without them do"
    same(found[1:] - found[0], np.array(expected) - found[0], limits["refits"], text)


def _check_rows_side_by_side(objective: Any) -> None:
    found = objective.rows.norm[:, None] * objective.rows.block(slice(None))
    expected = []
    for member in objective.members:
        own = member.objective
        weight = objective.sample_weight[member.rows]
        share = own.sample_weight / np.where(weight > 0, weight, 1)
        gradients = (own.rows.norm * share)[:, None] * own.rows.block(slice(None))
        total = np.zeros((objective.n_rows, gradients.shape[1]))
        np.add.at(total, member.rows, gradients)
        expected.append(total)
    text = "rows are those of the members side by side, as often as they count there"
    same(found, np.hstack(expected), rounding(objective.dtype), text)


def _check_said(
    adapter: Any,
    model: Any,
    objective: Any,
    X: Any,
    predictor: np.ndarray,
    tolerance: float,
    text: str,
) -> None:
    """What a model says of rows, in as much detail as its loss knows it."""
    loss, targets = objective.loss, adapter.targets(model)
    if loss.has_probabilities:
        text = f"{text} gives the probabilities that the model does"
        same(loss.probabilities(predictor), model.predict_proba(X), tolerance, text)
    shown = targets.shown(loss.predict(predictor), lambda: loss.predict(predictor))
    predicted = np.reshape(model.predict(X), shown.shape)
    text = f"{text} predicts what the model does"
    if shown.dtype.kind == "f":
        same(shown, predicted, tolerance, text)
    else:
        promise(np.array_equal(shown, predicted), text)


def _predictor_of_refit(adapter: Any, refit: Any, objective: Any, X: Any) -> np.ndarray:
    """The predictors of a model's own members, side by side."""
    found = []
    for estimator, member in zip(adapter.estimators(refit), objective.members, strict=True):
        core = split_pipeline(estimator)[1]
        own = adapter_of(core).reduce(
            core,
            member.features if member.is_whole else member.features[member.rows],
            member.objective.y,
            member.objective.sample_weight,
        )
        found.append(own.predictor(own.query_jacobian(member.features)))
    return np.hstack(found)
