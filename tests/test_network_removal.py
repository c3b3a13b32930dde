"""What networks are without some of their rows: against convex models, refits and brute force."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

import joblib
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import build_curvature
from sklearn_relatif.metrics import mislabel_detection, retraining_fidelity, top_k_overlap
from sklearn_relatif.removal import _network, remover_of

# Networks are where scikit-learn's solver stops.
pytestmark = pytest.mark.filterwarnings("ignore:The model is not at the optimum")

DAMPING = 0.05
N_ROWS = 60


@pytest.fixture(scope="module")
def data():
    """Rows to train with and queries, of three classes that overlap."""
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    order = np.random.RandomState(0).permutation(len(y))
    train, held = order[:N_ROWS], order[N_ROWS : N_ROWS + 20]
    return X[train], y[train], X[held], y[held]


def network(**changed):
    options = {"activation": "tanh", "solver": "lbfgs", "alpha": 0.5, "tol": 1e-12}
    options |= {"hidden_layer_sizes": (4,), "max_iter": 20_000, "max_fun": 10**6}
    return MLPClassifier(**options | {"random_state": 0} | changed)


def trained_on(model, X, y):
    """By scikit-learn, again and again: each time it stops where the loss falls by little."""
    model = deepcopy(model).set_params(warm_start=True)
    for _ in range(20):
        model.fit(X, y)
    return model.set_params(warm_start=False)


@pytest.fixture(scope="module")
def fitted(data):
    X, y, *_ = data
    return trained_on(network(), X, y)


def explainer_of(model, X, y, **options):
    given = {"curvature": "gauss_newton", "damping": DAMPING, "criterion": "influence"}
    return RelatIFExplainer.from_fitted(model, X, y, **given | {"random_state": 0} | options)


@pytest.fixture(scope="module")
def explainer(data, fitted):
    X, y, *_ = data
    return explainer_of(fitted, X, y, n_retrainings=6)


def some_rows(*groups, n_rows=N_ROWS):
    """Labels by which some groups of rows are removed."""
    labels = np.full(n_rows, None)
    for label, rows in enumerate(groups):
        labels[rows] = label
    return labels


# --- trained on -------------------------------------------------------------------------------


def test_a_network_without_a_hidden_layer_is_retrained_as_the_linear_model_it_is(data):
    X, y, X_new, y_new = data
    groups = some_rows([0], [1, 2, 3], [7])
    flat = network(hidden_layer_sizes=()).fit(X, y)
    linear = LogisticRegression(C=2, solver="newton-cholesky", tol=1e-10).fit(X, y)
    effect = explainer_of(flat, X, y).removal_effect(X_new, y_new, groups, order="retrain")
    exact = RelatIFExplainer.from_fitted(linear, X, y)
    truth = exact.removal_effect(X_new, y_new, groups, order="retrain")
    np.testing.assert_allclose(effect, truth, rtol=1e-4, atol=1e-6 * np.abs(truth).max())


def test_a_network_of_one_target_is_retrained_as_ridge_regression(data):
    X, _, X_new, _ = data
    target, target_new = X @ [1, 2, -1, 0.5] + np.sin(7 * X[:, 0]), X_new @ [1, 2, -1, 0.5]
    options = {"solver": "lbfgs", "alpha": 0.5, "tol": 1e-12, "max_iter": 5000}
    flat = MLPRegressor(hidden_layer_sizes=(), **options).fit(X, target)
    effect = explainer_of(flat, X, target).removal_effect(X_new, target_new, order="retrain")
    exact = RelatIFExplainer.from_fitted(Ridge(alpha=0.5).fit(X, target), X, target)
    truth = exact.removal_effect(X_new, target_new, order="retrain")
    np.testing.assert_allclose(effect, truth, rtol=1e-4, atol=1e-6 * np.abs(truth).max())


def test_retraining_leads_where_scikit_learn_trains_on_to(data, fitted, explainer):
    X, y, X_new, y_new = data

    def losses(model):
        return -np.log(model.predict_proba(X_new)[np.arange(len(y_new)), y_new])

    def losses_without(rows):
        return losses(trained_on(fitted, np.delete(X, rows, axis=0), np.delete(y, rows)))

    removals = [[3], [10, 11]]
    truth = np.transpose([losses_without(rows) - losses_without([]) for rows in removals])
    effect = explainer.removal_effect(X_new, y_new, some_rows(*removals), order="retrain")
    assert np.abs(effect - truth).max() < 1e-3 * np.abs(truth).max()
    models = explainer.retrain_without(removals)
    assert all(isinstance(model, MLPClassifier) for model in models)
    before, after = losses(explainer.retrain_without([[]])[0]), map(losses, models)
    np.testing.assert_allclose(np.transpose([own - before for own in after]), effect, atol=1e-12)


def test_what_does_not_count_changes_nothing(data, fitted):
    X, y, *_ = data
    weight = np.ones(N_ROWS)
    weight[4] = 0
    objective = reduce_estimator(fitted, X, y, weight)
    remover = remover_of(objective, damping=DAMPING)
    for order in ("pbrf", "retrain"):
        removals = [np.array([4]), np.array([], np.intp), np.array([4, 9]), np.array([9])]
        found = list(remover.models_without(removals, order))
        changes = np.concatenate([models.parameter_change() for models in found])
        assert (changes[:2] == 0).all()
        assert changes[2] == changes[3] > 0


def test_removals_are_the_same_each_time_and_side_by_side(data, fitted, explainer):
    X, y, X_new, y_new = data
    groups = some_rows([0], [1], [2])
    for order in ("pbrf", "retrain"):
        first = explainer.removal_effect(X_new, y_new, groups, order=order)
        again = explainer_of(fitted, X, y, n_jobs=2)
        with joblib.parallel_config("threading"):
            second = again.removal_effect(X_new, y_new, groups, order=order)
        np.testing.assert_array_equal(first, second)


def test_models_that_do_not_arrive_are_told_of_once(data, monkeypatch):
    X, y, X_new, y_new = data
    short = network(max_iter=30, alpha=1e-3)
    with pytest.warns(ConvergenceWarning):
        explainer = explainer_of(short.fit(X, y), X, y)
    monkeypatch.setattr(_network, "MAX_STEPS", 4)
    monkeypatch.setattr(_network, "MAX_STEPS_OF_ALL", 4)
    with pytest.warns(ConvergenceWarning, match="3 of 3 networks without rows, and") as told:
        explainer.removal_effect(X_new, y_new, some_rows([0], [1], [2]), order="retrain")
    assert len(told) == 1
    # All are trained for as long, so that a removal that does little shows as little.
    objective = reduce_estimator(short, X, y, np.r_[1e-9, np.ones(N_ROWS - 1)])
    with pytest.warns(ConvergenceWarning):
        (models,) = remover_of(objective).models_without([np.array([0])], "retrain")
    moved = np.linalg.norm(models.before - objective.weights[0])
    assert models.parameter_change()[0] < 1e-3 * moved


# --- the proximal Bregman response ------------------------------------------------------------


def bregman(objective, rows, damping, theta):
    """The proximal Bregman objective, as Bae et al. (2022) have it, written down."""
    loss, weight, y = objective.loss, objective.sample_weight, objective.y
    own, kept = objective.jacobian.predictor(theta), objective.training_predictor
    divergence = loss.value(y, own) - loss.value(y, kept)
    divergence -= np.sum(loss.residual(y, kept) * (own - kept), axis=1)
    way = theta - objective.weights[0]
    total = weight @ divergence + objective.penalty[0] @ way**2 / 2
    total -= weight[rows] @ loss.value(y[rows], own[rows])
    return total / weight.sum() + damping / 2 * way @ way


def test_the_response_minimises_the_proximal_bregman_objective(data):
    X, y, *_ = data
    stopped = network(hidden_layer_sizes=(2,), max_iter=15)
    with pytest.warns(ConvergenceWarning):
        stopped.fit(X, y)
    weight = np.random.RandomState(0).uniform(0.5, 2, N_ROWS)
    objective = reduce_estimator(stopped, X, y, weight)
    rows = np.array([5, 8])
    (models,) = remover_of(objective, damping=DAMPING).models_without([rows], "pbrf")
    function = partial(bregman, objective, rows, DAMPING)
    options = {"gtol": 1e-9, "maxiter": 1000}
    found = minimize(function, objective.weights[0], method="BFGS", options=options)
    moved = models.weights[0] - objective.weights[0]
    assert np.linalg.norm(moved) > 1e-2
    np.testing.assert_allclose(models.weights[0], found.x, atol=1e-3 * np.linalg.norm(moved))
    assert function(models.weights[0]) <= found.fun + 1e-12


@pytest.mark.parametrize("max_iter", [15, 20_000], ids=["stopped early", "at a minimum"])
def test_influence_is_the_first_order_of_the_response(data, max_iter):
    X, y, *_ = data
    with pytest.warns(ConvergenceWarning) if max_iter == 15 else pytest.MonkeyPatch.context():
        model = network(max_iter=max_iter).fit(X, y)
    large, small = (errors_of_first_order(model, X, y, weight) for weight in (0.3, 0.01))
    # What is left is of the second order: its share falls with the weight.
    assert (small < 0.2 * large).all() and (small < 0.01).all()


def errors_of_first_order(model, X, y, own_weight):
    """Errors of influence, relative to it, for the responses to two rows of some weight."""
    weight = np.ones(N_ROWS)
    weight[[3, 12]] = own_weight
    objective = reduce_estimator(model, X, y, weight)
    remover = remover_of(objective, damping=DAMPING)
    removals = [np.array([3]), np.array([12])]
    found = list(remover.models_without(removals, "pbrf"))
    steps = np.concatenate([models.weights for models in found]) - objective.weights
    curvature = objective.gauss_newton()[0] + DAMPING * np.eye(steps.shape[1])
    gradients = np.concatenate([objective.rows.block(slice(row, row + 1)) for row in (3, 12)])
    gradients *= (objective.rows.norm * weight / weight.sum())[[3, 12], None]
    expected = np.linalg.solve(curvature, gradients.T).T
    return np.linalg.norm(steps - expected, axis=1) / np.linalg.norm(expected, axis=1)


def of_penalty_by_rows(name, X, y):
    """Networks whose penalty counts rows, stopped early."""
    if name == "perceptron":
        options = {"solver": "adam", "alpha": 2.0, "max_iter": 30, "batch_size": 20}
        with pytest.warns(ConvergenceWarning):
            return network(**options).fit(X, y)
    torch = pytest.importorskip("torch")
    from sklearn_relatif.networks import TorchClassifier

    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    return TorchClassifier(module.double(), weight_decay=0.1).fit(X, y)


@pytest.mark.parametrize("name", ["perceptron", "module"])
def test_influence_and_response_lose_the_same_share_of_the_penalty(data, name):
    """What they differ by vanishes with the weight of a row and its share, linearly."""
    X, y, X_new, y_new = data
    model = of_penalty_by_rows(name, X, y)
    whole, rows = reduce_estimator(model, X, y, np.ones(N_ROWS)), np.array([3, 12])
    assert whole.penalty_share.sum() == pytest.approx(1)

    def first_and_response(part):
        weight, share = whole.sample_weight.copy(), whole.penalty_share.copy()
        weight[rows] *= part
        share[rows] *= part
        own = replace(whole, sample_weight=weight, penalty_share=share)
        (models,) = remover_of(own, damping=DAMPING).models_without([rows], "pbrf")
        curvature = build_curvature(own, "gauss_newton", DAMPING)
        lengths = (own.rows.norm * weight / weight.sum())[rows, None]
        pull = np.sum(own.rows.block(slice(0, N_ROWS))[rows] * lengths, axis=0)
        first = curvature.solve(pull[None])[0]
        ((shares, step),) = own.penalty_steps(curvature)
        of_penalty = shares[rows].sum() * step
        assert np.linalg.norm(of_penalty) > 0.05 * np.linalg.norm(first)
        return first + of_penalty, models.weights[0] - own.weights[0]

    steps = [first_and_response(part) for part in (3e-2, 3e-3)]
    coarse, fine = (np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in steps)
    assert fine < 1e-3
    assert coarse / fine == pytest.approx(10, rel=0.1)
    # And of public influence.
    first, _ = first_and_response(1.0)
    groups = some_rows(rows)
    found = explainer_of(model, X, y).removal_effect(X_new, y_new, groups, order="first")
    query = whole.query_jacobian(X_new)
    labels = np.searchsorted(model.classes_, y_new)
    residual = whole.loss.residual(labels, whole.predictor(query))
    expected = np.sum(residual * query.apply(first[None])[:, 0], axis=1)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-8)


def test_influence_estimates_the_response_and_here_retraining(data, explainer):
    _, _, X_new, y_new = data
    rows = np.arange(0, N_ROWS, 4)
    groups = some_rows(*rows[:, None])
    first, response, retrained = (
        explainer.removal_effect(X_new, y_new, groups, order=order).ravel()
        for order in ("first", "pbrf", "retrain")
    )
    assert np.corrcoef(first, response)[0, 1] > 0.95
    assert np.corrcoef(first, retrained)[0, 1] > 0.95


# --- what takes orders ------------------------------------------------------------------------


def test_effects_on_any_number_and_statistics_agree_with_effects(data, explainer):
    _, _, X_new, y_new = data
    groups, removals = some_rows([0, 1], [2]), [[0, 1], [2]]

    def first_score(scores):
        gradient = np.zeros_like(scores)
        gradient[0, 0] = 1
        return scores[0, 0], gradient

    for order in ("pbrf", "retrain"):
        effect = explainer.removal_effect(X_new, y_new, groups, order=order)
        found = explainer.removal_statistics(removals, X_new, y_new, truth=order)
        np.testing.assert_allclose(found.loss_change, effect, atol=1e-14)
        assert (found.parameter_change > 0).all() and (found.training_change > 0).all()
        on_one = explainer.removal_effect_on(first_score, X_new, groups=groups, order=order)
        assert on_one.shape == (2,) and (on_one != 0).all()


def test_a_search_over_damping_finds_the_same_each_time(data):
    X, y, *_ = data
    explainer = RelatIFExplainer(
        network(), curvature="gauss_newton", n_retrainings=4, random_state=0
    )
    grid = {"damping": [1e-3, 1.0]}
    first, second = (GridSearchCV(explainer, grid, cv=2).fit(X, y) for _ in range(2))
    scores = first.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, second.cv_results_["mean_test_score"])


def test_fidelity_is_told_against_either_truth(data, explainer):
    _, _, X_new, y_new = data
    estimate, truth = explainer.estimate_and_truth(X_new, y_new, truth="pbrf")
    assert estimate.shape == truth.shape == (len(X_new), explainer.n_retrainings)
    by_response = retraining_fidelity(explainer, X_new, y_new, truth="pbrf")
    assert by_response == pytest.approx(np.corrcoef(estimate.ravel(), truth.ravel())[0, 1])
    assert by_response > 0.95
    assert retraining_fidelity(explainer, X_new, y_new) == explainer.score(X_new, y_new)
    assert top_k_overlap(explainer, X_new, y_new, n_examples=2, truth="pbrf") > 0.5
    for criterion in ("theta_relative", "loss_relative"):
        relative = clone(explainer).set_params(criterion=criterion).fit(*data[:2])
        assert retraining_fidelity(relative, X_new, y_new, truth="pbrf") > 0.9


def test_a_display_names_its_truth(data, explainer):
    pytest.importorskip("matplotlib").use("Agg")
    from sklearn_relatif.plotting import RemovalFidelityDisplay

    _, _, X_new, y_new = data
    draw = RemovalFidelityDisplay.from_estimator
    display = draw(explainer, X_new, y_new, order="first", truth="pbrf")
    assert display.ax_.get_ylabel().startswith("proximal Bregman response")
    with pytest.raises(ValueError, match="truth"):
        draw(explainer, X_new, y_new, truth="newton")


def test_orders_that_do_not_exist_are_refused_with_those_that_do(data, explainer):
    X, y, X_new, y_new = data
    for method in (
        explainer.removal_effect,
        partial(explainer.removal_effect_on, "log_loss"),
    ):
        with pytest.raises(ValueError, match=r"'first'.*'pbrf'.*'retrain'"):
            method(X_new, y_new)
    linear = RelatIFExplainer(LogisticRegression()).fit(X, y)
    with pytest.raises(ValueError, match=r"'pbrf' is of networks.*'newton'.*'retrain'"):
        linear.removal_effect(X_new, y_new, order="pbrf")
    for method in (linear.estimate_and_truth, partial(linear.removal_statistics, [0])):
        with pytest.raises(ValueError, match="'pbrf' is of networks"):
            method(X_new, y_new, truth="pbrf")


def voting(data, **members):
    """A soft vote, and its explainer."""
    X, y, *_ = data
    return explainer_of(VotingClassifier(list(members.items()), voting="soft").fit(X, y), X, y)


def test_a_vote_of_equal_networks_is_the_network(data):
    X, y, X_new, y_new = data
    asked = (X_new[:3], y_new[:3], some_rows([0, 1], [5]))
    one, vote = explainer_of(network().fit(X, y), X, y), voting(data, a=network(), b=network())
    for order in ("first", "pbrf", "retrain"):
        expected = one.removal_effect(*asked, order=order)
        np.testing.assert_allclose(vote.removal_effect(*asked, order=order), expected, rtol=1e-8)


def test_orders_that_only_some_models_of_a_vote_have_are_refused(data):
    vote = voting(data, a=network(), b=LogisticRegression())
    asked = (*data[2:], some_rows([0, 1]))
    for order in ("newton", "pbrf"):
        with pytest.raises(ValueError, match=r"and others are not.*'first'.*'retrain'"):
            vote.removal_effect(*asked, order=order)
    assert np.isfinite(vote.removal_effect(*asked, order="retrain")).all()


def test_what_networks_do_not_have_is_refused_with_a_way_out(explainer, data):
    for method in (explainer.loo_predict, explainer.loo_proba):
        with pytest.raises(ValueError, match="cross_val_predict"):
            method()
    with pytest.raises(TypeError, match="no flip sets"):
        explainer.flip_set(data[2][:1])
    with pytest.raises(TypeError, match="no diagnostics"):
        explainer.diagnostics()


def test_label_errors_are_found_without_leave_one_out(data):
    X, y, *_ = data
    explainer = RelatIFExplainer(network(alpha=3.0), curvature="gauss_newton", damping=DAMPING)
    assert mislabel_detection(explainer, X, y, noise=0.1) > 0.5
    with pytest.raises(ValueError, match="ranking"):
        mislabel_detection(explainer, X, y, ranking="loo_probability")


def test_the_loss_of_all_rows_of_a_class_is_refused(data, explainer):
    _, y, X_new, y_new = data
    for order in ("pbrf", "retrain"):
        with pytest.raises(ValueError, match="no row of the classes"):
            explainer.removal_effect(X_new, y_new, some_rows(y == 0), order=order)


# --- modules of PyTorch -----------------------------------------------------------------------


def test_a_module_of_the_same_network_has_the_same_effects_in_either_precision(data, fitted):
    torch = pytest.importorskip("torch")
    from sklearn_relatif.networks import TorchClassifier

    X, y, X_new, y_new = data
    first, last = (torch.nn.Linear(*coef.shape) for coef in fitted.coefs_)
    module = torch.nn.Sequential(first, torch.nn.Tanh(), last).double()
    with torch.no_grad():
        layers = zip((first, last), fitted.coefs_, fitted.intercepts_, strict=True)
        for layer, coef, intercept in layers:
            layer.weight.copy_(torch.tensor(coef.T))
            layer.bias.copy_(torch.tensor(intercept))
    groups = some_rows([0], [1, 2])
    # Weight decay is of all parameters: with little of it, that of the intercepts hardly matters.
    model = deepcopy(fitted).set_params(alpha=1e-6)
    by_hand = explainer_of(model, X, y)
    truth = by_hand.removal_effect(X_new, y_new, groups, order="pbrf")
    for precision in (torch.float64, torch.float32):
        module = module.to(precision)
        wrapped = TorchClassifier(module, weight_decay=1e-6 / N_ROWS).fit(X, y)
        explainer = explainer_of(wrapped, X, y)
        effect = explainer.removal_effect(X_new, y_new, groups, order="pbrf")
        assert np.abs(effect - truth).max() < 1e-4 * np.abs(truth).max()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:The network is")
def test_a_response_without_minimum_is_no_number(data):
    X, y, held, held_y = data
    hardly = MLPClassifier((6,), max_iter=1, alpha=0.0, random_state=0).fit(X, y)
    explainer = explainer_of(hardly, X, y, damping=1e-3)
    with pytest.warns(ConvergenceWarning, match="5 of 5 networks without rows have no minimum"):
        effect = explainer.removal_effect(held, held_y, np.arange(N_ROWS) % 5, order="pbrf")
    assert np.isnan(effect).all()
