"""Exact solvers on features of any scale and precision, and what they say where they are not."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from scipy.linalg import LinAlgWarning, helmert
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.svm import SVC, LinearSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.curvature import (
    CholeskyCurvature,
    SoftmaxWoodburyCurvature,
    WoodburyCurvature,
    _choice,
    _exact,
    _proof,
    _woodbury,
    build_curvature,
)
from sklearn_relatif.objectives import CurvatureOperator, reduce_to_row_space
from tests import cases, reference


def text(n_rows=50, n_features=150, n_classes=3, seed=0):
    """Rows of unit length with few entries, and labels."""
    rng = np.random.default_rng(seed)
    X = rng.random((n_rows, n_features)) * (rng.random((n_rows, n_features)) < 0.08)
    X[:, 1] += 0.1
    y = rng.integers(n_classes, size=n_rows)
    y[:n_classes] = np.arange(n_classes)
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def beside_a_profit(scale, **kwargs):
    X, y = text(**kwargs)
    X[:, 0] = np.random.default_rng(1).normal(size=len(X)) * scale
    return X, y


def fitted(X, y, C=10.0):
    """At its optimum, whatever scikit-learn says of its own linear algebra."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10)
        return model.fit(np.asarray(X, np.float64), y)


def with_newton_steps(model, X, y):
    """The optimum proper: scikit-learn's own solvers stop before it where a column is large."""
    D, link = reference.design(X), cases.link_of(model)
    for _ in range(10):
        W = cases.parameters(model)
        slope = reference.gradients(W, D, y, link).sum(axis=0) + (W * penalty_of(model)).ravel()
        W = W - solved(model, X, slope / len(y)).reshape(W.shape)
        model.coef_, model.intercept_ = W[:, :-1], W[:, -1]
    return model


def penalty_of(model):
    return np.r_[np.full(model.n_features_in_, 1 / model.C), 0.0]


def solved(model, X, gradients):
    """By brute force with every column at the same scale, which changes no solution."""
    D, W, link = reference.design(X), cases.parameters(model), cases.link_of(model)
    H = reference.hessian(W, D, np.ones(len(D)), penalty_of(model), link)
    contrasts = np.kron(helmert(len(W)) if link == "softmax" else np.eye(1), np.eye(D.shape[1]))
    H = contrasts @ H @ contrasts.T
    size = np.sqrt(np.diag(H))
    scaled = (gradients @ contrasts.T / size).T
    return (np.linalg.solve(H / size / size[:, None], scaled).T / size) @ contrasts


def exact_scores(model, X, y, n_queries=5):
    g = reference.gradients(cases.parameters(model), reference.design(X), y, cases.link_of(model))
    solutions = solved(model, X, g)
    influence = g[:n_queries] @ solutions.T
    return {
        "influence": influence,
        "theta_relative": influence / np.linalg.norm(solutions, axis=1),
        "loss_relative": influence / np.sqrt((solutions * g).sum(axis=1)),
    }


def assert_exact(explainer, X, y, expected, tolerance):
    found = explainer.pairwise_influence(X[:5], y[:5], criterion=cases.CRITERIA)
    for criterion, matrix in expected.items():
        assert cases.relative_error(found[criterion], matrix) < tolerance


# --- features of very different scale --------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-4, 1e2, 1e5, 1e8])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [sparse.csr_matrix, np.asarray])
def test_one_numeric_column_beside_text(container, n_classes, scale):
    X, y = beside_a_profit(scale, n_classes=n_classes)
    model = with_newton_steps(fitted(X, y), X, y)
    expected = exact_scores(model, X, y)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y, solver="woodbury")
    assert explainer.solver_.is_exact
    is_dual = container is not np.asarray and n_classes == 2
    assert isinstance(explainer._study.curvature, WoodburyCurvature) == is_dual
    assert_exact(explainer, container(X), y, expected, 1e-8)
    whole = RelatIFExplainer.from_fitted(model, container(X), y, solver="cholesky")
    assert_allclose(explainer.leverage_, whole.leverage_, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e2, 1e5, 1e8])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_numeric_column_class_by_class(monkeypatch, dtype, scale):
    monkeypatch.setattr(_choice, "MODERATE", 0)
    X, y = beside_a_profit(scale, n_classes=4)
    X = X.astype(dtype)
    model = with_newton_steps(fitted(X, y), X, y)
    expected = exact_scores(model, X, y)
    X = sparse.csr_matrix(X)
    explainer = RelatIFExplainer.from_fitted(model, X, y, solver="woodbury")
    assert isinstance(explainer._study.curvature, SoftmaxWoodburyCurvature)
    assert_exact(explainer, X, y, expected, 1e-8 if dtype == np.float64 else 1e-4)


