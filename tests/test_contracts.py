"""Everything of the package keeps what ``sklearn_relatif.testing`` asks of its kind."""

from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import norm
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process._gpc import _BinaryGaussianProcessClassifierLaplace
from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from sklearn_relatif import RelatIFExplainer, losses
from sklearn_relatif.adapters import _registry, adapter_of, reduce_estimator
from sklearn_relatif.curvature import (
    CURVATURES,
    SOLVERS,
    CholeskyCurvature,
    SoftmaxWoodburyCurvature,
    _choice,
    build_curvature,
    prepare_curvature,
)
from sklearn_relatif.explainers import study_of
from sklearn_relatif.losses import (
    BinomialDeviance,
    BrierScore,
    ComplementaryLogLogLink,
    CoupledSquaredError,
    EpsilonInsensitive,
    GivenLink,
    Hinge,
    Huber,
    IdentityLink,
    LatentLogLoss,
    LogitLink,
    LogLink,
    LogLoss,
    ModifiedHuber,
    MultinomialLogLoss,
    NearestMargin,
    NegativeBinomialDeviance,
    OneVsOneHinge,
    PoissonDeviance,
    PowerLink,
    ScaledHuber,
    SquaredEpsilonInsensitive,
    SquaredError,
    SquaredHinge,
    SquaredMargin,
    TweedieDeviance,
    binary_codebook,
    one_vs_rest_codebook,
)
from sklearn_relatif.networks import LastLayer
from sklearn_relatif.objectives import LinearObjective
from sklearn_relatif.statistics import (
    METRICS,
    Difference,
    MetricOn,
    ParameterFunction,
    Statistic,
    effects_of,
    metric_of,
    statistic_of,
)
from sklearn_relatif.testing import (
    check_adapter,
    check_curvature,
    check_loss,
    check_metric,
    check_objective,
    check_statistic,
)
from tests import cases
from tests.catalogue import CASES as CATALOGUE

pytestmark = cases.ignore_warning_about_no_penalty
NEWTON = {"solver": "newton-cholesky", "tol": 1e-10}
CLASS_WEIGHT = {0: 2.0, 1: 0.5, 2: 3.0}


# --- losses ----------------------------------------------------------------------------------

MARGINS = {
    f"{kind.__name__}, {name}": kind(codebook)
    for kind in (Hinge, SquaredHinge, SquaredMargin, ModifiedHuber, LogLoss, LatentLogLoss)
    for name, codebook in {"binary": binary_codebook(), "ovr": one_vs_rest_codebook(4)}.items()
}
CLASSIFIERS = MARGINS | {
    "one vs one": OneVsOneHinge(4),
    "one vs one with ties": OneVsOneHinge(3, break_ties=True),
    "softmax of two": MultinomialLogLoss(2),
    "softmax": MultinomialLogLoss(5),
    "softmax without contrasts": MultinomialLogLoss(5, use_contrasts=False),
    "coupled": cases.Coupled(),
    "nearest of four": NearestMargin(4),
}
REGRESSIONS = {
    "squared error": SquaredError(),
    "Huber": Huber(0.7),
    "squared epsilon insensitive": SquaredEpsilonInsensitive(0.3),
    "epsilon insensitive": EpsilonInsensitive(0.3),
    "Poisson": PoissonDeviance(LogLink()),
    "Poisson, identity": PoissonDeviance(IdentityLink()),
    "gamma, inverse": TweedieDeviance(2, PowerLink(-1)),
    "negative binomial": NegativeBinomialDeviance(0.7, LogLink()),
    "negative binomial, identity": NegativeBinomialDeviance(0.7, IdentityLink()),
    "Huber with a scale": ScaledHuber(1.2),
    "Poisson, expected": losses.ExpectedCurvature(PoissonDeviance(LogLink())),
} | {
    f"Tweedie of power {power}, {type(link).__name__}": TweedieDeviance(power, link)
    for power in (-1, 0, 1, 1.5, 2, 3)
    for link in (IdentityLink(), LogLink())
}
PROBIT = GivenLink(norm.cdf, norm.pdf, lambda eta: -eta * norm.pdf(eta))
SHARES = {
    f"binomial, {type(link).__name__}": BinomialDeviance(link)
    for link in (LogitLink(), ComplementaryLogLogLink(), PROBIT)
}


