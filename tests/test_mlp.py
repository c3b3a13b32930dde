"""Perceptrons of scikit-learn: what they minimised, their derivatives, and their last layer."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.networks import LastLayer

quietly = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore:The model is not at the optimum"
)
TAKES_WEIGHTS = has_fit_parameter(MLPClassifier(), "sample_weight")
HIDDEN = {
    "identity": lambda h: h,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda h: np.maximum(h, 0),
}


def tables(n_targets=1, n_rows=60):
    """Standardised rows, three classes in words, and numbers."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 4))
    line = X @ [0.8, -0.5, 0.3, 0.0] + 0.2
    numbers = np.column_stack([line, X[:, 1] - line, np.sin(X[:, 0])])[:, :n_targets]
    noise = rng.normal(size=numbers.shape)
    scores = np.column_stack([line, X[:, 1], X[:, 2] - line]) + rng.gumbel(size=(n_rows, 3))
    return X, np.array(["a", "b", "c"])[scores.argmax(axis=1)], np.squeeze(numbers + 0.3 * noise)


def closely(kind, **params):
    """A small network next to its optimum."""
    options = {"solver": "lbfgs", "alpha": 0.5, "tol": 1e-9, "max_iter": 10_000, "max_fun": 100_000}
    options |= {"hidden_layer_sizes": (5,), "activation": "tanh", "random_state": 0}
    return kind(**options | params)


def reduced(model, X, y, sample_weight=None):
    """Its objective."""
    adapter, weight = adapter_of(model), np.ones(len(y))
    weight = weight if sample_weight is None else sample_weight
    return adapter.reduce(model, X, adapter.targets(model).of_training(y, weight), weight)


def last_features(model, X):
    """What the last layer takes, by hand."""
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        X = HIDDEN[model.activation](X @ coef + intercept)
    return X


# --- the last layer --------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("activation", HIDDEN)
@quietly
def test_the_last_layer_is_the_regression_on_its_features(n_classes, activation):
    X, y, _ = tables()
    X, y = X[y < "abcd"[n_classes]], y[y < "abcd"[n_classes]]
    model = closely(MLPClassifier, hidden_layer_sizes=(6, 5), activation=activation, max_iter=300)
    model.fit(X, y)
    explainer = RelatIFExplainer.from_fitted(LastLayer.from_fitted(model), X, y)
    H, coef = last_features(model, X), (model.coefs_[-1].T, model.intercepts_[-1])
    expected = RelatIFExplainer.from_coefficients(*coef, H, y, l2=0.5)
    np.testing.assert_allclose(explainer.distance_to_optimum_, expected.distance_to_optimum_)
    for criterion in ("influence", "theta_relative", "loss_relative"):
        found = explainer.pairwise_influence(X[:9], y[:9], criterion=criterion)
        asked = expected.pairwise_influence(H[:9], y[:9], criterion=criterion)
        np.testing.assert_allclose(found, asked, atol=1e-8 * np.abs(asked).max())
    for order in ("first", "newton", "retrain"):
        found = explainer.removal_effect(X[:9], y[:9], order=order)
        asked = expected.removal_effect(H[:9], y[:9], order=order)
        np.testing.assert_allclose(found, asked, atol=1e-8 * np.abs(asked).max())
    np.testing.assert_array_equal(explainer.predict(X), model.predict(X))


def test_models_without_rows_differ_in_the_last_layer_alone():
    X, y, _ = tables()
    explainer = RelatIFExplainer(LastLayer(closely(MLPClassifier))).fit(X, y)
    assert explainer.distance_to_optimum_ < 1e-3
    (without,) = explainer.retrain_without([[0, 1]])
    network, changed = explainer.estimator_.estimator_, without.estimator_
    np.testing.assert_array_equal(changed.coefs_[0], network.coefs_[0])
    H = last_features(network, X)
    refit = LogisticRegression(C=1 / 0.5, solver="newton-cholesky", tol=1e-10).fit(H[2:], y[2:])
    np.testing.assert_allclose(without.predict_proba(X), refit.predict_proba(H), atol=1e-7)


def test_the_last_layer_of_a_regressor():
    X, _, y = tables(n_targets=2)
    explainer = RelatIFExplainer(LastLayer(closely(MLPRegressor))).fit(X, y)
    network = explainer.estimator_.estimator_
    H, coef = last_features(network, X), (network.coefs_[-1].T, network.intercepts_[-1])
    expected = RelatIFExplainer.from_coefficients(*coef, H, y, loss="squared_error", l2=0.5)
    for asked, given in ((y[:9], y[:9]), (None, None)):
        found = explainer.pairwise_influence(X[:9], asked)
        other = expected.pairwise_influence(H[:9], given)
        np.testing.assert_allclose(found, other, atol=1e-8 * np.abs(other).max())
    np.testing.assert_allclose(explainer.leverage_, expected.leverage_)


@quietly
def test_the_last_layer_in_every_place():
    X, y, _ = tables()
    y = (y == "a").astype(int)
    wide = MLPClassifier(200, max_iter=20, random_state=0)
    inside = RelatIFExplainer(make_pipeline(StandardScaler(), LastLayer(wide))).fit(X, y)
    Z = StandardScaler().fit_transform(X)
    expected = RelatIFExplainer.from_fitted(LastLayer.from_fitted(clone(wide).fit(Z, y)), Z, y)
    assert inside.estimator_[-1].classes_.tolist() == [0, 1]
    # There are more features than rows, so that the space of the rows is the smaller one.
    found = inside.pairwise_influence(X[:5])
    np.testing.assert_allclose(found, expected.pairwise_influence(Z[:5]), rtol=1e-6, atol=1e-9)
    compact = expected.compact().pairwise_influence(Z[:5])
    np.testing.assert_allclose(compact, found, atol=1e-4 * np.abs(found).max())
    searched = LastLayer(GridSearchCV(wide, {"alpha": [0.1, 1.0]}, cv=2)).fit(Z, y)
    assert RelatIFExplainer.from_fitted(searched, Z, y).leverage_.shape == (60,)
    frozen = LastLayer(FrozenEstimator(clone(wide).fit(Z, y))).fit(Z, y)
    np.testing.assert_array_equal(frozen.predict_proba(Z), expected.predict_proba(Z))


def test_what_has_no_last_layer_is_refused():
    X, y, _ = tables()
    with pytest.raises(TypeError, match="it is no network"):
        LastLayer(LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match="stands inside LastLayer; put it in front"):
        LastLayer(make_pipeline(StandardScaler(), closely(MLPClassifier))).fit(X, y)
