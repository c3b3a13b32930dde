"""Bounds on the errors of removal effects, against optima that are found in extended precision."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.losses import (
    BinomialDeviance,
    LogitLink,
    LogLink,
    LogLoss,
    MultinomialLogLoss,
    NegativeBinomialDeviance,
    PoissonDeviance,
    TweedieDeviance,
    binary_codebook,
)
from tests import cases, optima

pytestmark = cases.ignore_warning_about_no_penalty

N_ROWS, N_FEATURES = 60, 4


def rows(kind, seed=0):
    """Features, some of them outliers, targets of a kind, weights, and groups of 1 to 12 rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS, N_FEATURES))
    X[:3] *= 8
    score = X @ [0.8, -0.5, 0.3, 0.0] / (1 + np.abs(X).max(axis=1))
    y = {
        "classes": (score + 0.5 * rng.logistic(size=N_ROWS) > 0).astype(int),
        "three": np.digitize(score + 0.4 * rng.logistic(size=N_ROWS), [-0.4, 0.4]),
        "counts": rng.poisson(np.exp(2 * score)).astype(float),
        "positive": rng.gamma(2.0, size=N_ROWS) * np.exp(score) + 1e-3,
        "compound": rng.poisson(2 * np.exp(score)) * rng.gamma(1.0, size=N_ROWS),
        "real": score + rng.normal(size=N_ROWS),
    }[kind]
    groups = np.concatenate([np.arange(16), 16 + np.arange(20) // 5, np.repeat([50, 51], 12)])
    return X, y, rng.choice([0.5, 1.0, 3.0], N_ROWS), groups


#: Model, targets, loss, and the penalty of the sum over rows of some weight, and of the intercept.
MODELS = {
    "log loss, C=1e-3": (LogisticRegression(C=1e-3), "classes", optima.Binary(), lambda s: 1e3, 0),
    "log loss": (LogisticRegression(), "classes", optima.Binary(), lambda s: 1.0, 0),
    "log loss, C=1e4": (LogisticRegression(C=1e4), "classes", optima.Binary(), lambda s: 1e-4, 0),
    "log loss, unpenalised": (
        LogisticRegression(C=np.inf),
        "classes",
        optima.Binary(),
        lambda s: 0.0,
        0,
    ),
    "softmax": (LogisticRegression(C=10), "three", optima.Softmax(3), lambda s: 0.1, 0),
    "Poisson": (PoissonRegressor(alpha=0.01), "counts", optima.Deviance(1), lambda s: 0.01 * s, 0),
    "gamma": (GammaRegressor(alpha=0.01), "positive", optima.Deviance(2), lambda s: 0.01 * s, 0),
    "Tweedie": (
        TweedieRegressor(power=1.5, link="log", alpha=0.0),
        "compound",
        optima.Deviance(1.5),
        lambda s: 0.0,
        0,
    ),
    "squares": (Ridge(alpha=2.0), "real", optima.Squares(), lambda s: 2.0, 0),
    "squared hinge": (
        LinearSVC(C=0.1, dual=True, max_iter=100_000, random_state=0),
        "classes",
        optima.SquaredHinge(),
        lambda s: 10.0,
        10.0,
    ),
}


def fitted(name, X, y, weight):
    model = MODELS[name][0]
    model.set_params(tol=1e-8)
    if "max_iter" in model.get_params() and model.get_params()["max_iter"] is not None:
        model.set_params(max_iter=100_000)
    return RelatIFExplainer(model).fit(X, y, sample_weight=weight)


def truth(name, X, y, weight, groups, queries):
    """Effects on the loss of queries of rows, each group in order, and what they may be off by."""
    _, _, loss, penalty, of_intercept = MODELS[name]

    def optimum(keep, start=None):
        l2 = penalty(weight[keep].sum())
        return optima.Optimum(loss, X[keep], y[keep], weight[keep], l2, of_intercept, start)

    whole = optimum(np.ones(len(y), bool))
    before, effects, errors = whole.losses(X[queries], y[queries]), [], []
    for label in np.unique(groups):
        without = optimum(groups != label, whole)
        assert without.decrement < 1e-11
        effects.append(without.losses(X[queries], y[queries]) - before)
        errors.append(10 * (without.reach(X[queries]) + whole.reach(X[queries])))
    return np.array(effects).T.astype(float), np.array(errors).T


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("order", ["newton", "auto", "retrain"])
def test_bounds_hold_for_rows_and_groups(name, order):
    X, y, weight, groups = rows(MODELS[name][1])
    queries = np.array([0, 20, 40, 55])
    explainer = fitted(name, X, y, weight)
    effects, bounds = explainer.removal_effect(
        X[queries], y[queries], groups, order=order, tol=1e-2, return_bounds=True
    )
    expected, error = truth(name, X, y, weight, groups, queries)
    assert (np.abs(effects - expected) <= bounds + error).all()
    largest = np.abs(expected).max(axis=1, keepdims=True)
    if order == "newton":  # Groups of twelve rows may be too far away for any bound.
        assert np.median(bounds[:, :16] / largest) < 0.05
    else:
        assert (bounds <= 0.0101 * largest + 1e-12).all()


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, np.float32])
def test_bounds_hold_for_all_forms_of_features(container):
    X, y, weight, groups = rows("three")
    X = X.astype(np.float32).astype(float)
    given = X.astype(np.float32) if container is np.float32 else container(X)
    queries = np.array([0, 20, 40, 55])
    explainer = fitted("softmax", given, y, weight)
    effects, bounds = explainer.removal_effect(
        given[queries], y[queries], groups, order="auto", return_bounds=True
    )
    expected, error = truth("softmax", X, y, weight, groups, queries)
    assert (np.abs(effects - expected) <= bounds + error).all()
    assert (bounds <= 0.00101 * np.abs(expected).max(axis=1, keepdims=True)).all()


