"""Heads that are given by their numbers, against the estimators that they were taken from."""

import io

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from sklearn_relatif import RelatIFExplainer, trusted_types
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter
from tests import cases

EXACT = {"rtol": 1e-9, "atol": 1e-12}
NEAR = {"rtol": 1e-6, "atol": 1e-9}
NEWTON = {"solver": "newton-cholesky", "tol": 1e-10}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    line = X @ [1.0, -1.0, 0.5, 0.0]
    return X[:70], line[:70] + rng.normal(size=70), X[70:], line[70:]


@pytest.fixture(scope="module")
def classes(table):
    rng = np.random.default_rng(1)
    scores = np.column_stack([table[1], table[0][:, 1], -table[1]]) + rng.gumbel(size=(70, 3))
    return np.array(["a", "b", "c"])[scores.argmax(axis=1)]


def assert_same(head, model_explainer, X_new, y_new):
    """Explanations, effects and models without rows, of the head and of what it came from."""
    assert head.distance_to_optimum_ < 1e-3
    for criterion in ("influence", "theta_relative", "loss_relative"):
        found, expected = (
            explainer.pairwise_influence(X_new, criterion=criterion)
            for explainer in (head, model_explainer)
        )
        assert_allclose(found, expected, **EXACT)
    for order in ("first", "newton", "retrain"):
        found, expected = (
            explainer.removal_effect(X_new, y_new, order=order)
            for explainer in (head, model_explainer)
        )
        assert_allclose(found, expected, rtol=1e-7, atol=1e-11)
    found, expected = (
        explainer.retrain_without([[3, 4]])[0] for explainer in (head, model_explainer)
    )
    assert_allclose(found.decision_function(X_new), expected.decision_function(X_new), **NEAR)
    assert_allclose(head.leverage_, model_explainer.leverage_, **EXACT)
    assert_array_equal(head.predict(X_new), model_explainer.predict(X_new))


@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_logistic_head_is_the_regression(table, classes, is_weighted):
    X, _, X_new, _ = table
    y = classes != "a"
    weight = cases.weights_with_zeros(70) if is_weighted else None
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, y, weight)
    head = RelatIFExplainer.from_coefficients(
        model.coef_[0], model.intercept_[0], X, y, l2=2.0, sample_weight=weight
    )
    expected = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert_same(head, expected, X_new, head.predict(X_new))
    assert_allclose(head.predict_proba(X_new), model.predict_proba(X_new), **EXACT)
    assert_allclose(head.decision_function(X_new), model.decision_function(X_new), **EXACT)
    assert_allclose(head.loo_proba(), expected.loo_proba(), **EXACT)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_a_softmax_is_the_regression_in_any_order_and_around_any_mean(table, classes, order):
    X, _, X_new, _ = table
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, classes)
    coef, intercept = model.coef_[order] + [1.0, 0.0, -2.0, 0.0], model.intercept_[order] + 3
    head = RelatIFExplainer.from_coefficients(
        coef, intercept, X, classes, l2=2.0, classes=model.classes_[order]
    )
    assert_same(head, RelatIFExplainer.from_fitted(model, X, classes), X_new, classes[:10])
    assert_array_equal(head.classes_, ["a", "b", "c"])
    assert_allclose(head.predict_proba(X_new), model.predict_proba(X_new), **EXACT)


def test_two_rows_of_two_classes_are_a_softmax(table, classes):
    X, _, X_new, _ = table
    y = np.where(classes == "a", "yes", "no")

    def value(w):
        scores = X @ w[:8].reshape(2, 4).T + w[8:]
        own = (y == "no").astype(int)  # Of the classes in the order "yes", "no".
        return -np.log(softmax(scores, axis=1)[np.arange(70), own]).sum() + w[:8] @ w[:8] / 2

    w = minimize(value, np.zeros(10), tol=1e-9).x
    head = RelatIFExplainer.from_coefficients(
        w[:8].reshape(2, 4), w[8:], X, y, l2=1.0, classes=["yes", "no"]
    )
    assert head.distance_to_optimum_ < 1e-3
    expected = softmax(X_new @ w[:8].reshape(2, 4).T + w[8:], axis=1)[:, ::-1]
    assert_allclose(head.predict_proba(X_new), expected, **EXACT)
    # Half of the penalty is left for the difference.
    model = LogisticRegression(C=2.0, **NEWTON).fit(X, y)
    assert_allclose(head.predict_proba(X_new), model.predict_proba(X_new), atol=1e-5)
    # One row is the score of the second class, whichever that is.
    turned = RelatIFExplainer.from_coefficients(
        -model.coef_, -model.intercept_, X, y, l2=0.5, classes=["yes", "no"]
    )
    assert_allclose(turned.predict_proba(X_new), model.predict_proba(X_new), **EXACT)


