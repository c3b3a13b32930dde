"""Explainers of models without some of the rows that these were fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from .._study import Study, TrainingSet, reduce_to_rows, study_of_reduced
from ..adapters import fitted_around, is_frozen
from ..jacobians import is_stored
from ..removal import Unlearning, check_rows_are_left, estimator_of, retrain_without
from ..results import RemovedRows
from ..utils._distribution import jobs
from ..utils._validation import check_removals
from ._studied import study_of


@dataclass(frozen=True)
class RowsLeft:
    """A model without some of the rows that a study is of, which no study has been made of yet.

    Attributes
    ----------
    study : Study
        With all the rows.
    positions : ndarray of int
        Those that are left, among the rows of the study.
    estimator : fitted estimator
        Of the rows that are left.
    unlearning : Unlearning or None
        The model on its way from request to request; None where it is found otherwise.
    """

    study: Study
    positions: np.ndarray
    estimator: Any
    unlearning: Unlearning | None

    @property
    def n_factorisations(self) -> int:
        """How often the Hessian was factored on the way."""
        return 0 if self.unlearning is None else self.unlearning.n_factorisations

    @classmethod
    def all_of(cls, study: Study) -> RowsLeft:
        """With all of the rows of a study."""
        _check_can_lose_rows(study)
        objective, unlearning = study.objective, None
        is_smooth = objective.removal_kind == "smooth" and objective.has_tables
        if is_smooth and not (objective.has_l1 or study.adapter.keeps_rows):
            unlearning = Unlearning.of(study.remover)
        return cls(study, np.arange(objective.n_rows), study.estimator, unlearning)

    def without(self, rows: np.ndarray) -> RowsLeft:
        """Without more of them, given by their positions among those that are left."""
        study, left = self.study, np.delete(self.positions, rows)
        check_rows_are_left(study, left, rows)
        unlearning = self.unlearning
        if unlearning is not None:
            unlearning = unlearning.without(self.positions[rows])
        if unlearning is not None:
            estimator = estimator_of(study, study.adapter.restore(study.model, unlearning.table))
        else:
            estimator = self._trained(left)
        return RowsLeft(study, left, estimator, unlearning)

    def _trained(self, left: np.ndarray) -> Any:
        """The estimator of rows that are left, from that of all rows of the study."""
        study, adapter, model = self.study, self.study.adapter, self.study.model
        gone = np.delete(np.arange(study.objective.n_rows), left)
        if not adapter.keeps_rows:
            return retrain_without(study, [gone])[0]
        X, y, weight = study.training_data
        given: Any = y  # Models without targets take None.
        fitted = study.objective.fitted
        (refit,) = adapter.refit(model, fitted, X, given, weight, [gone], study.n_jobs)
        return estimator_of(study, adapter.keeping(refit, left))

    def studied(self, solver: str, random_state: Any) -> Study:
        """The study of the rows that are left, which holds none of the others."""
        study, left = self.study, self.positions
        (X, y, weight), rows = study.training_data, study.training_rows
        data = TrainingSet(
            _safe_indexing(X, left),
            None if y is None else y[left],
            None if weight is None else weight[left],
        )
        shown = None if rows.labels is None else rows.labels[left]
        with jobs(study.n_jobs):
            return study_of_reduced(
                self.estimator,
                reduce_to_rows(
                    self.estimator,
                    data,
                    rows.index[left],
                    shown,
                    held=lambda objective: objective.holding(study.objective, left),
                ),
                rows.library,
                kind=study.kind,
                damping=study.damping,
                solver=solver,
                n_jobs=study.n_jobs,
                random_state=random_state,
                verbose=study.verbose,
            )


def _check_can_lose_rows(study: Study) -> None:
    """Refuse models and rows of which nothing exact can be said without some of the rows."""
    name = type(study.model).__name__
    if study.objective.may_stop_early:
        raise TypeError(
            f"{name} cannot be rid of rows exactly: it is where its training has stopped, and what "
            "it would be had it never seen a row, only training anew tells. Fit it again without "
            "the rows; retrain_without trains on without them, which is another model. Its last "
            "layer can be rid of rows, by sklearn_relatif.networks.LastLayer, the others not."
        )
    if study.adapter.draws_rows(study.model):
        raise TypeError(
            f"{name} cannot be rid of rows and stay explained: which rows its models drew is not "
            "known of fewer rows. retrain_without gives the model without them, with what was "
            "drawn held; or fit it again."
        )
    if study.objective.has_leaves and study.model.get_params().get("class_weight") == "balanced":
        raise TypeError(
            f"{name} cannot be rid of rows and stay explained. Classes of other rows would be "
            "balanced otherwise, and retrain_without holds what they weigh. Fit it with class "
            "weights as numbers."
        )
    if study.model.get_params().get("kernel") == "precomputed":
        raise TypeError(
            f"{name} with a precomputed kernel cannot be rid of rows: these are columns of "
            "whatever it takes. Fit it again with the kernels between the rows that are left."
        )
    if is_stored(study.training_data.features):
        raise TypeError(
            "The training rows are in a file or another array outside of memory, which would keep "
            "those that are removed. Write one without them, and explain what retrain_without "
            "gives: RelatIFExplainer.from_fitted(model, X_left, y_left)."
        )
    if study.objective.place is not None:
        raise TypeError(
            f"The training rows are arrays of {study.objective.place}, of which none can be "
            "removed. Explain what retrain_without gives on the rows that are left, or use "
            "NumPy's arrays."
        )


class UnlearningMixin:
    """Removing rows from a fitted model for good, for :class:`RelatIFExplainer`."""

    if TYPE_CHECKING:
        estimator: Any
        estimator_: Any
        solver: str
        random_state: Any

    removed_: RemovedRows
    _rows_left: RowsLeft | None = None

    @cached_property
    def _study(self) -> Study:
        """What is known of the model; of one without rows, found out when it is first asked."""
        if self._rows_left is None:
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        study = self._rows_left.studied(self.solver, self.random_state)
        self._rows_left = None
        return study

    def without(self, rows: Any) -> Any:
        """The fitted explainer of the model without some of its training rows.

        The model is trained to the optimum of the rows that are left: the one that a fit without
        them converges to, at the same penalty, class weights and kernel. It starts from the optimum
        with the rows and from a factor of its Hessian, from which their part is taken, so that
        requests that come one after another cost a few passes over the rows each, and no fit. What
        explains, which takes a factor of the new Hessian, is made when it is first asked for; from
        then on, the explainer holds nothing of the rows that were removed but their record in
        ``removed_``, nor does it when it is saved.

        Preprocessing is held: the means and the scales of a ``StandardScaler``, the vocabulary of a
        vectoriser, and what was chosen by a search have been fitted with the rows, and still are.
        ``removed_`` names them. To be rid of those traces, ``fit`` on the rows that are left, which
        fits everything again.

        Parameters
        ----------
        rows : int or array-like of int
            Positions in the training rows of this explainer, not labels of an index. In a chain,
            ``explainer.without(3).without(3)`` removes the fourth row, and then what was the
            fifth: ``training_rows_`` has the rows that are left, by their labels.

        Returns
        -------
        RelatIFExplainer
            A new one; this one stays as it is. Its ``estimator_`` is the model without the rows
            (without FrozenEstimator or search around it), and ``removed_`` the record of all rows
            that have been removed since ``fit``.

        Raises
        ------
        TypeError
            If the model is a network, or draws rows, or if the rows are stored outside of memory.
        ValueError
            If positions are invalid, or the rows leave none, or none of a class.

        Warns
        -----
        ConvergenceWarning
            If the model has no optimum without the rows, or none was found.

        See Also
        --------
        retrain_without : The models alone, for each of many removals from all rows.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> after = explainer.without(70).without([3, 5])
        >>> len(after.training_rows_.index), after.removed_.positions
        (147, array([70,  3,  5]))
        >>> bool(after.distance_to_optimum_ < 1e-9)
        True
        """
        check_is_fitted(self)
        before = self._rows_left
        if before is None:
            before = RowsLeft.all_of(study_of(self))
        (positions,) = check_removals([rows], len(before.positions))
        left = before.without(positions)
        after = clone(self)
        if is_frozen(self.estimator):
            after.estimator = FrozenEstimator(left.estimator)
        after.estimator_, after._rows_left = left.estimator, left
        own = left.unlearning
        if own is None:
            reached, n_factorisations = after._study.objective.relative_gradient(), -1
        else:
            reached, n_factorisations = own.relative_gradient, own.n_factorisations
            n_factorisations -= before.n_factorisations
        after.removed_ = _recorded(self, before, positions, reached, n_factorisations)
        return after

    def __getstate__(self) -> dict[str, Any]:
        # What is saved holds none of the rows that were removed.
        if self._rows_left is not None:
            study_of(self)
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return state


def _recorded(
    explainer: Any, before: RowsLeft, rows: np.ndarray, reached: float, n_factorisations: int
) -> RemovedRows:
    """The record of an explainer, and of one more request."""
    record, study = explainer.removed_, before.study
    n_rows = record.n_removed + record.n_left
    positions = np.delete(np.arange(n_rows), record.positions)[rows]
    chosen = study.adapter.removal_changes_objective(study.model)
    held = [*record.held, *fitted_around(explainer.estimator_)]
    if chosen:
        held.append(f"what {type(study.model).__name__} chose by its rows")
    names = study.training_rows.index[before.positions[rows]]
    return RemovedRows(
        rows=np.concatenate([record.rows.astype(names.dtype, copy=False), names]),
        positions=np.concatenate([record.positions, positions]),
        requests=np.append(record.requests, np.full(len(rows), record.n_requests)),
        relative_gradients=np.append(record.relative_gradients, reached),
        n_factorisations=np.append(record.n_factorisations, n_factorisations),
        n_left=record.n_left - len(rows),
        held=tuple(dict.fromkeys(held)),
        library=record.library,
    )
