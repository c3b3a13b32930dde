"""Kinds of transformers, and reasons for which a removal is done by fitting everything again."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy import sparse
from scipy.linalg import hadamard
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, PoissonRegressor, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.random_projection import GaussianRandomProjection

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.procedure import Shortcut

X, Y = (each[:90] for each in load_breast_cancer(return_X_y=True))
X = X[:, [1, 4, 8, 21, 24]]
X_REAL, Y_REAL = (each[:60] for each in load_diabetes(return_X_y=True))
COUNTS = np.random.default_rng(0).poisson(1 + 2 * (X_REAL[:, 2] > 0))
WINE = tuple(each[::2] for each in load_wine(return_X_y=True))
HOLES = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
ONE_KNOWN = np.column_stack([X, np.where(np.arange(90) == 7, 2.0, np.nan)])
ONE_VARIES = np.column_stack([(X[:, :2] - X[:, :2].mean(axis=0)), 30.0 * (np.arange(90) == 7)])
TIGHT = {"tol": 1e-10, "max_iter": 10_000, "solver": "newton-cholesky"}
LOGISTIC = LogisticRegression(**TIGHT)
REMOVED = [3, 7, 50]


def removals(n_rows):
    groups = np.full(n_rows, np.nan)
    groups[REMOVED] = REMOVED
    return groups


def effects_of(estimator, rows, y, order, return_parts=False, **fit_params):
    """Effects on some of the rows, and the words that came with them."""
    explainer = RelatIFExplainer(clone(estimator)).fit(rows, y, **fit_params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        effects = explainer.removal_effect(
            rows[10:30],
            y[10:30],
            removals(len(y)),
            order=order,
            procedure="all",
            return_parts=return_parts,
        )
    return effects, [str(one.message) for one in caught]


def assert_newton_is_retraining(estimator, rows, y, reason, **fit_params):
    """By refits with that reason; without one, by the fast way alone."""
    found, said = effects_of(estimator, rows, y, "newton", **fit_params)
    expected, _ = effects_of(estimator, rows, y, "retrain", **fit_params)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8 * np.abs(expected).max())
    assert np.abs(expected).max() > 0
    by_refits = [message for message in said if "by fitting everything again" in message]
    if reason is None:
        assert by_refits == []
    else:
        assert len(by_refits) == 1
        assert reason in by_refits[0]


STEPS = {
    "clipped": (MinMaxScaler(clip=True), X),
    "range": (MinMaxScaler((-2, 3)), X),
    "largest": (MaxAbsScaler(), X),
    "quantiles": (RobustScaler(quantile_range=(10, 80)), X),
    "not centred": (RobustScaler(with_centering=False), X),
    "not scaled": (RobustScaler(with_scaling=False), X),
    "unit variance": (RobustScaler(unit_variance=True), X),
    "ranks": (QuantileTransformer(n_quantiles=20, subsample=None), X),
    "power": (PowerTransformer(), X[:, :2]),
    "indicators": (SimpleImputer(add_indicator=True), HOLES),
    "medians": (SimpleImputer(strategy="median"), HOLES),
    "most frequent": (SimpleImputer(strategy="most_frequent"), HOLES),
    "constant": (SimpleImputer(strategy="constant", fill_value=-1.0), HOLES),
    "two chains": (make_pipeline(MinMaxScaler(), make_pipeline(StandardScaler(), PCA(3))), X),
    "weighted columns": (
        make_column_transformer((StandardScaler(), [0, 1]), (MinMaxScaler(), [2])).set_params(
            transformer_weights={"standardscaler": 0.5}
        ),
        X,
    ),
    "slice": (make_column_transformer((StandardScaler(), slice(0, 3))), X),
    "kept columns": (
        make_column_transformer(
            ("passthrough", [0]), ("drop", [1]), (StandardScaler(), [2]), remainder=RobustScaler()
        ),
        X,
    ),
    "weighted union": (
        FeatureUnion(
            [("one", StandardScaler()), ("two", PCA(2))], transformer_weights={"one": 2.0}
        ),
        X,
    ),
    "union": (make_union(StandardScaler(), "passthrough"), X),
}


@pytest.mark.parametrize("name", list(STEPS))
def test_effects_through_a_transformer_are_those_of_refits(name):
    transformer, rows = STEPS[name]
    assert_newton_is_retraining(make_pipeline(transformer, LOGISTIC), rows, Y, None)


def searched(model, **params):
    return GridSearchCV(model, params.pop("grid"), **params)


REASONS = {
    "l1": (
        make_pipeline(StandardScaler(), Lasso(0.5, tol=1e-12, max_iter=100_000)),
        X_REAL,
        Y_REAL,
        "not at the optimum of a smooth sum over rows (3)",
    ),
    "link": (
        searched(PoissonRegressor(tol=1e-10, max_iter=1000), grid={"alpha": [0.1, 1.0]}, cv=2),
        X_REAL * 10,
        COUNTS,
        "its predictions are not the predictor of its loss (3)",
    ),
    "unknown score": (
        searched(LOGISTIC, grid={"C": [0.01, 1.0]}, cv=2, scoring="f1"),
        X / X.std(axis=0),
        Y,
        "scoring='f1' is none of those that are known (3)",
    ),
    "single precision": (
        searched(
            LogisticRegression(solver="newton-cg"),
            grid={"C": [0.01, 1.0]},
            cv=2,
            scoring="neg_log_loss",
        ),
        (X / X.std(axis=0)).astype(np.float32),
        Y,
        "its folds are scored in a way of their own (3)",
    ),
    "no penalty": (
        searched(Ridge(), grid={"alpha": [0.0, 10.0]}, cv=2),
        X_REAL,
        Y_REAL,
        "a candidate has no penalty (3)",
    ),
    "last value": (
        make_pipeline(SimpleImputer(), StandardScaler(), LOGISTIC),
        ONE_KNOWN,
        Y,
        "1 of 3 removals are done by fitting everything again: "
        "the last known value of a column leaves (1)",
    ),
    "missing": (
        make_pipeline(StandardScaler(), SimpleImputer(), LOGISTIC),
        HOLES,
        Y,
        "a column has missing values where scikit-learn leaves them out (3)",
    ),
    "sparse": (LOGISTIC, sparse.csr_array(X / X.std(axis=0)), Y, "rows are sparse"),
}


@pytest.mark.parametrize("name", list(REASONS))
@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
def test_what_has_no_fast_way_is_done_by_refits_with_the_reason(name):
    assert_newton_is_retraining(*REASONS[name])


def test_a_class_without_a_training_row_in_a_fold_is_left_to_refits():
    y = np.where(np.isin(np.arange(90), [7, 80]), 2, Y)
    search = GridSearchCV(LOGISTIC, {"C": [0.1, 1.0]}, cv=KFold(2))
    reason = "1 of 3 removals are done by fitting everything again: a fold has no row of a class"
    assert_newton_is_retraining(search, X / X.std(axis=0), y, reason)


def test_a_whitened_axis_that_stops_to_vary_is_left_to_refits():
    model = make_pipeline(PCA(3, whiten=True), LOGISTIC)
    _, said = effects_of(model, ONE_VARIES, Y, "newton")
    assert any("1 of 3" in one and "whitened hardly varies (1)" in one for one in said)


def test_weights_that_count_in_the_scores_are_left_to_refits():
    weight = np.random.default_rng(0).uniform(0.5, 2, 60)
    model = RidgeCV([0.1, 1.0, 10.0])
    reason = "weights count in the scores of RidgeCV (3)"
    assert_newton_is_retraining(model, X_REAL, Y_REAL, reason, sample_weight=weight)


def test_weights_that_are_all_one_are_none():
    model = RidgeCV([0.1, 1.0, 10.0])
    assert_newton_is_retraining(model, X_REAL, Y_REAL, None, sample_weight=np.ones(60))


def test_arguments_that_are_routed_are_left_to_refits():
    weight = np.random.default_rng(0).uniform(0.5, 2, 90)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(StandardScaler(), clone(LOGISTIC).set_fit_request(sample_weight=True))
        model[0].set_fit_request(sample_weight=False)
        reason = "fit takes more arguments than the weights of the model (3)"
        assert_newton_is_retraining(model, X, Y, reason, sample_weight=weight)


def test_parts_of_removals_that_are_left_to_refits_are_theirs():
    rows = np.column_stack([X[:, 0], np.arange(90) == 7]).astype(object)
    rows[:, 1] = np.where(rows[:, 1], "rare", np.where(np.arange(90) % 2, "a", "b"))
    columns = make_column_transformer((StandardScaler(), [0]), (OneHotEncoder(), [1]))
    model = make_pipeline(columns, GridSearchCV(LOGISTIC, {"C": [0.01, 0.1, 1.0]}, cv=2))
    (found, parts), said = effects_of(model, rows, Y, "newton", return_parts=True)
    (expected, true_parts), _ = effects_of(model, rows, Y, "retrain", return_parts=True)
    assert any("1 of 3" in one and "the last row of a category leaves (1)" in one for one in said)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(parts.penalty, true_parts.penalty, rtol=1e-5, atol=1e-9)
    assert parts.chosen_without == true_parts.chosen_without


def test_draws_by_a_number_are_told_beside_the_effects():
    model = make_pipeline(GaussianRandomProjection(2, random_state=0), LOGISTIC)
    rows = X / X.std(axis=0)
    found, said = effects_of(model, rows, Y, "newton")
    expected, _ = effects_of(model, rows, Y, "retrain")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
    assert any("Another random_state alone moves predictors" in one for one in said)


def test_a_search_that_would_choose_otherwise_now_is_told():
    grid = {"C": np.logspace(-6, 4, 6)}
    rows = X / X.std(axis=0)
    search = GridSearchCV(LOGISTIC, grid, cv=2).fit(rows, Y)
    best = search.best_params_["C"]
    # Of models that predict without a penalty, this score takes the largest one.
    search.set_params(scoring=lambda model, X, y: model.C)
    explainer = RelatIFExplainer(FrozenEstimator(search)).fit(rows, Y)
    assert best != grid["C"][-1]
    with pytest.warns(UserWarning, match=r"chooses \{'C': .*10000.* in place of"):
        explainer.removal_effect(rows[:5], Y[:5], removals(90), order="retrain", procedure="all")


# --- the first order -----------------------------------------------------------------------

NO_ROWS_DECIDE = {
    "none": (LOGISTIC, X / X.std(axis=0)),
    "columns": (
        make_pipeline(
            make_column_transformer(
                ("passthrough", [0]), (FunctionTransformer(np.log1p), [1, 3]), ("drop", [2])
            ),
            LOGISTIC,
        ),
        X,
    ),
}


BY_CONSTANT = SimpleImputer(strategy="constant", fill_value=-1.0)
if BY_CONSTANT.fit(HOLES).statistics_.dtype == np.float64:  # Objects in later scikit-learn.
    NO_ROWS_DECIDE["constant"] = make_pipeline(BY_CONSTANT, LOGISTIC), HOLES


@pytest.mark.parametrize("name", list(NO_ROWS_DECIDE))
def test_the_first_order_is_that_of_the_model_where_no_row_decides_on_the_features(name):
    estimator, rows = NO_ROWS_DECIDE[name]
    explainer = RelatIFExplainer(clone(estimator)).fit(rows, Y)
    given = rows[10:30], Y[10:30], removals(90)
    of_all = explainer.removal_effect(*given, order="first", procedure="all")
    of_model = explainer.removal_effect(*given, order="first")
    np.testing.assert_allclose(of_all, of_model, rtol=1e-6, atol=1e-10)


SAME = {
    "nested": (
        make_pipeline(MinMaxScaler(), make_pipeline(StandardScaler(), PCA(3)), LOGISTIC),
        make_pipeline(MinMaxScaler(), StandardScaler(), PCA(3), LOGISTIC),
    ),
    "nothing missing": (
        make_pipeline(StandardScaler(), SimpleImputer(), LOGISTIC),
        make_pipeline(StandardScaler(), LOGISTIC),
    ),
}


@pytest.mark.parametrize("name", list(SAME))
def test_the_first_order_of_pipelines_that_do_the_same_is_the_same(name):
    one, other = (effects_of(each, X, Y, "first") for each in SAME[name])
    np.testing.assert_allclose(one[0], other[0], rtol=1e-8, atol=1e-12)
    assert one[1] == other[1] == []


NO_DERIVATIVE = {
    "medians": (SimpleImputer(strategy="median"), LOGISTIC, "SimpleImputer has no derivative"),
    "clipped": (MinMaxScaler(clip=True), LOGISTIC, "MinMaxScaler has no derivative"),
    "balanced": (
        StandardScaler(),
        LogisticRegression(class_weight="balanced", **TIGHT),
        "balanced class weights have no derivative here",
    ),
}


@pytest.mark.parametrize("name", list(NO_DERIVATIVE))
def test_where_there_is_no_derivative_the_steps_are_told_with_the_reason(name):
    transformer, model, reason = NO_DERIVATIVE[name]
    pipeline = make_pipeline(transformer, model)
    rows = HOLES if name == "medians" else X
    (_, said), (_, of_steps) = (
        effects_of(pipeline, rows, Y, order) for order in ("first", "newton")
    )
    assert of_steps == []
    assert len(said) == 1
    assert reason in said[0]
    assert "that of order='newton'" in said[0]


def test_axes_that_cannot_be_told_apart_have_no_derivative():
    rows, y = hadamard(16)[:, 1:5] * 1.0, np.arange(16) % 3 % 2
    model = make_pipeline(PCA(2), LOGISTIC).fit(rows, y)
    with pytest.raises(ValueError, match="hardly told from the next one"):
        Shortcut(model, rows, y).first_order()


DERIVED = {
    "no intercept": (LogisticRegression(fit_intercept=False, **TIGHT), X, Y),
    "three classes": (LogisticRegression(tol=1e-10, max_iter=10_000, solver="newton-cg"), *WINE),
    "counts": (PoissonRegressor(alpha=0.3, tol=1e-12, max_iter=1000), X_REAL, COUNTS),
}


def scores(model, rows):
    return np.squeeze(rows @ np.atleast_2d(model.coef_).T + model.intercept_)


@pytest.mark.parametrize("name", list(DERIVED))
def test_the_first_order_is_the_derivative_in_the_weight_of_a_row(name):
    """By central differences of scikit-learn's own weighted fits."""
    model, rows, y = DERIVED[name]
    fitted = make_pipeline(StandardScaler(), clone(model)).fit(rows, y)
    shortcut = Shortcut(fitted, rows, y)
    order, queries = shortcut.first_order(), rows[10:30]
    changes = order.changes(order.lifted(queries), np.array(REMOVED))
    for place, row in enumerate(REMOVED):
        ends, step = [], 1e-3
        for sign in (1, -1):
            weight = np.ones(len(y))
            weight[row] -= sign * step
            scaler = StandardScaler().fit(rows, sample_weight=weight)
            again = clone(model).fit(scaler.transform(rows), y, sample_weight=weight)
            ends.append(shortcut.loss.from_scores(scores(again, scaler.transform(queries))))
        derivative = (ends[0] - ends[1]) / (2 * step)
        size = np.abs(derivative).max()
        np.testing.assert_allclose(changes[:, place], derivative, rtol=0, atol=1e-4 * size)


