"""The stability of an explanation: which rows would other data of the same kind name too?"""

from ._draws import balanced_draws, multinomial_draws
from ._models import Stepped, at_optimum, reweighted, stepped
from ._resamples import ResampledModels, resampler_of

__all__ = [
    "ResampledModels",
    "Stepped",
    "at_optimum",
    "balanced_draws",
    "multinomial_draws",
    "resampler_of",
    "reweighted",
    "stepped",
]
