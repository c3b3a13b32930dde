"""RelatIFExplainer: against brute force, under invariances, at the edges of floating point."""

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import cosine_similarity, rbf_kernel
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.search import _passes as _search
from sklearn_relatif.utils._threads import FEW_COLUMNS
from tests import cases, reference

pytestmark = cases.ignore_warning_about_no_penalty
EXACT = 1e-8
few = settings(max_examples=20, deadline=None, derandomize=True)


def logistic(**params):
    return LogisticRegression(**{"solver": "newton-cholesky", "tol": 1e-10, **params})


def explain_all(explainer, X, y=None):
    return explainer.pairwise_influence(X, y, criterion=cases.CRITERIA)


def assert_close(actual, expected, bound):
    """Relative error of each criterion below ``bound``."""
    for criterion in cases.CRITERIA:
        assert cases.relative_error(actual[criterion], expected[criterion]) <= bound, criterion


# --- against brute force --------------------------------------------------------------------


DATA = {
    "digits": lambda: cases.digits(550),
    "breast cancer": cases.breast_cancer,
    "wine": cases.wine,
    "text": cases.text,
}
STRENGTH = {"digits": 0.1, "breast cancer": 0.1, "wine": 1.0, "text": 1.0}
N_QUERIES = 40


@pytest.mark.parametrize("curvature", ["hessian", "fisher", "empirical_fisher", "identity"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", DATA)
def test_brute_force(name, weighted, curvature):
    X, y = DATA[name]()
    X_query, y_query, X, y = X[:N_QUERIES], y[:N_QUERIES], X[N_QUERIES:], y[N_QUERIES:]
    weight = cases.weights_with_zeros(len(y)) if weighted else None
    solver = "lbfgs" if sparse.issparse(X) else "newton-cholesky"
    model = logistic(C=STRENGTH[name], solver=solver, tol=1e-6).fit(X, y, weight)
    # The empirical Fisher of fewer rows than parameters is singular.
    damping = 1e-3 if curvature == "empirical_fisher" and name in ("digits", "text") else 0.0
    options = {"curvature": curvature, "damping": damping}
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight, **options)
    expected = cases.brute_force(model, X, y, X_query, y_query, row_weight=weight, **options)
    assert_close(explain_all(explainer, X_query, y_query), expected, EXACT)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_default_is_the_predicted_label_and_the_loss_relative_criterion(n_classes):
    X, y = cases.noisy_classes(n_classes)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    expected = explainer.pairwise_influence(
        X[:9], explainer.predict(X[:9]), criterion="loss_relative"
    )
    assert_array_equal(explainer.pairwise_influence(X[:9]), expected)


# --- columns that carry nothing, and models without a penalty -------------------------------


def with_spare_columns(X, kind):
    constant = np.full((len(X), 1), 3.0)
    return {
        "constant": np.hstack([X, constant]),
        "two constants": np.hstack([constant, X, -2 * constant]),
        "duplicate": np.hstack([X[:, :1], X]),
        "three copies": np.hstack([X[:, 1:2], X, -0.1 * X[:, 1:2]]),
        "sum of others": np.hstack([X, X.sum(axis=1, keepdims=True)]),
        "zeros": np.hstack([np.zeros_like(constant), X]),
        "all kinds": np.hstack([0 * constant, X, constant, X[:, :1], 0 * constant, 5 * X[:, 2:3]]),
    }[kind]


@pytest.mark.parametrize("curvature", ["hessian", "fisher"])
@pytest.mark.parametrize("C", [0.5, np.inf])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(
    "kind",
    [
        "constant",
        "two constants",
        "duplicate",
        "three copies",
        "sum of others",
        "zeros",
        "all kinds",
    ],
)
def test_redundant_columns(kind, container, n_classes, C, curvature):
    """As by the pseudo-inverse: directions that no row sees take no part."""
    X, y = cases.noisy_classes(n_classes)
    X = with_spare_columns(X, kind)
    weight = cases.weights_with_zeros(len(y))
    model = LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(X, y, weight)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y, weight, curvature=curvature)
    expected = cases.brute_force(
        model, X, y, X[:20], y[:20], row_weight=weight, strength=1 / C, curvature=curvature
    )
    assert_close(explain_all(explainer, container(X[:20]), y[:20]), expected, EXACT)


