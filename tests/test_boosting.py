"""GradientBoosting: leaf values from the rows, and the derivative in their weights."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of

from .boosting_checks import (
    check_influence,
    check_refits,
    check_replay,
    check_target_weights,
    reduced,
    weights_of,
)

DIABETES = load_diabetes(return_X_y=True)
CANCER = load_breast_cancer().data[:, :6], load_breast_cancer().target
IRIS = load_iris(return_X_y=True)
#: Of each kind of model, how it is made, and the rows that it is fitted on.
KINDS = {
    "binary": (GradientBoostingClassifier, CANCER, {}),
    "exponential": (GradientBoostingClassifier, CANCER, {"loss": "exponential"}),
    "several classes": (GradientBoostingClassifier, IRIS, {}),
    "squared_error": (GradientBoostingRegressor, DIABETES, {}),
}
OPTIONS = [
    {},
    {"init": "zero", "learning_rate": 0.5, "max_depth": 1},
    {"max_leaf_nodes": 5, "max_depth": None, "min_samples_leaf": 4},
    {"max_features": 0.3, "min_samples_split": 20, "min_weight_fraction_leaf": 0.05},
    {"min_impurity_decrease": 0.01},
    {"ccp_alpha": 0.01, "max_depth": 5},
    {"n_iter_no_change": 3, "random_state": 0},
    {"n_iter_no_change": 3, "random_state": np.int64(1), "validation_fraction": 0.3},
]


def kind_of(name, **options):
    model, (X, y), own = KINDS[name]
    return model(n_estimators=12, **own, **options), X, y


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_leaf_values_follow_from_the_rows(kind, options):
    model, X, y = kind_of(kind, **options)
    weight = weights_of(y)
    trees = check_replay(model.fit(X, y, weight), X, y, weight, closeness=1e-12)
    assert ((trees.weight == 0).sum() > 10) == ("n_iter_no_change" in options)
    assert_array_equal(trees.weight[trees.weight > 0], weight[trees.weight > 0])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_all_weigh_the_same(kind):
    model, X, y = kind_of(kind)
    assert (check_replay(model.fit(X, y), X, y, closeness=1e-12).weight == 1).all()


def test_pruned_trees_are_smaller():
    model, X, y = kind_of("squared_error", max_depth=5, ccp_alpha=50.0)
    pruned = check_replay(model.fit(X, y), X, y, closeness=1e-12)
    whole = check_replay(model.set_params(ccp_alpha=0.0).fit(X, y), X, y, closeness=1e-12)
    assert pruned.leaves.n_leaves < whole.leaves.n_leaves / 2


@pytest.mark.parametrize("criterion", ["friedman_mse", "squared_error"])
def test_the_criterion_of_splits_does_not_matter(criterion):
    model, X, y = kind_of("squared_error", criterion=criterion)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # newer releases have one criterion only
        model.fit(X, y)
    check_replay(model, X, y, closeness=1e-12)


def test_warm_start_on_the_same_rows():
    model, X, y = kind_of("binary", warm_start=True)
    model.fit(X, y).set_params(n_estimators=20).fit(X, y)
    check_replay(model, X, y, closeness=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_many_stages_that_fit_every_row(kind):
    model, X, y = kind_of(kind)
    model.set_params(n_estimators=120, max_depth=5).fit(X, y)
    check_replay(model, X, y, closeness=1e-9)


def test_sparse_rows():
    model, X, y = kind_of("squared_error")
    X = sparse.csr_array(X * (X > 0))
    model.fit(X, y)
    check_replay(model, X, y, closeness=1e-12)
    check_influence(model, X, y, X[:3], y[:3])


# --- refused -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "quantile"])
def test_leaves_that_hold_quantiles_are_refused(loss):
    model, X, y = kind_of("squared_error")
    model.set_params(loss=loss).fit(X, y)
    with pytest.raises(ValueError, match=f"loss='{loss}' cannot be explained.*'squared_error'"):
        RelatIFExplainer.from_fitted(model, X, y)


@pytest.mark.parametrize("init", [LogisticRegression(max_iter=5000), DummyClassifier()])
def test_another_init_is_refused(init):
    model, X, y = kind_of("binary", init=init)
    with pytest.raises(ValueError, match=r"init='zero'"):
        RelatIFExplainer.from_fitted(model.fit(X, y), X, y)


def test_rows_that_were_drawn_are_refused():
    model, X, y = kind_of("binary", subsample=0.5)
    with pytest.raises(ValueError, match=r"subsample=0.5 drew.*subsample=1.0"):
        RelatIFExplainer.from_fitted(model.fit(X, y), X, y)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_a_split_that_cannot_be_drawn_again_is_refused(random_state):
    model, X, y = kind_of("binary", n_iter_no_change=3, random_state=random_state)
    with pytest.raises(ValueError, match="a number as its random_state"):
        RelatIFExplainer.from_fitted(model.fit(X, y), X, y)


def test_warm_start_on_other_rows_is_refused():
    model, X, y = kind_of("squared_error", warm_start=True)
    model.fit(X, y).set_params(n_estimators=20).fit(X, y[::-1])
    with pytest.raises(ValueError, match="fit it at once"):
        reduced(model, X, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"n_iter_no_change": 3, "random_state": 0}], ids=str)
def test_other_labels_and_weights_are_refused(kind, options):
    model, X, y = kind_of(kind, **options)
    model.fit(X, y)
    other = y.copy()
    other[[0, -1]] = y[[-1, 0]]
    for labels, weight in ((other, None), (y, weights_of(y))):
        with pytest.raises(ValueError, match="do not follow from the rows, labels and weights"):
            reduced(model, X, labels, weight)


# --- the derivative --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options", [{}, {"init": "zero", "n_iter_no_change": 3, "random_state": 0}], ids=str
)
def test_influence_is_the_derivative_of_the_replay(kind, options):
    model, X, y = kind_of(kind, **options)
    weight = weights_of(y)
    model.fit(X, y, weight)
    check_influence(model, X, y, X[::60] * 1.1, y[::60], weight)


@pytest.mark.parametrize("kind", KINDS)
def test_replays_change_as_its_own_refits_do(kind):
    model, X, y = kind_of(kind, random_state=0)
    X = np.round(X / X.std(axis=0))  # few thresholds, which do not change with the weights
    model.set_params(n_estimators=5, max_depth=2, min_samples_leaf=20)
    assert check_refits(model, X, y, step=1e-3, closeness=1e-6) > 5


@pytest.mark.parametrize(
    "options",
    [{}, {"n_iter_no_change": 3, "random_state": 0}, {"n_estimators": 60, "max_depth": 5}],
    ids=str,
)
def test_predictions_are_weighted_sums_of_targets(options):
    model, X, y = kind_of("squared_error")
    weight = weights_of(y)
    model.set_params(**options).fit(X, y, weight)
    check_target_weights(model, X, y, X[::40] * 1.1, weight)


def test_refits_stop_where_the_fit_did():
    model, X, y = kind_of("squared_error", n_iter_no_change=3, random_state=0)
    model.set_params(n_estimators=200).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    removed, queries, labels = np.arange(len(y)) % 50 == 3, X[:3] + 0.01, y[:3]
    found = explainer.removal_effect(
        queries, labels, np.where(removed, "these", None), order="retrain"
    )
    left = (reduced(model, X, y).trees.weight > 0) & ~removed
    again = clone(model).set_params(n_iter_no_change=None, n_estimators=model.n_estimators_)
    losses = [
        (own.predict(queries) - labels) ** 2 / 2 for own in (model, again.fit(X[left], y[left]))
    ]
    assert_allclose(np.ravel(found), losses[1] - losses[0], rtol=1e-9)


# --- leaves ----------------------------------------------------------------------------------


def test_predictions_are_sums_of_the_values_of_leaves():
    model, X, y = kind_of("several classes")
    trees = reduced(model.fit(X, y), X, y).trees
    leaves = adapter_of(model).leaves_of(model, X[:7] * 1.2)
    assert_allclose(trees.predictors(leaves), model.decision_function(X[:7] * 1.2), rtol=1e-12)
