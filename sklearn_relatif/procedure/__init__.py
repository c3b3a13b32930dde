"""The procedure: what is the model without some rows, if all that ``fit`` does is done again?"""

from ._effects import PROCEDURES, effect_on_losses, effect_on_metric, removed_labels
from ._models import Asked, WholeModels
from ._procedure import Procedure
from ._refits import refit_without
from ._shortcut import Shortcut

__all__ = [
    "PROCEDURES",
    "Asked",
    "Procedure",
    "Shortcut",
    "WholeModels",
    "effect_on_losses",
    "effect_on_metric",
    "refit_without",
    "removed_labels",
]
