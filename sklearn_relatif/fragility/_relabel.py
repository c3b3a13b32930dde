"""Which training rows would have to bear another label for a prediction to be another?

A row with another label is the same row removed, and added with that label. With the label c in the
place of y_i, and the class weights of both in ``s_i``, the parameters change to first order by
``-H^-1 (s_i(c) r_i(c) - s_i r_i) ⊗ x~_i / S``, with r_i the slope of the loss. Where second
derivatives do not depend on the label, as those of the log loss do not, that is the Newton step of
the model with the changed label.

Rows get the label of a rival of the predicted one. They are taken in the order of that effect: as
many as should lead half of the way to the flip, and then again, from the model that is trained to
its optimum with these labels, until the label flips. Then rows get their own label back, those of
the least effect first, as long as it still does. What flips is always decided by exact training.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..curvature import hessian_inverse
from ..removal import estimator_of, optimum_near
from ..results import FlipSet
from ..utils._arrays import on_host
from ..utils._validation import check_positive_int
from ._label import LabelSearch, refuse_without_labels

#: Rows by which a set may be too large before it is cut down.
SPARE = 8


def find_relabel_set(study: Any, X: Any, max_size: int) -> FlipSet:
    """See :meth:`RelatIFExplainer.flip_set`."""
    name = type(study.model).__name__
    refuse_without_labels(study)
    if study.objective.removal_kind != "smooth" or not study.objective.has_tables:
        raise TypeError(
            f"{name} has no flip sets of other labels: they are looked for along the Hessians of "
            "models with a smooth loss, and it is a machine with a hinge loss, a closed form, a "
            "network, of trees, or made of several models. edit='remove' looks for rows to be "
            "removed; or take a logistic regression, or the squared hinge."
        )
    check_positive_int("max_size", max_size)
    search = _RelabelSearch(study, X)
    rows, label = search.smallest(max_size)
    return search.result(rows, label, max_size)


class Trained(NamedTuple):
    """A model at the optimum with some labels changed.

    Attributes
    ----------
    objective : LinearObjective
    eta : ndarray of shape (1, n_outputs)
        Predictor of the query.
    is_found : bool
        Whether there is an optimum, and it was reached.
    """

    objective: Any
    eta: np.ndarray
    is_found: bool


class _RelabelSearch(LabelSearch):
    """Sets of rows with other labels, and what the model makes of one query."""

    def __init__(self, study: Any, X: Any) -> None:
        super().__init__(study, X)
        if study.remover.doubt:
            raise ValueError(study.remover.doubt)
        self.features = on_host(self.query.features)
        self.curvature, objective = study.remover.curvature, study.remover.objective
        self.start = Trained(objective, self._predictor(objective), True)
        self.start_at(self.start.eta)
        self.weights = _WeightsOfClasses(study, objective)

    def rows_for(self, rival: int, limit: int) -> np.ndarray:
        chosen, model, curvature = np.empty(0, np.intp), self.start, self.curvature
        while self.predicted(model.eta) == self.label:
            if curvature is None:
                curvature = hessian_inverse(model.objective)
            effect = self._effects(model, curvature, rival, chosen)
            order = np.argsort(effect, kind="stable")
            order = order[effect[order] < 0]
            reached = np.cumsum(effect[order]) <= -self.lead(model.eta, rival)[0] / 2
            n_more = 1 + int(np.argmax(reached)) if reached.any() else len(order)
            n_more = min(n_more, limit + SPARE - len(chosen))
            if n_more <= 0:
                return chosen[:0]
            chosen = np.append(chosen, order[:n_more])
            model, curvature = self._trained(chosen, rival, model, curvature), None
            if not model.is_found:
                return chosen[:0]
        found = self._shrunk(chosen, rival, model)
        return found if len(found) <= limit else chosen[:0]

    def _shrunk(self, rows: np.ndarray, rival: int, model: Trained) -> np.ndarray:
        """Give rows their own label back, one by one, as long as the label still flips."""
        if not self._flips(model):
            return rows[:0]
        curvature, place = hessian_inverse(model.objective), len(rows) - 1
        n_kept = 0  # In a row, since the last one that was given back.
        while len(rows) > 1 and n_kept < len(rows):
            fewer = np.delete(rows, place % len(rows))
            other = self._trained(fewer, rival, model, curvature)
            if self._flips(other):
                rows, model, n_kept = fewer, other, 0
            else:
                n_kept += 1
            place -= 1
        return rows

    def _effects(
        self, model: Trained, curvature: Any, rival: int, chosen: np.ndarray
    ) -> np.ndarray:
        """Estimated change of the lead on giving each row the rival's label."""
        objective = model.objective
        slope = self.lead_over(rival).slope(objective)[None]
        solved = curvature.solve(slope.astype(curvature.dtype)).astype(np.float64)
        effect = np.empty(objective.n_rows)
        for rows in objective.blocks(objective.shape[1]):
            seen = objective.jacobian.loaded(rows, np.float64).apply(solved)[:, 0]
            effect[rows] = -np.einsum("nk,nk->n", seen, self._pull(objective, rows, rival))
        return np.where(self._may_change(objective.y, rival, chosen), effect, 0)

    def _pull(self, objective: Any, rows: Any, rival: int) -> np.ndarray:
        """By how much the slopes of rows grow with another label, over S, (n, n_outputs)."""
        y, eta = objective.y[rows], objective.training_predictor[rows].astype(np.float64)
        other = np.full_like(y, rival)
        before = objective.loss.residual(y, eta) * self.weights.of(y, rows)
        after = objective.loss.residual(other, eta) * self.weights.of(other, rows)
        pull: np.ndarray = (after - before) / objective.total_weight
        return pull

    def _may_change(self, y: np.ndarray, rival: int, chosen: np.ndarray) -> np.ndarray:
        """Whether each row counts, and is not the last one of its class."""
        counts = self.start.objective.sample_weight > 0
        left = np.bincount(y[counts], minlength=len(self.classes))
        may_change = counts & (y != rival) & (left[y] > 1)
        may_change[chosen] = False
        return may_change

    def _trained(self, rows: np.ndarray, rival: int, near: Trained, curvature: Any) -> Trained:
        """The model with the rival's label for some rows, trained from a model that is near."""
        y = self.start.objective.y.copy()
        y[rows] = rival
        present = np.bincount(y[self.start.objective.sample_weight > 0], minlength=1 + y.max())
        if len(present) < len(self.classes) or not present.all():
            return near._replace(is_found=False)
        objective = self.weights.put(near.objective, y)
        found, is_found = optimum_near(objective, curvature)
        return Trained(found, self._predictor(found), is_found)

    def _flips(self, model: Trained) -> bool:
        """Whether the estimator with these parameters predicts another label."""
        before = self.classes[self.label]
        return model.is_found and self._estimator(model).predict(self.X)[0] != before

    def _estimator(self, model: Trained) -> Any:
        study = self.study
        table = model.objective.score_weights()
        return estimator_of(study, study.adapter.restore(study.model, table))

    def _predictor(self, objective: Any) -> np.ndarray:
        eta: np.ndarray = objective.predictor(objective.query_jacobian(self.features))
        return eta

    def _after_step(self, rows: np.ndarray, rival: int) -> np.ndarray:
        """Predictor of the query one step from the optimum with all labels as they are."""
        objective = self.start.objective
        pull = objective.jacobian[rows].adjoint(self._pull(objective, rows, rival)[:, None])
        step = self.curvature.solve(pull.astype(self.curvature.dtype))
        moved = objective.query_jacobian(self.features).apply(step.astype(np.float64))
        eta: np.ndarray = self.start.eta - moved[:, 0]
        return eta

    def result(self, rows: np.ndarray, rival: int, max_size: int) -> FlipSet:
        """The rows as the user knows them, and what the model with their new labels says."""
        y, classes = self.start.objective.y, self.classes
        found = FlipSet(
            rows=self.study.training_rows.index[rows],
            positions=rows,
            max_size=max_size,
            label=classes[self.label],
            probability_before=self.probability(self.start.eta),
            edit="relabel",
            labels_before=classes[y[rows]],
            labels_after=classes[np.full(len(rows), rival)] if len(rows) else classes[:0],
        )
        if not len(rows):
            return found
        model = self._trained(rows, rival, self.start, self.curvature)
        return replace(
            found,
            new_label=on_host(self._estimator(model).predict(self.X))[0],
            probability_predicted=self.probability(self._after_step(rows, rival)),
            probability_after=self.probability(model.eta),
        )


