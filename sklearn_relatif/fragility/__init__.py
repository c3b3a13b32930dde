"""Fragility: on which rows does a conclusion rest?"""

from ._flip import find_flip_set
from ._fragility import find_fragile_set
from ._relabel import find_relabel_set

__all__ = ["find_flip_set", "find_fragile_set", "find_relabel_set"]
