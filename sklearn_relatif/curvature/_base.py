"""What every curvature can be asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..jacobians import Gradients
from ..results import SolverChoice
from ..utils._blocks import row_blocks
from ..utils._distribution import map_parts, split
from ..utils._threads import FEW_COLUMNS, for_each
from ._memory import Factor


class NoFactor(ValueError):
    """A curvature is asked for what takes a factor of it, and has none."""


class Curvature:
    """The inverse of the curvature ``M`` of an objective.

    A solver is a class of its own, which has a :attr:`dtype` and a :meth:`solve`. With
    :meth:`whiten` and :meth:`unwhiten` relative influence comes from the solver as well, and with
    :meth:`quadratic_form` leverages do.

    Attributes
    ----------
    dtype : dtype
        Precision of the solutions.
    is_exact : bool
        Whether these are the solutions of the whole of ``M``, but for rounding.
    is_iterative : bool
        Whether they are found by iteration: no factor applies to a gradient.
    holds_rows : bool
        Whether solving goes through the training rows, which come with the curvature.
    is_dense : bool
        Whether one triangular factor couples all of the parameters.
    is_accurate : bool
        Whether a factor is known to at least half of its digits, so that
        :meth:`n_parameters` can be asked.
    condition : float
        Estimate of the condition number with all parameters at the same scale; NaN: not known.
    n_whitened : int
        Length of a whitened gradient, where there is one.
    """

    dtype: np.dtype
    is_exact = False
    is_iterative = False
    holds_rows = False
    is_dense = False
    is_accurate = False
    condition = np.nan
    n_whitened: Any

    @classmethod
    def obstacle(cls, sizes: Any, kind: str, damping: float) -> str | None:
        """Why it cannot be that of an objective of some sizes; None if it can."""
        return None

    @classmethod
    def memory(cls, sizes: Any, kind: str) -> Factor:
        """What it takes of memory that is of the size of matrices."""
        return Factor(0, 0)

    @property
    def factored(self) -> Curvature | None:
        """What solves without iteration: itself, an approximation of it, or None."""
        return self

    def solve(self, gradients: np.ndarray) -> np.ndarray:
        """``M^-1 g`` for each row g, shape (n, n_params). ``gradients`` may be overwritten."""
        raise NotImplementedError

    def whiten(self, gradients: np.ndarray) -> np.ndarray:
        """``L^-1 g`` for each row g with ``M = L L^T``, shape (n, n_whitened). May overwrite."""
        raise NoFactor(f"{type(self).__name__} has no factor to whiten gradients with.")

    def unwhiten(self, whitened: np.ndarray) -> np.ndarray:
        """``L^-T v`` for each row v: turns ``L^-1 g`` into ``M^-1 g``. May overwrite."""
        raise NoFactor(f"{type(self).__name__} has no factor to whiten gradients with.")

    def check_factored(self, name: str) -> None:
        """Raise a NoFactor, in the name of what needs it, if no factor applies to a gradient."""
        if self.is_iterative:
            raise NoFactor(
                f"{name} needs a curvature that is factored: the solvers 'cg' and 'lissa', and "
                "'woodbury' for a large softmax regression on sparse features, go through "
                "the training features for each query. Fit with another solver, such as "
                "'cholesky', 'block_diagonal' or 'ekfac'."
            )

    def lengths(self, rows: Any, criterion: str) -> dict[str, np.ndarray]:
        """Lengths of the whitened and of the solved unit gradients of the training rows.

        Parameters
        ----------
        rows : Gradients
        criterion : {"theta_relative", "loss_relative"}
            "theta_relative" continues from the loss-relative scales, and returns both.

        Returns
        -------
        dict of str to ndarray of shape (n_rows,)
        """
        return measured(rows, criterion, self)

    def self_influence(self, objective: Any) -> np.ndarray | None:
        """Influence of each training row on its own loss, shape (n_rows,).

        None where that is the square of the loss-relative length of its gradient.
        """
        return None

    def quadratic_form(self, n_outputs: int) -> Callable[[np.ndarray], np.ndarray]:
        """A function of features x (n, n_columns) to the forms ``x^T [M^-1]_kl x``.

        They have shape (n, n_outputs, n_outputs), or (n, n_outputs) where the curvature does
        not couple the outputs.
        """
        raise NoFactor(f"{type(self).__name__} has no closed form for other rows.")

    def forms(self, objective: Any) -> Callable[[Any], np.ndarray]:
        """A function of some of an objective's rows to their ``x~_i^T [M^-1]_kl x~_i``.

        They are given by a slice, or by their positions.
        """
        form, jacobian = self.quadratic_form(objective.shape[0]), objective.jacobian
        dtype = np.promote_types(self.dtype, jacobian.dtype)
        return lambda rows: form(jacobian.dense_block(rows).astype(dtype, copy=False))

    def n_parameters(self, ridge: np.ndarray) -> float:
        """``tr(M^-1 (M - diag(ridge)))``, where ridge (n_params,) is the penalty's part of M."""
        raise NoFactor(f"{type(self).__name__} has no factor that counts parameters.")

    def has_coordinates(self, objective: Any) -> bool:
        """Whether :meth:`coordinates` answers."""
        return True

    def coordinates(self, objective: Any) -> tuple[Any, Curvature]:
        """The objective and its curvature, with gradients that are few enough to be written down.

        They are the same but for wide sparse data, which are explained without coordinates: then
        they are those of the space that the rows span, found when first needed.

        Raises
        ------
        NoFactor
            If they are too large.
        """
        return objective, self


