"""Models of trees without some rows: leaves filled again, and trees grown again."""

import pickle
import warnings
from functools import cache, partial

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
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.explainers import study_of
from sklearn_relatif.metrics import mislabel_detection, mislabel_rankings, retraining_fidelity
from sklearn_relatif.removal import _leaves
from sklearn_relatif.serving import ExplanationIndex
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


def test_shares_that_are_equal_without_a_row():
    X, y = np.repeat([0.0, 1.0], [3, 9])[:, None], np.repeat([0, 1], [2, 10])
    explainer = RelatIFExplainer(DecisionTreeClassifier(max_depth=1)).fit(X, y)
    # Of a zero and a one that are left, the first is predicted.
    assert_array_equal(explainer.loo_predict()[:3], [0, 0, 0])
    effect = explainer.removal_effect_on("accuracy", X[:1], y[:1], order="structure")
    assert not effect.any()


@pytest.mark.parametrize("model", [DecisionTreeRegressor, RandomForestRegressor])
def test_counts_that_are_all_zero_without_a_row(model):
    """Rounding neither makes the mean a little more than 0 nor a little less."""
    X, y = np.repeat([0.0, 1.0], [9, 30])[:, None], np.zeros(39)
    y[[2, 4, 6]], y[9:] = [1, 3, 2], 20
    options = {} if model is DecisionTreeRegressor else {"n_estimators": 3, "bootstrap": False}
    trees = model(criterion="poisson", max_depth=1, random_state=0, **options)
    weight = np.random.default_rng(0).uniform(0.1, 3, 39)
    explainer = RelatIFExplainer(trees).fit(X, y, weight)
    gone = groups_of([np.array([2, 4, 6])], len(y))
    effect = explainer.removal_effect(X[[0, 0, 9]], [1.0, 0.0, 1.0], gone, order="structure")
    mean = explainer.predict(X[:1])[0]
    assert_allclose(effect[:, 0], [np.inf, -mean, 0], atol=1e-12)


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


def hist(**options):
    return HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=5, **options)


def test_what_a_fit_has_chosen_is_held():
    X, y, queries, _ = data_of("log")
    model = hist(early_stopping=True, n_iter_no_change=2, random_state=0, learning_rate=0.8)
    explainer = RelatIFExplainer(model.set_params(max_iter=50)).fit(X, y)
    objective = study_of(explainer).objective
    fit, kept = explainer.estimator_, objective.refits.grown_from
    assert fit.n_iter_ < 50
    assert len(kept) == 90
    # A row that was held out, and one that was not.
    held_out = np.setdiff1d(np.arange(100), kept)[0]
    grown, same = explainer.retrain_without([kept[0], held_out])
    assert_allclose(same.predict_proba(queries), fit.predict_proba(queries))
    refit = hist(learning_rate=0.8).set_params(max_iter=fit.n_iter_)
    refit.fit(X[kept[1:]], y[kept[1:]])
    assert_allclose(grown.predict_proba(queries), refit.predict_proba(queries))
    boosting = GradientBoostingClassifier(n_iter_no_change=1, random_state=0, n_estimators=40)
    explainer = RelatIFExplainer(boosting).fit(X, y)
    (same,) = explainer.retrain_without([[]])
    assert_array_equal(same.predict_proba(X), explainer.estimator_.predict_proba(X))
    assert same.n_iter_no_change is None


def test_balanced_classes_keep_their_weights():
    X, y, queries, _ = data_of("log")
    explainer = RelatIFExplainer(hist(class_weight="balanced")).fit(X, y)
    counts = np.bincount(y)
    weight = len(y) / 2 / counts[y]
    (grown,) = explainer.retrain_without([REMOVALS[2]])
    left = np.delete(np.arange(100), REMOVALS[2])
    refit = hist().fit(X[left], y[left], sample_weight=weight[left])
    assert_array_equal(grown.predict_proba(queries), refit.predict_proba(queries))
    with pytest.raises(TypeError, match="Classes of other rows would be balanced otherwise"):
        explainer.without([0])
    tree = DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=0)
    explainer = RelatIFExplainer(tree).fit(X, y)
    (grown,) = explainer.retrain_without([REMOVALS[2]])
    refit = clone(tree).set_params(class_weight=None)
    refit.fit(X[left], y[left], sample_weight=weight[left])
    assert_allclose(grown.predict_proba(queries), refit.predict_proba(queries))


