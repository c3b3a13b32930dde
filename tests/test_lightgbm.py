"""LightGBM: its leaf values given again, and their derivatives against its own fits."""

import json
import pickle
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter
from tests import cases, slow_boosting

lightgbm = pytest.importorskip("lightgbm")
# Its releases name the columns of arrays, and miss these names in the next array.
pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")

EVERY = 4  # rows of the tables that are fitted on
COLUMNS = [2, 8]
N_QUERIES = 5
SMALL = {"n_estimators": 10, "num_leaves": 5, "learning_rate": 0.3, "min_child_samples": 5}
DIGITS = {"learning_rate": 0.2345678912, "reg_lambda": 1.2345678912, "reg_alpha": 0.3456789123}


def table(loader, every=EVERY):
    """Rows to fit on and queries, with some labels of classes that no leaf explains."""
    X, y = loader(return_X_y=True)
    if loader is not load_diabetes:
        y[::7] = y[::-7]
    return X[::every], y[::every], X[1::every][:N_QUERIES], y[1::every][:N_QUERIES]


TABLES = {
    "binary": table(load_breast_cancer),
    "multiclass": table(load_wine, 2),
    **dict.fromkeys(("regression", "poisson", "gamma", "tweedie"), table(load_diabetes)),
}
#: Name of a test: objective, and parameters.
MODELS = {
    "binary": ("binary", {}),
    "binary, digits": ("binary", DIGITS),
    "binary, sigmoid": ("binary", {"sigmoid": 2.0, "max_delta_step": 0.4, **DIGITS}),
    "binary, from 0": ("binary", {"boost_from_average": False}),
    "binary, unbalanced": ("binary", {"is_unbalance": True}),
    "binary, positives": ("binary", {"scale_pos_weight": 3.0}),
    "binary, classes": ("binary", {"class_weight": {0: 3.0}}),
    "binary, balanced": ("binary", {"class_weight": "balanced"}),
    "binary, no split": ("binary", {"min_child_samples": 10**4}),
    "binary, no split from 0": (
        "binary",
        {"min_child_samples": 10**4, "boost_from_average": False},
    ),
    "binary, random": ("binary", {"extra_trees": True, "colsample_bytree": 0.5, "max_depth": 2}),
    "binary, quantised": ("binary", {"use_quantized_grad": True, "quant_train_renew_leaf": True}),
    "multiclass": ("multiclass", {}),
    "multiclass, digits": ("multiclass", DIGITS),
    "multiclass, some without a split": ("multiclass", {"n_estimators": 60}),
    "multiclass, from 0": ("multiclass", {"boost_from_average": False}),
    "multiclass, balanced": ("multiclass", {"class_weight": "balanced"}),
    "regression": ("regression", {}),
    "regression, digits": ("regression", {"max_delta_step": 20.0, **DIGITS}),
    "regression, from 0": ("regression", {"boost_from_average": False}),
    "regression, no rise": ("regression", {"monotone_constraints": [0] * 10}),
    "Poisson": ("poisson", {}),
    "Poisson, digits": ("poisson", {"poisson_max_delta_step": 0.2345678912, **DIGITS}),
    "gamma": ("gamma", DIGITS),
    "Tweedie": ("tweedie", {"tweedie_variance_power": 1.2345678912}),
}


#: Models that are fitted again with other weights, without the kinks of a threshold or a limit.
OWN_FITS = {
    "binary": ("binary", {"reg_lambda": 0.5, "boost_from_average": False}),
    "sigmoid": ("binary", {"sigmoid": 2.0, "reg_lambda": 0.5}),
    "unbalanced": ("binary", {"is_unbalance": True}),
    "positives": ("binary", {"scale_pos_weight": 3.0}),
    "multiclass": ("multiclass", {"learning_rate": 0.1, "n_estimators": 4}),
    "regression": ("regression", {"reg_lambda": 0.5}),
    "Poisson": ("poisson", {"reg_lambda": 0.5}),
    "gamma": ("gamma", {"reg_lambda": 0.5}),
    "Tweedie": ("tweedie", {"reg_lambda": 0.5}),
}


def model_of(objective, **params):
    kind = lightgbm.LGBMRegressor if table_is_real(objective) else lightgbm.LGBMClassifier
    return kind(objective=objective, n_jobs=1, verbose=-1, random_state=0, **{**SMALL, **params})


def table_is_real(objective):
    return objective not in ("binary", "multiclass")