def test_squared_hinges_are_the_machine(table, classes):
    X, _, X_new, _ = table
    for y in (classes, classes == "b"):
        model = LinearSVC(C=0.5, tol=1e-12, max_iter=100_000, random_state=0).fit(X, y)
        head = RelatIFExplainer.from_coefficients(
            model.coef_, model.intercept_, X, y, loss="squared_hinge", l2=2.0, l2_intercept=2.0
        )
        expected = RelatIFExplainer.from_fitted(model, X, y)
        assert_same(head, expected, X_new, head.predict(X_new))
        assert_allclose(head.decision_function(X_new), model.decision_function(X_new), **EXACT)
        assert not hasattr(head, "predict_proba")


@pytest.mark.parametrize("has_intercept", [True, False])
def test_squared_errors_are_ridge_regression(table, has_intercept):
    X, y, X_new, y_new = table
    for target, new in ((y, y_new), (np.column_stack([y, X[:, 0]]), np.column_stack([y_new] * 2))):
        model = Ridge(3.0, fit_intercept=has_intercept).fit(X, target)
        head = RelatIFExplainer.from_coefficients(
            model.coef_,
            model.intercept_ if has_intercept else None,
            X,
            target,
            loss="squared_error",
            l2=3.0,
        )
        expected = RelatIFExplainer.from_fitted(model, X, target)
        assert_allclose(head.predict(X_new), model.predict(X_new), **EXACT)
        assert_allclose(head.pairwise_influence(X_new), expected.pairwise_influence(X_new), **EXACT)
        found, wanted = (e.removal_effect(X_new, new) for e in (head, expected))
        assert_allclose(found, wanted, **EXACT)
        assert_allclose(head.diagnostics(), expected.diagnostics(), **EXACT)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_counts_and_positive_targets_have_a_mean(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    mean = np.exp(X[:, 0] / 2)
    y = rng.poisson(mean).astype(float) if loss == "poisson" else rng.gamma(2, mean / 2)

    def value(w, rows):
        eta = X[rows] @ w[:3] + w[3]
        deviance = y[rows] * np.exp(-eta) + eta
        deviance = np.exp(eta) - y[rows] * eta if loss == "poisson" else deviance
        return np.sum(deviance) + w[:3] @ w[:3] / 2

    w, without = (
        minimize(value, np.zeros(4), np.delete(np.arange(60), rows), tol=1e-10).x
        for rows in ([], [5])
    )
    head = RelatIFExplainer.from_coefficients(w[:3], w[3], X, y, loss=loss, l2=1.0)
    assert head.distance_to_optimum_ < 1e-4
    assert_allclose(head.predict(X), np.exp(X @ w[:3] + w[3]), **EXACT)
    (found,) = head.retrain_without([5])
    assert_allclose(found.predict(X), np.exp(X @ without[:3] + without[3]), rtol=1e-5)


# --- in its place ------------------------------------------------------------------------------


def test_the_adapter_keeps_its_protocol(table, classes):
    X = table[0]
    for y in (classes, classes == "a"):
        weight = cases.weights_with_zeros(70)
        head = cases.TrainedHead(l2=2.0).fit(X, y, weight)
        check_adapter(adapter_of(head), head, X, y, weight)


def test_forms_of_the_data(table, classes, tmp_path):
    X, _, X_new, _ = table
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, classes)
    numbers, options = (model.coef_, model.intercept_), {"l2": 2.0}
    dense = RelatIFExplainer.from_coefficients(*numbers, X, classes, **options)
    stored = np.memmap(tmp_path / "X", np.float64, "w+", shape=X.shape)
    stored[:] = X
    frame = pd.DataFrame(X, [f"row {i}" for i in range(70)], list("pqrs"))
    for form in (sparse.csr_matrix(X), stored, frame):
        other = RelatIFExplainer.from_coefficients(*numbers, form, classes, **options)
        queries = pd.DataFrame(X_new, columns=list("pqrs")) if form is frame else X_new
        assert_allclose(
            other.pairwise_influence(queries),
            dense.pairwise_influence(X_new),
            rtol=1e-9,
            atol=1e-12,
        )
    assert other.training_rows_.index[3] == "row 3"
    with pytest.raises(ValueError, match="feature names"):
        other.predict(queries[list("srqp")])