@pytest.mark.parametrize("name", ["boosting", "tree", "tree with classes that weigh"])
@pytest.mark.filterwarnings("ignore:.* in pure leaves")
def test_explainers_rid_of_rows_explain_the_models_grown_again(name):
    explainer = boosted("log")[0] if name == "boosting" else forest(name)[0]
    X, y, queries, labels = data_of("softmax" if name == "tree" else "log")
    other = explainer.without(REMOVALS[2])
    left = np.delete(np.arange(100), REMOVALS[2])
    weight = study_of(explainer).training_data.sample_weight
    weight = {} if weight is None else {"sample_weight": weight[left]}
    refit = RelatIFExplainer(explainer.estimator, criterion="influence")
    refit.fit(X[left], y[left], **weight)
    expected = refit.pairwise_influence(queries, labels)
    assert_allclose(other.pairwise_influence(queries, labels), expected, atol=1e-9)


def test_draws_that_no_number_tells():
    X, y, queries, labels = data_of("log")
    for model in (
        GradientBoostingClassifier(n_estimators=2),
        GradientBoostingClassifier(n_estimators=2, random_state=np.random.RandomState(0)),
        DecisionTreeClassifier(max_depth=2),
        hist(max_features=0.5),
    ):
        explainer = RelatIFExplainer(model).fit(X, y)
        explainer.removal_effect(queries, labels, groups_of([[0]]), order="structure")
        for ask in (
            partial(explainer.removal_effect, queries, labels, groups_of([[0]]), order="retrain"),
            partial(explainer.retrain_without, [0]),
        ):
            with pytest.raises(ValueError, match=r"its random_state is .* number as random_state"):
                ask()
    # Nothing is drawn, or trees have numbers of their own.
    drawn = np.random.RandomState(0)
    for model in (hist(), RandomForestClassifier(3, min_samples_leaf=9, random_state=drawn)):
        explainer = RelatIFExplainer(model).fit(X, y)
        (same,) = explainer.retrain_without([[]])
        assert_array_equal(same.predict_proba(X), explainer.estimator_.predict_proba(X))


def test_models_that_are_not_grown_again_as_they_were():
    X, y, queries, labels = data_of("log")
    model = GradientBoostingClassifier(n_estimators=3, random_state=0, max_depth=1).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model.set_params(max_depth=3), X, y)
    with pytest.warns(UserWarning, match="Grown again from all of the rows, the model moves"):
        explainer.removal_effect(queries, labels, groups_of([[0]]), order="retrain")


# --- what is asked of them -------------------------------------------------------------------


@pytest.mark.parametrize("order", ["first", "structure", "retrain"])
def test_metrics(order):
    explainer, queries, labels = boosted("log")
    study, groups = study_of(explainer), groups_of(REMOVALS[:2])

    def gap(scores):
        sign = np.where(labels == 1, 1.0, -1.0)
        return sign @ scores**2, 2 * sign * scores

    by_name = explainer.removal_effect_on("log_loss", queries, labels, groups, order=order)
    each = explainer.removal_effect(queries, labels, groups, order=order)
    assert_allclose(by_name, each.mean(axis=0), atol=1e-12)
    found = explainer.removal_effect_on(gap, queries, None, groups, order=order)
    query = study.query(queries, labels)
    before = study.objective.predictor(query.jacobian)[:, 0]
    if order == "first":
        up = explainer.removal_effect(queries, np.ones(len(labels), int), groups, order=order)
        # The loss of a label of 1 falls by its probability of 0 times what scores rise by.
        moved = -up * (1 + np.exp(before))[:, None]
        assert_allclose(found, gap(before)[1] @ moved, atol=1e-10)
    else:
        batches = study.remover.models_without(REMOVALS[:2], order)
        after = np.hstack([models.predictors(query)[:, :, 0] for models in batches]).T
        assert_allclose(found, [gap(own)[0] - gap(before)[0] for own in after], atol=1e-10)