# --- what cannot be told -------------------------------------------------------------------


def test_folds_of_one_row_are_others_without_a_row():
    search = GridSearchCV(
        Ridge(), {"alpha": [0.1, 10.0]}, cv=LeaveOneOut(), scoring="neg_mean_squared_error"
    )
    shortcut = Shortcut(search.fit(X_REAL, Y_REAL), X_REAL, Y_REAL)
    with pytest.raises(ValueError, match="there are other folds without the rows"):
        shortcut.without(np.array([3]))


def test_hessians_of_many_candidates_that_do_not_fit_into_memory_are_refused():
    rows = np.random.default_rng(2).normal(size=(60, 680))
    search = RidgeCV(np.logspace(0, 3, 100), cv=2).fit(rows, Y_REAL)
    with pytest.raises(ValueError, match="Hessians of all folds and candidates take too much"):
        Shortcut(search, rows, Y_REAL)


def test_features_too_many_to_hold_without_sparsity_are_not_held():
    texts = np.array([[f"word{i} word{i % 7} word{i % 3}"] for i in range(150)])
    flat = FunctionTransformer(np.ravel)
    model = make_pipeline(flat, HashingVectorizer(n_features=2**20), LogisticRegression())
    y = np.arange(150) % 2
    model.fit(texts, y)
    with pytest.raises(ValueError, match="too much memory without sparsity"):
        Shortcut(model, texts, y)