def n_classes_of(loss):
    if loss.softmax_contrasts is not None:
        return len(loss.softmax_contrasts)
    if isinstance(loss, NearestMargin):
        return loss.n_outputs
    return 3 if isinstance(loss, cases.Coupled) else len(loss.codebook)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_losses_of_classes(name):
    loss = CLASSIFIERS[name]
    eta = 1.5 * np.random.default_rng(0).normal(size=(40, loss.n_outputs))
    # Functions of order 1: truncation 1e-10, rounding 1e-11, and room.
    check_loss(loss, np.arange(40) % n_classes_of(loss), eta, tolerance=1e-9)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_losses_of_numbers(name):
    loss, rng = REGRESSIONS[name], np.random.default_rng(0)
    y = rng.poisson(1.5, size=40).astype(float)
    lacks_zero = isinstance(loss, TweedieDeviance) and not loss.targets.contains(0.0)
    check_loss(loss, y + lacks_zero, rng.uniform(0.5, 3, size=(40, loss.n_outputs)))


@pytest.mark.parametrize("name", SHARES)
def test_losses_of_shares(name):
    rng = np.random.default_rng(0)
    y = np.concatenate([np.resize([0.0, 1.0], 20), rng.random(20)])
    check_loss(SHARES[name], y, rng.normal(size=(40, 1)))


@pytest.mark.parametrize("kind", [SquaredError, CoupledSquaredError])
def test_a_loss_of_several_targets(kind):
    rng = np.random.default_rng(0)
    check_loss(kind(3), rng.normal(size=(40, 3)), rng.normal(size=(40, 3)))


def test_a_loss_of_probabilities():
    eta = np.random.default_rng(0).dirichlet(np.ones(3), size=40)
    check_loss(BrierScore(3), np.arange(40) % 3, eta)


def test_every_loss_is_held_to_its_protocol():
    public = {getattr(losses, name) for name in losses.__all__}
    kinds = {kind for kind in public if isinstance(kind, type) and issubclass(kind, losses.Loss)}
    # What queries ask of several models is not what was minimised: see test_composed.
    # Predictions of one class are sides only: see test_machines_without_classes.
    ours = losses.ComposedLoss, losses.CalibratedLoss, losses.OneClassHinge
    kinds = {kind for kind in kinds if not issubclass(kind, ours)}
    abstract = {losses.Loss, losses.MarginLoss, losses.RegressionLoss, losses.UnitDeviance}
    assert kinds - abstract <= {
        BrierScore,
        CoupledSquaredError,
        *(type(loss) for loss in [*CLASSIFIERS.values(), *REGRESSIONS.values(), *SHARES.values()]),
    }


# --- adapters --------------------------------------------------------------------------------


class Case:
    """A model with the rows that it is fitted on, once for all tests."""

    def __init__(self, model, n_classes=2, weighted=False, container=np.asarray, target=None):
        self.model = model
        self.X, self.y = cases.noisy_classes(n_classes)
        self.y = self.y if target is None else target(self.X)
        self.X = container(self.X)
        self.sample_weight = cases.weights_with_zeros(len(self.y)) if weighted else None

    @cache  # noqa: B019 (cases live as long as the module)
    def fitted(self):
        if self.sample_weight is None:
            return self.model.fit(self.X, self.y)
        return self.model.fit(self.X, self.y, sample_weight=self.sample_weight)

    @cache  # noqa: B019
    def objective(self):
        weight = np.ones(len(self.y)) if self.sample_weight is None else self.sample_weight
        return reduce_estimator(self.fitted(), self.X, self.y, weight)


