"""Several steps inside a tree, against one written out row by row, and their derivatives."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, softmax

from sklearn_relatif.trees import (
    BoostedTrees,
    DenseRecursion,
    FixedStart,
    GradientSteps,
    Leaves,
    LogStep,
    NewtonStep,
    NewtonSteps,
    PoissonStep,
    SoftmaxStep,
    SquaredStep,
    boosted_without,
)

N_ROWS, N_TREES, RATE, L2 = 40, 4, 0.3, 0.7
STEPS = {
    "log": LogStep(),
    "Poisson": PoissonStep(),
    "squared": SquaredStep(),
    "softmax": SoftmaxStep(3),
}
LENGTHS = {"one": [1.0], "halved": [1.0, 0.5, 1.0], "short": [0.25], "none": [0.0]}
KINDS = {"Newton": NewtonSteps, "gradient": GradientSteps}


def targets(name, rng):
    if name == "squared":
        return rng.normal(size=N_ROWS)
    return rng.integers(0, {"log": 2, "Poisson": 4, "softmax": 3}[name], N_ROWS)


def boosted(name, estimation):
    rng, step = np.random.default_rng(3), STEPS[name]
    n_outputs = step.n_outputs
    sizes = rng.integers(2, 5, N_TREES)
    positions = [rng.integers(0, size, N_ROWS) for size in sizes]
    # A leaf that no row is in.
    leaves = Leaves.of(np.repeat(positions, n_outputs, axis=0), np.repeat(sizes + 1, n_outputs))
    return BoostedTrees(
        step=step,
        start=FixedStart(np.linspace(0, 0.2, n_outputs)),
        estimation=estimation,
        y=targets(name, rng),
        weight=rng.uniform(0.5, 2, N_ROWS),
        leaves=leaves,
        outputs=np.tile(np.arange(n_outputs), N_TREES),
        stages=np.repeat(np.arange(N_TREES), n_outputs),
        values=np.zeros(leaves.n_leaves),
        start_values=np.linspace(0, 0.2, n_outputs),
    )


def bends(name, y, eta):
    """Gradient and Hessian of a row, (K,) and (K, K)."""
    if name == "softmax":
        p = softmax(eta)
        return p - np.eye(3)[y], np.diag(p) - np.outer(p, p)
    mean = {"log": expit, "Poisson": np.exp, "squared": lambda eta: eta}[name](eta)
    slope = {"log": mean * (1 - mean), "Poisson": mean, "squared": np.ones(1)}[name]
    return mean - y, np.diag(slope)


def written_out(trees, name, kind, lengths):
    """Leaf values, row by row and leaf by leaf."""
    n_outputs, found = trees.n_outputs, []
    eta = np.tile(trees.start_values, (N_ROWS, 1))
    for tree in range(0, trees.leaves.n_trees, n_outputs):
        here = trees.leaves.positions[tree]
        values = np.zeros((trees.leaves.sizes[tree], n_outputs))
        for leaf in np.unique(here):
            rows, move = np.flatnonzero(here == leaf), np.zeros(n_outputs)
            for length in lengths:
                gradient, bend = np.zeros(n_outputs), L2 * np.eye(n_outputs)
                for row in rows:
                    g, h = bends(name, trees.y[row], eta[row] + move)
                    gradient += trees.weight[row] * g
                    bend += trees.weight[row] * (h if kind == "Newton" else np.eye(n_outputs))
                move -= length * np.linalg.solve(bend, gradient)
            values[leaf] = RATE * move
        eta += values[here]
        found.append(values.T.ravel())
    return np.concatenate(found)


def derivatives(trees, start, entries):
    """Of all values, by derivatives of those of each row's own leaves."""
    direct = trees.leaves.matrix(entries, start=start).toarray().T
    return np.linalg.solve(DenseRecursion(trees).matrix, direct)[trees.n_outputs :]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", STEPS)
def test_leaf_values_and_their_derivatives(name, kind, lengths):
    estimation = KINDS[kind](RATE, L2, [LENGTHS[lengths]] * N_TREES)
    trees = boosted(name, estimation)
    expected = written_out(trees, name, kind, LENGTHS[lengths])
    assert_allclose(trees.solved.values, expected, atol=1e-12)
    removals = [[], np.arange(0, N_ROWS, 3)]
    ((_, without),) = boosted_without(trees, removals)
    for model, rows in enumerate(removals):
        weight = np.where(np.isin(np.arange(N_ROWS), rows), 0, trees.weight)
        assert_allclose(without.values[:, model], trees.resolved(weight).values, atol=1e-14)
    found = derivatives(trees, *trees.pulls())
    assert_allclose(
        trees.pulls([4, 2])[1], trees.pulls()[1][[4, 2]], atol=1e-15
    )  # Of some of the rows.
    for row in range(0, N_ROWS, 9):
        step = 1e-5 * (np.arange(N_ROWS) == row)
        moved = [trees.resolved(trees.weight + sign * step).values for sign in (1, -1)]
        slope = (moved[0] - moved[1]) / 2e-5
        assert_allclose(found[:, row], slope, atol=1e-7)


def test_one_full_step_is_the_plain_one():
    one = boosted("Poisson", NewtonSteps(RATE, L2, [[1.0]] * N_TREES))
    plain = boosted("Poisson", NewtonStep(np.full(N_TREES, RATE), L2))
    assert_allclose(one.solved.values, plain.solved.values, atol=1e-14)
    assert_allclose(one.pulls()[1], plain.pulls()[1], atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_in_targets_where_the_loss_is_squared(kind):
    trees = boosted("squared", KINDS[kind](RATE, L2, [[1.0, 0.5]] * N_TREES))
    found = derivatives(trees, *trees.target_pulls())
    for row in range(0, N_ROWS, 9):
        moved = []
        for sign in (1, -1):
            other = boosted("squared", trees.estimation)
            other.y[row] += sign
            moved.append(other.solved.values)
        assert_allclose(found[:, row], (moved[0] - moved[1]) / 2, atol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_second_and_third_derivatives(name):
    rng, step = np.random.default_rng(0), STEPS[name]
    y, shape = targets(name, rng), (step.n_outputs, N_ROWS)
    eta, by, move = rng.normal(size=(3, *shape))
    hessian = np.stack([step.slopes(y, eta, k)[0] for k in range(step.n_outputs)])
    moved = step.gradient(y, eta) + np.einsum("kjn,kn->jn", hessian, move)
    assert_allclose(step.moved_gradient(y, eta, move), moved, atol=1e-14)
    # The loss itself, along a line.
    line = [step.loss(y, eta + width * move) for width in (-1e-5, 1e-5)]
    slope = (step.gradient(y, eta) * move).sum(axis=0)
    assert_allclose((line[1] - line[0]) / 2e-5, slope, atol=1e-8)
    for k in range(step.n_outputs):
        width = 1e-5 * (np.arange(step.n_outputs) == k)[:, None]
        forms = [
            (by * step.moved_gradient(y, eta + sign * width, move)).sum(axis=0) for sign in (1, -1)
        ]
        slope = step.moved_slopes(y, eta, by, move)[k]
        assert_allclose((forms[0] - forms[1]) / 2e-5, slope, atol=1e-8)