@pytest.mark.parametrize("n_rows", [150, 20_000])
def test_redundant_columns_beside_columns_of_other_scales(n_rows):
    X, y = cases.noisy_classes(2, n_rows=n_rows)
    X = np.hstack([X, 2 * X[:, :1], X[:, 1:2] + X[:, 2:3], np.zeros((n_rows, 1))])
    X *= [1e-3, 1.0, 1.0, 1e3, 1.0, 1.0, 1.0]
    model = LogisticRegression(C=np.inf, solver="newton-cg", max_iter=10_000)
    plain = RelatIFExplainer(
        make_pipeline(StandardScaler(), logistic(C=np.inf)), criterion="loss_relative"
    ).fit(X[:, :4], y)
    # The same model: its coefficients in the raw columns, none for the redundant ones.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(max_iter=1).fit(X, y)
    scaler, fitted = plain.estimator_[0], plain.estimator_[-1]
    coef = fitted.coef_ / scaler.scale_
    model.coef_ = np.hstack([coef, np.zeros((1, 3))])
    model.intercept_ = fitted.intercept_ - coef @ scaler.mean_
    explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="loss_relative")
    some = slice(0, 50)
    assert (
        cases.relative_error(
            explainer.pairwise_influence(X[some]), plain.pairwise_influence(X[some, :4])
        )
        <= EXACT
    )


def test_one_versus_rest_with_redundant_columns_in_some_problems():
    """L1 leaves the copies of a column active in one of the problems only."""
    X, y = cases.noisy_classes(3)
    X = np.hstack([X, X[:, :1]])
    how = {"penalty": "l1"} if cases.HAS_MULTI_CLASS else {"l1_ratio": 1.0}
    model = OneVsRestClassifier(LogisticRegression(C=1.0, solver="liblinear", **how)).fit(X, y)
    merged = copy.deepcopy(model)
    for k, (part, single) in enumerate(zip(model.estimators_, merged.estimators_, strict=True)):
        whole = part.coef_[0, 0] + part.coef_[0, 4]
        assert whole != 0
        # Any split of the weight between the copies has the same predictions and penalty.
        part.coef_[0, [0, 4]] = (whole / 2, whole / 2) if k == 1 else (whole, 0)
        single.coef_[0, [0, 4]] = whole, 0
    split, whole = (
        RelatIFExplainer.from_fitted(m, X, y, criterion="influence") for m in (model, merged)
    )
    for criterion in ("influence", "loss_relative"):
        assert_allclose(
            split.pairwise_influence(X, criterion=criterion),
            whole.pairwise_influence(X, criterion=criterion),
            rtol=1e-8,
            atol=1e-10,
        )


# --- the edges of floating point ------------------------------------------------------------


def test_features_of_very_different_scale():
    """From 1e-6 to 1e6: the penalty binds the small ones and does not touch the large ones."""
    X, y = cases.noisy_classes(2, n_features=7)
    X = X * np.logspace(-6, 6, 7)
    weight = cases.weights_with_zeros(len(y))
    D, penalty = reference.design(X), np.r_[np.ones(7), 0.0]
    W = np.zeros((1, 8))
    for _ in range(30):
        gradient = weight @ reference.gradients(W, D, y, "sigmoid") + (penalty * W).ravel()
        H = weight.sum() * reference.hessian(W, D, weight, penalty, "sigmoid")
        W = W - solve_equilibrated(H, gradient[:, None]).T
    model = LogisticRegression().fit(X[:, [3]], y)
    model.coef_, model.intercept_, model.n_features_in_ = W[:, :-1], W[:, -1], 7
    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    assert explainer.distance_to_optimum_ < 1e-10

    H = reference.hessian(W, D, weight, penalty, "sigmoid")
    g = reference.gradients(W, D, y, "sigmoid")
    solved = solve_equilibrated(H, g.T).T
    influence = np.where(weight > 0, g[:20] @ solved.T, 0)
    expected = {
        "influence": influence,
        "theta_relative": influence / np.linalg.norm(solved, axis=1),
        "loss_relative": influence / np.sqrt((solved * g).sum(axis=1)),
    }
    assert_close(explain_all(explainer, X[:20], y[:20]), expected, 1e-12)


def solve_equilibrated(H, right_hand_sides):
    """Solve with the diagonal scaled to one, so that scales do not spoil the condition."""
    d = np.sqrt(np.diag(H))[:, None]
    return np.linalg.solve(H / d / d.T, right_hand_sides / d) / d


@pytest.mark.parametrize("n_classes", [2, 3])
def test_nearly_separable_rows(n_classes):
    X, y = cases.noisy_classes(n_classes)
    X = X + 6 * np.eye(n_classes, X.shape[1])[y]
    model = logistic(C=1e3, max_iter=1000).fit(X, y)
    assert model.score(X, y) > 0.98
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.distance_to_optimum_ < 1e-6
    expected = cases.brute_force(model, X, y, X[:30], y[:30])
    assert_close(explain_all(explainer, X[:30], y[:30]), expected, EXACT)


