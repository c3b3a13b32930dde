"""Curvatures of networks and their solvers, against whole Jacobians and differences."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.criteria import leverages
from sklearn_relatif.curvature import (
    CURVATURES,
    SOLVERS,
    build_curvature,
    prepare_curvature,
)
from sklearn_relatif.objectives import TangentOperator
from sklearn_relatif.optimality import distance_to_optimum
from sklearn_relatif.testing import check_curvature, check_objective
from tests import cases

EXACT = 1e-10
DAMPING = 0.1
#: How far from the solutions these are, at their own tolerances.
ITERATIVE = {"cg": 1e-6, "lissa": 0.1}
SETTINGS = {
    "classes": {"activation": "tanh", "hidden_layer_sizes": (4, 3)},
    "two classes": {"hidden_layer_sizes": (4,)},
    "numbers": {"activation": "logistic", "hidden_layer_sizes": (4,)},
    "pairs": {"activation": "relu", "hidden_layer_sizes": (3,)},
}


@cache
def objective(name, dtype=np.float64):
    """A network that was trained for a while, and rows with weights, some of them zero."""
    n_classes = 2 if name == "two classes" else 3
    X, y = cases.noisy_classes(n_classes)
    X = X.astype(dtype)
    if name in ("numbers", "pairs"):
        y = np.sin(X @ np.ones((4, 2))) + X[:, :2]
        y = y[:, 0] if name == "numbers" else y
    kind = MLPRegressor if y.dtype.kind == "f" else MLPClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = kind(**SETTINGS[name], max_iter=30, random_state=0, alpha=0.1).fit(X, y)
    return reduce_estimator(model, X, y, cases.weights_with_zeros(len(y)))


def dense_jacobian(own):
    vectors = np.eye(own.weights.size, dtype=own.dtype)
    return np.swapaxes(own.jacobian.apply(vectors), 1, 2).astype(np.float64)


def gauss_newton(own, damping=DAMPING):
    """The matrix by all Jacobians at once."""
    jacobian, every = dense_jacobian(own), slice(0, own.n_rows)
    inner = own.weighted_second_derivative(every)
    inner = inner if inner.ndim == 3 else inner[:, :, None] * np.eye(inner.shape[1])
    matrix = np.einsum("nkp,nkl,nlq->pq", jacobian, inner, jacobian, optimize=True)
    matrix = (matrix + np.diag(own.penalty[0])) / own.total_weight
    return matrix + damping * np.eye(len(matrix))


def gradients_of(own):
    return own.rows.block(slice(0, own.n_rows))


def exact_solutions(own, matrix):
    return np.linalg.solve(matrix, gradients_of(own).T).T


# --- each curvature, each solver ------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_objectives(name):
    own = objective(name)
    check_objective(own, own.jacobian.X[:20])


@pytest.mark.parametrize("solver", [one for one in SOLVERS if one not in ("auto", "woodbury")])
@pytest.mark.parametrize("kind", [one for one in CURVATURES if one != "hessian"])
@pytest.mark.parametrize("name", ["classes", "pairs"])
def test_curvatures(name, kind, solver):
    own = objective(name)
    if solver == "lissa" and kind in ("fisher", "empirical_fisher"):
        pytest.skip("its thousands of products are those of cg")
    if kind == "fisher" and not own.loss.has_fisher:
        with pytest.raises(ValueError, match=r"likelihood|Fisher"):
            prepare_curvature(own, kind, DAMPING, solver)
        return
    prepared = prepare_curvature(own, kind, DAMPING, solver, random_state=0)
    check_curvature(prepared.curvature, own, kind, DAMPING, tolerance=ITERATIVE.get(solver))


@pytest.mark.parametrize("solver", ["cholesky", "block_diagonal", "ekfac"])
def test_networks_in_single_precision_stay_so(solver):
    own = objective("classes", np.float32)
    assert own.gauss_newton().dtype == np.float32
    prepared = prepare_curvature(own, "gauss_newton", DAMPING, solver)
    assert prepared.curvature.solve(gradients_of(own)).dtype == np.float32
    check_curvature(prepared.curvature, own, "gauss_newton", DAMPING)
    double = prepare_curvature(objective("classes"), "gauss_newton", DAMPING, solver)
    found, expected = (leverages(one.objective, one.curvature) for one in (prepared, double))
    assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_sum_over_rows(name):
    own = objective(name)
    assert_allclose(own.gauss_newton()[0], gauss_newton(own, 0.0), atol=1e-14)
    squares = np.einsum("nkp,nk->np", dense_jacobian(own), own.rows.unit * own.rows.norm[:, None])
    squares = (squares.T * own.sample_weight) @ squares / own.total_weight
    assert_allclose(own.empirical_fisher()[0], squares, atol=1e-14)


def test_a_log_loss_has_its_fisher_information_for_a_curvature():
    own = objective("classes")
    penalty = np.diag(own.penalty[0]) / own.total_weight
    assert_allclose(own.fisher()[0] + penalty, own.gauss_newton()[0], atol=1e-14)


def test_a_loss_that_bends_downwards():
    """Rows with a negative second derivative are taken off the sum."""
    own = objective("numbers")

    class Saddle(type(own.loss)):
        is_convex = False

        def second_derivative(self, y, eta):
            return np.sin(5 * y)[:, None] + 0 * eta

    own = replace(own, loss=Saddle())
    assert_allclose(own.gauss_newton()[0], gauss_newton(own, 0.0), atol=1e-14)


# --- by products ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gauss_newton", "hessian"])
@pytest.mark.parametrize("name", SETTINGS)
def test_products_are_those_of_the_matrix(name, kind):
    own = objective(name)
    total = TangentOperator(own, kind, DAMPING)
    vectors = np.random.default_rng(0).normal(size=(3, own.weights.size))
    matrix = (own.hessian() if kind == "hessian" else own.gauss_newton())[0]
    expected = vectors @ matrix + DAMPING * vectors
    assert_allclose(total.multiply(vectors), expected, atol=1e-13)
    assert_allclose(total.held(np.float64).multiply(vectors), expected, atol=1e-13)


@pytest.mark.parametrize("name", ["classes", "two classes", "numbers"])
def test_the_hessian_is_the_difference_of_gradients(name):
    own, step = objective(name), 1e-6
    if name == "two classes":  # With a relu that has a corner somewhere else.
        step = 1e-7

    def gradient_at(weights):
        return replace(own, weights=weights, jacobian=own.jacobian.moved(weights)).gradient()[0]

    hessian, rng = own.hessian()[0], np.random.default_rng(0)
    for _ in range(3):
        along = rng.normal(size=own.weights.shape)
        differences = gradient_at(own.weights + step * along) - gradient_at(
            own.weights - step * along
        )
        assert_allclose(hessian @ along[0], differences / (2 * step), atol=1e-7)


@pytest.mark.parametrize("name", SETTINGS)
def test_conjugate_gradients_solve_as_the_factor_does(name):
    own = objective(name)
    expected = exact_solutions(own, gauss_newton(own))
    for solver, tolerance in {"cholesky": EXACT, **ITERATIVE}.items():
        prepared = prepare_curvature(own, "gauss_newton", DAMPING, solver, random_state=0)
        found = prepared.curvature.solve(gradients_of(own))
        assert cases.relative_error(found, expected) < tolerance


def test_conjugate_gradients_take_what_denominators_they_can(monkeypatch):
    own = objective("classes")
    for share, name in ((1.0, "block-diagonal"), (1e-9, "Kronecker")):
        monkeypatch.setattr("sklearn_relatif.curvature._memory.MEMORY_SHARE", share / 10)
        prepared = prepare_curvature(own, "gauss_newton", DAMPING)
        assert prepared.solver.name == ("cholesky" if share == 1 else "cg")
        prepared = prepare_curvature(own, "gauss_newton", DAMPING, "cg")
        assert name in prepared.solver.reason


# --- by layers -------------------------------------------------------------------------------


def test_blocks_are_those_of_the_whole():
    own = objective("classes")
    places, matrix = own.jacobian.parameter_blocks, gauss_newton(own)
    blocks = block_diag(*(matrix[place, place] for place in places))
    curvature = prepare_curvature(own, "gauss_newton", DAMPING, "block_diagonal").curvature
    found = curvature.solve(gradients_of(own))
    assert cases.relative_error(found, exact_solutions(own, blocks)) < EXACT
    hessian = TangentOperator(own, "hessian", 0.5).blocks()
    for block, place in zip(hessian, places, strict=True):
        expected = own.hessian()[0][place, place] + 0.5 * np.eye(len(block))
        assert_allclose(block, expected, atol=1e-14)


@pytest.mark.parametrize("solver", ["kfac", "ekfac"])
def test_one_layer_of_one_output_is_a_kronecker_product(solver):
    X, y = cases.noisy_classes(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPClassifier((3,), max_iter=5, random_state=0, alpha=0.5).fit(X, y)
    model.coefs_, model.intercepts_ = [np.ones((4, 1))], [np.full(1, 0.3)]
    own = reduce_estimator(model, X, y, cases.weights_with_zeros(len(y)))
    found = prepare_curvature(own, "gauss_newton", DAMPING, solver).curvature
    expected = exact_solutions(own, gauss_newton(own))
    assert cases.relative_error(found.solve(gradients_of(own)), expected) < EXACT


def test_kronecker_factors_by_their_definition():
    own = objective("classes")
    jacobian = dense_jacobian(own)
    inner = own.weighted_second_derivative(slice(0, own.n_rows))
    blocks = []
    layers = zip(
        own.jacobian.parameter_blocks,
        own.jacobian.layer_shapes,
        own.jacobian.factors(slice(0, own.n_rows)),
        strict=True,
    )
    for place, shape, (_, inputs) in layers:
        # What an intercept multiplies is 1, so that its column of the Jacobian is B.
        pulls = jacobian[:, :, place].reshape(own.n_rows, -1, *shape)[..., -1]
        products = np.einsum("nku,nkl,nlv->nuv", pulls, inner, pulls)
        shares = np.einsum("nuu->n", products)
        moment = (inputs.T * shares / shares.sum()) @ inputs
        ridge = own.penalty[0, place] / own.total_weight + DAMPING
        blocks.append(np.kron(products.sum(axis=0) / own.total_weight, moment) + np.diag(ridge))
    found = prepare_curvature(own, "gauss_newton", DAMPING, "kfac").curvature
    expected = exact_solutions(own, block_diag(*blocks))
    assert cases.relative_error(found.solve(gradients_of(own)), expected) < EXACT


def test_the_corrected_eigenvalues_are_the_diagonal_of_the_blocks():
    own = objective("classes")
    corrected = prepare_curvature(own, "gauss_newton", DAMPING, "ekfac").curvature
    matrix = gauss_newton(own)
    for member, place in zip(corrected.members, own.jacobian.parameter_blocks, strict=True):
        basis = np.kron(member.outputs, member.columns)
        diagonal = np.diag(basis.T @ matrix[place, place] @ basis)
        assert_allclose(member.values.ravel(), diagonal, atol=1e-12)


# --- directions without curvature ------------------------------------------------------------


def with_dead_unit(own):
    """The same network with a relu that no row gets beyond."""
    weights = own.weights.copy()
    weights[0, :5] = [0, 0, 0, 0, -1]
    return replace(own, weights=weights, jacobian=own.jacobian.moved(weights))


@pytest.mark.parametrize("name", ["classes", "two classes", "pairs"])
def test_where_no_gradient_points_no_damping_is_needed(name):
    """The intercepts of a softmax and of dead units bear no penalty: as by the pseudo-inverse."""
    own = objective(name)
    own = own if name == "classes" else with_dead_unit(own)
    matrix, gradients = gauss_newton(own, 0.0), gradients_of(own)
    assert np.linalg.matrix_rank(matrix, hermitian=True) < len(matrix)
    expected = gradients @ np.linalg.pinv(matrix, rcond=1e-12, hermitian=True)
    for solver, tolerance in {"cholesky": 1e-8, "cg": 1e-6}.items():
        curvature = prepare_curvature(own, "gauss_newton", 0.0, solver).curvature
        assert cases.relative_error(curvature.solve(gradients.copy()), expected) < tolerance
    prepare_curvature(own, "gauss_newton", 0.0, "block_diagonal")


def test_the_gauge_of_a_hessian():
    """At a minimum it is positive definite but for the gauge, and needs no damping."""
    X, y = cases.noisy_classes(3)
    options = {"solver": "lbfgs", "alpha": 3.0, "tol": 1e-10, "max_iter": 5000, "max_fun": 10**5}
    model = MLPClassifier((3,), activation="tanh", random_state=0, **options).fit(X, y)
    own = reduce_estimator(model, X, y, np.ones(len(y)))
    assert_allclose(np.linalg.eigvalsh(own.hessian()[0])[0], 0, atol=1e-12)
    found = build_curvature(own, "hessian", 0.0).solve(gradients_of(own))
    inverse = np.linalg.pinv(own.hessian()[0], rcond=1e-10, hermitian=True)
    assert cases.relative_error(found, gradients_of(own) @ inverse) < 1e-7


def test_more_directions_than_can_be_known(monkeypatch):
    monkeypatch.setattr("sklearn_relatif.curvature._null_space.FEW", 3)
    with pytest.raises(ValueError, match=r"not positive definite.*Set a positive damping"):
        build_curvature(objective("classes"), "gauss_newton", 0.0)


# --- where the Hessian is not positive definite ------------------------------------------------


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_the_damping_that_an_error_names_is_enough(name):
    own = objective(name)
    smallest = np.linalg.eigvalsh(own.hessian()[0])[0]
    assert smallest < 0
    for solver in ("cholesky", "cg"):
        with pytest.raises(ValueError, match="curvature='gauss_newton'") as raised:
            prepare_curvature(own, "hessian", 1e-4, solver).curvature.solve(gradients_of(own))
        text = str(raised.value)
        assert f"smallest eigenvalue without damping is {smallest:.2g}" in text
        damping = float(text.partition("damping=")[2].partition(" ")[0])
        assert -smallest < damping < -1.2 * smallest
        prepared = prepare_curvature(own, "hessian", damping, solver)
        matrix = own.hessian()[0] + damping * np.eye(own.weights.size)
        expected = exact_solutions(own, matrix)
        found = prepared.curvature.solve(gradients_of(own))
        assert cases.relative_error(found, expected) < 1e-6


def test_the_hessian_as_a_curvature():
    own = objective("classes")
    damping = 0.5 - np.linalg.eigvalsh(own.hessian()[0])[0]
    for solver in ("cholesky", "cg", "block_diagonal"):
        prepared = prepare_curvature(own, "hessian", damping, solver)
        check_curvature(prepared.curvature, own, "hessian", damping, tolerance=1e-5)
    for solver in ("kfac", "ekfac"):
        with pytest.raises(ValueError, match=r"curvature='gauss_newton'.*solver='cholesky'"):
            prepare_curvature(own, "hessian", damping, solver)


def test_a_lanczos_search_names_the_same_damping(monkeypatch):
    monkeypatch.setattr("sklearn_relatif.curvature._indefinite.SMALL", 3)
    own = objective("classes")
    smallest = np.linalg.eigvalsh(own.hessian()[0])[0]
    with pytest.raises(ValueError, match=f"smallest eigenvalue without damping is {smallest:.1g}"):
        build_curvature(own, "hessian", 0.0)


# --- how far from where the gradient vanishes --------------------------------------------------


@pytest.mark.parametrize("name", ["classes", "numbers"])
def test_the_distance_of_many_parameters(name, monkeypatch):
    """By one product with a factor, as by the whole matrix with the damping of the explainer."""
    own = objective(name)
    matrix, gradient = gauss_newton(own, 1e-3), own.gradient()[0]
    n_rows = own.total_weight**2 / np.square(own.sample_weight).sum()
    square = n_rows * gradient @ np.linalg.solve(matrix, gradient) / own.dispersion().mean()
    ridge = own.penalty[0] / own.total_weight + 1e-3
    n_params = np.trace(np.linalg.solve(matrix, matrix - np.diag(ridge)))
    expected = np.sqrt(square / n_params)
    monkeypatch.setattr("sklearn_relatif.optimality._tangents.FEW_PARAMETERS", 0)
    for kind, solver, within in (
        ("gauss_newton", "cholesky", 0.3),
        ("gauss_newton", "cg", 0.5),
        ("gauss_newton", "ekfac", 0.5),
        ("identity", "auto", 0.5),
        ("empirical_fisher", "cholesky", 0.5),
    ):
        prepared = prepare_curvature(own, kind, 1e-3, solver)
        found = distance_to_optimum(own, prepared, kind, 1e-3)
        # Eight random gradients tell the number of parameters.
        assert_allclose(found, expected, rtol=within)


def test_a_network_on_rows_that_it_was_hardly_trained_on():
    X, y = cases.noisy_classes(3, n_rows=200)
    model = MLPClassifier((8,), solver="lbfgs", max_iter=2000, random_state=0).fit(X, y)
    options = {"curvature": "gauss_newton", "damping": 1e-3}
    own = RelatIFExplainer.from_fitted(model, X, y, **options)
    assert own.distance_to_optimum_ < 1
    with pytest.warns(ConvergenceWarning, match=r"may not be the rows that it was trained on"):
        other = RelatIFExplainer.from_fitted(model, X, np.roll(y, 1), **options)
    assert other.distance_to_optimum_ > 5
