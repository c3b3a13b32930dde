"""The brute-force reference itself, against finite differences of the log loss."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from tests import reference

N_ROWS, N_QUERIES = 12, 5
CASES = {
    "binary": ("sigmoid", 1, 2),
    "one versus rest": ("sigmoid", 3, 3),
    "softmax": ("softmax", 3, 3),
    "softmax of two": ("softmax", 2, 2),
}
STEP = 1e-5
# Central differences of functions of order 1: truncation STEP^2, rounding eps / STEP, and room.
TOLERANCE = 1e-9


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def problem(request):
    """Coefficients, rows, labels, weights (one of them 0), penalty and queries."""
    link, n_predictors, n_classes = request.param
    rng = np.random.default_rng(0)
    X = reference.design(rng.normal(size=(N_ROWS, 3)))
    return {
        "link": link,
        "W": rng.normal(size=(n_predictors, X.shape[1])),
        "X": X,
        "y": np.arange(N_ROWS) % n_classes,
        "s": np.r_[0.0, rng.uniform(0.5, 2.0, N_ROWS - 1)],
        "penalty": np.r_[0.3, 0.2, 0.7, 0.0],
        "X_query": reference.design(rng.normal(size=(N_QUERIES, 3))),
        "y_query": np.arange(N_QUERIES) % n_classes,
    }


def central_differences(function, W):
    """Return the derivative of an array-valued function of W, one column for each entry of W."""
    columns = []
    for entry in range(W.size):
        step = np.zeros(W.size)
        step[entry] = STEP
        step = step.reshape(W.shape)
        columns.append((function(W + step) - function(W - step)) / (2 * STEP))
    return np.stack(columns, axis=-1)


def objective_gradient(W, X, y, s, penalty, link):
    return (s @ reference.gradients(W, X, y, link) + (penalty * W).ravel()) / s.sum()


def optimum(W, X, y, s, penalty, link):
    """Return the minimiser of J, by Newton steps of the reference's own derivatives."""
    for _ in range(50):
        gradient = objective_gradient(W, X, y, s, penalty, link)
        H = reference.hessian(W, X, s, penalty, link)
        W = W - (np.linalg.pinv(H, hermitian=True) @ gradient).reshape(W.shape)
    assert np.abs(gradient).max() < 1e-14
    return W


def test_log_loss_is_minus_the_log_of_the_model_probability():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(60, 3)), np.arange(60) % 3
    rows = np.arange(len(y))

    softmax = LogisticRegression().fit(X, y)
    W = np.column_stack([softmax.coef_, softmax.intercept_])
    loss = reference.log_loss(W, reference.design(X), y, "softmax")
    assert_allclose(loss, -np.log(softmax.predict_proba(X)[rows, y]), rtol=1e-12)

    one_vs_rest = OneVsRestClassifier(LogisticRegression()).fit(X, y)
    models = one_vs_rest.estimators_
    W = np.vstack([np.column_stack([m.coef_, m.intercept_]) for m in models])
    loss = reference.log_loss(W, reference.design(X), y, "sigmoid")
    expected = [-np.log(m.predict_proba(X)[rows, (y == k) * 1]) for k, m in enumerate(models)]
    assert_allclose(loss, np.sum(expected, axis=0), rtol=1e-12)

    W = W[1:2]
    binary = (y == 1) * 1
    loss = reference.log_loss(W, reference.design(X), binary, "sigmoid")
    assert_allclose(loss, expected[1], rtol=1e-12)


def test_gradients_are_the_derivatives_of_the_log_loss(problem):
    W, X, y, link = (problem[name] for name in ("W", "X", "y", "link"))
    expected = central_differences(lambda V: reference.log_loss(V, X, y, link), W)
    assert_allclose(reference.gradients(W, X, y, link), expected, rtol=0, atol=TOLERANCE)


def test_hessian_is_the_derivative_of_the_objective_gradient(problem):
    W, X, y, s, penalty, link = (problem[n] for n in ("W", "X", "y", "s", "penalty", "link"))
    expected = central_differences(lambda V: objective_gradient(V, X, y, s, penalty, link), W)
    actual = reference.hessian(W, X, s, penalty, link)
    assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)
    damped = reference.hessian(W, X, s, penalty, link, damping=0.5)
    assert_allclose(damped - actual, 0.5 * np.eye(W.size), rtol=0, atol=1e-15)


