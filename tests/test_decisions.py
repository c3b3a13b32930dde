"""Decisions that rest on rows, at their edges: other forms of data, and what there is no answer to.

Whatever is found here is compared with scikit-learn's own fits of the rows that are left.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale
from sklearn.svm import LinearSVC

from sklearn_relatif import Comparison, RelatIFExplainer
from sklearn_relatif.adapters import UNKNOWN, column_origins, reduce_estimator
from sklearn_relatif.curvature import hessian_inverse
from sklearn_relatif.explainers import study_of
from sklearn_relatif.removal import Unlearning, retraining_curvature, without
from sklearn_relatif.statistics import ParameterFunction, TStatistic, statistic_of

TIGHT = {"solver": "newton-cholesky", "tol": 1e-12}


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X[:, :5])[:120], y[:120]


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X[:80, :4]), y[:80]


def flattened(pictures):
    return np.reshape(pictures, (len(pictures), -1))


def doubled(table):
    return sparse.hstack([table, table], "csr") if sparse.issparse(table) else np.c_[table, table]


# --- rows that leave for good ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        Ridge(alpha=1e-8),
        LogisticRegression(C=1e7, **TIGHT),
    ],
    ids=["squares", "logistic"],
)
def test_rows_that_hold_a_direction_alone_leave_it_to_the_penalty(cancer, model):
    X, y = cancer
    X = np.c_[X, np.zeros(len(X))]
    X[7, -1] = 1.0
    left = RelatIFExplainer(model).fit(X, y).without(7).estimator_
    refit = clone(model).fit(np.delete(X, 7, 0), np.delete(y, 7))
    assert_allclose(np.ravel(left.coef_), np.ravel(refit.coef_), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{"solver": "cg"}, {"curvature": "fisher"}])
def test_other_solvers_lose_rows_too(cancer, options):
    X, y = cancer
    model = LogisticRegression(**TIGHT)
    left = RelatIFExplainer(model, **options).fit(X, y).without([3, 9]).without(0).estimator_
    refit = clone(model).fit(np.delete(X, [0, 3, 9], 0), np.delete(y, [0, 3, 9]))
    # The ninth row is the eighth of those left.
    assert_allclose(left.coef_, refit.coef_, rtol=1e-6)


def test_penalties_that_hold_parameters_at_zero_lose_rows_too(diabetes):
    X, y = diabetes
    model = ElasticNet(alpha=5.0, l1_ratio=0.7, tol=1e-12, max_iter=100_000)
    left = RelatIFExplainer(model).fit(X, y).without([2, 4]).estimator_
    refit = clone(model).fit(np.delete(X, [2, 4], 0), np.delete(y, [2, 4]))
    assert_allclose(left.coef_, refit.coef_, rtol=1e-6, atol=1e-8)


def test_without_an_optimum_rows_are_trained_away_with_a_warning():
    X = np.array([[-2.0], [-1.0], [0.2], [-0.2], [1.0], [2.0]])
    y = np.array([0, 0, 0, 1, 1, 1])
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        explainer.without(2)


def test_models_with_l1_penalties_have_no_inverse_to_take_rows_from(diabetes):
    study = study_of(RelatIFExplainer(Lasso()).fit(*diabetes))
    assert Unlearning.of(study.remover) is None


def test_models_without_an_optimum_have_no_inverse_to_take_rows_from(cancer):
    X = cancer[0][:, :2]
    y = (X[:, 0] > 0).astype(int)
    with pytest.warns(ConvergenceWarning):
        explainer = RelatIFExplainer(LogisticRegression(C=np.inf, max_iter=50)).fit(X, y)
    assert Unlearning.of(study_of(explainer).remover) is None


def test_rows_of_arrays_elsewhere_are_not_taken_away(diabetes, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    X, y = map(torch.asarray, diabetes)
    try:
        context = config_context(array_api_dispatch=True)
        with context:
            explainer = RelatIFExplainer(Ridge(solver="svd")).fit(X, y)
            with pytest.raises(TypeError, match=r"arrays of .*retrain_without"):
                explainer.without(0)
            found = explainer.fragility("coef:x1")
    except ImportError as error:
        pytest.skip(f"no dispatch: {error}")
    own = RelatIFExplainer(Ridge(solver="svd")).fit(*diabetes).fragility("coef:x1")
    assert_array_equal(found.positions, own.positions)
    assert_allclose(found.value_after, own.value_after, rtol=1e-8)


def test_one_row_that_held_classes_together_leaves_no_optimum():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y = (X[:, 0] > 0).astype(int)
    X[np.arange(60), 0] += 0.2 * np.sign(X[:, 0])
    X = np.r_[X, [[1.0, 0.0]]]
    y = np.r_[y, 0]
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        after = explainer.without(60)
    assert after.estimator_.score(X[:60], y[:60]) == 1
    groups = np.r_[np.zeros(60, int), 1]
    groups[:30] = np.arange(30) + 2
    with pytest.warns(ConvergenceWarning, match="no optimum"):
        _, bounds = explainer.removal_effect(
            X[:4], y[:4], groups, order="retrain", return_bounds=True
        )
    assert np.isinf(bounds[:, 1]).all()
    assert (np.delete(bounds, 1, axis=1) < 1e-6).all()


def test_rows_of_no_weight_change_nothing_when_they_leave(cancer):
    X, y = cancer
    weight = np.ones(len(X))
    weight[:4] = 0
    explainer = RelatIFExplainer(LogisticRegression(**TIGHT)).fit(X, y, sample_weight=weight)
    after = explainer.without([0, 2])
    assert_allclose(after.estimator_.coef_, explainer.estimator_.coef_, rtol=1e-10)
    assert after.removed_.positions.tolist() == [0, 2]


# --- bounds ---------------------------------------------------------------------------------------


def test_bounds_of_machines_with_weights_of_their_classes_hold(cancer):
    X, _ = cancer
    y = np.digitize(X[:, 0] + 0.3 * X[:, 1], [-0.5, 0.6])
    model = LinearSVC(C=0.05, class_weight={0: 2.0, 1: 1.0, 2: 0.5}, tol=1e-10, max_iter=100_000)
    explainer = RelatIFExplainer(model).fit(X, y)
    effects, bounds = explainer.removal_effect(X[:5], y[:5], return_bounds=True)
    exact = explainer.removal_effect(X[:5], y[:5], order="retrain")
    assert np.isfinite(bounds).any()
    assert (np.abs(effects - exact) <= bounds + 1e-10)[np.isfinite(bounds)].all()


@pytest.mark.parametrize(
    "model",
    [SGDRegressor(penalty="l1", alpha=0.1, max_iter=5000, tol=None), Ridge(positive=True)],
    ids=["l1", "positive"],
)
def test_held_parameters_have_no_bounds(diabetes, model):
    X, y = diabetes
    explainer = RelatIFExplainer(model).fit(X, y)
    with pytest.warns(UserWarning, match="holds parameters at zero"):
        _, bounds = explainer.removal_effect(X[:2], y[:2], return_bounds=True)
    assert np.isnan(bounds).all()


def test_links_of_which_nothing_is_known_have_no_bounds(diabetes):
    X, y = diabetes
    model = TweedieRegressor(power=1.5, link="identity", alpha=0.1, tol=1e-10, max_iter=5000)
    explainer = RelatIFExplainer(model).fit(X, y)
    exact = explainer.removal_effect(X[:2], y[:2], order="retrain")
    with pytest.warns(UserWarning, match="how its second derivative changes"):
        effects, bounds = explainer.removal_effect(X[:2], y[:2], order="auto", return_bounds=True)
    assert_allclose(effects, exact, atol=1e-6)
    assert np.isnan(bounds).all()


def test_effects_on_what_is_not_determined_are_those_of_the_smallest_refit(cancer):
    """A column that a single group has alone, without a penalty: nothing holds it any more."""
    X, y = cancer
    X, y = np.c_[X[:, :2], np.zeros(len(X))], X[:, 3]
    X[[5, 6], -1] = 1.0, -0.5
    groups = np.arange(len(X))
    groups[6] = 5
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    effects, bounds = explainer.removal_effect(
        X[:7], y[:7], groups, order="retrain", return_bounds=True
    )
    left = np.delete(np.arange(len(X)), 1)
    refit, whole = LinearRegression().fit(X[left], y[left]), explainer.estimator_
    losses = [(y[:7] - model.predict(X[:7])) ** 2 / 2 for model in (refit, whole)]
    assert_allclose(effects[:, 1], losses[0] - losses[1], atol=1e-10)
    assert np.isfinite(bounds[:, 1]).all()
    gone = np.delete(np.arange(len(X)), [5, 6])
    refit = LinearRegression().fit(X[gone], y[gone])  # The smallest of its many optima.
    losses = [(y[:7] - model.predict(X[:7])) ** 2 / 2 for model in (refit, whole)]
    assert_allclose(effects[:, 5], losses[0] - losses[1], atol=1e-10)


def test_log_losses_of_one_model_a_class_have_bounds_that_hold(cancer):
    X, _ = cancer
    y = np.digitize(X[:, 0] + 0.3 * X[:, 1], [-0.5, 0.6])
    model = OneVsRestClassifier(LogisticRegression(C=0.5, **TIGHT))
    explainer = RelatIFExplainer(model).fit(X, y)
    asked = "log_loss", X[60:], y[60:]
    effects, bounds = explainer.removal_effect_on(*asked, return_bounds=True)
    exact = explainer.removal_effect_on(*asked, order="retrain")
    assert np.isfinite(bounds).all()
    assert (np.abs(effects - exact) <= bounds + 1e-12).all()


# --- retraining -----------------------------------------------------------------------------------


def test_there_is_no_hessian_to_retrain_with_where_nothing_curves(cancer):
    """It is named only where there is no optimum, and not where parameters are far from one."""
    X, y = cancer
    for labels, message in (
        ((X[:, 0] > 0).astype(int), "Training has no optimum"),
        (y, "not positive definite"),
    ):
        model = LogisticRegression(C=np.inf, **TIGHT).fit(X[:, :2], y)
        objective = reduce_estimator(model, X[:, :2], labels, np.ones(len(y)))
        far = replace(objective, weights=1e9 * objective.weights)
        with pytest.raises(ValueError, match=message):
            retraining_curvature(far)


def test_rows_in_single_precision_that_are_nearly_alike_are_taken_in_double():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    X[:, 2] = X[:, 1] + 1e-5 * X[:, 2]
    y = X[:, 0] + rng.normal(size=60)
    objective = reduce_estimator(Ridge(alpha=1e-12).fit(X, y), X, y, np.ones(60))
    curvature = retraining_curvature(objective.astype(np.float32))
    assert curvature.dtype == np.float64
    single = objective.astype(np.float32).astype(np.float64)
    vector = np.ones((1, objective.weights.size))
    solved = curvature.solve(vector.copy())[0]
    assert_allclose((single.hessian() @ solved.ravel()).ravel(), vector[0], atol=1e-4)


# --- fragile sets ---------------------------------------------------------------------------------


def pictures():
    X, y = load_digits(return_X_y=True)
    some = y < 2
    return X[some][:80].reshape(-1, 8, 8) / 16, y[some][:80]


def test_fragile_sets_of_pictures_have_no_columns():
    X, y = pictures()
    model = make_pipeline(FunctionTransformer(flattened), LogisticRegression(C=0.1, **TIGHT))
    coef = clone(model).fit(X, y)[-1].coef_[0, 20]
    threshold = 0.95 * coef
    found = RelatIFExplainer(model).fit(X, y).fragility("coef:x20", threshold=threshold)
    assert_allclose(found.value_before, coef, rtol=1e-5)
    assert found.size
    assert not found.cells


@pytest.mark.parametrize("as_table", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_columns_are_shown_where_features_cannot_be_traced_back(diabetes, as_table):
    X, y = diabetes
    model = make_pipeline(FunctionTransformer(doubled, accept_sparse=True), Ridge(alpha=0.5))
    table = as_table(X)
    found = RelatIFExplainer(model).fit(table, y).fragility("coef:x1")
    left = np.setdiff1d(np.arange(len(y)), found.positions)
    refit = clone(model).fit(table[left], y[left])
    assert_allclose(found.value_after, refit[-1].coef_[1], rtol=1e-6)
    assert found.value_before * found.value_after < 0
    shown = np.array([found.cells[f"x{place}"] for place in range(4)]).T
    assert_allclose(shown, X[found.positions])


def test_sets_of_many_rows_are_bounded_without_all_products():
    """Beyond some thousand rows no table of all pairs is held, and what is proved holds."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3200, 2))
    y = 0.5 * X[:, 1] + rng.normal(size=3200)
    X[:3], y[:3] = [[12.0, 0.0], [-12.0, 0.5], [11.0, 0.2]], [-6.0, 7.0, -6.5]
    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    coef = explainer.estimator_.coef_[0]
    alone = LinearRegression().fit(X[3:], y[3:]).coef_[0]
    threshold = coef + 0.9 * (alone - coef)
    found = explainer.fragility("coef:x0", threshold=threshold)
    assert_array_equal(np.sort(found.positions), [0, 1, 2])
    assert found.lower_bound == 3