def weights(n_rows):
    """Those that single precision holds as they are."""
    return np.float32(cases.weights_with_zeros(n_rows)).astype(np.float64)


def fitted(name):
    objective, params = MODELS[name]
    X, y, X_new, y_new = TABLES[objective]
    weight = weights(len(y))
    model = model_of(objective, **params).fit(X, y, sample_weight=weight)
    return model, (X, y, weight), (X_new, y_new)


def groups_of(model, X):
    """The first row that is in the same leaf of a tree, of each row in each tree."""
    leaves = np.asarray(model.predict(X, pred_leaf=True)).reshape(len(X), -1)
    found = np.empty_like(leaves)
    for tree, own in enumerate(leaves.T):
        _, first, leaf = np.unique(own, return_index=True, return_inverse=True)
        found[:, tree] = first[leaf]
    return found


def trees_of(model, X, y, weight):
    adapter = adapter_of(model)
    X = adapter.model_rows([], model, X)
    return adapter.trees(model, X, adapter.targets(model).of_training(y, weight), weight)


def losses_of(objective, y, eta, power=1.5):
    """Of queries, by predictors that a sigmoid of slope 1 takes, shape (n_queries, n_outputs)."""
    if objective == "multiclass":
        return -log_softmax(eta, axis=1)[np.arange(len(y)), y]
    eta = eta[:, 0]
    if objective == "binary":
        return np.logaddexp(0, eta) - y * eta
    if objective == "regression":
        return (eta - y) ** 2 / 2
    if objective == "gamma":
        return y * np.exp(-eta) + eta
    if objective == "poisson":
        return np.exp(eta) - y * eta
    return np.exp((2 - power) * eta) / (2 - power) - y * np.exp((1 - power) * eta) / (1 - power)


