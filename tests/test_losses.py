"""Losses against finite differences, against their definitions, and in their limits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax

from sklearn_relatif.losses import (
    LogLoss,
    MultinomialLogLoss,
    binary_codebook,
    helmert_contrasts,
    one_vs_rest_codebook,
)

LOSSES = {
    "binary": LogLoss(binary_codebook()),
    "one versus rest": LogLoss(one_vs_rest_codebook(4)),
    "multinomial of two": MultinomialLogLoss(2),
    "multinomial": MultinomialLogLoss(5),
    "multinomial without contrasts": MultinomialLogLoss(5, use_contrasts=False),
}
STEP = 1e-5
# Central differences of functions of order 1: truncation STEP^2, rounding eps / STEP, and room.
TOLERANCE = 1e-9


@pytest.fixture(params=LOSSES.values(), ids=LOSSES.keys())
def loss(request):
    return request.param


def n_classes_of(loss):
    return len(loss.softmax_contrasts if loss.couples_outputs else loss.codebook)


def rows_of(loss, scale=1.5, n_rows=40, seed=0):
    rng = np.random.default_rng(seed)
    eta = scale * rng.normal(size=(n_rows, loss.n_outputs))
    return np.arange(n_rows) % n_classes_of(loss), eta


def central_differences(function, eta):
    """Derivative of a row-wise function in each output, as a new last axis."""
    steps = STEP * np.eye(eta.shape[1])
    return np.stack([(function(eta + h) - function(eta - h)) / (2 * STEP) for h in steps], axis=-1)


def as_matrices(loss, second_derivative):
    """Second derivatives as (n, k, k), also where they are given by their diagonals."""
    if loss.couples_outputs:
        return second_derivative
    return second_derivative[:, :, None] * np.eye(loss.n_outputs)


def test_residual_is_the_derivative_of_the_value(loss):
    y, eta = rows_of(loss)
    expected = central_differences(lambda eta: loss.value(y, eta), eta)
    assert_allclose(loss.residual(y, eta), expected, rtol=0, atol=TOLERANCE)


def test_second_derivative_is_the_derivative_of_the_residual(loss):
    y, eta = rows_of(loss)
    expected = central_differences(lambda eta: loss.residual(y, eta), eta)
    actual = as_matrices(loss, loss.second_derivative(y, eta))
    assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


def test_fisher_weight_is_the_expected_outer_product_of_residuals(loss):
    """By the definition: over the labels that the model draws, independently for each problem."""
    _, eta = rows_of(loss)
    expected = 0.0
    if not loss.couples_outputs:
        # E[r_p^2], and E[r_p r_q] = 0 for p != q.
        for positive, probability in ((1.0, expit(eta)), (0.0, expit(-eta))):
            expected += probability * (expit(eta) - positive) ** 2
        expected = as_matrices(loss, expected)
    else:
        p = loss.probabilities(eta)
        for k in range(n_classes_of(loss)):
            r = loss.residual(np.full(len(eta), k), eta)
            expected += p[:, k, None, None] * r[:, :, None] * r[:, None, :]
    actual = as_matrices(loss, loss.fisher_weight(eta))
    assert_allclose(actual, expected, rtol=0, atol=1e-15)


def test_values_are_minus_the_log_of_the_probability():
    binary, multinomial = LOSSES["binary"], LOSSES["multinomial"]
    for loss in (binary, multinomial, LOSSES["multinomial without contrasts"]):
        y, eta = rows_of(loss)
        p = loss.probabilities(eta)
        assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
        assert_allclose(loss.value(y, eta), -np.log(p[np.arange(len(y)), y]), rtol=1e-13)
        assert_array_equal(loss.predict(eta), p.argmax(axis=1))
    y, eta = rows_of(multinomial)
    scores = eta @ helmert_contrasts(5).T
    assert_allclose(
        multinomial.value(y, eta), -log_softmax(scores, axis=1)[np.arange(len(y)), y], rtol=1e-13
    )


def test_one_versus_rest_sums_binary_losses():
    loss, binary = LOSSES["one versus rest"], LOSSES["binary"]
    y, eta = rows_of(loss)
    parts = [binary.value((y == k) * 1, eta[:, [k]]) for k in range(4)]
    assert_allclose(loss.value(y, eta), np.sum(parts, axis=0), rtol=1e-14)
    assert_array_equal(loss.predict(eta), eta.argmax(axis=1))
    p = expit(eta)
    assert_allclose(loss.probabilities(eta), p / p.sum(axis=1, keepdims=True), rtol=1e-14)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_contrasts_are_orthonormal_and_sum_to_zero(n_classes):
    contrasts = helmert_contrasts(n_classes)
    assert contrasts.shape == (n_classes, n_classes - 1)
    assert_allclose(contrasts.T @ contrasts, np.eye(n_classes - 1), rtol=0, atol=1e-15)
    assert_allclose(contrasts.sum(axis=0), 0, atol=1e-15)


# --- directions: what remains of a residual that underflows ---------------------------------


def exact_scores(loss, eta):
    """Class scores (multinomial) or predictors, as exact as the float inputs are."""
    rows = [[Decimal(float(value)) for value in row] for row in eta]
    if not loss.couples_outputs:
        return rows
    contrasts = [
        [Decimal(float(q)) for q in row] for row in loss.softmax_contrasts.astype(eta.dtype)
    ]
    return [
        [sum(q * e for q, e in zip(of_class, row, strict=True)) for of_class in contrasts]
        for row in rows
    ]


def exact_direction(loss, y, eta):
    """Norm and unit vector of the residual, in fifty digits of decimal arithmetic."""
    norms, units = [], []
    with localcontext() as context:
        context.prec = 50
        context.Emin, context.Emax = -(10**9), 10**9
        for label, scores in zip(y, exact_scores(loss, eta), strict=True):
            if not loss.couples_outputs:
                signs = [Decimal(int(sign)) for sign in loss.codebook[label]]
                pairs = zip(signs, scores, strict=True)
                r = [-sign / (1 + (sign * score).exp()) for sign, score in pairs]
            else:
                weights = [score.exp() for score in scores]
                r = [weight / sum(weights) for weight in weights]
                # p - 1 exactly: 1 minus exp(-1600) would need seven hundred digits.
                r[label] = -sum(p for k, p in enumerate(r) if k != label)
                contrasts = [
                    [Decimal(float(q)) for q in column] for column in loss.softmax_contrasts.T
                ]
                r = [sum(q * p for q, p in zip(column, r, strict=True)) for column in contrasts]
            norm = sum(entry * entry for entry in r).sqrt()
            norms.append(float(norm))
            units.append([float(entry / norm) for entry in r])
    return np.array(norms), np.array(units)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("magnitude", [3.0, 40.0, 800.0])
def test_direction_is_right_under_saturation(loss, magnitude, dtype):
    """At 40, 1 - p rounds to 0; at 800 the residual itself underflows."""
    rng = np.random.default_rng(0)
    n_rows = 24
    y = np.arange(n_rows) % n_classes_of(loss)
    eta = rng.choice([-1.0, 1.0], size=(n_rows, loss.n_outputs)) * magnitude
    eta += rng.normal(size=eta.shape)
    eta = eta.astype(dtype)

    norm, unit = loss.direction(y, eta)
    assert norm.dtype == unit.dtype == dtype
    expected_norm, expected_unit = exact_direction(loss, y, eta)
    # Log-probabilities carry the rounding of the scores, which is relative to their magnitude.
    tolerance = 8 * magnitude * np.finfo(dtype).eps
    assert_allclose(unit, expected_unit, rtol=0, atol=tolerance)
    assert_allclose(norm, expected_norm, rtol=tolerance, atol=np.finfo(dtype).tiny)
    error = np.abs(loss.residual(y, eta) - norm[:, None] * unit).max(axis=1)
    assert (error <= tolerance * norm + np.finfo(dtype).tiny).all()


def test_values_are_finite_under_saturation(loss):
    y, eta = rows_of(loss, scale=800.0)
    for dtype in (np.float64, np.float32):
        value = loss.value(y, eta.astype(dtype))
        assert value.dtype == dtype
        assert np.isfinite(value).all()
        assert (value >= 0).all()
        fisher = loss.fisher_weight(eta.astype(dtype))
        assert np.isfinite(fisher).all()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    data=st.data(),
    name=st.sampled_from(sorted(LOSSES)),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_direction_has_length_one_and_pulls_the_right_way(data, name, dtype):
    loss = LOSSES[name]
    entries = st.floats(-1000, 1000, width=32)
    eta = data.draw(arrays(dtype, (3, loss.n_outputs), elements=entries))
    y = np.array(
        data.draw(st.lists(st.integers(0, n_classes_of(loss) - 1), min_size=3, max_size=3))
    )
    norm, unit = loss.direction(y, eta)
    assert_allclose(np.linalg.norm(unit, axis=1), 1, rtol=8 * np.finfo(dtype).eps)
    assert (norm >= 0).all()
    if not loss.couples_outputs:
        assert (unit * loss.codebook[y] <= 0).all()
    else:
        by_class = unit @ loss.softmax_contrasts.T
        own = by_class[np.arange(3), y]
        assert_allclose(by_class.sum(axis=1), 0, atol=16 * np.finfo(dtype).eps)
        # The own class is pulled up as hard as all the others are pushed down together.
        assert (own <= -np.sqrt(0.5) + 1e-6).all()
