"""Scales and leverages of the training rows, against brute force and closed forms."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.criteria import row_factors
from sklearn_relatif.jacobians import Gradients
from tests import cases, reference

pytestmark = cases.ignore_warning_about_no_penalty
CURVATURES = ("hessian", "fisher", "empirical_fisher", "identity")
N_CLASSES = (2, 3)


def logistic(**params):
    return LogisticRegression(**{"solver": "newton-cholesky", "tol": 1e-10, **params})


def brute_force_quantities(model, X, y, weight, curvature, damping):
    """Gradients, curvature and its inverse of a fitted model, in the full parametrisation."""
    W, D, link = cases.parameters(model), reference.design(X), cases.link_of(model)
    penalty = np.r_[np.full(X.shape[1], 1 / model.C), 0.0]
    matrix = {
        "hessian": lambda: reference.hessian(W, D, weight, penalty, link, damping),
        "fisher": lambda: reference.fisher(W, D, weight, link, damping),
        "empirical_fisher": lambda: reference.empirical_fisher(W, D, y, weight, link, damping),
        "identity": lambda: (1 + damping) * np.eye(W.size),
    }[curvature]()
    gradients = np.where(weight[:, None] > 0, reference.gradients(W, D, y, link), 0)
    return gradients, np.linalg.pinv(matrix, hermitian=True)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_scales_and_self_influence(n_classes, curvature, container):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    model = logistic(C=0.5).fit(X, y, weight)
    g, inverse = brute_force_quantities(model, X, y, weight, curvature, 1e-3)
    self_influence = ((g @ inverse) * g).sum(axis=1)
    expected = {
        "influence": np.ones(len(y)),
        "theta_relative": np.linalg.norm(g @ inverse, axis=1),
        "loss_relative": np.sqrt(self_influence),
    }
    for criterion, scale in expected.items():
        explainer = RelatIFExplainer.from_fitted(
            model, container(X), y, weight, criterion=criterion, curvature=curvature, damping=1e-3
        )
        assert_allclose(explainer.scale_, scale, rtol=1e-9)
        assert_allclose(explainer.self_influence_, self_influence, rtol=1e-9)
        # The scores times the scale are the influence, whatever the criterion.
        influence = explainer.pairwise_influence(X[:9], criterion="influence")
        assert_allclose(explainer.pairwise_influence(X[:9]) * scale, influence, atol=1e-10)


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_leverage(n_classes, curvature):
    """(s_i / S) tr(A_i x~_i^T M^-1 x~_i), with every matrix written out."""
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    model = logistic(C=0.5).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight, curvature=curvature, damping=1e-3)
    _, inverse = brute_force_quantities(model, X, y, weight, curvature, 1e-3)
    W, D, link = cases.parameters(model), reference.design(X), cases.link_of(model)
    expected = []
    for x, s in zip(D, weight, strict=True):
        own = reference.hessian(W, x[None], np.ones(1), 0.0, link)
        expected.append(s / weight.sum() * np.trace(own @ inverse))
    assert_allclose(explainer.leverage_, expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_leverages_sum_to_the_effective_number_of_parameters(n_classes, fit_intercept):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    free = RelatIFExplainer(logistic(C=np.inf, fit_intercept=fit_intercept)).fit(X, y, weight)
    n_parameters = (X.shape[1] + fit_intercept) * (n_classes - 1)
    assert_allclose(free.leverage_.sum(), n_parameters, rtol=1e-10)
    assert ((free.leverage_ >= 0) & (free.leverage_ < n_classes - 1)).all()
    # Columns that repeat others add no parameters.
    wide = np.hstack([X, X[:, :2], np.zeros((len(y), 1))])
    same = RelatIFExplainer(
        LogisticRegression(C=np.inf, fit_intercept=fit_intercept, tol=1e-8, max_iter=1000)
    ).fit(wide, y, weight)
    assert_allclose(same.leverage_.sum(), n_parameters, rtol=1e-8)

    bound = RelatIFExplainer(logistic(C=0.1, fit_intercept=fit_intercept)).fit(X, y, weight)
    assert 0 < bound.leverage_.sum() < n_parameters


def test_leverage_of_one_versus_rest_is_the_sum_over_its_problems():
    X, y = cases.noisy_classes(3)
    whole = RelatIFExplainer(OneVsRestClassifier(logistic())).fit(X, y)
    parts = [RelatIFExplainer(logistic()).fit(X, y == k).leverage_ for k in range(3)]
    assert_allclose(whole.leverage_, np.sum(parts, axis=0), rtol=1e-10)


@pytest.mark.parametrize("estimator", [logistic(), OneVsRestClassifier(logistic())])
@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_relative_criteria_do_not_change_when_a_gradient_is_rescaled(n_classes, estimator):
    X, y = cases.noisy_classes(n_classes)
    explainer = RelatIFExplainer(estimator).fit(X, y)
    rows, curvature = explainer._study.objective.rows, explainer._study.curvature
    factor = np.random.default_rng(0).choice([1e-300, 1e-3, 1.0, 1e3], len(y))
    rescaled = Gradients(rows.jacobian, rows.unit, rows.norm * factor)
    scales = curvature.lengths(rows, "theta_relative")
    for criterion in ("theta_relative", "loss_relative"):
        assert_array_equal(
            row_factors(criterion, rescaled, curvature.lengths(rescaled, "theta_relative")),
            row_factors(criterion, rows, scales),
        )
    assert_array_equal(
        row_factors("influence", rescaled, {}), factor * row_factors("influence", rows, {})
    )


@pytest.mark.parametrize("n_classes", N_CLASSES)
def test_relative_criteria_are_cosines(n_classes):
    """Loss-relative: a row's score for itself is the root of its self-influence, the maximum."""
    X, y = cases.noisy_classes(n_classes)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    relative = explainer.pairwise_influence(X, y, criterion="loss_relative")
    own = np.sqrt(explainer.self_influence_)
    assert_allclose(np.diag(relative), own, rtol=1e-10)
    assert (np.abs(relative) <= own[:, None] * (1 + 1e-12)).all()