def far_rows(X, y, model, factor):
    """Rows along their own direction so far out that the model fits them perfectly."""
    right = np.flatnonzero(model.predict(X) == y)[:12]
    far = factor * X[right]
    return far[model.predict(far) == y[right]], y[right][model.predict(far) == y[right]]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_that_the_model_fits_perfectly(n_classes, dtype):
    """Their residual underflows; their relative criteria are what they are in the limit."""
    X, y = cases.noisy_classes(n_classes)
    X_far, y_far = far_rows(X, y, logistic().fit(X, y), 3e4)
    assert len(y_far) >= 5
    X_all, y_all = np.vstack([X, X_far]).astype(dtype), np.append(y, y_far)
    # Far rows exert no force, so the model of the others is the model of all.
    model = logistic().fit(X, y)
    explainer = RelatIFExplainer.from_fitted(model, X_all, y_all)
    assert explainer.distance_to_optimum_ < 1e-5
    assert_array_equal(explainer.self_influence_[len(y) :], 0)
    influence = explainer.pairwise_influence(X[:20], y[:20], criterion="influence")
    assert_array_equal(influence[:, len(y) :], 0)

    W, D = cases.parameters(model), reference.design(X_all)
    s, penalty = np.ones(len(y_all)), np.r_[np.full(X.shape[1], 1.0), 0.0]
    inverse = np.linalg.pinv(
        reference.hessian(W, D, s, penalty, cases.link_of(model)), hermitian=True
    )
    g_query = reference.gradients(W, reference.design(X[:20]), y[:20], cases.link_of(model))
    g = limiting_gradients(W, D[len(y) :], y_far)
    solved = g @ inverse
    product = g_query @ solved.T
    tolerance = {"rtol": 0, "atol": 1e-8 if dtype == np.float64 else 1e-3}
    for criterion, scale in (
        ("theta_relative", np.linalg.norm(solved, axis=1)),
        ("loss_relative", np.sqrt((solved * g).sum(axis=1))),
    ):
        actual = explainer.pairwise_influence(X[:20], y[:20], criterion=criterion)
        expected = product / scale
        size = np.abs(expected).max()
        assert_allclose(actual[:, len(y) :] / size, expected / size, **tolerance)


