"""Objectives of networks, at parameters where they may be neither convex nor at an optimum."""

from __future__ import annotations

from dataclasses import dataclass

from ._gauss_newton import GaussNewtonObjective


@dataclass(frozen=True)
class NetworkObjective(GaussNewtonObjective):
    """A trained network, by its loss and its Jacobian at the trained parameters.

    Training stopped somewhere: the gradient need not be zero there, nor the Hessian positive
    definite. The damped Gauss-Newton matrix is, and to first order tells what the proximal
    Bregman response (Bae et al., 2022) does.
    """

    removal_kind = "network"