def losses_after(model, objective, X, y):
    """The same by what a model itself says."""
    given = model.get_params()
    raw = given.get("sigmoid", 1.0) * model.booster_.predict(X, raw_score=True)
    power = given.get("tweedie_variance_power", 1.5)
    return losses_of(objective, y, raw.reshape(len(X), -1), power)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_given_again(name):
    model, train, (X_new, _) = fitted(name)
    trees = trees_of(model, *train)
    largest = np.abs(trees.values).max(initial=1e-9)
    assert_allclose(trees.solved.values, trees.values, atol=1e-6 * largest)
    adapter = adapter_of(model)
    leaves = adapter.leaves_of(model, adapter.model_rows([], model, X_new))
    found = trees.predictors(leaves)
    raw = model.booster_.predict(X_new, raw_score=True).reshape(found.shape)
    sigmoid = model.get_params().get("sigmoid", 1.0)
    assert_allclose(found, sigmoid * raw, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_influence_is_the_derivative_of_the_replay(name):
    objective, params = MODELS[name]
    model, train, (X_new, y_new) = fitted(name)
    trees, adapter = trees_of(model, *train), adapter_of(model)
    leaves = adapter.leaves_of(model, X_new)
    power = params.get("tweedie_variance_power", 1.5)
    influence = RelatIFExplainer.from_fitted(model, *train).pairwise_influence(
        X_new, y_new, criterion="influence"
    )
    rows = np.flatnonzero(trees.weight)[::9]

    def losses(weight):
        solved = trees.resolved(weight)
        replayed = replace(trees, values=solved.values, start_values=solved.start)
        return losses_of(objective, y_new, replayed.predictors(leaves), power)

    for row in rows:
        step = 1e-5 * (np.arange(len(trees.weight)) == row)
        slope = (losses(trees.weight + step) - losses(trees.weight - step)) / 2e-5
        expected = -trees.weight.sum() * slope
        assert_allclose(influence[:, row], expected, atol=1e-6 * np.abs(influence).max())


@pytest.mark.parametrize("name", OWN_FITS)
def test_influence_is_the_derivative_of_fits_that_keep_their_structure(name):
    # Trees of all combinations of two columns of two values.
    objective, params = OWN_FITS[name]
    X, y, X_new, y_new = TABLES[objective]
    halves = np.median(X[:, COLUMNS], axis=0)
    X, X_new = ((table[:, COLUMNS] > halves).astype(float) for table in (X, X_new))
    weight = weights(len(y))
    params = {**params, "num_leaves": 4, "min_child_samples": 1}
    model = model_of(objective, **params).fit(X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")
    borne = trees_of(model, X, y, weight).weight
    n_kept = 0
    for row in np.flatnonzero(weight > 0.5)[::15]:
        slopes, is_kept = [], True
        for step in (2.0**-3, 2.0**-4):
            losses = []
            for moved in (step, -step):
                others = weight + moved * (np.arange(len(y)) == row)
                refit = clone(model).fit(X, y, sample_weight=others)
                is_kept &= np.array_equal(groups_of(refit, X), groups_of(model, X))
                losses.append(losses_after(refit, objective, X_new, y_new))
            slopes.append((losses[0] - losses[1]) / (2 * step))
        n_kept += is_kept
        if is_kept:
            # Without the error of the second order.
            slope = (4 * slopes[1] - slopes[0]) / 3
            expected = -borne.sum() * slope * weight[row] / borne[row]
            assert_allclose(influence[:, row], expected, atol=1e-5 * np.abs(influence).max())
    assert n_kept >= 5


@pytest.mark.parametrize(
    "objective, params, loss",
    [
        ("binary", {"reg_lambda": 0.5}, slow_boosting.Logistic()),
        ("multiclass", {"reg_lambda": 0.5}, slow_boosting.Softmax(3, 1.5)),
        ("regression", {"reg_lambda": 0.5}, slow_boosting.Squared()),
    ],
)
def test_criteria_are_those_of_the_slow_derivative(objective, params, loss):
    X, y, X_new, y_new = TABLES[objective]
    weight = weights(len(y))
    model = model_of(objective, **params).fit(X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    n_stages, n_outputs = model.n_estimators_, loss.n_outputs
    slow = slow_boosting.Boosted(
        loss,
        y,
        model.predict(X, pred_leaf=True).T,
        np.tile(np.arange(n_outputs), n_stages),
        np.repeat(np.arange(n_stages), n_outputs),
        np.full(n_stages * n_outputs, model.learning_rate),
        params["reg_lambda"],
    )
    raw = model.booster_.predict(X_new, raw_score=True).reshape(len(X_new), n_outputs)
    leaves = model.predict(X_new, pred_leaf=True).T
    expected = slow_boosting.influences(slow, weight, leaves, y_new, raw)
    is_counted = weight > 0
    for criterion, scores in expected.items():
        found = explainer.pairwise_influence(X_new, y_new, criterion=criterion)
        largest = np.abs(scores[:, is_counted]).max()
        assert_allclose(found[:, is_counted], scores[:, is_counted], atol=1e-6 * largest)
        assert_array_equal(found[:, ~is_counted], 0)


@pytest.mark.parametrize("from_average", [True, False])
def test_target_weights_give_predictions(from_average):
    X, y, X_new, _ = TABLES["regression"]
    weight = weights(len(y))
    options = {"reg_lambda": 1.0, "boost_from_average": from_average}
    model = model_of("regression", **options).fit(X, y, sample_weight=weight)
    found = RelatIFExplainer.from_fitted(model, X, y, weight).target_weights(X_new)
    assert_allclose(found @ y, model.predict(X_new), rtol=1e-7)
    if from_average:
        assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


def held_out(model, X, y):
    """Rows to stop early by, as its fit takes them."""
    is_newer = "eval_X" in signature(model.fit).parameters  # from LightGBM 4.7
    return {"eval_X": X, "eval_y": y} if is_newer else {"eval_set": [(X, y)]}


def test_early_stopping_explains_the_trees_that_predict():
    X, y, X_new, y_new = TABLES["binary"]
    model = model_of("binary", n_estimators=200)
    stop = lightgbm.early_stopping(15, verbose=False)
    model.fit(X, y, callbacks=[stop], **held_out(model, X_new, y_new))
    assert 0 < model.best_iteration_ < 200
    short = model_of("binary", n_estimators=model.best_iteration_).fit(X, y)
    found, expected = (
        RelatIFExplainer.from_fitted(one, X, y).pairwise_influence(X_new) for one in (model, short)
    )
    assert_array_equal(found, expected)


def test_a_continued_fit():
    X, y, X_new, _ = TABLES["regression"]
    first = model_of("regression", n_estimators=4).fit(X, y)
    continued = model_of("regression", n_estimators=6).fit(X, y, init_model=first)
    whole = model_of("regression", n_estimators=10).fit(X, y)
    found, expected = (
        RelatIFExplainer.from_fitted(one, X, y).pairwise_influence(X_new)
        for one in (continued, whole)
    )
    assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("max_cat_to_onehot", [1, 4, 6, 7])
def test_categories_and_missing_values(max_cat_to_onehot):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    n, level = 240, np.array(list("abcdef"))
    frame = pandas.DataFrame(
        {
            "level": pandas.Categorical(rng.choice(level, n), categories=level[::-1]),
            "some number": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "count": rng.integers(9, size=n),
        }
    )
    frame.loc[3, "level"] = None
    position = frame["level"].cat.codes.to_numpy()
    y = np.sin(2 * position) + np.nan_to_num(frame["some number"], nan=0.5)
    options = {"max_cat_to_onehot": max_cat_to_onehot, "min_data_per_group": 1, "n_estimators": 5}
    model = model_of("regression", **options).fit(frame, y)
    assert "num_cat=1" in model.booster_.model_to_string()
    by_frame = RelatIFExplainer.from_fitted(model, frame, y).pairwise_influence(frame[:9])
    # The same as an array, of which the fit is told the column.
    codes = frame.assign(level=np.where(position < 0, np.nan, position)).to_numpy(np.float64)
    model = model_of("regression", **options).fit(codes, y, categorical_feature=[0])
    by_array = RelatIFExplainer.from_fitted(model, codes, y).pairwise_influence(codes[:9])
    assert_allclose(by_frame, by_array, atol=1e-9 * np.abs(by_array).max())


@pytest.mark.parametrize("kind", ["frame", "array", "names", "numbers"])
def test_removals_are_fits_with_the_same_categories(kind):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    level, number = rng.integers(6, size=200), rng.normal(size=200)
    y = np.sin(3 * level) + number + 0.3 * rng.normal(size=200)
    X = pandas.DataFrame({"level": level, "number": number})
    options = {}
    if kind == "frame":
        X = X.assign(level=pandas.Categorical(np.array(list("abcdef"))[level]))
    elif kind == "names":
        options = {"categorical_feature": ["level"]}
    elif kind == "array":
        X, options = X.to_numpy(), {"categorical_feature": [0]}
    model = model_of("regression", min_data_per_group=5).fit(X, y, **options)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    rows, rest = np.arange(60), np.arange(60, 200)
    (without,) = explainer.retrain_without([rows])
    expected = clone(model).fit(X.iloc[rest] if hasattr(X, "iloc") else X[rest], y[rest], **options)
    assert_array_equal(without.predict(X), expected.predict(X))
    by_hand = (expected.predict(X) - y) ** 2 / 2 - (model.predict(X) - y) ** 2 / 2
    groups = np.arange(200) < 60
    effects = np.asarray(explainer.removal_effect(X, y, groups=groups, order="retrain"))
    assert_allclose(effects[:, 1], by_hand, atol=1e-6 * np.abs(by_hand).max())


# Those have other factors without rows, or seldom the same splits.
@pytest.mark.parametrize("name", sorted(OWN_FITS.keys() - {"unbalanced", "multiclass"}))
def test_the_structure_without_rows_is_that_of_fits_that_keep_it(name):
    objective, params = OWN_FITS[name]
    X, y, X_new, y_new = TABLES[objective]
    halves = np.median(X[:, COLUMNS], axis=0)
    X, X_new = ((table[:, COLUMNS] > halves).astype(float) for table in (X, X_new))
    params = {**params, "num_leaves": 4, "min_child_samples": 1}
    model = model_of(objective, **params).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    groups, n_kept = np.arange(len(y)) // 10, 0
    effects = explainer.removal_effect(X_new, y_new, groups=groups, order="structure")
    for group, found in enumerate(effects.T):
        refit = clone(model).fit(X[groups != group], y[groups != group])
        if np.array_equal(groups_of(refit, X), groups_of(model, X)):
            n_kept += 1
            losses = (losses_after(one, objective, X_new, y_new) for one in (refit, model))
            expected = np.subtract(*losses)
            assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    assert n_kept >= 4


def test_fits_without_rows_have_the_trees_that_were_the_best():
    X, y, X_new, y_new = TABLES["binary"]
    model = model_of("binary", n_estimators=100, early_stopping_round=5)
    model.fit(X, y, **held_out(model, X_new, y_new))
    assert 0 < model.best_iteration_ < 100
    (without,) = RelatIFExplainer.from_fitted(model, X, y).retrain_without([[0]])
    assert without.n_estimators_ == model.best_iteration_
    X, y, _, _ = TABLES["regression"]
    first = model_of("regression", n_estimators=6).fit(X, y)
    continued = model_of("regression", n_estimators=4).fit(X, y, init_model=first)
    (without,) = RelatIFExplainer.from_fitted(continued, X, y).retrain_without([[0]])
    assert without.booster_.num_trees() == 10


def test_columns_must_be_those_of_the_fit():
    pandas = pytest.importorskip("pandas")
    X, y, X_new, _ = TABLES["regression"]
    names = [f"number {position}" for position in range(X.shape[1])]
    frame, queries = (pandas.DataFrame(table, columns=names) for table in (X, X_new))
    model = model_of("regression").fit(frame, y)
    explainer = RelatIFExplainer.from_fitted(model, frame, y)
    expected = explainer.pairwise_influence(queries)
    assert_array_equal(explainer.pairwise_influence(X_new), expected)
    with pytest.raises(ValueError, match="in the same order: number_0, number_1"):
        explainer.pairwise_influence(queries[names[::-1]])
    with pytest.raises(ValueError, match="X has 9 features, but LGBMRegressor is expecting 10"):
        explainer.pairwise_influence(X_new[:, 1:])
    # A fit on an array knows no names.
    explainer = RelatIFExplainer.from_fitted(model_of("regression").fit(X, y), X, y)
    assert_array_equal(explainer.pairwise_influence(queries), expected)


def test_sparse_rows_pipelines_and_blocks():
    X, y, X_new, y_new = TABLES["binary"]
    X, X_new = (np.where(table > 1, table, 0) for table in (X, X_new))
    model = model_of("binary").fit(X, y)
    expected = RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X_new, y_new)
    for kind in (sparse.csr_matrix, sparse.csr_array):
        explainer = RelatIFExplainer.from_fitted(model, kind(X), y)
        assert_array_equal(explainer.pairwise_influence(kind(X_new), y_new), expected)
    piped = make_pipeline(
        StandardScaler(with_mean=False), FunctionTransformer(), model_of("binary")
    )
    explainer = RelatIFExplainer.from_fitted(piped.fit(X, y), X, y)
    found = explainer.pairwise_influence(X_new, y_new)
    assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
    restored = pickle.loads(pickle.dumps(explainer))
    assert_array_equal(restored.pairwise_influence(X_new, y_new), found)


def test_rows_are_looked_up_in_blocks(monkeypatch):
    X, y, X_new, _ = TABLES["regression"]
    model = model_of("regression").fit(X, y)
    expected = RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X_new)
    module = "sklearn_relatif.adapters.extras._lightgbm.MAX_BLOCK"
    monkeypatch.setattr(module, 2000)
    assert_array_equal(
        RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X_new), expected
    )