def test_a_threshold_flips_a_label_by_rows_one_by_one(cancer):
    X, y = cancer
    model = FixedThresholdClassifier(LogisticRegression(C=1.0, **TIGHT), threshold=0.6)
    explainer = RelatIFExplainer(model).fit(X, y)
    close = np.argsort(np.abs(explainer.estimator_.predict_proba(X)[:, 1] - 0.6))
    for row in close[[4, 10]]:
        found = explainer.flip_set(X[[row]])
        left = np.setdiff1d(np.arange(len(y)), found.positions)
        before, after = (clone(model).fit(X[some], y[some]) for some in (slice(None), left))
        assert found.size >= 1
        assert before.predict(X[[row]])[0] == found.label
        assert after.predict(X[[row]])[0] == found.new_label != found.label
    assert explainer.flip_set(X[[close[-1]]], max_size=1).size == 0


def test_a_threshold_above_a_penalty_that_counts_rows(cancer):
    X, y = cancer
    last = SGDClassifier(
        loss="log_loss", alpha=0.05, max_iter=5000, tol=None, random_state=0, average=True
    )
    explainer = RelatIFExplainer(FixedThresholdClassifier(last, threshold=0.6)).fit(X, y)
    close = np.argsort(np.abs(explainer.estimator_.predict_proba(X)[:, 1] - 0.6))
    found = explainer.flip_set(X[[close[6]]])
    assert found.size >= 1
    (left,) = explainer.retrain_without([found.positions])
    assert left.predict(X[[close[6]]])[0] == found.new_label != found.label


