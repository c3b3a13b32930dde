"""Examples in docstrings that ask for PyTorch are left out where it is not installed."""

from importlib.util import find_spec

import pytest


def pytest_collection_modifyitems(items):
    if find_spec("torch"):
        return
    for item in items:
        if isinstance(item, pytest.DoctestItem) and ">>> import torch" in item.dtest.docstring:
            item.add_marker(pytest.mark.skip(reason="needs PyTorch"))