def test_a_threshold_cuts_its_scores():
    X, y, X_new, _ = TABLES["binary"]
    threshold = FixedThresholdClassifier(model_of("binary"), threshold=0.7).fit(X, y)
    explanation = RelatIFExplainer.from_fitted(threshold, X, y).explain(X_new)
    assert_array_equal(explanation.targets, threshold.predict(X_new))
    adapter, model = adapter_of(threshold.estimator_), threshold.estimator_
    assert_array_equal(adapter.scores(model, X_new), model.predict(X_new, raw_score=True))


def test_targets_that_a_distribution_does_not_have():
    X, y, X_new, _ = TABLES["gamma"]
    explainer = RelatIFExplainer.from_fitted(model_of("gamma").fit(X, y), X, y)
    with pytest.raises(ValueError, match="y contains 0"):
        explainer.pairwise_influence(X_new, np.zeros(len(X_new)))


@pytest.mark.parametrize("objective", ["binary", "regression"])
def test_removal_changes_more_than_rows_where_classes_are_balanced(objective):
    X, y, _, _ = TABLES[objective]
    options = [{"class_weight": "balanced"}, {"is_unbalance": True}, {}]
    for params, is_expected in zip(options, [objective == "binary"] * 2 + [False], strict=True):
        if objective == "binary" or not params:
            model = model_of(objective, **params).fit(X, y)
            assert adapter_of(model).removal_changes_objective(model) == is_expected


