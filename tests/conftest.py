"""What all tests share: one BLAS thread, and the same draws in every run."""

import random
import sys
from contextlib import suppress

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

with suppress(ImportError):
    # It gives estimators another method to route metadata to, but not those that exist already.
    import imblearn  # noqa: F401


@pytest.fixture(autouse=True, scope="session")
def one_blas_thread():
    """The tests' matrices are small, and test processes may share the cores."""
    with threadpool_limits(limits=1):
        yield


def pytest_configure(config):
    """Leave the order of the tests to pytest-randomly, but not the draws in them.

    Estimators without a ``random_state`` take theirs from the global generators, and whether such
    a fit converges must not depend on the run.
    """
    if config.pluginmanager.has_plugin("randomly"):
        config.option.randomly_reset_seed = False


@pytest.fixture(autouse=True)
def same_draws_in_every_run():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 (the generator that such estimators draw from)


@pytest.fixture(autouse=True)
def no_figures_for_the_next_test():
    yield
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        pyplot.close("all")