def test_fisher_is_the_likelihood_part_of_the_hessian(problem):
    W, X, s, link = (problem[name] for name in ("W", "X", "s", "link"))
    expected = reference.hessian(W, X, s, 0.0, link)
    assert_allclose(reference.fisher(W, X, s, link), expected, rtol=0, atol=1e-14)


def test_empirical_fisher_sums_gradients_at_the_observed_labels(problem):
    W, X, y, s, link = (problem[name] for name in ("W", "X", "y", "s", "link"))
    G = central_differences(lambda V: reference.log_loss(V, X, y, link), W)
    expected = (G.T * s) @ G / s.sum()
    actual = reference.empirical_fisher(W, X, y, s, link)
    assert_allclose(actual, expected, rtol=0, atol=10 * TOLERANCE)


def test_influence_is_the_response_of_the_query_loss_to_the_weight_of_a_row(problem):
    """The derivative is taken by refitting with the row's weight moved to either side."""
    X, y, s, penalty, link = (problem[name] for name in ("X", "y", "s", "penalty", "link"))
    query = problem["X_query"], problem["y_query"]
    W = optimum(0 * problem["W"], X, y, s, penalty, link)
    matrices = reference.influence_matrices(W, X, y, s, penalty, *query, link=link)
    assert np.all(matrices["influence"][:, s == 0] == 0)

    for row in np.flatnonzero(s):
        step = 1e-4 * (np.arange(N_ROWS) == row)
        above, below = (
            reference.log_loss(optimum(W, X, y, weights, penalty, link), *query, link)
            for weights in (s + step, s - step)
        )
        response = -s.sum() * (above - below) / 2e-4
        assert_allclose(matrices["influence"][:, row], response, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("curvature", ["hessian", "fisher", "empirical_fisher", "identity"])
def test_criteria_are_the_definitions_row_by_row(problem, curvature):
    """The damping makes the curvature regular, so that a plain solve replaces the inverse."""
    damping = 0.1
    W, X, y, s, penalty, link = (problem[n] for n in ("W", "X", "y", "s", "penalty", "link"))
    matrix = {
        "hessian": reference.hessian(W, X, s, penalty, link, damping),
        "fisher": reference.fisher(W, X, s, link, damping),
        "empirical_fisher": reference.empirical_fisher(W, X, y, s, link, damping),
        "identity": (1 + damping) * np.eye(W.size),
    }[curvature]
    gradients = reference.gradients(W, X, y, link)
    g_query = reference.gradients(W, problem["X_query"], problem["y_query"], link)
    matrices = reference.influence_matrices(**problem, curvature=curvature, damping=damping)
    for row in np.flatnonzero(s):
        step = np.linalg.solve(matrix, gradients[row])
        scale = {
            "influence": 1.0,
            "theta_relative": np.linalg.norm(step),
            "loss_relative": np.sqrt(step @ matrix @ step),
        }
        for criterion, scores in matrices.items():
            expected = g_query @ step / scale[criterion]
            assert_allclose(scores[:, row], expected, rtol=1e-10, atol=1e-13)
    for scores in matrices.values():
        assert np.all(scores[:, s == 0] == 0)


def test_active_mask_drops_parameters(problem):
    """Dropping a column altogether is the same as never having had it."""
    without = np.array([True, False, True, True])
    W = np.where(without, problem["W"], 0.0)
    active = np.broadcast_to(without, W.shape)
    masked = reference.influence_matrices(**{**problem, "W": W}, active=active)
    smaller = {
        **problem,
        "W": W[:, without],
        "X": problem["X"][:, without],
        "X_query": problem["X_query"][:, without],
        "penalty": problem["penalty"][without],
    }
    for criterion, expected in reference.influence_matrices(**smaller).items():
        assert_allclose(masked[criterion], expected, rtol=1e-10, atol=1e-13)
