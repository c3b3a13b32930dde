"""The explainers that users meet."""

from ._compact import CompactExplainer
from ._comparison import Comparison
from ._neighbors import NearestNeighborsExplainer
from ._persistence import trusted_types
from ._relatif import RelatIFExplainer
from ._studied import study_of

__all__ = [
    "CompactExplainer",
    "Comparison",
    "NearestNeighborsExplainer",
    "RelatIFExplainer",
    "study_of",
    "trusted_types",
]
