"""Displays, after scikit-learn's convention: data in, `plot` draws, nothing calls `plt.show`."""

from ..results import InfluenceDisplay
from ._cooks_distance import CooksDistanceDisplay
from ._damping import DampingDisplay
from ._fidelity import RemovalFidelityDisplay
from ._gallery import GalleryDisplay
from ._rows import LeverageDisplay, SelfInfluenceDisplay

__all__ = [
    "CooksDistanceDisplay",
    "DampingDisplay",
    "GalleryDisplay",
    "InfluenceDisplay",
    "LeverageDisplay",
    "RemovalFidelityDisplay",
    "SelfInfluenceDisplay",
]
