"""Every remover, and every batch of models that it finds, answers all that a remover is asked."""

from collections import namedtuple

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import SVC, LinearSVC, NuSVC

from sklearn_relatif.adapters import adapter_of, reduce_estimator
from sklearn_relatif.losses import of_models
from sklearn_relatif.removal import remover_of
from sklearn_relatif.removal.active_set import ActiveSetObjective

Query = namedtuple("Query", ["features", "jacobian", "y"])

MODELS = {
    "logistic": LogisticRegression(tol=1e-10, max_iter=10_000),
    "L1": LinearSVC(penalty="l1", dual=False, C=0.3, tol=1e-8, max_iter=10**6, random_state=0),
    "squared hinge": LinearSVC(tol=1e-12, max_iter=10**6),
    "hinge": LinearSVC(loss="hinge", tol=1e-10, max_iter=10**6, random_state=0),
    "hinge, no intercept": LinearSVC(
        loss="hinge", fit_intercept=False, tol=1e-10, max_iter=10**6, random_state=0
    ),
    "SVC": SVC(gamma=0.2, tol=1e-10),
    "NuSVC": NuSVC(gamma=0.2, nu=0.4, tol=1e-10),
}
REMOVALS = [np.array([3]), np.array([], np.intp), np.array([5, 17, 21])]
ORDERS = ("newton", "retrain")


def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, (X[:, 0] + rng.normal(size=40) > 0).astype(int)


def objective_of(model, on_active_set=False):
    X, y = problem()
    objective = reduce_estimator(model.fit(X, y), X, y, np.ones(len(y)))
    return ActiveSetObjective(objective) if on_active_set else objective


def query_of(objective):
    X, y = problem()
    return Query(X, objective.query_jacobian(X), y)


CASES = [(name, False) for name in MODELS] + [("hinge", True), ("SVC", True)]
with_every_remover = pytest.mark.parametrize(("name", "on_active_set"), CASES)


@with_every_remover
@pytest.mark.parametrize("order", ORDERS)
def test_every_question_is_answered(name, on_active_set, order):
    objective = objective_of(MODELS[name], on_active_set)
    remover = remover_of(objective)
    if remover.obstacle(order) is not None:
        with pytest.raises(ValueError, match=r"order='retrain'"):
            list(remover.models_without(REMOVALS, order))
        return
    query, n_outputs = remover.at_optimum(query_of(objective)), objective.loss.n_outputs
    positions = []
    for models in remover.models_without(REMOVALS, order):
        positions.extend(models.positions)
        n_models = len(models.positions)
        assert models.predictor_before(query).shape == (40, n_outputs)
        assert models.predictors(query).shape == (40, n_models, n_outputs)
        before = objective.loss.value(query.y, models.predictor_before(query))
        after = of_models(objective.loss.value, query.y, models.predictors(query))
        change = np.linalg.norm(after - before[:, None], axis=0)
        np.testing.assert_allclose(models.training_change(), change, rtol=1e-7, atol=1e-10)
        moves = models.parameter_change() > 1e-7
        assert moves.shape == (n_models,)
        np.testing.assert_array_equal(moves, change > 1e-7)
        if objective.has_tables:
            assert len(models.tables()) == n_models
        else:
            with pytest.raises(TypeError, match="no parameters that can be written down"):
                models.tables()
    assert sorted(positions) == [0, 1, 2]


@with_every_remover
def test_leave_one_out_predictors_are_those_of_single_steps(name, on_active_set):
    objective = objective_of(MODELS[name], on_active_set)
    remover, expected = remover_of(objective), np.empty((40, objective.loss.n_outputs))
    if remover.obstacle("newton") is not None:
        with pytest.raises(ValueError, match=r"order='retrain'"):
            remover.loo_predictor()
        return
    query = remover.at_optimum(query_of(objective))
    for models in remover.models_without(list(np.arange(40)[:, None]), "newton"):
        own = models.predictors(query)[models.positions, np.arange(len(models.positions))]
        expected[models.positions] = own
    np.testing.assert_allclose(remover.loo_predictor(), expected, atol=1e-10)


@with_every_remover
def test_retrained_models_are_those_of_scikit_learn(name, on_active_set):
    (X, y), fitted = problem(), MODELS[name].fit(*problem())
    objective = objective_of(clone(fitted), on_active_set)
    remover = remover_of(objective)
    query = remover.at_optimum(query_of(objective))
    for models in remover.models_without(REMOVALS, "retrain"):
        scores = models.predictors(query)[:, :, 0]
        for index, position in enumerate(models.positions):
            kept = np.delete(np.arange(len(y)), REMOVALS[position])
            expected = clone(fitted).fit(X[kept], y[kept]).decision_function(X)
            np.testing.assert_allclose(scores[:, index], expected, atol=2e-4)
            if objective.has_tables:
                restored = adapter_of(fitted).restore(fitted, models.tables()[index])
                np.testing.assert_allclose(
                    restored.decision_function(X), scores[:, index], atol=1e-10
                )


def test_machines_with_an_l1_penalty_have_none():
    model = SGDClassifier(loss="hinge", penalty="elasticnet", tol=1e-6, max_iter=5000)
    objective = objective_of(model)
    assert not objective.has_tables
    with pytest.raises(ValueError, match="for an L2 penalty only"):
        remover_of(objective)


def test_intervals_are_those_of_unpenalised_intercepts():
    assert remover_of(objective_of(SVC())).intervals.shape == (1, 2)
    for name in ("logistic", "hinge", "NuSVC"):
        assert remover_of(objective_of(MODELS[name])).intervals is None
