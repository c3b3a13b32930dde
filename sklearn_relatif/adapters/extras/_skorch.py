"""skorch: NeuralNetClassifier, NeuralNetBinaryClassifier and NeuralNetRegressor."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import Any

import numpy as np
from sklearn.base import clone

from ...jacobians import ModuleFunction, log_of_probabilities, module_rows, parameter_names
from ...losses import (
    Huber,
    LogLink,
    LogLoss,
    MultinomialLogLoss,
    PoissonDeviance,
    SquaredError,
    binary_codebook,
)
from .._targets import BoundedTargets, ClassTargets, RealTargets, ThresholdTargets
from .._torch import ModuleAdapter
from .._wrappers import behind

#: Of a net that overrides one of these, what it minimised is not known.
OVERRIDDEN = ("get_loss", "infer", "train_step", "train_step_single", "get_split_datasets")
#: Criteria by the names of their classes.
CLASS_CRITERIA = ("CrossEntropyLoss", "NLLLoss")
TARGET_CRITERIA = ("MSELoss", "HuberLoss", "PoissonNLLLoss")


class SkorchAdapter(ModuleAdapter):
    """What the nets share: the module, the optimiser's penalty, and the rows held out."""

    how_to_fit_closer = "train it for more epochs, by larger batches and a smaller rate at the end"
    #: Names of the criteria that can be explained.
    criteria: tuple[str, ...] = ()

    def model_rows(self, transformers, model, X):
        """Rows of any shape, as the module takes them."""
        return module_rows(behind(transformers, model, X))

    def reduce(self, model, X, y, sample_weight):
        _check_net(model)
        return super().reduce(model, X, y, sample_weight)

    def function(self, model):
        module = model.module_
        return ModuleFunction.of(module, parameter_names(module, "all"), finish=self.finish(model))

    def finish(self, model: Any) -> Any:
        """What is done to the outputs before the criterion, as a function, or None."""
        return None

    def criterion(self, model: Any) -> Any:
        """The criterion, which must be one of those that can be explained.

        Raises
        ------
        ValueError
            If it is another one, or no mean over the rows.
        """
        found = model.criterion_
        name = type(found).__name__
        if type(found).__module__.partition(".")[0] != "torch" or name not in self.criteria:
            raise ValueError(
                f"{type(model).__name__} with criterion={name} cannot be explained; the criteria "
                f"that can be are {', '.join(self.criteria)}."
            )
        if found.reduction != "mean":
            raise ValueError(
                f"{name} with reduction={found.reduction!r} cannot be explained: what the penalty "
                "counts beside it depends on the batches. Train with reduction='mean'."
            )
        return found

    def weight_decay(self, model, function):
        decay = {
            id(parameter): group.get("weight_decay", 0.0)
            for group in model.optimizer_.param_groups
            for parameter in group["params"]
        }
        if _is_decoupled(model.optimizer_):
            if any(decay.values()):
                warnings.warn(
                    f"The weight_decay of {type(model.optimizer_).__name__} is decoupled from the "
                    "loss, and no penalty: the explanations take the loss to have had none.",
                    UserWarning,
                    stacklevel=2,
                )
            return np.zeros(sum(function.sizes))
        named = dict(model.module_.named_parameters())
        if not all(id(named[name]) in decay for name in function.names):
            raise ValueError(
                f"{type(model).__name__} has parameters that its optimiser did not train: let "
                "requires_grad be False for them."
            )
        each = [decay[id(named[name])] for name in function.names]
        return self.unit(model) * np.repeat(each, function.sizes)

    def unit(self, model: Any) -> float:
        """How many times a loss of torch the loss of a row here is."""
        return 1.0

    def weights(self, model, X, y, sample_weight):
        """Rows of the validation set count nothing, and others what the criterion weighs them."""
        weight = sample_weight * _is_trained_on(model, X, y)
        own = self.row_weight(model, y)
        return weight * own, self.total(weight, own)

    def row_weight(self, model: Any, y: np.ndarray) -> np.ndarray:
        """What the criterion weighs rows of some targets, shape (n_rows,)."""
        return np.ones(len(y))

    def total(self, weight: np.ndarray, own: np.ndarray) -> float:
        """What a mean divides the sum of the losses by."""
        return float((weight * own).sum())

    def batch_size(self, model):
        return max(1, model.batch_size)

    def restore(self, model, table):
        changed = deepcopy(model)
        self.write(model, changed.module_, table)
        return changed

    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        """Nets trained anew on the rows that are left: skorch takes no weights."""
        rest = [np.delete(np.arange(len(y)), rows) for rows in removals]
        return [clone(model).fit(X[rows], y[rows]) for rows in rest]


