"""The curvature of a model that is made of several: block diagonal, a block a member."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..jacobians import Gradients, slices_of
from ._base import Curvature


class ComposedCurvature(Curvature):
    """Curvatures side by side, each of which is ``scale`` times that of a member.

    Parameters
    ----------
    members : sequence of Curvature
    scales : sequence of float
        ``S_p / S``, as members count in the whole; 1 for the identity.
    n_params : sequence of int
        Parameters of each member.
    """

    def __init__(
        self, members: Sequence[Curvature], scales: Sequence[float], n_params: Sequence[int]
    ) -> None:
        self.members = tuple(members)
        self.scales = tuple(scales)
        self.n_params = tuple(n_params)
        self.parameters = slices_of(self.n_params)
        self.dtype = np.result_type(*(member.dtype for member in self.members))
        self.is_exact = all(member.is_exact for member in self.members)
        self.is_iterative = any(member.is_iterative for member in self.members)
        self.holds_rows = any(member.holds_rows for member in self.members)
        self.condition = max(member.condition for member in self.members)

    @property
    def n_whitened(self):
        return sum(member.n_whitened for member in self.members)

    @property
    def factored(self):
        members = [own for member in self.members if (own := member.factored) is not None]
        if len(members) < len(self.members):
            return None
        return ComposedCurvature(members, self.scales, self.n_params)

    def check_factored(self, name):
        for member in self.members:
            member.check_factored(name)

    def _of_each(self, function, vectors, pieces, power):
        """A function of each member and its piece of the vectors, over the power of its scale."""
        found = []
        for member, scale, own in zip(self.members, self.scales, pieces, strict=True):
            piece = np.array(vectors[:, own], member.dtype)
            found.append(function(member, piece) / member.dtype.type(scale**power))
        return np.hstack(found)

    def solve(self, gradients):
        return self._of_each(lambda member, g: member.solve(g), gradients, self.parameters, 1)

    def whiten(self, gradients):
        return self._of_each(lambda member, g: member.whiten(g), gradients, self.parameters, 0.5)

    def unwhiten(self, whitened):
        pieces = slices_of([member.n_whitened for member in self.members])
        return self._of_each(lambda member, v: member.unwhiten(v), whitened, pieces, 0.5)

    def lengths(self, rows, criterion):
        """Those of the members together, each measured by its own."""
        squares: dict[str, np.ndarray] = {}
        both = zip(
            self.members, self.scales, rows.jacobian.members, rows.jacobian.columns, strict=True
        )
        for member, scale, jacobian, columns in both:
            own = Gradients(jacobian, np.ascontiguousarray(rows.unit[:, columns]), rows.norm)
            for name, length in member.lengths(own, criterion).items():
                power = 1 if name == "loss_relative" else 2
                square = length.astype(np.float64) ** 2 / scale**power
                squares[name] = squares.get(name, 0.0) + square
        return {name: np.sqrt(square).astype(rows.dtype) for name, square in squares.items()}

    def has_coordinates(self, objective):
        both = zip(self.members, objective.members, strict=True)
        return all(curvature.has_coordinates(member.objective) for curvature, member in both)

    def coordinates(self, objective):
        both = zip(self.members, objective.members, strict=True)
        found = [curvature.coordinates(member.objective) for curvature, member in both]
        if all(own is m.objective for (own, _), m in zip(found, objective.members, strict=True)):
            return objective, self
        objectives, members = zip(*found, strict=True)
        sizes = [own.weights.size for own in objectives]
        return (
            objective.with_objectives(objectives),
            ComposedCurvature(members, self.scales, sizes),
        )