def limiting_gradients(W, D, y):
    """Direction of the gradient of a row far inside its class: against the runner-up alone."""
    eta = D @ W.T
    if len(W) == 1:
        return np.where(y == 1, -1.0, 1.0)[:, None] * D
    runner_up = np.argsort(eta, axis=1)[:, -2]
    r = np.eye(len(W))[runner_up] - np.eye(len(W))[y]
    return np.einsum("nk,nj->nkj", r, D).reshape(len(D), -1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_saturated_queries_rank_rows_as_their_limit_does(n_classes, dtype):
    X, y = cases.noisy_classes(n_classes)
    explainer = RelatIFExplainer(LogisticRegression()).fit(X.astype(dtype), y)
    model = explainer.estimator_
    queries, _ = far_rows(X, y, model, 3e4)
    labels = model.predict(queries)
    W = cases.parameters(model).astype(float)
    penalty = np.r_[np.full(X.shape[1], 1.0), 0.0]
    D, link = reference.design(X.astype(dtype)), cases.link_of(model)
    inverse = np.linalg.pinv(
        reference.hessian(W, D, np.ones(len(y)), penalty, link), hermitian=True
    )
    g = reference.gradients(W, D, y, link)
    direction = limiting_gradients(W, reference.design(queries), labels)
    products = direction @ inverse @ g.T
    scale = np.sqrt(((g @ inverse) * g).sum(axis=1))
    for sign, factor in (("positive", 1), ("negative", -1)):
        found = explainer.explain(queries, labels, sign=sign, n_examples=3)
        strength = factor * products / scale
        strength /= strength.max(axis=1, keepdims=True)
        best = -np.sort(-strength, axis=1)[:, :3]
        # In float32 rows of nearly equal strength may change places.
        tolerance = 1e-10 if dtype == np.float64 else 1e-4
        assert_allclose(np.take_along_axis(strength, found.indices, 1), best, atol=tolerance)
        assert not np.isnan(found.scores).any()


def test_saturated_one_versus_rest_has_probabilities():
    """Every binary problem says no beyond the smallest number: there is nothing to normalise."""
    X, y = cases.noisy_classes(3)
    explainer = RelatIFExplainer(OneVsRestClassifier(logistic())).fit(X, y)
    model = copy.deepcopy(explainer.estimator_)
    for part in model.estimators_:
        part.intercept_ -= 2000
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The model is not at the optimum")
        saturated = RelatIFExplainer.from_fitted(model, X, y, damping=1.0)
    assert_array_equal(saturated.explain(X[:2]).training_rows.probabilities, 0)


def test_float32_stays_float32_and_is_close_to_float64():
    X, y = cases.digits(500)
    single, double = (
        RelatIFExplainer(LogisticRegression(C=0.1)).fit(X.astype(dtype), y)
        for dtype in (np.float32, np.float64)
    )
    assert single.transform(X[:5]).dtype == np.float32
    assert single.leverage_.dtype == single.self_influence_.dtype == np.float32
    for criterion in cases.CRITERIA:
        matrix = single.pairwise_influence(X[:50], criterion=criterion)
        assert matrix.dtype == np.float32
        expected = double.pairwise_influence(X[:50], criterion=criterion)
        assert cases.relative_error(matrix, expected) < 1e-3
    assert single.explain(X[:5]).scores.dtype == np.float32


# --- invariances ----------------------------------------------------------------------------


@st.composite
def small_problems(draw, max_classes=4):
    """Features, labels in which every class occurs, and weights, some of them 0."""
    n_classes = draw(st.integers(2, max_classes))
    n_rows = draw(st.integers(n_classes + 8, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n_rows, draw(st.integers(1, 5))))
    y = np.append(np.arange(n_classes), rng.integers(n_classes, size=n_rows - n_classes))
    weight = rng.uniform(0.2, 3.0, n_rows)
    weight[n_classes + 4 :: 5] = 0
    return X, y, weight


@few
@given(problem=small_problems(), seed=st.integers(0, 1000))
def test_order_of_rows_does_not_matter(problem, seed):
    X, y, weight = problem
    order = np.random.default_rng(seed).permutation(len(y))
    plain = RelatIFExplainer(logistic()).fit(X, y, weight)
    permuted = RelatIFExplainer(logistic()).fit(X[order], y[order], weight[order])
    expected = {c: m[:, order] for c, m in explain_all(plain, X, y).items()}
    assert_close(explain_all(permuted, X, y), expected, 1e-7)


@few
@given(problem=small_problems(), data=st.data())
def test_row_of_weight_two_is_two_rows(problem, data):
    X, y, weight = problem
    row = data.draw(st.sampled_from(np.flatnonzero(weight).tolist()))
    weight[row] = 2.0
    twice = np.append(weight, 1.0)
    twice[row] = 1.0
    whole = RelatIFExplainer(logistic()).fit(X, y, weight)
    halves = RelatIFExplainer(logistic()).fit(X[[*range(len(y)), row]], np.append(y, y[row]), twice)
    expected = explain_all(whole, X, y)
    actual = explain_all(halves, X, y)
    assert_close({c: m[:, :-1] for c, m in actual.items()}, expected, 1e-7)
    for criterion, matrix in actual.items():
        assert_allclose(matrix[:, -1], matrix[:, row], rtol=1e-12, err_msg=criterion)
    assert_allclose(halves.leverage_[[row, -1]].sum(), whole.leverage_[row], rtol=1e-6)


@few
@given(problem=small_problems(), seed=st.integers(0, 1000))
def test_names_of_classes_do_not_matter(problem, seed):
    X, y, weight = problem
    names = np.random.default_rng(seed).permutation(len(np.unique(y)))
    numbered = RelatIFExplainer(logistic()).fit(X, y, weight)
    renamed = RelatIFExplainer(logistic()).fit(X, names[y], weight)
    assert_close(explain_all(renamed, X, names[y]), explain_all(numbered, X, y), 1e-7)
    assert_allclose(renamed.leverage_, numbered.leverage_, rtol=1e-6, atol=1e-12)


@few
@given(problem=small_problems(), scale=st.floats(0.1, 10))
def test_weights_and_strength_in_other_units(problem, scale):
    """All weights times c, and C over c, is the same mean objective."""
    X, y, weight = problem
    plain = RelatIFExplainer(logistic()).fit(X, y, weight)
    scaled = RelatIFExplainer(logistic(C=1 / scale)).fit(X, y, scale * weight)
    assert_close(explain_all(scaled, X, y), explain_all(plain, X, y), 1e-7)


@few
@given(problem=small_problems())
def test_rows_of_weight_zero_are_as_good_as_absent(problem):
    X, y, weight = problem
    present = weight > 0
    plain = RelatIFExplainer(logistic()).fit(X, y, weight)
    absent = RelatIFExplainer(logistic()).fit(X[present], y[present], weight[present])
    actual = explain_all(plain, X, y)
    assert_close({c: m[:, present] for c, m in actual.items()}, explain_all(absent, X, y), 1e-7)
    for matrix in actual.values():
        assert_array_equal(matrix[:, ~present], 0)
    assert_array_equal(plain.self_influence_[~present], 0)
    assert_array_equal(plain.leverage_[~present], 0)
    found = plain.explain(X, sign="absolute", n_examples=len(y)).indices
    assert not np.isin(found, np.flatnonzero(~present)).any()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scale_of_a_feature_does_not_matter_to_loss_relative_without_a_penalty(n_classes):
    X, y = cases.noisy_classes(n_classes)
    scales = np.array([1e-3, 1.0, 1e3, 7.0])
    plain = RelatIFExplainer(logistic(C=np.inf)).fit(X, y)
    # The coefficients of the scaled features are those of the plain ones, divided.
    model = copy.deepcopy(plain.estimator_)
    model.coef_ /= scales
    scaled = RelatIFExplainer.from_fitted(model, X * scales, y)
    expected, actual = explain_all(plain, X, y), explain_all(scaled, X * scales, y)
    for criterion in ("influence", "loss_relative"):
        assert cases.relative_error(actual[criterion], expected[criterion]) < EXACT
    # The theta-relative criterion has no such invariance.
    assert cases.relative_error(actual["theta_relative"], expected["theta_relative"]) > 0.1


@few
@given(problem=small_problems(), density=st.floats(0.05, 0.9), seed=st.integers(0, 1000))
def test_sparse_rows_are_dense_rows(problem, density, seed):
    X, y, weight = problem
    X = np.where(np.random.default_rng(seed).uniform(size=X.shape) < density, X, 0)
    dense = RelatIFExplainer(logistic(solver="lbfgs")).fit(X, y, weight)
    for container in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array):
        explainer = RelatIFExplainer.from_fitted(dense.estimator_, container(X), y, weight)
        expected = explain_all(dense, X, y)
        assert_close(explain_all(explainer, container(X), y), expected, 1e-10)
        # The form of the queries need not be that of the training rows.
        assert_close(explain_all(explainer, X, y), expected, 1e-10)
        assert_close(explain_all(dense, container(X), y), expected, 1e-10)
        assert_allclose(explainer.leverage_, dense.leverage_, rtol=0, atol=1e-10)


