"""XGBoost: leaf values from the rows, and their derivatives, beside its own refits."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter
from sklearn_relatif.trees import FixedStart, SinglePrecisionStep, replay_error

xgboost = pytest.importorskip("xgboost")
BoosterTree = pytest.importorskip("sklearn_relatif.adapters.extras._xgboost_booster").BoosterTree

RELEASE = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
N_ROWS, N_QUERIES = 120, 6
#: Of the rows, some that are given other weights.
MOVED = range(0, N_ROWS, 24)
#: What single precision leaves, of the largest prediction.
REPLAY = 3e-7
DEFAULTS = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1}


def classifier(**params):
    return xgboost.XGBClassifier(**{**DEFAULTS, **params})


def regressor(**params):
    return xgboost.XGBRegressor(**{**DEFAULTS, **params})


def table(kind):
    """Rows with few values a column, so that these are all cut at, whatever the rows weigh."""
    rng = np.random.default_rng(0)
    loaded = {"binary": load_breast_cancer, "classes": load_wine}.get(kind, load_diabetes)
    X, y = loaded(return_X_y=True)
    rows = rng.permutation(len(y))[:N_ROWS]
    X, y = X[rows, :8], y[rows]
    X = np.stack([np.searchsorted(np.quantile(x, np.linspace(0, 1, 12)[1:-1]), x) for x in X.T], 1)
    if kind == "count":
        y = rng.poisson(y / 50).astype(float)
    if kind == "zeros":
        y = np.where(rng.random(N_ROWS) < 0.3, 0.0, y / 50)
    return X.astype(float), y


def weights(n_rows=N_ROWS):
    return np.random.default_rng(1).uniform(0.2, 2, n_rows)


MODELS = {
    "binary": (classifier(), "binary"),
    "binary, exact": (classifier(tree_method="exact"), "binary"),
    "binary, approx": (classifier(tree_method="approx"), "binary"),
    "binary, leaf by leaf": (
        classifier(grow_policy="lossguide", max_leaves=5, max_depth=0),
        "binary",
    ),
    "binary, L1": (classifier(reg_alpha=0.7, reg_lambda=0.3), "binary"),
    "binary, pruned": (classifier(gamma=2.0, tree_method="exact"), "binary"),
    "binary, held steps": (classifier(max_delta_step=0.6), "binary"),
    "binary, start given": (classifier(base_score=0.3), "binary"),
    "binary, positive rows weigh more": (classifier(scale_pos_weight=2.5), "binary"),
    "binary, columns drawn": (
        classifier(colsample_bytree=0.7, colsample_bylevel=0.7, colsample_bynode=0.7),
        "binary",
    ),
    "binary, trees that add nothing": (
        classifier(min_child_weight=8, learning_rate=2),
        "binary",
    ),
    "binary, parallel": (classifier(num_parallel_tree=3, colsample_bynode=0.5), "binary"),
    "binary, forest": (
        xgboost.XGBRFClassifier(n_estimators=10, subsample=1, max_depth=3, n_jobs=1),
        "binary",
    ),
    "classes": (classifier(), "classes"),
    "classes, softmax": (classifier(objective="multi:softmax", base_score=0.5), "classes"),
    "squared": (regressor(), "number"),
    "squared, no penalty": (regressor(reg_lambda=0), "number"),
    "squared, start given": (regressor(base_score=100), "number"),
    "squared, forest": (
        xgboost.XGBRFRegressor(n_estimators=10, subsample=1, max_depth=3, n_jobs=1),
        "number",
    ),
    "squared, interactions": (
        regressor(interaction_constraints=[[0, 1, 2], [3, 4, 5, 6, 7]]),
        "number",
    ),
    "squared, ones weigh more": (regressor(scale_pos_weight=3), "count"),
    "Poisson": (regressor(objective="count:poisson"), "count"),
    "Poisson, smaller steps": (regressor(objective="count:poisson", max_delta_step=0.1), "count"),
    "Poisson, any steps": (regressor(objective="count:poisson", max_delta_step=0), "count"),
    "gamma": (regressor(objective="reg:gamma", max_depth=2, n_estimators=5), "number"),
    "Tweedie": (regressor(objective="reg:tweedie"), "zeros"),
    "Tweedie, power 1.2": (regressor(objective="reg:tweedie", tweedie_variance_power=1.2), "zeros"),
}
if RELEASE >= (3, 2):
    MODELS["classes, vectors"] = classifier(multi_strategy="multi_output_tree"), "classes"


def fitted(name):
    model, kind = MODELS[name]
    X, y = table(kind)
    weight = weights()
    model = clone(model)
    if model.interaction_constraints:
        model.set_params(interaction_constraints=json.dumps(model.interaction_constraints))
    return model.fit(X, y, sample_weight=weight), X, y, weight


def replayed(model, X, y, weight=None):
    """The recursion of a model, and by how much its leaf values are off."""
    weight = np.ones(len(y)) if weight is None else weight
    trees = adapter_of(model).trees(model, X, y, weight)
    own = model.predict(X, output_margin=True).reshape(len(y), -1)
    largest = np.abs(own).max()
    assert_allclose(trees.predictors(trees.leaves), own, atol=2e-6 * largest, rtol=0)
    return trees, np.abs(trees.solved.values - trees.values).max() / largest


@pytest.mark.parametrize("name", MODELS)
def test_leaf_values_follow_from_the_rows(name):
    model, X, y, weight = fitted(name)
    trees, off = replayed(model, X, y, weight)
    assert off < REPLAY
    assert np.abs(trees.solved.start - trees.start_values).max() < 1e-12


@pytest.mark.parametrize("name", MODELS)
def test_influence_is_the_derivative_of_the_replay(name):
    model, X, y, weight = fitted(name)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    found = explainer.pairwise_influence(X[:N_QUERIES], y[:N_QUERIES], criterion="influence")
    trees = adapter_of(model).trees(model, X, y, weight)
    loss, outputs = adapter_of(model).loss(model)

    def losses(moved):
        solved, queries = trees.resolved(moved), trees.leaves[:N_QUERIES]
        eta = np.tile(solved.start, (N_QUERIES, 1))
        for tree, output in enumerate(trees.outputs):
            eta[:, output] += queries.own(solved.values, tree)[queries.positions[tree]]
        return loss.value(y[:N_QUERIES], eta @ outputs)

    size = 1e-5
    for row in MOVED:
        step = np.zeros(N_ROWS)
        step[row] = size
        slope = (losses(trees.weight + step) - losses(trees.weight - step)) / (2 * size)
        expected = -trees.weight.sum() * slope
        assert_allclose(found[:, row], expected, atol=1e-6 * np.abs(found).max(), rtol=1e-6)


def structure(model):
    """What a fit has split, whatever the values of its leaves."""
    found = []
    for tree in written(model)["learner"]["gradient_booster"]["model"]["trees"]:
        is_inner = np.asarray(tree["left_children"]) >= 0
        splits = [
            np.asarray(tree[part])[is_inner] for part in ("split_indices", "split_conditions")
        ]
        found.append([tree["left_children"], *(part.tolist() for part in splits)])
    return found


def written(model):
    return json.loads(bytes(model.get_booster().save_raw(raw_format="json")))


@pytest.mark.parametrize("name", [name for name in MODELS if "forest" not in name])
def test_influence_is_the_derivative_of_refits_of_the_same_structure(name):
    if name == "gamma" and RELEASE < (3, 0):
        pytest.skip("Its start is rounded by half of what a row changes of it.")
    model, X, y, weight = fitted(name)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    queries = X[:N_QUERIES], y[:N_QUERIES]
    found = explainer.pairwise_influence(*queries, criterion="influence")
    loss, outputs = adapter_of(model).loss(model)
    # What classes weigh besides.
    factor = adapter_of(model).trees(model, X, y, weight).weight / weight
    total, size, n_same = (factor * weight).sum(), 0.02, 0
    for row in MOVED:
        values = []
        for sign in (1, -1):
            moved = weight.copy()
            moved[row] += sign * size
            refit = clone(model).fit(X, y, sample_weight=moved)
            eta = refit.predict(queries[0], output_margin=True).reshape(N_QUERIES, -1)
            values.append((structure(refit), loss.value(queries[1], eta @ outputs)))
        if all(of_refit == structure(model) for of_refit, _ in values):
            n_same += 1
            slope = (values[0][1] - values[1][1]) / (2 * size * factor[row])
            assert_allclose(found[:, row], -total * slope, atol=2e-3 * np.abs(found).max())
    assert n_same >= 2


def test_trees_that_weigh_too_little_add_nothing():
    name = "binary, trees that add nothing"
    model, X, y, weight = fitted(name)
    trees = adapter_of(model).trees(model, X, y, weight)
    assert (trees.values == 0).any() and (trees.leaves.sizes == 1).any()


def test_single_precision_of_many_rounds():
    X, y = load_breast_cancer(return_X_y=True)
    model = classifier(n_estimators=300, max_depth=6).fit(X, y)
    _, off = replayed(model, X, y)
    assert off < REPLAY


def test_probabilities_that_single_precision_has_few_digits_of():
    X, y = load_breast_cancer(return_X_y=True)
    model = classifier(n_estimators=100, max_depth=6, reg_lambda=0, min_child_weight=0).fit(X, y)
    trees, off = replayed(model, X, y)
    assert off < REPLAY
    assert type(trees.step) is SinglePrecisionStep
    assert replay_error(replace(trees, step=trees.step.step)) > 1e-3
    assert np.isfinite(RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X[:3])).all()


@pytest.mark.parametrize("start, error", [(1e4, 1e-6), (1e6, 1e-4)])
def test_a_start_that_is_large_beside_all_leaf_values(start, error):
    X, y = table("number")
    y = y + start
    model = regressor().fit(X, y)
    assert replay_error(adapter_of(model).trees(model, X, y, np.ones(N_ROWS))) > error
    assert np.isfinite(RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X[:3])).all()
    with pytest.raises(ValueError, match="do not follow"):
        RelatIFExplainer.from_fitted(model, X[::-1], y)


def test_a_start_near_one_is_told_in_few_digits():
    X, y = table("binary")
    X, y = np.tile(X, (10, 1)), np.ones(10 * N_ROWS, int)
    y[[3, 500, 900]] = 0
    model = classifier().fit(X, y)
    trees, off = replayed(model, X, y)
    assert off < REPLAY
    exact = trees.start.start.values(y, np.ones(len(y)))
    assert_allclose(trees.solved.start, trees.start_values, atol=1e-12)
    assert 1e-7 < abs(trees.start_values - exact) < 1e-3


def rewritten(model, path, **changes):
    """A model from a file, with other parameters of its start in it."""
    model.get_booster().save_model(path)
    whole = json.loads(path.read_text())
    whole["learner"]["learner_model_param"].update(changes)
    path.write_text(json.dumps(whole))
    loaded = type(model)()
    loaded.load_model(path)
    return loaded


def newton(y):
    """One Newton step from 0 of a log loss, as a probability."""
    return float(expit(4 * (y.mean() - 0.5)))


@pytest.mark.parametrize(
    "kind, score, rule, release",
    [
        ("classes", lambda y: (np.bincount(y) / len(y)).tolist(), "SharesStart", (3, 1)),
        ("classes", lambda y: 0.5, None, (3, 1)),
        ("binary", newton, "NewtonStart", (2, 1)),
    ],
)
def test_rules_of_older_releases_for_the_start(kind, score, rule, release, tmp_path):
    if release > RELEASE:
        pytest.skip("XGBoost takes one base_score for all classes.")
    X, y = table(kind)
    model = classifier(base_score=score(y)).fit(X, y)
    loaded = rewritten(model, tmp_path / "model.json", boost_from_average="1")
    trees, off = replayed(loaded, X, y)
    assert off < REPLAY
    found = type(trees.start.start).__name__ if rule else None
    assert found == rule
    given, _ = replayed(model, X, y)
    assert type(given.start) is FixedStart
    assert_allclose(given.start_values, trees.start_values, atol=1e-6)


def test_counts_with_a_mean_of_one_start_as_the_own_fits_do():
    # By either rule from 0, of which a row's weight moves the one by twice as much as the other.
    X, y = table("count")
    X, y = X[:, :1] > 5, y / y.mean()
    weight = np.ones(N_ROWS)
    moved = weight + 2.0 * (np.arange(N_ROWS) == 4)
    model = regressor(objective="count:poisson", n_estimators=2, max_depth=1)
    before, after = (clone(model).fit(X, y, sample_weight=own) for own in (weight, moved))
    trees, _ = replayed(before, X, y)
    solved = trees.resolved(moved)
    replay = replace(trees, values=solved.values, start_values=solved.start)
    expected = after.predict(X, output_margin=True) - before.predict(X, output_margin=True)
    found = (replay.predictors(trees.leaves) - trees.predictors(trees.leaves))[:, 0]
    assert np.abs(expected).max() > 1e-3
    assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_counts_with_a_mean_of_one_start_by_the_rule_of_the_release(monkeypatch):
    X, y = table("count")
    y = y / y.mean()
    model = regressor(objective="count:poisson").fit(X, y)
    rules = {"3.0.5": "NewtonStart", "3.1.0": "MeanStart"}
    for release, rule in rules.items():
        monkeypatch.setattr(
            "sklearn_relatif.adapters.extras._xgboost.xgboost_release", lambda own=release: own
        )
        trees, _ = replayed(model, X, y)
        assert type(trees.start.start).__name__ == rule


def test_models_from_files(tmp_path):
    X, y = table("binary")
    explain = RelatIFExplainer.from_fitted
    expected = []
    for params in ({}, {"reg_lambda": 3}):
        model = classifier(**params).fit(X, y)
        expected.append(explain(model, X, y).pairwise_influence(X[:3], y[:3]))
        pickled = pickle.loads(pickle.dumps(model))
        assert_allclose(explain(pickled, X, y).pairwise_influence(X[:3], y[:3]), expected[-1])
        loaded = rewritten(model, tmp_path / "model.json")
        if params:
            with pytest.raises(ValueError, match="by load_model has lost the parameters"):
                explain(loaded, X, y)
        else:
            assert_allclose(explain(loaded, X, y).pairwise_influence(X[:3], y[:3]), expected[-1])


def test_effects_are_those_of_own_fits():
    X, y = table("binary")
    options = {"colsample_bytree": 0.5, "max_depth": 2}
    explainer = RelatIFExplainer(classifier(**options)).fit(X, y)
    groups = np.where(np.arange(N_ROWS) < 9, "first", None)
    effect = explainer.removal_effect(X[:4], y[:4], groups, order="retrain")
    # The same draws: without a random_state, XGBoost takes 0.
    losses = [
        -np.log(classifier(**options).fit(X[rows:], y[rows:]).predict_proba(X[:4])[range(4), y[:4]])
        for rows in (0, 9)
    ]
    assert_allclose(effect[:, 0], losses[1] - losses[0], atol=1e-5)
    structure = explainer.removal_effect(X[:4], y[:4], groups, order="structure")
    first = explainer.removal_effect(X[:4], y[:4], groups, order="first")
    assert np.corrcoef(structure[:, 0], first[:, 0])[0, 1] > 0.9
    drawn = classifier(random_state=np.random.RandomState(0)).fit(X, y)
    drawn = RelatIFExplainer.from_fitted(drawn, X, y)
    with pytest.raises(ValueError, match="would differ from it by what they draw"):
        drawn.removal_effect(X[:4], y[:4], groups, order="retrain")


def test_a_loaded_model_that_cannot_be_fitted_again(tmp_path):
    X, y = table("binary")
    groups = np.where(np.arange(N_ROWS) < 9, "first", None)
    other_number = rewritten(classifier(max_depth=2).fit(X, y), tmp_path / "model.json")
    explainer = RelatIFExplainer.from_fitted(other_number, X, y)
    with pytest.raises(ValueError, match="does not know the parameters that it was trained with"):
        explainer.removal_effect(X[:4], y[:4], groups, order="retrain")
    same_number = classifier(max_depth=2, n_estimators=100).fit(X, y)
    same_number = rewritten(same_number, tmp_path / "model.json")
    explainer = RelatIFExplainer.from_fitted(same_number, X, y)
    with pytest.warns(UserWarning, match="check its rows, weights and parameters"):
        explainer.removal_effect(X[:4], y[:4], groups, order="retrain")


def test_early_stopping():
    X, y = table("binary")
    train, rest = slice(0, 80), slice(80, None)
    model = classifier(n_estimators=100, early_stopping_rounds=2, learning_rate=1)
    explainer = RelatIFExplainer(model).fit(
        X[train], y[train], eval_set=[(X[rest], y[rest])], verbose=False
    )
    fit, adapter = explainer.estimator_, adapter_of(model)
    _, off = replayed(fit, X[train], y[train])
    assert off < REPLAY
    assert fit.best_iteration < fit.get_booster().num_boosted_rounds() - 1
    assert adapter.chosen(fit) == {"n_estimators": fit.best_iteration + 1}
    assert adapter.removal_changes_objective(fit)
    assert not adapter.removal_changes_objective(classifier().fit(X, y))
    same = adapter.held(fit).fit(X[train], y[train])
    assert_allclose(same.predict_proba(X), fit.predict_proba(X), rtol=1e-6)
    effect = explainer.removal_effect(X[rest], y[rest], np.arange(80) // 40, order="retrain")
    expected = adapter.held(fit).fit(X[40:80], y[40:80])
    losses = [-np.log(m.predict_proba(X[rest])[range(40), y[rest]]) for m in (expected, fit)]
    assert_allclose(effect[:, 0], losses[0] - losses[1], atol=1e-5)


def test_missing_values_sparse_rows_and_single_precision():
    X, y = table("binary")
    rng = np.random.default_rng(2)
    gaps = np.where(rng.random(X.shape) < 0.3, np.nan, X)
    filled = np.where(np.isnan(gaps), -9.0, gaps)
    model = classifier().fit(gaps, y)
    expected = RelatIFExplainer.from_fitted(model, gaps, y).pairwise_influence(gaps[:4], y[:4])
    others = [
        (classifier(missing=-9.0).fit(filled, y), filled),
        (model, gaps.astype(np.float32)),
        (model, sparse.csr_array((gaps[~np.isnan(gaps)], np.nonzero(~np.isnan(gaps))), X.shape)),
        # What a sparse matrix does not hold is missing to XGBoost.
        (model, sparse.csr_matrix((gaps[(held := ~np.isnan(gaps))], np.nonzero(held)), X.shape)),
    ]
    for other, rows in others:
        found = RelatIFExplainer.from_fitted(other, rows, y).pairwise_influence(rows[:4], y[:4])
        assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_frames_with_categories():
    pandas = pytest.importorskip("pandas")
    X, y = table("number")
    frame = pandas.DataFrame(X, columns=list("abcdefgh"), index=[f"r{i}" for i in range(N_ROWS)])
    frame["kind"] = pandas.Categorical(np.array(list("uvwxyz"))[X[:, 0].astype(int) % 6])
    explainer = RelatIFExplainer(regressor(enable_categorical=True)).fit(frame, y)
    explanation = explainer.explain(frame.iloc[:3], y[:3])
    assert set(explanation.frame()["row"]) <= set(frame.index)
    replayed(explainer.estimator_, frame, y)
    if RELEASE < (3, 1):  # Categories were numbered as each frame has them.
        return
    other = frame.assign(kind=frame["kind"].cat.reorder_categories(list("zyxwvu")))
    assert_allclose(
        explainer.pairwise_influence(other.iloc[:3], y[:3]),
        explainer.pairwise_influence(frame.iloc[:3], y[:3]),
    )


def test_monotone_constraints_that_hold_nothing_back():
    x = np.arange(40.0)[:, None]
    model = regressor(monotone_constraints=(1,)).fit(x, x[:, 0])
    _, off = replayed(model, x, x[:, 0])
    assert off < REPLAY


SCHEDULE = xgboost.callback.LearningRateScheduler([0.3] * 8)


def own_objective(y, eta):
    return eta - y, np.ones_like(y)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"booster": "dart"}, "booster='dart', which scales trees"),
        ({"booster": "gblinear", "max_depth": None}, "booster='gblinear', which has no trees"),
        ({"subsample": 0.8}, "subsample=1; colsample_bynode"),
        ({"callbacks": [SCHEDULE]}, "LearningRateScheduler"),
        ({"objective": own_objective}, "a function of your own for its objective"),
        ({"objective": "reg:absoluteerror"}, "reg:absoluteerror for its objective"),
        ({"objective": "reg:quantileerror", "quantile_alpha": 0.5}, "the objectives are reg:sq"),
        ({"objective": "reg:pseudohubererror"}, "reg:pseudohubererror for its objective"),
        ({"objective": "binary:logistic", "base_score": 0.5}, "binary:logistic for its objective"),
        ({"monotone_constraints": (1, -1, 1, -1, 1, -1, 1, -1)}, "monotone_constraints, which"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*dart:UserWarning")
def test_refusals(params, message):
    X, y = table("number")
    if params.get("objective") == "binary:logistic":
        y = (y > 150).astype(float)
    model = regressor(**params).fit(X, y)
    with pytest.raises(ValueError, match=message):
        RelatIFExplainer.from_fitted(model, X, y)


def test_forests_of_drawn_rows_are_refused():
    X, y = table("binary")
    model = xgboost.XGBRFClassifier(n_estimators=5, n_jobs=1).fit(X, y)
    with pytest.raises(ValueError, match="XGBRFClassifier with subsample below 1"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_trees_that_were_changed_are_refused():
    X, y = table("number")
    first = regressor().fit(X, y)
    model = regressor(process_type="update", updater="refresh", tree_method="exact", verbosity=0)
    model.fit(X, y + 1, xgb_model=first.get_booster())
    with pytest.raises(ValueError, match="process_type='update', which changes trees"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_vectors_of_older_releases_are_refused():
    X, y = table("classes")
    model = classifier(multi_strategy="multi_output_tree").fit(X, y)
    (tree, *_) = written(model)["learner"]["gradient_booster"]["model"]["trees"]
    tree.pop("leaf_weights", None)  # As they wrote it.
    with pytest.raises(ValueError, match="before XGBoost 3"):
        BoosterTree(tree)


def test_other_rows_labels_and_weights_are_refused():
    X, y = table("binary")
    model = classifier().fit(X, y)
    for rows, labels, weight in [(X, 1 - y, None), (X, y, weights()), (X[1:], y[1:], None)]:
        with pytest.raises(ValueError, match="starts from a base_score of"):
            RelatIFExplainer.from_fitted(model, rows, labels, weight)
    with pytest.raises(
        ValueError, match="It may also be a base_margin, or an xgb_model of other rows: fit"
    ):
        RelatIFExplainer.from_fitted(model, X[::-1], y)
    model = classifier(reg_lambda=0.5).fit(X, y)
    with pytest.raises(ValueError, match="or a reg_lambda below 1, by which"):
        RelatIFExplainer.from_fitted(model, X[::-1], y)
    with pytest.raises(ValueError, match="XGBClassifier with a base_margin"):
        RelatIFExplainer(classifier()).fit(X, y, base_margin=np.ones(len(y)))


def test_a_pipeline():
    X, y = table("binary")
    scaler, model = StandardScaler().fit(X), classifier()
    scaled = scaler.transform(X)
    found = RelatIFExplainer(make_pipeline(scaler, model)).fit(X, y).pairwise_influence(X[:3])
    expected = RelatIFExplainer(model).fit(scaled, y).pairwise_influence(scaled[:3])
    assert_allclose(found, expected)


@pytest.mark.parametrize("start", [None, 100.0])
def test_predictions_by_squared_error_are_weighted_sums_of_the_targets(start):
    X, y = table("number")
    model = regressor(base_score=start).fit(X[:100], y[:100])
    found = RelatIFExplainer.from_fitted(model, X[:100], y[:100]).target_weights(X[100:])
    # What is missing to 1 is the weight of a start that is given.
    missing = 1 - found.sum(axis=1)
    expected = model.predict(X[100:])
    assert_allclose(found @ y[:100] + missing * (start or 0), expected, rtol=1e-6)
    assert (missing > 0.01).all() if start else np.abs(missing).max() < 1e-12


def test_one_class_is_refused():
    X, _ = table("binary")
    with pytest.raises(ValueError, match="rows of one class, and tells nothing apart"):
        RelatIFExplainer(classifier()).fit(X, np.zeros(N_ROWS, int))


def test_several_targets_are_refused():
    X, y = table("number")
    for model, several in [(regressor(), np.c_[y, y]), (classifier(), np.c_[y > 90, y > 150])]:
        several = several.astype(int)
        with pytest.raises(ValueError, match=r"1d array|several targets or labels at once"):
            RelatIFExplainer(model).fit(X, several)
        fit = clone(model).fit(X, several)
        with pytest.raises(ValueError, match="several targets or labels at once cannot be"):
            RelatIFExplainer.from_fitted(fit, X, several[:, 0])


def test_targets_lie_in_the_domain_of_their_distribution():
    X, y = table("count")
    model = regressor(objective="count:poisson").fit(X, y)
    with pytest.raises(ValueError, match="-1"):
        RelatIFExplainer.from_fitted(model, X, np.where(np.arange(N_ROWS) == 3, -1, y))


def test_scores_are_margins():
    X, y = table("classes")
    model = classifier().fit(X, y)
    assert_allclose(adapter_of(model).scores(model, X), model.predict(X, output_margin=True))


@pytest.mark.parametrize(
    ("kind", "load"),
    [
        ("XGBClassifier", load_breast_cancer),
        ("XGBClassifier", load_wine),
        ("XGBRegressor", load_diabetes),
    ],
)
def test_the_adapter_keeps_its_promises(kind, load):
    X, y = load(return_X_y=True)
    model = getattr(xgboost, kind)(n_estimators=5).fit(X, y)
    check_adapter(adapter_of(model), model, X, y)
