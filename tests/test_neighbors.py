"""NearestNeighborsExplainer: the nearest rows, in a fixed order, and hostile input."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_relatif.explainers import NearestNeighborsExplainer


def random_rows(n_train=60, n_queries=13, n_features=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_train, n_features)), rng.normal(size=(n_queries, n_features))


def sorted_distances(X_train, X, n_examples):
    """All distances by definition, and the nearest rows in a stable order."""
    distances = np.sqrt(((X[:, None, :] - X_train[None, :, :]) ** 2).sum(axis=2))
    order = np.argsort(distances, axis=1, kind="stable")[:, :n_examples]
    return np.take_along_axis(distances, order, axis=1), order


@pytest.mark.parametrize("n_features", [3, 30])  # a tree, and brute force
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, sparse.coo_matrix])
def test_nearest_rows_by_definition(n_features, container):
    X_train, X = random_rows(n_features=n_features)
    explanation = NearestNeighborsExplainer().fit(container(X_train)).explain(container(X))
    distances, order = sorted_distances(X_train, X, 5)
    np.testing.assert_array_equal(explanation.indices, order)
    np.testing.assert_allclose(explanation.scores, -distances, rtol=1e-12)


def test_explanation_says_what_it_is():
    X_train, X = random_rows(n_train=4, n_queries=2)
    y_train, y = np.array(["a", "b", "a", "b"]), np.array(["b", "c"])
    explanation = NearestNeighborsExplainer().fit(X_train, y_train).explain(X, y)
    assert explanation.criterion == "nearest_neighbors"
    assert explanation.sign is None
    assert explanation.targets.tolist() == ["b", "c"]
    assert explanation.query_index.tolist() == [0, 1]
    rows = explanation.training_rows
    assert rows.index.tolist() == [0, 1, 2, 3]
    assert rows.labels.tolist() == y_train.tolist()
    assert rows.predictions is None
    assert rows.probabilities is None


def test_labels_are_optional():
    X_train, X = random_rows()
    explanation = NearestNeighborsExplainer().fit(X_train).explain(X)
    assert explanation.targets is None
    assert explanation.training_rows.labels is None
    assert "label" not in repr(explanation)


def test_rows_at_equal_distances_come_in_their_order():
    # Integer rows in few dimensions: many exact ties, within the examples and at their end.
    rng = np.random.default_rng(0)
    for n_features in (1, 2, 40):
        X_train = rng.integers(0, 2, size=(120, n_features)).astype(float)
        X_train[:, 2:] = 0
        X = X_train[:20].copy()
        for n_examples in (1, 7, 119, 120):
            explanation = NearestNeighborsExplainer().fit(X_train).explain(X, n_examples=n_examples)
            distances, order = sorted_distances(X_train, X, n_examples)
            np.testing.assert_array_equal(explanation.indices, order)
            np.testing.assert_array_equal(explanation.scores, -distances)


def test_working_memory_changes_nothing():
    X_train, X = random_rows(n_train=500, n_queries=200)
    X_train, X = X_train.round(), X.round()
    explainer = NearestNeighborsExplainer().fit(X_train)
    expected = explainer.explain(X)
    with config_context(working_memory=0.01):
        actual = explainer.explain(X)
    np.testing.assert_array_equal(actual.indices, expected.indices)
    np.testing.assert_array_equal(actual.scores, expected.scores)


def test_distance_zero_is_a_positive_zero():
    X_train, _ = random_rows(n_features=3)
    scores = NearestNeighborsExplainer().fit(X_train).explain(X_train, n_examples=1).scores
    assert not scores.any()
    assert not np.signbit(scores).any()


def test_more_examples_than_rows():
    X_train, X = random_rows(n_train=3, n_queries=2)
    explanation = NearestNeighborsExplainer().fit(X_train).explain(X, n_examples=5)
    _, order = sorted_distances(X_train, X, 3)
    np.testing.assert_array_equal(explanation.indices[:, :3], order)
    np.testing.assert_array_equal(explanation.indices[:, 3:], -1)
    assert np.isfinite(explanation.scores[:, :3]).all()
    assert np.isnan(explanation.scores[:, 3:]).all()


@pytest.mark.parametrize(
    "metric", ["manhattan", "cosine", lambda first, second: np.abs(first - second).max()]
)
def test_other_metrics(metric):
    X_train, X = random_rows()
    first_train, first = X_train[:, None, :], X[None, :, :]
    expected = {
        "manhattan": np.abs(first_train - first).sum(axis=2),
        "cosine": 1
        - (X_train @ X.T)
        / np.linalg.norm(X_train, axis=1)[:, None]
        / np.linalg.norm(X, axis=1)[None, :],
    }.get(metric, np.abs(first_train - first).max(axis=2))
    explanation = NearestNeighborsExplainer(metric=metric).fit(X_train).explain(X, n_examples=4)
    np.testing.assert_array_equal(explanation.indices, np.argsort(expected, axis=0)[:4].T)
    np.testing.assert_allclose(-explanation.scores, np.sort(expected, axis=0)[:4].T, rtol=1e-12)


def test_float32_agrees_with_float64():
    X_train, X = random_rows(n_features=30)
    X_train, X = X_train.astype(np.float32), X.astype(np.float32)
    single = NearestNeighborsExplainer().fit(X_train).explain(X)
    double = NearestNeighborsExplainer().fit(X_train.astype(float)).explain(X.astype(float))
    np.testing.assert_array_equal(single.indices, double.indices)
    np.testing.assert_allclose(single.scores, double.scores, rtol=1e-6)


def test_unsigned_integers_do_not_wrap_around():
    X_train = np.array([[250], [0]], dtype=np.uint8)
    explanation = NearestNeighborsExplainer().fit(X_train).explain(np.array([[1]], dtype=np.uint8))
    assert explanation.indices.tolist() == [[1, 0, -1, -1, -1]]
    assert explanation.scores[0, :2].tolist() == [-1, -249]


def test_data_frames_keep_their_index():
    pd = pytest.importorskip("pandas")
    X_train, X = random_rows(n_train=4, n_queries=2, n_features=2)
    train = pd.DataFrame(X_train, columns=["a", "b"], index=["r0", "r1", "r2", "r3"])
    queries = pd.DataFrame(X, columns=["a", "b"], index=[70, 80])
    y_train = pd.Series(["x", "y", "x", "y"], index=train.index, dtype="category")
    explainer = NearestNeighborsExplainer().fit(train, y_train)
    assert explainer.feature_names_in_.tolist() == ["a", "b"]
    frame = explainer.explain(queries, n_examples=1).frame()
    _, order = sorted_distances(X_train, X, 1)
    assert frame["query"].tolist() == [70, 80]
    assert frame["row"].tolist() == train.index[order[:, 0]].tolist()
    assert frame["label"].tolist() == y_train.iloc[order[:, 0]].tolist()


def test_explaining_changes_neither_the_data_nor_the_explainer():
    X_train, X = random_rows()
    y_train, y = np.arange(60), np.arange(13)
    for array in (X_train, X, y_train, y):
        array.flags.writeable = False
    explainer = NearestNeighborsExplainer().fit(X_train, y_train)
    before = [pickle.dumps(part) for part in (explainer.get_params(), explainer.training_rows_)]
    first, again = explainer.explain(X, y), explainer.explain(X, y)
    after = [pickle.dumps(part) for part in (explainer.get_params(), explainer.training_rows_)]
    assert after == before
    assert pickle.dumps(again) == pickle.dumps(first)


def test_labels_do_not_follow_later_changes():
    X_train, X = random_rows()
    y_train, y = np.zeros(60), np.zeros(13)
    explanation = NearestNeighborsExplainer().fit(X_train, y_train).explain(X, y)
    y_train[:], y[:] = 1, 1
    assert not explanation.training_rows.labels.any()
    assert not explanation.targets.any()


def test_clone_and_parameters():
    parameters = {"metric": "manhattan", "n_jobs": 2, "estimator": None}
    assert clone(NearestNeighborsExplainer(**parameters)).get_params() == parameters


# --- hostile input --------------------------------------------------------------------------


def test_not_fitted():
    with pytest.raises(NotFittedError, match="NearestNeighborsExplainer"):
        NearestNeighborsExplainer().explain([[0.0]])


@pytest.mark.parametrize(
    ("metric", "message"),
    [("precomputed", "metric='precomputed' is not supported"), ("nearest", "'metric' parameter")],
)
def test_bad_metric(metric, message):
    with pytest.raises(ValueError, match=message):
        NearestNeighborsExplainer(metric=metric).fit([[0.0], [1.0]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[np.nan], [0.0]], "contains NaN"),
        ([[np.inf], [0.0]], "contains infinity"),
        ([0.0, 1.0], "Expected 2D array"),
        (np.empty((0, 2)), r"Found array with 0 sample\(s\)"),
        (np.empty((2, 0)), r"0 feature\(s\)"),
        ([["a"], ["b"]], "could not convert string"),
    ],
)
def test_bad_rows(X, message):
    with pytest.raises(ValueError, match=message):
        NearestNeighborsExplainer().fit(X)
    with pytest.raises(ValueError, match=message):
        NearestNeighborsExplainer().fit([[0.0], [1.0]]).explain(X)


def test_other_number_of_features():
    explainer = NearestNeighborsExplainer().fit([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match=r"X has 1 features, but .* is expecting 2 features"):
        explainer.explain([[0.0]])


def test_other_names_of_features():
    pd = pytest.importorskip("pandas")
    explainer = NearestNeighborsExplainer().fit(pd.DataFrame({"a": [0.0], "b": [1.0]}))
    with pytest.raises(ValueError, match="feature names should match"):
        explainer.explain(pd.DataFrame({"a": [0.0], "c": [1.0]}))


@pytest.mark.parametrize("y", [[0], [0, 1, 2]])
def test_labels_of_another_length(y):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        NearestNeighborsExplainer().fit([[0.0], [1.0]], y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        NearestNeighborsExplainer().fit([[0.0], [1.0]]).explain([[0.0], [1.0]], y)


def test_labels_of_two_dimensions():
    with pytest.raises(ValueError, match="should be a 1d array"):
        NearestNeighborsExplainer().fit([[0.0], [1.0]], [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("n_examples", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), ("2", TypeError)]
)
def test_bad_number_of_examples(n_examples, error):
    explainer = NearestNeighborsExplainer().fit([[0.0], [1.0]])
    with pytest.raises(error, match="n_examples"):
        explainer.explain([[0.0]], n_examples=n_examples)