def test_frame_is_array():
    pd = pytest.importorskip("pandas")
    X, y = cases.noisy_classes(3)
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(len(y))[::-1] * 10)
    by_frame = RelatIFExplainer(logistic()).fit(frame, pd.Series(y, index=frame.index))
    by_array = RelatIFExplainer(logistic()).fit(X, y)
    assert_array_equal(by_frame.feature_names_in_, list("abcd"))
    assert not hasattr(by_array, "feature_names_in_")
    assert by_frame.n_features_in_ == by_array.n_features_in_ == 4
    assert_array_equal(by_frame.pairwise_influence(frame), by_array.pairwise_influence(X))
    explanation = by_frame.explain(frame[3:5], pd.Series(y[3:5]))
    assert_array_equal(explanation.query_index, frame.index[3:5])
    shown = explanation.frame()
    assert_array_equal(shown["row"], frame.index[explanation.indices.ravel()])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_frozen_is_refitted(n_classes):
    X, y = cases.noisy_classes(n_classes)
    weight = cases.weights_with_zeros(len(y))
    params = {"criterion": "theta_relative", "curvature": "fisher", "damping": 1e-4}
    refitted = RelatIFExplainer(logistic(), **params).fit(X, y, weight)
    frozen = RelatIFExplainer.from_fitted(logistic().fit(X, y, weight), X, y, weight, **params)
    assert_array_equal(frozen.pairwise_influence(X), refitted.pairwise_influence(X))
    assert frozen.distance_to_optimum_ == refitted.distance_to_optimum_
    assert frozen.get_params(deep=False).keys() == refitted.get_params(deep=False).keys()


# --- explain --------------------------------------------------------------------------------


def sorted_by_hand(matrix, sign, n_examples):
    strength = {"positive": matrix, "negative": -matrix, "absolute": np.abs(matrix)}[sign]
    indices = np.argsort(-strength, axis=1, kind="stable")[:, :n_examples]
    scores = np.take_along_axis(matrix, indices, axis=1)
    none = np.take_along_axis(strength, indices, axis=1) <= 0
    return np.where(none, -1, indices), np.where(none, np.nan, scores)


