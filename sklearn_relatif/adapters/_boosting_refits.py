"""Boosted models grown again without some of their rows, by the estimator's own fits."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import _safe_indexing, compute_sample_weight
from sklearn.utils.parallel import Parallel, delayed

from ..objectives import Refits


class Given(NamedTuple):
    """What a fit is given.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Positions among all.
    sample_weight : ndarray of shape (n,)
    """

    rows: np.ndarray
    sample_weight: np.ndarray


@dataclass(frozen=True)
class BoostingRefits(Refits):
    """Fits by the estimator's own ``fit`` and ``random_state``, of the rows that are left.

    Rows are left out: at weight 0 they would still count in the bins of features and in how many
    rows a leaf must have. Balanced class weights are those of all rows. A fit that has stopped
    early is repeated with as many trees, of the rows that it has not held out.

    Attributes
    ----------
    adapter : BoostingAdapter
    model : fitted estimator
    X : ndarray, CSR matrix or data frame of shape (n_rows, n_features)
    y : ndarray of shape (n_rows,)
        Targets as the loss takes them.
    sample_weight : ndarray of shape (n_rows,)
        As it was given to the fit.
    grown_from : ndarray of int
        The rows that the fit has not held out, to stop early by.
    """

    adapter: Any
    model: Any
    X: Any
    y: np.ndarray
    sample_weight: np.ndarray
    grown_from: np.ndarray

    def models(self, removals, n_jobs=None):
        return self._fitted([self._given(rows) for rows in removals], n_jobs)

    def objectives(self, removals, n_jobs=None):
        each = [self._given(rows) for rows in removals]
        return [
            self.adapter.reduce(model, _safe_indexing(self.X, rows), self.y[rows], sample_weight)
            for model, (rows, sample_weight) in zip(self._fitted(each, n_jobs), each, strict=True)
        ]

    def _fitted(self, each: Sequence[Given], n_jobs: int | None) -> list[Any]:
        if not self.adapter.is_seeded(self.model):
            name = type(self.model).__name__
            raise ValueError(
                f"Fits of this {name} without rows would differ from it by what they draw, and not "
                f"by the rows alone: its random_state is "
                f"{self.model.get_params().get('random_state')!r}. Fit it with a number as "
                "random_state; order='structure' and order='first' need none."
            )
        estimator = self.adapter.held(self.model)
        if self._are_balanced:
            estimator.set_params(class_weight=None)
        labels = self.adapter.targets(self.model).shown(self.y, None)
        options = self.adapter.options_of_fit(self.model)
        fitted: list[Any] = Parallel(n_jobs=n_jobs)(
            delayed(_fit)(estimator, self.X, labels, *given, options) for given in each
        )
        for refit in fitted:
            self.adapter.check_refit(self.model, refit)
        return fitted

    def _given(self, rows: np.ndarray) -> Given:
        left = np.setdiff1d(self.grown_from, rows)
        weight = self.sample_weight
        if self._are_balanced:
            weight = weight * compute_sample_weight("balanced", self.y)
        return Given(left, weight[left])

    @property
    def _are_balanced(self) -> bool:
        """Whether rows bear the weights of their classes, which the estimator would balance."""
        return bool(self.model.get_params().get("class_weight") == "balanced")


def _fit(
    estimator: Any,
    X: Any,
    y: Any,
    rows: np.ndarray,
    sample_weight: np.ndarray,
    options: dict[str, Any],
) -> Any:
    # Weights of 1 are what a fit without any takes.
    weight = {"sample_weight": sample_weight} if (sample_weight != 1).any() else {}
    # No clone: estimators that hand out copies of their parameters have none.
    return deepcopy(estimator).fit(_safe_indexing(X, rows), y[rows], **weight, **options)
