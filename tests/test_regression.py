"""SGDRegressor: real targets through the explainer, against closed forms and refits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_diabetes
from sklearn.linear_model import SGDRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.svm import SVR

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.losses import Huber, SquaredEpsilonInsensitive, SquaredError

ALPHA, EPSILON = 0.01, 0.3
LOSSES = ["squared_error", "huber", "squared_epsilon_insensitive"]


@pytest.fixture(scope="module")
def data():
    X, y = load_diabetes(return_X_y=True)
    X, y = scale(X), scale(y)
    return X[:300], y[:300], X[300:340], y[300:340]


def regressor(loss):
    return SGDRegressor(
        loss,
        alpha=ALPHA,
        epsilon=EPSILON,
        max_iter=3000,
        tol=None,
        eta0=0.005,
        average=True,
        random_state=0,
    )


@pytest.fixture(scope="module", params=LOSSES)
def explainer(request, data):
    X, y, _, _ = data
    explainer = RelatIFExplainer(regressor(request.param), criterion="influence", random_state=0)
    return explainer.fit(X, y)


def ridge(X, y, n_rows):
    """Minimiser of the sum form of squared error, with the penalty of ``n_rows`` rows."""
    x = np.column_stack([X, np.ones(len(X))])
    penalty = np.diag([ALPHA * n_rows] * X.shape[1] + [0.0])
    return np.linalg.solve(x.T @ x + penalty, x.T @ y)


@pytest.mark.parametrize("loss", [SquaredError(), Huber(0.7), SquaredEpsilonInsensitive(0.2)])
def test_derivatives_are_those_of_the_value(loss):
    rng = np.random.default_rng(0)
    y, eta, step = rng.normal(size=50), rng.normal(size=(50, 1)) * 2, 1e-6
    numeric = (loss.value(y, eta + step) - loss.value(y, eta - step)) / (2 * step)
    assert_allclose(loss.residual(y, eta)[:, 0], numeric, atol=1e-8)
    numeric = (loss.residual(y, eta + step) - loss.residual(y, eta - step)) / (2 * step)
    assert_allclose(loss.second_derivative(y, eta), numeric, atol=1e-6)


def test_no_target_asks_for_the_prediction():
    y, eta = np.array([np.nan, 1.0]), np.array([[2.0], [3.0]])
    assert_allclose(SquaredError().value(y, eta), [-2.0, 2.0])
    assert_allclose(SquaredError().residual(y, eta), [[-1.0], [2.0]])


def test_the_reduction_is_that_of_scikit_learn(explainer):
    assert explainer.distance_to_optimum_ < 0.05


def test_curvature_and_influence_in_closed_form(data):
    X, y, queries, targets = data
    explainer = RelatIFExplainer(regressor("squared_error"), criterion="influence").fit(X, y)
    x, t = (np.column_stack([a, np.ones(len(a))]) for a in (X, queries))
    hessian = x.T @ x / len(x) + np.diag([ALPHA] * X.shape[1] + [0.0])
    error = explainer.predict(X) - y
    query_error = explainer.predict(queries) - targets
    expected = (query_error[:, None] * t) @ np.linalg.solve(hessian, (error[:, None] * x).T)
    assert_allclose(explainer.pairwise_influence(queries, targets), expected, atol=1e-10)
    of_prediction = -t @ np.linalg.solve(hessian, (error[:, None] * x).T)
    assert_allclose(explainer.pairwise_influence(queries), of_prediction, atol=1e-10)


def test_exact_removal_is_ridge_without_the_row(data):
    X, y, queries, _ = data
    explainer = RelatIFExplainer(regressor("squared_error")).fit(X, y)
    effect = explainer.removal_effect(queries, order="retrain")
    kept = np.arange(len(y)) != 7
    change = ridge(X[kept], y[kept], len(y) - 1) - ridge(X, y, len(y))
    expected = -(np.column_stack([queries, np.ones(len(queries))]) @ change)
    assert_allclose(effect[:, 7], expected, atol=1e-12)


def test_one_step_is_closer_to_retraining_than_first_order(explainer, data):
    _, _, queries, targets = data
    first, step, exact = (
        explainer.removal_effect(queries, targets, order=order).ravel()
        for order in ("first", "newton", "retrain")
    )
    of_first, of_step = (np.corrcoef(effect, exact)[0, 1] for effect in (first, step))
    # One step is exact for squared error but for where SGD stopped; the second derivative of the
    # other losses jumps where rows change sides.
    assert of_step > (0.999 if explainer.estimator.loss == "squared_error" else 0.98)
    assert of_step > of_first
    assert explainer.score(queries, targets) > 0.95


def test_explanations_show_targets_and_predictions(explainer, data):
    _, y, queries, targets = data
    explanation = explainer.explain(queries)
    assert_allclose(explanation.targets, explainer.predict(queries), rtol=1e-12)
    assert_allclose(explainer.explain(queries, targets).targets, targets)
    assert_allclose(explanation.training_rows.labels, y)
    assert explanation.training_rows.probabilities is None
    assert not hasattr(explainer, "classes_")
    assert not hasattr(explainer, "predict_proba")


def test_groups_and_pipeline(data):
    X, y, queries, targets = data
    explainer = RelatIFExplainer(make_pipeline(StandardScaler(), regressor("huber"))).fit(X, y)
    effect = explainer.removal_effect(queries, targets, groups=np.arange(len(y)) % 3)
    assert effect.shape == (len(queries), 3)
    assert len(explainer.retrain_without([[0, 1]])) == 1


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_a_tube_is_that_of_the_linear_machine(data):
    """At the optimum, and without rows, with the penalty that all rows had."""
    X, y, queries, _ = data
    X, y = X[:120], y[:120]
    explainer = RelatIFExplainer(regressor("epsilon_insensitive")).fit(X, y)
    assert explainer.distance_to_optimum_ < 0.5
    machine = SVR(kernel="linear", C=1 / (ALPHA * 120), epsilon=EPSILON, tol=1e-8)
    for rows, model in zip([[], [3, 4]], explainer.retrain_without([[], [3, 4]]), strict=True):
        expected = machine.fit(np.delete(X, rows, 0), np.delete(y, rows)).predict(queries)
        assert_allclose(model.predict(queries), expected, rtol=0, atol=1e-5)


def test_missing_target(data):
    X, y, queries, targets = data
    explainer = RelatIFExplainer(regressor("squared_error")).fit(X, y)
    with pytest.raises(ValueError, match="y contains NaN or infinity"):
        explainer.explain(queries, np.where(targets > 0, np.nan, targets))


@pytest.mark.filterwarnings("ignore:The model is not at the optimum")
def test_rows_that_leave_the_intercept_open(data):
    """A damping of the criterion is no part of what is retrained, and no way out."""
    X, _, queries, _ = data
    y = np.where(np.arange(len(X)) % 2, 1e3, -1e3)
    explainer = RelatIFExplainer(regressor("huber"), damping=0.1).fit(X, y)
    assert np.isfinite(explainer.pairwise_influence(queries)).all()
    with pytest.raises(ValueError, match=r"without any damping.*not positive definite.*closer to"):
        explainer.removal_effect(queries)
