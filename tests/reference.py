"""Influence and relative influence of logistic models by brute force, for tests to compare with.

Deliberately naive: every gradient and every Hessian is written out in the full parametrisation, one
row of coefficients for each column of the linear predictor, and the inverse is a pseudo-inverse. It
shares no code and no trick with the package.

Conventions, for ``n`` rows, ``p`` columns (the column of ones included) and ``K`` predictors:

* ``W`` is (K, p), and the gradients are flattened predictor by predictor: parameter ``k * p + j``.
* ``y`` holds class indices. ``link="softmax"`` is the multinomial loss over K classes.
  ``link="sigmoid"`` is the binomial loss, of class 1 for K = 1 and one versus rest, summed over the
  K binary problems, otherwise.
* ``s`` is (n,), the weight of each row in the fit; ``penalty`` is (p,) or (K, p), the Lambda of
  ``J(W) = (sum_i s_i loss_i + 1/2 sum_j Lambda_j W_j^2) / sum_i s_i``.
"""

from itertools import product

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax


def design(X, fit_intercept=True):
    """Return X as float64, with a column of ones appended when there is an intercept."""
    X = np.asarray(X, dtype=np.float64)
    return np.column_stack([X, np.ones(len(X))]) if fit_intercept else X


def log_loss(W, X, y, link):
    """Return the loss of each row, (n,)."""
    eta = X @ W.T
    if link == "softmax":
        return -log_softmax(eta, axis=1)[np.arange(len(y)), y]
    return -log_expit(np.where(_targets(y, len(W)), eta, -eta)).sum(axis=1)


def gradients(W, X, y, link):
    """Return the gradient of each row's loss, (n, K * p)."""
    return np.einsum("nk,np->nkp", _residuals(X @ W.T, y, link), X).reshape(len(X), -1)


def hessian(W, X, s, penalty, link, damping=0.0):
    """Return the Hessian of J plus the damping."""
    A = [_second_derivative(eta, link) for eta in X @ W.T]
    penalty = np.broadcast_to(penalty, W.shape).ravel()
    return (_sum_over_rows(s, A, X) + np.diag(penalty)) / np.sum(s) + damping * np.eye(W.size)


def fisher(W, X, s, link, damping=0.0):
    """Return the Fisher information, its expectation taken label by label, plus the damping."""
    B = [_expected_outer_product(eta, link) for eta in X @ W.T]
    return _sum_over_rows(s, B, X) / np.sum(s) + damping * np.eye(W.size)


def empirical_fisher(W, X, y, s, link, damping=0.0):
    """Return the mean outer product of the gradients at the observed labels, plus the damping."""
    G = gradients(W, X, y, link)
    return np.einsum("n,na,nb->ab", s, G, G, optimize=True) / np.sum(s) + damping * np.eye(W.size)


def influence_matrices(
    W,
    X,
    y,
    s,
    penalty,
    X_query,
    y_query,
    *,
    link,
    curvature="hessian",
    damping=0.0,
    active=None,
):
    """Return {criterion: (n_queries, n_train) array}, positive where a training row helps.

    ``active``, a (K, p) mask, restricts the parameters to those that an L1 penalty left free.
    """
    matrix = {
        "hessian": lambda: hessian(W, X, s, penalty, link, damping),
        "fisher": lambda: fisher(W, X, s, link, damping),
        "empirical_fisher": lambda: empirical_fisher(W, X, y, s, link, damping),
        "identity": lambda: (1 + damping) * np.eye(W.size),
    }[curvature]()
    free = np.ones(W.size, bool) if active is None else np.ravel(active)
    g_train = gradients(W, X, y, link)[:, free]
    g_query = gradients(W, X_query, y_query, link)[:, free]
    inverse = _pseudo_inverse(matrix[np.ix_(free, free)])

    solved = g_train @ inverse
    influence = np.where(s > 0, g_query @ solved.T, 0.0)
    return {
        "influence": influence,
        "theta_relative": ratio_or_zero(influence, np.linalg.norm(solved, axis=1)),
        "loss_relative": ratio_or_zero(influence, np.sqrt(np.sum(solved * g_train, axis=1))),
    }


