"""Ridge regression in the space of a kernel without some of its rows, in closed form.

With the kernels K between the rows, their weights s and the penalty alpha, the coefficients of the
kernels are ``a = G^-1 y`` for ``G = K + diag(alpha / s)``. Those without the rows R, which get the
coefficient 0, follow from the inverse of a part of a matrix (Rasmussen & Williams, 2006, equations
5.12 and A.12)::

    a - G^-1[:, R] (G^-1[R, R])^-1 a[R],

and the prediction of a row by the model without it is ``y_i - a_i / G^-1[i, i]``. Nothing cancels
in this where the model all but goes through its rows, whose leverages are next to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from ..objectives import KernelSpaceObjective
from ._base import Remover
from ._smooth import SteppedModels

#: Models that are held at a time.
MODELS_AT_A_TIME = 256


class DualRemover(Remover):
    """Models without rows by the inverse of their kernels, exact in any order.

    Parameters
    ----------
    objective : KernelSpaceObjective
        Of squared error, with one positive penalty a target.
    """

    objective: KernelSpaceObjective

    def __init__(self, objective: KernelSpaceObjective) -> None:
        objective = cast(KernelSpaceObjective, objective.astype(np.float64))
        self.counted = np.flatnonzero(objective.sample_weight > 0)
        self.coordinates = objective.jacobian.X[self.counted]
        weights, n_dimensions = objective.weights.astype(np.float64), self.coordinates.shape[1]
        self.held = weights[:, n_dimensions:].sum(axis=1)  # The mean of the targets, if any.
        self.y = objective.y.reshape(objective.n_rows, -1)[self.counted] - self.held
        penalty = objective.penalty[:, 0]
        self.duals, self.inverses = np.empty(self.y.shape[::-1]), {}
        for alpha in set(penalty):
            factor = self._factor(alpha / objective.sample_weight[self.counted])
            own = penalty == alpha
            self.duals[own] = linalg.cho_solve((factor, True), self.y[:, own]).T
            self.inverses[alpha] = _inverse_of(factor)
        weights[:, :n_dimensions] = self.duals @ self.coordinates
        self.objective = replace(objective, weights=weights)

    def _factor(self, ridge: np.ndarray) -> np.ndarray:
        kernels = self.coordinates @ self.coordinates.T
        np.einsum("ii->i", kernels)[...] += ridge
        try:
            return linalg.cholesky(kernels, lower=True, overwrite_a=True, check_finite=False)
        except linalg.LinAlgError as error:
            raise ValueError(
                "What the model is without some rows cannot be told: its penalty is next to "
                "nothing beside the kernels between its rows. Fit it with a larger alpha."
            ) from error

    @property
    def _each(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The inverse and the coefficients of each target."""
        inverses = [self.inverses[alpha] for alpha in self.objective.penalty[:, 0]]
        return zip(inverses, self.duals, strict=True)

    def at_optimum(self, query):
        return query._replace(jacobian=self.objective.query_jacobian(query.features))

    def models_without(self, removals, order) -> Iterator[SteppedModels]:
        places = np.full(self.objective.n_rows, -1)
        places[self.counted] = np.arange(len(self.counted))
        for first in range(0, len(removals), MODELS_AT_A_TIME):
            found = [np.unique(places[rows]) for rows in removals[first : first + MODELS_AT_A_TIME]]
            weights = self._weights_without([own[own >= 0] for own in found])
            yield SteppedModels(first + np.arange(len(found)), self.objective, weights)

    def _weights_without(self, removals: list[Any]) -> np.ndarray:
        """Parameters without rows, given by where they are among those that count."""
        n_dimensions = self.coordinates.shape[1]
        weights = np.repeat(self.objective.weights[None], len(removals), axis=0)
        for output, (inverse, duals) in enumerate(self._each):
            pull = np.zeros((len(removals), len(duals)))
            for index, own in enumerate(removals):
                part = inverse[np.ix_(own, own)]
                pull[index, own] = linalg.solve(part, duals[own], assume_a="pos")
            weights[:, output, :n_dimensions] -= (pull @ inverse) @ self.coordinates
        return weights

    def loo_predictor(self):
        predictor = self.objective.predictor(self.objective.jacobian)
        own = [duals / np.diag(inverse) for inverse, duals in self._each]
        predictor[self.counted] = self.held + self.y - np.transpose(own)
        return predictor


def _inverse_of(factor: np.ndarray) -> np.ndarray:
    """The inverse of a matrix by its lower triangular factor, which is overwritten."""
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    return lower + np.tril(lower, -1).T
