"""Which labels and targets look wrong, and how many: by models that have not seen the rows."""

from ._errors import Errors, named
from ._found import NOT_JUDGED, Judged, Suspects, find_suspects, without_suspects

__all__ = [
    "NOT_JUDGED",
    "Errors",
    "Judged",
    "Suspects",
    "find_suspects",
    "named",
    "without_suspects",
]