class _WeightsOfClasses:
    """What rows count with any label: their own weight, times that of the class as it was fitted.

    Weights that balance the classes are those of the labels as they are.

    Parameters
    ----------
    study : Study
    objective : LinearObjective
    """

    def __init__(self, study: Any, objective: Any) -> None:
        own, n_rows = study.training_data.sample_weight, objective.n_rows
        self.own = np.ones(n_rows) if own is None else own.astype(np.float64)
        counts = np.flatnonzero(objective.sample_weight > 0)
        _, first = np.unique(objective.y[counts], return_index=True)
        rows = counts[first]
        #: Of each class, shape (n_classes,).
        self.of_class = objective.sample_weight[rows] / self.own[rows]
        #: Of each class in each output, shape (n_classes, n_outputs) or (n_classes, 1).
        self.by_output = np.ones((len(rows), 1))
        if objective.output_weight is not None:
            self.by_output = objective.output_weight[rows].astype(np.float64)

    def of(self, y: np.ndarray, rows: Any) -> np.ndarray:
        """Those of some rows with some labels, shape (n, n_outputs) or (n, 1)."""
        weight: np.ndarray = (self.own[rows] * self.of_class[y])[:, None] * self.by_output[y]
        return weight

    def put(self, objective: Any, y: np.ndarray) -> Any:
        """An objective with other labels, and what its rows count with them."""
        weight = objective.output_weight
        return replace(
            objective,
            y=y,
            sample_weight=self.own * self.of_class[y],
            output_weight=None if weight is None else self.by_output[y].astype(weight.dtype),
        )