class Prepared(NamedTuple):
    """What explains: an objective, its curvature in the same coordinates, and the solver."""

    objective: Any
    curvature: Curvature
    solver: SolverChoice


def measured(rows: Any, criterion: str, factor: Any, of_part: Any = None) -> dict[str, np.ndarray]:
    """What :meth:`Curvature.lengths` returns, in one pass over the rows.

    Parameters
    ----------
    rows : Gradients
    criterion : {"theta_relative", "loss_relative"}
    factor : object with ``whiten`` and ``unwhiten``
    of_part : callable, default=None
        Does the same for a part of the rows. None: :func:`measured_part`.
    """
    of_part = of_part or measured_part
    if not rows.can_be_split:
        return of_part(rows, criterion, factor)
    found = map_parts(partial(_on_part, of_part), split(*rows.pieces), criterion, factor)
    return {name: np.concatenate([scales[name] for scales in found]) for name in found[0]}


def _on_part(of_part: Any, part: tuple, criterion: str, factor: Any) -> dict[str, np.ndarray]:
    scales: dict[str, np.ndarray] = of_part(Gradients(*part), criterion, factor)
    return scales


def criterion_names(criterion: str) -> tuple[str, ...]:
    """The criteria whose lengths come together with those of one."""
    return ("loss_relative", "theta_relative")[: 1 + (criterion == "theta_relative")]


def measured_part(rows: Any, criterion: str, factor: Any) -> dict[str, np.ndarray]:
    """The same of some rows, by products with a factor."""
    scales = {name: np.empty(rows.n_rows, rows.dtype) for name in criterion_names(criterion)}

    def measure(block: slice) -> None:
        gradients = factor.whiten(rows.block(block))
        scales["loss_relative"][block] = rows.lengths(block, gradients)
        if criterion == "theta_relative":
            scales["theta_relative"][block] = rows.lengths(block, factor.unwhiten(gradients))

    bytes_per_row = rows.n_values * rows.dtype.itemsize
    if rows.are_vectors and rows.n_values <= FEW_COLUMNS and rows.place is None:
        for_each(measure, list(row_blocks(rows.n_rows, bytes_per_row, rows.jacobian.bytes_at_once)))
    else:
        for block in row_blocks(rows.n_rows, bytes_per_row, rows.block_bytes):
            measure(block)
    return scales