def test_many_classes_with_concentrated_probabilities():
    """Most of a row's probability sits on one class of 24, and much of it is below rounding."""
    rng = np.random.default_rng(0)
    centres = 3 * rng.normal(size=(24, 5))
    y = np.arange(240) % 24
    X = centres[y] + rng.normal(size=(240, 5))
    model = LogisticRegression(C=5, solver="newton-cholesky", tol=1e-10).fit(X, y)
    probabilities = model.predict_proba(X)
    assert (probabilities < 1e-8).mean() > 0.3
    queries = centres + rng.normal(size=centres.shape)
    expected = reference.influence_matrices(
        np.column_stack([model.coef_, model.intercept_]),
        reference.design(X),
        y,
        np.ones(240),
        np.append(np.full(5, 0.2), 0.0),
        reference.design(queries),
        model.predict(queries),
        link="softmax",
    )
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    for criterion in cases.CRITERIA:
        scores = explainer.pairwise_influence(queries, criterion=criterion)
        assert cases.relative_error(scores, expected[criterion]) < 1e-9
    explanations = explainer.explain(queries, criterion=cases.CRITERIA)
    for criterion, explanation in explanations.items():
        best = np.argsort(-expected[criterion], axis=1, kind="stable")[:, :5]
        assert_array_equal(explanation.indices, best)


def test_scales_of_many_rows_for_each_parameter():
    X, y = cases.noisy_classes(2, n_rows=3000)
    model = logistic(C=0.5).fit(X, y)
    g, inverse = brute_force_quantities(model, X, y, np.ones(len(y)), "hessian", 0.0)
    explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="theta_relative")
    assert explainer._study.curvature.for_lengths(len(y)) is not explainer._study.curvature
    assert_allclose(explainer.scale_, np.linalg.norm(g @ inverse, axis=1), rtol=1e-9)
    assert_allclose(explainer.self_influence_, ((g @ inverse) * g).sum(axis=1), rtol=1e-9)
