"""One vs rest and one vs one: several classes by one binary model a class, or a pair of them."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import is_regressor
from sklearn.utils.validation import check_is_fitted

from ..losses import LogLoss, ProblemsLoss, TargetsLoss, one_vs_rest_codebook
from ..objectives import build_objective
from ._base import Adapter
from ._composed import ComposedAdapter, Part
from ._linear import Parameters
from ._logistic import LogisticAdapter
from ._registry import adapter_of, find_adapter, register
from ._targets import ClassTargets, ColumnTargets


class ProblemsAdapter(ComposedAdapter):
    """What one vs rest and one vs one have in common.

    A query asks for the sum of the losses of its class in the problems in which it takes part, as
    its training rows do; of machines with a margin, for the sum of margins.
    """

    is_vote = False
    #: Which columns of an array its models were given; None: X as it is.
    columns: Any = None

    def codebook(self, model):
        """The side of each class in each problem: 0, 1, or -1; shape (n_classes, n_problems)."""
        raise NotImplementedError

    def parts(self, model, X, y, sample_weight):
        check_problems(model)
        for estimator, sides in zip(model.estimators_, self.codebook(model).T, strict=True):
            side = sides[y]
            rows = np.flatnonzero(side >= 0)
            chosen = None if len(rows) == len(y) else rows
            yield Part(estimator, side[rows], sample_weight[rows], chosen, self.columns)

    def loss(self, model, members):
        losses = [member.objective.loss for member in members]
        have_probabilities = all(loss.has_probabilities for loss in losses)
        confidence = confidence_of(model)
        if confidence == "probability" and not have_probabilities:
            raise ValueError(
                f"{type(model).__name__} compares probabilities of its models that their scores "
                "alone do not tell: a Gaussian process averages them over the variance of its "
                "score. Explain its models one by one: RelatIFExplainer.from_fitted("
                "model.estimators_[k], X, y), with the rows and labels that each was given."
            )
        return ProblemsLoss(
            losses,
            self.codebook(model),
            confidence,
            self.is_vote,
            have_probabilities and not self.is_vote,
        )


class OneVsRestAdapter(ProblemsAdapter):
    """One model a class, and one in all for two classes; or one a label of several that rows have.

    Where all are LogisticRegression on the same rows, they are the outputs of one objective.
    """

    has_several_targets = True

    def targets(self, model):
        if not model.multilabel_:
            return ClassTargets(model.classes_)
        return ColumnTargets([ClassTargets(np.arange(2)) for _ in model.classes_])

    def codebook(self, model):
        if len(model.estimators_) == 1:
            return np.array([[0], [1]])
        return np.eye(len(model.estimators_), dtype=np.intp)

    def parts(self, model, X, y, sample_weight):
        if not model.multilabel_:
            yield from super().parts(model, X, y, sample_weight)
            return
        check_problems(model)
        for estimator, labels in zip(model.estimators_, y.reshape(len(y), -1).T, strict=True):
            yield Part(estimator, labels, sample_weight)

    def loss(self, model, members):
        if model.multilabel_:
            return TargetsLoss([member.objective.loss for member in members])
        return super().loss(model, members)

    # --- where all are LogisticRegression ----------------------------------------------------

    def is_stacked(self, model):
        """Whether its models are the outputs of one objective."""
        adapters = [find_adapter(estimator) for estimator in model.estimators_]
        return not model.multilabel_ and all(isinstance(a, LogisticAdapter) for a in adapters)

    def model_rows(self, transformers, model, X):
        check_is_fitted(model)
        check_problems(model)
        if self.is_stacked(model):
            return Adapter.model_rows(self, transformers, model, X)
        return super().model_rows(transformers, model, X)

    def reduce(self, model, X, y, sample_weight):
        if not self.is_stacked(model):
            return super().reduce(model, X, y, sample_weight)
        estimators = model.estimators_
        adapters: list[Any] = [adapter_of(estimator) for estimator in estimators]
        if len(estimators) == 1:
            return adapters[0].reduce(estimators[0], X, y, sample_weight)
        both = list(zip(adapters, estimators, strict=True))
        tables = zip(*(adapter.penalised_parameters(own) for adapter, own in both), strict=True)
        problems = [
            sample_weight * adapter.class_weight(own, (y == k).astype(np.intp), sample_weight)
            for k, (adapter, own) in enumerate(both)
        ]
        return build_objective(
            LogLoss(one_vs_rest_codebook(len(estimators))),
            *Parameters(*map(np.vstack, tables)),
            X,
            y,
            sample_weight,
            estimators[0].fit_intercept,
            np.array(problems).T,
        )

    def parameters(self, model):
        tables = super().parameters(model)
        return np.vstack(tables) if self.is_stacked(model) else tables

    def restore(self, model, table):
        tables = [row[None] for row in table] if self.is_stacked(model) else table
        return super().restore(model, tables)


class OneVsOneAdapter(ProblemsAdapter):
    """One model a pair of classes, on the rows of these two."""

    is_vote = True
    #: Its models were given arrays, whatever X is.
    columns = slice(None)

    def codebook(self, model):
        pairs = list(combinations(range(len(model.classes_)), 2))
        codebook = np.full((len(model.classes_), len(pairs)), -1)
        for problem, (first, second) in enumerate(pairs):
            codebook[[first, second], problem] = 0, 1
        return codebook


def check_problems(model):
    """Raise a ValueError if one of the problems has a class only, which takes no model to tell."""
    names = [type(estimator).__name__ for estimator in model.estimators_]
    if len(model.classes_) == 1:
        raise ValueError(
            f"{type(model).__name__} was fitted on one class only, {model.classes_.tolist()}, "
            "and always predicts it; give it rows of at least two classes."
        )
    if "_ConstantPredictor" in names:
        label = model.classes_[names.index("_ConstantPredictor")]
        raise ValueError(
            f"{type(model).__name__} was fitted on rows of which all or none have the label "
            f"{label!r}, so that there is no model of it. Leave that column out of y."
        )


def confidence_of(model):
    """How scikit-learn compares the models of the problems with one another."""
    estimator = model.estimators_[0]
    if is_regressor(estimator):
        return "prediction"
    return "score" if hasattr(estimator, "decision_function") else "probability"


register("sklearn.multiclass.OneVsRestClassifier", OneVsRestAdapter())
register("sklearn.multiclass.OneVsOneClassifier", OneVsOneAdapter())
