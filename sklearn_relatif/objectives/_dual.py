"""The dual form of hinge machines, and how many parameters they have."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..losses import Hinges

#: Share of its upper bound within which a dual coefficient counts as being at one of its bounds.
BOUND = 1e-6
#: Rows near the margin, and their share of all, besides those on it, that tell the density there.
NEAR, NEAR_SHARE = 10, 0.05
#: Where almost all rows are on the margin, their density there says little.
LEAST_QUOTIENT = 0.1


class DualForm(NamedTuple):
    """The problems of a hinge machine, as their dual sees them.

    Attributes
    ----------
    hinges : Hinges
        What there is a coefficient for.
    alpha : ndarray of shape (n_hinges, n_problems)
        Dual coefficients, as exact as the solver left them.
    upper : ndarray of shape (n_hinges, n_problems)
        Their upper bounds.
    intercept : ndarray of shape (n_problems,) or None
        The unpenalised intercepts that belong to ``kernel``. None: there is no intercept, or a
        penalised one, which is part of the kernel.
    kernel : TrainingKernel or LinearKernel
        In double precision, and free of the offset of the features where nothing depends on it.
    quota : float, default=0.0
        What a row of weight 1 adds to the sum that signed coefficients must have if there is an
        intercept. 0: they are balanced.
    """

    hinges: Hinges
    alpha: np.ndarray
    upper: np.ndarray
    intercept: np.ndarray | None
    kernel: object
    quota: float = 0.0


def hinge_parameters(excess, weight, n_free):
    """Effective number of parameters of hinge machines, shape (n_problems,).

    A free coefficient of the dual, which keeps a row on the margin, is a free parameter. How far
    another sample moves it goes by the share of the rows that pull at it, inside the margin,
    over the density of rows that resist, near the margin; in log losses that quotient is 1.

    Parameters
    ----------
    excess, weight : ndarray of shape (n_hinges, n_problems)
        How far beyond their hinges the predictors are, and what the hinges count.
    n_free : ndarray of shape (n_problems,)
        Free coefficients. The intercept is a parameter too, if there is none.
    """
    quotients = []
    for e, w, n in zip(excess.T, weight.T, n_free, strict=True):
        e, w = e[w > 0], w[w > 0]
        n_near = min(len(e), n + max(NEAR, int(NEAR_SHARE * len(e))))
        near = np.argpartition(np.abs(e), n_near - 1)[:n_near]
        width = 2 * np.abs(e[near]).max()
        quotients.append(w[e < 0].sum() * width / w[near].sum())
    return np.maximum(n_free, 1) * np.clip(quotients, LEAST_QUOTIENT, 1)
