"""NearestNeighborsExplainer by the leaves of trees: against Breiman's proximity by definition."""

import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.adapters._forests import MISPLACES_MISSING, cause_of_missing

from .estimator_checks import assert_checks

X, Y = load_iris(return_X_y=True)
QUERIES = X[::11] + 0.05
FOREST = RandomForestClassifier(n_estimators=20, random_state=0)
MODELS = [
    FOREST,
    ExtraTreesClassifier(n_estimators=20, max_features=1, random_state=0),
    RandomForestRegressor(n_estimators=10, max_depth=3, random_state=0),
    DecisionTreeClassifier(max_leaf_nodes=6, random_state=0),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
    GradientBoostingRegressor(n_estimators=10, max_leaf_nodes=5, max_depth=None, random_state=0),
]


def by_leaves(model):
    return NearestNeighborsExplainer(metric="leaves", estimator=model)


def proximity(model, first, second):
    """The share of the trees in which rows fall into one leaf, pair by pair."""
    leaves, others = (model.apply(rows).reshape(len(rows), -1) for rows in (first, second))
    return np.array([[np.mean(one == other) for other in others] for one in leaves])


def assert_nearest(explanation, near):
    n_examples = explanation.indices.shape[1]
    order = np.argsort(-near, axis=1, kind="stable")[:, :n_examples]
    np.testing.assert_array_equal(explanation.indices, order)
    np.testing.assert_allclose(
        1 + explanation.scores, np.take_along_axis(near, order, axis=1), atol=1e-15
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_proximity_by_definition(model):
    explainer = by_leaves(model).fit(X, Y)
    near = proximity(explainer.estimator_, QUERIES, X)
    assert 0 < near.mean() < 1
    for n_examples in (1, 7, 150):
        assert_nearest(explainer.explain(QUERIES, n_examples=n_examples), near)


@pytest.mark.parametrize("mebibytes", [1e-3, 0.1])
def test_working_memory_changes_nothing(mebibytes):
    explainer = by_leaves(FOREST).fit(X, Y)
    expected = explainer.explain(QUERIES)
    with config_context(working_memory=mebibytes):
        actual = explainer.explain(QUERIES)
    np.testing.assert_array_equal(actual.indices, expected.indices)
    np.testing.assert_array_equal(actual.scores, expected.scores)


def test_explanation_says_what_it_is():
    explanation = by_leaves(FOREST).fit(X, Y).explain(QUERIES[:2], [0, 2], n_examples=151)
    assert explanation.criterion == "nearest_neighbors"
    assert explanation.sign is None
    assert explanation.targets.tolist() == [0, 2]
    assert explanation.training_rows.labels.tolist() == Y.tolist()
    assert (explanation.indices[:, 150] == -1).all()
    assert np.isnan(explanation.scores[:, 150]).all()
    assert explanation.scores[:, 0].max() <= 0
    assert explanation.scores[:, 149].min() >= -1


def test_the_model_is_a_clone_unless_it_is_frozen():
    explainer = by_leaves(FOREST).fit(X, Y)
    assert not hasattr(FOREST, "estimators_")
    model = clone(FOREST).fit(X[::2], Y[::2])
    frozen = by_leaves(FrozenEstimator(model)).fit(X)  # Labels are of no use to it.
    assert_nearest(frozen.explain(QUERIES), proximity(model, QUERIES, X))
    assert frozen.explain(QUERIES).training_rows.labels is None
    assert (frozen.explain(QUERIES).indices != explainer.explain(QUERIES).indices).any()


def test_through_pipelines_and_searches():
    pipeline = make_pipeline(StandardScaler(), clone(FOREST))
    search = GridSearchCV(pipeline, {"randomforestclassifier__max_depth": [1, 2]}, cv=2)
    explainer = by_leaves(search).fit(X, Y)
    scaler, forest = (step for _, step in explainer.estimator_.best_estimator_.steps)
    assert forest.max_depth in (1, 2)
    near = proximity(forest, scaler.transform(QUERIES), scaler.transform(X))
    assert_nearest(explainer.explain(QUERIES), near)


def test_data_frames_of_texts_and_numbers():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": X[:, 2], "kind": np.array(["a", "b"])[Y % 2]})
    frame.index = [f"r{k}" for k in range(len(frame))]
    encoded = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    explainer = by_leaves(make_pipeline(encoded, clone(FOREST))).fit(frame, Y)
    assert explainer.feature_names_in_.tolist() == ["size", "kind"]
    assert explainer.n_features_in_ == 2
    shown = explainer.explain(frame.iloc[[3, 140]], n_examples=1).frame()
    assert shown["query"].tolist() == ["r3", "r140"]
    columns = explainer.estimator_[0].transform(frame)
    near = proximity(explainer.estimator_[1], columns[[3, 140]], columns)
    assert shown["row"].tolist() == frame.index[near.argmax(axis=1)].tolist()
    with pytest.raises(ValueError, match="feature names"):
        explainer.explain(frame[["kind", "size"]])


def test_texts():
    texts = ["red fox", "blue sky", "red sky", "blue fox"] * 3
    pipeline = make_pipeline(CountVectorizer(), clone(FOREST))
    explainer = by_leaves(pipeline).fit(texts, [0, 1, 0, 1] * 3)
    explanation = explainer.explain(["red red fox"], n_examples=3)
    assert explanation.indices.tolist() == [[0, 4, 8]]
    assert not explanation.scores.any()


def test_rows_with_missing_values():
    rows = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    explainer = by_leaves(FOREST).fit(rows, Y)
    near = proximity(explainer.estimator_, rows[:9], rows)
    assert_nearest(explainer.explain(rows[:9]), near)
    with pytest.raises(ValueError, match="infinity"):
        explainer.explain(np.where(np.isnan(rows), np.inf, rows))
    # What explains by influence takes them, too, where scikit-learn fits and predicts alike.
    forest = clone(FOREST).set_params(min_samples_leaf=5)
    if MISPLACES_MISSING:
        with pytest.raises(ValueError, match=r"Before release 1\.8, trees of scikit-learn may"):
            RelatIFExplainer(forest).fit(rows, Y)
    else:
        explained = RelatIFExplainer(forest).fit(rows, Y)
        assert explained.explain(rows[:9]).indices.shape == (9, 5)


def test_what_scikit_learn_may_have_done_is_told(monkeypatch):
    monkeypatch.setattr("sklearn_relatif.adapters._forests.MISPLACES_MISSING", True)
    assert "fill the values" in cause_of_missing(np.array([[np.nan, 1.0]]))
    assert cause_of_missing(X) == ""


def test_several_targets():
    rows, target = load_diabetes(return_X_y=True)
    targets = np.column_stack([target, target**2])
    forest = RandomForestRegressor(n_estimators=10, random_state=0)
    explainer = by_leaves(forest).fit(rows, targets)
    explanation = explainer.explain(rows[:2], targets[:2])
    assert explanation.training_rows.labels.shape == targets.shape
    assert explanation.targets.shape == (2, 2)
    assert_nearest(explanation, proximity(explainer.estimator_, rows[:2], rows))
    with pytest.raises(ValueError, match="one column for each of the 2 targets"):
        explainer.explain(rows[:2], target[:2])


def test_another_fit_leaves_nothing_of_the_one_before():
    explainer = by_leaves(FOREST).fit(X, Y)
    assert not hasattr(explainer, "neighbors_")
    explainer.set_params(metric="euclidean", estimator=None)
    # What was fitted explains as it was fitted until it is fitted again.
    assert_nearest(explainer.explain(QUERIES), proximity(explainer.estimator_, QUERIES, X))
    explainer.fit(X, Y)
    assert hasattr(explainer, "neighbors_")
    assert not hasattr(explainer, "estimator_")
    plain = NearestNeighborsExplainer().fit(X, Y).explain(QUERIES)
    np.testing.assert_array_equal(explainer.explain(QUERIES).scores, plain.scores)
    with pytest.raises(ValueError, match="NaN"):
        explainer.set_params(metric="leaves", estimator=FOREST).fit(X, np.full(len(Y), np.nan))
    np.testing.assert_array_equal(explainer.explain(QUERIES).scores, plain.scores)


def test_it_is_copied_and_saved():
    explainer = by_leaves(FOREST).fit(X, Y)
    again = pickle.loads(pickle.dumps(explainer)).explain(QUERIES)
    np.testing.assert_array_equal(again.indices, explainer.explain(QUERIES).indices)
    assert clone(explainer).get_params()["estimator__n_estimators"] == 20


def test_scikit_learn_checks():
    # A forest that is drawn anew from the same seed is the same.
    assert_checks(by_leaves(RandomForestClassifier(n_estimators=3, max_depth=3)))


# --- hostile input --------------------------------------------------------------------------


def test_leaves_need_a_model_and_nothing_else_takes_one():
    with pytest.raises(ValueError, match=r"metric='leaves' is by the leaves of a model: .*Frozen"):
        NearestNeighborsExplainer(metric="leaves").fit(X, Y)
    with pytest.raises(ValueError, match=r"metric='euclidean' knows no model"):
        NearestNeighborsExplainer(estimator=FOREST).fit(X, Y)
    with pytest.raises(ValueError, match=r"knows no model"):
        NearestNeighborsExplainer(metric=np.dot, estimator=FOREST).fit(X, Y)


def test_models_without_leaves():
    with pytest.raises(TypeError, match=r"Ridge .*leaves"):
        by_leaves(Ridge()).fit(X, Y)


def test_a_frozen_model_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        by_leaves(FrozenEstimator(FOREST)).fit(X)


@pytest.mark.parametrize("rows", [X[:, :3], X[:0], [["a"] * 4], X[0]])
def test_bad_queries(rows):
    explainer = by_leaves(FOREST).fit(X, Y)
    with pytest.raises(ValueError, match=r"features|sample|convert|2D"):
        explainer.explain(rows)


def test_labels_of_another_length():
    explainer = by_leaves(FOREST).fit(X, Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        explainer.explain(QUERIES, Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        by_leaves(FrozenEstimator(explainer.estimator_)).fit(X, Y[:5])
