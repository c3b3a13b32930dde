"""scikit-learn's checks of estimators, of which some may be known to fail."""

import warnings
from unittest import SkipTest

from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import has_fit_parameter


def assert_checks(estimator, failures=(), among=None, is_routed=False, model=None, by_rounding=()):
    """That of scikit-learn's checks just those fail that are said to.

    Others may fail for want of the model that is explained, in one release or another, and some
    by rounding, on one processor or another.
    """
    failed = {}
    with config_context(enable_metadata_routing=is_routed):
        for copied, check in estimator_checks_generator(estimator):
            name = check.func.__name__
            if among is not None and name not in among:
                continue
            try:
                check(copied)
            except SkipTest:
                continue
            except Exception as error:
                is_known = name in failures or name in by_rounding
                if not is_known and not (model is not None and fails_alone(model, check)):
                    raise
                failed[name] = error
    wanted = set(failures) if among is None else set(failures) & among
    assert set(failed) >= wanted, f"said to fail, and pass: {wanted - set(failed)}"


def fails_alone(model, check):
    """Whether a model lacks the weights that a check gives, or fails it itself."""
    name = check.func.__name__
    if "sample_weight" in name and not has_fit_parameter(model, "sample_weight"):
        return True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        own = {check.func.__name__ for _, check in estimator_checks_generator(model)}
    if name not in own:
        return False
    try:
        check.func(type(model).__name__, clone(model), *check.args[1:], **check.keywords)
    except SkipTest:
        return False
    except Exception:
        return True
    return False
