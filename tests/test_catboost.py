"""CatBoost: its leaf values given again, and their derivatives against its own fits."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import log_softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from tests import cases

catboost = pytest.importorskip("catboost")

COLUMNS = [2, 8]
N_QUERIES = 5
SMALL = {
    "iterations": 8,
    "depth": 3,
    "learning_rate": 0.3,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
}


def table(loader, every):
    """Rows to fit on and queries, with some labels of classes that no leaf explains."""
    X, y = loader(return_X_y=True)
    if loader is not load_diabetes:
        y[::7] = y[::-7]
    return X[::every], y[::every], X[1::every][:N_QUERIES], y[1::every][:N_QUERIES]


TABLES = {
    "Logloss": table(load_breast_cancer, 4),
    "CrossEntropy": table(load_breast_cancer, 4),
    "MultiClass": table(load_wine, 2),
    "RMSE": table(load_diabetes, 4),
    "Poisson": table(load_diabetes, 4),
}
#: Name of a test: loss, and parameters.
MODELS = {
    "logloss": ("Logloss", {}),
    "logloss, automatic rate": ("Logloss", {"learning_rate": None, "iterations": 9}),
    "logloss, digits": ("Logloss", {"learning_rate": 0.2345678912, "l2_leaf_reg": 1.2345678912}),
    "logloss, one step": ("Logloss", {"leaf_estimation_iterations": 1}),
    "logloss, gradient": (
        "Logloss",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 4},
    ),
    "logloss, one gradient": (
        "Logloss",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 1},
    ),
    "logloss, no backtracking": ("Logloss", {"leaf_estimation_backtracking": "No"}),
    "logloss, halved steps": ("Logloss", {"l2_leaf_reg": 0.0, "iterations": 3}),
    "logloss, from the mean": ("Logloss", {"boost_from_average": True}),
    "logloss, ordered": ("Logloss", {"boosting_type": "Ordered"}),
    "logloss, by depth": ("Logloss", {"grow_policy": "Depthwise", "min_data_in_leaf": 5}),
    "logloss, by loss": ("Logloss", {"grow_policy": "Lossguide", "max_leaves": 6}),
    "logloss, Bayesian": ("Logloss", {"bootstrap_type": "Bayesian", "bagging_temperature": 2}),
    "logloss, Bernoulli": ("Logloss", {"bootstrap_type": "Bernoulli", "subsample": 0.5}),
    "logloss, MVS": ("Logloss", {"bootstrap_type": "MVS", "subsample": 0.3}),
    "logloss, no bootstrap": (
        "Logloss",
        {"bootstrap_type": "No", "random_strength": 9, "rsm": 0.5},
    ),
    "logloss, classes": ("Logloss", {"class_weights": {0: 1.0, 1: 2.3}}),
    "logloss, positives": ("Logloss", {"scale_pos_weight": 2.3}),
    "logloss, balanced": ("Logloss", {"auto_class_weights": "Balanced"}),
    "logloss, nearly balanced": ("Logloss", {"auto_class_weights": "SqrtBalanced"}),
    "logloss, no fall": ("Logloss", {"monotone_constraints": [0] * 30}),
    "logloss, few borders": ("Logloss", {"border_count": 8, "feature_border_type": "Median"}),
    "cross-entropy": ("CrossEntropy", {}),
    "softmax": ("MultiClass", {}),
    "softmax, several steps": ("MultiClass", {"leaf_estimation_iterations": 4}),
    "softmax, gradient": ("MultiClass", {"leaf_estimation_method": "Gradient"}),
    "softmax, gradients": (
        "MultiClass",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 4},
    ),
    "softmax, balanced": ("MultiClass", {"auto_class_weights": "Balanced"}),
    "softmax, by depth": ("MultiClass", {"grow_policy": "Depthwise"}),
    "squared": ("RMSE", {}),
    "squared, from 0": ("RMSE", {"boost_from_average": False}),
    "squared, gradients": (
        "RMSE",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 3},
    ),
    "squared, ordered": ("RMSE", {"boosting_type": "Ordered", "grow_policy": "SymmetricTree"}),
    "Poisson": ("Poisson", {}),
    "Poisson, gradient": ("Poisson", {"leaf_estimation_method": "Gradient", "learning_rate": 0.01}),
    "Poisson, several steps": (
        "Poisson",
        {"leaf_estimation_iterations": 6, "l2_leaf_reg": 0.1, "leaf_estimation_method": "Newton"},
    ),
}
#: Models that are fitted again with other weights.
OWN_FITS = {
    "logloss": ("Logloss", {}),
    "logloss, balanced": ("Logloss", {"class_weights": [1.0, 2.0], "boost_from_average": True}),
    "logloss, gradient": (
        "Logloss",
        {"leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 4},
    ),
    "softmax": ("MultiClass", {"iterations": 4}),
    "softmax, several steps": ("MultiClass", {"iterations": 4, "leaf_estimation_iterations": 3}),
    "squared": ("RMSE", {}),
    "Poisson": ("Poisson", {}),
}


def model_of(loss, **params):
    has_classes = loss not in ("RMSE", "Poisson")
    kind = catboost.CatBoostClassifier if has_classes else catboost.CatBoostRegressor
    return kind(loss_function=loss, **{**SMALL, **params})


def targets(loss, y):
    return np.sqrt(y) // 2 if loss == "Poisson" else y


def weights(n_rows):
    """Those that single precision holds as they are."""
    return np.float32(cases.weights_with_zeros(n_rows)).astype(np.float64)


def fitted(name):
    loss, params = MODELS[name]
    X, y, X_new, y_new = TABLES[loss]
    y, y_new, weight = targets(loss, y), targets(loss, y_new), weights(len(y))
    model = model_of(loss, **params).fit(X, y, sample_weight=weight)
    return model, (X, y, weight), (X_new, y_new)


def trees_of(model, X, y, weight):
    adapter = adapter_of(model)
    X = adapter.model_rows([], model, X)
    y = adapter.targets(model).of_training(np.asarray(y), weight)
    return adapter.trees(model, X, y, weight)


def raw(model, X):
    return model.predict(X, prediction_type="RawFormulaVal").reshape(X.shape[0], -1)


def losses_of(loss, y, eta):
    """Of queries, by predictors of shape (n_queries, n_outputs)."""
    if loss == "MultiClass":
        return -log_softmax(eta, axis=1)[np.arange(len(y)), y]
    eta = eta[:, 0]
    if loss == "RMSE":
        return (eta - y) ** 2 / 2
    return (np.exp(eta) if loss == "Poisson" else np.logaddexp(0, eta)) - y * eta


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_given_again(name):
    model, train, (X_new, _) = fitted(name)
    trees = trees_of(model, *train)
    assert_allclose(trees.solved.values, trees.values, atol=1e-8 * np.abs(trees.values).max())
    assert_allclose(trees.solved.start, trees.start_values, atol=1e-12)
    assert_allclose(trees.predictors(trees.leaves), raw(model, train[0]), atol=1e-12)
    adapter = adapter_of(model)
    leaves = adapter.leaves_of(model, adapter.model_rows([], model, X_new))
    assert_allclose(trees.predictors(leaves), raw(model, X_new), atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_influence_is_the_derivative_of_the_replay(name):
    loss, _ = MODELS[name]
    model, train, (X_new, y_new) = fitted(name)
    trees, adapter = trees_of(model, *train), adapter_of(model)
    leaves = adapter.leaves_of(model, X_new)
    explainer = RelatIFExplainer.from_fitted(model, *train)
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")

    def losses(weight):
        solved = trees.resolved(weight)
        replayed = replace(trees, values=solved.values, start_values=solved.start)
        return losses_of(loss, y_new, replayed.predictors(leaves))

    for row in np.flatnonzero(trees.weight)[::15]:
        step = 1e-5 * (np.arange(len(trees.weight)) == row)
        slope = (losses(trees.weight + step) - losses(trees.weight - step)) / 2e-5
        expected = -trees.weight.sum() * slope
        assert_allclose(influence[:, row], expected, atol=1e-6 * np.abs(influence).max())


def groups_of(model, X):
    """The first row that is in the same leaf of a tree, of each row in each tree."""
    leaves = model.calc_leaf_indexes(X)
    found = np.empty_like(leaves)
    for tree, own in enumerate(leaves.T):
        _, first, leaf = np.unique(own, return_index=True, return_inverse=True)
        found[:, tree] = first[leaf]
    return found


@pytest.mark.parametrize("name", OWN_FITS)
def test_influence_is_the_derivative_of_fits_that_keep_their_structure(name):
    # Trees of all combinations of two columns of two values.
    loss, params = OWN_FITS[name]
    X, y, X_new, y_new = TABLES[loss]
    y, y_new, weight = targets(loss, y), targets(loss, y_new), weights(len(y))
    halves = np.median(X[:, COLUMNS], axis=0)
    X, X_new = ((table[:, COLUMNS] > halves).astype(float) for table in (X, X_new))
    params = {"depth": 2, "bootstrap_type": "No", "random_strength": 0, **params}
    model = model_of(loss, **params).fit(X, y, sample_weight=weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    influence = explainer.pairwise_influence(X_new, y_new, criterion="influence")
    trees = trees_of(model, X, y, weight)
    borne, l2 = trees.weight, model.get_all_params()["l2_leaf_reg"]
    n_kept = 0
    for row in np.flatnonzero(weight > 0.5)[::15]:
        slopes, is_kept = [], True
        for step in (2.0**-3, 2.0**-4):
            losses = []
            for moved in (step, -step):
                others = weight + moved * (np.arange(len(y)) == row)
                # The penalty is multiplied by the mean of the weights, which is held.
                share = 1 + moved * borne[row] / weight[row] / borne.sum()
                refit = model_of(loss, **{**params, "l2_leaf_reg": l2 / share})
                refit.fit(X, y, sample_weight=others)
                is_kept &= np.array_equal(groups_of(refit, X), groups_of(model, X))
                losses.append(losses_of(loss, y_new, raw(refit, X_new)))
            slopes.append((losses[0] - losses[1]) / (2 * step))
        n_kept += is_kept
        if is_kept:
            # Without the error of the second order.
            slope = (4 * slopes[1] - slopes[0]) / 3
            expected = -borne.sum() * slope * weight[row] / borne[row]
            assert_allclose(influence[:, row], expected, atol=1e-5 * np.abs(influence).max())
    assert n_kept >= 5


@pytest.mark.parametrize("name", ["logloss, balanced", "softmax", "squared"])
def test_refits_hold_what_the_model_has_found(name):
    loss, params = MODELS[name]
    X, y, X_new, _ = TABLES[loss]
    y, weight = targets(loss, y), weights(len(y))
    model = model_of(loss, **{**params, "learning_rate": None, "iterations": 30})
    rest = slice(len(y) // 2, None), slice(None, len(y) // 2)
    model.fit(
        X[rest[0]],
        y[rest[0]],
        sample_weight=weight[rest[0]],
        eval_set=(X[rest[1]], y[rest[1]]),
        early_stopping_rounds=1,
    )
    X, y, weight = X[rest[0]], y[rest[0]], weight[rest[0]]
    adapter = adapter_of(model)
    found = adapter.chosen(model)
    assert found["learning_rate"] == model.get_all_params()["learning_rate"]
    assert ("class_weights" in found) == ("auto_class_weights" in params)
    assert found["iterations"] == model.tree_count_ < 30
    assert adapter.removal_changes_objective(model)
    objective = adapter.reduce(model, X, adapter.targets(model).of_training(y, weight), weight)
    same, without = adapter.refit(model, objective, X, y, weight, [[], [1, 2, 3]])
    assert_allclose(raw(same, X_new), raw(model, X_new), atol=1e-12)
    trees = objective.trees
    left = trees.weight * ~np.isin(np.arange(len(y)), [1, 2, 3])
    # The same penalty as before, with whatever structure.
    again = trees_of(without, X, y, np.where(left, weight, 0))
    assert again.weight.sum() < trees.weight.sum()
    assert_allclose(penalty(again), penalty(trees), rtol=1e-6)


def penalty(trees):
    return trees.estimation.l2
