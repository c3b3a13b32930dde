"""The distance to the optimum: against brute force, its invariances, and what it must tell."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.curvature import prepare_curvature
from sklearn_relatif.optimality import LIMIT, _tangents, distance_to_optimum, inverse_forms
from sklearn_relatif.optimality import _distance as _optimality
from tests import cases, reference


def explain(model, X, y, weight=None, **params):
    """An explainer, whether or not it warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return RelatIFExplainer.from_fitted(model, X, y, weight, **params)


def distance(model, X, y, weight=None, **params):
    return explain(model, X, y, weight, **params).distance_to_optimum_


def expected_distance(model, X, y, weight=None, penalty=None, **options):
    X = X.toarray() if sparse.issparse(X) else X
    weight = np.ones(len(y)) if weight is None else weight
    if penalty is None:
        penalty = np.append(np.full(X.shape[1], 1 / model.C), [0.0] * model.fit_intercept)
    D = reference.design(X, model.fit_intercept)
    link = cases.link_of(model)
    W = cases.parameters(model)
    return reference.distance_to_optimum(W, D, y, weight, penalty, link, **options)[0]


def stopped_early(n_classes, **params):
    """A model that is a little way off its optimum, with its rows and weights."""
    X, y = cases.noisy_classes(n_classes, n_rows=200)
    weight = cases.weights_with_zeros(len(y))
    model = LogisticRegression(max_iter=3, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X * [1, 30, 0.1, 5], y, weight)
    return model, X * [1, 30, 0.1, 5], y, weight


