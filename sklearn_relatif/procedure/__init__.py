"""The procedure: what is the model without some rows, if all that ``fit`` does is done again?"""

from ._effects import PROCEDURES, removal_effect, removal_effect_on, removed_labels
from ._models import Asked, WholeModels
from ._procedure import Procedure
from ._refits import retrain_without
from ._shortcut import Shortcut

__all__ = [
    "PROCEDURES",
    "Asked",
    "Procedure",
    "Shortcut",
    "WholeModels",
    "removal_effect",
    "removal_effect_on",
    "removed_labels",
    "retrain_without",
]
