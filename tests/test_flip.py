"""Flip sets: found sets really flip, no row of them can stay, and small ones are the smallest."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from sklearn_relatif import RelatIFExplainer


def small_problem(n_rows=40):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3))
    return X, (X[:, 0] + rng.normal(size=n_rows) > 0).astype(int)


def refit(model, X, y, rows):
    kept = np.setdiff1d(np.arange(len(y)), rows)
    return model.fit(X[kept], y[kept])


MODELS = [LogisticRegression(tol=1e-10, max_iter=10_000), SVC(tol=1e-8, gamma=0.5)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_small_sets_are_as_small_as_those_of_exhaustive_search(model):
    X, y = small_problem()
    explainer = RelatIFExplainer(model).fit(X, y)
    distance = np.abs(explainer.decision_function(X))
    sizes = []
    for query in np.argsort(distance)[:3]:
        x = X[[query]]
        found = explainer.flip_set(x, max_size=2)
        before = explainer.predict(x)[0]
        smallest = next(
            (
                size
                for size in (1, 2)
                for rows in combinations(range(len(y)), size)
                if refit(model, X, y, rows).predict(x)[0] != before
            ),
            0,
        )
        assert found.size == smallest
        sizes.append(smallest)
    assert max(sizes) > 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_flip_is_that_of_a_refit_and_needs_every_row(model):
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(model).fit(X, y)
    for query in (77, 119, 133):
        x = X[[query]]
        found = explainer.flip_set(x)
        assert found.found and found.label == explainer.predict(x)[0]
        assert refit(model, X, y, found.rows).predict(x)[0] == found.new_label != found.label
        if found.size > 1:
            for fewer in combinations(found.rows, found.size - 1):
                assert refit(model, X, y, fewer).predict(x)[0] == found.label
        if found.probability_after is not None:
            p = refit(model, X, y, found.rows).predict_proba(x)[0, found.label]
            np.testing.assert_allclose(found.probability_after, p, atol=1e-6)


def test_says_that_none_was_found():
    X, y = load_iris(return_X_y=True)
    found = RelatIFExplainer(MODELS[0]).fit(X, y).flip_set(X[[0]], max_size=2)
    assert not found.found and found.new_label is None
    assert str(found).startswith("No set of at most 2 training rows was found")


def test_one_row_of_a_classifier():
    X, y = small_problem()
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match="one row"):
        explainer.flip_set(X[:2])
    with pytest.raises(ValueError, match="max_size"):
        explainer.flip_set(X[:1], max_size=0)