# --- against brute force ------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"damping": 1e-2},
        {"curvature": "fisher"},
        {"curvature": "empirical_fisher", "damping": 1e-3},
        {"curvature": "identity"},
        {"solver": "cg"},
        {"solver": "lissa", "damping": 1e-1},
        {"solver": "kfac"},
        {"solver": "block_diagonal"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:LiSSA")
def test_is_that_of_brute_force(n_classes, fit_intercept, params):
    """Whatever explains, the measure is that of the Hessian without damping."""
    model, X, y, weight = stopped_early(n_classes, fit_intercept=fit_intercept, C=0.3)
    expected = expected_distance(model, X, y, weight)
    assert expected > LIMIT
    for rows in (X, sparse.csr_matrix(X)):
        assert_allclose(distance(model, rows, y, weight, **params), expected, rtol=1e-8)
    single = distance(model, X.astype(np.float32), y, weight, **params)
    assert_allclose(single, expected, rtol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "params", [{}, {"damping": 0.1}, {"solver": "cg"}, {"curvature": "identity"}], ids=str
)
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_by_products_alone(n_classes, params, container, monkeypatch):
    """Where no factor is affordable, random gradients estimate the number of parameters."""
    monkeypatch.setattr(_optimality, "FEW_PARAMETERS", 0)
    monkeypatch.setattr(_optimality, "_is_accurate", lambda *_: False)
    monkeypatch.setattr(_optimality, "N_PROBES", 500)
    model, X, y, weight = stopped_early(n_classes, C=0.3)
    expected = expected_distance(model, X, y, weight)
    assert_allclose(distance(model, container(X), y, weight, **params), expected, rtol=0.05)


@pytest.mark.parametrize("solver", ["woodbury", "cg", "cholesky"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_wide_data(solver, n_classes, container):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 200)), rng.integers(n_classes, size=60)
    with pytest.warns(ConvergenceWarning):
        model = LogisticRegression(C=0.02, max_iter=1).fit(X, y)
    expected = expected_distance(model, X, y)
    # With few parameters the Hessian is exact, otherwise p is estimated.
    assert_allclose(distance(model, container(X), y, solver=solver), expected, rtol=0.12)


def test_wide_text_of_several_classes(monkeypatch):
    """The factors of this solver are gone when the measure is taken: it is made of products."""
    monkeypatch.setattr("sklearn_relatif.curvature._choice.MODERATE", 0)
    monkeypatch.setattr(_optimality, "FEW_PARAMETERS", 0)
    X, y = cases.text(n_documents=90)
    with pytest.warns(ConvergenceWarning):
        model = LogisticRegression(C=2.0, max_iter=2).fit(X, y)
    assert X.shape[0] < X.shape[1]
    actual = distance(model, X, y, solver="woodbury")
    assert_allclose(actual, expected_distance(model, X, y), rtol=0.15)


def test_inverse_forms():
    rng = np.random.default_rng(0)
    root, vectors = rng.normal(size=(40, 30)), rng.normal(size=(5, 30))
    matrix = root.T @ root
    forms = inverse_forms(lambda v: v @ matrix, lambda v: v / np.diag(matrix), vectors)
    exact = np.einsum("ij,ij->i", vectors, np.linalg.solve(matrix, vectors.T).T)
    assert (forms <= exact * (1 + 1e-9)).all()
    assert_allclose(forms, exact, rtol=0.03)
    # A direction without curvature has an infinite form, unless nothing points that way.
    flat = np.diag([1.0, 0.0])
    vectors = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    assert_allclose(inverse_forms(lambda v: v @ flat, lambda v: v, vectors)[[0, 2]], [4, 0])
    assert np.isinf(inverse_forms(lambda v: v @ flat, lambda v: v, vectors[1:2]))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_l1_penalty_on_the_active_set(n_classes, ratio):
    X, y = cases.noisy_classes(n_classes, n_features=8)
    C = 0.05
    model = LogisticRegression(C=C, l1_ratio=ratio, solver="saga", tol=1e-10, max_iter=10_000)
    if cases.HAS_MULTI_CLASS:
        model.set_params(penalty="elasticnet")
    model.fit(X, y)
    assert (model.coef_ == 0).any()
    assert distance(model, X, y) < 1e-6
    model.coef_ *= 0.8
    active = np.column_stack([model.coef_ != 0, np.ones(len(model.coef_), bool)])
    slope = np.column_stack([ratio / C * np.sign(model.coef_), np.zeros(len(model.coef_))])
    penalty = np.append(np.full(8, (1 - ratio) / C), 0.0)
    W, D, link = cases.parameters(model), reference.design(X), cases.link_of(model)
    pull = (reference.gradients(W, D, y, link).sum(axis=0)).reshape(W.shape)
    violated = ~active & (np.abs(pull) > ratio / C)
    slope = slope - np.where(violated, np.sign(pull) * ratio / C, 0.0)
    expected = reference.distance_to_optimum(
        W, D, y, np.ones(len(y)), penalty, link, active | violated, slope
    )[0]
    assert_allclose(distance(model, X, y), expected, rtol=1e-8)


def test_parameters_that_an_l1_penalty_wrongly_holds_at_zero_count():
    """Without any active coefficient the gradient of the intercept alone would say nothing."""
    X, y = cases.noisy_classes(2)
    how = {"penalty": "l1"} if cases.HAS_MULTI_CLASS else {"l1_ratio": 1.0}
    model = LogisticRegression(C=0.01, solver="liblinear", intercept_scaling=1e4, **how)
    model.fit(X / 10, y)
    assert not model.coef_.any()
    assert distance(model, X / 10, y) < 0.01
    assert distance(model, X * 10, y) > LIMIT


# --- invariances --------------------------------------------------------------------------------


def unpenalised(X, y, weight=None, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return LogisticRegression(C=np.inf, max_iter=4, **params).fit(X, y, weight)


def in_other_units(model, scale, offset):
    """The same predictions from columns ``x * scale + offset``."""
    changed = clone(model)
    changed.__dict__.update(model.__dict__)
    changed.coef_ = model.coef_ / scale
    changed.intercept_ = model.intercept_ - changed.coef_ @ offset
    return changed


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("params", [{}, {"damping": 1e-3}, {"curvature": "identity"}], ids=str)
@cases.ignore_warning_about_no_penalty
@pytest.mark.filterwarnings("ignore:The curvature is ill-conditioned")
def test_neither_units_nor_offsets_matter(n_classes, params):
    """Seconds since 1970 are as good as standardised ones."""
    X, y = cases.noisy_classes(n_classes)
    model = unpenalised(X, y)
    expected = distance(model, X, y, **params)
    assert expected > 1e-3
    for scale, offset in (
        ([1, 1e-6, 1e7, 1], 0.0),
        (3e6, 1.6e9),
        ([1, 1e4, 1, 1e-3], [0, 1e9, 5, 1]),
    ):
        scale, offset = np.broadcast_to(scale, 4), np.broadcast_to(offset, 4)
        other = in_other_units(model, scale, offset)
        assert_allclose(distance(other, X * scale + offset, y, **params), expected, rtol=1e-4)


@pytest.mark.parametrize("offset", [1e6, 1e8])
@cases.ignore_warning_about_no_penalty
def test_products_alone_do_not_see_offsets(offset, monkeypatch):
    monkeypatch.setattr(_optimality, "FEW_PARAMETERS", 0)
    X, y = cases.noisy_classes(3)
    model = unpenalised(X, y)
    expected = distance(model, X, y, curvature="identity")
    other = in_other_units(model, np.ones(4), np.full(4, offset))
    assert_allclose(distance(other, X + offset, y, curvature="identity"), expected, rtol=0.02)


@pytest.mark.parametrize("machine", ["logistic", "hinge", "svc"])
def test_the_unit_of_the_weights_does_not_matter(machine):
    X, y = cases.noisy_classes(2)
    weight = cases.weights_with_zeros(len(y))
    make = {
        "logistic": lambda C: LogisticRegression(C=C, max_iter=3),
        "hinge": lambda C: LinearSVC(C=C, loss="hinge", max_iter=3, random_state=0),
        "svc": lambda C: SVC(C=C, max_iter=30),
    }[machine]
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = make(1.0).fit(X, y, weight)
    for unit in (1.0, 1e3):
        model.C = 1 / unit
        found.append(distance(model, X, y, unit * weight))
    assert_allclose(*found, rtol=1e-6)


def test_rows_that_come_several_times_are_one_row_of_that_weight():
    """But for how many there are: the standard errors shrink."""
    X, y = cases.noisy_classes(2)
    model = LogisticRegression(C=1.0, max_iter=3)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    once = distance(model, X, y, np.full(len(y), 4.0))
    four_times = distance(model, np.tile(X, (4, 1)), np.tile(y, 4))
    assert_allclose(four_times, 2 * once, rtol=1e-9)


def test_constant_and_repeated_columns_do_not_matter():
    X, y = cases.noisy_classes(3)
    model = unpenalised(X, y, solver="lbfgs")
    expected = distance(model, X, y)
    model.coef_ = np.hstack([model.coef_, np.zeros((3, 2))])
    model.n_features_in_ = 6
    wide = np.column_stack([X, X[:, 0], np.full(len(X), 7.0)])
    for params in ({}, {"curvature": "identity"}):
        assert_allclose(distance(model, wide, y, **params), expected, rtol=1e-5)


# --- what it must tell --------------------------------------------------------------------------


SOUND_MODELS = [
    LogisticRegression(),
    LogisticRegression(C=1000, max_iter=1000),
    LogisticRegression(class_weight="balanced"),
    OneVsRestClassifier(LogisticRegression(class_weight="balanced")),
    LinearSVC(random_state=0),
    LinearSVC(loss="hinge", max_iter=20_000, random_state=0),
    SVC(),
    SVC(kernel="linear", C=10),
    NuSVC(nu=0.2),
    SGDClassifier(loss="log_loss", alpha=1e-2, tol=None, max_iter=300, random_state=0),
]


@pytest.mark.parametrize("load", [cases.wine, cases.breast_cancer])
@pytest.mark.parametrize("model", SOUND_MODELS, ids=str)
def test_tells_sound_fits_from_those_of_other_rows(model, load):
    """At scikit-learn's own tolerances, and half of the table against the other half."""
    X, y = load()
    model = clone(model).fit(X, y)
    assert distance(model, X, y) < LIMIT / 2
    order = np.random.default_rng(0).permutation(len(y))
    half, other = np.split(order[: len(y) // 2 * 2], 2)
    model.fit(X[half], y[half])
    assert distance(model, X[half], y[half]) < LIMIT
    for rows in (other, order):
        try:
            assert distance(model, X[rows], y[rows]) > LIMIT
        except ValueError as error:  # Nor are its support vectors among so few rows.
            assert "support vector" in str(error)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_raw_columns_that_stop_a_solver_early(load):
    X, y = load(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="of very different scale"):
        RelatIFExplainer(LogisticRegression(max_iter=300)).fit(X, y)


def test_a_column_of_seconds_since_1970():
    """The solver reports convergence, and the gradient is at the level of rounding."""
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.normal(50, 20, 400), 1.7e9 + rng.integers(0, 10**7, 400)])
    y = (rng.logistic(size=400) < 0.05 * (X[:, 0] - 50)).astype(int)
    model = LogisticRegression(max_iter=20_000, tol=1e-8)
    with pytest.warns(ConvergenceWarning, match=r"standard errors.*different scale.*StandardScal"):
        explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.distance_to_optimum_ > 1
    assert distance(make_pipeline(StandardScaler(), model).fit(X, y), X, y) < 1e-3


def test_another_half_of_a_large_table():
    X, y = make_classification(20_000, 8, n_informative=5, flip_y=0.1, random_state=0)
    model = LogisticRegression().fit(X[::2], y[::2])
    assert distance(model, X[::2], y[::2]) < 0.05
    with pytest.warns(ConvergenceWarning, match="solver reported convergence.*sample_weight"):
        RelatIFExplainer.from_fitted(model, X[1::2], y[1::2])


@cases.ignore_warning_about_no_penalty
@pytest.mark.filterwarnings("ignore:The curvature is ill-conditioned")
@pytest.mark.parametrize("model", [LogisticRegression(), OneVsRestClassifier(LogisticRegression())])
@pytest.mark.parametrize("tol", [1e-4, 1e-8])
def test_classes_told_apart_without_penalty(model, tol):
    """One class lies apart; the gradient shrinks below any limit on the way to infinity."""
    X, y = cases.noisy_classes(2)
    X, y = np.concatenate([X, X[:40] + 20]), np.concatenate([y, np.full(40, 2)])
    name = "estimator__" if isinstance(model, OneVsRestClassifier) else ""
    params = {"C": np.inf, "tol": tol, "max_iter": 10_000}
    model = clone(model).set_params(**{name + key: value for key, value in params.items()})
    with pytest.warns(ConvergenceWarning, match="There is no optimum within reach: a direction"):
        explainer = RelatIFExplainer(model).fit(X, y)
    assert explainer.distance_to_optimum_ == np.inf
    model.set_params(**{name + "C": 1e4})
    assert RelatIFExplainer(model).fit(X, y).distance_to_optimum_ < LIMIT


@pytest.mark.parametrize("machine", [SVC(), SVC(kernel="linear"), NuSVC(nu=0.4)], ids=str)
def test_support_vectors_that_are_not_among_the_rows(machine):
    X, y = cases.noisy_classes(3)
    machine = clone(machine).fit(X, y)
    # The machine of a multiple of the rows has the same coefficients: gamma="scale".
    for rows, labels in ((X[::-1], y[::-1]), (1.1 * X, y)):
        with pytest.warns(ConvergenceWarning, match="rows that the model keeps are not among"):
            RelatIFExplainer.from_fitted(machine, rows, labels)


def test_support_vectors_are_found_beside_rows_without_weight():
    X, y = cases.noisy_classes(2)
    weight = cases.weights_with_zeros(len(y))
    machine = SVC().fit(X, y, weight)
    assert RelatIFExplainer.from_fitted(machine, X, y, weight).distance_to_optimum_ < LIMIT


@pytest.mark.parametrize("machine", [SVC(), SVC(kernel="linear"), NuSVC(nu=0.4)], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_twice_the_duality_gap_is_the_squared_distance(machine, n_classes):
    """The primal and the dual of each pair of classes, written out."""
    X, y = cases.noisy_classes(n_classes)
    machine = clone(machine).set_params(tol=1e-1).fit(X, y)
    objective = explain(machine, X, y)._study.objective
    K = objective.kernel.gram(np.arange(len(y)), np.arange(len(y)))
    gaps = []
    for k in range(objective.loss.n_outputs):
        signs = objective.loss.codebook[y, k]
        beta = np.zeros(len(y))
        beta[objective.support] = objective.dual_coef[:, k]
        f, part = K @ beta + objective.intercept[k], signs != 0
        C = objective.C or np.abs(beta).sum() / (machine.nu * part.sum())
        assert np.abs(beta).max() <= C * (1 + 1e-6)
        primal = beta @ K @ beta / 2 + C * np.maximum(1 - signs * f, 0)[part].sum()
        gaps.append((primal - np.abs(beta).sum() + beta @ K @ beta / 2) / C)
    square, _ = objective.squared_distance()
    assert_allclose(square, 2 * np.sum(gaps), rtol=1e-2)
    # The best multiple of the coefficients is at least as good as they are.
    assert square <= 2 * np.sum(gaps) * (1 + 1e-9)


def test_the_gap_of_a_linear_hinge_bounds_what_a_better_fit_gains():
    X, y = cases.noisy_classes(2)

    def objective(model):
        W = cases.parameters(model)
        margin = np.where(y == 1, 1, -1) * (reference.design(X) @ W[0])
        return np.maximum(1 - margin, 0).sum() + np.sum(W**2) / 2

    best = LinearSVC(loss="hinge", tol=1e-10, max_iter=10**6, random_state=0).fit(X, y)
    for max_iter in (2, 20, 200):
        model = LinearSVC(loss="hinge", max_iter=max_iter, random_state=0)
        with pytest.warns(ConvergenceWarning):
            model.fit(X, y)
        square, _ = explain(model, X, y)._study.objective.squared_distance()
        gain = 2 * (objective(model) - objective(best))
        assert square >= gain * (1 - 1e-9)
        assert square <= 3 * gain + 0.05


@pytest.mark.parametrize(
    "weights, intercept", [([[50.0, 0, 0, 0]], [0.0]), ([[0.0, 0, 0, 0]], [-9.0])]
)
def test_a_slope_without_curvature_is_infinitely_far(weights, intercept):
    """Where a robust loss is flat: no finite step of Newton's leads to the optimum."""
    X, y = cases.noisy_classes(2)
    model = SGDClassifier(loss="modified_huber", penalty=None, random_state=0).fit(X, y)
    model.coef_, model.intercept_ = np.array(weights), np.array(intercept)
    assert distance(model, X, y, curvature="identity") > 1
    # One class far from the other, and no penalty: nothing pulls, and nothing resists.
    separate = np.sign(X[:, :1]) + X[:, :1]
    model = SGDClassifier(loss="modified_huber", penalty=None, random_state=0)
    model.fit(separate, X[:, 0] > 0)
    model.coef_, model.intercept_ = np.array([[9.0]]), np.zeros(1)
    assert distance(model, separate, X[:, 0] > 0, curvature="identity") == 0


def test_robust_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X @ [1, 2, 3] + rng.standard_t(2, 300)
    near = SGDRegressor("huber", alpha=1e-3, epsilon=1.0, tol=None, max_iter=1000, random_state=0)
    assert distance(near.fit(X, y), X, y) < LIMIT
    far = SGDRegressor("huber", alpha=1e-3, epsilon=1.0, tol=None, max_iter=1, random_state=0)
    assert distance(far.fit(X, y), X, y) > LIMIT
    assert distance(near, X, y[::-1]) > LIMIT


# --- what cannot be computed, and the cause -----------------------------------------------------


def test_overflow_is_said():
    rng = np.random.default_rng(0)
    X = (1e15 * rng.normal(size=(50, 3))).astype(np.float32)
    y = X[:, 0].astype(float)
    model = SGDRegressor(tol=None, max_iter=5, random_state=0).fit(X * np.float32(1e-15), y)
    with np.errstate(all="ignore"), pytest.warns(ConvergenceWarning, match="numbers overflow"):
        explainer = RelatIFExplainer.from_fitted(model, X, y, criterion="influence")
    assert np.isnan(explainer.distance_to_optimum_)


def test_a_network_of_numbers_that_are_not_defined_is_told():
    X, y = cases.noisy_classes(2)
    model = MLPClassifier((3,), solver="lbfgs", max_iter=10_000, random_state=0).fit(X, y)
    model.coefs_[0][0] = np.nan
    with pytest.warns(ConvergenceWarning, match="numbers overflow or are not defined"):
        explainer = RelatIFExplainer.from_fitted(model, X, y, curvature="gauss_newton", damping=0.1)
    assert np.isnan(explainer.distance_to_optimum_)


@pytest.mark.parametrize(
    "model, cause",
    [
        (LogisticRegression(max_iter=2), "max_iter=2"),
        (SVC(max_iter=3), "max_iter=3"),
        (SGDClassifier(loss="log_loss", random_state=0), r"by tol=0\.001.*tol=None"),
        (SGDClassifier(loss="log_loss", tol=None, max_iter=2, random_state=0), "made 2 epochs"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*failed to converge|Solver terminated early")
def test_names_what_stopped_the_solver(model, cause):
    X, y = cases.breast_cancer()
    with pytest.warns(ConvergenceWarning, match=f"not at the optimum.*{cause}"):
        RelatIFExplainer(model).fit(X, y)


def test_names_the_steps_in_front():
    X, y = cases.noisy_classes(2)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    model[0].fit(X * 3)
    with pytest.warns(ConvergenceWarning, match="steps in front of it may give other rows"):
        RelatIFExplainer.from_fitted(model, X, y)


@pytest.mark.parametrize("few_parameters", [1000, 0])
@pytest.mark.parametrize("curvature", ["hessian", "fisher"])
def test_outputs_that_are_coupled_by_no_softmax(curvature, few_parameters, monkeypatch):
    """By the factor at hand, in standardised features, and by products alone."""
    monkeypatch.setattr(_optimality, "FEW_PARAMETERS", few_parameters)
    monkeypatch.setattr(_optimality, "N_PROBES", 2000)
    objective = cases.coupled()
    H, g = objective.hessian()[0], objective.gradient().ravel()
    ridge = objective.penalty.ravel() / objective.total_weight
    n_params = len(g) - ridge @ np.diag(np.linalg.inv(H))
    square = objective.effective_rows()[0] * g @ np.linalg.solve(H, g)
    prepared = prepare_curvature(objective, curvature, 0.0)
    actual = distance_to_optimum(objective, prepared, curvature, 0.0)
    is_sampled = curvature == "fisher" and not few_parameters
    assert_allclose(actual, np.sqrt(square / n_params), rtol=0.02 if is_sampled else 1e-9)


@pytest.mark.parametrize("curvature", ["gauss_newton", "fisher"])
def test_network_of_many_parameters_is_measured_by_the_damped_factor_that_explains_it(
    curvature, monkeypatch
):
    X, y = cases.noisy_classes(3)
    model = MLPClassifier((200,), max_iter=20, alpha=0.1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    damping = 0.05
    explainer = explain(model, X, y, curvature=curvature, damping=damping)
    objective = explainer._study.objective
    assert objective.weights.size > 1000
    M = getattr(objective, curvature)()[0]
    np.einsum("ii->i", M)[...] += damping
    ridge = np.full(len(M), damping)
    if curvature == "gauss_newton":
        ridge += objective.penalty[0] / objective.total_weight
    g = objective.gradient()[0]
    square = len(y) * g @ np.linalg.solve(M, g)
    n_params = len(M) - ridge @ np.diag(np.linalg.inv(M))
    # Eight random gradients tell n_params with a relative standard error of 1 / (2 sqrt(n_params)),
    # which is twice that of its root. Four of these.
    rtol = 1 / np.sqrt(n_params)
    assert_allclose(explainer.distance_to_optimum_, np.sqrt(square / n_params), rtol=rtol)
    monkeypatch.setattr(_tangents, "N_PROBES", 3000)
    more = explain(model, X, y, curvature=curvature, damping=damping)
    assert_allclose(more.distance_to_optimum_, np.sqrt(square / n_params), rtol=rtol / 10)
