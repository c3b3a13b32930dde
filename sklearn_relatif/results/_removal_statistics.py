"""What retraining changes, locally and globally."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..utils._boxes import box, line, paragraph, table

#: Removals that a notebook shows.
MAX_REMOVALS = 20


class RemovalStatistics(NamedTuple):
    """What retraining without a row, or a group of rows, changes.

    The quantities of Tables 2 and 4 of Barshan, Brunet & Dziugaite (2020).

    Attributes
    ----------
    loss_change : ndarray of shape (n_queries, n_removals)
        Change of the loss of each query.
    parameter_change : ndarray of shape (n_removals,)
        Norm of the change of the parameters.
    training_change : ndarray of shape (n_removals,)
        Root of the summed squared changes of the losses of the training rows.
    """

    loss_change: np.ndarray
    parameter_change: np.ndarray
    training_change: np.ndarray

    @property
    def loss_per_parameter(self) -> np.ndarray:
        """Absolute change of each query's loss over the norm of the parameter change."""
        return ratio_or_zero(np.abs(self.loss_change), self.parameter_change)

    @property
    def loss_per_training(self) -> np.ndarray:
        """Absolute change of each query's loss over the change of the training losses."""
        return ratio_or_zero(np.abs(self.loss_change), self.training_change)

    def _repr_html_(self) -> str:
        """A box for notebooks: a line a removal, in the order in which they were asked for."""
        n_queries, n_removals = self.loss_change.shape
        headings = (
            "removal",
            "change of the parameters",
            "change of the training losses",
            "mean change of the queries' losses",
            "largest",
        )
        lines = []
        for place in range(min(n_removals, MAX_REMOVALS)):
            change = self.loss_change[:, place]
            largest = change[np.argmax(np.abs(change))] if n_queries else np.nan
            mean = change.mean() if n_queries else np.nan
            sizes = (self.parameter_change[place], self.training_change[place])
            texts = [f"{size:.3g}" for size in sizes] + [f"{c:+.3g}" for c in (mean, largest)]
            lines.append(line([str(place), *texts]))
        n_more = n_removals - len(lines)
        notes = paragraph(f"... and {n_more} more") if n_more > 0 else ""
        way = paragraph("Removals are numbered from 0, as they were asked for.", "soft")
        caption = f"{n_removals} removals, {n_queries} queries"
        return box("RemovalStatistics", caption, table(headings, lines) + notes + way)


def ratio_or_zero(change: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """``change / scale``, and 0 where a removal changes nothing at all."""
    return np.divide(change, scale, out=np.zeros_like(change), where=scale > 0)
