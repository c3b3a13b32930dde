"""Conjugate gradients in the space of the rows, against one dense Cholesky factor."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sklearn_relatif.curvature import DualConjugateGradients, _dual_gradients, build_curvature
from sklearn_relatif.objectives import CurvatureOperator
from sklearn_relatif.utils import _threads
from sklearn_relatif.utils._sparse import condensed
from tests import cases
from tests.test_row_space import fitted, objective_of, wide

CURVATURES = [("hessian", 0.0), ("hessian", 1e-9), ("hessian", 0.01), ("fisher", 0.01)]


@pytest.fixture(params=[0, 3, 32])
def head(request, monkeypatch):
    """Features in the head."""
    monkeypatch.setattr(_dual_gradients, "HEAD", request.param)


def gradients_of(objective, n_gradients=7, seed=0):
    """Of rows, of no row in particular, and one of zeros."""
    rng = np.random.default_rng(seed)
    gradients = objective.rows.block(slice(0, n_gradients))
    gradients[3] = 0
    gradients[4:6] = rng.normal(size=gradients[4:6].shape)
    return gradients


def assert_solved(objective, curvature="hessian", damping=0.0, rtol=1e-9):
    total = CurvatureOperator(objective, curvature, damping)
    solver = DualConjugateGradients(total, 1e-11)
    gradients = gradients_of(objective)
    expected = build_curvature(objective, curvature, damping).solve(gradients.copy())
    unchanged = gradients.copy()
    solved = solver.solve(gradients)
    assert cases.relative_error(solved, expected) < rtol
    assert_array_equal(gradients, unchanged)
    assert solver.solve(gradients[:0]).shape == (0, total.n_params)


@pytest.mark.usefixtures("head")
@pytest.mark.parametrize("curvature, damping", CURVATURES)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("C", [0.01, 1, 100])
def test_solutions(C, fit_intercept, curvature, damping):
    """With copies of rows and columns, weights of zero, and features that occur once or never."""
    X, y, weight, _ = wide(4, is_sparse=True)
    X = X.tolil()
    X[:, 5:8] = X[:, 8:11]
    X[:, 20:23] = 0
    X[[2, 3], [20, 21]] = 1.5
    X = X.tocsr()
    weight[[1, -2]] = 0, 0.7
    model = fitted(X, y, weight, C=C, fit_intercept=fit_intercept)
    assert_solved(objective_of(model, X, y, weight), curvature, damping)


@pytest.mark.usefixtures("head")
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_probabilities_of_next_to_nothing(fit_intercept):
    X, y, _, _ = wide(4, is_sparse=True)
    X = sparse.csr_matrix(sparse.diags(np.r_[0, np.geomspace(1e-4, 30, X.shape[0] - 1)]) @ X)
    model = fitted(X, y, C=1e3, fit_intercept=fit_intercept)
    assert_solved(objective_of(model, X, y), damping=1e-4)
    assert_solved(objective_of(model, X, y), rtol=1e-8)
    model.coef_ *= 50
    objective = objective_of(model, X, y)
    assert objective.loss.probabilities(objective.training_predictor).min() == 0
    assert_solved(objective, damping=1e-3)


@pytest.mark.usefixtures("head")
@pytest.mark.parametrize("size", [1e3, 1e5])
def test_features_that_are_larger_than_all_others(size):
    X, y, _, _ = wide(3, is_sparse=True)
    X = sparse.csr_matrix(X @ sparse.diags(np.r_[[size] * 2, np.ones(X.shape[1] - 2)]))
    assert_solved(objective_of(fitted(X, y, tol=1e-6), X, y), damping=1e-6, rtol=1e-8)


def test_features_that_no_training_row_has():
    X, y, _, _ = wide(3, is_sparse=True)
    X = sparse.hstack([X, sparse.csr_matrix((X.shape[0], 2))], format="csr")
    objective = objective_of(fitted(X, y, fit_intercept=False), X, y)
    total = CurvatureOperator(objective, "hessian", 0.0)
    gradients = np.zeros((1, *objective.shape))
    gradients[0, :, -1] = 1, 2
    solved = DualConjugateGradients(total, 1e-11).solve(gradients.reshape(1, -1))
    assert_allclose(solved, gradients.reshape(1, -1) / total.ridge.ravel(), rtol=1e-14)


def test_threads_make_no_difference(monkeypatch):
    X, y, _, _ = wide(4, is_sparse=True)
    objective = objective_of(fitted(X, y), X, y)
    gradients = gradients_of(objective)
    found = []
    for n_threads in (1, 3):
        monkeypatch.setattr(_threads, "n_blas_threads", lambda n=n_threads: n)
        solver = DualConjugateGradients(CurvatureOperator(objective, "hessian", 0.0), 1e-11)
        found.append(solver.solve(gradients))
    assert_array_equal(*found)
    assert_array_equal(solver.solve(gradients[2:3])[0], found[0][2])


def test_non_convergence_is_reported():
    X, y, _, _ = wide(4, is_sparse=True)
    objective = objective_of(fitted(X, y, C=10), X, y)
    total = CurvatureOperator(objective, "hessian", 0.0)
    gradients = objective.rows.block(slice(0, 5))
    with pytest.warns(ConvergenceWarning, match=r"after 2 iterations.*residual of .*5 right-hand"):
        DualConjugateGradients(total, 1e-11, max_iter=2).solve(gradients)
    with pytest.warns(ConvergenceWarning, match="tolerance of 1e-18"):
        solved = DualConjugateGradients(total, 1e-18).solve(gradients)
    expected = build_curvature(objective, "hessian", 0.0).solve(gradients.copy())
    assert cases.relative_error(solved, expected) < 1e-10


def test_what_a_pickle_takes():
    X, y, _, _ = wide(4, is_sparse=True)
    objective = objective_of(fitted(X, y), X, y)
    solver = DualConjugateGradients(CurvatureOperator(objective, "hessian", 0.0), 1e-11)
    gradients = gradients_of(objective)
    solved, saved = solver.solve(gradients), pickle.dumps(solver)
    assert len(saved) == len(pickle.dumps(DualConjugateGradients(solver.total, 1e-11)))
    assert_array_equal(pickle.loads(saved).solve(gradients), solved)


def test_products_of_rows_condensed():
    rng = np.random.default_rng(0)
    X = sparse.random(30, 60, 0.05, format="csr", random_state=rng)
    X = sparse.hstack([X, X[:, :20], np.zeros((30, 2)), X[:, :5]], format="csr")
    Y, own = condensed(X)
    assert Y.shape[0] < 40 and np.diff(Y.indptr).min() > 1
    assert_allclose((Y.T @ Y).toarray() + np.diag(own), (X @ X.T).toarray(), rtol=1e-13)
