"""The stability of an explanation: which rows would other data of the same kind name too?"""

from ._draws import balanced_draws, multinomial_draws
from ._models import at_optimum, one_step, reweighted
from ._resamples import ResampledModels, resampler_of

__all__ = [
    "ResampledModels",
    "at_optimum",
    "balanced_draws",
    "multinomial_draws",
    "one_step",
    "resampler_of",
    "reweighted",
]
