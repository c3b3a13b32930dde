"""Flip sets of other labels: they flip the label of a refit, and small ones are the smallest."""

import re
import warnings
from itertools import combinations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import (
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from tests.test_removal import l1_model

MODELS = {
    "logistic": LogisticRegression(tol=1e-10, max_iter=10_000),
    "squared hinge": LinearSVC(tol=1e-10, max_iter=10**6),
    "ridge": RidgeClassifier(),
}
with_every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def small_problem(n_rows=22):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3))
    return X, (X[:, 0] + rng.normal(size=n_rows) > 0).astype(int)


def refit(model, X, y, rows, labels, weight=None):
    changed = y.copy()
    changed[rows] = labels
    given = {} if weight is None else {"sample_weight": weight}
    return clone(model).fit(X, changed, **given)


def assert_flips(found, model, X, y, x, weight=None):
    """By scikit-learn's own fits with the other labels, and without any one of them not."""
    assert found.found
    rows, labels = found.positions, found.labels_after
    assert (found.labels_before == y[rows]).all()
    assert refit(model, X, y, rows, labels, weight).predict(x)[0] == found.new_label
    assert found.new_label != found.label
    for one in range(len(rows) if len(rows) > 1 else 0):
        fewer, others = np.delete(rows, one), np.delete(labels, one)
        assert refit(model, X, y, fewer, others, weight).predict(x)[0] == found.label


@with_every_model
def test_small_sets_are_as_small_as_those_of_exhaustive_search(model):
    X, y = small_problem()
    if isinstance(model, LogisticRegression):
        model = clone(model).set_params(solver="newton-cholesky")
    explainer = RelatIFExplainer(model).fit(X, y)
    distance = np.abs(explainer.decision_function(X))
    sizes = []
    for query in np.argsort(distance)[[0, 5, 8, -1]]:
        x = X[[query]]
        before = clone(model).fit(X, y).predict(x)[0]
        sizes.append(0)
        for size in (1, 2):
            sets = (list(rows) for rows in combinations(range(len(y)), size))
            if any(refit(model, X, y, r, 1 - y[r]).predict(x)[0] != before for r in sets):
                sizes[-1] = size
                break
        assert explainer.flip_set(x, max_size=2, edit="relabel").size == sizes[-1]
    assert {1, 2} <= set(sizes)


@pytest.mark.parametrize(
    "model",
    [*MODELS.values(), OneVsRestClassifier(MODELS["logistic"])],
    ids=[*MODELS, "one vs rest"],
)
def test_the_flip_is_that_of_a_refit_and_needs_every_row(model):
    X, y = load_iris(return_X_y=True)
    explainer = RelatIFExplainer(model).fit(X, y)
    for query in (77, 119, 50):
        found = explainer.flip_set(X[[query]], edit="relabel")
        assert_flips(found, model, X, y, X[[query]])


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.5}])
def test_rows_count_what_their_new_class_does(class_weight):
    X, y = small_problem(80)
    y[:30] = 0
    weight = None
    if class_weight != "balanced":  # Which releases balance differently.
        weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = clone(MODELS["logistic"]).set_params(class_weight=class_weight).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    by_class = class_weight
    if class_weight == "balanced":  # By the labels as they are.
        by_class = dict(enumerate(len(y) / (2 * np.bincount(y))))
    held = clone(model).set_params(class_weight=by_class)
    query = X[[np.abs(model.decision_function(X)).argsort()[5]]]
    found = explainer.flip_set(query, edit="relabel")
    assert_flips(found, held, X, y, query, weight)
    after = refit(held, X, y, found.positions, found.labels_after, weight).predict_proba(query)
    assert found.probability_after == pytest.approx(after[0, found.label], abs=1e-7)


