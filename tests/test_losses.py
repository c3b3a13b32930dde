"""Losses against finite differences, against their definitions, and in their limits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import expit, log_softmax
from sklearn.linear_model import GammaRegressor, PoissonRegressor
from sklearn.metrics import mean_gamma_deviance, mean_poisson_deviance

from sklearn_relatif.jacobians import LinearJacobian
from sklearn_relatif.losses import (
    IdentityLink,
    LogLink,
    LogLoss,
    ModifiedHuber,
    MultinomialLogLoss,
    OneVsOneHinge,
    PoissonDeviance,
    SquaredError,
    UnitDeviance,
    binary_codebook,
    helmert_contrasts,
    one_vs_rest_codebook,
)
from sklearn_relatif.objectives import LinearObjective
from tests import cases

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


# --- what a loss is asked besides its derivatives ---------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [*LOSSES.values(), ModifiedHuber(one_vs_rest_codebook(3)), OneVsOneHinge(4), SquaredError()],
    ids=lambda loss: type(loss).__name__,
)
def test_a_loss_answers_what_its_flags_promise(loss):
    eta = np.random.default_rng(0).normal(size=(6, loss.n_outputs))
    name = type(loss).__name__
    if loss.has_fisher:
        assert loss.fisher_weight(eta).shape[0] == 6
    else:
        with pytest.raises(ValueError, match=f"curvature='fisher' needs a likelihood, and {name}"):
            loss.fisher_weight(eta)
    if loss.has_probabilities:
        assert_allclose(loss.probabilities(eta).sum(axis=1), 1, rtol=1e-14)
    else:
        with pytest.raises(AttributeError, match=f"{name} has no probabilities"):
            loss.probabilities(eta)
    assert_allclose(loss.from_scores(loss.scores(eta)), eta, rtol=0, atol=1e-14)


def test_the_predicted_class_leads_all_others(loss):
    _, eta = rows_of(loss)
    for row, label in zip(eta, loss.predict(eta), strict=True):
        leads = [row @ loss.lead(label, rival) for rival in range(n_classes_of(loss))]
        assert leads[label] == 0
        assert min(np.delete(leads, label)) > 0


def test_one_versus_one_leads_in_the_problem_of_the_two_classes():
    # The problems of three classes: 0 or 1, 0 or 2, 1 or 2.
    assert_array_equal(OneVsOneHinge(3).lead(0, 2), [0, 1, 0])
    assert_array_equal(OneVsOneHinge(3).lead(2, 1), [0, 0, -1])
    with pytest.raises(AttributeError, match="SquaredError tells no classes apart"):
        SquaredError().lead(0, 1)


def test_a_loss_falls_for_ever_along_its_endless_margins(loss):
    for outputs, margins in loss.endless_margins():
        for label, own in enumerate(margins):
            eta = np.zeros((2, loss.n_outputs))
            # The shortest way on which all margins of the class grow by one each step.
            eta[:, outputs] = np.outer(
                [1, 1000], np.linalg.lstsq(own, np.ones(len(own)), rcond=None)[0]
            )
            near, far = loss.value(np.full(2, label), eta)
            assert far < near
    assert not SquaredError().endless_margins()


# --- generalised linear models ------------------------------------------------------------------


class GammaDeviance(UnitDeviance):
    """``y / mu - 1 - log(y / mu)``."""

    def variance(self, mean):
        return mean**2

    def variance_slope(self, mean):
        return 2 * mean

    def half_deviance(self, y, mean):
        return y / mean - 1 - np.log(y / mean)


DEVIANCES = {
    "Poisson": PoissonDeviance(LogLink()),
    "Poisson, identity": PoissonDeviance(IdentityLink()),
    "Gamma": GammaDeviance(LogLink()),
    "Gamma, identity": GammaDeviance(IdentityLink()),
}


def counts_of(name, n_rows=40):
    """Targets, the last of which asks for the prediction, and predictors."""
    rng = np.random.default_rng(0)
    eta = rng.uniform(0.5, 3, size=(n_rows, 1))
    y = rng.gamma(2, size=n_rows) if "Gamma" in name else rng.poisson(1.5, n_rows).astype(float)
    y[-1] = np.nan
    return y, eta


@pytest.fixture(params=DEVIANCES)
def deviance(request):
    return DEVIANCES[request.param], *counts_of(request.param)


def test_deviances_by_finite_differences(deviance):
    loss, y, eta = deviance
    expected = central_differences(lambda eta: loss.value(y, eta), eta)
    assert_allclose(loss.residual(y, eta), expected, rtol=1e-8, atol=TOLERANCE)
    expected = central_differences(lambda eta: loss.residual(y, eta), eta)
    assert_allclose(loss.second_derivative(y, eta)[..., None], expected, rtol=1e-8, atol=TOLERANCE)
    norm, unit = loss.direction(y, eta)
    assert_allclose(norm[:, None] * unit, loss.residual(y, eta), rtol=1e-14)


def test_a_query_without_target_asks_for_the_mean(deviance):
    loss, y, eta = deviance
    assert_array_equal(loss.predict(eta), loss.link.inverse(eta[:, 0]))
    assert loss.query_value(y, eta)[-1] == -loss.predict(eta)[-1]
    assert loss.query_direction(y, eta)[1][-1] == -1


@pytest.mark.parametrize("link", [LogLink(), IdentityLink()])
def test_fisher_weight_of_a_deviance_is_the_expected_square_of_residuals(link):
    loss, (_, eta) = PoissonDeviance(link), counts_of("Poisson")
    square = second = 0
    for count in range(200):
        y = np.full(len(eta), float(count))
        likelihood = stats.poisson.pmf(count, loss.predict(eta))[:, None]
        square += likelihood * loss.residual(y, eta) ** 2
        second += likelihood * loss.second_derivative(y, eta)
    assert_allclose(loss.fisher_weight(eta), square, rtol=1e-12)
    assert_allclose(loss.fisher_weight(eta), second, rtol=1e-12)


REGRESSORS = {
    "Poisson": (PoissonRegressor, mean_poisson_deviance),
    "Gamma": (GammaRegressor, mean_gamma_deviance),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_deviances_are_what_scikit_learn_minimises(name):
    """The gradient vanishes at its optimum; the Gamma's link is not canonical."""
    kind, mean_deviance = REGRESSORS[name]
    rng = np.random.default_rng(1)
    X, weight = rng.normal(size=(80, 3)), cases.weights_with_zeros(80)
    mean = np.exp(X @ [0.5, -0.3, 0.0] + 0.2)
    y = rng.gamma(2, mean / 2) if name == "Gamma" else rng.poisson(mean).astype(float)
    model = kind(alpha=0.1, solver="newton-cholesky", tol=1e-12).fit(X, y, weight)
    objective = LinearObjective(
        loss=DEVIANCES[name],
        weights=np.append(model.coef_, model.intercept_)[None],
        jacobian=LinearJacobian(X, fit_intercept=True),
        y=y,
        sample_weight=weight,
        penalty=model.alpha * weight.sum() * np.array([[1.0, 1.0, 1.0, 0.0]]),
    )
    eta = objective.training_predictor
    assert_allclose(objective.predict(objective.jacobian), model.predict(X), rtol=1e-14)
    value = 2 * np.average(objective.loss.value(y, eta), weights=weight)
    assert_allclose(value, mean_deviance(y, model.predict(X), sample_weight=weight), rtol=1e-12)
    assert objective.relative_gradient() < 1e-12
    x, second = objective.jacobian.block(slice(None)), objective.loss.second_derivative(y, eta)
    expected = (x.T * (weight * second[:, 0])) @ x + np.diag(objective.penalty[0])
    assert_allclose(objective.hessian()[0], expected / weight.sum(), rtol=1e-12)
    expected = (x.T * (weight * objective.loss.fisher_weight(eta)[:, 0])) @ x
    assert_allclose(objective.fisher()[0], expected / weight.sum(), rtol=1e-12)


