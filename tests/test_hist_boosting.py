"""HistGradientBoosting: leaf values from the rows, and the derivative in their weights."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.adapters._hist_boosting import check_classes
from sklearn_relatif.adapters._hist_leaves import hist_trees, leaf_numbers

from .boosting_checks import (
    check_influence,
    check_refits,
    check_replay,
    check_target_weights,
    predictors,
    reduced,
    weights_of,
)

DIABETES = load_diabetes(return_X_y=True)
CANCER = load_breast_cancer().data[:, :6], load_breast_cancer().target
IRIS = load_iris(return_X_y=True)
#: Of each kind of model, how it is made, and the rows that it is fitted on.
KINDS = {
    "binary": (HistGradientBoostingClassifier, CANCER, {}),
    "several classes": (HistGradientBoostingClassifier, IRIS, {"min_samples_leaf": 8}),
    "squared_error": (HistGradientBoostingRegressor, DIABETES, {"loss": "squared_error"}),
    "poisson": (HistGradientBoostingRegressor, DIABETES, {"loss": "poisson"}),
    "gamma": (HistGradientBoostingRegressor, DIABETES, {"loss": "gamma"}),
}
OPTIONS = [
    {},
    {"l2_regularization": 3.0, "learning_rate": 0.5, "max_leaf_nodes": 5},
    {"max_leaf_nodes": None, "max_depth": 2, "max_bins": 12},
    {"max_features": 0.4, "interaction_cst": "no_interactions"},
    {"early_stopping": True, "n_iter_no_change": 2},
    {"early_stopping": True, "validation_fraction": None},
    {"early_stopping": True, "scoring": "loss", "validation_fraction": 40, "random_state": 3},
]


def kind_of(name, **options):
    model, (X, y), own = KINDS[name]
    return model(max_iter=15, **own, **options), X, y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_leaf_values_follow_from_the_rows(kind, options):
    model, X, y = kind_of(kind, **options)
    weight = weights_of(y)
    trees = check_replay(model.fit(X, y, weight), X, y, weight, closeness=1e-7)
    holds_out = "early_stopping" in options and options.get("validation_fraction", 1) is not None
    assert ((trees.weight == 0).sum() > 10) == holds_out
    # Each row weighs what it was given, where it was not held out.
    assert_array_equal(trees.weight[trees.weight > 0], weight[trees.weight > 0])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_all_weigh_the_same(kind):
    model, X, y = kind_of(kind)
    assert (check_replay(model.fit(X, y), X, y, closeness=1e-7).weight == 1).all()


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 5.0}])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_class_weights_are_honoured(class_weight, early_stopping):
    options = {"class_weight": class_weight, "early_stopping": early_stopping}
    model, X, y = kind_of("binary", **options)
    names = np.array(["no", "yes"])[y]
    weight = weights_of(y)
    # The keys are positions of the classes, whatever they are called.
    check_replay(model.fit(X, names, weight), X, names, weight, closeness=1e-7)


@pytest.mark.parametrize("scoring", ["neg_mean_absolute_error", None])
def test_whatever_stops_early_the_split_is_found(scoring):
    model, X, y = kind_of("squared_error", early_stopping=True, scoring=scoring)
    model.set_params(random_state=np.random.RandomState(7))
    trees = check_replay(model.fit(X, y), X, y)
    assert (trees.weight == 0).sum() == 45


def test_more_than_10000_rows_stop_early_by_default():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_001, 3))
    y = X[:, 0] + rng.normal(size=len(X)) > 0
    model = HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=4).fit(X, y)
    trees = check_replay(model, X, y)
    assert (trees.weight == 0).sum() == 1001


def test_rows_given_to_stop_by_hold_out_none():
    model, X, y = kind_of("squared_error", early_stopping=True)
    try:
        model.fit(X, y, X_val=X[:50], y_val=y[:50])
    except TypeError:
        pytest.skip("this release of scikit-learn takes no X_val")
    assert check_replay(model, X, y).weight.all()


def test_missing_values():
    model, X, y = kind_of("binary")
    X = X.copy()
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    model.fit(X, y)
    check_replay(model, X, y)
    queries = np.where(np.isnan(X[:3]), 1.0, np.nan)
    check_influence(model, X, y, queries, y[:3])


def frame():
    X, y = DIABETES
    rng = np.random.default_rng(0)
    table = pd.DataFrame(X[:, :3], columns=list("abc"))
    table["kind"] = pd.Categorical(rng.choice(["x", "y", "z"], len(y)))
    table["size"] = pd.Categorical(np.round(60 * X[:, 3]).astype(int).astype(str))
    table.loc[:40, "kind"] = np.nan
    table.loc[30:90, "a"] = np.nan
    return table, y + 40 * (table["kind"] == "x").to_numpy()


def test_categories_of_a_frame():
    table, y = frame()
    model = HistGradientBoostingRegressor(max_iter=15, categorical_features="from_dtype")
    model.fit(table, y)
    check_replay(model, table, y)
    queries = table[:4].assign(kind=pd.Categorical(["x", "y", "new", None]))
    check_influence(model, table, y, queries, y[:4])
    explanation = RelatIFExplainer.from_fitted(model, table, y).explain(queries, y[:4])
    assert len(explanation.indices) == 4


def test_categories_by_the_places_of_columns():
    X, y = DIABETES
    X = np.c_[X[:, :3], np.random.default_rng(0).integers(0, 9, len(y)) * 3.0]
    model = HistGradientBoostingRegressor(max_iter=15, categorical_features=[3])
    check_replay(model.fit(X, y), X, y)


def test_texts_as_categories():
    table, y = frame()
    X = table.drop(columns=["a", "kind"]).to_numpy(dtype=object)
    model = HistGradientBoostingRegressor(max_iter=15, categorical_features=[2])
    check_replay(model.fit(X, y), X, y)


def test_a_pipeline_in_front():
    X, y = DIABETES
    model = make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5)).fit(X, y)
    found = RelatIFExplainer.from_fitted(model, X, y).pairwise_influence(X[:3], y[:3])
    Z = model[0].transform(X)
    alone = RelatIFExplainer.from_fitted(model[-1], Z, y).pairwise_influence(Z[:3], y[:3])
    assert_array_equal(found, alone)


def test_warm_start_on_the_same_rows():
    for early_stopping in (False, True):
        model, X, y = kind_of("squared_error", warm_start=True, early_stopping=early_stopping)
        model.fit(X, y).set_params(max_iter=30).fit(X, y)
        check_replay(model, X, y)


def test_warm_start_on_other_rows_is_refused():
    model, X, y = kind_of("squared_error", warm_start=True)
    model.fit(X, y).set_params(max_iter=30).fit(X, y[::-1])
    with pytest.raises(ValueError, match="fit it at once"):
        reduced(model, X, y)


def test_trees_without_a_split_add_nothing():
    model, X, y = kind_of("binary", min_samples_leaf=len(CANCER[1]))
    trees = check_replay(model.fit(X, y), X, y)
    assert not trees.values.any()
    # After some that have one, they add nothing either, though the gradients do not vanish.
    tree = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=2, learning_rate=0.3)
    model = clone(tree).set_params(warm_start=True).fit(X, y)
    model.set_params(max_iter=4, min_samples_leaf=len(y)).fit(X, y)
    trees = check_replay(model, X, y)
    assert_array_equal(trees.leaves.sizes, [2, 2, 1, 1])
    check_influence(model, X, y, X[:3], y[:3])


def test_gradients_that_almost_cancel_are_rounded_all_the_more():
    """Labels that no feature tells: leaf values of 0.0001 of gradients of 0.5."""
    X, y = np.repeat([0.0, 1.0], 1001)[:, None], np.tile([0, 1], 1001)
    model = HistGradientBoostingClassifier(max_iter=8).fit(X, y)
    trees = check_replay(model, X, y, closeness=1e-3)
    off = np.abs(trees.solved.values - trees.values).max() / np.abs(trees.values).max()
    assert off > 1e-6
    with pytest.raises(ValueError, match="do not follow from the rows"):
        reduced(model, X, y, 1 + 1e-3 * (np.arange(len(y)) == 0))


# --- refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_renewed_leaves_are_refused(loss):
    X, y = DIABETES
    model = HistGradientBoostingRegressor(loss=loss, quantile=0.4, max_iter=3).fit(X, y)
    with pytest.raises(ValueError, match=f"loss='{loss}' cannot be explained.*'poisson'"):
        RelatIFExplainer.from_fitted(model, X, y)


def test_monotonic_constraints_that_hold_values_are_refused_and_others_are_not():
    X, y = DIABETES
    bound = HistGradientBoostingRegressor(monotonic_cst=[0, 0, 1] + 7 * [0]).fit(X, y)
    with pytest.raises(ValueError, match="monotonic_cst holds the values"):
        RelatIFExplainer.from_fitted(bound, X, y)
    # A target that follows a feature leaves nothing to hold.
    y = np.round(5 * X[:, 2] / X[:, 2].max()) + 1.0
    free = clone(bound).set_params(max_leaf_nodes=6, max_iter=15).fit(X, y)
    check_replay(free, X, y)


def test_classes_without_a_row_are_refused():
    X, y = CANCER
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, np.zeros(len(y)))
    with pytest.raises(ValueError, match="two classes or more"):
        reduced(model, X, np.zeros(len(y)))
    with pytest.raises(ValueError, match=r"\[0\] only, of \[0, 1\]"):
        check_classes(model.fit(X, y), y, 1.0 * (y == 0))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_other_rows_are_refused(early_stopping):
    model, X, y = kind_of("squared_error", early_stopping=early_stopping)
    model.fit(X, y)
    with pytest.raises(ValueError, match="was fitted on other rows"):
        reduced(model, X[:-1], y[:-1])


def test_other_labels_and_weights_are_refused():
    model, X, y = kind_of("squared_error")
    model.fit(X, y)
    with pytest.raises(ValueError, match="do not follow from the rows, labels and weights"):
        reduced(model, X, y + (np.arange(len(y)) == 3))
    with pytest.raises(ValueError, match="do not follow from the rows, labels and weights"):
        reduced(model, X, y, weights_of(y))


def test_other_labels_are_refused_whatever_the_unit_of_the_targets():
    model, X, y = kind_of("squared_error")
    y = 1e-9 * y
    model.fit(X, y)
    check_replay(model, X, y)
    with pytest.raises(ValueError, match="do not follow from the rows"):
        reduced(model, X, y[::-1])


@pytest.mark.parametrize(("loss", "target"), [("poisson", -1.0), ("gamma", 0.0)])
def test_targets_that_the_distribution_does_not_have_are_refused(loss, target):
    model, X, y = kind_of(loss)
    explainer = RelatIFExplainer.from_fitted(model.fit(X, y), X, y)
    with pytest.raises(ValueError, match="distribution of this HistGradientBoostingRegressor"):
        RelatIFExplainer.from_fitted(model, X, np.where(np.arange(len(y)) == 3, target, y))
    assert np.isfinite(explainer.pairwise_influence(X[:2])).all()


def test_other_columns_are_refused():
    table, y = frame()
    model = HistGradientBoostingRegressor(max_iter=2).fit(table, y)
    explainer = RelatIFExplainer.from_fitted(model, table, y)
    with pytest.raises(ValueError, match="feature names"):
        explainer.explain(table.rename(columns={"a": "d"})[:2], y[:2])
    named = pytest.warns(UserWarning, match="valid feature names")
    with named, pytest.raises(ValueError, match="4 features"):
        explainer.explain(np.zeros((2, 4)), y[:2])


# --- the derivative --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "l2_regularization": 2.0}])
def test_influence_is_the_derivative_of_the_replay(kind, options):
    model, X, y = kind_of(kind, **options)
    weight = weights_of(y)
    model.fit(X, y, weight)
    check_influence(model, X, y, X[::60] * 1.1, y[::60], weight)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 5.0}])
def test_influence_with_class_weights(class_weight):
    model, X, y = kind_of("binary", class_weight=class_weight)
    check_influence(model.fit(X, y), X, y, X[::90], y[::90])


@pytest.mark.parametrize("kind", KINDS)
def test_replays_change_as_its_own_refits_do(kind):
    """Gradients in single precision limit how close the refits can come."""
    model, X, y = kind_of(kind)
    X = np.round(X / X.std(axis=0))  # few thresholds, which do not change with the weights
    model.set_params(max_iter=4, max_leaf_nodes=3, learning_rate=0.3, min_samples_leaf=25)
    assert check_refits(model, X, y, step=0.02, rounding=2.0**-24) > 2


@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True}, {"max_iter": 60, "l2_regularization": 5.0}], ids=str
)
def test_predictions_are_weighted_sums_of_targets(options):
    model, X, y = kind_of("squared_error")
    weight = weights_of(y)
    model.set_params(**options).fit(X, y, weight)
    check_target_weights(model, X, y, X[::40] * 1.1, weight)


# --- without rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "random_state": 0}], ids=str)
def test_removal_effects(options):
    """ "structure" is the replay without the rows, and "retrain" the estimator's own fit."""
    model, X, y = kind_of("squared_error", **options)
    model.fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    objective = reduced(model, X, y)
    trees, queries, labels = objective.trees, X[:3] + 0.01, y[:3]
    removed = np.arange(len(y)) % 50 == 3
    groups = np.where(removed, "these", None)
    before = (model.predict(queries) - labels) ** 2 / 2
    found = {
        order: np.asarray(explainer.removal_effect(queries, labels, groups, order=order)).ravel()
        for order in ("structure", "retrain")
    }
    replayed = predictors(trees, trees.weight * ~removed, objective.leaves_of(queries))[:, 0]
    structure = (replayed - labels) ** 2 / 2 - before
    assert_allclose(found["structure"], structure, atol=1e-5 * np.abs(structure).max())
    left = (trees.weight > 0) & ~removed
    again = clone(model).set_params(early_stopping=False, max_iter=model.n_iter_)
    refitted = (again.fit(X[left], y[left]).predict(queries) - labels) ** 2 / 2 - before
    assert_allclose(found["retrain"], refitted, atol=1e-5 * np.abs(refitted).max())


