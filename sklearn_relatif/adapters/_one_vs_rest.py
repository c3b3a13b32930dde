"""OneVsRestClassifier: one LogisticRegression a class against all others."""

from __future__ import annotations

from copy import copy

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import process_routing

from ..losses import LogLoss, one_vs_rest_codebook
from ..objectives import build_objective
from ._base import Adapter
from ._linear import Parameters
from ._logistic import LogisticAdapter
from ._registry import adapter_of, find_adapter, register


class OneVsRestAdapter(Adapter):
    """One model a class, and one in all for two classes."""

    def reduce(self, model, X, y, sample_weight):
        parts = model.estimators_
        if len(model.classes_) == 1:
            raise ValueError(
                f"OneVsRestClassifier was fitted on one class only, {model.classes_.tolist()}, "
                "and always predicts it; give it rows of at least two classes."
            )
        adapters = [a for part in parts if isinstance(a := find_adapter(part), LogisticAdapter)]
        if model.multilabel_ or len(adapters) < len(parts):
            raise TypeError(
                "OneVsRestClassifier can be explained if it wraps LogisticRegression and each row "
                f"has one label; it wraps {type(model.estimator).__name__}"
                f"{' and was fitted on multilabel targets' if model.multilabel_ else ''}."
            )
        if len(parts) == 1:
            return adapters[0].reduce(parts[0], X, y, sample_weight)
        both = list(zip(adapters, parts, strict=True))
        tables = zip(*(adapter.penalised_parameters(part) for adapter, part in both), strict=True)
        problems = [
            sample_weight * adapter.class_weight(part, (y == k).astype(np.intp), sample_weight)
            for k, (adapter, part) in enumerate(both)
        ]
        return build_objective(
            LogLoss(one_vs_rest_codebook(len(parts))),
            *Parameters(*map(np.vstack, tables)),
            X,
            y,
            sample_weight,
            parts[0].fit_intercept,
            np.array(problems).T,
        )

    def parameters(self, model):
        """The rows of its models."""
        return np.vstack([adapter_of(part).parameters(part) for part in model.estimators_])

    def restore(self, model, table):
        """A copy with copies of its models."""
        changed = copy(model)
        changed.estimators_ = [
            adapter_of(part).restore(part, row[None])
            for part, row in zip(model.estimators_, table, strict=True)
        ]
        return changed

    def removal_changes_objective(self, model):
        return adapter_of(model.estimator).removal_changes_objective(model.estimator)

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Copies with refits of its models, which take weights however metadata are routed."""
        by_part = [
            adapter_of(part).refit(
                part, objective, X, (y == label).astype(np.intp), sample_weight, removals, n_jobs
            )
            for part, label in zip(
                model.estimators_, model.classes_[-len(model.estimators_) :], strict=True
            )
        ]
        refits = [copy(model) for _ in removals]
        for refit, *parts in zip(refits, *by_part, strict=True):
            refit.estimators_ = parts
        return refits

    def weight_of_fit(self, model, arguments):
        """Where metadata are routed, what the models in it are given."""
        if not get_config()["enable_metadata_routing"]:
            return super().weight_of_fit(model, arguments)
        routed = process_routing(model, "fit", **arguments.get("fit_params", {}))
        return routed.estimator.fit.get("sample_weight")

    def stopping_cause(self, model):
        """That of the first of its models that stopped early."""
        causes = (adapter_of(part).stopping_cause(part) for part in model.estimators_)
        return next(filter(None, causes), None)


register("sklearn.multiclass.OneVsRestClassifier", OneVsRestAdapter())