def distance_to_optimum(W, X, y, s, penalty, link, active=None, slope=0.0):
    """Return the Newton decrement in standard errors, and the effective number of parameters.

    ``active`` is as in :func:`influence_matrices`, ``slope`` the gradient of an L1 penalty there.
    """
    free = np.ones(W.size, bool) if active is None else np.ravel(active)
    g = s @ gradients(W, X, y, link) + np.ravel(penalty * W + slope)
    g = g[free] / np.sum(s)
    H = hessian(W, X, s, penalty, link)[np.ix_(free, free)]
    of_data = hessian(W, X, s, 0.0, link)[np.ix_(free, free)]
    scale = np.where(np.diag(H) > 0, 1 / np.sqrt(np.maximum(np.diag(H), 1e-300)), 1.0)
    inverse = scale[:, None] * _pseudo_inverse(H * np.outer(scale, scale)) * scale
    n_rows, n_params = np.sum(s) ** 2 / np.sum(np.square(s)), np.sum(inverse * of_data)
    return np.sqrt(n_rows * (g @ inverse @ g) / n_params), n_params


def _targets(y, n_predictors):
    """Return which of the binary problems each row is a positive of, (n, K) bool."""
    positives = [1] if n_predictors == 1 else range(n_predictors)
    return np.asarray(y)[:, np.newaxis] == np.asarray(positives)


def _residuals(eta, y, link):
    """Return the derivative of each row's loss in its predictors, (n, K)."""
    if link == "sigmoid":
        return np.where(_targets(y, eta.shape[1]), -expit(-eta), expit(eta))
    R = softmax(eta, axis=1)
    rows = np.arange(len(y))
    # p_y - 1 as the sum of the others: the difference would lose the digits of a small residual.
    R[rows, y] = 0.0
    R[rows, y] = -R.sum(axis=1)
    return R


def _second_derivative(eta, link):
    """Return the second derivative of one row's loss in its predictors, (K, K)."""
    if link == "sigmoid":
        return np.diag(expit(eta) * expit(-eta))
    p = softmax(eta)
    A = -np.outer(p, p)
    # p (1 - p) as p times the sum of the others: the difference would lose digits.
    np.fill_diagonal(A, 0.0)
    np.fill_diagonal(A, -A.sum(axis=1))
    return A


def _expected_outer_product(eta, link):
    """Return E[r r^T] over the labels that the model draws for one row, (K, K)."""
    if link == "softmax":
        outcomes, mean = np.eye(len(eta)), softmax(eta)
        probabilities = mean
    else:
        outcomes, mean = np.array(list(product([0.0, 1.0], repeat=len(eta)))), expit(eta)
        probabilities = np.prod(np.where(outcomes, mean, expit(-eta)), axis=1)
    residuals = mean - outcomes
    return (residuals.T * probabilities) @ residuals


def _sum_over_rows(s, A, X):
    """Return sum_i s_i kron(A_i, x_i x_i^T), (K * p, K * p), for A of shape (n, K, K)."""
    total = np.einsum("n,nab,ni,nj->aibj", s, A, X, X, optimize=True)
    return total.reshape(np.shape(A)[1] * X.shape[1], -1)


def _pseudo_inverse(matrix):
    """Return the pseudo-inverse, with null directions judged as by ``numpy.linalg.matrix_rank``."""
    return np.linalg.pinv(matrix, rcond=len(matrix) * np.finfo(float).eps, hermitian=True)


def ratio_or_zero(influence, scale):
    """Divide each column by its scale; a row without a gradient has no relative influence."""
    return np.divide(influence, scale, out=np.zeros_like(influence), where=scale > 0)
