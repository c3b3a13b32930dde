"""Training-data attribution for scikit-learn: which training rows explain a prediction?"""

import sys

try:
    from ._version import __version__
    from .explainers import (
        CompactExplainer,
        Comparison,
        NearestNeighborsExplainer,
        RelatIFExplainer,
        trusted_types,
    )
    from .results import Explanation, InfluenceDisplay

    # What Python writes there while it looks for the command, of which this is imported first.
    if sys.argv[:1] == ["-m"]:
        from .cli import _command  # noqa: F401
except KeyboardInterrupt:
    if sys.argv[:1] != ["-m"]:
        raise
    print(f"python -m {__name__}: interrupted", file=sys.stderr)
    sys.exit(130)

__all__ = [
    "CompactExplainer",
    "Comparison",
    "Explanation",
    "InfluenceDisplay",
    "NearestNeighborsExplainer",
    "RelatIFExplainer",
    "__version__",
    "trusted_types",
]