@pytest.mark.parametrize(
    "objective, params, message",
    [
        ("binary", {"boosting_type": "dart"}, "boosting_type='dart', which scales trees again"),
        (
            "binary",
            {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1},
            "boosting_type='rf'.*RandomForestClassifier",
        ),
        ("binary", {"data_sample_strategy": "goss"}, "data_sample_strategy='bagging'"),
        ("binary", {"subsample": 0.5, "subsample_freq": 1}, "Fit it with subsample_freq=0"),
        ("binary", {"neg_bagging_fraction": 0.5, "subsample_freq": 1}, "subsample_freq=0"),
        ("binary", {"linear_tree": True}, "Fit it with linear_tree=False"),
        ("binary", {"use_quantized_grad": True}, "Fit it with quant_train_renew_leaf=True"),
        ("binary", {"path_smooth": 1.0}, "Fit it with path_smooth=0"),
        ("regression", {"reg_sqrt": True}, "TransformedTargetRegressor"),
        (
            "regression_l1",
            {},
            "the objective 'regression_l1'.*are binary, multi",
        ),
        ("huber", {}, "the objective 'huber'"),
        ("quantile", {}, "the objective 'quantile'"),
    ],
)
def test_refused_parameters(objective, params, message):
    X, y, _, _ = TABLES["binary" if objective == "binary" else "regression"]
    model = model_of(objective, **params).fit(X, y)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, y)


