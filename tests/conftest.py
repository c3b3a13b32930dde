"""One BLAS thread: the tests' matrices are small, and test processes may share the cores."""

from contextlib import suppress

import pytest
from threadpoolctl import threadpool_limits

with suppress(ImportError):
    # It gives estimators another method to route metadata to, but not those that exist already.
    import imblearn  # noqa: F401


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread():
    with threadpool_limits(limits=1):
        yield
