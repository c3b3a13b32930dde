"""Every estimator that can be explained, fitted closely, with data for it: a module a family.

``tests/test_catalogue.py`` asks the same of each of them. A family names its cases in ``CASES``, a
dict from what a test is called to a :class:`Case`. Models of trees, of which others are asked for,
are in ``TREES``.
"""

from importlib import import_module
from pkgutil import iter_modules

from ._case import DATA, Case, Table, rows_without
from ._trees import TREES

FAMILIES = sorted(name for _, name, _ in iter_modules(__path__) if not name.startswith("_"))
CASES = {
    name: case
    for family in FAMILIES
    for name, case in import_module(f"{__name__}.{family}").CASES.items()
}

__all__ = ["CASES", "DATA", "FAMILIES", "TREES", "Case", "Table", "rows_without"]
