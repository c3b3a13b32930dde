"""The fitted state of an explainer, of which all that it answers is a function.

An :class:`Attribution` scores training rows for queries, which takes their gradients but not
their features. A :class:`Study` has the training data too, and with them what audits and removals
ask for. What costs a pass over the rows is found when first needed, and kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing, check_consistent_length

from .adapters import (
    Adapter,
    Recordings,
    Targets,
    adapter_of,
    positions_of_resampled,
    split_pipeline,
    targets_of,
    thresholded,
    warn_if_transform_differs,
)
from .criteria import leverages, row_factors
from .curvature import Prepared, n_beside, own_kind, prepare_curvature, whitened_beside
from .objectives import Objective
from .optimality import distance_to_optimum, warn_if_far, warn_if_not_optimal
from .removal import Remover, remover_from
from .removal.active_set import ActiveSetCurvature, ActiveSetObjective
from .results import Explanation, NoResamples, Resampler, SolverChoice, TrainingRows
from .search import best_rows, score_matrices, target_weights
from .stability import resampler_of
from .utils._arrays import beside, estimator_on_host
from .utils._blocks import value_blocks
from .utils._distribution import jobs
from .utils._frames import labelled, library_of
from .utils._index import row_index
from .utils._threads import for_each
from .utils._validation import (
    beside_rows,
    check_fitted_elsewhere,
    check_sample_weight,
    is_dispatched,
    label_array,
    refuse_dispatched,
    refuse_fitted_elsewhere,
    refuse_lazy,
)


class Query(NamedTuple):
    """Rows to explain: as the model takes them, as the objective does, and their targets.

    Attributes
    ----------
    features : array-like or CSR matrix of shape (n_queries, n_features)
    jacobian : jacobian of n_queries rows
    y : ndarray of shape (n_queries,) or (n_queries, n_targets)
    """

    features: Any
    jacobian: Any
    y: np.ndarray

    @property
    def n_rows(self) -> int:
        return len(self.y)


class TrainingSet(NamedTuple):
    """The rows that reached the model in its fit.

    Attributes
    ----------
    features : array-like or CSR matrix of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,) or (n_rows, n_targets), or None
        None if the model was fitted without.
    sample_weight : ndarray of shape (n_rows,) or None
        None if the model was fitted without.
    """

    features: Any
    labels: np.ndarray | None
    sample_weight: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Reduced:
    """A fitted estimator taken apart, and what the model in it minimised.

    Attributes
    ----------
    model : fitted estimator
        The one that predicts, at the end of a pipeline or inside a search.
    transformers : list of fitted transformers
        What queries go through before they reach it.
    targets : Targets
    objective : Objective
        At the parameters of the model.
    data : TrainingSet
        What reached the model.
    index : ndarray of shape (n_rows,)
        The labels of these rows.
    labels : ndarray of shape (n_rows,) or (n_rows, n_targets), or None
        Their targets as the user gave them.
    """

    model: Any
    transformers: list[Any]
    targets: Targets
    objective: Any
    data: TrainingSet
    index: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Attribution:
    """What scores training rows for the predictions of a model.

    Attributes
    ----------
    model : fitted estimator
        The one that predicts, at the end of a pipeline or inside a search.
    transformers : list of fitted transformers
        What queries go through before they reach it.
    targets : Targets
    objective : objective
        Its ``rows`` are the training rows' gradients. Of queries it tells the features in its own
        columns, the predictions and the gradients.
    curvature : curvature
        The inverse of a curvature in the coordinates of the rows.
    solver : SolverChoice
    training_rows : TrainingRows
    n_jobs : int or None
    scales : dict of str to ndarray of shape (n_rows,)
        Denominators of the criteria for unit gradients, as far as they are known yet.
    """

    model: Any
    transformers: list[Any]
    targets: Targets
    objective: Any
    curvature: Any
    solver: SolverChoice
    training_rows: TrainingRows
    n_jobs: int | None = None
    scales: dict[str, np.ndarray] = field(default_factory=dict)

    def query(self, X: Any, y: Any = None, n_labels: int = 1) -> Query:
        """Rows to explain, with the predicted class where no label is given.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries * n_labels,) or (n_queries, n_targets), default=None
        n_labels : int, default=1
            Each row of X comes so many times, for as many entries of ``y``.
        """
        refuse_lazy(X)
        if self.objective.place is None:
            refuse_dispatched("the model was fitted to NumPy's", X=X)
        (y,) = beside_rows(X, y=y)
        features = adapter_of(self.model).model_rows(self.transformers, self.model, X)
        if n_labels > 1:
            features = _safe_indexing(features, np.repeat(np.arange(features.shape[0]), n_labels))
        jacobian = self.objective.query_jacobian(features)
        labels = None if y is None else self.targets.shaped(label_array(y), warn=True)
        if labels is not None:
            check_consistent_length(features, labels)
        return Query(features, jacobian, self.targets.of_queries(labels, self.objective, jacobian))

    def shown(self, query: Query) -> np.ndarray:
        """The labels or targets that queries ask for, as the user knows them."""
        return self.targets.shown(query.y, lambda: self.objective.predict(query.jacobian))

    def factors(self, criterion: str) -> np.ndarray:
        """What turns products of unit gradients into a criterion, shape (n_rows,)."""
        rows = self.objective.rows
        if criterion != "influence" and criterion not in self.scales:
            self.scales.update(self.curvature.lengths(rows, criterion))
        return row_factors(criterion, rows, self.scales)

    def explanations(
        self, X: Any, y: Any, criteria: Sequence[str], n_examples: int, sign: str
    ) -> dict[str, Explanation]:
        """The best rows of each query in several criteria, from one pass.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
        y : array-like of shape (n_queries,), (n_queries, n_labels) or (n_queries, n_targets)
            Or None.
        criteria : sequence of str
        n_examples : int
        sign : {"positive", "negative", "absolute"}
        """
        with jobs(self.n_jobs):
            y, n_labels = self.targets.each_on_its_own(X, *beside_rows(X, y=y))
            query = self.query(X, y, n_labels)
            queries = self.objective.query_rows(query.jacobian, query.y)
            targets = self.shown(query)
            factors = {name: self.factors(name) for name in criteria}
            rows = self.objective.rows
            best = best_rows(queries, rows, self.curvature, factors, n_examples, sign)
        index, library = row_index(X), library_of(X) or self.training_rows.library
        positions = np.repeat(np.arange(len(index)), n_labels)
        return {
            name: Explanation(
                indices,
                scores,
                targets,
                criterion=name,
                sign=sign,
                training_rows=self.training_rows,
                query_index=index[positions],
                query_positions=positions,
                library=library,
                solver=self.solver,
                resampler=self.resampler(query, name),
            )
            for name, (indices, scores) in best.items()
        }

    def resampler(self, query: Query, criterion: str) -> Resampler:
        """What tells how stable the best rows of queries are in a criterion."""
        return NoResamples(
            "stability takes the training rows, which a compact explainer has let go of. Ask the "
            "explanation of the explainer that it was made from."
        )

    def scores(self, X: Any, y: Any, criteria: Sequence[str]) -> dict[str, np.ndarray]:
        """Scores of all rows for each query in several criteria, (n_queries, n_rows) each."""
        with jobs(self.n_jobs):
            query = self.query(X, y)
            queries = self.objective.query_rows(query.jacobian, query.y)
            factors = {name: self.factors(name) for name in criteria}
            return score_matrices(queries, self.objective.rows, self.curvature, factors)

    def labelled_scores(self, X: Any, y: Any, criteria: Sequence[str]) -> dict[str, Any]:
        """The same as data frames of the library of the queries; of arrays, as they are."""
        index = self.training_rows.index
        return {
            name: labelled(scores, X, index, "row", "pairwise_influence")
            for name, scores in self.scores(X, y, criteria).items()
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class Study(Attribution):
    """A fitted model with its training data, its objective and the curvature of that.

    Attributes
    ----------
    estimator : fitted estimator
        With the model in it.
    kind : str
        The name of the curvature.
    damping : float
    training_data : TrainingSet
    distance_to_optimum : float
    verbose : bool
        Whether long loops show their progress.
    """

    estimator: Any
    kind: str
    damping: float
    training_data: TrainingSet
    distance_to_optimum: float
    verbose: bool = False

    @property
    def adapter(self) -> Adapter:
        return adapter_of(self.model)

    def under(self, n_jobs: int | None, verbose: bool) -> Study:
        """The same study with other options, and with all that it has found out."""
        if (n_jobs, verbose) == (self.n_jobs, self.verbose):
            return self
        other = copy(self)
        vars(other).update(n_jobs=n_jobs, verbose=verbose)
        return other

    def at_model(self) -> Study:
        """The same study of queries that have been through the transformers."""
        other, model = copy(self), copy(self.model)
        # What reaches a model is an array, but wrappers pass data frames on to theirs.
        if not hasattr(self.training_data.features, "iloc"):
            vars(model).pop("feature_names_in_", None)
        vars(other).update(transformers=[], model=model)
        return other

    def resampler(self, query: Query, criterion: str) -> Resampler:
        """What tells how stable the best rows of queries are, by models of resamples."""
        return resampler_of(
            self.objective,
            type(self.model).__name__,
            kind=self.kind,
            damping=self.damping,
            solver=self.solver,
            criterion=criterion,
            features=query.features,
            y=query.y,
            refit=self.objective_of_resample,
        )

    def objective_of_resample(self, draws: np.ndarray) -> Any:
        """What the model minimises when it is fitted again, with each row drawn so often."""
        data = self.training_data
        y: Any = data.labels
        weight = draws * check_sample_weight(data.sample_weight, len(draws))
        self.adapter.check_weights(self.model, weight)
        model = clone(self.model).fit(data.features, y, sample_weight=weight)
        targets = self.targets.of_training(y, weight)
        return self.adapter.reduce(model, data.features, targets, weight)

    # --- one number a training row ---------------------------------------------------------

    def scale(self, criterion: str) -> np.ndarray:
        """Denominator of a criterion for each training row, shape (n_rows,)."""
        norm = self.objective.rows.norm
        if criterion == "influence":
            return np.ones_like(norm)
        self.factors(criterion)
        return self.scales[criterion] * norm

    def self_influence(self) -> np.ndarray:
        """Influence of each training row on its own loss, ``g_i^T H^-1 g_i``, shape (n_rows,)."""
        own = self.curvature.self_influence(self.objective)
        return self.scale("loss_relative") ** 2 if own is None else own

    def leverage(self) -> np.ndarray:
        """Leverage of each training row, shape (n_rows,), where the loss has a curvature."""
        return leverages(self.objective, self.curvature)

    # --- predictions as sums over rows -----------------------------------------------------

    def target_weights(self, X: Any = None) -> np.ndarray:
        """Weights of the training targets in predictions, shape (n_queries, n_rows).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features), default=None
            None: the training rows.
        """
        objective = self.objective
        own = objective.training_jacobian if X is None else self.query(X).jacobian
        with jobs(self.n_jobs):
            return target_weights(objective, self.curvature, own)

    # --- vectors ---------------------------------------------------------------------------

    @property
    def lacks_factor(self) -> bool:
        """Whether denominators are exact, but nothing else that takes a factor can be had."""
        return not self.curvature.has_coordinates(self.objective)

    @property
    def coordinates(self) -> tuple[Any, Any]:
        """The objective and the curvature in coordinates that are few enough to be written down.

        They are the study's own, but for wide sparse data, which are explained without
        coordinates: then they are those of the space that the rows span.
        """
        return self.curvature.coordinates(self.objective)

    def in_coordinates(self, query: Query) -> Query:
        """A query whose jacobian has these coordinates."""
        objective, _ = self.coordinates
        if objective is self.objective:
            return query
        return query._replace(jacobian=objective.query_jacobian(query.features))

    def embedded(self, X: Any, y: Any = None) -> np.ndarray:
        """Rows as vectors whose inner products are influences, shape (n, n_embedded).

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, n_features)
        y : array-like of shape (n,) or (n, n_targets), default=None
            Labels of training rows. None: the rows are queries of the predicted label.
        """
        query = self.in_coordinates(self.query(X, y))
        objective, curvature = self.coordinates
        embed = objective.query_rows if y is None else objective.loss_rows
        rows = embed(query.jacobian, query.y)
        embedded = curvature.whiten(rows.block(slice(None)))
        if n_beside(objective):
            left_out = whitened_beside(objective, query.features, rows, self.kind, self.damping)
            embedded = np.hstack([embedded, left_out])
        embedded = embedded * beside(embedded, rows.norm[:, None])
        n_missing = self.n_embedded - embedded.shape[1]
        return np.pad(embedded, ((0, 0), (0, n_missing))) if n_missing else embedded

    @property
    def n_embedded(self) -> int:
        """The most that there could be, however many dimensions the rows and the model take."""
        objective, curvature = self.coordinates
        n_spare = objective.jacobian.n_spare
        n_outputs = curvature.n_whitened // objective.jacobian.n_columns if n_spare else 0
        return curvature.n_whitened + n_outputs * n_spare + n_beside(objective)

    # --- models without some rows ----------------------------------------------------------

    @cached_property
    def remover(self) -> Remover:
        """What leads to the models without some rows; see :func:`remover_from`."""
        return remover_from(self.objective, self.curvature, self.kind, self.damping, self.n_jobs)


def prepare_study(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    seen: Recordings,
    kind: str = "hessian",
    damping: float = 0.0,
    solver: str = "auto",
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: bool = False,
) -> Study:
    """Reduce a fitted estimator to its objective, and factor the curvature.

    Parameters
    ----------
    estimator : fitted estimator
    X : array-like or sparse matrix of shape (n_rows, n_features)
        What it was fitted on, as the user gave it.
    y : array-like of shape (n_rows,) or (n_rows, n_targets), or None
    sample_weight : array-like of shape (n_rows,), default=None
    seen : Recordings
        What reached the models in it, where that is known.
    kind : {"hessian", "fisher", "empirical_fisher", "identity", "active_set"}, default="hessian"
    damping, solver, n_jobs, random_state, verbose
        As of :class:`RelatIFExplainer`.

    Raises
    ------
    TypeError
        If the model is of an unsupported kind.
    ValueError
        If the data are not those of the fit, or the curvature is not positive definite.

    Warns
    -----
    ConvergenceWarning
        If the model is not at the optimum of these rows.
    """
    return study_of_reduced(
        estimator,
        reduce_fitted(estimator, X, y, sample_weight, seen),
        library_of(X),
        kind=kind,
        damping=damping,
        solver=solver,
        n_jobs=n_jobs,
        random_state=random_state,
        verbose=verbose,
    )


def study_of_reduced(
    estimator: Any,
    reduced: Reduced,
    library: str | None,
    *,
    kind: str,
    damping: float,
    solver: str,
    n_jobs: int | None,
    random_state: Any,
    verbose: bool,
) -> Study:
    """Factor the curvature of the objective that a fitted estimator is reduced to.

    Parameters
    ----------
    estimator : fitted estimator
    reduced : Reduced
    library : str or None
        The data frame library of its training data.
    kind, damping, solver, n_jobs, random_state, verbose
        As of :func:`prepare_study`, which says what is raised.
    """
    model, transformers, fitted = reduced.model, reduced.transformers, reduced.objective
    features = reduced.data.features
    kind = own_kind(fitted, kind)
    if kind == "active_set":
        prepared = _on_active_set(fitted, model, damping)
    else:
        prepared = prepare_curvature(fitted, kind, damping, solver, random_state, verbose)
    if verbose:
        print(f"solver: {prepared.solver.name}, because {prepared.solver.reason}", file=sys.stderr)
    distance = distance_to_optimum(fitted, prepared, kind, damping)
    is_frozen = isinstance(estimator, FrozenEstimator)
    # Of a model that is made of several, the rows as the first of them takes them.
    numbers = fitted.members[0].features if fitted.members else features
    if fitted.may_stop_early and not np.isnan(distance):
        warn_if_far(distance)
    elif fitted.optimality_obstacle is None:
        weight = reduced.data.sample_weight
        warn_if_not_optimal(distance, model, numbers, transformers, weight, is_frozen)
    return Study(
        model=model,
        transformers=transformers,
        targets=reduced.targets,
        objective=prepared.objective,
        curvature=prepared.curvature,
        solver=prepared.solver,
        training_rows=_described(prepared.objective, reduced, library),
        n_jobs=n_jobs,
        estimator=estimator,
        kind=kind,
        damping=damping,
        training_data=reduced.data,
        distance_to_optimum=distance,
        verbose=verbose,
    )


def reduce_fitted(estimator: Any, X: Any, y: Any, sample_weight: Any, seen: Recordings) -> Reduced:
    """Take a fitted estimator apart, and reduce the model in it to its objective.

    Parameters
    ----------
    estimator, X, y, sample_weight, seen
        As of :func:`prepare_study`, which says what is raised.
    """
    transformers, model = split_pipeline(estimator)
    adapter = adapter_of(model)
    if is_dispatched(X):
        _check_takes_arrays(adapter, model, X)
    else:
        for part in (*transformers, model):
            refuse_fitted_elsewhere(part)
    model = estimator_on_host(model)
    index = row_index(X)
    targets = targets_of(estimator, adapter.targets(model))
    own = seen.of(model)
    if own is None:
        warn_if_transform_differs(estimator)
        features = adapter.model_rows(transformers, model, X)
        shown = targets.shaped(y)
        labels = targets.handed_on(shown)
    else:
        features = adapter.model_rows([], model, own.X)
        positions = positions_of_resampled(estimator, len(index), features.shape[0])
        index, shown = index[positions], targets.shaped(y)
        shown = None if shown is None else shown[positions]
        labels, sample_weight = targets.shaped(own.y), own.sample_weight
    check_consistent_length(features, labels)
    weight = check_sample_weight(sample_weight, features.shape[0])
    adapter.check_weights(model, weight)
    data = TrainingSet(features, labels, None if sample_weight is None else weight)
    return reduce_to_rows(estimator, data, index, shown)


def reduce_to_rows(
    estimator: Any,
    data: TrainingSet,
    index: np.ndarray,
    shown: np.ndarray | None,
    held: Callable[[Objective], Objective] = lambda objective: objective,
) -> Reduced:
    """The same of rows as they have reached the model.

    Parameters
    ----------
    estimator : fitted estimator
    data : TrainingSet
    index : ndarray of shape (n_rows,)
    shown : ndarray of shape (n_rows,) or (n_rows, n_targets), or None
        The labels or targets of the user.
    held : callable, optional
        Takes the objective that the model is reduced to by these rows alone, and returns the one
        that it minimised, where it holds what it was for others.
    """
    transformers, model = split_pipeline(estimator)
    model = estimator_on_host(model)
    adapter, (features, labels, sample_weight) = adapter_of(model), data
    targets = targets_of(estimator, adapter.targets(model))
    weight = check_sample_weight(sample_weight, features.shape[0])
    given: Any = labels  # Models without targets take None.
    objective = held(adapter.reduce(model, features, targets.of_training(given, weight), weight))
    targets = thresholded(estimator, model, targets, objective, features)
    return Reduced(model, transformers, targets, objective, data, index, shown)


def _check_takes_arrays(adapter: Adapter, model: Any, X: Any) -> None:
    """Refuse rows of another library than NumPy that a model cannot be explained with."""
    if not adapter.takes_arrays:
        refuse_dispatched(f"{type(model).__name__} is explained with NumPy", X=X)
    check_fitted_elsewhere(model, X)


def _on_active_set(objective: Any, model: Any, damping: float) -> Prepared:
    """A machine with a hinge loss by the KKT system of its free support vectors."""
    if objective.removal_kind != "hinge":
        raise ValueError(
            f"curvature='active_set' exists for SVMs with a hinge loss, not for "
            f"{type(model).__name__}; use curvature='hessian'."
        )
    if damping:
        raise ValueError(
            f"curvature='active_set' takes no damping; got damping={damping!r}. Set "
            "damping=0, or use curvature='hessian'."
        )
    choice = SolverChoice("active_set", "the KKT system of the free support vectors")
    return Prepared(ActiveSetObjective(objective), ActiveSetCurvature(), choice)


def _described(objective: Any, reduced: Reduced, library: str | None) -> TrainingRows:
    """What the model makes of each of its training rows."""
    loss, targets, labels = objective.loss, reduced.targets, reduced.labels

    def describe(rows: slice) -> tuple[np.ndarray, np.ndarray | None]:
        eta = objective.training_predictor[rows]
        if not loss.has_probabilities:
            return targets.predicted(loss, eta), None
        own = loss.probabilities(eta)
        return targets.predicted(loss, eta), own[np.arange(len(own)), objective.y[rows]]

    described: list[tuple[np.ndarray, np.ndarray | None]] = []
    for_each(describe, value_blocks(objective.n_rows, loss.n_outputs), described.append)
    predicted, probabilities = zip(*described, strict=True)
    predictions = np.concatenate(predicted)
    return TrainingRows(
        index=reduced.index,
        labels=None if labels is None else labels.copy(),
        predictions=targets.shown(predictions, lambda: predictions),
        probabilities=np.concatenate(probabilities) if loss.has_probabilities else None,
        library=library,
    )
