"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer


def checks_of(*estimators, **options):
    """All checks, in a list: pytest 9 objects to the generator that scikit-learn 1.6 hands it."""
    mark = parametrize_with_checks(list(estimators), **options).mark
    names, checks = mark.args
    return pytest.mark.parametrize(names, list(checks), **mark.kwargs)


@checks_of(RelatIFExplainer(LogisticRegression()), NearestNeighborsExplainer())
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_tags_promise_one_label_a_row():
    """One-vs-rest could be fitted to several, but such a model cannot be explained."""
    estimator = OneVsRestClassifier(LogisticRegression())
    assert get_tags(estimator).target_tags.multi_output
    tags = get_tags(RelatIFExplainer(estimator))
    assert not tags.classifier_tags.multi_label
    assert not tags.target_tags.multi_output
    assert tags.classifier_tags.multi_class


@pytest.mark.parametrize("criterion", ["influence", "theta_relative"])
def test_clone_keeps_the_parameters(criterion):
    explainer = RelatIFExplainer(LogisticRegression(C=3.0), criterion=criterion, damping=0.5)
    copied = clone(explainer)
    assert copied is not explainer
    assert copied.estimator is not explainer.estimator
    assert copied.estimator.C == 3.0
    assert copied.criterion == criterion
    assert copied.damping == 0.5
    assert copied.set_params(estimator__C=7.0).estimator.C == 7.0
    assert explainer.estimator.C == 3.0
