"""The meaning of the numbers: what really happens when a row is removed and the model refitted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import linregress
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_relatif import RelatIFExplainer
from tests import cases, reference

pytestmark = cases.ignore_warning_about_no_penalty


def losses(model, X, y):
    return reference.log_loss(cases.parameters(model), reference.design(X), y, "sigmoid")


@pytest.mark.parametrize(
    ("C", "least_correlation", "slopes"),
    [
        (0.001, 0.9998, (1 / 1.015, 1.015)),
        # Less penalty, longer steps: the limit of the first order itself.
        (0.01, 0.99, (1.05, 1.12)),
    ],
)
def test_influence_predicts_the_refitted_losses(C, least_correlation, slopes):
    """All training rows of a 75/25 split, all test rows; every refit by scikit-learn itself."""
    X, y = cases.breast_cancer()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, random_state=0, stratify=y)
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10).fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    predicted = explainer.pairwise_influence(X_test, y_test, criterion="influence") / len(y)

    before, weight = losses(model, X_test, y_test), np.ones(len(y))
    refitted = np.empty_like(predicted)
    for row in range(len(y)):
        weight[row] = 0
        without = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10).fit(X, y, weight)
        refitted[:, row] = losses(without, X_test, y_test) - before
        weight[row] = 1
    fit = linregress(predicted.ravel(), refitted.ravel())
    assert fit.rvalue >= least_correlation
    assert slopes[0] <= fit.slope <= slopes[1]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_influence_is_the_derivative_in_the_weight_of_a_row(n_classes):
    """A small change of one weight: -S dL/ds is the influence, to the accuracy of differences."""
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    X_query, y_query = cases.noisy_classes(n_classes, n_rows=10, seed=0)

    def refit(weight):
        return LogisticRegression(C=0.5, solver="newton-cholesky", tol=1e-10).fit(X, y, weight)

    def query_losses(model):
        W, link = cases.parameters(model), cases.link_of(model)
        return reference.log_loss(W, reference.design(X_query), y_query, link)

    explainer = RelatIFExplainer.from_fitted(refit(weight), X, y, weight)
    influence = explainer.pairwise_influence(X_query, y_query, criterion="influence")
    step = 1e-3
    for row in np.flatnonzero(weight)[:25]:
        change = step * (np.arange(len(y)) == row)
        above, below = (query_losses(refit(weight + sign * change)) for sign in (1, -1))
        derivative = -weight.sum() * (above - below) / (2 * step)
        assert_allclose(influence[:, row], derivative, rtol=0, atol=1e-5 * np.abs(influence).max())


def test_statsmodels_agrees_on_an_unpenalised_binary_model():
    """Its one-step change of the parameters is ours divided by one minus the leverage."""
    statsmodels = pytest.importorskip("statsmodels.api")
    X, y = cases.noisy_classes(2, n_rows=300)
    D = reference.design(X)
    fitted = statsmodels.GLM(y, D, statsmodels.families.Binomial()).fit(tol=1e-14)
    theirs = fitted.get_influence(observed=True)
    hat, d_params = theirs.hat_matrix_diag, theirs.d_params

    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(X, y)
    assert_allclose(cases.parameters(model)[0], fitted.params, rtol=1e-9)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert_allclose(explainer.leverage_, hat, rtol=1e-8)
    influence = explainer.pairwise_influence(X, y, criterion="influence")
    g = reference.gradients(cases.parameters(model), D, y, "sigmoid")
    ours = -influence / len(y) / (1 - explainer.leverage_)
    assert cases.relative_error(ours, g @ d_params.T) < 1e-8