class NeuralNetClassifierAdapter(SkorchAdapter):
    """Logits by CrossEntropyLoss, or probabilities of which skorch takes the logarithm."""

    criteria = CLASS_CRITERIA

    def finish(self, model):
        is_likelihood = type(model.criterion_).__name__ == "NLLLoss"
        return log_of_probabilities if is_likelihood else None

    def criterion(self, model):
        found = super().criterion(model)
        if getattr(found, "label_smoothing", 0.0):
            raise ValueError(
                f"CrossEntropyLoss with label_smoothing={found.label_smoothing:g} cannot be "
                "explained: rows have no single label then."
            )
        if found.ignore_index >= 0:
            raise ValueError(
                f"{type(found).__name__} with ignore_index={found.ignore_index} cannot be "
                "explained: leave the rows that it ignores out of X."
            )
        return found

    def loss(self, model):
        return MultinomialLogLoss(len(self.targets(model).classes))

    def targets(self, model):
        classes = model.classes_
        if not np.array_equal(classes, np.arange(len(classes))):
            raise ValueError(
                f"{type(model).__name__} predicts positions of outputs, and its classes are "
                f"{classes[:10].tolist()}: let them be 0, 1, ..., as a LabelEncoder makes them."
            )
        return ClassTargets(classes)

    def row_weight(self, model, y):
        weight = self.criterion(model).weight
        return super().row_weight(model, y) if weight is None else weight.cpu().numpy()[y]

    def scores(self, model, X):
        function = self.function(model)
        return function.values(X, self.batch_size(model))


class NeuralNetBinaryClassifierAdapter(SkorchAdapter):
    """One logit of the second of two classes."""

    criteria = ("BCEWithLogitsLoss",)

    def criterion(self, model):
        found = super().criterion(model)
        if found.weight is not None:
            raise ValueError(
                "BCEWithLogitsLoss with weights of the rows of a batch cannot be explained; those "
                "of the positive class, pos_weight, can."
            )
        return found

    def loss(self, model):
        self.criterion(model)
        return LogLoss(binary_codebook())

    def targets(self, model):
        classes, cut = np.asarray(model.classes_), model.threshold
        return ClassTargets(classes) if cut == 0.5 else ThresholdTargets(classes, cut, True)

    def row_weight(self, model, y):
        positive = self.criterion(model).pos_weight
        return np.where(y == 1, 1.0 if positive is None else float(positive), 1.0)

    def total(self, weight, own):
        """The number of rows, whatever the positive class weighs."""
        return float(weight.sum())

    def scores(self, model, X):
        return self.function(model).values(X, self.batch_size(model))[:, 0]


class ColumnTargets(RealTargets):
    """Of a net, which keeps no number of targets: its last parameters tell it, as a rule."""

    # skorch takes targets in two dimensions only.
    are_columns = True

    def shaped(self, labels, warn=False):
        try:
            return super().shaped(labels, warn)
        except ValueError as error:
            raise ValueError(
                f"{error} The net is taken to have so many targets as its last parameters have "
                "entries; if its module has the layer of the outputs before others, wrap it: "
                "sklearn_relatif.networks.TorchRegressor(net.module_)."
            ) from error


