"""Explainers that have let go of their training features."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ._explanation import Explanation, TrainingRows
from .curvature import SplitCurvature
from .objectives import Design, GradientRows, LinearObjective

#: Precision in which a compact explainer keeps its training rows.
KEPT = np.float32


class CompactExplainer:
    """Explains by the index of training rows whose features it does not have.

    Made by :meth:`RelatIFExplainer.compact`, whose docstring says what it keeps and costs.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    training_rows_ : TrainingRows
    """

    def __init__(self, explainer):
        self._explainer = explainer

    @property
    def classes_(self) -> np.ndarray:
        return self._explainer.classes_

    @property
    def training_rows_(self) -> TrainingRows:
        return self._explainer.training_rows_

    def explain(
        self,
        X,
        y=None,
        *,
        n_examples: int = 5,
        sign: str = "positive",
        criterion: str | Sequence[str] | None = None,
    ) -> Explanation | dict[str, Explanation]:
        """Find the training rows that explain predictions best.

        Takes and returns what :meth:`RelatIFExplainer.explain` does.
        """
        return self._explainer.explain(X, y, n_examples=n_examples, sign=sign, criterion=criterion)

    def pairwise_influence(self, X, y=None, *, criterion: str | None = None) -> np.ndarray:
        """Score of every training row for every query, shape (n_queries, n_rows).

        Takes and returns what :meth:`RelatIFExplainer.pairwise_influence` does.
        """
        return self._explainer.pairwise_influence(X, y, criterion=criterion)


@dataclass(frozen=True)
class CompactObjective(LinearObjective):
    """What queries need of an objective, and its rows without a design of their own.

    Attributes
    ----------
    rows : GradientRows
        In the coordinates of :func:`uncorrelated`.
    """

    rows: Any = None


class CompactCurvature:
    """The inverse of a curvature, with the solutions in the coordinates of compact rows.

    Parameters
    ----------
    curvature : curvature object
    basis : ndarray of shape (n_columns, n_coordinates) or None
    """

    def __init__(self, curvature, basis):
        self.curvature = curvature
        self.basis = basis

    def solve(self, gradients):
        """``M^-1 g`` for each row g, in the form that multiplies coordinates. Overwrites."""
        solved = self.curvature.solve(gradients)
        if self.basis is not None:
            solved = solved.reshape(-1, len(self.basis)) @ self.basis
        return solved.reshape(len(gradients), -1).astype(KEPT)


def check_compactable(objective, curvature) -> None:
    """Raise a ValueError if queries cannot be explained without the training features."""
    if not isinstance(objective, LinearObjective):
        raise ValueError(
            "compact() is for linear models: kernel machines, and curvature='active_set', "
            "compare queries with the training features themselves."
        )
    check_factored("compact()", curvature)


def check_factored(name, curvature) -> None:
    """Raise a ValueError if a curvature has no factor that applies to queries."""
    if isinstance(curvature, SplitCurvature):
        raise ValueError(
            f"{name} needs a curvature that is factored: the solvers 'cg' and 'lissa' go through "
            "the training features for each query. Fit with another solver, such as 'cholesky', "
            "'block_diagonal' or 'ekfac'."
        )


def compact_objective(objective: LinearObjective) -> tuple[CompactObjective, Any]:
    """An objective without training features, and the basis of its rows' coordinates."""
    rows, basis = objective.rows, None
    if objective.design.is_sparse:
        design = objective.design.astype(KEPT)
    else:
        coordinates, basis = uncorrelated(objective)
        design = Design(coordinates, fit_intercept=False)
    empty = copy(objective.design)
    empty.X, empty.n_rows = objective.design.X[:0].copy(), 0
    parts = {field.name: getattr(objective, field.name) for field in fields(objective)}
    parts |= {
        "design": empty,
        "y": objective.y[:0].copy(),
        "sample_weight": objective.sample_weight[:0].copy(),
        "output_weight": None,
        "full_design": None,
        "inactive_bound": None,
        "rows": GradientRows(design, rows.unit.astype(KEPT), rows.norm),
    }
    return CompactObjective(**parts), basis


def uncorrelated(objective) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of the training features in which they are uncorrelated and of one size.

    So single precision does as little harm as it can: no feature is large because of its unit,
    or because of a mean that an intercept cancels.

    Returns
    -------
    coordinates : ndarray of shape (n_rows, n_coordinates)
    basis : ndarray of shape (n_columns, n_coordinates)
        ``coordinates @ basis.T`` is the design, up to rounding.
    """
    n_columns = objective.design.n_columns
    gram = np.zeros((n_columns, n_columns))
    for rows in objective.blocks(2 * n_columns):
        x = objective.design.block(rows).astype(np.float64, copy=False)
        gram += x.T @ x
    lengths = np.sqrt(np.diag(gram) / objective.n_rows)
    lengths[lengths == 0] = 1
    values, vectors = np.linalg.eigh(gram / np.outer(lengths, lengths) / objective.n_rows)
    kept = values > 10 * np.sqrt(n_columns) * np.finfo(float).eps * values.max()
    vectors, roots = vectors[:, kept], np.sqrt(values[kept])
    transform, basis = vectors / roots / lengths[:, None], vectors * roots * lengths[:, None]
    coordinates = np.empty((objective.n_rows, len(roots)), KEPT)
    for rows in objective.blocks(2 * n_columns):
        coordinates[rows] = objective.design.block(rows) @ transform
    return coordinates, basis
