"""Predictions of forests and boosted models as weighted sums of training targets."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.curvature import _trees as of_trees
from sklearn_relatif.explainers._studied import study_of
from sklearn_relatif.search import target_weights
from sklearn_relatif.trees import NewtonStep

X, Y = (values[::4] for values in load_diabetes(return_X_y=True))
X_IRIS, SPECIES = (values[::2] for values in load_iris(return_X_y=True))
QUERIES = load_diabetes(return_X_y=True)[0][1::4][:12]
WEIGHT = np.random.default_rng(0).integers(0, 4, len(Y)).astype(float)
grown = pytest.mark.filterwarnings("ignore:.*are in pure leaves")


def explained(model, *data, **options):
    return RelatIFExplainer(model, **options).fit(*data)


# --- forests -----------------------------------------------------------------------------------


@grown
@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(9, random_state=0),
        RandomForestRegressor(9, random_state=0, min_samples_leaf=5, bootstrap=False),
        RandomForestRegressor(9, random_state=0, criterion="poisson", max_depth=3),
        DecisionTreeRegressor(max_depth=3),
    ],
)
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_regressors_are_sums_of_targets(model, weight):
    explainer = explained(model, X, Y, weight)
    weights = explainer.target_weights(QUERIES)
    assert weights.shape == (len(QUERIES), len(Y))
    assert (weights >= 0).all()
    assert_allclose(weights.sum(axis=1), 1)
    assert_allclose(weights @ Y, explainer.predict(QUERIES), rtol=1e-12)


@grown
@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(9, random_state=0, class_weight="balanced_subsample"),
        ExtraTreesClassifier(9, random_state=0, max_depth=2, class_weight="balanced"),
        DecisionTreeClassifier(max_depth=1),
    ],
)
def test_classifiers_are_sums_of_indicators(model):
    explainer = explained(model, X_IRIS, SPECIES)
    weights = explainer.target_weights(X_IRIS[:20])
    by_class = weights @ np.eye(3)[SPECIES]
    assert_allclose(by_class, explainer.predict_proba(X_IRIS[:20]), atol=1e-12)
    assert_allclose(weights.sum(axis=1), 1)


@grown
def test_weights_are_shares_of_trees():
    forest = RandomForestRegressor(5, random_state=0, min_samples_leaf=4)
    explainer = explained(forest, X, Y)
    expected = np.zeros((len(QUERIES), len(Y)))
    model = explainer.estimator_
    for tree, drawn in zip(model.estimators_, model.estimators_samples_, strict=True):
        counts = np.bincount(drawn, minlength=len(Y))
        leaves, asked = (tree.apply(rows.astype(np.float32)) for rows in (X, QUERIES))
        own = (asked[:, None] == leaves) * counts
        expected += own / own.sum(axis=1, keepdims=True) / 5
    assert_allclose(explainer.target_weights(QUERIES), expected, atol=1e-14)


@grown
def test_several_targets_have_the_same_weights():
    y = np.column_stack([Y, X[:, 0] + 3 * X[:, 1]])
    explainer = explained(RandomForestRegressor(5, random_state=0), X, y)
    weights = explainer.target_weights(QUERIES)
    assert_allclose(weights @ y, explainer.predict(QUERIES))


# --- out of the bag ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")  # scikit-learn 1.7
def test_out_of_bag_predictions_are_sums():
    model = RandomForestRegressor(40, random_state=0, min_samples_leaf=3, oob_score=True)
    explainer = explained(model, X, Y)
    weights = explainer.target_weights(out_of_bag=True)
    assert_allclose(weights @ Y, explainer.estimator_.oob_prediction_)
    assert_allclose(weights.sum(axis=1), 1)
    assert not np.diag(weights).any()
    assert_array_equal(explainer.target_weights(X, out_of_bag=True), weights)


def test_out_of_bag_probabilities_are_sums():
    model = RandomForestClassifier(
        40, max_depth=2, random_state=0, oob_score=True, class_weight="balanced"
    )
    explainer = explained(model, X_IRIS, SPECIES)
    by_class = explainer.target_weights(out_of_bag=True) @ np.eye(3)[SPECIES]
    assert_allclose(by_class, explainer.estimator_.oob_decision_function_, atol=1e-14)


def test_rows_that_all_trees_have_drawn_have_no_weights():
    explainer = explained(RandomForestRegressor(3, random_state=0, min_samples_leaf=3), X, Y)
    drawn = [np.bincount(own, minlength=len(Y)) for own in explainer.estimator_.estimators_samples_]
    is_drawn = np.all(drawn, axis=0)
    with pytest.warns(UserWarning, match=f"{is_drawn.sum()} of the rows were drawn by all trees"):
        weights = explainer.target_weights(out_of_bag=True)
    assert np.isnan(weights[is_drawn]).all()
    assert_allclose(weights[~is_drawn].sum(axis=1), 1)


def test_bags_that_are_not_there():
    explainer = explained(RandomForestRegressor(5, random_state=0, min_samples_leaf=3), X, Y)
    for others in (QUERIES, X[::-1]):
        with pytest.raises(ValueError, match="Only training rows are out of the bag"):
            explainer.target_weights(others, out_of_bag=True)
    for model in (DecisionTreeRegressor(max_depth=2), GradientBoostingRegressor(n_estimators=2)):
        with pytest.raises(ValueError, match=r"has drawn no rows.*bootstrap=True"):
            explained(model, X, Y).target_weights(out_of_bag=True)


# --- boosting ----------------------------------------------------------------------------------


@pytest.fixture(params=["triangle", "sweeps"])
def boosted(request, monkeypatch):
    """Of both ways to solve for queries."""
    if request.param == "sweeps":
        monkeypatch.setattr(of_trees, "TriangleCurvature", of_trees.SweptCurvature)
    explainer = explained(GradientBoostingRegressor(n_estimators=40, random_state=0), X, Y, WEIGHT)
    assert explainer.solver_.name == request.param
    return explainer


def test_boosted_models_are_sums_of_targets(boosted):
    weights = boosted.target_weights(QUERIES)
    assert_allclose(weights @ Y, boosted.predict(QUERIES), rtol=1e-12)
    assert_allclose(weights.sum(axis=1), 1)
    assert weights.min() < -1e-4
    assert not weights[:, WEIGHT == 0].any()


def test_weights_are_slopes_of_the_replayed_fit(boosted):
    study = study_of(boosted)
    trees, own = study.objective.trees, study.objective.leaves_of(QUERIES)
    weights = boosted.target_weights(QUERIES)
    for i in (0, 5, 11):
        predicted = []
        for sign in (1, -1):
            y = Y.copy()
            y[i] += sign
            solved = replace(trees, y=y).solved
            moved = replace(trees, values=solved.values, start_values=solved.start)
            predicted.append(moved.predictors(own)[:, 0])
        slope = (predicted[0] - predicted[1]) / 2
        assert_allclose(slope, weights[:, i], atol=1e-10)


def test_a_start_that_no_row_has_a_part_in_has_the_rest():
    explainer = explained(GradientBoostingRegressor(n_estimators=9, init="zero"), X, Y)
    weights = explainer.target_weights(QUERIES)
    assert_allclose(weights.sum(axis=1), 1 - 0.9**9)
    assert_allclose(weights @ Y, explainer.predict(QUERIES))


def test_other_losses_and_models_are_refused():
    with pytest.raises(TypeError, match="GradientBoostingClassifier has no target_weights: its"):
        explained(GradientBoostingClassifier(n_estimators=3), X, Y > 140).target_weights(X)
    with pytest.raises(TypeError, match="LinearRegression has no target_weights: forests and"):
        explained(LinearRegression(), X, Y).target_weights(X)


def test_thresholded_values_are_refused():
    explainer = explained(GradientBoostingRegressor(n_estimators=5, random_state=0), X, Y)
    objective = study_of(explainer).objective
    trees = replace(objective.trees, estimation=NewtonStep(objective.trees.estimation.rate, l1=30))
    objective = replace(objective, trees=replace(trees, values=trees.solved.values))
    curvature = of_trees.TriangleCurvature(objective)
    with pytest.raises(ValueError, match=r"no weighted sums.*thresholded, clipped or held"):
        target_weights(objective, curvature, objective.query_jacobian(QUERIES))


# --- shapes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(9, random_state=0, min_samples_leaf=3),
        GradientBoostingRegressor(n_estimators=9, random_state=0),
    ],
)
def test_blocks_change_nothing(model):
    explainer = explained(model, X, Y)
    expected = explainer.target_weights(QUERIES)
    with config_context(working_memory=1e-3):
        assert_allclose(explainer.target_weights(QUERIES), expected, atol=1e-14)


def test_training_rows_by_default():
    explainer = explained(GradientBoostingRegressor(n_estimators=9, random_state=0), X, Y)
    assert_array_equal(explainer.target_weights(), explainer.target_weights(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(9, random_state=0, min_samples_leaf=3),
        GradientBoostingRegressor(n_estimators=9),
    ],
)
def test_frames(library, model):
    module = pytest.importorskip(library)
    columns = {f"x{k}": column for k, column in enumerate(X.T)}
    frame = module.DataFrame(columns)
    if library == "pandas":
        frame.index = [f"p{i}" for i in range(len(Y))]
    explainer = explained(model, frame, Y)
    weights = explainer.target_weights(frame[:4])
    values = np.asarray(weights)
    if library == "pandas":
        assert list(weights.index) == ["p0", "p1", "p2", "p3"]
        assert list(weights.columns) == list(frame.index)
        assert weights.columns.name == "row"
    else:
        assert weights.columns[:2] == ["query", "0"]
        values = values[:, 1:]
    assert_allclose(values.astype(float) @ Y, explainer.predict(frame[:4]))
    assert isinstance(explainer.target_weights(), np.ndarray)