def single(X):
    return X.astype(np.float32)


def numbers(X):
    return X @ [1.0, -2.0, 0.5, 0.0] + np.random.default_rng(0).normal(size=len(X))


def positive(X):
    return np.exp(numbers(X) / 4)


def counts(X):
    return np.floor(2 * positive(X))


def pairs(X):
    return np.column_stack([numbers(X), np.abs(X).sum(axis=1)])


def labels(X):
    return (np.column_stack([numbers(X), X[:, 0] + X[:, 3]]) > 0).astype(int)


def scaled():
    return make_pipeline(StandardScaler(), LogisticRegression(**NEWTON))


def with_l1(share, **params):
    """`penalty` says the kind of penalty up to scikit-learn 1.7; from 1.8 on `l1_ratio` does."""
    how = {"penalty": "elasticnet"} if cases.HAS_MULTI_CLASS else {}
    options = {"solver": "saga", "tol": 1e-10, "max_iter": 20_000, **how, **params}
    return LogisticRegression(l1_ratio=share, **options)


def searched(**params):
    """With no warning about attributes that newer releases of scikit-learn name otherwise."""
    is_new = "use_legacy_attributes" in LogisticRegressionCV().get_params()
    how = {"use_legacy_attributes": False, "l1_ratios": (0.0,)} if is_new else {}
    return LogisticRegressionCV(**how, **params)


def linear_svc(**params):
    return LinearSVC(**{"tol": 1e-10, "max_iter": 10**6, **params})


def sgd(kind, loss, **params):
    options = {"tol": None, "max_iter": 2000, "random_state": 0, "alpha": 0.1}
    return kind(loss=loss, **options, **params)


def by_inverse_scaling(loss, **params):
    steps = {"learning_rate": "invscaling", "eta0": 0.2, "power_t": 0.6}
    return sgd(SGDRegressor, loss, **steps, **params)


