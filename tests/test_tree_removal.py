"""Models of trees without some rows: leaves filled again, and trees grown again."""

import warnings
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.explainers import study_of
from sklearn_relatif.trees import Estimation, boosted_without

from .slow_boosting import Boosted, Logistic, Softmax, Squared, replay

REMOVALS = [np.array([3]), np.array([50, 1, 7]), np.arange(20, 45), np.empty(0, np.intp)]
KINDS = ["squared", "log", "exponential", "softmax"]


def data_of(kind):
    """Training rows, and queries."""
    if kind == "squared":
        X, y = load_diabetes(return_X_y=True)
        y = y / y.std()
    elif kind == "softmax":
        X, y = load_iris(return_X_y=True)
    else:
        X, y = load_breast_cancer(return_X_y=True)
        X, y = X[:300:2], y[:300:2]
    order = np.random.default_rng(0).permutation(len(y))[:150]
    return X[order[:100]], y[order[:100]], X[order[100:]], y[order[100:]]


@cache
def boosted(kind, n_estimators=8):
    """An explainer of a boosted model, and its queries with their labels."""
    X, y, queries, labels = data_of(kind)
    options = {"n_estimators": n_estimators, "max_depth": 2, "random_state": 0}
    if kind == "squared":
        model = GradientBoostingRegressor(**options)
    else:
        loss = "exponential" if kind == "exponential" else "log_loss"
        model = GradientBoostingClassifier(loss=loss, **options)
    weight = np.random.default_rng(1).uniform(0.5, 2, len(y))
    explainer = RelatIFExplainer(model, criterion="influence", random_state=0, n_retrainings=12)
    return explainer.fit(X, y, sample_weight=weight), queries, labels


def groups_of(removals, n_rows=100):
    groups = np.full(n_rows, None)
    for number, rows in enumerate(removals):
        groups[rows] = number
    return groups


def own_loss(kind, y, eta):
    """The loss of queries, from predictors (n, n_outputs) of the trees."""
    if kind == "squared":
        return (eta[:, 0] - y) ** 2 / 2
    if kind == "softmax":
        return np.logaddexp.reduce(eta, axis=1) - eta[np.arange(len(y)), y]
    margin = (2 if kind == "exponential" else 1) * eta[:, 0]
    return np.logaddexp(0, margin * (1 - 2 * y))


