"""What boosted models descend, and where they start, against finite differences."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_relatif import trees

N_CLASSES = 3
NUMBERS = np.random.default_rng(0).gamma(2, size=40)
CLASSES = np.arange(40) % N_CLASSES
STEPS = {
    "squared": (trees.SquaredStep(), NUMBERS),
    "log": (trees.LogStep(), CLASSES % 2),
    "exponential": (trees.ExponentialStep(), CLASSES % 2),
    "Poisson": (trees.PoissonStep(2.0), NUMBERS),
    "gamma": (trees.TweedieStep(2.0), NUMBERS),
    "Tweedie": (trees.TweedieStep(1.3), NUMBERS),
    "softmax": (trees.SoftmaxStep(N_CLASSES, 2.0), CLASSES),
}
STARTS = {
    "fixed": (trees.FixedStart(np.array([0.3])), NUMBERS),
    "mean": (trees.MeanStart(), NUMBERS),
    "shifted": (trees.ShiftedStart(trees.MeanStart(), np.array([0.1])), NUMBERS),
    "log of the mean": (trees.MeanStart("log"), NUMBERS),
    "logit of the mean": (trees.MeanStart("logit"), CLASSES % 2),
    "half of that": (trees.MeanStart("half_logit"), CLASSES % 2),
    "shares": (trees.SharesStart(N_CLASSES), CLASSES),
    "priors": (trees.PriorStart(N_CLASSES), CLASSES),
    "centred priors": (trees.PriorStart(N_CLASSES, 1e-6, is_centred=True), CLASSES),
    "mean before factors of classes": (
        trees.PlainStart(trees.MeanStart("logit"), np.array([1.0, 3.0])),
        CLASSES % 2,
    ),
    **{f"Newton, {name}": (trees.NewtonStart(step), y) for name, (step, y) in STEPS.items()},
}
LINEAR = ["fixed", "mean", "shifted", "log of the mean", "Newton, squared"]


def differences(function, at, size=1e-6):
    """Central differences in each entry of an array, along a last axis."""
    moves = size * np.eye(len(at))
    return np.stack([(function(at + m) - function(at - m)) / (2 * size) for m in moves], axis=-1)


@pytest.mark.parametrize("name", STEPS)
def test_slopes_of_steps(name):
    step, y = STEPS[name]
    eta = np.random.default_rng(1).normal(size=step.n_outputs)
    parts = step.gradient, step.curvature
    for target in y[:4]:
        for k in range(step.n_outputs):
            slopes = step.slopes(target, eta[:, None], k)
            for part, slope in zip(parts, slopes, strict=True):
                found = differences(partial(_entry, part, target, k), eta)
                assert_allclose(slope[:, 0], found, rtol=1e-6, atol=1e-8)


def _entry(part, target, k, eta):
    return part(target, eta[:, None])[k, 0]


@pytest.mark.parametrize("name", ["squared", "log", "gamma", "Tweedie"])
def test_curvatures_that_are_second_derivatives(name):
    step, y = STEPS[name]
    eta = np.random.default_rng(2).normal(size=(1, len(y)))
    assert_allclose(step.curvature(y, eta), step.slopes(y, eta, 0)[0])


@pytest.mark.parametrize("name", STARTS)
def test_slopes_of_starts(name):
    start, y = STARTS[name]
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y))
    found = differences(lambda w: start.values(y, w), weight)
    assert_allclose(start.weight_slopes(y, weight), found, rtol=1e-5, atol=1e-9)
    if name in LINEAR:
        found = differences(lambda t: start.values(t, weight), y)
        assert_allclose(start.target_slopes(y, weight), found, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", STEPS)
def test_steps_in_single_precision(name):
    step, y = STEPS[name]
    single = trees.SinglePrecisionStep(step)
    assert (single.n_outputs, single.is_linear) == (step.n_outputs, step.is_linear)
    eta = np.random.default_rng(4).normal(size=(step.n_outputs, len(y)))
    for part in ("gradient", "curvature"):
        found, exact = getattr(single, part)(y, eta), getattr(step, part)(y, eta)
        assert found.dtype == np.float64
        assert_allclose(found, exact, atol=1e-5)
    assert_allclose(single.slopes(y, eta, 0), step.slopes(y, eta, 0))


def test_a_probability_that_single_precision_takes_for_one():
    step, eta = trees.LogStep(), np.array([[20.0]])
    assert trees.SinglePrecisionStep(step).gradient(np.array([1]), eta) == 0
    assert step.gradient(np.array([1]), eta) < 0
