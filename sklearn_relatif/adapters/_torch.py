"""Trained modules of PyTorch, as :mod:`sklearn_relatif.networks` wraps them."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import numpy as np

from ..jacobians import ModuleFunction, ModuleJacobian
from ..losses import LogLoss, MultinomialLogLoss, SquaredError, binary_codebook
from ..objectives import NetworkObjective
from ._base import Adapter
from ._registry import register
from ._targets import RealTargets


class TorchAdapter(Adapter):
    """What classifiers and regressors share."""

    def model_rows(self, transformers, model, X):
        """Rows of any shape, as the module takes them."""
        for transformer in transformers:
            X = transformer.transform(X)
        return np.asarray(X)

    def takes_weights(self, model):
        return True

    def reduce(self, model, X, y, sample_weight):
        function, loss = ModuleFunction.of(model.module, model.parameters), self.loss(model)
        contrasts = loss.softmax_contrasts
        outputs = np.eye(loss.n_outputs) if contrasts is None else contrasts
        weights = function.vector()
        return NetworkObjective(
            loss=loss,
            weights=weights[None],
            jacobian=ModuleJacobian(
                function, X, outputs.astype(weights.dtype), weights, model.batch_size
            ),
            y=y,
            sample_weight=sample_weight,
            penalty=np.full((1, len(weights)), model.weight_decay * sample_weight.sum()),
        )

    def loss(self, model: Any) -> Any:
        """The loss by its name."""
        raise NotImplementedError

    def parameters(self, model):
        return ModuleFunction.of(model.module, model.parameters).vector()[None]

    def restore(self, model, table):
        import torch

        changed = copy(model)
        changed.module = deepcopy(model.module)
        function = ModuleFunction.of(changed.module, model.parameters)
        own = dict(changed.module.named_parameters())
        with torch.no_grad():
            for name, values in function.split(function.tensor(table.ravel())).items():
                own[name].copy_(values)
        return changed


class TorchClassifierAdapter(TorchAdapter):
    """A softmax of several classes, a logistic function of two."""

    def loss(self, model):
        n_classes = len(model.classes_)
        if model.loss == "binary_cross_entropy":
            return LogLoss(binary_codebook())
        return MultinomialLogLoss(n_classes)


class TorchRegressorAdapter(TorchAdapter):
    """Squared error of one target or several."""

    has_several_targets = True

    def loss(self, model):
        return SquaredError(model.n_targets_)

    def targets(self, model):
        return RealTargets(model.n_targets_)


register("sklearn_relatif.networks.TorchClassifier", TorchClassifierAdapter())
register("sklearn_relatif.networks.TorchRegressor", TorchRegressorAdapter())