@pytest.mark.parametrize("name", ["Poisson", "Gamma"])
def test_deviances_far_away(name):
    loss, y = DEVIANCES[name], np.array([0.5, 3.0, 0.5, 3.0])
    eta = np.array([[-800.0], [-100.0], [100.0], [800.0]])
    for values in (loss.value(y, eta), loss.residual(y, eta), loss.fisher_weight(eta)):
        assert np.isfinite(values).all()
    assert (loss.second_derivative(y, eta) >= 0).all()
    for dtype in (np.float64, np.float32):
        norm, unit = loss.direction(np.array([3.0, 3.0]), np.array([[-20.0], [20.0]], dtype))
        assert norm.dtype == unit.dtype == dtype
        assert_array_equal(unit, [[-1], [1]])
    # A mean that float32 has no number for still pulls its way.
    assert PoissonDeviance(LogLink()).direction(np.zeros(1), np.float32([[-150]]))[1] == 1


def test_second_derivatives_that_vanish_are_not_below_zero():
    """Of a count of 0, to which an identity link gives no curvature, whatever the rounding."""
    eta = np.random.default_rng(0).uniform(1e-6, 1e6, size=(1000, 1))
    assert not PoissonDeviance(IdentityLink()).second_derivative(np.zeros(1000), eta).any()


def test_residuals_of_several_models_are_those_of_each(loss):
    y, eta = rows_of(loss)
    tables = np.stack([eta, 2 * eta, -eta], axis=1)
    each = np.stack([loss.residual(y, tables[:, model]) for model in range(3)], axis=1)
    assert_allclose(loss.residuals(y, tables), each, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_log_loss_keeps_its_digits_far_out(dtype):
    loss, margins = LogLoss(binary_codebook()), np.array([0, 1e-9, 0.3, 5, 40, 80, 1e3, np.inf])
    margins = np.concatenate([-margins[::-1], margins]).astype(dtype)
    y, eta = np.ones(len(margins), int), margins[:, None]
    tolerance = {"rtol": 8 * np.finfo(dtype).eps, "atol": np.finfo(dtype).tiny}
    assert_allclose(loss.value(y, eta), np.logaddexp(0, -margins), **tolerance)
    assert_allclose(loss.residual(y, eta)[:, 0], -expit(-margins), **tolerance)
    assert loss.value(y, eta).dtype == loss.residual(y, eta).dtype == dtype