@pytest.mark.parametrize("name", ["forest of classes", "balanced", "tree with classes that weigh"])
def test_slopes_of_metrics_of_forests(name):
    explainer, _, _, queries, labels = forest(name)
    study = study_of(explainer)
    rows, step = REMOVALS[2], 1e-6
    objective, query = study.objective, study.query(queries, labels)
    eta = objective.predictor(query.jacobian)
    # Their first order is that of each probability, which its own loss tells.
    moved, classes = np.zeros_like(eta), objective.loss.n_outputs
    for label in range(classes):
        asked = explainer.estimator_.classes_[np.full(len(eta), label)]
        told = explainer.removal_effect(queries, asked, groups_of([rows]), order="first")[:, 0]
        moved[:, label] = told
    # d loss_c = sum_k (p_k - [k = c]) d p_k, and two of these differ by d p.
    moved = moved.mean(axis=1, keepdims=True) - moved
    told = {"brier": 1 if classes > 2 else 2, "mean_loss": 2}
    for metric, divisor in told.items():
        indicator = np.eye(classes)[query.y]
        ends = [
            np.square(eta + sign * step * moved - indicator).sum(axis=1).mean() / divisor
            for sign in (1, -1)
        ]
        slope = explainer.removal_effect_on(
            metric, queries, labels, groups_of([rows]), order="first"
        )
        assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), atol=1e-8)
    p = eta[np.arange(len(eta)), query.y]
    asked = queries[p > 0], labels[p > 0], groups_of([rows])
    slope = explainer.removal_effect_on("log_loss", *asked, order="first")
    change = -moved[np.arange(len(eta)), query.y][p > 0] / p[p > 0]
    assert_allclose(slope, change.mean(), atol=1e-10)


def test_log_losses_of_labels_that_no_tree_has_seen():
    X, y = np.repeat([0.0, 1.0], 6)[:, None], np.repeat([0, 1, 1], [6, 1, 5])
    y[9] = 0
    explainer = RelatIFExplainer(DecisionTreeClassifier(max_depth=1, random_state=0)).fit(X, y)
    for order, reason in [("first", "1 of the rows have labels of"), ("structure", "is infinite")]:
        with pytest.raises(ValueError, match=reason):
            explainer.removal_effect_on("log_loss", X[5:7], [1, 1], order=order)
    groups = groups_of([[9]], 12)
    effect = explainer.removal_effect_on("log_loss", X[9:10], [0], groups, order="structure")
    assert_array_equal(effect, [np.inf])


@pytest.mark.parametrize("kind", ["log", "forest"])
def test_statistics(kind):
    if kind == "log":
        explainer, queries, labels = boosted("log")
    else:
        explainer, _, _, queries, labels = forest("forest of classes")
    study, removals = study_of(explainer), REMOVALS[:2]
    objective = study.objective
    found = explainer.removal_statistics(removals, queries, labels, truth="structure")
    effect = explainer.removal_effect(queries, labels, groups_of(removals), order="structure")
    assert_allclose(found.loss_change, effect, atol=1e-12)
    X = study.training_data.features
    for order in ("structure", "retrain"):
        told = explainer.removal_statistics(removals, queries, labels, truth=order)
        losses = explainer.removal_effect(
            X, study.training_rows.labels, groups_of(removals), order=order
        )
        expected = np.sqrt(objective.sample_weight @ losses**2)
        assert_allclose(told.training_change, expected, atol=1e-10)
        assert np.isnan(told.parameter_change).all() == (order == "retrain")
    for rows, change in zip(removals, found.parameter_change, strict=True):
        if kind == "log":
            trees, weight = objective.trees, objective.trees.weight.copy()
            weight[rows] = 0
            solved, before = trees.resolved(weight), trees.solved
            moved = np.r_[solved.start - before.start, solved.values - before.values]
        else:
            (models,) = study.remover.models_without([rows], "structure")
            own = models.without
            moved = own.values - own.forest.values[own.leaf]
        assert_allclose(change, np.linalg.norm(moved), rtol=1e-10)