#: A kernel of few dimensions, and nothing to search for.
LINEAR = DotProduct(1.0, "fixed")
#: A network whose last layer is next to the optimum on its features.
CLOSELY = {"hidden_layer_sizes": 3, "activation": "tanh", "solver": "lbfgs", "random_state": 0}
CLOSELY |= {"alpha": 0.3, "tol": 1e-9, "max_iter": 5000}
MODELS = {
    "head": Case(cases.TrainedHead(l2=2.0), 3),
    "logistic": Case(LogisticRegression(**NEWTON)),
    "logistic, no penalty": Case(LogisticRegression(C=np.inf, **NEWTON), 3),
    "softmax": Case(LogisticRegression(**NEWTON), 3, True),
    "softmax, no intercept": Case(LogisticRegression(fit_intercept=False, **NEWTON), 3),
    "softmax, class weights": Case(
        LogisticRegression(class_weight=CLASS_WEIGHT, **NEWTON), 3, True
    ),
    "softmax, balanced": Case(LogisticRegression(class_weight="balanced", **NEWTON), 3, True),
    "softmax, sparse": Case(LogisticRegression(**NEWTON), 3, True, sparse.csr_matrix),
    "softmax, float32": Case(
        LogisticRegression(solver="newton-cholesky", tol=1e-6), 3, True, single
    ),
    "liblinear": Case(
        LogisticRegression(solver="liblinear", intercept_scaling=3.0, tol=1e-10), 2, True
    ),
    "L1": Case(with_l1(1.0, C=0.05), 2, True),
    "L1, softmax": Case(with_l1(1.0, C=0.05), 3, True),
    "elastic net": Case(with_l1(0.5, C=0.05), 3),
    "searched": Case(searched(Cs=3, scoring="neg_log_loss", tol=1e-10, max_iter=1000), 3),
    "one vs rest": Case(OneVsRestClassifier(LogisticRegression(**NEWTON)), 3),
    "one vs rest, margins": Case(OneVsRestClassifier(linear_svc()), 3),
    "one vs one": Case(OneVsOneClassifier(LogisticRegression(**NEWTON)), 3),
    "several labels": Case(
        MultiOutputClassifier(LogisticRegression(**NEWTON)), weighted=True, target=labels
    ),
    "several numbers": Case(MultiOutputRegressor(Ridge(solver="svd")), target=pairs),
    "vote": Case(
        VotingClassifier(
            [("softmax", LogisticRegression(**NEWTON)), ("margins", linear_svc())],
        ),
        3,
        True,
    ),
    "vote of probabilities": Case(
        VotingClassifier(
            [("one", LogisticRegression(**NEWTON)), ("other", OneVsRestClassifier(scaled()))],
            voting="soft",
            weights=[1, 3],
        ),
        3,
    ),
    "bag": Case(
        BaggingClassifier(
            LogisticRegression(**NEWTON), n_estimators=2, max_features=0.8, random_state=0
        ),
        3,
        True,
    ),
    "bag of pipelines": Case(
        BaggingRegressor(
            make_pipeline(StandardScaler(), Ridge(solver="svd")), n_estimators=2, random_state=0
        ),
        target=numbers,
    ),
    "calibrated": Case(CalibratedClassifierCV(linear_svc(), cv=3), 3),
    "one vs rest of two": Case(OneVsRestClassifier(LogisticRegression(**NEWTON))),
    "LinearSVC": Case(linear_svc(), 2, True),
    "LinearSVC of three": Case(linear_svc(), 3, True),
    "LinearSVC, class weights": Case(linear_svc(class_weight=CLASS_WEIGHT), 3, True),
    "LinearSVC, L1": Case(linear_svc(penalty="l1", dual=False, C=0.1), 3, True),
    "LinearSVC, hinge": Case(linear_svc(loss="hinge"), 2, True),
    "LinearSVC, hinge of three": Case(linear_svc(loss="hinge", C=0.1), 3, True),
    "SVC": Case(SVC(gamma=0.2, tol=1e-9), 2, True),
    "SVC of three": Case(SVC(gamma=0.2, tol=1e-9, class_weight=CLASS_WEIGHT), 3, True),
    "SVC, linear and sparse": Case(SVC(kernel="linear", tol=1e-9), 3, container=sparse.csr_matrix),
    "NuSVC": Case(NuSVC(gamma=0.2, tol=1e-9), 3),
    "last layer of a network": Case(LastLayer(MLPClassifier(**CLOSELY)), 3),
    "SGD, log loss": Case(sgd(SGDClassifier, "log_loss"), 3),
    "SGD, modified Huber": Case(sgd(SGDClassifier, "modified_huber"), 3),
    "SGD, squared hinge": Case(sgd(SGDClassifier, "squared_hinge"), 3),
    "SGD, hinge": Case(sgd(SGDClassifier, "hinge"), 3),
    "Poisson": Case(PoissonRegressor(alpha=0.1, **NEWTON), weighted=True, target=counts),
    "Gamma": Case(GammaRegressor(alpha=0.1, **NEWTON), target=positive),
    "Tweedie": Case(
        TweedieRegressor(alpha=0.1, solver="newton-cholesky", tol=1e-6), 2, True, single, counts
    ),
    "Huber with its scale": Case(HuberRegressor(tol=1e-9, max_iter=1000), target=numbers),
    "kernel ridge": Case(KernelRidge(kernel="poly", degree=2), weighted=True, target=numbers),
    "Gaussian process": Case(GaussianProcessRegressor(LINEAR + WhiteKernel()), target=numbers),
    "Gaussian process of classes": Case(GaussianProcessClassifier(LINEAR)),
    "Gaussian process of two": Case(_BinaryGaussianProcessClassifierLaplace(LINEAR)),
    "ridge": Case(Ridge(solver="svd"), weighted=True, target=numbers),
    "ridge of two targets": Case(
        Ridge(alpha=np.array([1.0, 9.0]), solver="svd"), weighted=True, target=pairs
    ),
    "forest": Case(RandomForestClassifier(5, min_samples_leaf=4, random_state=0), 3, True),
    "forest of two targets": Case(
        ExtraTreesRegressor(5, min_samples_leaf=4, random_state=0), weighted=True, target=pairs
    ),
    "forest of two labels": Case(
        RandomForestClassifier(5, min_samples_leaf=4, random_state=0), target=labels
    ),
    "forest of counts": Case(
        RandomForestRegressor(5, criterion="poisson", min_samples_leaf=4, random_state=0),
        target=counts,
    ),
    "forest without draws": Case(ExtraTreesClassifier(5, min_samples_leaf=4, random_state=0), 3),
    "tree of classes": Case(ExtraTreeClassifier(min_samples_leaf=4, random_state=0), 2),
    "tree of counts": Case(
        DecisionTreeRegressor(criterion="poisson", min_samples_leaf=4), target=counts
    ),
    "tree": Case(DecisionTreeClassifier(min_samples_leaf=4), 3, container=sparse.csr_matrix),
    "tree of numbers": Case(ExtraTreeRegressor(min_samples_leaf=4), target=numbers),
    "boosting": Case(GradientBoostingClassifier(n_estimators=5), 2, True),
    "boosting of three": Case(GradientBoostingClassifier(n_estimators=5), 3, True),
    "boosting of numbers": Case(GradientBoostingRegressor(n_estimators=5), target=numbers),
    "histograms": Case(HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5), 2, True),
    "histograms of three": Case(HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5), 3),
    "histograms of counts": Case(
        HistGradientBoostingRegressor(loss="poisson", max_iter=5, min_samples_leaf=5),
        target=counts,
    ),
    "SGD, squared error": Case(by_inverse_scaling("squared_error"), weighted=True, target=numbers),
    "SGD, Huber": Case(by_inverse_scaling("huber", epsilon=0.5), target=numbers),
    "SGD, squared epsilon insensitive": Case(
        by_inverse_scaling("squared_epsilon_insensitive", epsilon=0.5), target=numbers
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_adapters(name):
    case = MODELS[name]
    check_adapter(adapter_of(case.model), case.fitted(), case.X, case.y, case.sample_weight)


def test_every_adapter_is_held_to_its_protocol():
    adapters = set(_registry._adapters.values())
    # Those of other libraries are held where these are there: tests/test_torch.py and the like.
    registered = {
        one
        for one in adapters
        if not any(room in type(one).__module__ for room in (".extras.", "._torch"))
    }
    models = [case.model for case in MODELS.values()]
    models += [case.estimator for case in CATALOGUE.values() if case.is_checked_inside]
    assert {adapter_of(model) for model in models} == registered


# --- objectives and curvatures ---------------------------------------------------------------


def test_an_objective_whose_loss_couples_outputs():
    for container in (np.asarray, sparse.csr_matrix):
        objective = cases.coupled(container)
        check_objective(objective, objective.jacobian.X[:20])


def wide(n_classes, **params):
    """Sparse rows with more features than rows, so that there are curvatures of the rows."""
    X, y = cases.noisy_classes(n_classes, n_rows=60, n_features=150)
    X[np.random.default_rng(1).random(X.shape) < 0.9] = 0
    model = LogisticRegression(C=0.5, **NEWTON, **params).fit(sparse.csr_matrix(X), y)
    return reduce_estimator(model, sparse.csr_matrix(X), y, np.ones(len(y)))


OBJECTIVES = {
    name: MODELS[name].objective
    for name in ("logistic", "softmax", "softmax, sparse", "softmax, float32", "one vs rest", "L1")
} | {
    "L1, softmax": MODELS["L1, softmax"].objective,
    "hinge": MODELS["LinearSVC, hinge"].objective,
    "SVC": MODELS["SVC"].objective,
    "coupled": cases.coupled,
    "wide": lambda: wide(2),
    "wide, softmax": lambda: wide(3),
}
DAMPING = 1e-3
#: How far from the solutions these are, at their own tolerances.
ITERATIVE = {"cg": 1e-6, "lissa": 0.1}
FACTORED = ("cholesky", "woodbury", "block_diagonal", "kfac", "ekfac")


#: Curvatures that machines with a hinge do not have.
LACKING = {"hinge": ("fisher",), "SVC": ("fisher", "empirical_fisher")}
#: Solvers for which outputs must share their active parameters.
SHARED = ("woodbury", "kfac", "ekfac")


def test_every_solver_is_held_to_its_protocol():
    assert {"auto", *FACTORED, *ITERATIVE} == set(SOLVERS)


@pytest.mark.parametrize("solver", [*FACTORED, *ITERATIVE])
@pytest.mark.parametrize("kind", CURVATURES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_curvatures(name, kind, solver):
    objective = OBJECTIVES[name]()
    is_uneven = name == "L1, softmax" and solver in SHARED and kind != "identity"
    if is_uneven or kind in LACKING.get(name, ()):
        with pytest.raises(ValueError, match="; use "):
            prepare_curvature(objective, kind, DAMPING, solver)
        return
    prepared = prepare_curvature(objective, kind, DAMPING, solver, random_state=0)
    tolerance = ITERATIVE.get(solver)
    check_curvature(prepared.curvature, prepared.objective, kind, DAMPING, tolerance=tolerance)


@pytest.mark.parametrize("kind", ["hessian", "fisher"])
def test_a_wide_softmax_class_by_class(kind, monkeypatch):
    monkeypatch.setattr(_choice, "MODERATE", 0)
    objective = wide(3)
    prepared = prepare_curvature(objective, kind, 0.1, "woodbury")
    assert isinstance(prepared.curvature, SoftmaxWoodburyCurvature)
    # Queries are solved for to a residual of 1e-11, and squares of lengths held to 1e-6.
    check_curvature(prepared.curvature, objective, kind, 0.1, tolerance=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_directions_that_nothing_sees(n_classes):
    """Constant, empty and doubled columns without a penalty: as by the pseudo-inverse."""
    X, y = cases.noisy_classes(n_classes)
    X = np.column_stack([X, np.full(len(X), 3.0), np.zeros(len(X)), X[:, 0]])
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
    objective = reduce_estimator(model, X, y, np.ones(len(y)))
    for kind in ("hessian", "fisher"):
        check_curvature(build_curvature(objective, kind, 0.0), objective, kind, 0.0)


# --- what breaks a promise is named ----------------------------------------------------------


def broken(text):
    return pytest.raises(AssertionError, match=f"Broken promise: .*{text}")


class Doubled(SquaredError):
    def slope(self, error):
        return 2 * error


class Flat(SquaredError):
    def bend(self, error):
        return 0 * error


class Concave(SquaredError):
    def phi(self, error):
        return -(error**2) / 2

    def slope(self, error):
        return -error

    def bend(self, error):
        return -np.ones_like(error)


class Unscaled(SquaredError):
    def direction(self, y, eta):
        norm, unit = super().direction(y, eta)
        return np.ones_like(norm), unit


class Likely(SquaredError):
    has_fisher = True

    def fisher_weight(self, eta):
        return np.ones((len(eta), 1, 1))


class Deaf(SquaredError):
    def query_value(self, y, eta):
        return self.value(np.nan_to_num(y), eta)


class Double(SquaredError):
    def residual(self, y, eta):
        return super().residual(y, eta).astype(np.float64)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (Doubled(), "residual is the derivative of value"),
        (Flat(), "second_derivative is the derivative of residual"),
        (Concave(), "second_derivative is positive semi-definite"),
        (Unscaled(), "direction is the residual, taken apart"),
        (Likely(), "fisher_weight has the shape that couples_outputs says"),
        (Deaf(), "a query with a target of NaN"),
        (Double(), "residual is in the precision of the predictors"),
    ],
)
def test_broken_losses(loss, text):
    rng = np.random.default_rng(0)
    with broken(text):
        check_loss(loss, rng.normal(size=20), rng.normal(size=(20, 1)))


class Seen(type(adapter_of(LogisticRegression()))):
    """The adapter of logistic regression, to be broken."""


class Unweighted(Seen):
    def class_weight(self, model, y, sample_weight):
        return np.ones(len(y))


class Halved(Seen):
    def _strength(self, model):
        return 2 * model.C, 0.0


class Rash(Seen):
    def restore(self, model, table):
        changed = super().restore(model, table)
        model.coef_ = changed.coef_
        return changed


class Forgetful(Seen):
    def restore(self, model, table):
        return super().restore(model, self.parameters(model))


class Greedy(Seen):
    def reduce(self, model, X, y, sample_weight):
        objective = super().reduce(model, X, y, sample_weight)
        sample_weight *= 2
        return objective


class Lazy(Seen):
    def refit(self, model, objective, X, y, sample_weight, removals, n_jobs=None):
        return [model] * len(removals)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Unweighted, "the model is at the optimum of its objective"),
        (Halved, "the model is at the optimum of its objective"),
        (Rash, "restore leaves the model as it is"),
        (Forgetful, "a copy has the parameters that it is given"),
        (Greedy, "reduce changes nothing"),
        (Lazy, "models without rows predict what refits without them do"),
    ],
)
def test_broken_adapters(kind, text):
    X, y = cases.noisy_classes(3)
    model = LogisticRegression(class_weight=CLASS_WEIGHT, C=0.1, **NEWTON).fit(X, y)
    with broken(text):
        check_adapter(kind(), model, X, y)


