"""Estimators of other packages are explained once an adapter is registered for them."""

from importlib import metadata

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.utils.validation import validate_data

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import Adapter, LinearAdapter, _registry, adapter_of, register
from sklearn_relatif.losses import SquaredError
from sklearn_relatif.objectives import build_objective
from tests import cases

EXACT = 1e-10
ROWS = [[0], [7, 8], list(range(30, 45))]


class RidgeAdapter(LinearAdapter):
    def reduce(self, model, X, y, sample_weight):
        parameters = self.penalised(model, l2=model.alpha)
        return build_objective(
            SquaredError(), *parameters, X, y, sample_weight, model.fit_intercept
        )


class MeanRidge(RegressorMixin, BaseEstimator):
    """Ridge regression of nobody's package, whose penalty is that of the mean of the losses."""

    fit_intercept = False

    def __init__(self, alpha=0.1):
        self.alpha = alpha

    def fit(self, X, y):
        X = validate_data(self, X)
        self.coef_ = np.linalg.solve(X.T @ X + len(X) * self.alpha * np.eye(X.shape[1]), X.T @ y)
        return self

    def predict(self, X):
        return X @ self.coef_


class MeanRidgeAdapter(LinearAdapter):
    def reduce(self, model, X, y, sample_weight):
        parameters = self.penalised(model, l2=model.alpha * len(y))
        return build_objective(SquaredError(), *parameters, X, y, sample_weight, False)


@pytest.fixture
def registry(monkeypatch):
    """What is registered here is forgotten afterwards, and so is what entry points said."""
    monkeypatch.setattr(_registry, "_adapters", dict(_registry._adapters))
    _registry._load_entry_points.cache_clear()
    yield
    _registry._load_entry_points.cache_clear()


@pytest.fixture
def entry_points(monkeypatch, registry):
    """Entry points of the group of adapters, given as {name: what is called by loading it}."""
    found = {}

    class EntryPoint:
        def __init__(self, name, load):
            self.name, self.load = name, load

    def of_group(*, group):
        assert group == "sklearn_relatif.adapters"
        return [EntryPoint(*item) for item in found.items()]

    monkeypatch.setattr(metadata, "entry_points", of_group)
    return found


def numbers(n_rows=80, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 5)) @ rng.normal(size=(5, 5)) + 1
    return X, X @ [1.0, -2.0, 0.5, 0.0, 0.3] + rng.normal(size=n_rows), rng.uniform(0.5, 2, n_rows)


# --- other estimators ------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_ten_lines_make_ridge_regression_exact(fit_intercept, registry):
    register("sklearn.linear_model.Ridge", RidgeAdapter())
    (X, y, weight), (X_query, y_query, _) = numbers(), numbers(20, seed=1)
    model = Ridge(alpha=3.0, fit_intercept=fit_intercept)
    explainer = RelatIFExplainer(model).fit(X, y, weight)
    groups = np.full(len(y), None)
    for label, rows in enumerate(ROWS):
        groups[rows] = label

    refits = [
        clone(model).fit(np.delete(X, rows, 0), np.delete(y, rows), np.delete(weight, rows))
        for rows in ROWS
    ]
    before = (y_query - explainer.predict(X_query)) ** 2 / 2
    after = np.transpose([(y_query - refit.predict(X_query)) ** 2 / 2 for refit in refits])
    for order in ("newton", "retrain"):
        effect = explainer.removal_effect(X_query, y_query, groups, order=order)
        assert_allclose(effect, after - before[:, None], rtol=0, atol=EXACT)
    for without, refit in zip(explainer.retrain_without(ROWS), refits, strict=True):
        assert type(without) is Ridge
        assert_allclose(without.coef_, refit.coef_, rtol=0, atol=EXACT)
        assert_allclose(without.intercept_, refit.intercept_, rtol=0, atol=EXACT)
    assert explainer.distance_to_optimum_ < EXACT


def test_an_estimator_of_another_package_is_registered_by_name(registry):
    X, y, _ = numbers()
    pipeline = make_pipeline(StandardScaler(), MeanRidge())
    with pytest.raises(TypeError, match="MeanRidge cannot be explained"):
        RelatIFExplainer(pipeline).fit(X, y)
    register(["tests.test_adapters.MeanRidge", "another.package.Model"], MeanRidgeAdapter())
    explainer = RelatIFExplainer(pipeline).fit(X, y)
    assert explainer.distance_to_optimum_ < EXACT
    (without,) = explainer.retrain_without([[3]])
    x, kept = StandardScaler().fit_transform(X), np.arange(len(y)) != 3
    gram = x[kept].T @ x[kept] + len(y) * 0.1 * np.eye(5)
    assert_allclose(without[-1].coef_, np.linalg.solve(gram, x[kept].T @ y[kept]), atol=EXACT)
    with pytest.raises(TypeError, match=r"LogisticRegressionCV, .*MeanRidge, .*Model, "):
        RelatIFExplainer(DummyRegressor()).fit(X, y)


def test_names_are_those_of_the_class_in_its_package(registry):
    def model(module, *bases):
        return type("Model", bases, {"__module__": module})()

    outer, inner = Adapter(), Adapter()
    register("package.Model", outer)
    register("package.linear.Model", inner)
    assert adapter_of(model("package._models")) is outer
    assert adapter_of(model("package.linear._models")) is inner
    assert adapter_of(model("elsewhere", type(model("package")))) is outer
    for other in (model("packages"), model("another.package"), model("__main__")):
        with pytest.raises(TypeError, match="Model cannot be explained"):
            adapter_of(other)