# --- leaves filled again ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_recursions_side_by_side_are_those_one_after_the_other(kind):
    trees = study_of(boosted(kind)[0]).objective.trees
    # As little memory as leaves a block for each removal.
    for memory in (0.001, 100):
        with config_context(working_memory=memory):
            blocks = list(boosted_without(trees, REMOVALS))
        assert len(blocks) == (len(REMOVALS) if memory < 1 else 1)
        for some, models in blocks:
            for index, rows in enumerate(REMOVALS[some]):
                weight = trees.weight.copy()
                weight[rows] = 0
                expected = trees.resolved(weight)
                assert_allclose(models.start[:, index], expected.start, atol=1e-13)
                assert_allclose(models.values[:, index], expected.values, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_estimations_that_know_of_one_model_only(kind):
    trees = study_of(boosted(kind)[0]).objective.trees
    rng = np.random.default_rng(0)
    eta = rng.normal(size=(trees.n_outputs, trees.n_rows, 3))
    weight = rng.uniform(0, 2, (trees.n_rows, 3))
    own, stage = trees.estimation, trees.stage_trees[1]
    at_once = own.estimated_of_each(trees, stage, eta, weight)
    one_by_one = Estimation.estimated_of_each(own, trees, stage, eta, weight)
    for left, right in zip(at_once, one_by_one, strict=True):
        assert_allclose(left, right, atol=1e-13)


@pytest.mark.parametrize("kind", ["squared", "log", "softmax"])
def test_structure_is_what_another_recursion_tells(kind):
    explainer, queries, labels = boosted(kind)
    trees = study_of(explainer).objective.trees
    leaves = study_of(explainer).objective.leaves_of(queries)
    loss = {"squared": Squared(), "log": Logistic(), "softmax": Softmax(3)}[kind]
    slow = Boosted(
        loss,
        trees.y,
        trees.leaves.positions.astype(int),
        trees.outputs,
        trees.stages,
        np.full(len(trees.outputs), 0.1 * (2 / 3 if kind == "softmax" else 1)),
    )
    weights = np.repeat(trees.weight[None], 4, axis=0)
    for weight, rows in zip(weights, [*REMOVALS[:3], []], strict=True):
        weight[rows] = 0
    *after, before = replay(slow, weights, leaves.positions.astype(int))
    expected = [own_loss(kind, labels, one) - own_loss(kind, labels, before) for one in after]
    removals = [REMOVALS[0], REMOVALS[1], REMOVALS[2]]
    effect = explainer.removal_effect(queries, labels, groups_of(removals), order="structure")
    assert_allclose(effect, np.transpose(expected), atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_first_order_is_the_derivative_of_filling_again(kind):
    explainer, queries, labels = boosted(kind)
    objective = study_of(explainer).objective
    trees, leaves = objective.trees, objective.leaves_of(queries)

    def losses(weight):
        solved = trees.resolved(weight)
        eta = np.tile(solved.start, (leaves.n_rows, 1))
        for tree, output in enumerate(trees.outputs):
            eta[:, output] += leaves.own(solved.values, tree)[leaves.positions[tree]]
        return own_loss(kind, labels, eta)

    rows = REMOVALS[1]
    move = np.zeros(trees.n_rows)
    move[rows] = trees.weight[rows] * 1e-5
    slope = (losses(trees.weight - move) - losses(trees.weight + move)) / 2e-5
    effect = explainer.removal_effect(queries, labels, groups_of([rows]), order="first")
    assert_allclose(effect[:, 0], slope, atol=1e-7)
    each = explainer.removal_effect(queries, labels, order="first")
    assert_allclose(each[:, rows].sum(axis=1), slope, atol=1e-7)


def test_leaves_of_boosted_models_that_lose_all_rows_add_nothing():
    X, y = np.arange(12.0)[:, None], np.r_[np.zeros(6), np.ones(5), 9.0]
    model = GradientBoostingRegressor(n_estimators=1, max_depth=1, learning_rate=1, random_state=0)
    explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.predict(X[-1:])[0] == 9
    groups = [None] * 11 + ["last"]
    effect = explainer.removal_effect(X[-1:], y[-1:], groups, order="structure")
    assert_allclose(effect, [[(y[:-1].mean() - 9) ** 2 / 2]])


FORESTS = {
    "forest of classes": (RandomForestClassifier(6, random_state=0), "softmax"),
    "forest of numbers": (RandomForestRegressor(6, min_samples_leaf=3, random_state=0), "squared"),
    "balanced": (
        RandomForestClassifier(6, class_weight="balanced_subsample", max_depth=3, random_state=0),
        "log",
    ),
    "extra trees": (
        ExtraTreesRegressor(5, random_state=0, max_leaf_nodes=12),
        "squared",
    ),
    "several targets": (RandomForestRegressor(4, random_state=0), "several"),
    "tree": (DecisionTreeClassifier(max_depth=4, random_state=0, ccp_alpha=0.001), "softmax"),
    "tree with classes that weigh": (
        DecisionTreeClassifier(max_depth=4, random_state=0, class_weight={0: 2, 1: 1}),
        "log",
    ),
    "Poisson": (DecisionTreeRegressor(criterion="poisson", max_depth=3, random_state=0), "squared"),
}


@cache
def forest(name):
    """An explainer of trees, its training rows, and its queries."""
    model, kind = FORESTS[name]
    X, y, queries, labels = data_of("squared" if kind == "several" else kind)
    if kind == "several":
        y, labels = (np.column_stack([own, own**2]) for own in (y, labels))
    explainer = RelatIFExplainer(clone(model), criterion="influence", random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* in pure leaves")
        explainer.fit(X, y)
    return explainer, X, y, queries, labels


def trees_of(model):
    return vars(model).get("estimators_", [model])


def means_without(explainer, X, rows, queries):
    """Means of targets over trees, each at the deepest node of the query that keeps rows."""
    own = study_of(explainer).objective.forest
    total = np.zeros((len(queries), own.n_outputs))
    for number, tree in enumerate(trees_of(explainer.estimator_)):
        weight = own.weights.of(number).copy()
        weight[rows] = 0
        of_rows = tree.decision_path(X.astype(np.float32)).toarray().astype(bool)
        of_queries = tree.decision_path(queries.astype(np.float32)).toarray().astype(bool)
        for query, path in enumerate(of_queries):
            # Nodes are numbered downwards.
            for node in np.flatnonzero(path)[::-1]:
                left = weight * of_rows[:, node]
                if left.any():
                    total[query] += left @ own.y / left.sum()
                    break
    return total / len(trees_of(explainer.estimator_))


@pytest.mark.parametrize("name", FORESTS)
def test_filled_forests_are_means_of_the_rows_left(name):
    explainer, X, _, queries, labels = forest(name)
    study = study_of(explainer)
    loss, query = study.objective.loss, study.query(queries, labels)
    before = means_without(explainer, X, [], queries)
    assert_allclose(study.objective.predictor(query.jacobian), before, atol=1e-12)
    removals = REMOVALS[:3]
    effect = explainer.removal_effect(queries, labels, groups_of(removals), order="structure")
    for column, rows in zip(effect.T, removals, strict=True):
        after = means_without(explainer, X, rows, queries)
        expected = loss.value(query.y, after) - loss.value(query.y, before)
        assert_allclose(column, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["forest of classes", "several targets", "tree"])
def test_filled_forests_one_row_at_a_time(name):
    explainer, X, _, queries, labels = forest(name)
    with config_context(working_memory=0.02):
        each = explainer.removal_effect(queries, labels, order="structure")
    assert_allclose(each, explainer.removal_effect(queries, labels, order="structure"), atol=1e-15)
    study, some = study_of(explainer), [0, 40, 99]
    query = study.query(queries, labels)
    before = study.objective.predictor(query.jacobian)
    for row in some:
        after = means_without(explainer, X, [row], queries)
        loss = study.objective.loss
        expected = loss.value(query.y, after) - loss.value(query.y, before)
        assert_allclose(each[:, row], expected, atol=1e-12)


def test_a_tree_that_loses_all_that_it_has_drawn():
    X, y, queries, labels = data_of("softmax")
    model = RandomForestClassifier(5, max_samples=8, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* in pure leaves")
        explainer = RelatIFExplainer(model).fit(X, y)
    drawn = np.unique(explainer.estimator_.estimators_samples_[2])
    groups = groups_of([drawn])
    for order in ("structure", "retrain"):
        with pytest.raises(ValueError, match="a tree has no row left that it has drawn"):
            explainer.removal_effect(queries, labels, groups, order=order)


# --- trees grown again -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_boosted_models_grown_again_are_own_fits_of_the_rows_left(kind):
    explainer, queries, labels = boosted(kind)
    X, y, _, _ = data_of(kind)
    weight = study_of(explainer).objective.sample_weight
    removals = REMOVALS[:3]
    effect = explainer.removal_effect(queries, labels, groups_of(removals), order="retrain")
    models = explainer.retrain_without(removals)

    def losses(model):
        raw = model.predict if kind == "squared" else model.decision_function
        return own_loss(kind, labels, raw(queries).reshape(len(queries), -1))

    for column, rows, model in zip(effect.T, removals, models, strict=True):
        left = np.delete(np.arange(len(y)), rows)
        refit = clone(explainer.estimator_).fit(X[left], y[left], sample_weight=weight[left])
        assert_allclose(column, losses(refit) - losses(explainer.estimator_), atol=1e-8)
        assert_array_equal(model.predict(queries), refit.predict(queries))


@pytest.mark.parametrize("name", FORESTS)
def test_forests_grown_again_draw_what_they_drew(name):
    explainer, X, y, queries, labels = forest(name)
    model, own = explainer.estimator_, study_of(explainer).objective.forest
    study, removals = study_of(explainer), REMOVALS[:3]
    query, loss = study.query(queries, labels), study.objective.loss
    models = explainer.retrain_without([*removals, []])
    assert_array_equal(models[-1].predict(queries), model.predict(queries))
    before = loss.value(query.y, study.objective.predictor(query.jacobian))
    effect = explainer.removal_effect(queries, labels, groups_of(removals), order="retrain")
    for column, rows, grown in zip(effect.T, removals, models, strict=False):
        weighed = []
        for number, tree in enumerate(trees_of(model)):
            weight = own.weights.of(number).copy()
            weight[rows] = 0
            counts = weight > 0
            # Rows that are left out, in place of rows at weight 0.
            again = clone(tree)
            if "class_weight" in again.get_params():
                again.set_params(class_weight=None)
            again.fit(X[counts], y[counts], sample_weight=weight[counts])
            told = again.predict_proba if hasattr(again, "predict_proba") else again.predict
            weighed.append(told(queries).reshape(len(queries), -1))
        after = np.mean(weighed, axis=0)
        assert_allclose(column, loss.value(query.y, after) - before, atol=1e-12)
        told = grown.predict_proba if hasattr(grown, "predict_proba") else grown.predict
        assert_allclose(told(queries).reshape(after.shape), after, atol=1e-12)