def test_few_rows_run_out_where_no_label_flips(cancer):
    X, y = cancer
    some = np.r_[np.flatnonzero(y == 0)[:5], np.flatnonzero(y == 1)[:5]]
    model = FixedThresholdClassifier(LogisticRegression(C=1.0, **TIGHT), threshold=0.02)
    explainer = RelatIFExplainer(model).fit(X[some], y[some])
    for query in X[some[-2:]]:
        found = explainer.flip_set(query[None])
        assert (found.label, found.size) == (1, 0)


def test_other_labels_never_leave_a_class_without_rows():
    X, y = load_iris(return_X_y=True)
    some = np.r_[0:3, 50:100]
    explainer = RelatIFExplainer(LogisticRegression(C=10.0, **TIGHT)).fit(X[some], y[some])
    found = explainer.flip_set(X[[0]], edit="relabel")
    assert found.size
    other = y[some].copy()
    other[found.positions] = found.labels_after
    assert len(np.unique(other)) == 2
    refit = LogisticRegression(C=10.0, **TIGHT).fit(X[some], other)
    assert refit.predict(X[[0]])[0] == found.new_label != found.label


# --- columns that features come from --------------------------------------------------------------


class Mute(TransformerMixin, BaseEstimator):
    """Sums of the columns, whose names cannot be asked for."""

    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        return np.sum(np.asarray(X), axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("transformer", "expected"),
    [
        (Pipeline([("scale", StandardScaler()), ("as_is", "passthrough")]), [0, 1, 2]),
        (FeatureUnion([("a", StandardScaler()), ("b", "passthrough")]), [0, 1, 2, 0, 1, 2]),
        (ColumnTransformer([("a", StandardScaler(), slice(1, 3))]), [1, 2]),
        (ColumnTransformer([("a", StandardScaler(), slice("p", "q"))]), [UNKNOWN, UNKNOWN]),
        (ColumnTransformer([("a", StandardScaler(), np.array([True, False, True]))]), [0, 2]),
        (ColumnTransformer([("a", StandardScaler(), ["r", "p"])]), [2, 0]),
        (ColumnTransformer([("a", Mute(), ["q"])]), [UNKNOWN]),
    ],
)
def test_features_come_from_the_columns_that_parts_take(transformer, expected):
    table = pd.DataFrame(np.arange(12.0).reshape(4, 3) ** 2, columns=["p", "q", "r"])
    names, column = column_origins([transformer.fit(table)], None)
    assert names == ["p", "q", "r"]
    assert column.tolist() == expected


