"""Trained modules of PyTorch, as :mod:`sklearn_relatif.networks` wraps them."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ..jacobians import (
    ModuleFunction,
    ModuleJacobian,
    ModuleLayer,
    last_linear,
    parameter_names,
)
from ..losses import (
    Huber,
    LogLink,
    LogLoss,
    Loss,
    MultinomialLogLoss,
    PoissonDeviance,
    SquaredError,
    binary_codebook,
)
from ..objectives import NetworkObjective
from ._base import Adapter, OutputLayer
from ._last_layer import last_layer_objective
from ._registry import register
from ._targets import BoundedTargets, RealTargets

#: Rows that a module is applied to in order to see whether it fits.
TRIED = 2


class ModuleAdapter(Adapter):
    """Of estimators around a module that was trained by the mean of a loss.

    Its penalty counts rows: ``weight_decay / 2`` times the sum of the squares of the parameters was
    added to the mean.
    """

    how_to_fit_closer = "train it longer, by more rows in a batch and a smaller rate at the end"

    # --- what a subclass tells -------------------------------------------------------------

    def function(self, model: Any) -> ModuleFunction:
        """The module as a function of the parameters that are explained."""
        raise NotImplementedError

    def loss(self, model: Any) -> Loss:
        """The loss of a row."""
        raise NotImplementedError

    def weight_decay(self, model: Any, function: ModuleFunction) -> np.ndarray:
        """Of each parameter, beside the mean of the losses as they are here, shape (n_params,)."""
        raise NotImplementedError

    def batch_size(self, model: Any) -> int:
        """Rows at once where only outputs are computed."""
        raise NotImplementedError

    def weights(self, model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> Any:
        """What each row counted in the sum of the losses, and what that was divided by."""
        return sample_weight, sample_weight.sum()

    def is_by_last_layer(self, model: Any) -> bool:
        """Whether only the last layer is explained."""
        return False

    # --- from an estimator to its objective and back ---------------------------------------

    def reduce(self, model, X, y, sample_weight):
        network = self.network(model, X, y, sample_weight)
        if not self.is_by_last_layer(model):
            return network
        return last_layer_objective(network, self.last_layer(model), X)

    def network(self, model: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray) -> Any:
        """The objective in the parameters of all layers, as far as they are explained."""
        function, loss = self.function(model), self.loss(model)
        parameters, outputs = function.vector(), outputs_of(loss)
        n_given = function.values(X[:TRIED], TRIED).shape[1]
        if n_given != len(outputs):
            raise ValueError(
                f"The module of {type(model).__name__} gives {n_given} output(s) for these rows, "
                f"and {len(outputs)} are needed: one for each class or target, or one of two "
                "classes, as the loss has it."
            )
        function.check_rows_alone(X)
        jacobian = ModuleJacobian(
            function, X, outputs.astype(parameters.dtype), parameters, self.batch_size(model)
        )
        weight, total = self.weights(model, X, y, sample_weight)
        return NetworkObjective(
            loss=loss,
            weights=parameters[None],
            jacobian=jacobian,
            y=y,
            sample_weight=weight,
            penalty=total * self.weight_decay(model, function)[None],
            penalty_share=weight / weight.sum(),
        )

    def last_layer(self, model):
        function = self.function(model)
        outputs, batch_size = outputs_of(self.loss(model)), self.batch_size(model)
        layer = ModuleLayer(function, last_linear(function.module), outputs, batch_size)
        return OutputLayer(layer.features, layer.positions(), layer.has_intercept)

    def parameters(self, model):
        """As one row; of the last layer a row an output, of a softmax around their mean."""
        vector = self.function(model).vector()
        if not self.is_by_last_layer(model):
            return vector[None]
        table = vector[self.last_layer(model).positions]
        is_softmax = self.loss(model).softmax_contrasts is not None
        return table - table.mean(axis=0) if is_softmax else table

    def write(self, model: Any, module: Any, table: np.ndarray) -> None:
        """Write other parameters of a model into a module."""
        import torch

        function, vector = self.function(model), np.ravel(table)
        if self.is_by_last_layer(model):
            vector = function.vector()
            vector[self.last_layer(model).positions] = table
        own = dict(module.named_parameters())
        with torch.no_grad():
            for name, values in function.split(function.tensor(vector)).items():
                own[name].copy_(values)

    def removal_changes_objective(self, model):
        """The layers before the last would make other features of the rows."""
        return True

    def stopping_cause(self, model):
        return (
            "A network stops where its own rule says, which seldom is an optimum; curvature="
            "'gauss_newton' and damping say what rows pull at where it is."
        )


class TorchAdapter(ModuleAdapter):
    """Of modules in a wrapper, which says by what they were trained."""

    def model_rows(self, transformers, model, X):
        """Rows of any shape, as the module takes them."""
        for transformer in transformers:
            X = transformer.transform(X)
        return model.rows(X)

    def trained_before(self, model, X, y, sample_weight):
        """A copy that knows the classes, or how many targets there are."""
        return model if is_fitted(model) else copy(model).fit(X, y, sample_weight)

    def function(self, model):
        if self.is_by_last_layer(model):
            own = model.module.get_submodule(last_linear(model.module))
            every = model.module.named_parameters()
            ours = {id(parameter) for parameter in own.parameters()}
            chosen = [name for name, parameter in every if id(parameter) in ours]
        else:
            chosen = model.parameters
        names = parameter_names(model.module, chosen)
        return ModuleFunction.of(model.module, names, model.device)

    def is_by_last_layer(self, model):
        return isinstance(model.parameters, str) and model.parameters == "last_layer"

    def weight_decay(self, model, function):
        return np.full(sum(function.sizes), model.weight_decay * self.unit(model))

    def unit(self, model: Any) -> float:
        """How many times a loss of torch the loss of a row here is."""
        return 1.0

    def batch_size(self, model):
        return model.batch_size

    def scores(self, model, X):
        return model.outputs(X)

    def restore(self, model, table):
        changed = copy(model)
        changed.module = deepcopy(model.module)
        self.write(model, changed.module, table)
        return changed

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        raise TypeError(
            f"{type(model).__name__} is trained where its module comes from, and cannot train it "
            "without some rows."
        )


class TorchClassifierAdapter(TorchAdapter):
    """A softmax of several classes, a logistic function of two."""

    def loss(self, model):
        if model.loss == "binary_cross_entropy":
            return LogLoss(binary_codebook())
        return MultinomialLogLoss(len(model.classes_))


class TorchRegressorAdapter(TorchAdapter):
    """Losses of one target, or the squared errors of several."""

    has_several_targets = True

    def loss(self, model):
        if model.loss == "mse":
            return SquaredError(model.n_targets_)
        return Huber(1.0) if model.loss == "huber" else PoissonDeviance(LogLink())

    def unit(self, model):
        """Half a sum of squares is so many times the mean of them."""
        return model.n_targets_ / 2 if model.loss == "mse" else 1.0

    def targets(self, model):
        if model.loss == "poisson_nll":
            return BoundedTargets(self.loss(model).targets, "loss='poisson_nll'")
        return RealTargets(model.n_targets_)


def is_fitted(model: Any) -> bool:
    """Whether an estimator has learned what there is to learn."""
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True


def outputs_of(loss: Loss) -> np.ndarray:
    """``C``, of the predictors ``C^T f(x)``: contrasts of the classes, or the identity."""
    contrasts = loss.softmax_contrasts
    return np.eye(loss.n_outputs) if contrasts is None else contrasts


register("sklearn_relatif.networks.TorchClassifier", TorchClassifierAdapter())
register("sklearn_relatif.networks.TorchRegressor", TorchRegressorAdapter())
