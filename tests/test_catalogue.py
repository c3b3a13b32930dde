"""What every estimator that can be explained keeps to, against its own refits.

The catalogue is in ``tests/catalogue``. Whatever is asked here is asked by public methods, so that
nothing but scikit-learn's own numbers is the measure.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import adapter_of
from sklearn_relatif.testing import check_adapter
from tests import cases
from tests.catalogue import CASES
from tests.catalogue._case import outputs
from tests.estimator_checks import assert_checks

ROWS = [[0], [7, 8, 9]]
with_weights = pytest.mark.parametrize(
    ("name", "is_weighted"),
    [(name, is_weighted) for name, case in CASES.items() for is_weighted in (False, True)
     if case.takes_weights or not is_weighted],
)  # fmt: skip
quietly = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Label .* is present in all training examples",
    "ignore:The training rows do not determine the intercept",
    "ignore:The .* passes through all of its training rows",
)


def weights_of(case, is_weighted):
    """Weights of which some are zero, or none; never zero where a test removes a row."""
    if not is_weighted:
        return None
    weight = cases.weights_with_zeros(len(case.table.X))
    weight[np.concatenate(ROWS)] += 0.5
    return weight


def fitted(case, sample_weight=None, X=None, estimator=None):
    """The estimator, and the explainer of it."""
    table = case.table
    X = table.X if X is None else X
    weight = {} if sample_weight is None else {"sample_weight": sample_weight}
    model = clone(estimator or case.estimator).fit(X, table.y, **weight)
    explainer = RelatIFExplainer.from_fitted(model, X, table.y, sample_weight, **case.explainer)
    return model, explainer


def assert_close(actual, expected, share):
    """Numbers equal up to a share of the largest."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert_allclose(actual, expected, rtol=0, atol=share * np.abs(expected).max())


@with_weights
def test_the_fit_is_the_optimum_of_its_objective(name, is_weighted):
    case = CASES[name]
    weight = weights_of(case, is_weighted)
    model, explainer = fitted(case, weight)
    assert explainer.distance_to_optimum_ < case.distance
    if case.is_checked_inside:
        check_adapter(adapter_of(model), model, case.table.X, case.table.y, weight)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.takes_weights and case.has_first_order]
)
def test_first_order_is_the_derivative_of_refits(name):
    case = CASES[name]
    X, y, X_new, y_new = case.table
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    _, explainer = fitted(case, weight)
    effect = explainer.removal_effect(X_new, y_new, order="first")
    for row in (0, 7):
        sides = []
        for step in (-case.nudge, case.nudge):
            nudged = weight.copy()
            nudged[row] *= 1 + step
            model = clone(case.estimator).fit(X, y, sample_weight=nudged)
            sides.append(case.losses(model, X_new, y_new))
        derivative = (sides[0] - sides[1]) / (2 * case.nudge)
        assert_close(effect[:, row], derivative, case.slope)


@with_weights
def test_models_without_rows_are_those_of_refits(name, is_weighted):
    case = CASES[name]
    table, weight = case.table, weights_of(case, is_weighted)
    _, explainer = fitted(case, weight)
    for rows, model in zip(ROWS, explainer.retrain_without(ROWS), strict=True):
        refit = case.refit(case, table, weight, rows)
        assert_close(outputs(model, table.X_new), outputs(refit, table.X_new), case.refits)


@with_weights
def test_effects_of_removals_are_those_of_refits(name, is_weighted):
    case = CASES[name]
    table, weight = case.table, weights_of(case, is_weighted)
    _, explainer = fitted(case, weight)
    groups = np.full(len(table.X), None)
    for label, rows in enumerate(ROWS):
        groups[rows] = label
    effect = explainer.removal_effect(table.X_new, table.y_new, groups, order="retrain")
    refits = [case.refit(case, table, weight, rows) for rows in ([], *ROWS)]
    before, *after = (case.losses(model, table.X_new, table.y_new) for model in refits)
    assert_close(effect, np.transpose(after) - before[:, None], max(1e-5, 10 * case.refits))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.float32])
@quietly
def test_single_precision(name):
    case = CASES[name]
    single = case.table.X.astype(np.float32)
    queries = case.table.X_new.astype(np.float32)
    found, expected = (
        fitted(case, X=X)[1].pairwise_influence(queries.astype(X.dtype), case.table.y_new)
        for X in (single, single.astype(np.float64))
    )
    assert_close(found, expected, case.float32)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.takes_sparse])
def test_sparse_rows(name):
    case = CASES[name]
    model, explainer = fitted(case)
    X, y, X_new, y_new = case.table
    again = RelatIFExplainer.from_fitted(model, sparse.csr_matrix(X), y, **case.explainer)
    found = again.pairwise_influence(sparse.csr_matrix(X_new), y_new)
    assert_close(found, explainer.pairwise_influence(X_new, y_new), 1e-8)


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.takes_hostile_columns]
)
@quietly
def test_constant_duplicate_and_offset_columns(name):
    case = CASES[name]

    def hostile(X):
        return np.column_stack([X, np.ones(len(X)), X[:, 0], X[:, 1] + 100])

    X, _, X_new, y_new = case.table
    X, X_new = hostile(X), hostile(X_new)
    _, explainer = fitted(case, X=X)
    assert explainer.distance_to_optimum_ < 0.3
    scores = explainer.explain(X_new, y_new, n_examples=3).scores
    assert np.isfinite(scores[~np.isnan(scores)]).all()
    (model,) = explainer.retrain_without([ROWS[1]])
    table = case.table._replace(X=X, X_new=X_new)
    refit = case.refit(case, table, None, ROWS[1])
    assert_close(outputs(model, X_new), outputs(refit, X_new), max(1e-4, case.refits))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.runs_checks])
@quietly
def test_scikit_learn_checks(name):
    case = CASES[name]
    explainer = RelatIFExplainer(case.estimator, random_state=0, **case.explainer)
    assert_checks(
        explainer,
        case.failures,
        is_routed=case.is_routed,
        model=case.estimator,
        by_rounding=case.by_rounding,
    )
