"""Networks as estimators of scikit-learn that can be explained."""

from ._last_layer import LastLayer
from ._torch import TorchClassifier, TorchRegressor

__all__ = ["LastLayer", "TorchClassifier", "TorchRegressor"]