@pytest.mark.parametrize("working_memory", [1024, 0.01])
@pytest.mark.parametrize("sign", ["positive", "negative", "absolute"])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_explain_is_sorting_the_matrix(n_classes, container, sign, working_memory, monkeypatch):
    """All criteria from one pass, in few large blocks or in many small ones."""
    X, y = cases.noisy_classes(n_classes, n_rows=200)
    explainer = RelatIFExplainer(logistic()).fit(X, y, cases.weights_with_zeros(len(y)))
    model = explainer.estimator_
    explainer = RelatIFExplainer.from_fitted(
        model, container(X), y, cases.weights_with_zeros(len(y))
    )
    queries = container(np.random.default_rng(5).normal(size=(30, 4)))
    matrices = explain_all(explainer, queries)
    if working_memory < 1:
        monkeypatch.setattr(_search, "SCORE_BLOCK_BYTES", 4000)
    with config_context(working_memory=working_memory):
        together = explainer.explain(queries, sign=sign, n_examples=8, criterion=cases.CRITERIA)
        small = explain_all(explainer, queries)
        one_by_one = {
            criterion: explainer.explain(queries, sign=sign, n_examples=8, criterion=criterion)
            for criterion in cases.CRITERIA
        }
        study = explainer._study
        query, rows = study.query(queries), study.objective.rows
        query_rows = study.objective.query_rows(query.jacobian, query.y)
        blocks = list(_search.products(query_rows, rows, study.curvature))
    assert (len(blocks) > 10) == (working_memory < 1)
    assert list(together) == list(cases.CRITERIA)
    for criterion, matrix in matrices.items():
        alone = explainer.pairwise_influence(queries, criterion=criterion)
        assert_allclose(alone, matrix, rtol=1e-10, atol=1e-12 * np.abs(matrix).max())
        assert_allclose(small[criterion], matrix, rtol=1e-10, atol=1e-12 * np.abs(matrix).max())
        indices, scores = sorted_by_hand(matrix, sign, 8)
        for explanation in (together[criterion], one_by_one[criterion]):
            assert explanation.criterion == criterion
            assert explanation.sign == sign
            assert_array_equal(explanation.indices, indices)
            assert_allclose(explanation.scores, scores, rtol=1e-10)
        assert_array_equal(together[criterion].targets, model.predict(queries))


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("most_rows", [1, 7, 1024])
def test_matrices_of_wide_gradients_are_products_however_threads_share_the_rows(
    most_rows, n_threads, monkeypatch
):
    X, y = cases.noisy_classes(3, n_rows=60, n_features=140)
    explainer = RelatIFExplainer(logistic()).fit(X, y, cases.weights_with_zeros(len(y)))
    study, queries = explainer._study, X[:5] + 0.1
    rows, query = study.objective.rows, study.query(queries)
    assert rows.n_values > FEW_COLUMNS
    gradients = rows.block(slice(None)) * rows.norm[:, None]
    asked = study.objective.query_rows(query.jacobian, query.y)
    solved = study.curvature.solve(asked.block(slice(None))) * asked.norm[:, None]
    monkeypatch.setattr(_search, "MOST_ROWS", most_rows)
    monkeypatch.setattr(_search, "n_blas_threads", lambda: n_threads)
    together = explain_all(explainer, queries)
    assert_allclose(together["influence"], solved @ gradients.T, rtol=1e-10, atol=1e-12)
    for criterion, matrix in together.items():
        alone = explainer.pairwise_influence(queries, criterion=criterion)
        assert_allclose(alone, matrix, rtol=1e-10, atol=1e-12 * np.abs(matrix).max())
        scale = explainer._study.factors(criterion)
        assert_allclose(matrix * rows.norm, together["influence"] * scale, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("working_memory", [0.005, 0])
def test_working_memory_does_not_change_what_fit_computes(working_memory):
    X, y = cases.noisy_classes(3)
    plain = RelatIFExplainer(logistic(), criterion="theta_relative").fit(X, y)
    with config_context(working_memory=working_memory):
        frugal = RelatIFExplainer(logistic(), criterion="theta_relative").fit(X, y)
        assert_allclose(frugal.scale_, plain.scale_, rtol=1e-10)
        assert_allclose(frugal.leverage_, plain.leverage_, rtol=1e-10)
        assert_allclose(frugal.distance_to_optimum_, plain.distance_to_optimum_, atol=1e-12)


@pytest.mark.parametrize("model", [logistic(), SVC()], ids=["logistic", "kernel"])
def test_no_working_memory_is_one_row_at_a_time(model):
    X, y = cases.noisy_classes(3, n_rows=60)
    plain = RelatIFExplainer(model).fit(X, y)
    with config_context(working_memory=0):
        frugal = RelatIFExplainer(model).fit(X, y)
        for method in ("explain", "pairwise_influence", "removal_effect"):
            one, other = (getattr(explainer, method)(X[:5]) for explainer in (plain, frugal))
            if method == "explain":
                one, other = one.scores, other.scores
            assert_allclose(other, one, atol=1e-12)


@pytest.mark.parametrize("kind", ["coo", "dia", "lil", "dok", "bsr", "csc"])
@pytest.mark.parametrize("container", ["matrix", "array"])
@pytest.mark.parametrize("model", [logistic(solver="lbfgs"), SVC()], ids=["logistic", "kernel"])
def test_sparse_rows_of_every_format(kind, container, model):
    X, y = cases.noisy_classes(3, n_rows=60)
    X, labels = sparse.csr_matrix(X * (X > 0)), np.column_stack([y, (y + 1) % 3])
    other = getattr(sparse, f"{kind}_{container}")(X)
    expected = RelatIFExplainer(model).fit(X, y)
    for explainer in (
        RelatIFExplainer(model).fit(other, y),
        RelatIFExplainer.from_fitted(expected.estimator_, other, y),
    ):
        assert_array_equal(explainer.pairwise_influence(other), expected.pairwise_influence(X))
        found = explainer.explain(other, labels)
        assert_array_equal(found.scores, expected.explain(X, labels).scores)
        assert_array_equal(explainer.removal_effect(other), expected.removal_effect(X))


def test_more_examples_than_rows_of_the_sign():
    X, y = cases.noisy_classes(2, n_rows=30)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    matrix = explainer.pairwise_influence(X)
    for sign, count in (("positive", (matrix > 0).sum(1)), ("negative", (matrix < 0).sum(1))):
        explanation = explainer.explain(X, sign=sign, n_examples=40)
        assert explanation.indices.shape == (30, 40)
        assert_array_equal((explanation.indices >= 0).sum(axis=1), count)
        assert_array_equal(explanation.indices == -1, np.isnan(explanation.scores))
        assert_array_equal(explanation.indices == -1, np.arange(40) >= count[:, None])


SEVERAL_LABELS = {
    "multinomial": lambda X: (logistic(), X),
    "sparse": lambda X: (logistic(), sparse.csr_matrix(X)),
    "one vs rest": lambda X: (LinearSVC(tol=1e-8, max_iter=100_000), X),
    "kernel": lambda X: (SVC(gamma=0.1), X),
    "precomputed": lambda X: (SVC(kernel="precomputed"), rbf_kernel(X, X[:80], gamma=0.1)),
    "pipeline": lambda X: (make_pipeline(MinMaxScaler(), logistic()), X.tolist()),
}


@pytest.mark.parametrize("kind", SEVERAL_LABELS)
def test_several_labels_of_a_query_are_several_queries(kind):
    """Each label is explained as it is on its own, in the order of the queries."""
    X, y = cases.wine()
    names = np.array(["a", "b", "c"])[y]
    order = np.random.default_rng(0).permutation(len(y))[:90]
    estimator, X = SEVERAL_LABELS[kind](X[order])
    explainer = RelatIFExplainer(estimator).fit(X[:80], names[order[:80]])
    queries, labels = X[80:], [["c", "a"]] * 5 + [["b", "c"]] * 5
    together = explainer.explain(queries, labels, criterion=cases.CRITERIA)
    for place in range(2):
        alone = explainer.explain(
            queries, [pair[place] for pair in labels], criterion=cases.CRITERIA
        )
        for criterion in cases.CRITERIA:
            assert_array_equal(together[criterion].indices[place::2], alone[criterion].indices)
            assert_allclose(together[criterion].scores[place::2], alone[criterion].scores, 1e-10)
    assert_array_equal(together["influence"].targets, np.ravel(labels))
    assert_array_equal(together["influence"].query_index, np.repeat(np.arange(10), 2))


def test_frame_of_several_labels_shows_query_and_label():
    pd = pytest.importorskip("pandas")
    X, y = cases.wine()
    frame = pd.DataFrame(X, index=[f"wine {i}" for i in range(len(X))]).add_prefix("column ")
    explainer = RelatIFExplainer(logistic()).fit(frame, y)
    labels = pd.DataFrame({"first": [0, 2], "second": [1, 0]})
    shown = explainer.explain(frame.iloc[[3, 70]], labels, n_examples=2).frame()
    expected = [("wine 3", 0), ("wine 3", 1), ("wine 70", 2), ("wine 70", 0)]
    assert list(zip(shown["query"], shown["target"], strict=True))[::2] == expected


def test_one_column_of_labels_is_one_label_a_query():
    X, y = cases.wine()
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    column, flat = (explainer.explain(X[:5], labels) for labels in (y[:5, None], y[:5]))
    assert_array_equal(column.indices, flat.indices)
    assert_array_equal(column.query_index, flat.query_index)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((4, 2), int), "inconsistent numbers of samples"),
        (np.zeros((5, 0), int), "at least one label"),
        (np.full((5, 2), 7), "labels that the model was not trained on"),
    ],
)
def test_wrong_tables_of_labels_are_refused(labels, message):
    X, y = cases.wine()
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    with pytest.raises(ValueError, match=message):
        explainer.explain(X[:5], labels)