def test_refused_objectives_of_classes_and_functions():
    X, y, _, _ = TABLES["multiclass"]
    model = lightgbm.LGBMClassifier(objective="multiclassova", verbose=-1, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="the objective 'multiclassova' cannot be explained"):
        RelatIFExplainer.from_fitted(model, X, y)
    model = lightgbm.LGBMRegressor(objective=_half_square, verbose=-1, **SMALL).fit(X, y)
    with pytest.raises(ValueError, match="the objective 'custom' cannot be explained"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_refused_rows_of_one_class():
    X, y, _, _ = TABLES["binary"]
    model = model_of("binary").fit(X, 0 * y)
    with pytest.raises(ValueError, match="rows of one class"):
        RelatIFExplainer.from_fitted(model, X, 0 * y)


def _half_square(y, predicted):
    return predicted - y, np.ones(len(y))


def test_refused_fits(tmp_path):
    X, y, _, _ = TABLES["regression"]

    def refuse(model, message, data=(X, y)):
        with pytest.raises(ValueError, match=message):
            RelatIFExplainer.from_fitted(model, *data)

    rates = lightgbm.reset_parameter(learning_rate=lambda stage: 0.2 * 0.99**stage)
    refuse(model_of("regression").fit(X, y, callbacks=[rates]), "no reset_parameter among")
    rare = (np.arange(len(y)) < 2).astype(int)
    steep = model_of("binary", learning_rate=1.0, min_child_samples=1).fit(X, rare)
    refuse(steep, "the cause: a small min_child_weight", (X, 1 - rare))
    score = np.linspace(0, 50, len(y))
    refuse(model_of("regression").fit(X, y, init_score=score), "the cause: an init_score")
    monotone = model_of("regression", monotone_constraints=[1] * 10, num_leaves=15)
    refuse(monotone.fit(X, y), "the cause: monotone_constraints that held leaf values back")
    cells = np.column_stack([np.arange(len(y)) % 5, X[:, 0]])
    path = tmp_path / "splits.json"
    path.write_text(json.dumps({"feature": 0, "threshold": 3}))
    forced = model_of("regression", forcedsplits_filename=str(path), num_leaves=2)
    forced.set_params(max_cat_to_onehot=1, min_data_per_group=1)
    forced.fit(cells, y, categorical_feature=[0])
    refuse(forced, "forced splits by categories", (cells, y))
    model = model_of("regression").fit(X, y)
    refuse(model, "as many of the rows that were given", (X[1:], y[1:]))
    refuse(model, "do not follow from the rows, labels and weights", (X, y[::-1]))
    text = model.booster_.model_to_string().partition("\nparameters:")[0]
    model._Booster = lightgbm.Booster(model_str=text)
    refuse(model, "has lost the parameters of its training")


def test_a_booster_is_told_to_be_an_estimator():
    X, y, _, _ = TABLES["regression"]
    booster = model_of("regression").fit(X, y).booster_
    with pytest.raises(TypeError, match="LGBMClassifier or LGBMRegressor"):
        RelatIFExplainer.from_fitted(booster, X, y)


@pytest.mark.parametrize(
    ("kind", "load"),
    [
        ("LGBMClassifier", load_breast_cancer),
        ("LGBMClassifier", load_wine),
        ("LGBMRegressor", load_diabetes),
    ],
)
def test_the_adapter_keeps_its_promises(kind, load):
    X, y = load(return_X_y=True)
    model = getattr(lightgbm, kind)(n_estimators=5, verbose=-1).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
