"""Displays, after scikit-learn's convention: data in, `plot` draws, nothing calls `plt.show`."""

from ..results import InfluenceDisplay
from ._cooks_distance import CooksDistanceDisplay
from ._damping import DampingDisplay
from ._detection import DetectionCurveDisplay
from ._fidelity import RemovalFidelityDisplay
from ._gallery import GalleryDisplay
from ._heatmap import InfluenceHeatmapDisplay
from ._removal_curve import RemovalCurveDisplay
from ._rows import LeverageDisplay, SelfInfluenceDisplay

__all__ = [
    "CooksDistanceDisplay",
    "DampingDisplay",
    "DetectionCurveDisplay",
    "GalleryDisplay",
    "InfluenceDisplay",
    "InfluenceHeatmapDisplay",
    "LeverageDisplay",
    "RemovalCurveDisplay",
    "RemovalFidelityDisplay",
    "SelfInfluenceDisplay",
]
