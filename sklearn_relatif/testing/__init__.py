"""Contract checks for what others write, in the manner of scikit-learn's ``check_estimator``."""

from ._adapters import check_adapter
from ._curvatures import check_curvature
from ._jacobians import check_jacobian
from ._losses import check_loss
from ._metrics import check_metric
from ._objectives import check_objective
from ._statistics import check_statistic

__all__ = [
    "check_adapter",
    "check_curvature",
    "check_jacobian",
    "check_loss",
    "check_metric",
    "check_objective",
    "check_statistic",
]
