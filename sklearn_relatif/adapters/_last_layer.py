"""The last layer of a network by itself: linear in what the layers before it make of rows."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from ..jacobians import FeatureJacobian
from ..objectives import LinearObjective, build_objective
from ._base import Adapter, OutputLayer
from ._registry import adapter_of, register
from ._wrappers import rebuild, split_pipeline


def last_layer_objective(network: Any, layer: OutputLayer, X: Any) -> LinearObjective:
    """What a network minimised in its last layer, with all else held as it was trained.

    Parameters
    ----------
    network : objective
        In all parameters. It tells the loss, the targets and weights of the rows, and what penalty
        each parameter bore.
    layer : OutputLayer
    X : array-like of shape (n_rows, ...)
        The rows as the network takes them.
    """
    features, has_intercept = layer.features(X), layer.has_intercept
    weights, penalty = (own.ravel()[layer.positions] for own in (network.weights, network.penalty))
    objective = build_objective(
        network.loss,
        weights.astype(np.float64),
        penalty,
        np.zeros_like(penalty),
        features,
        network.y,
        network.sample_weight,
        has_intercept,
        penalty_share=network.penalty_share,
    )
    return replace(objective, jacobian=FeatureJacobian(features, has_intercept, layer.features))


class LastLayerAdapter(Adapter):
    """Of a network in the wrapper that says to explain it by its last layer.

    Rows are those that the network takes. What its last layer takes of them, the objective knows.
    """

    has_several_targets = True
    how_to_fit_closer = "train it longer, with a smaller tol, or with more rows in a batch"

    def model_rows(self, transformers, model, X):
        core = _core(model)
        return adapter_of(core).model_rows(transformers, core, X)

    def reduce(self, model, X, y, sample_weight):
        core = _core(model)
        adapter = adapter_of(core)
        network = adapter.reduce(core, X, y, sample_weight)
        return last_layer_objective(network, adapter.last_layer(core), X)

    def targets(self, model):
        core = _core(model)
        return adapter_of(core).targets(core)

    def parameters(self, model):
        """Those of the layer; of a softmax around their mean, which says nothing."""
        core = _core(model)
        adapter = adapter_of(core)
        table = adapter.parameters(core).ravel()[adapter.last_layer(core).positions]
        is_softmax = adapter.targets(core).has_classes and len(table) > 1
        return table - table.mean(axis=0) if is_softmax else table

    def restore(self, model, table):
        core = _core(model)
        adapter = adapter_of(core)
        whole = adapter.parameters(core).copy()
        whole.ravel()[adapter.last_layer(core).positions] = table
        return _around(model, adapter.restore(core, whole))

    def scores(self, model, X):
        core = _core(model)
        return adapter_of(core).scores(core, X)

    # --- without some rows -----------------------------------------------------------------

    def removal_changes_objective(self, model):
        """The layers before it would make other features of the rows."""
        return True

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        core = _core(model)
        refits = adapter_of(core).refit(core, objective, X, y, sample_weight, removals, n_jobs)
        return [_around(model, refit) for refit in refits]

    # --- of the fit ------------------------------------------------------------------------

    def takes_weights(self, model):
        core = _core(model)
        return adapter_of(core).takes_weights(core)

    def stopping_cause(self, model):
        """What stopped the network, or else what is true of every one of them."""
        core = _core(model)
        return adapter_of(core).stopping_cause(core) or (
            "A network stops where its own rule says, and its last layer seldom is at the optimum "
            "of what the layers before it make of the rows then."
        )


def _core(model: Any) -> Any:
    """The network itself, which may be frozen or the best of a search."""
    return split_pipeline(model.estimator_)[1]


def _around(model: Any, core: Any) -> Any:
    changed = copy(model)
    changed.estimator_ = rebuild(model.estimator_, core)
    return changed


register("sklearn_relatif.networks.LastLayer", LastLayerAdapter())