def test_a_link_of_targets_in_other_units_is_refused():
    model = TransformedTargetRegressor(
        PoissonRegressor(tol=1e-10), transformer=MaxAbsScaler(), check_inverse=False
    )
    y = COUNTS + 1.0
    y[REMOVED[0]] = 50.0
    explainer = RelatIFExplainer(model).fit(X_REAL, y)
    with pytest.raises(ValueError, match="losses are in different units"):
        explainer.removal_effect(X_REAL[:5], y[:5], removals(60), order="retrain", procedure="all")


def test_rows_that_a_fit_draws_are_those_that_are_removed():
    imblearn = pytest.importorskip("imblearn")
    sampler = imblearn.under_sampling.RandomUnderSampler(random_state=0)
    model = imblearn.pipeline.make_pipeline(StandardScaler(), sampler, LOGISTIC)
    (found, parts), said = effects_of(model, X, Y, "newton", return_parts=True)
    (expected, true_parts), _ = effects_of(model, X, Y, "retrain", return_parts=True)
    assert any("the fit draws the rows that it trains on (3)" in one for one in said)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)
    drawn = model.fit(X, Y)[1].sample_indices_
    is_drawn = np.isin(REMOVED, drawn)
    # With all but the model held, a row that it has not seen does nothing.
    assert (np.abs(parts.model).max(axis=0) > 0).tolist() == is_drawn.tolist()
    np.testing.assert_allclose(
        true_parts.model + true_parts.preprocessing + true_parts.penalty, expected, atol=1e-12
    )


def test_folds_whose_targets_are_all_the_same_are_left_to_refits():
    y = np.where(np.arange(60) < 20, 100.0, Y_REAL)
    search = GridSearchCV(Ridge(), {"alpha": [10.0, 1.0, 0.1, 0.01]}, cv=3)
    reason = "a fold has targets to test with that are all the same (3)"
    assert_newton_is_retraining(search, X_REAL, y, reason)