def test_fidelity():
    explainer, queries, labels = boosted("log")
    truth = partial(explainer.estimate_and_truth, queries, labels)
    assert_allclose(*truth(order="structure", truth="structure"))
    _, own = truth(truth="structure")
    assert_allclose(own, truth(order="first", truth="structure")[1])
    assert retraining_fidelity(explainer, queries, labels, truth="structure") > 0.8
    assert np.isfinite(explainer.score(queries, labels))
    relative = RelatIFExplainer.from_fitted(
        explainer.estimator_,
        *data_of("log")[:2],
        sample_weight=study_of(explainer).objective.sample_weight,
        criterion="theta_relative",
        n_retrainings=6,
        random_state=0,
    )
    assert retraining_fidelity(relative, queries, labels, truth="structure") > 0.9
    with pytest.raises(ValueError, match=r"Theta-relative .* Use truth='structure'"):
        relative.score(queries, labels)
    relative.criterion = "loss_relative"
    assert retraining_fidelity(relative, queries, labels, truth="structure") > 0.9
    assert np.isfinite(relative.score(queries, labels))
    forests = forest("forest of numbers")
    assert retraining_fidelity(forests[0], *forests[3:], truth="structure") > 0.9


def test_displays_of_fidelity():
    pytest.importorskip("matplotlib").use("Agg")
    from sklearn_relatif.plotting import RemovalFidelityDisplay

    explainer, queries, labels = boosted("log")
    draw = partial(RemovalFidelityDisplay.from_estimator, explainer, queries, labels)
    axes = draw(order="structure").ax_
    assert axes.get_xlabel() == "predicted: change of the loss, structure held"
    assert axes.get_ylabel() == "retrained: change of the loss"
    held = draw(order="first", truth="structure").ax_
    assert held.get_ylabel() == "structure held: change of the loss"


def test_predictions_of_each_row_without_it(monkeypatch):
    for explainer, X in (
        (boosted("log")[0], data_of("log")[0]),
        (forest("forest of classes")[0], data_of("softmax")[0]),
    ):
        study, some = study_of(explainer), [0, 17, 60]
        probabilities = explainer.loo_proba()
        for row in some:
            (models,) = study.remover.models_without([np.array([row])], "structure")
            query = study.query(X[[row]])
            expected = study.objective.loss.probabilities(models.predictors(query)[:, 0])
            assert_allclose(probabilities[[row]], expected, atol=1e-12)
        told = explainer.classes_[probabilities.argmax(axis=1)]
        assert_array_equal(explainer.loo_predict(), told)
        assert "loo_probability" in mislabel_rankings(explainer)
    explainer = forest("several targets")[0]
    assert explainer.loo_predict().shape == (100, 2)
    monkeypatch.setattr(_leaves, "MAX_VISITS", 1e4)
    explainer = boosted("log")[0]
    with pytest.raises(ValueError, match=r"once for each of them, 8e\+04 visits in all"):
        explainer.loo_proba()
    assert sorted(mislabel_rankings(explainer)) == ["loss", "self_influence"]


def test_label_errors_are_found():
    X, y, _, _ = data_of("softmax")
    model = GradientBoostingClassifier(n_estimators=5, max_depth=2, random_state=0)
    for ranking in ("loo_probability", "loss"):
        found = mislabel_detection(RelatIFExplainer(model), X, y, ranking=ranking, noise=0.1)
        assert found > 0.5


def test_rankings_need_labels_and_probabilities():
    with pytest.raises(TypeError, match="RandomForestRegressor tells no probabilities of one"):
        mislabel_rankings(forest("forest of numbers")[0])


@pytest.mark.filterwarnings("ignore:.* in pure leaves")
def test_what_is_told_of_removed_rows():
    explainer, *_ = forest("tree with classes that weigh")
    told = str(explainer.without([0, 1]).removed_)
    assert "by its own fit. Where it has an optimum, distance_to_optimum_ tells" in told