def changed(objective, **members):
    """The same objective with other members."""
    kind = type("Changed", (type(objective),), members)
    return kind(**{field.name: getattr(objective, field.name) for field in fields(objective)})


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"gradient": lambda own: 2 * LinearObjective.gradient(own) + 1}, "gradient is that of J"),
        ({"predict": lambda own, jacobian: np.zeros(jacobian.n_rows)}, "predict is that of the"),
        ({"total_weight": 1.0}, "weights sum to S"),
    ],
)
def test_broken_objectives(members, text):
    objective = MODELS["softmax"].objective()
    with broken(text):
        check_objective(changed(objective, **members), MODELS["softmax"].X)


class Short(CholeskyCurvature):
    def lengths(self, rows, criterion):
        return {name: length / 2 for name, length in super().lengths(rows, criterion).items()}


class Bent(CholeskyCurvature):
    def solve(self, gradients):
        return 2 * super().solve(gradients)


class Twisted(CholeskyCurvature):
    def unwhiten(self, whitened):
        return whitened

    def solve(self, gradients):
        return CholeskyCurvature.unwhiten(self, self.whiten(gradients))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Short, "lengths for loss_relative are those of whitened gradients"),
        (Bent, "solve gives M"),
        (Twisted, "unwhiten leads from whitened gradients to solutions"),
    ],
)
def test_broken_curvatures(kind, text):
    objective = MODELS["softmax"].objective()
    own = kind(objective.hessian(), np.dtype(float), lambda: [])
    with broken(text):
        check_curvature(own, objective, "hessian", 0.0)


