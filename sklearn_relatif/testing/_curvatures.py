"""What every curvature promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..curvature import NoFactor
from ._dense import DenseObjective, solve
from ._jacobians import rounding
from ._promises import promise, refuses, same


def check_curvature(
    curvature: Any,
    objective: Any,
    kind: str,
    damping: float,
    *,
    tolerance: float | None = None,
) -> None:
    """Hold a curvature to its protocol, against linear algebra with the whole matrix.

    - ``solve`` gives ``M^-1 g`` if the curvature ``is_exact`` or ``is_iterative``, and otherwise
      what some positive definite matrix takes to g: products of gradients and solutions are
      symmetric, and no row's own is below zero.
    - ``whiten`` gives vectors of length ``n_whitened`` whose inner products are those of gradients
      and solutions, and ``unwhiten`` leads from them to the solutions. Without a factor, both
      raise a ``NoFactor``.
    - ``lengths`` are the lengths of whitened gradients and of solutions.
    - ``forms`` are ``J_i M^-1 J_i^T``, or their diagonals.

    Where an iterative solver is not exact, the last three are those of what it has ``factored``.

    Parameters
    ----------
    curvature : Curvature
    objective : Objective
        In the coordinates of the curvature. Of one whose gradients are no vectors, products and
        lengths are held to each other.
    kind : {"hessian", "gauss_newton", "fisher", "empirical_fisher", "identity"}
    damping : float
    tolerance : float, default=None
        Share of the largest number by which solutions may be off. None: a thousand roundings, each
        of which the condition number of the matrix makes larger. Iterative solvers stop earlier.

    Raises
    ------
    AssertionError
        That names the promise that is broken.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif.adapters import reduce_estimator
    >>> from sklearn_relatif.curvature import build_curvature
    >>> from sklearn_relatif.testing import check_curvature
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> objective = reduce_estimator(model, X, y, np.ones(150))
    >>> check_curvature(build_curvature(objective, "fisher", 0.1), objective, "fisher", 0.1)
    """
    rows = objective.rows
    if not rows.are_vectors:
        _check_opaque(curvature, rows, rounding(objective.dtype))
        return
    matrix = DenseObjective(objective).curvature(kind, damping)
    if tolerance is None:
        tolerance = rounding(objective.dtype) * max(1.0, _condition(matrix))
    gradients = rows.block(slice(0, rows.n_rows))
    solved = curvature.solve(gradients.copy())
    promise(solved.dtype == curvature.dtype, "solutions are in the precision of the curvature")
    if curvature.is_exact or curvature.is_iterative:
        expected = solve(matrix, gradients.astype(np.float64))
        same(solved, expected, tolerance, f"solve gives M^-1 g of the {kind}")
    factored = _factored(curvature)
    if factored is not curvature:
        solved = factored.solve(gradients.copy())
    products = gradients.astype(np.float64) @ solved.T
    same(products, products.T, tolerance, "solve is symmetric")
    promise(np.diag(products).min(initial=0) >= 0, "solve is positive definite")
    _check_factor(curvature, gradients, solved, products, tolerance)
    _check_lengths(curvature, rows, solved, products, tolerance)
    _check_forms(curvature, objective, tolerance)


def _condition(matrix: np.ndarray) -> float:
    values = np.linalg.eigvalsh(matrix)
    rounding_of_zero = len(matrix) * np.finfo(np.float64).eps * values.max()
    return values.max() / values[values > rounding_of_zero].min()


def _factored(curvature: Any) -> Any:
    """What its factor, lengths and forms belong to."""
    if curvature.is_exact or not curvature.is_iterative:
        return curvature
    return curvature.factored


def _has_factor(curvature: Any, gradients: np.ndarray) -> bool:
    try:
        curvature.whiten(gradients.copy())
    except NoFactor:
        return False
    return True


def _check_factor(
    curvature: Any,
    gradients: np.ndarray,
    solved: np.ndarray,
    products: np.ndarray,
    tolerance: float,
) -> None:
    if not _has_factor(curvature, gradients):
        text = "a curvature that cannot whiten cannot unwhiten, and says so by a NoFactor"
        refuses(lambda: curvature.unwhiten(gradients.copy()), NoFactor, text)
        return
    whitened = curvature.whiten(gradients.copy())
    promise(whitened.shape[1] == curvature.n_whitened, "whitened gradients have n_whitened numbers")
    exact = whitened.astype(np.float64)
    same(exact @ exact.T, products, tolerance, "products of whitened gradients are g^T M^-1 g")
    text = "unwhiten leads from whitened gradients to solutions"
    same(curvature.unwhiten(whitened.copy()), solved, tolerance, text)


def _check_lengths(
    curvature: Any, rows: Any, solved: np.ndarray, products: np.ndarray, tolerance: float
) -> None:
    try:
        found = curvature.lengths(rows, "loss_relative")
    except NoFactor:
        return
    text = "lengths for loss_relative are those of whitened gradients"
    # A square of a length that is next to 0 is rounding.
    squares = found["loss_relative"].astype(np.float64) ** 2
    same(squares, np.diag(products), tolerance, text)
    found = curvature.lengths(rows, "theta_relative")
    promise(set(found) == {"loss_relative", "theta_relative"}, "theta_relative brings both lengths")
    text = "lengths for theta_relative are those of solutions"
    same(found["theta_relative"], np.linalg.norm(solved, axis=1), tolerance, text)


def _check_forms(curvature: Any, objective: Any, tolerance: float) -> None:
    try:
        form = objective.forms(curvature)
    except NoFactor:
        return
    some = slice(0, min(20, objective.n_rows))
    forms, own = form(some), _factored(curvature)
    n_outputs = objective.loss.n_outputs
    jacobian, expected = objective.jacobian, np.zeros((some.stop, n_outputs, n_outputs))
    for k in range(n_outputs):
        unit = np.zeros((some.stop, n_outputs), objective.dtype)
        unit[:, k] = 1
        solved = own.solve(jacobian.gradients(unit, some))
        expected[:, k] = jacobian[some].apply(solved)[np.arange(some.stop), np.arange(some.stop)]
    if forms.ndim == 2:
        expected = np.einsum("nkk->nk", expected)
    same(forms, expected, tolerance, "forms are J_i M^-1 J_i^T")


def _check_opaque(curvature: Any, rows: Any, tolerance: float) -> None:
    """Of gradients in the feature space of a kernel, in which a curvature is a number."""
    whole = slice(0, rows.n_rows)
    plain = rows.contract(rows.block(whole), whole)
    solved = rows.contract(curvature.solve(rows.block(whole)), whole)
    factor = np.trace(solved) / np.trace(plain)
    promise(factor > 0, "solve is positive definite")
    same(solved, factor * plain, tolerance, "solve scales the gradients of a kernel")
    lengths = curvature.lengths(rows, "theta_relative")
    plain_lengths = np.sqrt(np.diag(plain))
    text = "lengths for theta_relative are those of solutions"
    same(lengths["theta_relative"], factor * plain_lengths, tolerance, text)
    text = "lengths for loss_relative are those of whitened gradients"
    same(lengths["loss_relative"], np.sqrt(factor) * plain_lengths, tolerance, text)