def test_probabilities_before_after_and_one_step_on():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    model = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    query = X[[np.abs(model.decision_function(X)).argsort()[3]]]
    found = RelatIFExplainer.from_fitted(model, X, y).flip_set(query, edit="relabel")
    other = refit(model, X, y, found.positions, found.labels_after)
    before, after = (fit.predict_proba(query)[0, found.label] for fit in (model, other))
    assert found.probability_before == pytest.approx(before, abs=1e-9)
    assert found.probability_after == pytest.approx(after, abs=1e-9)
    features, probability = np.column_stack([X, np.ones(len(X))]), model.predict_proba(X)[:, 1]
    bend = probability * (1 - probability)
    hessian = features.T @ (bend[:, None] * features) + np.diag([1.0] * 30 + [0.0])
    change = features[found.positions].T @ (found.labels_after - found.labels_before)
    moved = np.append(query[0], 1) @ np.linalg.solve(hessian, change)
    step = 1 / (1 + np.exp(-model.decision_function(query)[0] - moved))
    assert found.probability_predicted == pytest.approx([1 - step, step][found.label], abs=1e-9)


def test_penalties_that_hold_parameters_at_zero():
    X, y = small_problem(60)
    model = l1_model("saga", 1.0, C=0.3, tol=1e-10, max_iter=10**5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Releases name this penalty differently.
        fitted = model.fit(X, y)
        query = X[[np.abs(fitted.decision_function(X)).argsort()[4]]]
        found = RelatIFExplainer.from_fitted(fitted, X, y).flip_set(query, edit="relabel")
        assert_flips(found, model, X, y, query)


def test_pipelines_thresholds_and_names():
    pd = pytest.importorskip("pandas")
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X.index = y.index = [f"patient {i}" for i in range(len(y))]
    scaled = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-10, max_iter=1000))
    model = FixedThresholdClassifier(scaled, threshold=0.8)
    explainer = RelatIFExplainer(model).fit(X, y)
    close = np.abs(explainer.predict_proba(X)[:, 1] - 0.8).argsort()[0]
    found = explainer.flip_set(X.iloc[[close]], edit="relabel")
    assert found.rows[0] == f"patient {found.positions[0]}"
    changed = pd.Series(y.to_numpy().copy(), index=y.index)
    changed[found.rows] = found.labels_after
    other = clone(model).fit(X, changed)
    assert other.predict(X.iloc[[close]])[0] == found.new_label


def test_a_penalty_that_counts_rows():
    X, y = small_problem(100)
    model = SGDClassifier("log_loss", alpha=0.02, random_state=0, tol=None, max_iter=300).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = RelatIFExplainer.from_fitted(model, X, y)
        query = X[[np.abs(model.decision_function(X)).argsort()[20]]]
        found = explainer.flip_set(query, edit="relabel")
    held = LogisticRegression(C=1 / (0.02 * len(y)), solver="newton-cholesky", tol=1e-12)
    assert_flips(found, held, X, y, query)


def test_no_class_loses_its_last_row():
    X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    y = np.array([0, 1, 1, 1, 1])
    found = RelatIFExplainer(LogisticRegression(C=100)).fit(X, y).flip_set(X[[0]], edit="relabel")
    assert 0 not in found.positions


def test_what_it_says():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, names)
    found = explainer.flip_set(X[[77]], edit="relabel")
    assert str(found) == (
        "With other labels of 1 training row (131: virginica to versicolor) the model predicts "
        "versicolor in place of virginica, whose probability falls from 0.518 to 0.428."
    )
    html = found._repr_html_()
    assert "would have to be" in html
    assert "retrain_without" not in html
    none = explainer.flip_set(X[[0]], max_size=1, edit="relabel")
    assert not none.found
    assert re.match("No set of at most 1 training row was found whose change of label", str(none))
    assert none.labels_after.size == 0


def test_what_cannot_be_is_refused():
    X, y = small_problem()
    with pytest.raises(ValueError, match="edit must be one of"):
        RelatIFExplainer(LogisticRegression()).fit(X, y).flip_set(X[[0]], edit="add")
    with pytest.raises(TypeError, match="predicts no label"):
        RelatIFExplainer(Ridge()).fit(X, y.astype(float)).flip_set(X[[0]], edit="relabel")
    several = np.arange(len(y)) % 3
    for model in (SVC(), GaussianNB(), OneVsOneClassifier(LogisticRegression())):
        with pytest.raises(TypeError, match="has no flip sets of other labels"):
            RelatIFExplainer(model).fit(X, several).flip_set(X[[0]], edit="relabel")
    with pytest.raises(ValueError, match="one row to flip"):
        RelatIFExplainer(LogisticRegression()).fit(X, y).flip_set(X[:2], edit="relabel")
