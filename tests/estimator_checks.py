"""scikit-learn's checks of estimators, of which some may be known to fail."""

from unittest import SkipTest

from sklearn import config_context
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator


def assert_checks(estimator, failures=(), among=None, is_routed=False, model=None):
    """That of scikit-learn's checks just those fail that are said to.

    Others may fail where they fail for a model alone as well, in one release or another.
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
                if name not in failures and (model is None or not _fails_alone(model, check)):
                    raise
                failed[name] = error
    wanted = set(failures) if among is None else set(failures) & among
    assert set(failed) >= wanted, f"said to fail, and pass: {wanted - set(failed)}"


def _fails_alone(model, check):
    try:
        check.func(type(model).__name__, clone(model), *check.args[1:], **check.keywords)
    except SkipTest:
        return False
    except Exception:
        return True
    return False
