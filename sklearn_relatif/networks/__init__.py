"""Networks of PyTorch, as estimators of scikit-learn that can be explained."""

from ._torch import TorchClassifier, TorchRegressor

__all__ = ["TorchClassifier", "TorchRegressor"]