def test_a_curvature_of_another_damping():
    objective = MODELS["softmax"].objective()
    own = build_curvature(objective, "fisher", 0.1)
    check_curvature(own, objective, "fisher", 0.1)
    with broken("solve gives M"):
        check_curvature(own, objective, "fisher", 0.2)


# --- metrics and statistics ------------------------------------------------------------------

OF_NUMBERS = {"mean_squared_error", "r2"}
OF_GROUPS = {name for name in METRICS if "parity" in name or "equal" in name} | {
    "cohens_d",
    "worst_group",
    "worst_group_accuracy",
}
OF_MANY_CLASSES = [
    "accuracy",
    "average_precision",
    "brier",
    "calibration_error",
    "log_loss",
    "mean_loss",
    "roc_auc",
    "worst_group",
    "worst_group_accuracy",
]
NAMED = [
    *(("binary", name) for name in METRICS if name not in OF_NUMBERS),
    *(("softmax", name) for name in OF_MANY_CLASSES),
    *(("ridge", name) for name in ("mean_loss", "mean_prediction", "mean_squared_error", "r2")),
]
NUMBERS = {
    "binary": LogisticRegression(tol=1e-10, max_iter=1000),
    "softmax": LogisticRegression(tol=1e-10, max_iter=1000),
    "ridge": Ridge(),
}


