"""Training-data attribution for scikit-learn: which training rows explain a prediction?"""

from ._explainer import RelatIFExplainer
from ._explanation import Explanation
from ._neighbors import NearestNeighborsExplainer
from .plotting import InfluenceDisplay

__all__ = ["Explanation", "InfluenceDisplay", "NearestNeighborsExplainer", "RelatIFExplainer"]
__version__ = "0.1.0"
