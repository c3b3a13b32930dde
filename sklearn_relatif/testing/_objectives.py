"""What every objective promises, and the Jacobian and the gradients in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from .._study import Query
from ..curvature import own_kind
from ..objectives import CurvatureOperator, TangentOperator
from ..removal import remover_of
from ._dense import DenseObjective, dense_jacobian
from ._jacobians import check_jacobian, rounding
from ._losses import STEP, differences
from ._promises import promise, refuses, same

#: Every so-manieth row is removed in one of two removals.
EVERY = 10
#: Share of its largest change by which a predictor may differ between two searches for an optimum.
OPTIMA = 1e-6
#: Central differences of the objective, in double precision, lose so much.
DIFFERENCES = 1e-6


def check_objective(objective: Any, queries: Any, *, tolerance: float | None = None) -> None:
    """Hold an objective, its Jacobian and its gradients to their protocols.

    The reference are dense arrays: the Jacobian of each row, the loss's own derivatives, and sums
    of outer products. Up to a hundred parameters and some hundred rows take a moment.

    - There is a row a target and a weight, and ``total_weight`` is the sum of these.
    - ``rows`` are the unit gradients ``J_i^T r_i / |r_i|`` with the norm ``|r_i|``, zero for rows
      of weight 0. Their ``block``, ``contract``, ``lengths``, ``part`` and ``scaled`` agree. Where
      they are no vectors, products with each other are symmetric and positive semi-definite.
    - The Jacobian keeps what :func:`check_jacobian` asks of it.
    - ``gradient`` is that of J, and the derivative of its value.
    - ``hessian``, ``fisher`` and ``empirical_fisher`` are the curvatures, as blocks on a diagonal,
      and a ``CurvatureOperator`` multiplies with them; a Fisher information is refused where the
      loss is no likelihood. Where predictors are not linear, the Hessian is that of the tangents.
    - Where rows enter the fit by terms of their own (``minimises_loss`` is False), gradients are
      held to the Jacobian alone.
    - Where Newton steps lead to the models without some rows (``removal_kind`` "smooth" or
      "dual", no L1 penalty, double precision), one of them and the optimum are those of the dense
      objective.
    - Of other rows, ``predict`` is the loss's of the ``predictor``, and gradients are those of
      what a query enters by.

    Parameters
    ----------
    objective : Objective
    queries : ndarray or CSR matrix of shape (n_queries, n_features)
        Other rows, as the adapter takes features.
    tolerance : float, default=None
        Share of the largest number by which sums may be off. None: a thousand roundings of the
        precision of the rows, as sums over hundreds of rows have.

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
    >>> from sklearn_relatif.testing import check_objective
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X, y)
    >>> check_objective(reduce_estimator(model, X, y, np.ones(150)), X[::10])
    """
    if tolerance is None:
        tolerance = rounding(objective.dtype)
    _check_sizes(objective)
    _check_residuals(objective, tolerance)
    jacobian = objective.query_jacobian(queries)
    y = objective.y[np.arange(jacobian.n_rows) % objective.n_rows]
    gradients = objective.query_rows(jacobian, y)
    _check_queries(objective, jacobian, y, gradients, tolerance)
    if not objective.rows.are_vectors:
        _check_products(objective, gradients, tolerance)
        return
    n_params = objective.weights.size
    check_jacobian(objective.jacobian, objective.weights, tolerance=tolerance)
    predictor = objective.jacobian.predictor(objective.weights)
    text = "the predictor is that of the parameters"
    same(objective.training_predictor, predictor, tolerance, text)
    for rows in (objective.rows, gradients):
        _check_gradients(rows, dense_jacobian(rows.jacobian, n_params), tolerance)
    if not objective.minimises_loss:
        return
    dense = DenseObjective(objective)
    if objective.loss.has_curvature:
        _check_derivatives(objective, dense, tolerance)
        _check_curvatures(objective, dense, tolerance)
    is_followed = objective.removal_kind in ("smooth", "dual") and not objective.has_l1
    if is_followed and objective.dtype == np.float64:
        _check_removals(objective, dense, Query(queries, jacobian, y))


def _check_sizes(objective: Any) -> None:
    n_rows = len(objective.y)
    promise(objective.n_rows == objective.rows.n_rows == n_rows, "there is a row a target")
    promise(objective.sample_weight.shape == (n_rows,), "there is a weight a row")
    promise(np.isclose(objective.total_weight, objective.sample_weight.sum()), "weights sum to S")
    shape = (n_rows, objective.loss.n_outputs)
    promise(objective.training_predictor.shape == shape, "there is a predictor a row and output")


def _check_residuals(objective: Any, tolerance: float) -> None:
    rows, counts = objective.rows, objective.sample_weight > 0
    length = np.linalg.norm(rows.unit, axis=1)
    promise((rows.norm >= 0).all(), "norms of residuals are at least 0")
    is_unit = (np.abs(length - 1) <= tolerance) | ((length == 0) & (rows.norm == 0))
    promise(is_unit.all(), "unit residuals have length 1, or 0 where there is no residual")
    promise(
        not rows.norm[~counts].any() and not length[~counts].any(), "rows of weight 0 have none"
    )


def _check_queries(
    objective: Any, jacobian: Any, y: np.ndarray, gradients: Any, tolerance: float
) -> None:
    predictor = objective.predictor(jacobian)
    promise(predictor.shape == (jacobian.n_rows, objective.loss.n_outputs), "a predictor a query")
    predicted = objective.loss.predict(predictor)
    promise(np.array_equal(objective.predict(jacobian), predicted), "predict is that of the loss")
    norm, unit = objective.loss.query_direction(y, predictor)
    text = "the gradient of a query is that of what it enters by"
    same(gradients.norm[:, None] * gradients.unit, norm[:, None] * unit, tolerance, text)


def _check_products(objective: Any, gradients: Any, tolerance: float) -> None:
    """Of gradients that are no vectors."""
    rows, whole = objective.rows, slice(0, objective.n_rows)
    products = rows.contract(rows.block(whole), whole)
    same(products, products.T, tolerance, "products of gradients are symmetric")
    values = np.linalg.eigvalsh(products)
    least = -tolerance * np.abs(values).max(initial=0)
    promise(values.min(initial=0) >= least, "products of gradients are positive semi-definite")
    lengths = rows.lengths(whole, rows.block(whole))
    same(lengths**2, np.diag(products), tolerance, "lengths are those of the gradients")
    with_queries = rows.contract(gradients.block(slice(None)), whole)
    _check_parts(rows, gradients.block(slice(None)), with_queries, tolerance)


def _check_gradients(rows: Any, jacobian: Any, tolerance: float) -> None:
    """Of gradients that are vectors."""
    whole = slice(0, rows.n_rows)
    expected = np.einsum("nk,nkp->np", rows.unit.astype(np.float64), jacobian)
    block = rows.block(whole)
    promise(block.shape == (rows.n_rows, rows.n_values), "a block has n_values numbers a row")
    same(block, expected, tolerance, "a block of gradients is J^T u")
    lengths = np.linalg.norm(expected, axis=1)
    same(rows.lengths(whole, block), lengths, tolerance, "lengths are those of the gradients")
    vectors = np.random.default_rng(0).normal(size=(3, rows.n_values)).astype(rows.dtype)
    _check_parts(rows, vectors, vectors @ expected.T, tolerance)
    factors = np.linspace(-1, 2, rows.n_rows).astype(rows.dtype)
    scaled = rows.scaled(factors).block(whole)
    same(scaled, expected * factors[:, None], tolerance, "scaled gradients are scaled")
    promise(not np.shares_memory(block, rows.block(whole)), "a block is made afresh")


def _check_parts(rows: Any, block: Any, products: np.ndarray, tolerance: float) -> None:
    """Products of a block with all rows, and with those of a part."""
    some = slice(rows.n_rows // 3, 2 * rows.n_rows // 3 + 1)
    text = "contract gives inner products with gradients"
    same(rows.contract(block, slice(0, rows.n_rows)), products, tolerance, text)
    same(rows.contract(block, some), products[:, some], tolerance, f"{text} of some of the rows")
    if rows.can_be_split:
        part = rows.part(some)
        text = f"{text} of a part"
        same(part.contract(block, slice(0, part.n_rows)), products[:, some], tolerance, text)


def _check_derivatives(objective: Any, dense: Any, tolerance: float) -> None:
    rows, total = objective.rows, dense.total_weight
    gradients = dense.gradients() * (dense.sample_weight > 0)[:, None]
    block = rows.norm[:, None] * rows.block(slice(0, rows.n_rows))
    same(block, gradients, tolerance, "rows are the gradients of their losses")
    parameters = dense.parameters
    gradient = objective.gradient().ravel() * total
    size = np.abs(dense.sample_weight @ np.abs(gradients)).max(initial=1)
    text = "gradient is that of J"
    same((gradient + size), (dense.gradient(parameters) + size), tolerance, text)
    if objective.output_weight is None:
        by_value = differences(lambda at: np.array([dense.value(at[0])]), parameters[None])[0]
        text = "gradient is the derivative of the value of J"
        same(gradient + size, by_value * dense.is_active + size, DIFFERENCES + tolerance, text)
    of_gradient = differences(lambda at: dense.gradient(at[0])[None], parameters[None])[0]
    hessian = np.where(dense.both_active, dense.hessian(parameters), 0.0)
    text = "the Hessian is the derivative of the gradient"
    # A step turns short coefficients, on whose length there is a penalty, by this angle.
    lost = DIFFERENCES + (STEP / dense.shortest()) ** 2
    same(hessian, of_gradient * dense.both_active, lost + tolerance, text)


def _check_curvatures(objective: Any, dense: Any, tolerance: float) -> None:
    kinds = {
        "hessian": objective.hessian,
        "gauss_newton": objective.gauss_newton,
        "fisher": objective.fisher,
        "empirical_fisher": objective.empirical_fisher,
    }
    operator = TangentOperator if objective.has_tangents else CurvatureOperator
    for kind, blocks in kinds.items():
        if kind == "fisher" and not objective.loss.has_fisher:
            text = "a loss that is no likelihood has no Fisher information"
            refuses(blocks, ValueError, text)
            continue
        is_bent = kind == "hessian" and objective.is_bent
        if is_bent and objective.dtype != np.float64:
            continue  # Differences in single precision tell nothing.
        lost = tolerance + DIFFERENCES * is_bent
        if not objective.loss.has_gauge:
            whole = np.where(dense.both_active, linalg.block_diag(*blocks()), 0.0)
            same(whole, dense.curvature(kind), lost, f"{kind} has the blocks of the {kind}")
        _check_operator(operator(objective, own_kind(objective, kind), 0.1), dense, lost)


def _check_operator(operator: Any, dense: Any, tolerance: float) -> None:
    kind = operator.curvature
    matrix = dense.curvature(kind, 0.1)
    vectors = np.random.default_rng(2).normal(size=(3, len(matrix))) * dense.is_active
    products = operator.multiply(vectors.astype(operator.objective.dtype))
    same(products, vectors @ matrix, tolerance, f"the operator multiplies with the {kind}")
    if operator.is_bent:
        return
    text = f"the operator knows the diagonal of the {kind}"
    same(operator.diagonal(), np.diag(matrix), tolerance, text)


def _check_removals(objective: Any, dense: Any, query: Query) -> None:
    removals, remover = two_removals(objective), remover_of(objective)
    jacobian = dense_jacobian(query.jacobian, dense.parameters.size)
    start, query = dense.optimum(dense.parameters), remover.at_optimum(query)
    ways = {
        "newton": ("Newton steps", lambda rows: start + dense.step(start, rows)),
        "retrain": ("optima", lambda rows: dense.optimum(start, rows)),
    }
    for order, (name, leave_out) in ways.items():
        found = predictors_without(remover, removals, query, order)
        expected = [jacobian @ (leave_out(rows) - start) for rows in removals]
        text = f"models without rows, by order={order!r}, are {name} of the dense objective"
        same(found[1:] - found[0], expected, OPTIMA, text)


def predictors_without(remover: Any, removals: Any, query: Any, order: str) -> np.ndarray:
    """Of the model of all rows, and of those without some, (1 + n_removals, n, n_outputs)."""
    found: list[Any] = [None] * (1 + len(removals))
    for models in remover.models_without(removals, order):
        found[0] = models.predictor_before(query)
        for position, own in enumerate(np.moveaxis(models.predictors(query), 1, 0)):
            found[1 + models.positions[position]] = own
    return np.array(found)


def two_removals(objective: Any) -> list[np.ndarray]:
    """One row, and some of the rows, among those that count."""
    counted = np.flatnonzero(objective.sample_weight)
    return [counted[:1], counted[::EVERY]]