def test_everything_that_fit_does():
    X, y, queries, labels = data_of("log")
    model = GradientBoostingClassifier(n_estimators=3, random_state=0)
    search = GridSearchCV(model, {"max_depth": [1, 2]}, cv=2)
    explainer = RelatIFExplainer(make_pipeline(StandardScaler(), search)).fit(X, y)
    groups = groups_of([REMOVALS[2]])
    effect, parts = explainer.removal_effect(
        queries, labels, groups, order="retrain", procedure="all", return_parts=True
    )
    left = np.delete(np.arange(100), REMOVALS[2])
    refit = clone(explainer.estimator).fit(X[left], y[left])
    losses = [
        own_loss("log", labels, fit.decision_function(queries)[:, None])
        for fit in (refit, explainer.estimator_)
    ]
    assert_allclose(effect[:, 0], losses[0] - losses[1], atol=1e-10)
    assert parts.chosen == {"gridsearchcv__max_depth": 2}
    own = explainer.removal_effect(queries, labels, groups, order="retrain")
    assert_allclose(parts.model, own, atol=1e-12)
    (whole,) = explainer.retrain_without([REMOVALS[2]], procedure="all")
    assert_array_equal(whole.predict_proba(queries), refit.predict_proba(queries))
    for order in ("first", "newton", "structure"):
        with pytest.raises(ValueError, match="procedure='all' use order='retrain'"):
            explainer.removal_effect(queries, labels, groups, order=order, procedure="all")


def test_saved_explainers():
    explainer, queries, labels = boosted("log")
    loaded = pickle.loads(pickle.dumps(explainer))
    for order in ("structure", "retrain"):
        effects = [
            own.removal_effect(queries, labels, groups_of([[3]]), order=order)
            for own in (explainer, loaded)
        ]
        assert_array_equal(*effects)


# --- what there is not -----------------------------------------------------------------------


@pytest.mark.parametrize("order", ["newton", "auto", "pbrf"])
def test_orders_of_models_with_an_optimum(order):
    explainer, queries, labels = boosted("log")
    for ask in (explainer.removal_effect, partial(explainer.removal_effect_on, "log_loss")):
        with pytest.raises(ValueError, match=f"order='{order}' is of models with an optimum"):
            ask(queries, labels, order=order)
    if order == "pbrf":
        with pytest.raises(ValueError, match="order='pbrf' is of models with an optimum"):
            explainer.removal_statistics([0], queries, truth="pbrf")


def test_bounds():
    explainer, queries, labels = boosted("log")
    groups = groups_of([[3]])
    ask = partial(explainer.removal_effect, queries, labels, groups, return_bounds=True)
    with pytest.raises(ValueError, match=r"no bounds .* models with the structure of their trees"):
        ask(order="structure")
    with pytest.warns(UserWarning, match="There are no bounds"):
        effect, bounds = ask(order="retrain")
    assert np.isnan(bounds).all()
    assert_array_equal(effect, explainer.removal_effect(queries, labels, groups, order="retrain"))