def test_least_squares_is_exact_but_for_rounding():
    X, y, weight, groups = rows("real")
    explainer = fitted("squares", X, y, weight)
    _, bounds = explainer.removal_effect(X[:5], y[:5], groups, return_bounds=True)
    assert bounds.max() < 1e-8


def test_no_optimum_no_bound():
    """Without the rows that overlap, classes are apart, and nothing holds the coefficients."""
    rng = np.random.default_rng(0)
    X = np.sort(rng.normal(size=(40, 1)), axis=0)
    y = (X[:, 0] > 0).astype(int)
    y[[10, 30]] = 1 - y[[10, 30]]
    groups = np.array([None] * 40)
    groups[[10, 30]], groups[[3, 5]] = "overlap", "others"
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, tol=1e-10)).fit(X, y)
    with pytest.warns(ConvergenceWarning) as caught:
        _, bounds = explainer.removal_effect(X[:5], y[:5], groups, order="auto", return_bounds=True)
    told = " ".join(str(warning.message) for warning in caught)
    assert "has no optimum" in told
    assert "1 of 2 removals exceed tol" in told
    assert np.isfinite(bounds[:, 0]).all()
    assert np.isinf(bounds[:, 1]).all()


def test_a_column_that_hardly_varies_is_not_taken_for_one_that_no_row_sees():
    X, y, weight, groups = rows("positive")
    X[:, 0] = 700 + 1e-4 * X[:, 0]
    queries = np.array([10, 20, 40, 55])
    explainer = fitted("gamma", X, y, weight)
    effects, bounds = explainer.removal_effect(
        X[queries], y[queries], groups, order="retrain", return_bounds=True
    )
    expected, error = truth("gamma", X, y, weight, groups, queries)
    assert (np.abs(effects - expected) <= bounds + error).all()


