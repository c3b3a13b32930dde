"""What must hold of every boosted model that is explained, by its replay and by its own refits."""

from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose
from sklearn.base import clone, is_classifier

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of


def reduced(model, X, y, sample_weight=None):
    """The objective of a fitted model, whose leaf values were found to follow from the rows."""
    adapter = adapter_of(model)
    rows = adapter.model_rows([], model, X)
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    targets = adapter.targets(model).of_training(np.asarray(y), weight)
    return adapter.reduce(model, rows, targets, weight)


def weights_of(y, seed=0):
    """Weights of rows, of which one is 0."""
    weight = np.random.default_rng(seed).uniform(0.2, 2, len(y))
    weight[5] = 0
    return weight


def positions(model, y):
    """Labels as a loss takes them."""
    return np.searchsorted(model.classes_, y) if is_classifier(model) else np.asarray(y, float)


def raw_predictions(model, X):
    """What scikit-learn itself predicts, as the predictors of the trees, shape (n, n_outputs)."""
    if is_classifier(model):
        return model.decision_function(X).reshape(X.shape[0], -1)
    predicted = model.predict(X)[:, None]
    return np.log(predicted) if model.loss in ("poisson", "gamma") else predicted


def check_replay(model, X, y, sample_weight=None, closeness=1e-6):
    """Leaf values that are found again from the rows give the model's own raw predictions."""
    trees = reduced(model, X, y, sample_weight).trees
    expected = raw_predictions(model, X)
    scale = closeness * np.abs(expected).max()
    assert_allclose(predictors(trees, trees.weight, trees.leaves), expected, atol=scale, rtol=0)
    return trees


def predictors(trees, weight, leaves):
    """Those of rows in some leaves, replayed with other weights."""
    solved = trees.resolved(weight)
    return replace(trees, values=solved.values, start_values=solved.start).predictors(leaves)


def check_influence(model, X, y, queries, labels, sample_weight=None, closeness=1e-6):
    """Influence is the derivative of the loss in the weights, by central differences of replays."""
    explainer = RelatIFExplainer.from_fitted(model, X, y, sample_weight=sample_weight)
    found = np.asarray(explainer.pairwise_influence(queries, labels, criterion="influence"))
    objective = reduced(model, X, y, sample_weight)
    trees, total = objective.trees, objective.total_weight
    leaves = objective.leaves_of(adapter_of(model).model_rows([], model, queries))

    def loss(weight):
        eta = predictors(trees, weight, leaves) @ objective.outputs
        return objective.loss.value(positions(model, labels), eta)

    step = 1e-3
    for row in np.flatnonzero(trees.weight)[:: max(1, len(y) // 8)]:
        move = step * (np.arange(len(y)) == row)
        slope = (loss(trees.weight + move) - loss(trees.weight - move)) / (2 * step)
        expected = -total * slope
        assert_allclose(found[:, row], expected, atol=closeness * np.abs(found).max(), rtol=0)
    held_out = trees.weight == 0
    assert not found[:, held_out].any()


def check_target_weights(model, X, y, queries, sample_weight=None, closeness=1e-6):
    """Predictions are weighted sums of the targets, whose weights sum to 1."""
    explainer = RelatIFExplainer.from_fitted(model, X, y, sample_weight=sample_weight)
    weights = np.asarray(explainer.target_weights(queries))
    expected = model.predict(queries)
    scale = closeness * np.abs(expected).max()
    assert_allclose(weights @ y, expected, atol=scale, rtol=0)
    assert_allclose(weights.sum(axis=1), 1, atol=1e-10)
    assert not weights[:, reduced(model, X, y, sample_weight).trees.weight == 0].any()


def refits_beside(model, X, y, weight, move, step):
    """Central differences of the raw predictions of its own refits; None if a tree is another.

    Of two steps, so that the third derivative drops out.
    """
    leaves = adapter_of(model).leaves_of(model, X).positions
    slopes = []
    for size in (step, step / 2):
        sides = [clone(model).fit(X, y, weight + sign * size * move) for sign in (1, -1)]
        for side in sides:
            own = adapter_of(side).leaves_of(side, X).positions
            if own.shape != leaves.shape or (own != leaves).any():
                return None
        up, down = (raw_predictions(side, X) for side in sides)
        slopes.append((up - down) / (2 * size))
    return (4 * slopes[1] - slopes[0]) / 3


def check_refits(model, X, y, step, rounding=0.0, closeness=1e-8, n_moves=12):
    """The same in the model's own refits with other weights, where all trees have split alike.

    Parameters
    ----------
    rounding : float
        Relative error of the gradients that the model sums, which refits differ by as well.
    closeness : float
        Largest difference of a slope but for that, of the largest.

    Returns
    -------
    int
        How many changes of the weights left all trees as they were.
    """
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.5, 1.5, len(y))
    model = clone(model).fit(X, y, weight)
    trees = check_replay(model, X, y, weight)
    # What the formula of refits_beside makes of an error of each of the predictions in it.
    noise = 3 * rounding * rounded_parts(trees, model.learning_rate) / step
    n_alike = 0
    for _ in range(n_moves):
        move = weight * rng.choice([-1, 0, 1], len(y), p=[0.05, 0.9, 0.05])
        expected = refits_beside(model, X, y, weight, move, step)
        if expected is None:
            continue
        n_alike += 1
        size = 1e-4
        sides = [predictors(trees, weight + sign * size * move, trees.leaves) for sign in (1, -1)]
        found = (sides[0] - sides[1]) / (2 * size)
        most = closeness * np.abs(expected).max() + noise
        assert_allclose(found, expected, atol=most, rtol=0)
    return n_alike


def rounded_parts(trees, rate):
    """Sums of the sizes of gradients over those of second derivatives, of the worst leaves."""
    total = 0.0
    for stage, eta in trees.stages_of(trees.solved):
        sizes = trees.weight * np.abs(trees.step.gradient(trees.y, eta))
        bends = trees.weight * trees.step.curvature(trees.y, eta)
        total += max(
            (
                trees.leaves.summed(sizes[trees.outputs[tree]], tree)
                / trees.leaves.summed(bends[trees.outputs[tree]], tree)
            ).max()
            for tree in stage
        )
    return rate * total