def test_criterion_of_the_constructor_is_the_default():
    X, y = cases.noisy_classes(3)
    for criterion in cases.CRITERIA:
        explainer = RelatIFExplainer(logistic(), criterion=criterion).fit(X, y)
        assert explainer.explain(X[:3]).criterion == criterion
        assert_array_equal(
            explainer.pairwise_influence(X[:3]),
            explainer.pairwise_influence(X[:3], criterion=criterion),
        )


def test_training_rows_are_described():
    X, y = cases.noisy_classes(3)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    rows = explainer.explain(X[:1]).training_rows
    assert_array_equal(rows.predictions, explainer.predict(X))
    probabilities = explainer.predict_proba(X)[np.arange(len(y)), y]
    assert_allclose(rows.probabilities, probabilities, rtol=1e-12)


# --- transform ------------------------------------------------------------------------------


@pytest.mark.parametrize("curvature", ["hessian", "fisher", "empirical_fisher", "identity"])
@pytest.mark.parametrize("estimator", [logistic(), OneVsRestClassifier(logistic())])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_transform_embeds_rows(n_classes, estimator, curvature):
    X, y = cases.noisy_classes(n_classes)
    explainer = RelatIFExplainer(estimator, curvature=curvature).fit(X, y)
    queries, rows = explainer.transform(X[:20]), explainer.transform(X, y)
    assert len(explainer.get_feature_names_out()) == rows.shape[1]
    influence = explainer.pairwise_influence(X[:20], criterion="influence")
    assert_allclose(queries @ rows.T, influence, rtol=0, atol=1e-11 * np.abs(influence).max())
    assert_allclose((rows**2).sum(axis=1), explainer.self_influence_, rtol=1e-10)
    # The cosine is loss-relative up to a factor for each query.
    relative = explainer.pairwise_influence(X[:20], criterion="loss_relative")
    cosine = cosine_similarity(queries, rows)
    assert_allclose(cosine * np.linalg.norm(queries, axis=1)[:, None], relative, atol=1e-10)


