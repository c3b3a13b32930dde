"""Networks of dense layers: MLPClassifier and MLPRegressor."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from ..jacobians import LayeredJacobian, Layers
from ..losses import LogLoss, MultinomialLogLoss, SquaredError, binary_codebook
from ..objectives import NetworkObjective
from ._base import Adapter
from ._registry import register
from ._targets import RealTargets


class LayeredAdapter(Adapter):
    """What classifiers and regressors share.

    The table of parameters has one row: those of the layers, one after the other.
    """

    def reduce(self, model, X, y, sample_weight):
        layers, loss = _layers(model), self.loss(model)
        contrasts = loss.softmax_contrasts
        outputs = np.eye(loss.n_outputs) if contrasts is None else contrasts
        bears = [np.ones_like(table) for table in layers.tables]
        for table in bears:
            table[:, -1] = 0
        penalty = model.alpha * np.concatenate([table.ravel() for table in bears])
        return NetworkObjective(
            loss=loss,
            weights=layers.vector()[None],
            jacobian=LayeredJacobian(layers, X, outputs),
            y=y,
            sample_weight=sample_weight,
            penalty=penalty[None],
        )

    def loss(self, model: Any) -> Any:
        """What the network's answers are judged by."""
        raise NotImplementedError

    def parameters(self, model):
        return _layers(model).vector()[None]

    def restore(self, model, table):
        changed, layers = copy(model), _layers(model).at(table.ravel())
        changed.coefs_ = [own[:, :-1].T.copy() for own in layers.tables]
        changed.intercepts_ = [own[:, -1].copy() for own in layers.tables]
        return changed


class MLPClassifierAdapter(LayeredAdapter):
    """A softmax of several classes, a logistic function of two."""

    def loss(self, model):
        n_classes = len(model.classes_)
        return LogLoss(binary_codebook()) if n_classes == 2 else MultinomialLogLoss(n_classes)


class MLPRegressorAdapter(LayeredAdapter):
    """Squared error of one target or several."""

    has_several_targets = True

    def loss(self, model):
        return SquaredError(model.n_outputs_)

    def targets(self, model):
        return RealTargets(model.n_outputs_)


def _layers(model: Any) -> Layers:
    tables = [
        np.column_stack([coef.T, intercept])
        for coef, intercept in zip(model.coefs_, model.intercepts_, strict=True)
    ]
    return Layers(tuple(tables), model.activation)


register("sklearn.neural_network.MLPClassifier", MLPClassifierAdapter())
register("sklearn.neural_network.MLPRegressor", MLPRegressorAdapter())
