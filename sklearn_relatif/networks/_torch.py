"""Trained modules of PyTorch as estimators: what they predict, and by which loss they learned."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from ..jacobians import ModuleFunction


class TorchModel(BaseEstimator):
    """A trained module; see :class:`TorchClassifier`."""

    def __init__(
        self,
        module: Any,
        *,
        loss: str,
        weight_decay: float = 0.0,
        parameters: Any = "all",
        device: Any = None,
        batch_size: int = 1000,
    ) -> None:
        self.module = module
        self.loss = loss
        self.weight_decay = weight_decay
        self.parameters = parameters
        self.device = device
        self.batch_size = batch_size

    def outputs(self, X: Any) -> np.ndarray:
        """What the module gives for rows, shape (n_rows, n_outputs)."""
        function = ModuleFunction.of(self.module, self.parameters)
        return function.values(np.asarray(X), self.batch_size)


class TorchClassifier(ClassifierMixin, TorchModel):
    """A trained module of PyTorch as a classifier.

    Fitting does not train it: it learns the classes.
    """

    def __init__(
        self,
        module: Any,
        *,
        loss: str = "cross_entropy",
        weight_decay: float = 0.0,
        parameters: Any = "all",
        device: Any = None,
        batch_size: int = 1000,
    ) -> None:
        super().__init__(
            module,
            loss=loss,
            weight_decay=weight_decay,
            parameters=parameters,
            device=device,
            batch_size=batch_size,
        )

    def fit(self, X: Any, y: Any) -> TorchClassifier:
        """Learn the classes, which the outputs of the module stand for in their order."""
        self.classes_ = np.unique(np.asarray(y))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Scores of the classes, or of the second of two."""
        scores = self.outputs(X)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes."""
        scores = self.outputs(X)
        if scores.shape[1] > 1:
            return softmax(scores, axis=1)
        return np.hstack([expit(-scores), expit(scores)])

    def predict(self, X: Any) -> np.ndarray:
        """Predicted classes."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class TorchRegressor(RegressorMixin, TorchModel):
    """A trained module of PyTorch as a regressor."""

    def __init__(
        self,
        module: Any,
        *,
        loss: str = "squared_error",
        weight_decay: float = 0.0,
        parameters: Any = "all",
        device: Any = None,
        batch_size: int = 1000,
    ) -> None:
        super().__init__(
            module,
            loss=loss,
            weight_decay=weight_decay,
            parameters=parameters,
            device=device,
            batch_size=batch_size,
        )

    def fit(self, X: Any, y: Any) -> TorchRegressor:
        """Learn how many targets there are."""
        self.n_targets_ = 1 if np.ndim(y) == 1 else np.shape(y)[1]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets."""
        values = self.outputs(X)
        return values[:, 0] if values.shape[1] == 1 else values