# --- numbers that do not exist --------------------------------------------------------------------


def test_features_that_a_step_does_not_name_are_called_by_their_place(diabetes):
    X, y = diabetes
    model = make_pipeline(FunctionTransformer(doubled), Ridge())
    table = pd.DataFrame(X, columns=list("abcd"))
    explainer = RelatIFExplainer(model).fit(table, y)
    found = explainer.fragility("coef:x6")
    assert_allclose(found.value_before, explainer.estimator_[-1].coef_[6], rtol=1e-8)
    with pytest.raises(ValueError, match="'a'"):
        explainer.fragility("coef:a")


def test_what_is_not_linear_has_no_t_statistic(diabetes):
    X, y = diabetes

    def square(parameters):
        gradient = np.zeros_like(parameters)
        gradient[0, 0] = 2 * parameters[0, 0]
        return parameters[0, 0] ** 2, gradient

    explainer = RelatIFExplainer(LinearRegression()).fit(X, y)
    with pytest.raises(ValueError, match="square is not linear in the parameters"):
        explainer.fragility(TStatistic(ParameterFunction(square, "square")))


@pytest.mark.parametrize("errors", ["classical", "HC1", "HC3"])
def test_rows_that_determine_nothing_leave_no_standard_error(diabetes, errors):
    """Of a column that is 0 in the rows that are left, there is no number, and so no effects."""
    X, y = diabetes
    X = np.c_[X, np.zeros(len(X))]
    X[[5, 6, 7], -1] = 1.0, -0.5, 0.3
    study = study_of(RelatIFExplainer(LinearRegression()).fit(X, y))
    statistic = statistic_of(study, TStatistic("x4", errors=errors))
    left = without(study.remover.objective, np.array([5, 6, 7]))
    assert np.isnan(statistic.value(left))
    assert np.isfinite(statistic.value(without(study.remover.objective, np.array([5]))))