def test_subclasses_have_the_adapter_of_what_they_are_derived_from(registry):
    class Derived(LogisticRegression):
        pass

    of_logistic = adapter_of(LogisticRegression())
    assert adapter_of(Derived()) is of_logistic
    assert adapter_of(LogisticRegressionCV()) is not of_logistic
    own = RidgeAdapter()
    register("tests.Derived", own)
    assert adapter_of(Derived()) is own and adapter_of(LogisticRegression()) is of_logistic


# --- entry points ----------------------------------------------------------------------------


def test_entry_points_are_loaded_once_and_only_for_unknown_types(entry_points):
    loaded = []

    def load():
        loaded.append("once")
        register("tests.MeanRidge", MeanRidgeAdapter())

    entry_points["of a package"] = load
    X, y, _ = numbers()
    RelatIFExplainer(LogisticRegression()).fit(X, y > 0)
    assert not loaded
    for _ in range(2):
        assert RelatIFExplainer(MeanRidge()).fit(X, y).distance_to_optimum_ < EXACT
        with pytest.raises(TypeError, match="DummyRegressor cannot be explained"):
            RelatIFExplainer(DummyRegressor()).fit(X, y)
    assert loaded == ["once"]


def test_a_broken_entry_point_is_named_and_does_not_stop_others(entry_points):
    def fail():
        raise ImportError("no module named 'thing'")

    entry_points["broken"] = fail
    entry_points["sound"] = lambda: register("tests.MeanRidge", MeanRidgeAdapter())
    X, y, _ = numbers()
    with pytest.warns(UserWarning, match="entry point 'broken' .* ImportError: no module .*thing"):
        explainer = RelatIFExplainer(MeanRidge()).fit(X, y)
    assert explainer.distance_to_optimum_ < EXACT


# --- what adapters tell ----------------------------------------------------------------------

TIGHT = {"tol": 1e-10, "max_iter": 100_000}
#: Models of which removals are what their own fits on fewer rows are, and others.
KEEPING = {
    "logistic": LogisticRegression(**TIGHT),
    "class weights": LogisticRegression(class_weight={0: 2.0}, **TIGHT),
    "one vs rest": OneVsRestClassifier(LogisticRegression(**TIGHT)),
    "LinearSVC": LinearSVC(**TIGHT),
    "SVC": SVC(gamma=0.2, tol=1e-9),
    "NuSVC": NuSVC(gamma=0.2, tol=1e-9),
    "linear SVC": SVC(kernel="linear", tol=1e-9),
}
CHANGING = {
    "balanced": LogisticRegression(class_weight="balanced", **TIGHT),
    "one vs rest": OneVsRestClassifier(LogisticRegression(class_weight="balanced", **TIGHT)),
    "SVC": SVC(tol=1e-9),
}


def change_on_fewer_rows(model):
    """What scikit-learn's own fit without rows decides otherwise than the removal of the rows."""
    X, y = cases.noisy_classes(3)
    kept = np.arange(30, len(y))
    (without,) = RelatIFExplainer(model).fit(X, y).retrain_without([np.arange(30)])
    refit = clone(model).fit(X[kept], y[kept])
    return np.abs(without.decision_function(X) - refit.decision_function(X)).max()


@pytest.mark.parametrize("model", KEEPING.values(), ids=KEEPING.keys())
def test_removal_keeps_the_objective(model):
    assert not adapter_of(model).removal_changes_objective(model)
    assert change_on_fewer_rows(model) < 1e-5


@pytest.mark.parametrize("model", CHANGING.values(), ids=CHANGING.keys())
def test_removal_changes_the_objective(model):
    assert adapter_of(model).removal_changes_objective(model)
    assert change_on_fewer_rows(model) > 1e-3


def test_penalties_that_are_searched_for_or_count_rows_change():
    searched = LogisticRegressionCV()
    assert adapter_of(searched).removal_changes_objective(searched)
    adapter = adapter_of(SGDClassifier())
    assert adapter.removal_changes_objective(SGDClassifier())
    assert not adapter.removal_changes_objective(SGDClassifier(penalty=None))
    assert adapter.removal_changes_objective(SGDClassifier(penalty=None, class_weight="balanced"))


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        OneVsRestClassifier(LogisticRegression(fit_intercept=False)),
        LinearSVC(),
        SGDClassifier(loss="log_loss").set_params(tol=1e-2),
    ],
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_parameters_are_written_back(model, n_classes):
    X, y = cases.noisy_classes(n_classes)
    model = clone(model).fit(X, y)
    adapter = adapter_of(model)
    table = adapter.parameters(model)
    before, scores = table.copy(), model.decision_function(X)
    assert_allclose(adapter.restore(model, -2 * table).decision_function(X), -2 * scores)
    assert_array_equal(adapter.parameters(model), before)
    assert_array_equal(adapter.parameters(adapter.restore(model, table)), table)


def test_kernel_machines_have_no_table_of_parameters():
    model = SVC().fit(*cases.noisy_classes(2))
    with pytest.raises(TypeError, match="SVC has no parameters that can be written down"):
        adapter_of(model).parameters(model)
    with pytest.raises(TypeError, match="SVC has no parameters that can be written down"):
        adapter_of(model).restore(model, np.zeros((1, 5)))
