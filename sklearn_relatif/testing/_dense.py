"""Objectives by brute force: whole arrays, one formula a method, and no trick of the package."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._losses import as_matrices, differences

#: Newton steps, of which a convex objective takes a few, and how often one is halved at most.
MAX_STEPS, MAX_HALVINGS = 100, 30


def dense_jacobian(jacobian: Any, n_params: int) -> np.ndarray:
    """``J_i`` of all rows in double precision, shape (n_rows, n_outputs, n_params)."""
    columns = jacobian.apply(np.eye(n_params, dtype=jacobian.dtype))
    return np.swapaxes(columns, 1, 2).astype(np.float64)


class DenseObjective:
    """An objective with parameters, by its loss and the Jacobians of all rows.

    Where predictors are not linear in the parameters, they are those of the tangent; the Hessian of
    a network, as a curvature, has their second derivatives by differences of their Jacobian.

    Parameters
    ----------
    objective : Objective
        With a Jacobian for a finite number of parameters.

    Attributes
    ----------
    shape : tuple
        (n_outputs, n_columns) of the parameters.
    at : FiniteJacobian
    is_bent : bool
    jacobian : ndarray of shape (n_rows, n_outputs, n_params)
    weight : ndarray of shape (n_rows, n_outputs)
        Of a row in each output, the sample weight included.
    parameters, penalty, slope : ndarray of shape (n_params,)
    penalty_share : ndarray of shape (n_rows,)
        Share of the penalty and the slope that leaves with each row.
    length_penalty : ndarray of shape (n_columns,)
        On the lengths of the coefficients of each column, of which the slope is not one then.
    is_active : ndarray of bool, shape (n_params,)
    both_active : ndarray of bool, shape (n_params, n_params)
    """

    def __init__(self, objective: Any) -> None:
        shape, n_outputs = objective.shape, objective.loss.n_outputs
        self.shape = shape
        self.loss, self.y = objective.loss, objective.y
        self.parameters = objective.weights.ravel().astype(np.float64)
        self.at, self.is_bent = objective.jacobian, objective.is_bent
        self.jacobian = dense_jacobian(objective.jacobian, self.parameters.size)
        self.offset = objective.training_predictor - self.jacobian @ self.parameters
        self.sample_weight = np.asarray(objective.sample_weight, np.float64)
        self.total_weight = self.sample_weight.sum()
        weight = np.ones((1, n_outputs))
        if objective.output_weight is not None:
            weight = objective.output_weight.astype(np.float64)
        self.weight = self.sample_weight[:, None] * weight
        self.penalty = np.broadcast_to(objective.penalty, shape).ravel().astype(np.float64)
        self.slope = np.broadcast_to(objective.slope, shape).ravel().astype(np.float64)
        self.shape, self.length_penalty = shape, np.zeros(shape[1])
        if objective.coupling is not None:
            self.length_penalty, self.slope = objective.length_penalty, 0 * self.slope
        self.penalty_share = np.zeros(len(self.y))
        if objective.penalty_share is not None:
            self.penalty_share = objective.penalty_share
        mask = np.ones(shape) if objective.mask is None else objective.mask
        self.is_active = mask.ravel() > 0
        self.both_active = np.outer(self.is_active, self.is_active)

    def predictor(self, parameters: np.ndarray) -> np.ndarray:
        """Predictor of the training rows, shape (n_rows, n_outputs)."""
        return self.offset + self.jacobian @ parameters

    def gradients(self) -> np.ndarray:
        """``J_i^T r_i``, 0 for rows of weight 0, shape (n_rows, n_params)."""
        return np.einsum("nkp,nk->np", self.jacobian, self._residuals(self.parameters))

    def _residuals(self, parameters: np.ndarray) -> np.ndarray:
        """Residuals of rows with weights by output, but for the sample weight."""
        share = self.weight / np.where(self.sample_weight > 0, self.sample_weight, 1)[:, None]
        return share * self.loss.residual(self.y, self.predictor(parameters))

    def gradient(self, parameters: np.ndarray, removed: Any = ()) -> np.ndarray:
        """Gradient of the sum without some rows, 0 for inactive parameters, shape (n_params,)."""
        weight = self._without(self.sample_weight, removed)
        pull = np.einsum("nkp,nk,n->p", self.jacobian, self._residuals(parameters), weight)
        units, _ = self._units_and_bends(parameters)
        of_lengths = (units * self.length_penalty).ravel()
        pull += self._left(removed) * (self.penalty * parameters + self.slope + of_lengths)
        return pull * self.is_active

    def hessian(self, parameters: np.ndarray, removed: Any = ()) -> np.ndarray:
        """Hessian of the sum without some rows, shape (n_params, n_params)."""
        second = self.loss.second_derivative(self.y, self.predictor(parameters))
        units, bends = self._units_and_bends(parameters)
        penalty, columns = np.diag(self.penalty), np.arange(self.shape[1])
        for k, own in enumerate(units):
            for m, other in enumerate(units):
                rows, others = k * len(columns) + columns, m * len(columns) + columns
                penalty[rows, others] += bends * ((k == m) - own * other)
        penalty *= self._left(removed)
        return self._sum(second, self._without(self.weight, removed)) + penalty

    def curvature(self, kind: str, damping: float = 0.0) -> np.ndarray:
        """A curvature of the mean on the active parameters, 0 elsewhere, (n_params, n_params)."""
        identity = np.eye(len(self.parameters))
        if kind == "identity":
            matrix = identity
        elif kind == "hessian" and self.is_bent:
            matrix = (self.hessian(self.parameters) + self._bend()) / self.total_weight
        elif kind in ("hessian", "gauss_newton"):
            matrix = self.hessian(self.parameters) / self.total_weight
        elif kind == "fisher":
            inner = self.loss.fisher_weight(self.predictor(self.parameters))
            matrix = self._sum(inner, self.weight) / self.total_weight
        else:
            gradients = self.gradients()
            matrix = (gradients.T * self.sample_weight) @ gradients / self.total_weight
        return np.where(self.both_active, matrix + damping * identity, 0.0)

    def _bend(self) -> np.ndarray:
        """``sum_i s_i sum_k r_ik d^2 eta_ik / d theta^2``, shape (n_params, n_params)."""
        residual = self.sample_weight[:, None] * self._residuals(self.parameters)
        residual = residual[:, None].astype(self.at.dtype)
        found = differences(lambda at: self.at.moved(at).adjoint(residual), self.parameters[None])
        return (found[0] + found[0].T) / 2

    def _sum(self, inner: Any, weight: Any) -> np.ndarray:
        """``sum_i s_i J_i^T A_i J_i``."""
        # Outputs that are coupled share their weight, so that either side's is the weight.
        inner = as_matrices(inner) * weight[:, :, None]
        return np.einsum("nkp,nkl,nlq->pq", self.jacobian, inner, self.jacobian, optimize=True)

    @staticmethod
    def _without(weight: Any, removed: Any) -> np.ndarray:
        weight = weight.copy()
        weight[np.asarray(removed, np.intp)] = 0
        return weight

    def _units_and_bends(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Directions of the coefficients of each column, and the penalty of it by their length."""
        table = parameters.reshape(self.shape)
        lengths = np.linalg.norm(table, axis=0)
        lengths[self.length_penalty == 0] = 1
        return table / lengths, self.length_penalty / lengths

    def shortest(self) -> float:
        """The least length of coefficients with a penalty on it; infinity if there are none."""
        lengths = np.linalg.norm(self.parameters.reshape(self.shape), axis=0)
        return float(lengths[self.length_penalty > 0].min(initial=np.inf))

    def _left(self, removed: Any) -> float:
        """What is left of the penalties without some rows."""
        return 1 - float(self.penalty_share[np.asarray(removed, np.intp)].sum())

    def step(self, parameters: np.ndarray, removed: Any = ()) -> np.ndarray:
        """One Newton step of the sum without some rows, shape (n_params,)."""
        matrix, gradient = self.hessian(parameters, removed), self.gradient(parameters, removed)
        free, step = self.is_active, np.zeros_like(parameters)
        step[free] = solve(matrix[np.ix_(free, free)], gradient[free][None])[0]
        return -step

    def value(self, parameters: np.ndarray, removed: Any = ()) -> float:
        """The sum without some rows, where rows weigh the same in all outputs."""
        losses = self.loss.value(self.y, self.predictor(parameters))
        penalties = self.penalty / 2 * parameters**2 + self.slope * parameters
        lengths = np.linalg.norm(parameters.reshape(self.shape), axis=0)
        penalty = self._left(removed) * (penalties.sum() + self.length_penalty @ lengths)
        return float(self._without(self.sample_weight, removed) @ losses + penalty)

    def optimum(self, start: np.ndarray, removed: Any = ()) -> np.ndarray:
        """Parameters at the optimum of the sum without some rows, shape (n_params,)."""
        parameters = start.copy()
        for _ in range(MAX_STEPS):
            step = self.step(parameters, removed)
            before = np.linalg.norm(self.gradient(parameters, removed))
            for _ in range(MAX_HALVINGS):
                if np.linalg.norm(self.gradient(parameters + step, removed)) < before:
                    break
                step /= 2
            else:
                return parameters
            parameters += step
        return parameters

    def _dispersion(self) -> np.ndarray:
        """Squared residuals over what the loss expects of them, where it has a dispersion."""
        if not self.loss.has_dispersion:
            return np.ones(self.shape[0])
        square = self.sample_weight @ self._residuals(self.parameters) ** 2
        fisher = as_matrices(self.loss.fisher_weight(self.predictor(self.parameters)))
        expected = self.sample_weight @ np.einsum("nkk->nk", fisher)
        if self.loss.couples_outputs:
            square, expected = (np.full(len(part), part.sum()) for part in (square, expected))
        return np.where(square > 0, square / expected, 1.0)

    def distance(self) -> float:
        """From the optimum, in standard errors: of the Newton decrement."""
        free, n_rows = self.is_active, self.total_weight**2 / (self.sample_weight**2).sum()
        matrix, gradient = self.hessian(self.parameters), self.gradient(self.parameters)
        matrix, gradient = matrix[np.ix_(free, free)], gradient[free]
        of_output = np.broadcast_to(self._dispersion()[:, None], self.shape).ravel()
        gradient = gradient / np.sqrt(of_output[free])
        square = gradient @ solve(matrix, gradient[None])[0] / self.total_weight
        n_params = np.trace(solve(matrix, matrix - np.diag(self.penalty[free])))
        return float(np.sqrt(n_rows * square / n_params)) if square > 0 else 0.0


def solve(matrix: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``M^-1 v`` for each row v, without the directions in which M is zero."""
    if np.linalg.matrix_rank(matrix, hermitian=True) == len(matrix):
        return np.linalg.solve(matrix, vectors.T).T
    rounding = len(matrix) * np.finfo(np.float64).eps
    return vectors @ np.linalg.pinv(matrix, rcond=rounding, hermitian=True)