@pytest.mark.parametrize("errors", ["classical", "HC1"])
def test_rows_that_classes_can_be_told_apart_by_leave_no_standard_error(cancer, errors):
    X, y = np.c_[cancer[0][:, :1], np.zeros(len(cancer[0]))], cancer[1].copy()
    X[[5, 6, 7], 1], y[[5, 6, 7]] = [1.0, 0.9, 1.1], [0, 1, 0]
    study = study_of(RelatIFExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(X, y))
    statistic = statistic_of(study, TStatistic("x1", errors=errors))
    objective = study.remover.objective
    left = without(objective, np.array([5, 6, 7]))
    assert np.isnan(statistic.value(left))
    assert np.isnan(statistic.row_effects(left, hessian_inverse(objective))).all()


@pytest.mark.parametrize("errors", ["classical", "HC1"])
def test_far_out_where_nothing_curves_there_is_no_standard_error(cancer, errors):
    """Where models without an optimum end up, the Hessian vanishes."""
    X, y = cancer[0][:, :2], cancer[1]
    study = study_of(RelatIFExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(X, y))
    statistic = statistic_of(study, TStatistic("x1", errors=errors))
    objective = study.remover.objective
    far = replace(objective, weights=1e9 * objective.weights)
    assert np.isnan(statistic.value(far))
    if errors == "classical":
        assert np.isnan(statistic.row_effects(far, hessian_inverse(objective))).all()


