"""Fragility: on which rows does a conclusion rest?"""

from ._chance import with_normal_errors
from ._enumeration import lower_bound
from ._flip import find_flip_set
from ._fragility import find_fragile_set
from ._question import Question, Without
from ._relabel import find_relabel_set
from ._search import Search

__all__ = [
    "Question",
    "Search",
    "Without",
    "find_flip_set",
    "find_fragile_set",
    "find_relabel_set",
    "lower_bound",
    "with_normal_errors",
]
