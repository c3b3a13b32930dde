"""The Jacobian of several models side by side, each with parameters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._base import FiniteJacobian


class ComposedJacobian(FiniteJacobian):
    """Predictors of several models, which share no parameters: ``J_i`` is block diagonal.

    Other rows, and predictors by other parameters, are the business of each member.

    Parameters
    ----------
    members : sequence of FiniteJacobian
        Of the same rows.
    n_outputs : sequence of int
        How many each has.

    Attributes
    ----------
    columns : tuple of slice
        The outputs of each member.
    parameters : tuple of slice
        Its parameters.
    """

    def __init__(self, members: Sequence[Any], n_outputs: Sequence[int]) -> None:
        self.members = tuple(members)
        self.n_outputs = tuple(n_outputs)
        both = zip(self.members, self.n_outputs, strict=True)
        self.columns = slices_of(self.n_outputs)
        self.parameters = slices_of([member.n_values(n) for member, n in both])
        self.n_params = self.parameters[-1].stop
        self.n_rows = self.members[0].n_rows
        self.dtype = np.result_type(*(member.dtype for member in self.members))

    def n_formed(self, n_vectors, n_outputs):
        """That of the member that forms most of them."""
        both = zip(self.members, self.n_outputs, strict=True)
        return max(member.n_formed(n_vectors, own) for member, own in both)

    def __getitem__(self, rows):
        return ComposedJacobian([member[rows] for member in self.members], self.n_outputs)

    def part(self, rows):
        members = [member.part(rows) for member in self.members]
        return ComposedJacobian(members, self.n_outputs)

    def gradients(self, residual, rows):
        """A fresh block of gradients, those of the members side by side."""
        both = zip(self.members, self.columns, strict=True)
        return np.hstack([member.gradients(residual[:, own], rows) for member, own in both])

    def products(self, block, residual, rows):
        """The sum of the members' own products, which none of them has to form gradients for."""
        total = np.zeros((len(block), len(residual)), np.result_type(block, residual))
        for member, own, columns in zip(self.members, self.parameters, self.columns, strict=True):
            if residual[:, columns].any():
                part = np.ascontiguousarray(block[:, own])
                total += member.products(part, np.ascontiguousarray(residual[:, columns]), rows)
        return total

    def apply(self, vectors, rows=slice(None)):
        both = zip(self.members, self.parameters, strict=True)
        moved = [
            member.apply(np.ascontiguousarray(vectors[:, own], member.dtype), rows)
            for member, own in both
        ]
        return np.concatenate(moved, axis=2)

    def adjoint(self, residual, rows=slice(None)):
        both = zip(self.members, self.columns, strict=True)
        return np.hstack([member.adjoint(residual[:, :, own], rows) for member, own in both])


def slices_of(sizes: Sequence[int]) -> tuple[slice, ...]:
    """Where pieces of some sizes are, one after the other."""
    ends = np.cumsum(sizes).tolist()
    return tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))
