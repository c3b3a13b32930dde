"""Estimators that are made of several fitted models, each with an adapter of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import check_is_fitted, validate_data

from ..jacobians import is_stored
from ..losses import ComposedLoss
from ..objectives import ComposedObjective, Member
from ..utils._validation import check_sample_weight
from ._base import Adapter
from ._chosen import chosen
from ._recording import warn_if_transform_differs
from ._registry import adapter_of
from ._wrappers import (
    innermost_path,
    is_searched,
    rebuild,
    samplers,
    split_pipeline,
    wrapper_of,
)

#: Arguments of ``fit`` that are no metadata.
NO_METADATA = ("X", "y", "Y", "fit_params", "self")


class Part(NamedTuple):
    """One of the fitted models, and what it was fitted on.

    Attributes
    ----------
    estimator : fitted estimator
        With whatever is around the model in it.
    labels : ndarray of shape (n_own_rows,)
        As it was given them.
    sample_weight : ndarray of shape (n_own_rows,)
    rows : ndarray of int or None
        Which rows of the whole it was given. None: all, in their order.
    columns : ndarray of int, slice or None
        Which of their columns, of an array. None: the rows as they are.
    """

    estimator: Any
    labels: np.ndarray
    sample_weight: np.ndarray
    rows: np.ndarray | None = None
    columns: Any = None


@dataclass(frozen=True)
class Inputs:
    """From rows of the whole to the features of one of its models.

    Attributes
    ----------
    transformers : list of fitted transformers
    model : fitted estimator
    columns : ndarray of int, slice or None
    """

    transformers: list[Any]
    model: Any
    columns: Any

    def __call__(self, X: Any) -> Any:
        if self.columns is not None:
            X = (X if sparse.issparse(X) else np.asarray(X))[:, self.columns]
        return adapter_of(self.model).model_rows(self.transformers, self.model, X)


class ComposedAdapter(Adapter):
    """Of estimators whose models share no parameters, and whose predictions come together.

    A subclass says of which :meth:`parts` an estimator is made, by which :meth:`loss` a query asks
    for the predictions of them all, and how it looks :meth:`with_estimators` in their place.
    """

    def estimators(self, model: Any) -> Sequence[Any]:
        """The fitted models."""
        return model.estimators_

    def templates(self, model: Any) -> Sequence[Any]:
        """What they were made from, not fitted."""
        return [model.estimator]

    def parts(self, model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> Iterator[Part]:
        """The fitted models, and what each of them was fitted on.

        Parameters
        ----------
        model : fitted estimator
        X : array-like or sparse matrix of shape (n_rows, n_features)
        y : ndarray of shape (n_rows,) or (n_rows, n_targets)
            As :meth:`reduce` takes it.
        sample_weight : ndarray of shape (n_rows,)
        """
        raise NotImplementedError

    def loss(self, model: Any, members: Sequence[Member]) -> ComposedLoss:
        """What a query asks of the predictors of all members."""
        raise NotImplementedError

    def with_estimators(self, model: Any, estimators: Sequence[Any]) -> Any:
        """A copy of a fitted estimator with other fitted models in it."""
        changed = copy(model)
        changed.estimators_ = list(estimators)
        return changed

    # --- what a fit chooses ----------------------------------------------------------------

    def chosen(self, model):
        """What each of the models has chosen, by its position."""
        return {
            f"{position}__{name}": value
            for position, estimator in enumerate(self.estimators(model))
            for name, value in chosen(estimator).items()
        }

    def held(self, model):
        if self.chosen(model):
            raise ValueError(
                f"The models that {type(model).__name__} is made of choose parameters, each its "
                "own, and what the choice does cannot be told apart."
            )
        return super().held(model)

    # --- from an estimator to its objective and back ---------------------------------------

    def model_rows(self, transformers, model, X):
        """Rows as they are, and in memory: each of the models checks what it is given."""
        check_is_fitted(model)
        X = np.asarray(X) if is_stored(X) else X
        for transformer in transformers:
            X = transformer.transform(X)
        if not hasattr(X, "iloc"):
            X = check_array(X, accept_sparse="csr", dtype=None, ensure_all_finite=False)
        validate_data(model, X, reset=False, skip_check_array=True)
        return X

    def reduce(self, model, X, y, sample_weight):
        members = tuple(
            self._member(model, part, X) for part in self.parts(model, X, y, sample_weight)
        )
        return ComposedObjective(self.loss(model, members), y, sample_weight, members)

    def _member(self, model, part, X):
        transformers, core = split_pipeline(part.estimator)
        _refuse_samplers(model, part.estimator)
        _refuse_wrappers(model, part.estimator)
        warn_if_transform_differs(part.estimator)
        adapter, inputs = adapter_of(core), Inputs(transformers, core, part.columns)
        if adapter.embedding_obstacle is not None:
            raise TypeError(
                f"{type(model).__name__} around {type(core).__name__} cannot be explained as a "
                "whole: its gradients are no vectors that could stand beside those of others. "
                "Explain one of its models: RelatIFExplainer.from_fitted(model.estimators_[0], X, "
                "y), with the labels that it was given."
            )
        features, targets = inputs(X), adapter.targets(core)
        labels = targets.shaped(part.labels)
        y = targets.of_training(labels, part.sample_weight)
        rows = np.arange(features.shape[0]) if part.rows is None else part.rows
        own = features if part.rows is None else features[rows]
        return Member(
            objective=adapter.reduce(core, own, y, part.sample_weight),
            rows=rows,
            inputs=inputs,
            features=features,
            classes=targets.classes,
        )

    def parameters(self, model):
        """Those of each of the models."""
        cores = [split_pipeline(estimator)[1] for estimator in self.estimators(model)]
        return [adapter_of(core).parameters(core) for core in cores]

    def restore(self, model, table):
        """A copy with copies of its models, each with its own of several tables."""
        restored = []
        for estimator, own in zip(self.estimators(model), table, strict=True):
            core = split_pipeline(estimator)[1]
            restored.append(rebuild(estimator, adapter_of(core).restore(core, own)))
        return self.with_estimators(model, restored)

    # --- without some rows -----------------------------------------------------------------

    def removal_changes_objective(self, model):
        """Whether those of its models do, which need not be fitted."""
        templates = self.templates(model)
        cores = [innermost_path(template)[1] for template in templates]
        return any(map(is_searched, templates)) or any(
            adapter_of(core).removal_changes_objective(core) for core in cores
        )

    def draws_rows(self, model):
        """Whether one of its models does."""
        cores = (split_pipeline(estimator)[1] for estimator in self.estimators(model))
        return any(adapter_of(core).draws_rows(core) for core in cores)

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Copies with refits of its models, as their own adapters refit them."""
        weight = check_sample_weight(sample_weight, len(y))
        targets = self.targets(model).of_training(y, weight)
        parts = list(self.parts(model, X, targets, weight))
        objectives = [m.objective for m in objective.members] or [objective] * len(parts)
        by_part = []
        for part, own in zip(parts, objectives, strict=True):
            transformers, core = split_pipeline(part.estimator)
            features = Inputs(transformers, core, part.columns)(X)
            rows = np.arange(len(y)) if part.rows is None else part.rows
            # Not every estimator takes weights, and one that does not was given none.
            weight = None if (part.sample_weight == 1).all() else part.sample_weight
            given = features[rows], part.labels, weight
            without = [np.flatnonzero(np.isin(rows, removal)) for removal in removals]
            cores = adapter_of(core).refit(core, own, *given, without, n_jobs)
            by_part.append([rebuild(part.estimator, refit) for refit in cores])
        return [
            self.with_estimators(model, estimators) for estimators in zip(*by_part, strict=True)
        ]

    # --- of the fit ------------------------------------------------------------------------

    def takes_weights(self, model):
        """Whether all of its models do, to whom it hands them on."""
        cores = (split_pipeline(estimator)[1] for estimator in self.estimators(model))
        return all(adapter_of(core).takes_weights(core) for core in cores)

    def weight_of_fit(self, model, arguments):
        """The weights that reached all of the models, however they were passed on."""
        passed = {**arguments.get("fit_params", {}), **arguments}
        passed = {name: value for name, value in passed.items() if name not in NO_METADATA}
        weight = passed.get("sample_weight")
        if not get_config()["enable_metadata_routing"]:
            # "deprecated" is what scikit-learn 1.6 has in the place of no weights.
            return None if isinstance(weight, str) else weight
        if not passed:
            return None
        routed = process_routing(model, "fit", **passed)
        reached = {name: given.fit.get("sample_weight") for name, given in routed.items()}
        missed = [name for name, given in reached.items() if given is None]
        if 0 < len(missed) < len(reached):
            raise ValueError(
                f"sample_weight reached some of the models in {type(model).__name__}, but not "
                f"{', '.join(missed)}. Let all of them request it, or none."
            )
        return next(iter(reached.values()), None)

    def stopping_cause(self, model):
        """That of the first of its models that stopped early."""
        cores = (split_pipeline(estimator)[1] for estimator in self.estimators(model))
        causes = (adapter_of(core).stopping_cause(core) for core in cores)
        return next(filter(None, causes), None)


def _refuse_samplers(model, estimator):
    """Samplers draw rows that reach one of the models only, and do not tell which."""
    drawing = samplers(estimator)
    if drawing:
        raise ValueError(
            f"{type(drawing[0]).__name__} inside {type(model).__name__} chooses the rows of one of "
            "its models, and which they are is not known. Put it in front of the whole."
        )


def _refuse_wrappers(model, estimator):
    """Thresholds and transformed targets change what the whole makes of a prediction."""
    if isinstance(estimator, Pipeline):
        _refuse_wrappers(model, estimator.steps[-1][1])
        return
    wrapper = wrapper_of(estimator)
    if wrapper is None:
        return
    if wrapper.stays:
        raise TypeError(
            f"{type(estimator).__name__} inside {type(model).__name__} cannot be explained: it "
            "changes predictions before these come together. Put it around the whole, or explain "
            "one of the models by itself."
        )
    _refuse_wrappers(model, getattr(estimator, wrapper.fitted))
