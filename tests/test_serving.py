"""Explanations from an index of vectors are those of the explainer."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.serving import ExplanationIndex
from tests import cases

INDEXES = ["exact", "approximate"]


def fitted(data=cases.breast_cancer, dtype=np.float64, n_queries=30, **options):
    X, y = data()
    X = X.astype(dtype)
    model = LogisticRegression(max_iter=1000)
    explainer = RelatIFExplainer(model, **options).fit(X[:-n_queries], y[:-n_queries])
    return explainer, X[-n_queries:]


def build(explainer, criterion, index):
    if index == "approximate":
        pytest.importorskip("faiss")
    return ExplanationIndex(explainer, criterion, index)


def recall(found, expected):
    pairs = zip(found.indices, expected.indices, strict=True)
    return np.mean([len(np.intersect1d(a, b)) / len(b) for a, b in pairs])


@pytest.mark.parametrize("data", [cases.breast_cancer, cases.wine, cases.text])
@pytest.mark.parametrize("criterion", cases.CRITERIA)
@pytest.mark.parametrize("sign", ["positive", "negative", "absolute"])
def test_exact_index_agrees_with_explain(data, criterion, sign):
    explainer, X = fitted(data)
    found = build(explainer, criterion, "exact").explain(X, sign=sign)
    expected = explainer.explain(X, sign=sign, criterion=criterion)
    assert_array_equal(found.indices, expected.indices)
    assert_allclose(found.scores, expected.scores, rtol=1e-9)
    assert_array_equal(found.targets, expected.targets)
    assert (found.criterion, found.sign) == (criterion, sign)
    assert found.training_rows is explainer.training_rows_


@pytest.mark.parametrize("criterion", cases.CRITERIA)
def test_approximate_index_finds_nearly_all(criterion):
    explainer, X = fitted(cases.digits, n_queries=300)
    found = build(explainer, criterion, "approximate").explain(X)
    expected = explainer.explain(X, criterion=criterion)
    assert recall(found, expected) > 0.95
    best = found.indices[:, 0] == expected.indices[:, 0]
    assert_allclose(found.scores[best, 0], expected.scores[best, 0], rtol=1e-5)


@pytest.mark.parametrize("index", INDEXES)
def test_index_survives_pickling(index):
    explainer, X = fitted()
    served = build(explainer, "influence", index)
    loaded = pickle.loads(pickle.dumps(served))
    assert_array_equal(loaded.explain(X).indices, served.explain(X).indices)


@pytest.mark.parametrize("index", INDEXES)
def test_explains_the_label_that_is_asked_for(index):
    explainer, X = fitted()
    labels = 1 - explainer.predict(X)
    found = build(explainer, None, index).explain(X, labels)
    assert_array_equal(found.targets, labels)
    assert recall(found, explainer.explain(X, labels)) > 0.95


def test_rows_that_a_model_fits_perfectly_are_found_by_their_direction():
    explainer, X = fitted()
    X = 1e3 * X
    found = build(explainer, "loss_relative", "exact").explain(X)
    assert_array_equal(found.indices, explainer.explain(X).indices)


def test_single_precision_stays():
    explainer, X = fitted(dtype=np.float32)
    index = build(explainer, "loss_relative", "exact")
    assert index.vectors_.dtype == np.float32
    assert recall(index.explain(X), explainer.explain(X)) > 0.95


@pytest.mark.parametrize("index", INDEXES)
def test_more_examples_than_rows(index):
    X, y = cases.breast_cancer()
    explainer = RelatIFExplainer(LogisticRegression()).fit(X[:30], y[:30])
    found = build(explainer, None, index).explain(X[30:34], n_examples=40)
    assert found.indices.shape == (4, 40)
    assert (found.indices[:, -10:] == -1).all()
    assert_array_equal(np.isnan(found.scores), found.indices == -1)
    if index == "exact":
        expected = explainer.explain(X[30:34], n_examples=40)
        assert_array_equal(found.indices, expected.indices)


def test_rows_without_weight_are_not_found():
    X, y = cases.breast_cancer()
    weight = cases.weights_with_zeros(len(y))
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y, sample_weight=weight)
    found = build(explainer, None, "exact").explain(X[:20], n_examples=400)
    assert not np.isin(found.indices, np.flatnonzero(weight == 0)).any()


def test_refusals():
    X, y = cases.breast_cancer()
    with pytest.raises(AttributeError):
        ExplanationIndex(RelatIFExplainer(SVC()).fit(X, y))
    with pytest.raises(ValueError, match="factored"):
        ExplanationIndex(RelatIFExplainer(LogisticRegression(), solver="cg").fit(X, y))
    explainer, X = fitted()
    with pytest.raises(ValueError, match="index must be one of"):
        ExplanationIndex(explainer, index="magic")
    with pytest.raises(ValueError, match="criterion must be one of"):
        ExplanationIndex(explainer, "magic")
    with pytest.raises(ValueError, match="sign must be one of"):
        ExplanationIndex(explainer).explain(X, sign="magic")


def test_missing_faiss_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    explainer, _ = fitted()
    with pytest.raises(ImportError, match=r"pip install sklearn-relatif\[serving\]"):
        ExplanationIndex(explainer, index="approximate")


@pytest.mark.parametrize("solver", ["block_diagonal", "kfac", "ekfac", "woodbury"])
def test_vectors_of_any_solver(solver):
    """However many coordinates its factors have, with a column that nothing sees."""
    X, y = cases.wine()
    X[:, 3] = 0
    rows = slice(None) if solver != "woodbury" else slice(None, None, 20)
    model = LogisticRegression(C=0.1).fit(X[rows], y[rows])
    explainer = RelatIFExplainer.from_fitted(model, X[rows], y[rows], solver=solver)
    found = ExplanationIndex(explainer).explain(X[:20], n_examples=3)
    expected = explainer.explain(X[:20], n_examples=3)
    assert_array_equal(found.indices, expected.indices)