@cache
def study_and_rows(kind):
    """A study of a small model, and its rows with their targets."""
    X, y = cases.noisy_classes(3 if kind == "softmax" else 2)
    y = X @ np.arange(X.shape[1]) + y if kind == "ridge" else y
    return study_of(RelatIFExplainer.from_fitted(NUMBERS[kind].fit(X, y), X, y)), X, y


@pytest.mark.parametrize(("kind", "name"), NAMED)
def test_metrics_by_name(kind, name):
    study, X, y = study_and_rows(kind)
    sensitive = np.arange(len(y)) % 2 if name in OF_GROUPS else None
    metric = metric_of(name.replace("@k", "@7"), study, study.query(X, y), y, sensitive)
    predictor = study.objective.training_predictor
    steps = np.random.default_rng(0).normal(size=(len(y), 3, predictor.shape[1]))
    check_metric(metric, predictor[:, None] + steps, study.objective.loss)


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("asked", ["coefficient", "difference", "metric", "function"])
def test_statistics(kind, asked):
    study, X, y = study_and_rows(kind)
    name = "x1:1" if kind == "softmax" else "x1"
    requests = {
        "coefficient": f"coef:{name}",
        "difference": Difference(f"coef:{name}", f"coef:{name.replace('1', '0', 1)}"),
        "metric": MetricOn("mean_loss", X[::3], y[::3]),
        "function": ParameterFunction(lambda table: ((table**2).sum(), 2 * table)),
    }
    check_statistic(statistic_of(study, requests[asked]), study.objective)


