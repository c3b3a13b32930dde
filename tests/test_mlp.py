"""Perceptrons of scikit-learn: what they minimised, their derivatives, and their last layer."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network import _multilayer_perceptron as perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.networks import LastLayer
from sklearn_relatif.testing import check_jacobian
from tests.estimator_checks import assert_checks

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


# --- what was minimised ----------------------------------------------------------------------


def mean_loss(model, objective, X, y):
    """J at the parameters of a network, by its own predictions."""
    if hasattr(model, "classes_"):
        p = model.predict_proba(X)
        if np.ndim(y) == 2:
            each = -np.log(np.where(y == 1, p, 1 - p)).sum(axis=1)
        else:
            each = -np.log(p[np.arange(len(y)), np.searchsorted(model.classes_, y)])
    elif model.out_activation_ == "exp":
        mean = model.predict(X)
        each = np.reshape(mean - y * np.log(mean), (len(X), -1)).sum(axis=1)
    else:
        each = np.reshape((model.predict(X) - y) ** 2 / 2, (len(X), -1)).sum(axis=1)
    square = sum((coef**2).sum() for coef in model.coefs_)
    strength = objective.penalty.max()
    weight = objective.sample_weight
    return (weight @ each + strength / 2 * square) / weight.sum()


def targets_of(kind):
    """Rows and targets of a kind."""
    X, classes, number = tables()
    if kind == "two classes":
        return X, np.where(classes == "a", "yes", "no")
    if kind == "labels":
        return X, np.column_stack([classes == "a", X[:, 0] > 0]).astype(int)
    counts = np.random.default_rng(1).poisson(np.exp(0.3 * X[:, :2])).astype(float)
    of_numbers = {"number": number, "numbers": tables(3)[2]}
    return X, {"classes": classes, "count": counts[:, 0], "counts": counts, **of_numbers}[kind]


CLASSIFIED = ("two classes", "classes", "labels")
KINDS = [*CLASSIFIED, "number", "numbers", "count", "counts"]


def network_for(kind, **params):
    """A network that takes such targets; of counts where the release has their loss."""
    if kind in CLASSIFIED:
        return closely(MLPClassifier, **params)
    if kind in ("number", "numbers"):
        return closely(MLPRegressor, **params)
    if "loss" not in MLPRegressor().get_params():
        pytest.skip("This release has no loss of counts.")
    return closely(MLPRegressor, loss="poisson", **params)


@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", HIDDEN)
@quietly
def test_gradients_are_those_of_its_own_predictions(kind, activation, solver):
    X, y = targets_of(kind)
    params = {"activation": activation, "hidden_layer_sizes": (3, 2), "max_iter": 5}
    model = network_for(kind, solver=solver, batch_size=25, **params).fit(X, y)
    objective, adapter = reduced(model, X, y), adapter_of(model)
    theta, step = adapter.parameters(model), 1e-6

    def ahead(vector):
        return mean_loss(adapter.restore(model, theta + vector), objective, X, y)

    moves = step * np.eye(theta.size)
    slope = np.array([ahead(v) - ahead(-v) for v in moves]) / (2 * step)
    np.testing.assert_allclose(objective.gradient()[0], slope, atol=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize("kind", ["two classes", "classes", "labels", "number"])
def test_lbfgs_minimised_it(kind):
    X, y = targets_of(kind)
    model = network_for(kind).fit(X, y)
    objective = reduced(model, X, y)
    assert mean_loss(model, objective, X, y) == pytest.approx(model.loss_, rel=1e-12)
    # L-BFGS-B stops where J falls by less than some 1e-9, so that there is some slope left.
    wrong = replace(objective, penalty=2 * objective.penalty)
    slopes = [np.abs(one.gradient()).max() for one in (objective, wrong)]
    assert slopes[1] > 1e-3
    assert slopes[0] < 0.05 * slopes[1]


@pytest.mark.parametrize("shuffle", [True, False])
@quietly
def test_the_penalty_counts_once_a_batch(shuffle):
    """A network without hidden layers is a ridge regression, of known weights and penalty."""
    X, _, y = tables(n_rows=50)
    model = MLPRegressor(
        hidden_layer_sizes=(), solver="sgd", batch_size=20, alpha=1.0, shuffle=shuffle, momentum=0,
        random_state=0,
        learning_rate="invscaling", learning_rate_init=1.0, max_iter=3000, tol=0,
        n_iter_no_change=3000,
    ).fit(X, y)  # fmt: skip
    objective = reduced(model, X, y)
    assert objective.penalty.max() == pytest.approx(50 * np.mean([1 / 20, 1 / 20, 1 / 10]))
    assert objective.penalty[0, -1] == 0
    np.testing.assert_allclose(objective.penalty_share, 1 / 50)
    expected = np.repeat([1.0, 1.0, 2.0], [20, 20, 10]) * 50 / 60
    np.testing.assert_allclose(objective.sample_weight, 1 if shuffle else expected)
    ridge = Ridge(objective.penalty.max()).fit(X, y, objective.sample_weight)
    np.testing.assert_allclose(model.coefs_[0][:, 0], ridge.coef_, atol=2e-3)
    other = Ridge(1.0).fit(X, y)
    assert np.abs(model.coefs_[0][:, 0] - other.coef_).max() > 2e-2


@quietly
def test_one_batch_of_all_rows_bears_the_penalty_once():
    X, _, y = tables()
    objective = reduced(MLPRegressor(hidden_layer_sizes=5, alpha=0.3, max_iter=5).fit(X, y), X, y)
    assert objective.penalty.max() == 0.3
    assert objective.penalty_share is None


@pytest.mark.skipif(not TAKES_WEIGHTS, reason="This release takes no weights.")
@pytest.mark.parametrize("kind", ["classes", "number"])
@quietly
def test_weights_are_repeated_rows(kind):
    X, y = targets_of(kind)
    times = np.random.default_rng(0).integers(0, 4, len(X))
    model = network_for(kind).fit(X, y, sample_weight=times)
    options = {"curvature": "gauss_newton", "damping": 1e-3}
    found = RelatIFExplainer.from_fitted(model, X, y, times, **options)
    Z, z = np.repeat(X, times, axis=0), np.repeat(y, times, axis=0)
    expected = RelatIFExplainer.from_fitted(model, Z, z, **options)
    assert np.abs(reduced(model, X, y, times).gradient()).max() < 1e-4
    first = np.flatnonzero(np.diff(np.repeat(np.arange(len(X)), times), prepend=-1))
    for criterion in ("influence", "theta_relative", "loss_relative"):
        scores = found.pairwise_influence(X[:5], criterion=criterion)
        other = expected.pairwise_influence(X[:5], criterion=criterion)[:, first]
        np.testing.assert_allclose(scores[:, times > 0], other, atol=1e-8 * np.abs(other).max())
        assert not scores[:, times == 0].any()


@quietly
def test_several_targets_stop_lbfgs_early_and_the_warning_says_so():
    X, y = targets_of("numbers")
    model = network_for("numbers").fit(X, y)
    assert np.abs(reduced(model, X, y).gradient()).max() > 1e-4
    assert "gradient of their sum" in adapter_of(model).stopping_cause(model)


# --- rows that were held out -----------------------------------------------------------------


def stopped_early(kind, monkeypatch, times=1, **params):
    """A network, and the rows that scikit-learn held out of its training."""
    X, y = targets_of(kind)
    if y.dtype.kind == "U":  # scikit-learn 1.6 cannot score words when it stops early.
        y = np.unique(y, return_inverse=True)[1]
    drawn, split = [], perceptron.train_test_split

    def recorded(*arrays, **options):
        parts = split(*arrays, **options)
        drawn.append(parts[1])
        return parts

    monkeypatch.setattr(perceptron, "train_test_split", recorded)
    options = {"solver": "adam", "early_stopping": True, "max_iter": 10, **params}
    model = network_for(kind, **options)
    for _ in range(times):
        model.fit(X, y)
    monkeypatch.undo()
    return model, X, y, (X[:, None] == drawn[-1]).all(axis=2).any(axis=1)


@pytest.mark.parametrize("kind", KINDS)
@quietly
def test_rows_that_were_held_out_are_known(kind, monkeypatch):
    model, X, y, is_held = stopped_early(kind, monkeypatch)
    objective = reduced(model, X, y)
    np.testing.assert_array_equal(objective.sample_weight == 0, is_held)
    assert is_held.sum() == 6
    explainer = RelatIFExplainer.from_fitted(model, X, y, curvature="gauss_newton", damping=0.01)
    assert not explainer.pairwise_influence(X[:3])[:, is_held].any()
    assert explainer.pairwise_influence(X[:3])[:, ~is_held].all()


@quietly
def test_so_they_are_after_a_second_fit(monkeypatch):
    model, X, y, is_held = stopped_early("number", monkeypatch, times=2, warm_start=True)
    np.testing.assert_array_equal(reduced(model, X, y).sample_weight == 0, is_held)


@quietly
def test_rows_that_were_held_out_by_chance_are_not_known(monkeypatch):
    chance = np.random.RandomState(0)
    model, X, y, _ = stopped_early("number", monkeypatch, random_state=chance)
    with pytest.warns(UserWarning, match="does not tell which: set it to an int and fit again"):
        objective = reduced(model, X, y)
    assert (objective.sample_weight == 1).all()
    model, X, y, _ = stopped_early("number", monkeypatch)
    with pytest.warns(UserWarning, match="do not have best_validation_score_: pass exactly"):
        reduced(model, X[::-1], y[::-1])


@quietly
def test_other_rows_than_those_of_the_training_are_told():
    X, _, y = tables()
    model = MLPRegressor(hidden_layer_sizes=3, max_iter=4, random_state=0).fit(X[:50], y[:50])
    with pytest.warns(UserWarning, match="seen 50 rows on the average, and of these there are 60"):
        reduced(model, X, y)
    model = MLPRegressor(hidden_layer_sizes=3, random_state=0)
    for some in (slice(0, 30), slice(30, 60)):
        model.partial_fit(X[some], y[some])
    with pytest.warns(UserWarning, match="seen 30 rows on the average"):
        reduced(model, X, y)
    # Whole passes, one after the other, are as those of fit.
    for _ in range(3):
        model = MLPRegressor(hidden_layer_sizes=3, random_state=0).partial_fit(X, y)
    reduced(model, X, y)


def test_one_class_is_refused():
    X, _, _ = tables()
    model = MLPClassifier(3, solver="lbfgs", random_state=0).fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="one class only"):
        RelatIFExplainer.from_fitted(model, X, np.zeros(60))


# --- in the place of an estimator --------------------------------------------------------------


@quietly
def test_scikit_learn_checks():
    network = MLPClassifier(hidden_layer_sizes=3, max_iter=5, random_state=0)
    assert_checks(
        RelatIFExplainer(network, curvature="gauss_newton", damping=0.01, random_state=0),
        {},
        model=network,
    )


@quietly
def test_damping_is_searched_for():
    X, y = targets_of("classes")
    options = {"curvature": "gauss_newton", "n_retrainings": 6, "random_state": 0}
    explainer = RelatIFExplainer(network_for("classes", max_iter=100), **options)
    search = GridSearchCV(explainer, {"damping": [0.001, 1.0]}, cv=2, error_score="raise")
    search.fit(X, y)
    assert search.best_params_ == {"damping": 0.001}


# --- derivatives -------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3, 5)])
@pytest.mark.parametrize("kind", ["classes", "numbers"])
@pytest.mark.parametrize("activation", HIDDEN)
@quietly
def test_jacobians_keep_their_promises(kind, hidden, activation):
    """Factors, products, and second derivatives among them."""
    X, y = targets_of(kind)
    for container in (np.asarray, sparse.csr_matrix):
        params = {"activation": activation, "hidden_layer_sizes": hidden, "max_iter": 20}
        model = network_for(kind, **params).fit(container(X), y)
        objective = reduced(model, container(X), y)
        check_jacobian(objective.jacobian, objective.weights)
        assert objective.jacobian.is_bent
        rows, root = objective.rows, np.linspace(0, 1, objective.weights.size)
        (lengths,) = objective.jacobian.weighted_lengths(rows.unit, [root])
        expected = np.linalg.norm(rows.block(slice(None)) * root, axis=1)
        np.testing.assert_allclose(lengths, expected, atol=1e-12)
        vectors = rows.block(slice(0, 40))
        for some in (vectors[:1], vectors):
            found = rows.contract(some, slice(5, 25))
            np.testing.assert_allclose(found, some @ rows.block(slice(5, 25)).T, atol=1e-12)


@pytest.mark.parametrize("kind", ["two classes", "numbers"])
@quietly
def test_single_precision_and_sparse_rows(kind):
    X, y = targets_of(kind)
    single = X.astype(np.float32)
    model = network_for(kind, solver="adam", max_iter=30).fit(single, y)
    assert model.coefs_[0].dtype == np.float32
    options = {"curvature": "gauss_newton", "damping": 0.01}
    explainer = RelatIFExplainer.from_fitted(model, single, y, **options)
    assert explainer._study.objective.rows.block(slice(0, 2)).dtype == np.float32
    found = explainer.pairwise_influence(single[:9])
    double = RelatIFExplainer.from_fitted(model, single.astype(float), y, **options)
    expected = double.pairwise_influence(single[:9].astype(float))
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    rows = sparse.csr_matrix(single.astype(float))
    found = RelatIFExplainer.from_fitted(model, rows, y, **options).pairwise_influence(rows[:9])
    np.testing.assert_allclose(found, expected, atol=1e-10 * np.abs(expected).max())


@quietly
def test_both_nestings_of_a_pipeline():
    X, y = targets_of("classes")
    network = network_for("classes", max_iter=50)
    options = {"curvature": "gauss_newton", "damping": 0.01}
    inside = RelatIFExplainer(make_pipeline(StandardScaler(), network), **options).fit(X, y)
    outside = make_pipeline(StandardScaler(), RelatIFExplainer(network, **options)).fit(X, y)
    Z = outside[0].transform(X[:5])
    found, expected = inside.explain(X[:5]), outside[-1].explain(Z)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.scores, expected.scores)


@quietly
def test_a_network_trains_on_without_rows():
    """By its own solver, from where it is, on the rows that were not held out."""
    X, y = targets_of("number")
    model = closely(MLPRegressor).fit(X, y)
    (refit,) = adapter_of(model).refit(model, reduced(model, X, y), X, y, None, [np.array([3])])
    moved = np.abs(refit.coefs_[0] - model.coefs_[0]).max()
    assert 0 < moved < 0.2
    rest = np.delete(np.arange(60), 3)
    assert np.abs(reduced(refit, X[rest], y[rest]).gradient()).max() < 1e-4
    stopped = MLPRegressor(
        hidden_layer_sizes=3, early_stopping=True, max_iter=5, random_state=0
    ).fit(X, y)
    objective = reduced(stopped, X, y)
    (refit,) = adapter_of(stopped).refit(stopped, objective, X, y, None, [np.array([3])])
    assert refit.t_ - stopped.t_ == 5 * (54 - (objective.sample_weight[3] > 0))


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


@quietly
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


def test_last_layers_are_asked_as_their_networks():
    X, y = load_iris(return_X_y=True, as_frame=True)
    network = MLPClassifier((5,), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)
    layer = LastLayer(network).fit(X, y)
    assert_array_equal(layer.feature_names_in_, X.columns)
    assert layer.n_features_in_ == 4
    assert_array_equal(layer.predict_proba(X), layer.estimator_.predict_proba(X))
    assert layer.score(X, y) == layer.estimator_.score(X, y)

    rows, labels = X.to_numpy(), y.to_numpy()
    layer = LastLayer(network).fit(rows, labels)
    adapter = adapter_of(layer)
    objective = adapter.reduce(layer, rows, labels, np.ones(150))
    layer.estimator_.set_params(warm_start=True)
    (refit,) = adapter.refit(layer, objective, rows, labels, None, [np.array([0, 1])])
    assert refit.predict_proba(rows).shape == (150, 3)
    assert adapter.takes_weights(layer) == adapter_of(network).takes_weights(network)


def test_several_labels_by_the_fisher_information():
    """Each label is a logistic loss of its own: its Fisher information is its Hessian."""
    X, y = load_iris(return_X_y=True)
    labels = np.column_stack([y == 0, y > 1]).astype(int)
    network = MLPClassifier((4,), solver="lbfgs", alpha=0.0, max_iter=50, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.fit(X, labels)
        fisher, tangent = (
            RelatIFExplainer.from_fitted(network, X, labels, curvature=kind, damping=0.1)
            for kind in ("fisher", "gauss_newton")
        )
    found, expected = (own.pairwise_influence(X[::30], labels[::30]) for own in (fisher, tangent))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    loss = adapter_of(network).loss(network)
    assert loss.of_target(1) is loss.members[1]


def test_embeddings_by_kronecker_factors():
    X, y = load_iris(return_X_y=True)
    network = MLPClassifier((4,), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)
    options = {"curvature": "gauss_newton", "damping": 0.1, "solver": "kfac"}
    explainer = RelatIFExplainer(network, criterion="influence", **options).fit(X, y)
    products = explainer.transform(X[::30]) @ explainer.transform(X, y).T
    np.testing.assert_allclose(products, explainer.pairwise_influence(X[::30]), atol=1e-9)
