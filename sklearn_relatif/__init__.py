"""Training-data attribution for scikit-learn: which training rows explain a prediction?"""

import sys

try:
    from ._compact import CompactExplainer
    from ._explainer import RelatIFExplainer
    from ._explanation import Explanation
    from ._neighbors import NearestNeighborsExplainer
    from ._persistence import trusted_types
    from .plotting import InfluenceDisplay

    # What Python writes there while it looks for the command, of which this is imported first.
    if sys.argv[:1] == ["-m"]:
        from . import _command  # noqa: F401
except KeyboardInterrupt:
    if sys.argv[:1] != ["-m"]:
        raise
    print(f"python -m {__name__}: interrupted", file=sys.stderr)
    sys.exit(130)

__all__ = [
    "CompactExplainer",
    "Explanation",
    "InfluenceDisplay",
    "NearestNeighborsExplainer",
    "RelatIFExplainer",
    "trusted_types",
]
__version__ = "0.1.0"