# --- side effects and memory ----------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_nothing_that_was_passed_in_changes(container):
    X, y = cases.noisy_classes(3)
    X, y, weight = container(X), y.astype(str), cases.weights_with_zeros(len(y))
    model = LogisticRegression(solver="lbfgs").fit(X, y, weight)
    before = pickle.dumps((model, X, y, weight))
    state = np.random.get_state()  # noqa: NPY002
    settings_before = get_config(), np.geterr(), warnings.filters[:]

    explainer = RelatIFExplainer.from_fitted(model, X, y, weight)
    fitted = pickle.dumps(explainer.estimator_)
    explainer.explain(X, y, criterion=cases.CRITERIA)
    explainer.pairwise_influence(X)
    explainer.transform(X)
    for attribute in ("scale_", "self_influence_", "leverage_"):
        getattr(explainer, attribute)

    assert pickle.dumps((model, X, y, weight)) == before
    assert pickle.dumps(explainer.estimator_) == fitted
    assert (get_config(), np.geterr(), warnings.filters) == settings_before
    for part, unchanged in zip(np.random.get_state(), state, strict=True):  # noqa: NPY002
        assert_array_equal(part, unchanged)


def test_read_only_data():
    """As joblib hands it to workers."""
    X, y = cases.noisy_classes(3)
    weight = cases.weights_with_zeros(len(y))
    for array in (X, y, weight):
        array.setflags(write=False)
    explainer = RelatIFExplainer(logistic()).fit(X, y, weight)
    assert explainer.explain(X, y).indices.shape == (len(y), 5)


def test_later_changes_of_the_data_do_not_reach_into_explanations():
    X, y = cases.noisy_classes(2)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    explanation = explainer.explain(X[:3])
    labels = explanation.training_rows.labels.copy()
    y[:] = 0
    assert_array_equal(explanation.training_rows.labels, labels)


def test_pickled_explainer_explains_the_same():
    X, y = cases.noisy_classes(3)
    explainer = RelatIFExplainer(logistic()).fit(X, y)
    loaded = pickle.loads(pickle.dumps(explainer))
    assert_array_equal(loaded.pairwise_influence(X), explainer.pairwise_influence(X))


MEMORY_SCRIPT = """
import resource
import sys
import numpy as np
from sklearn import config_context
from sklearn.linear_model import LogisticRegression
from sklearn_relatif import RelatIFExplainer

def peak():
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, and kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

rng = np.random.default_rng(0)
X = rng.normal(size=(50_000, 50))
y = (X[:, :5].sum(axis=1) + rng.logistic(size=len(X)) > 0).astype(int)
queries = rng.normal(size=(10_000, 50))
model = LogisticRegression().fit(X[:1000], y[:1000])
before = peak()
with config_context(working_memory=64):
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    explainer.explain(queries)
print(peak() - before)
"""


def test_explain_never_holds_the_whole_matrix():
    """10,000 queries against 50,000 rows are 4 GB of scores; the limit is 400 MB over the data."""
    pytest.importorskip("resource")
    run = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT], capture_output=True, text=True, check=True
    )
    assert float(run.stdout) < 400


# --- the paper's pattern --------------------------------------------------------------------


def test_relative_criteria_choose_more_and_more_typical_rows():
    """Table 1 of the paper, on the digits: influence returns the same few outliers everywhere."""
    X, y = cases.digits()
    X, X_test, y, _ = train_test_split(X, y, random_state=0, stratify=y)
    explainer = RelatIFExplainer(logistic(C=1.0, tol=1e-6)).fit(X, y)
    chosen = {
        criterion: np.unique(explanation.indices)
        for criterion, explanation in explainer.explain(
            X_test, n_examples=1, criterion=cases.CRITERIA
        ).items()
    }
    own = explainer.predict_proba(X)[np.arange(len(y)), y]
    for criterion in ("theta_relative", "loss_relative"):
        assert len(chosen[criterion]) >= 2 * len(chosen["influence"])
        assert own[chosen[criterion]].mean() > own[chosen["influence"]].mean()