def test_as_many_rows_as_parameters_leave_no_effects_of_a_t_statistic(diabetes):
    X, y = diabetes
    study = study_of(RelatIFExplainer(LinearRegression()).fit(X, y))
    statistic = statistic_of(study, TStatistic("x1"))
    left = without(study.remover.objective, np.arange(5, len(y)))
    assert np.isnan(statistic.value(left))
    effects = statistic.row_effects(left, hessian_inverse(left))
    assert np.isnan(effects).all()


def test_models_are_not_compared_with_one_without_an_optimum():
    X = np.array([[-2.0], [-1.0], [0.2], [-0.2], [1.0], [2.0]])
    y = np.array([0, 0, 0, 1, 1, 1])
    apart = np.array([0, 0, 0, 1, 1, 1])[np.argsort(np.argsort(X[:, 0]))]
    explainer = RelatIFExplainer(LogisticRegression(**TIGHT)).fit(X, y)
    with pytest.warns(ConvergenceWarning):
        other = RelatIFExplainer(LogisticRegression(C=np.inf, **TIGHT)).fit(X, apart)
    with pytest.raises(ValueError, match="Of other: "):
        explainer.fragility(Comparison("log_loss", X, y, other=other))


# --- how stable an explanation is -----------------------------------------------------------------


def test_machines_with_weights_have_stable_explanations_of_the_same_refits(cancer):
    X, _ = cancer
    y = np.digitize(X[:, 0] + 0.3 * X[:, 1], [-0.5, 0.6])
    model = LinearSVC(C=0.05, class_weight={0: 2.0, 1: 1.0, 2: 0.5}, tol=1e-10, max_iter=100_000)
    explanation = RelatIFExplainer(model).fit(X, y).explain(X[:3], n_examples=2)
    steps = explanation.stability(random_state=0)
    fits = explanation.stability(n_resamples=20, random_state=0)
    assert np.abs(steps - fits).mean() < 0.2


def test_several_classes_have_stable_explanations_of_the_same_refits():
    """Also where rows that are not drawn leave a column to the penalty."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(150, 2))
    y = np.argmax(np.c_[X, X[:, :1] - X[:, 1:]] + 2 * rng.normal(size=(150, 3)), axis=1)
    X = np.c_[X, np.zeros(150)]
    for label in range(3):
        X[np.flatnonzero(y == label)[:1], -1] = 1.0
    model = LogisticRegression(C=0.1, tol=1e-10, solver="newton-cholesky")
    explanation = RelatIFExplainer(model).fit(X, y).explain(X[:4], n_examples=3)
    steps = explanation.stability(random_state=0)
    fits = explanation.stability(n_resamples=40, random_state=0)
    assert np.abs(steps - fits).mean() < 0.15


# --- the procedure --------------------------------------------------------------------------------


def test_removals_that_change_no_choice_say_so(diabetes):
    X = diabetes[0][:30]
    y = 10 * X[:, 0] + X[:, 1] ** 2
    model = GridSearchCV(Ridge(), {"alpha": [1.0, 1e6]}, cv=3)
    explainer = RelatIFExplainer(model).fit(X, y)
    _, parts = explainer.removal_effect(
        X[:2], y[:2], order="retrain", procedure="all", return_parts=True
    )
    assert "None of 30 removals changed what is chosen (alpha=1)." in str(parts)
