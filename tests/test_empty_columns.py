"""Features that are zero in all rows are left out, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import _exact
from sklearn_relatif.objectives import without_empty_columns
from tests import cases

EMPTY = [0, 3, 9]
PRESENT = np.delete(np.arange(20), EMPTY)


def data(n_classes, n_rows=300):
    rng = np.random.default_rng(0)
    X, queries = rng.normal(size=(n_rows, 20)), rng.normal(size=(15, 20))
    X[:, EMPTY] = 0
    eta = X[:, 4 : 4 + n_classes] + rng.gumbel(size=(n_rows, n_classes))
    return X, eta.argmax(axis=1), queries


def objective_of(model, X, y):
    return reduce_estimator(model, X, y, np.ones(len(y)))


@pytest.fixture
def kept(monkeypatch):
    """A function that makes an explainer which keeps all features."""

    def from_fitted(*arguments, **options):
        with monkeypatch.context() as patched:
            patched.setattr(_exact, "_spares_empty_columns", lambda *arguments: False)
            return RelatIFExplainer.from_fitted(*arguments, **options)

    return from_fitted


@pytest.mark.parametrize("n_classes", [0, 2, 4])
def test_nothing_else_changes(n_classes, kept):
    X, y, queries = data(n_classes or 2)
    model = LogisticRegression(tol=1e-10) if n_classes else Ridge()
    model.fit(X, y)
    full, spared = kept(model, X, y), RelatIFExplainer.from_fitted(model, X, y)
    assert full._study.objective.shape[1] == 21
    assert spared._study.objective.shape[1] == 18
    for criterion in cases.CRITERIA:
        expected = full.pairwise_influence(queries, criterion=criterion)
        actual = spared.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(actual, expected) < 1e-13
        assert_array_equal(
            spared.explain(queries, criterion=criterion).indices,
            full.explain(queries, criterion=criterion).indices,
        )
    assert spared.distance_to_optimum_ == pytest.approx(full.distance_to_optimum_, rel=1e-5)
    expected, actual = full.without([0, 7]), spared.without([0, 7])
    assert_allclose(actual.estimator_.coef_, expected.estimator_.coef_, atol=1e-9)
    assert not actual.estimator_.coef_[..., EMPTY].any()


def test_parameters_go_there_and_back():
    X, y, queries = data(4)
    model = LogisticRegression(tol=1e-10).fit(X, y)
    objective = objective_of(model, X, y)
    reduced = without_empty_columns(objective)
    assert_array_equal(reduced.jacobian.columns, PRESENT)
    assert_array_equal(reduced.jacobian.expand(reduced.weights), objective.weights)
    assert_array_equal(reduced.score_weights(), objective.score_weights())
    assert_allclose(
        reduced.predictor(reduced.query_jacobian(queries)),
        objective.predictor(objective.query_jacobian(queries)),
        rtol=1e-12,
    )
    single = reduced.astype(np.float32)
    assert single.jacobian.dtype == np.float32
    assert single.query_jacobian(queries.astype(np.float32)).n_columns == 18


def test_features_with_a_coefficient_stay():
    X, y, _ = data(2)
    objective = objective_of(LogisticRegression().fit(X, y), X, y)
    weights = objective.weights.copy()
    weights[0, 3] = 0.5
    reduced = without_empty_columns(replace(objective, weights=weights))
    assert_array_equal(reduced.jacobian.columns, np.sort([*PRESENT, 3]))


@pytest.mark.parametrize("case", ["sparse", "none", "late"])
def test_features_stay_where_they_are(case):
    X, y, _ = data(2)
    if case == "sparse":
        X = sparse.csr_matrix(X)
    elif case == "none":
        X[:, EMPTY] = 1.0
    else:  # Present in rows that are not looked at first.
        X[-1, EMPTY] = 1.0
    objective = objective_of(LogisticRegression().fit(X, y), X, y)
    assert without_empty_columns(objective) is objective


def test_without_a_penalty_features_stay():
    """Nothing holds the coefficients then, and the null space is what tells so."""
    X, y, _ = data(2)
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(X, y)
    assert RelatIFExplainer.from_fitted(model, X, y)._study.objective.shape[1] == 21


@pytest.mark.filterwarnings("ignore")
def test_ill_conditioned_models_are_proved_without_them():
    """Solutions are held to the products of the objective that is left."""
    X, y, queries = data(2)
    X[:, 1] = X[:, 2] + 1e-7 * X[:, 1]
    model = LogisticRegression(C=1e12, tol=1e-8, solver="newton-cholesky").fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer._study.objective.shape[1] == 18
    assert explainer._study.objective.jacobian.expand(np.ones((1, 18))).sum() == 18
    assert explainer.pairwise_influence(queries).shape == (15, len(y))


def test_coordinates_are_not_taken_apart_again():
    X, y, _ = data(2)
    reduced = without_empty_columns(objective_of(LogisticRegression().fit(X, y), X, y))
    assert without_empty_columns(reduced) is reduced


def test_without_room_for_a_copy_features_stay(monkeypatch):
    X, y, _ = data(2)
    model = LogisticRegression().fit(X, y)
    monkeypatch.setattr(_exact, "machine_memory", lambda: 16 * X.nbytes)
    assert RelatIFExplainer.from_fitted(model, X, y)._study.objective.shape[1] == 21


@pytest.mark.parametrize("kind", ["hessian", "fisher"])
@pytest.mark.parametrize(
    "model",
    [
        Ridge(alpha=2.0),
        LogisticRegression(C=0.5, tol=1e-10),
        OneVsRestClassifier(LogisticRegression(C=0.5, tol=1e-10)),
        OneVsOneClassifier(LogisticRegression(C=0.5, tol=1e-10)),
    ],
)
def test_embedded_queries_keep_what_no_training_row_has(model, kind, kept):
    """Two queries influence each other along such features, along which the penalty curves."""
    X, y, queries = data(3)
    model = clone(model).fit(X, y)
    options = X, y, None
    full = kept(model, *options, curvature=kind, damping=0.01)
    spared = RelatIFExplainer.from_fitted(model, *options, curvature=kind, damping=0.01)
    expected, actual = full.transform(queries), spared.transform(queries)
    assert actual.shape == expected.shape
    assert actual.shape[1] == len(spared.get_feature_names_out())
    assert_allclose(actual @ actual.T, expected @ expected.T, rtol=1e-9, atol=1e-12)
    of_rows = spared.transform(X[:5], y[:5])
    assert_allclose(actual @ of_rows.T, expected @ full.transform(X[:5], y[:5]).T, atol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_where_no_feature_is_left_all_stay(fit_intercept):
    _, y, queries = data(2)
    X = np.zeros((len(y), 20))
    model = LogisticRegression(fit_intercept=fit_intercept).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer._study.objective.shape[1] == 20 + fit_intercept
    embedded, penalty = explainer.transform(queries), 1 / len(y)
    probability = y.mean() if fit_intercept else 0.5
    residual = min(probability, 1 - probability)
    curvature = probability * (1 - probability)
    along_features = residual**2 * (queries[0] @ queries[1]) / penalty
    along_intercept = residual**2 / curvature if fit_intercept else 0
    assert embedded[0] @ embedded[1] == pytest.approx(along_features + along_intercept, rel=1e-4)


def test_a_slope_does_not_hide_a_coefficient():
    X, y, _ = data(2)
    objective = objective_of(LogisticRegression().fit(X, y), X, y)
    weights, slope = objective.weights.copy(), np.zeros_like(objective.weights)
    weights[0, 3] = 0.5
    slope[0, 3] = -0.5 * (1 + objective.penalty[0, 3])
    reduced = without_empty_columns(replace(objective, weights=weights, slope=slope))
    assert_array_equal(reduced.jacobian.columns, np.sort([*PRESENT, 3]))