class Doubled(Statistic):
    """A loss on the training rows whose effects forget the loss of the row itself."""

    name = "doubled"

    def value(self, objective):
        losses = objective.loss.value(objective.y, objective.training_predictor)
        return float(objective.sample_weight @ losses)

    def row_effects(self, objective, curvature):
        rows = objective.rows
        pull = (rows.unit * rows.norm[:, None] * objective.sample_weight[:, None])[:, None]
        gradient = objective.jacobian.adjoint(pull)
        return effects_of(gradient, objective, curvature)


def test_a_broken_statistic():
    study, _, _ = study_and_rows("ridge")
    with broken("row_effects are minus the derivatives"):
        check_statistic(Doubled(), study.objective)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"gradient": lambda own, eta: 2 * eta}, "gradient is the derivative of the value"),
        ({"bounds": lambda own, *near: np.zeros(3)}, "no value near is further off"),
        ({"values": lambda own, eta: np.full(eta.shape[1], eta.sum())}, "does not depend on"),
    ],
)
def test_broken_metrics(members, text):
    study, X, y = study_and_rows("binary")
    metric = metric_of("log_loss", study, study.query(X, y), y)
    for name, function in members.items():
        setattr(metric, name, function.__get__(metric))
    predictors = np.random.default_rng(0).normal(size=(len(y), 3, 1))
    with broken(text):
        check_metric(metric, predictors, study.objective.loss)


def test_a_metric_as_an_object_knows_its_rows_itself():
    study, X, y = study_and_rows("binary")
    metric = metric_of("log_loss", study, study.query(X, y), y)
    assert metric_of(metric, study, study.query(X)) is metric
    with pytest.raises(ValueError, match="A Metric takes predictors only: leave y and sensitive"):
        metric_of(metric, study, study.query(X, y), y)
