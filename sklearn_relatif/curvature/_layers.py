"""Curvatures of networks by layers: blocks of their own, none of which is coupled to another."""

from __future__ import annotations

from typing import Any

from ._base import measured
from ._composed import ComposedCurvature
from ._inverse import factorise_tangents
from ._kfac import KroneckerCurvature
from ._memory import Factor


class LayeredCurvature(ComposedCurvature):
    """Curvatures of some parameters of one model each, side by side.

    Exact if there is one of them, which is.

    Parameters
    ----------
    members : list of Curvature
    places : list of slice
        The parameters of each.
    """

    def __init__(self, members: list[Any], places: list[slice]) -> None:
        super().__init__(members, [1.0] * len(members), [own.stop - own.start for own in places])
        self.is_exact = self.is_exact and len(members) == 1

    @classmethod
    def of_blocks(cls, total: Any) -> LayeredCurvature:
        """A Cholesky factor of each block of a curvature.

        Parameters
        ----------
        total : TangentOperator
        """
        places = total.objective.jacobian.parameter_blocks
        members = [
            factorise_tangents(total, block, own)
            for block, own in zip(total.blocks(), places, strict=True)
        ]
        return cls(members, places)

    @classmethod
    def of_layers(cls, total: Any, is_corrected: bool = False) -> LayeredCurvature:
        """Kronecker factors of each layer.

        Parameters
        ----------
        total : TangentOperator
        is_corrected : bool
            True for EK-FAC.
        """
        layers = total.layers()
        members = [KroneckerCurvature(layer, is_corrected) for layer in layers]
        return cls(members, [layer.parameters for layer in layers])

    def lengths(self, rows, criterion):
        return measured(rows, criterion, self)

    def has_coordinates(self, objective):
        return True

    def coordinates(self, objective):
        return objective, self


def obstacle_of_layers(objective: Any) -> str | None:
    """Why there are no Kronecker factors of an objective's layers; None if there are."""
    if objective.jacobian.layer_shapes:
        return None
    return "its layers are not known to be dense ones, whose gradients are Kronecker products"


def memory_of_blocks(objective: Any) -> Factor:
    """What the factors of all blocks take at most."""
    sizes = [own.stop - own.start for own in objective.jacobian.parameter_blocks]
    return Factor(len(sizes), max(sizes), objective.dtype.itemsize)
