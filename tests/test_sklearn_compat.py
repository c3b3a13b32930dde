"""scikit-learn's own checks of estimators, over every model that can be explained.

``TABLE`` holds the models, and the curvatures that each of them has. What is run of the product of
models, curvatures and solvers:

* all checks for each model, with the Hessian;
* those that see the numbers of a curvature, for each model with each further curvature, and for one
  model of each structure with each curvature and each solver.

What is left out, and why:

* curvatures that a model does not have: they are refused, which is checked instead;
* solvers where the curvature is diagonal, which is the Hessian of a hinge loss and any identity:
  no solver is asked then;
* solvers for other models of the same structure: a solver sees the blocks of a curvature and which
  parameters are free, and no model;
* a FrozenEstimator: it wants a fitted model, and scikit-learn checks how models are fitted.

A check may fail where it fails for the model alone, which is checked too, or where it asks that
rows which count twice are two rows and the coordinates are those of the rows, or of their blocks.
"""

from typing import NamedTuple

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.decomposition import PCA
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.curvature import CURVATURES, SOLVERS
from tests import cases
from tests.estimator_checks import assert_checks

DENSE, SPARSE = (f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse"))
#: Checks that see what a curvature or a solver makes of the rows.
NUMERIC = {
    DENSE,
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_readonly_memmap_input",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}


class Case(NamedTuple):
    """A model, and the checks that fail for it, each with the reason."""

    model: BaseEstimator
    curvatures: tuple[str, ...]
    #: Where the model alone has a Hessian without an inverse on some of the data.
    damping: float = 0.0
    failures: dict[str, str] = {}
    #: Whether weights reach the model by scikit-learn's metadata routing.
    is_routed: bool = False


LIKELIHOOD = ("hessian", "fisher", "empirical_fisher", "identity")
MARGIN = ("hessian", "empirical_fisher", "identity")
HINGE = ("hessian", "empirical_fisher", "identity", "active_set")

ORDER = dict.fromkeys((DENSE, SPARSE), "SGD visits rows in a random order")
INFEASIBLE = dict.fromkeys(
    (DENSE, SPARSE, "check_classifiers_one_label_sample_weights"),
    "nu is infeasible for these weights",
)
#: PCA, which is not ours, fails it too.
ROUTING = {"check_pipeline_consistency": "Pipeline.score routes weights to a step that takes none"}


def l1_ratio(ratio):
    """As the release of scikit-learn wants to be asked for it."""
    return {"l1_ratio": ratio, **({"penalty": "elasticnet"} if cases.HAS_MULTI_CLASS else {})}


def l1_only():
    return {"penalty": "l1"} if cases.HAS_MULTI_CLASS else {"l1_ratio": 1.0}


class WholeFold:
    """All rows train and test, so that rows which count twice are two rows to a search."""

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1

    def split(self, X, y, groups=None):
        rows = np.arange(len(y))
        yield rows, rows


def logistic_cv():
    is_new = "use_legacy_attributes" in LogisticRegressionCV().get_params()
    said = {"use_legacy_attributes": False, "l1_ratios": (0.0,), "scoring": "accuracy"}
    options = {"Cs": [1.0, 10.0], "cv": WholeFold(), **(said if is_new else {})}
    return LogisticRegressionCV(solver="newton-cg", tol=1e-10, **options)


@config_context(enable_metadata_routing=True)
def requesting_weights(model):
    model.set_fit_request(sample_weight=True)
    return model.set_score_request(sample_weight=True) if hasattr(model, "score") else model


def logistic():
    return LogisticRegression(solver="newton-cg", tol=1e-10)


SAGA = {"C": 0.5, "solver": "saga", "tol": 1e-12, "max_iter": 100_000, "random_state": 0}
LINEAR = {"C": 0.1, "tol": 1e-10, "max_iter": 100_000, "random_state": 0}
SGD = {"alpha": 0.1, "random_state": 0}
SLOW_SGD = {**SGD, "learning_rate": "adaptive", "eta0": 0.01}
ROUTED = requesting_weights(logistic())

TABLE = {
    "logistic": Case(logistic(), LIKELIHOOD),
    "logistic, L1": Case(LogisticRegression(**SAGA, **l1_only()), LIKELIHOOD),
    "logistic, elastic net": Case(LogisticRegression(**SAGA, **l1_ratio(0.5)), LIKELIHOOD),
    "logistic, chosen C": Case(logistic_cv(), LIKELIHOOD),
    "one vs rest": Case(OneVsRestClassifier(ROUTED), LIKELIHOOD, failures=ROUTING, is_routed=True),
    "one vs rest, L1 of liblinear": Case(
        OneVsRestClassifier(
            requesting_weights(
                LogisticRegression(
                    **LINEAR | {"C": 2.0, "tol": 1e-12}, solver="liblinear", **l1_only()
                )
            )
        ),
        LIKELIHOOD,
        failures=ROUTING,
        is_routed=True,
    ),
    "pipeline": Case(
        make_pipeline(requesting_weights(StandardScaler(with_mean=False)), ROUTED),
        LIKELIHOOD,
        failures=ROUTING,
        is_routed=True,
    ),
    "search": Case(
        GridSearchCV(ROUTED, {"C": [1.0, 10.0]}, cv=WholeFold(), error_score="raise"),
        LIKELIHOOD,
        failures=ROUTING,
        is_routed=True,
    ),
    "squared hinge": Case(LinearSVC(**LINEAR), MARGIN),
    "squared hinge, primal": Case(LinearSVC(**LINEAR, dual=False), MARGIN),
    "squared hinge, L1": Case(
        LinearSVC(**LINEAR | {"C": 1.0}, penalty="l1", dual=False), MARGIN, 0.3
    ),
    "hinge": Case(LinearSVC(**LINEAR, loss="hinge"), HINGE),
    # With gamma="scale" the kernel itself depends on how often a row is repeated.
    "SVC": Case(SVC(gamma=0.1, tol=1e-12), ("hessian", "identity", "active_set")),
    "NuSVC": Case(NuSVC(), ("hessian", "identity"), failures=INFEASIBLE),
    "SGD, hinge": Case(SGDClassifier(**SLOW_SGD), HINGE, failures=ORDER),
    "SGD, log loss": Case(SGDClassifier("log_loss", **SLOW_SGD), LIKELIHOOD, 0.3, ORDER),
    "SGD, squared hinge": Case(SGDClassifier("squared_hinge", **SLOW_SGD), MARGIN, 0.3, ORDER),
    "SGD, modified Huber": Case(SGDClassifier("modified_huber", **SLOW_SGD), MARGIN, 0.3, ORDER),
    "SGD, elastic net": Case(
        SGDClassifier("log_loss", penalty="elasticnet", **SLOW_SGD), LIKELIHOOD, 0.3, ORDER
    ),
    "ridge": Case(Ridge(), LIKELIHOOD),
    "SGD, squared error": Case(SGDRegressor(**SGD), LIKELIHOOD, 0.3, ORDER),
    "SGD, Huber": Case(SGDRegressor("huber", **SGD), MARGIN, 0.3, ORDER),
    "SGD, squared epsilon": Case(
        SGDRegressor("squared_epsilon_insensitive", **SGD), MARGIN, 0.3, ORDER
    ),
}
#: A model of each structure of a curvature, with the solvers that it has: classes that depend on
#: each other, classes that do not, and parameters held at zero, which the other solvers refuse.
STRUCTURES = {
    "logistic": SOLVERS[1:],
    "squared hinge, primal": SOLVERS[1:],
    "squared hinge, L1": ("cholesky", "cg", "lissa", "block_diagonal"),
}
#: Where solvers other than "cholesky" take coordinates in the span of the rows, as these are wide.
WIDE = ("logistic", "squared hinge, primal")
#: Enough for LiSSA to need few steps, and for the empirical Fisher of few rows to have an inverse.
DAMPING = 0.3


quietly = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Label .* is present in all training examples",
    "ignore:The training rows do not determine the intercept",
)


def explained(case, **options):
    return RelatIFExplainer(case.model, random_state=0, **{"damping": case.damping, **options})


@pytest.mark.parametrize("is_routed", [False, True])
def test_scikit_learn_checks_of_neighbors(is_routed):
    assert_checks(NearestNeighborsExplainer(), is_routed=is_routed)


@pytest.mark.parametrize("model", [ROUTED, requesting_weights(Ridge())], ids=["logistic", "ridge"])
def test_scikit_learn_checks_with_metadata_routing(model):
    assert_checks(RelatIFExplainer(model), ROUTING, is_routed=True)


@pytest.mark.parametrize("name", TABLE)
@quietly
def test_scikit_learn_checks(name):
    case = TABLE[name]
    assert_checks(explained(case), case.failures, is_routed=case.is_routed)


@pytest.mark.parametrize(
    ("name", "curvature"),
    [(name, curvature) for name, case in TABLE.items() for curvature in case.curvatures[1:]],
)
@quietly
def test_scikit_learn_checks_of_curvatures(name, curvature):
    case = TABLE[name]
    damping = 0.0 if curvature == "active_set" else DAMPING
    explainer = explained(case, curvature=curvature, damping=damping)
    assert_checks(explainer, case.failures, NUMERIC, case.is_routed)


@pytest.mark.parametrize(
    ("name", "curvature", "solver"),
    [
        (name, curvature, solver)
        for name, solvers in STRUCTURES.items()
        for curvature in TABLE[name].curvatures
        if curvature != "identity"
        for solver in solvers
    ],
)
@quietly
def test_scikit_learn_checks_of_solvers(name, curvature, solver):
    failures = {DENSE} if name in WIDE and solver != "cholesky" else ()
    explainer = explained(TABLE[name], curvature=curvature, solver=solver, damping=DAMPING)
    assert_checks(explainer, failures, NUMERIC)


@pytest.mark.parametrize(
    ("name", "curvature"),
    [
        (name, curvature)
        for name, case in TABLE.items()
        for curvature in (*CURVATURES, "active_set")
        # Where predictors are linear in the parameters, "gauss_newton" is another word.
        if curvature not in (*case.curvatures, "gauss_newton")
    ],
)
@quietly
def test_other_curvatures_are_refused(name, curvature):
    X, y = cases.noisy_classes(2)
    case = TABLE[name]
    y = y if not is_regressor(case.model) else X[:, 0] + y
    with pytest.raises(ValueError, match=f"{curvature}|NuSVC"):
        explained(case, curvature=curvature, damping=0.0).fit(X, y)


@pytest.mark.parametrize(
    ("name", "check"),
    [(name, check) for name, case in TABLE.items() for check in case.failures],
)
@quietly
def test_the_model_alone_fails_it_too(name, check):
    """So that no check fails for the explainer's sake."""
    case = TABLE[name]
    model = PCA() if check in ROUTING else case.model
    with config_context(enable_metadata_routing=case.is_routed), pytest.raises(Exception):  # noqa: B017
        getattr(estimator_checks, check)(type(model).__name__, clone(model))


def test_checks_that_are_picked_exist():
    new = {"check_estimator_sparse_tag"}  # In scikit-learn 1.7.
    checks = estimator_checks_generator(RelatIFExplainer(LogisticRegression()))
    assert {check.func.__name__ for _, check in checks} >= NUMERIC - new


def test_tags_promise_no_more_columns_than_can_be_explained():
    """RidgeClassifier could be fitted to several labels, but such a model cannot be explained."""
    assert get_tags(RidgeClassifier()).classifier_tags.multi_label
    tags = get_tags(RelatIFExplainer(RidgeClassifier()))
    assert not tags.classifier_tags.multi_label
    assert tags.classifier_tags.multi_class
    for estimator in (Ridge(), OneVsRestClassifier(LogisticRegression())):
        assert get_tags(RelatIFExplainer(estimator)).target_tags.multi_output


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
