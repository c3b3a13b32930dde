"""The slow derivative of boosting, that tests compare with, against differences of its own fits."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

from .slow_boosting import Boosted, Logistic, Softmax, Squared, influences, replay, slopes

N_STAGES = 8


def fitted(kind):
    """A boosted model of scikit-learn, written down as ``Boosted``, and what queries are."""
    if kind == "squared":
        X, y = load_diabetes(return_X_y=True)
        X, y, model, loss = X, y / y.std(), GradientBoostingRegressor, Squared()
    elif kind == "logistic":
        X, y = make_classification(200, 5, random_state=0)
        model, loss = GradientBoostingClassifier, Logistic()
    else:
        X, y = load_iris(return_X_y=True)
        X, model, loss = X[::-1], GradientBoostingClassifier, Softmax(3, is_centred=True)
        y = y[::-1].copy()
    model = model(n_estimators=N_STAGES, max_depth=2, random_state=0).fit(X[::2], y[::2])
    applied = [model.apply(part).reshape(-1, N_STAGES * loss.n_outputs).T for part in (X[::2], X)]
    K = loss.n_outputs
    rate = np.full(N_STAGES * K, 0.1 if K == 1 else 0.1 * (K - 1) / K)
    trees = Boosted(
        loss,
        y[::2],
        applied[0].astype(int),
        np.tile(np.arange(K), N_STAGES),
        np.repeat(np.arange(N_STAGES), K),
        rate,
    )
    predict = model.predict if kind == "squared" else model.decision_function
    return trees, applied[1].astype(int)[:, 1::9], y[1::9], predict(X[1::9]).reshape(-1, K)


@pytest.mark.parametrize("kind", ["squared", "logistic", "softmax"])
def test_replay_gives_the_predictions_of_scikit_learn(kind):
    trees, leaves, _, eta = fitted(kind)
    found = replay(trees, np.ones((1, len(trees.y))), leaves)[0]
    np.testing.assert_allclose(found, eta, atol=1e-8)


@pytest.mark.parametrize("kind", ["squared", "logistic", "softmax"])
def test_slopes_are_those_of_replayed_fits(kind):
    trees, leaves, _, _ = fitted(kind)
    n = len(trees.y)
    weight = np.random.RandomState(0).uniform(0.5, 2, n)
    step = 1e-5
    up, down = (replay(trees, weight + sign * np.eye(n), leaves) for sign in (step, -step))
    expected = np.moveaxis((up - down) / (2 * step), 0, -1)
    np.testing.assert_allclose(slopes(trees, weight, leaves).query, expected, atol=1e-9)


@pytest.mark.parametrize("kind", ["squared", "logistic", "softmax"])
def test_influences_are_changes_of_the_loss(kind):
    trees, leaves, y, eta = fitted(kind)
    n = len(trees.y)
    weight, step = np.ones(n), 1e-5
    found = influences(trees, weight, leaves, y, eta)
    losses = [
        trees.loss.loss(y, replay(trees, weight + sign * np.eye(n), leaves))
        for sign in (step, -step)
    ]
    slope = n * (losses[1] - losses[0]).T / (2 * step)
    np.testing.assert_allclose(found["influence"], slope, atol=1e-6)
    moved = slopes(trees, weight, trees.leaves).query
    information = trees.loss.fisher(replay(trees, weight[None], trees.leaves)[0])
    scale = np.sqrt(np.einsum("jai,jab,jbi->i", moved, information, moved) * n)
    np.testing.assert_allclose(found["loss_relative"] * scale, found["influence"], rtol=1e-6)


@pytest.mark.parametrize("kind", ["squared", "logistic", "softmax"])
def test_the_length_of_all_leaf_values_is_that_of_their_changes(kind):
    """A query in a single leaf of each tree reads its values off, one tree after the other."""
    trees, _, _, _ = fitted(kind)
    n, step = len(trees.y), 1e-5
    weights = 1 + step * np.stack([np.eye(n), -np.eye(n)])
    K, squares = trees.loss.n_outputs, np.zeros(n)
    before = np.zeros((n, K))
    for stage in range(N_STAGES + 1):
        n_trees = stage * K
        first = trees._replace(
            leaves=trees.leaves[:n_trees],
            outputs=trees.outputs[:n_trees],
            stages=trees.stages[:n_trees],
        )
        up, down = (replay(first, weight, trees.leaves[:n_trees]) for weight in weights)
        now = (up - down) / (2 * step)  # (n changed, n rows, K)
        if stage == 0:
            squares += np.square(now[:, 0]).sum(axis=1)
        else:
            for k in range(K):
                _, rows = np.unique(trees.leaves[n_trees - K + k], return_index=True)
                squares += np.square((now - before)[:, rows, k]).sum(axis=1)
        before = now
    found = slopes(trees, np.ones(n), trees.leaves[:, :1])
    np.testing.assert_allclose(found.theta, squares, rtol=1e-5)


@pytest.mark.parametrize("kept", [{"crossed": False}, {"moved_start": False}])
def test_what_can_be_left_out_makes_a_difference(kept):
    trees, leaves, _, _ = fitted("softmax")
    weight = np.ones(len(trees.y))
    whole, part = slopes(trees, weight, leaves), slopes(trees, weight, leaves, **kept)
    assert np.abs(whole.query - part.query).max() > 0.01 * np.abs(whole.query).max()


def test_held_starts_are_not_moved():
    trees, leaves, _, _ = fitted("squared")
    without = np.ones((1, len(trees.y)))
    without[0, 3] = 0
    start = trees.loss.start(trees.y, without)[0]
    moved, same = replay(trees, without, leaves), replay(trees, without, leaves, start)
    np.testing.assert_array_equal(moved, same)
    held = replay(trees, without, leaves, trees.loss.start(trees.y, np.ones(len(trees.y))))
    assert np.abs(held - moved).max() > 1e-5
