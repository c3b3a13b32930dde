"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.curvature import CURVATURES, SOLVERS


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


def combinations():
    """Each inner estimator with each curvature, and each curvature with each solver, once.

    Every solver inverts the curvature of each estimator in the same way, so that the others have
    nothing to add. Squared and plain hinge have no Fisher information, and are left to "auto".
    """
    smooth = LogisticRegression(tol=1e-10)
    for solver in SOLVERS:
        # With a damping the empirical Fisher of few rows has an inverse, and LiSSA, which is slow
        # and takes any curvature alike, needs few steps.
        for curvature in CURVATURES[: 1 if solver == "lissa" else 3]:
            yield smooth, {"solver": solver, "curvature": curvature, "damping": 0.3}
    hinge = LinearSVC(loss="hinge", random_state=0, max_iter=100_000, tol=1e-8)
    kernel = SVC(tol=1e-10)
    for model in (smooth, hinge, kernel):
        yield model, {"curvature": "identity", "damping": 0.3}
    for model in (hinge, kernel):
        yield model, {"curvature": "active_set"}
        yield model, {"curvature": "hessian", "damping": 0.3}
    squared = LinearSVC(random_state=0, max_iter=100_000, tol=1e-8)
    sgd = SGDClassifier(loss="log_loss", random_state=0, max_iter=5000)
    for curvature in ("hessian", "empirical_fisher"):
        yield squared, {"curvature": curvature, "damping": 0.3}
    yield sgd, {"curvature": "fisher", "damping": 0.3}


def what_cannot_hold(explainer):
    """Checks that ask of weights what the inner estimator or the coordinates cannot give."""
    if isinstance(explainer.estimator, LogisticRegression) and explainer.solver in (
        "auto",
        "cholesky",
    ):
        return {}
    reason = "other rows span the space in other coordinates, or are fitted in another order"
    kinds = ("dense", "sparse")
    return {f"check_sample_weight_equivalence_on_{kind}_data": reason for kind in kinds}


@checks_of(
    *(RelatIFExplainer(model, random_state=0, **options) for model, options in combinations()),
    expected_failed_checks=what_cannot_hold,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learn_checks_of_combinations(estimator, check):
    check(estimator)


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