def test_where_rounding_leaves_no_bounds_effects_are_those_of_retraining():
    """Also where there is no bound of the model of all rows itself."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4))
    y = (X @ [1, -1, 0.5, 1] + rng.logistic(size=400) > 0).astype(int)
    X[:, 3] = 1 + 1e-4 * X[:, 3]
    groups = np.arange(400) // 40
    explainer = RelatIFExplainer(LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)).fit(X, y)
    exact = explainer.removal_effect(X[:5], y[:5], groups, order="retrain")
    with pytest.warns(ConvergenceWarning, match="10 of 10 removals exceed tol"):
        effects, bounds = explainer.removal_effect(
            X[:5], y[:5], groups, order="auto", return_bounds=True
        )
    assert np.isinf(bounds).all()
    np.testing.assert_allclose(effects, exact, atol=1e-8)
    assert np.abs(exact).max() > 0.01


METRICS = ("log_loss", "brier", "roc_auc", "average_precision", "accuracy", "recall@20")


@pytest.mark.parametrize("metric", METRICS)
def test_bounds_of_metrics_hold(metric):
    X, y, weight, groups = rows("classes")
    explainer = fitted("log loss", X, y, weight)
    X_test, y_test, *_ = rows("classes", seed=1)
    exact = explainer.removal_effect_on(metric, X_test, y_test, groups, order="retrain")
    for order in ("newton", "auto"):
        effects, bounds = explainer.removal_effect_on(
            metric, X_test, y_test, groups, order=order, tol=0.1, return_bounds=True
        )
        assert (np.abs(effects - exact) <= bounds + 1e-9).all()
        assert np.median(bounds) <= 0.1 * np.abs(exact).max() + 1e-9


def test_groups_of_people_have_bounds_too():
    X, y, weight, groups = rows("classes")
    explainer = fitted("log loss", X, y, weight)
    X_test, y_test, *_ = rows("classes", seed=1)
    people = np.where(X_test[:, 3] > 0, "a", "b")
    for metric in ("demographic_parity", "worst_group", "soft_demographic_parity"):
        asked = metric, X_test, y_test, groups
        exact = explainer.removal_effect_on(*asked, order="retrain", sensitive=people)
        effects, bounds = explainer.removal_effect_on(
            *asked, order="auto", tol=0.1, return_bounds=True, sensitive=people
        )
        assert (np.abs(effects - exact) <= bounds + 1e-9).all()


@pytest.mark.parametrize(
    "model", [SVC(kernel="linear"), LinearSVC(loss="hinge", max_iter=10**5), GaussianNB()]
)
def test_what_has_no_bounds_is_exact_and_says_so(model):
    X, y, *_ = rows("classes")
    explainer = RelatIFExplainer(model).fit(X, y)
    exact = explainer.removal_effect(X[:3], y[:3], order="retrain")
    with pytest.warns(UserWarning, match="no bounds"):
        effects, bounds = explainer.removal_effect(X[:3], y[:3], order="auto", return_bounds=True)
    np.testing.assert_allclose(effects, exact, atol=1e-12)
    assert np.isnan(bounds).all()


def test_a_function_of_the_users_has_no_bounds():
    X, y, weight, _ = rows("classes")
    explainer = fitted("log loss", X, y, weight)

    def mean(scores):
        return scores.mean(), np.full_like(scores, 1 / len(scores))

    with pytest.warns(UserWarning, match="none are known of the metric 'function'"):
        _, bounds = explainer.removal_effect_on(mean, X, return_bounds=True)
    assert np.isnan(bounds).all()


def test_what_cannot_be_is_refused():
    X, y, weight, _ = rows("classes")
    explainer = fitted("log loss", X, y, weight)
    with pytest.raises(ValueError, match="first order"):
        explainer.removal_effect(X[:2], y[:2], order="first", return_bounds=True)
    with pytest.raises(ValueError, match="procedure='model'"):
        explainer.removal_effect(X[:2], y[:2], order="auto", procedure="all")
    with pytest.raises(ValueError, match="tol must be finite"):
        explainer.removal_effect(X[:2], y[:2], order="auto", tol=-1.0)
    network = MLPClassifier((3,), max_iter=5)
    with pytest.warns(ConvergenceWarning):
        explainer = RelatIFExplainer(network, curvature="gauss_newton", damping=1e-2).fit(X, y)
    with pytest.raises(ValueError, match="networks have none"):
        explainer.removal_effect(X[:2], y[:2], order="auto")


def test_rows_without_weight_have_an_effect_of_exactly_zero():
    X, y, weight, _ = rows("classes")
    weight[5] = 0
    explainer = fitted("log loss", X, y, weight)
    effects, bounds = explainer.removal_effect(X[:2], y[:2], order="auto", return_bounds=True)
    assert not effects[:, 5].any()
    assert not bounds[:, 5].any()


CONCORDANT = {
    "log loss": (LogLoss(binary_codebook()), np.array([0, 1])),
    "softmax": (MultinomialLogLoss(4), np.array([0, 3])),
    "Poisson": (PoissonDeviance(LogLink()), np.array([0.0, 3.0])),
    "gamma": (TweedieDeviance(2, LogLink()), np.array([0.1, 3.0])),
    "Tweedie": (TweedieDeviance(1.3, LogLink()), np.array([0.0, 3.0])),
    "binomial": (BinomialDeviance(LogitLink()), np.array([0.3, 1.0])),
    "negative binomial": (NegativeBinomialDeviance(0.7, LogLink()), np.array([0.0, 3.0])),
}


@pytest.mark.parametrize("name", CONCORDANT)
def test_second_derivatives_change_no_faster_than_losses_say(name):
    """So does the difference of a loss from its tangent, which they bound."""
    loss, targets = CONCORDANT[name]
    rng = np.random.default_rng(0)
    y = rng.choice(targets, 2000)
    eta = 3 * rng.normal(size=(2000, loss.n_outputs))
    steps = rng.normal(size=eta.shape) * 10 ** rng.uniform(-3, 0.6, size=(2000, 1))
    moved = loss.moved(steps)
    before, after = (loss.second_derivative(y, each) for each in (eta, eta + steps))
    most = np.exp(loss.concordance * moved)
    if loss.couples_outputs:
        way = rng.normal(size=eta.shape)
        before, after = (np.einsum("nk,nkl,nl->n", way, a, way) for a in (before, after))
    else:
        before, after = before[:, 0], after[:, 0]
    slack = 1 + 1e-9
    assert (after <= most * before * slack).all()
    assert (before <= most * after * slack).all()
    straight = loss.value(y, eta) + (loss.residual(y, eta) * steps).sum(axis=1)
    rest = np.abs(loss.value(y, eta + steps) - straight)
    rounding = 1e-13 * (loss.value_terms(y, eta) + loss.value_terms(y, eta + steps))
    assert (rest <= loss.remainder(y, eta, moved) + rounding).all()


def test_the_reach_of_a_loss_is_the_largest_size_of_a_step():
    rng = np.random.default_rng(0)
    for loss in (MultinomialLogLoss(4), LogLoss(binary_codebook())):
        root = rng.normal(size=(5, loss.n_outputs, loss.n_outputs))
        ways = rng.normal(size=(4000, 1, loss.n_outputs))
        ways /= np.linalg.norm(ways, axis=2, keepdims=True)
        steps = np.einsum("nkl,mjl->nmk", root, ways)
        reach = loss.reach(root @ root.swapaxes(1, 2))
        sizes = loss.moved(steps).max(axis=1)
        assert (sizes <= reach * (1 + 1e-12)).all()
        assert (sizes > 0.9 * reach).all()
