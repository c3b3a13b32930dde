"""Training-data attribution for scikit-learn: which training rows explain a prediction?"""

from ._compact import CompactExplainer
from ._explainer import RelatIFExplainer
from ._explanation import Explanation
from ._neighbors import NearestNeighborsExplainer
from ._persistence import trusted_types
from .plotting import InfluenceDisplay

__all__ = [
    "CompactExplainer",
    "Explanation",
    "InfluenceDisplay",
    "NearestNeighborsExplainer",
    "RelatIFExplainer",
    "trusted_types",
]
__version__ = "0.1.0"
