"""Is a fitted model at the optimum of its objective, and has it one?"""

from ._causes import in_standard_errors, is_at_optimum, warn_if_far, warn_if_not_optimal
from ._distance import LIMIT, distance_to_optimum, inverse_forms
from ._separability import lacks_optimum, may_lack_optimum, no_optimum, takes_program

__all__ = [
    "LIMIT",
    "distance_to_optimum",
    "in_standard_errors",
    "inverse_forms",
    "is_at_optimum",
    "lacks_optimum",
    "may_lack_optimum",
    "no_optimum",
    "takes_program",
    "warn_if_far",
    "warn_if_not_optimal",
]