@pytest.mark.parametrize("model", [LogisticRegression(), SVC(kernel="linear"), MLPClassifier(3)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*optimum")
def test_models_that_have_no_structure(model):
    X, y = load_iris(return_X_y=True)
    X, y = X[:100:2], y[:100:2]
    explainer = RelatIFExplainer(model, curvature="gauss_newton", damping=0.1).fit(X, y)
    for ask in (
        partial(explainer.removal_effect, X, y, order="structure"),
        partial(explainer.removal_statistics, [0], X, truth="structure"),
    ):
        with pytest.raises(ValueError, match="and this is no model of trees"):
            ask()


def test_removals_that_leave_no_rows_or_classes():
    explainer, queries, labels = boosted("log")
    y = data_of("log")[1]
    for order in ("structure", "retrain"):
        with pytest.raises(ValueError, match="no row of the classes"):
            groups = groups_of([np.flatnonzero(y == 1)])
            explainer.removal_effect(queries, labels, groups, order=order)
        with pytest.raises(ValueError, match="none is left"):
            regression, *query = boosted("squared")
            regression.removal_effect(*query, np.zeros(100), order=order)


REFUSED = {
    "fragility": (lambda own, X: own.fragility("log_loss"), TypeError, "has no fragile sets"),
    "flip_set": (lambda own, X: own.flip_set(X[:1]), TypeError, "has no flip sets"),
    "labels": (lambda own, X: own.flip_set(X[:1], edit="relabel"), TypeError, "of trees"),
    "stability": (lambda own, X: own.explain(X[:2]).stability(), ValueError, "stability is of"),
    "compact": (lambda own, X: own.compact(), ValueError, "is of trees"),
    "transform": (lambda own, X: own.transform(X), AttributeError, "transform"),
    "diagnostics": (lambda own, X: own.diagnostics(), TypeError, r"\. self_influence_ tells"),
    "leverage": (lambda own, X: own.leverage_, AttributeError, "has no leverage_"),
    "distance": (lambda own, X: own.distance_to_optimum_, AttributeError, "are grown"),
    "serving": (lambda own, X: ExplanationIndex(own), AttributeError, "transform"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kind", ["boosting", "forest"])
def test_what_models_of_trees_have_not(name, kind):
    if kind == "boosting":
        explainer, queries, _ = boosted("log")
    else:
        explainer, _, _, queries, _ = forest("forest of classes")
    ask, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        ask(explainer, queries)


def test_forests_that_drew_rows_cannot_be_rid_of_them():
    with pytest.raises(TypeError, match="cannot be rid of rows"):
        forest("forest of classes")[0].without([0])


# --- libraries -------------------------------------------------------------------------------

LIBRARIES = {
    "lightgbm.LGBMClassifier": ({"num_iterations": 40, "verbosity": -1, "n_jobs": 1}, {}),
    "xgboost.XGBClassifier": (
        {"n_estimators": 40, "early_stopping_rounds": 2, "n_jobs": 1},
        {"verbose": False},
    ),
    "catboost.CatBoostClassifier": (
        {"num_trees": 40, "verbose": 0, "allow_writing_files": False, "thread_count": 1},
        {"early_stopping_rounds": 2},
    ),
}


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.filterwarnings("ignore:.*eval_set", "ignore:Found .num_iterations.")
def test_libraries(name):
    library, kind = name.split(".")
    kind = getattr(pytest.importorskip(library), kind)
    X, y, queries, labels = data_of("log")
    options, passed = LIBRARIES[name]
    if library == "lightgbm":
        passed = {"callbacks": [pytest.importorskip(library).early_stopping(2, verbose=False)]}
    model = kind(**options, learning_rate=0.5, max_depth=3)
    model.fit(X[:80], y[:80], eval_set=[(X[80:], y[80:])], **passed)
    n_trees = study_of(RelatIFExplainer.from_fitted(model, X[:80], y[:80])).objective.trees.stages
    assert len(n_trees) < 40
    explainer = RelatIFExplainer.from_fitted(model, X[:80], y[:80], criterion="influence")
    groups = groups_of([[3], [5, 6]], 80)
    for order in ("first", "structure", "retrain"):
        effect = explainer.removal_effect(queries, labels, groups, order=order)
        assert np.isfinite(effect).all()
    (grown,) = explainer.retrain_without([[5, 6]])
    left = np.delete(np.arange(80), [5, 6])
    rounds = "n_estimators" if library == "xgboost" else next(iter(options))
    params = {**options, rounds: len(n_trees), "learning_rate": 0.5, "max_depth": 3}
    params.pop("early_stopping_rounds", None)
    refit = kind(**params).fit(X[left], y[left])
    assert_allclose(grown.predict_proba(queries), refit.predict_proba(queries), atol=1e-6)
    losses = [
        -np.log(fit.predict_proba(queries)[np.arange(len(labels)), labels])
        for fit in (refit, model)
    ]
    assert_allclose(effect[:, 1], losses[0] - losses[1], atol=1e-4)