def test_refits_that_draw_need_a_seed():
    model, X, y = kind_of("squared_error", max_features=0.5)
    explainer = RelatIFExplainer.from_fitted(model.fit(X, y), X, y)
    groups = np.where(np.arange(len(y)) == 3, "this", None)
    with pytest.raises(ValueError, match="random_state"):
        explainer.removal_effect(X[:2], y[:2], groups, order="retrain")


def test_held_out_rows_keep_a_model_from_being_rid_of_rows():
    model, X, y = kind_of("squared_error", early_stopping=True)
    explainer = RelatIFExplainer.from_fitted(model.fit(X, y), X, y)
    with pytest.raises(TypeError, match="retrain_without"):
        explainer.without([3])
    left = (reduced(model, X, y).trees.weight > 0) & (np.arange(len(y)) != 3)
    again = clone(model).set_params(early_stopping=False, max_iter=model.n_iter_)
    expected = again.fit(X[left], y[left]).predict(X)
    assert_array_equal(explainer.retrain_without([[3]])[0].predict(X), expected)


def test_without_held_out_rows_it_can_be_rid_of_rows():
    model, X, y = kind_of("squared_error")
    found = RelatIFExplainer.from_fitted(model.fit(X, y), X, y).without([3, 4])
    left = ~np.isin(np.arange(len(y)), [3, 4])
    expected = RelatIFExplainer.from_fitted(clone(model).fit(X[left], y[left]), X[left], y[left])
    influence = [own.pairwise_influence(X[:2], y[:2]) for own in (found, expected)]
    assert_allclose(*influence, rtol=1e-10)


# --- leaves ----------------------------------------------------------------------------------


def test_leaves_have_the_values_that_predictions_are_sums_of():
    table, y = frame()
    model = HistGradientBoostingRegressor(max_iter=6).fit(table, y)
    before = {name: np.copy(value) for name, value in vars(model).items() if name[-1] == "_"}
    total = np.full(len(y), float(y.mean()))
    for tree, numbers in zip(hist_trees(model), leaf_numbers(model, table), strict=True):
        assert numbers.dtype == np.uint8
        total += tree.values[numbers]
        assert_array_equal(np.bincount(numbers), tree.counts)
    assert_allclose(total, model.predict(table), rtol=1e-14)
    # The model itself stays as it was.
    for name, value in before.items():
        assert_array_equal(getattr(model, name), value)


def test_more_leaves_than_a_byte_counts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    model = HistGradientBoostingRegressor(max_leaf_nodes=None, min_samples_leaf=2, max_iter=2)
    model.fit(X, rng.normal(size=len(X)))
    leaves = adapter_of(model).leaves_of(model, X)
    assert leaves.positions.dtype == np.uint16
    assert leaves.sizes.max() > 256