def test_a_head_is_saved_and_loaded(table, classes):
    X, _, X_new, _ = table
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, classes)
    head = RelatIFExplainer.from_coefficients(model.coef_, model.intercept_, X, classes, l2=2.0)
    file = io.BytesIO()
    joblib.dump(head, file)
    file.seek(0)
    loaded = joblib.load(file)
    assert_array_equal(loaded.explain(X_new).indices, head.explain(X_new).indices)
    assert_array_equal(loaded.predict_proba(X_new), head.predict_proba(X_new))
    skops = pytest.importorskip("skops.io")
    loaded = skops.loads(skops.dumps(head), trusted=trusted_types())
    assert_array_equal(loaded.explain(X_new).indices, head.explain(X_new).indices)


def test_reports_and_flips_are_those_of_a_classifier(table, classes):
    X, _, X_new, _ = table
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, classes)
    head = RelatIFExplainer.from_coefficients(model.coef_, model.intercept_, X, classes, l2=2.0)
    expected = RelatIFExplainer.from_fitted(model, X, classes)
    frame = head.audit(X_new, classes[:10]).frame()
    pd.testing.assert_frame_equal(frame, expected.audit(X_new, classes[:10]).frame())
    close = X_new[[np.sort(head.predict_proba(X_new), axis=1)[:, -2].argmax()]]
    found, wanted = (explainer.flip_set(close, max_size=4) for explainer in (head, expected))
    assert_array_equal(found.positions, wanted.positions)


# --- refusals ----------------------------------------------------------------------------------


def test_numbers_of_another_objective_are_warned_of(table, classes):
    X, _, _, _ = table
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, classes)
    for options in ({"l2": 40.0}, {"l2": 2.0, "loss": "squared_hinge"}):
        with pytest.warns(ConvergenceWarning, match="trained elsewhere.*in the sum form"):
            RelatIFExplainer.from_coefficients(model.coef_, model.intercept_, X, classes, **options)
    with pytest.warns(ConvergenceWarning, match="trained elsewhere"):
        RelatIFExplainer.from_coefficients(
            model.coef_, model.intercept_, X, np.roll(classes, 1), l2=2.0
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"loss": "hinge"}, "loss must be one of 'log_loss', 'squared_hinge', 'squared_error'"),
        ({"coef": np.ones((4, 3))}, "X has 4 features; got shape"),
        ({"coef": np.full((3, 4), np.nan)}, "must be finite"),
        ({"coef": np.ones((2, 4)), "intercept": [0, 0]}, "2 rows, and there are 3 classes"),
        ({"intercept": [0.0]}, "one number for each of the 3 scores"),
        ({"classes": ["a", "a", "b"]}, "each once"),
        ({"classes": ["a", "b", "d"]}, "labels that the model was not trained on"),
        ({"l2": -1.0}, "l2 must be finite and at least 0"),
        ({"loss": "squared_error", "classes": ["a", "b", "c"]}, "which has none"),
        ({"loss": "squared_error"}, "coef has 3 rows, and y has 1 targets"),
        ({"loss": "gamma", "coef": np.ones(4), "intercept": 0}, "targets in .0, inf"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(table, classes, change, said):
    X, y, _, _ = table
    given = {"coef": np.ones((3, 4)), "intercept": np.zeros(3), "l2": 1.0} | change
    target = y if given.get("loss") in ("squared_error", "gamma") else classes
    with pytest.raises(ValueError, match=said):
        RelatIFExplainer.from_coefficients(
            given.pop("coef"), given.pop("intercept"), X, target, **given
        )


def test_a_head_is_not_fitted(table, classes):
    X = table[0]
    model = LogisticRegression(C=0.5, **NEWTON).fit(X, classes)
    head = RelatIFExplainer.from_coefficients(model.coef_, model.intercept_, X, classes, l2=2.0)
    with pytest.raises(TypeError, match="cannot be fitted: train it where it comes"):
        head.estimator_.estimator.fit(X, classes)