class NeuralNetRegressorAdapter(SkorchAdapter):
    """Squared errors of several targets, or another loss of one."""

    criteria = TARGET_CRITERIA
    has_several_targets = True

    def loss(self, model):
        criterion = self.criterion(model)
        name, n_targets = type(criterion).__name__, _n_outputs(model)
        if name == "MSELoss":
            return SquaredError(n_targets)
        if n_targets > 1:
            raise ValueError(f"{name} of {n_targets} targets cannot be explained; MSELoss can be.")
        if name == "HuberLoss":
            return Huber(float(criterion.delta))
        if not criterion.log_input:
            raise ValueError("PoissonNLLLoss with log_input=False cannot be explained.")
        return PoissonDeviance(LogLink())

    def unit(self, model):
        is_mean = type(model.criterion_).__name__ == "MSELoss"
        return _n_outputs(model) / 2 if is_mean else 1.0

    def targets(self, model):
        loss = self.loss(model)
        if type(model.criterion_).__name__ == "PoissonNLLLoss":
            return BoundedTargets(loss.targets, "PoissonNLLLoss")
        return ColumnTargets(loss.n_outputs)


def _check_net(model: Any) -> None:
    """Refuse nets of which it is not known what they minimised."""
    for name in OVERRIDDEN:
        owner = next(kind for kind in type(model).__mro__ if name in vars(kind))
        if owner.__module__.partition(".")[0] != "skorch":
            raise ValueError(
                f"{type(model).__name__} has a {name} of its own, so that it is not known what it "
                "minimised. Wrap its module_ in sklearn_relatif.networks.TorchClassifier or "
                "TorchRegressor, and say by which loss it was trained."
            )
    own = {id(parameter) for parameter in model.module_.parameters()}
    if any(id(parameter) not in own for _, parameter in model.get_all_learnable_params()):
        raise ValueError(
            f"{type(model).__name__} has parameters besides those of module_, in its criterion or "
            "another module, and cannot be explained."
        )


def _n_outputs(model: Any) -> int:
    """How many targets a net was trained on: the size of its last bias, or weight."""
    *_, last = model.module_.parameters()
    return int(last.shape[0])


def _is_decoupled(optimizer: Any) -> bool:
    groups = optimizer.param_groups
    return type(optimizer).__name__ == "AdamW" or any(
        group.get("decoupled_weight_decay", False) for group in groups
    )


def _is_trained_on(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """1 for rows that the net was trained on, and 0 for those that it held out, shape (n_rows,).

    skorch splits afresh in each fit. Where it splits the same rows in the same way twice, it did so
    in the fit.
    """
    if not model.train_split:
        return np.ones(len(y))
    # What a split at random would draw from is left as it was.
    state = np.random.get_state()  # noqa: NPY002
    try:
        first, second = (_positions(model, X, y) for _ in range(2))
    finally:
        np.random.set_state(state)  # noqa: NPY002
    if first is None or second is None or not np.array_equal(first, second):
        warnings.warn(
            f"train_split={model.train_split!r} held rows out of the training, and which ones "
            "cannot be told (a split at random, or by more than X and y): all rows are taken for "
            "training rows. Give the split an int as random_state, or train with "
            "train_split=None.",
            UserWarning,
            stacklevel=2,
        )
        return np.ones(len(y))
    found = np.zeros(len(y))
    found[first] = 1
    return found


def _positions(model: Any, X: Any, y: np.ndarray) -> np.ndarray | None:
    """Positions of the rows that a split has for training; None if it does not tell."""
    try:
        trained, _ = model.get_split_datasets(X, y)
    except Exception:
        return None
    if len(trained) == len(y):  # Validated on rows of their own.
        return np.arange(len(y))
    indices = getattr(trained, "indices", None)
    return None if indices is None else np.asarray(indices)


ADAPTERS = {
    "skorch.classifier.NeuralNetClassifier": NeuralNetClassifierAdapter(),
    "skorch.classifier.NeuralNetBinaryClassifier": NeuralNetBinaryClassifierAdapter(),
    "skorch.regressor.NeuralNetRegressor": NeuralNetRegressorAdapter(),
}