@pytest.mark.parametrize("n_large", [0, 3, 30, 49])
@pytest.mark.parametrize("container", [sparse.csr_matrix, np.asarray])
def test_columns_of_many_scales(container, n_large):
    rng = np.random.default_rng(2)
    X, y = text(n_classes=2)
    X[:, :n_large] = rng.normal(size=(len(X), n_large)) * np.geomspace(1e2, 1e4, n_large or 1)
    X[:, -40:] *= 1e-3
    model = fitted(X, y, C=1.0)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y, solver="woodbury")
    assert_exact(explainer, container(X), y, exact_scores(model, X, y), 1e-7)


@pytest.mark.parametrize("noise", [1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("container", [sparse.csr_matrix, np.asarray])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_rows_that_are_nearly_the_same(n_classes, container, noise):
    """A query may point just where they differ."""
    X, y = text(n_classes=n_classes)
    X[25:] = X[:25] * (1 + noise * np.random.default_rng(1).normal(size=X[:25].shape))
    X[:2] = (X[3:5] - X[28:30]) / noise
    model = fitted(X, y, C=1e4)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y, solver="woodbury")
    assert_exact(explainer, container(X), y, exact_scores(model, X, y), 1e-6)


def test_the_space_of_the_rows_holds_each_of_them():
    """Whether the Gram matrix tells a row apart or not."""
    X, y = beside_a_profit(1e6)
    X[30:] = X[:20] * (1 + np.geomspace(1e-9, 1e-2, 20)[:, None] * text(20, seed=3)[0])
    X[7] = 0
    model = fitted(X, y)
    for container in (sparse.csr_matrix, np.asarray):
        objective = reduce_estimator(model, container(X), y, np.ones(len(y)))
        reduced = reduce_to_row_space(objective).jacobian
        basis = reduced.expand(np.eye(reduced.n_columns))[:, : X.shape[1]][: reduced.X.shape[1]]
        assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
        lengths = np.where(X.any(axis=0), np.abs(X).max(axis=0), 1)
        assert_allclose(reduced.X @ basis / lengths, X / lengths, atol=1e-13)


# --- single precision ------------------------------------------------------------------------


@pytest.mark.parametrize("container", [sparse.csr_matrix, np.asarray])
@pytest.mark.parametrize("solver", ["woodbury", "cholesky"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_single_precision_beside_a_large_column(n_classes, solver, container):
    X, y = beside_a_profit(300, n_classes=n_classes)
    X = X.astype(np.float32)
    model = fitted(X, y)
    explainer = RelatIFExplainer.from_fitted(model, container(X), y, solver=solver)
    assert explainer.solver_.is_exact
    assert_exact(explainer, container(X), y, exact_scores(model, X, y), 1e-4)


def test_double_precision_where_single_does_not_do():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    X[:, 3] = X[:, 0] + np.float32(1e-3) * rng.normal(size=200).astype(np.float32)
    y = (X[:, 0] + X[:, 1] + rng.logistic(size=200) > 0).astype(int)
    model = fitted(X, y, C=1e5)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.solver_.reason.endswith(
        "in double precision, because single precision spoils it"
    )
    assert explainer.pairwise_influence(X[:5]).dtype == np.float64
    assert_exact(explainer, X, y, exact_scores(model, X, y), 1e-7)
    tame = RelatIFExplainer.from_fitted(fitted(X[:, :3], y), X[:, :3], y)
    assert tame.pairwise_influence(X[:5, :3]).dtype == np.float32


def test_predictors_too_large_for_single_precision():
    X, y = cases.noisy_classes(2)
    X = (3e3 + X).astype(np.float32)
    model = fitted(X, y, C=1e3)
    explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.pairwise_influence(X[:5]).dtype == np.float64
    assert_exact(explainer, X, y, exact_scores(model, X, y), 1e-6)


# --- proof, and what is said without it ------------------------------------------------------


def objective_of(X, y, **kwargs):
    return reduce_estimator(fitted(X, y, **kwargs), X, y, np.ones(len(y)))


@pytest.mark.parametrize("is_reduced", [False, True])
def test_residuals_tell_the_error_of_solutions(is_reduced):
    X, y = beside_a_profit(1e4)
    objective = objective_of(X, y)
    own = reduce_to_row_space(objective) if is_reduced else objective
    total = CurvatureOperator(objective, "hessian", 0.0)
    curvature = build_curvature(own, "hessian", 0.0)
    assert _proof.solution_error(total, own, curvature) < 1e-10
    exact = curvature.solve
    curvature.solve = lambda gradients: 1.001 * exact(gradients)
    assert _proof.solution_error(total, own, curvature) == pytest.approx(1e-3, rel=0.01)


def test_a_space_that_lacks_a_row_is_found_out():
    X, y = text()
    objective = objective_of(X, y)
    total = CurvatureOperator(objective, "hessian", 0.0)
    own = reduce_to_row_space(objective)
    curvature = build_curvature(own, "hessian", 0.0)
    own.jacobian.space.anchors = np.zeros_like(own.jacobian.space.anchors)
    assert _proof.solution_error(total, own, curvature) > 0.1


def nearly_the_same_columns(distance):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[:, 2] = X[:, 0] + distance * rng.normal(size=300)
    return X, (X[:, 1] + rng.logistic(size=300) > 0).astype(int)


def test_an_ill_conditioned_curvature_says_so():
    X, y = nearly_the_same_columns(3e-7)
    model = fitted(X[:, :2], y, C=1e12)
    model.coef_ = np.array([[model.coef_[0, 0], model.coef_[0, 1], 0.0]])
    model.n_features_in_ = 3
    with pytest.warns(LinAlgWarning, match=r"condition number is about .*e\+1[23].*damping=1e-3"):
        explainer = RelatIFExplainer.from_fitted(model, X, y)
    assert explainer.solver_.is_exact == explainer.solver_.is_proved
    # Not where a damping, or the scale of a column, is all that there is to it.
    RelatIFExplainer.from_fitted(model, X, y, damping=1e-3)
    X, y = nearly_the_same_columns(1e-1)
    RelatIFExplainer.from_fitted(fitted(X * [1e-6, 1, 1e6], y), X * [1e-6, 1, 1e6], y)


def test_a_solver_that_proves_nothing_is_not_called_exact(monkeypatch):
    X, y = text()
    monkeypatch.setattr(_exact, "solution_error", lambda *args: np.nan)
    with pytest.warns(LinAlgWarning, match="rounding puts solutions off"):
        explainer = RelatIFExplainer.from_fitted(fitted(X, y), X, y, solver="woodbury")
    assert explainer.solver_.name == "woodbury" and not explainer.solver_.is_exact
    assert "solver woodbury" in repr(explainer.explain(X[:1])[0])


def test_a_basis_takes_over_where_the_dual_matrix_is_spoilt(monkeypatch):
    X, y = text(n_classes=2)
    model, measure = fitted(X, y), _exact.solution_error
    monkeypatch.setattr(
        _exact,
        "solution_error",
        lambda total, own, curvature: (
            1.0 if isinstance(curvature, WoodburyCurvature) else measure(total, own, curvature)
        ),
    )
    explainer = RelatIFExplainer.from_fitted(model, sparse.csr_matrix(X), y, solver="woodbury")
    assert isinstance(explainer._study.curvature, CholeskyCurvature)
    assert "in a basis of their span, because rounding spoils" in explainer.solver_.reason
    assert_exact(explainer, X, y, exact_scores(model, X, y), 1e-9)


@pytest.mark.parametrize("name", ["_lost", "_slopes"])
def test_denominators_that_disagree_with_solutions_are_solved_for(monkeypatch, name):
    X, y = text(n_classes=2)
    objective = reduce_estimator(fitted(X, y), sparse.csr_matrix(X), y, np.ones(len(y)))
    total = CurvatureOperator(objective, "hessian", 0.0)
    expected = WoodburyCurvature(total).lengths(objective.rows, "theta_relative")
    exact = getattr(WoodburyCurvature, name)

    def spoilt(self, k):
        difference, values = exact(self, k)
        return difference, values * 1.01

    monkeypatch.setattr(WoodburyCurvature, name, spoilt)
    found = WoodburyCurvature(total).lengths(objective.rows, "theta_relative")
    for criterion, scale in expected.items():
        assert_allclose(found[criterion], scale, rtol=1e-9)


def test_denominators_of_rows_with_hardly_any_weight():
    """A model without penalty fits wide rows so well that none of them has a curvature to speak of.

    The empirical Fisher of such a model is its damping, I / 2 here.
    """
    X, y = text(n_rows=20, n_classes=2)
    explainer = RelatIFExplainer(
        LogisticRegression(C=1e8, solver="newton-cholesky", tol=1e-10),
        curvature="empirical_fisher",
        damping=0.5,
        solver="woodbury",
        criterion="loss_relative",
    ).fit(sparse.csr_matrix(X), y)
    norm = np.abs(explainer.predict_proba(X)[:, 1] - y)
    assert norm.max() < 1e-6
    lengths = np.linalg.norm(reference.design(X), axis=1)
    assert_allclose(explainer.scale_, np.sqrt(2) * norm * lengths, rtol=1e-6)


def test_class_by_class_denominators_that_disagree_are_reported(monkeypatch):
    monkeypatch.setattr(_choice, "MODERATE", 0)
    X, y = text()
    exact = _woodbury.Border.of
    monkeypatch.setattr(
        _woodbury.Border, "of", lambda aside, root, *args: exact(aside, root**1.01, *args)
    )
    with pytest.warns(LinAlgWarning, match="squares of denominators off by about"):
        RelatIFExplainer.from_fitted(fitted(X, y), sparse.csr_matrix(X), y, solver="woodbury")


@pytest.mark.parametrize("exponents", [0, 3, 5])
def test_estimate_of_the_condition_number(exponents):
    rng = np.random.default_rng(0)
    size = 40
    root = rng.normal(size=(size, size)) @ np.diag(np.logspace(0, -exponents, size))
    matrix = root @ np.linalg.qr(rng.normal(size=(size, size)))[0]
    matrix = matrix.T @ matrix
    units = 10.0 ** rng.integers(-6, 6, size)
    curvature = CholeskyCurvature(
        (matrix * units * units[:, None])[None], np.float64, lambda: [np.zeros((size, 0))]
    )
    lengths = np.sqrt(np.diag(matrix))
    expected = np.linalg.cond(matrix / lengths / lengths[:, None])
    assert expected / 5 < curvature.condition < expected * 1.01


# --- null directions and parameters that are held fixed --------------------------------------


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_null_directions_of_a_column_in_any_unit(unit):
    """A doubled column without a penalty, in units so small that its squares seem to vanish."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3)) * [1, 1, unit]
    x = np.column_stack([x, x[:, 2]])
    null = np.array([[0, 0, 1, -1.0]]).T / np.sqrt(2)
    curvature = CholeskyCurvature((x.T @ x)[None], np.float64, lambda: [null])
    inverse = np.linalg.inv(x[:, :3].T @ x[:, :3] / np.outer([1, 1, unit], [1, 1, unit]))
    scaled = x[:, :3] / [1, 1, unit]
    expected = scaled @ inverse @ scaled.T
    assert_allclose(x @ curvature.solve(x.copy()).T, expected, rtol=0, atol=1e-11)


def test_rounding_along_a_column_of_zeros_stays_small():
    rng = np.random.default_rng(0)
    x = np.column_stack([1e6 * rng.normal(size=(30, 3)), np.zeros(30)])
    null = np.eye(4)[:, 3:]
    curvature = CholeskyCurvature((x.T @ x)[None], np.float64, lambda: [null])
    rounding = 1e-16 * np.abs(x).max() * np.eye(4)[3:]
    assert np.abs(curvature.solve(rounding)).max() < 1e-16


def test_damping_leaves_parameters_fixed_that_are_held_fixed():
    X, y = cases.noisy_classes(2)
    model = SGDClassifier(alpha=0.1, random_state=0, max_iter=5000, tol=1e-6).fit(X, y)
    objective = reduce_estimator(model, X, y, np.ones(len(y)))
    solved = build_curvature(objective, "hessian", 0.5).solve(np.ones((1, X.shape[1] + 1)))
    ridge = 1 / (objective.penalty[0, :-1] / objective.total_weight + 0.5)
    assert_allclose(solved[0], np.r_[ridge, 0], rtol=1e-12)


# --- damping acts, or is refused -------------------------------------------------------------


MODELS = {
    "logistic": LogisticRegression(),
    "squared hinge": LinearSVC(random_state=0),
    "hinge": LinearSVC(loss="hinge", random_state=0, max_iter=100_000),
    "kernel": SVC(),
}


@pytest.mark.parametrize("curvature", ["hessian", "fisher", "empirical_fisher", "identity"])
@pytest.mark.parametrize("name", MODELS)
def test_damping_acts_wherever_there_is_a_curvature(name, curvature):
    X, y = cases.noisy_classes(3)
    model = MODELS[name].fit(X, y)

    def influence(damping):
        explainer = RelatIFExplainer.from_fitted(model, X, y, curvature=curvature, damping=damping)
        return explainer.pairwise_influence(X[:5], y[:5], criterion="influence")

    try:
        most = influence(1e6)
    except ValueError as error:
        assert "curvature=" in str(error)
        return
    identity = RelatIFExplainer.from_fitted(model, X, y, curvature="identity")
    expected = identity.pairwise_influence(X[:5], y[:5], criterion="influence")
    assert cases.relative_error(1e6 * most, expected) < 1e-3
    if curvature == "identity":
        assert_allclose(influence(9.0), expected / 10, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["hinge", "kernel"])
def test_the_active_set_refuses_damping(name):
    X, y = cases.noisy_classes(3)
    model = MODELS[name].fit(X, y)
    with pytest.raises(ValueError, match=r"active_set' takes no damping; got damping=0.1"):
        RelatIFExplainer.from_fitted(model, X, y, curvature="active_set", damping=0.1)


# --- embeddings ------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [sparse.csr_matrix, np.asarray])
@pytest.mark.parametrize("curvature", ["hessian", "fisher"])
@pytest.mark.parametrize("solver", ["woodbury", "cg", "block_diagonal", "kfac", "ekfac"])
def test_width_of_embeddings_does_not_depend_on_weights(solver, curvature, container):
    X, y = text(20, 60)
    X[10] = X[4]
    weight = np.ones(20)
    weight[5:12] = 0
    widths = set()
    for own in (np.ones(20), weight):
        model = LogisticRegression().fit(X, y, own)
        model.coef_ += 1e-3 * own.mean()  # away from the span of the rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explainer = RelatIFExplainer.from_fitted(
                model, container(X), y, own, solver=solver, curvature=curvature
            )
        embedded, rows = explainer.transform(container(X[:6])), explainer.transform(container(X), y)
        widths.add(embedded.shape[1])
        assert len(explainer.get_feature_names_out()) == embedded.shape[1]
        if solver == "woodbury":
            influence = explainer.pairwise_influence(container(X[:6]), criterion="influence")
            assert_allclose((embedded @ rows.T)[:, own > 0], influence[:, own > 0], atol=1e-8)
    assert len(widths) == 1


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    ("kind", "shape"),
    [(np.asarray, (150, 20)), (np.asarray, (40, 120)), (sparse.csr_matrix, (40, 120))],
    ids=["tall", "wide", "wide sparse"],
)
def test_queries_far_away_on_single_precision(kind, shape, n_classes):
    """Where the predictor is a small sum of large numbers, it keeps its digits."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=shape) * (rng.random(shape) < 0.4)).astype(np.float32)
    y = rng.integers(n_classes, size=len(X))
    model = fitted(X, y)
    queries = rng.normal(size=(4, len(X))) @ X
    basis, _ = np.linalg.qr(model.coef_.T)
    queries = (1e5 * (queries - queries @ basis @ basis.T)).astype(np.float32)
    labels = rng.integers(n_classes, size=4)
    solver = "cholesky" if len(X) > X.shape[1] else "woodbury"
    explainer = RelatIFExplainer.from_fitted(model, kind(X), y, solver=solver)
    exact = RelatIFExplainer.from_fitted(model, X.astype(np.float64), y, solver="cholesky")
    for criterion in cases.CRITERIA:
        actual = explainer.pairwise_influence(kind(queries), labels, criterion=criterion)
        expected = exact.pairwise_influence(queries, labels, criterion=criterion)
        assert actual.dtype == np.float32
        largest = np.abs(expected).max(axis=1, keepdims=True)
        assert_allclose(actual / largest, expected / largest, atol=1e-5)
