"""How many of the rows that are wrong come first in rankings of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score

from ..audit import AuditReport
from ..metrics import at_explainer, mislabel_rankings
from ..utils._drawing import RANKING_NAMES
from ..utils._style import add_legend, dress, name_of, new_axes, palette_of, show_as_percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Rankings of an audit, by its columns.
RANKINGS = ("loss", "loo_loss", "oob_loss", "self_influence")


class DetectionCurveDisplay:
    """Share of the planted errors that are found, against the share of the rows looked at.

    One curve for each ranking of the rows, from the most suspicious one; those of a ranking that
    knows all errors, and of one by chance, are drawn beside them. Rows of equal score are found at
    an even pace. Create it with :meth:`from_estimator` or :meth:`from_report`, which also draw it,
    or from any rankings.

    Parameters
    ----------
    rankings : dict of str to array-like of shape (n_rows,)
        Scores of the rows, larger for more suspicious ones, by the names of the rankings.
    is_wrong : array-like of bool, shape (n_rows,)
        Which rows are the errors; see :func:`~sklearn_relatif.metrics.plant_label_errors`.

    Attributes
    ----------
    average_precision : dict of str to float
        Of each ranking: 1 if all errors come first, about their share if they come by chance.
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves of the rankings.
    ideal_, chance_ : matplotlib.lines.Line2D
        The curves beside them.

    Raises
    ------
    ValueError
        If there is no ranking, no error or nothing else, or a ranking has not one finite score for
        each row.

    Examples
    --------
    >>> from sklearn_relatif.plotting import DetectionCurveDisplay
    >>> display = DetectionCurveDisplay(
    ...     {"loss": [3.0, 0.1, 0.5, 0.2], "age": [20, 30, 40, 50]}, [True, False, True, False]
    ... )
    >>> display.plot().lines_["loss"].get_ydata().tolist()
    [0.0, 0.5, 1.0, 1.0, 1.0]
    """

    def __init__(self, rankings: Mapping[str, ArrayLike], is_wrong: ArrayLike) -> None:
        self.rankings = {name: np.asarray(scores, np.float64) for name, scores in rankings.items()}
        self.is_wrong = np.asarray(is_wrong)
        self._check()
        self.average_precision = {
            name: float(average_precision_score(self.is_wrong, scores))
            for name, scores in self.rankings.items()
        }

    def _check(self) -> None:
        if self.is_wrong.dtype != bool or self.is_wrong.ndim != 1:
            raise ValueError(
                "is_wrong must be True or False for each row; got an array of shape "
                f"{self.is_wrong.shape} and type {self.is_wrong.dtype}."
            )
        if self.is_wrong.all() or not self.is_wrong.any():
            raise ValueError("Of the rows, some must be errors and some not.")
        if not self.rankings:
            raise ValueError("rankings must hold at least one ranking; it is empty.")
        for name, scores in self.rankings.items():
            if scores.shape != self.is_wrong.shape or not np.isfinite(scores).all():
                raise ValueError(
                    f"The ranking {name!r} must have one finite score for each of the "
                    f"{len(self.is_wrong)} rows."
                )

    def plot(self, ax: Axes | None = None) -> DetectionCurveDisplay:
        """Draw the curves, with the average precision of each.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : DetectionCurveDisplay
            Itself, with `ax_`, `figure_`, `lines_`, `ideal_` and `chance_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes(5.6, 4.6) if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        palette, n_wrong = palette_of(ax), np.count_nonzero(self.is_wrong)
        share = n_wrong / len(self.is_wrong)
        grey = palette.neither
        (self.ideal_,) = ax.plot([0, share, 1], [0, 1, 1], color=grey, linewidth=1, zorder=1)
        (self.chance_,) = ax.plot([0, 1], [0, 1], ":", color=grey, linewidth=1, zorder=1)
        self.lines_ = {
            name: ax.plot(*_found(scores, self.is_wrong), **palette.line(place))[0]
            for place, (name, scores) in enumerate(self.rankings.items())
        }
        dress(
            ax,
            f"{n_wrong:,} errors in {len(self.is_wrong):,} rows\naverage precision",
            "rows looked at",
            "errors found",
        )
        ax.set(xlim=(0, 1.01), ylim=(0, 1.01))
        show_as_percent(ax.xaxis, ax.yaxis)
        names = [f"{name_of(name)}: {self.average_precision[name]:.2f}" for name in self.lines_]
        add_legend(
            ax,
            [*self.lines_.values(), self.ideal_, self.chance_],
            [*names, "ideal: 1", f"chance: {share:.2f}"],
        )
        return self

    @classmethod
    def from_estimator(
        cls, estimator: Any, is_wrong: ArrayLike, *, ax: Axes | None = None
    ) -> DetectionCurveDisplay:
        """Draw the rankings of :func:`~sklearn_relatif.metrics.mislabel_rankings`.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
            Of a model with probabilities, fitted to the labels with the errors.
        is_wrong : array-like of bool, shape (n_rows,)
            Which of its training rows are the errors.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : DetectionCurveDisplay

        Raises
        ------
        ValueError
            As the constructor.
        AttributeError
            If the model has no probabilities.
        ImportError
            If matplotlib is not installed.
        """
        explainer, _ = at_explainer(estimator, None)
        return cls(_named(mislabel_rankings(explainer)), is_wrong).plot(ax)

    @classmethod
    def from_report(
        cls, report: AuditReport, is_wrong: ArrayLike, *, ax: Axes | None = None
    ) -> DetectionCurveDisplay:
        """Draw the rankings of an audit: by loss, leave-one-out loss and self-influence.

        Of a forest, the loss out of bag is in the place of that with each row left out.

        Parameters
        ----------
        report : AuditReport
            Of a model that was fitted to the targets with the errors.
        is_wrong : array-like of bool, shape (n_rows,)
            Which of its training rows are the errors.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : DetectionCurveDisplay

        Raises
        ------
        ValueError
            As the constructor.
        ImportError
            If matplotlib is not installed.
        """
        columns = {name: report.columns[name] for name in RANKINGS if name in report.columns}
        return cls(_named(columns), is_wrong).plot(ax)


def _named(rankings: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {RANKING_NAMES.get(name, name): scores for name, scores in rankings.items()}


def _found(scores: np.ndarray, is_wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of rows looked at, and of errors found, where the score falls; both from 0 to 1."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1) + 1
    found = np.cumsum(is_wrong[order])[ends - 1]
    return np.append(0, ends / len(order)), np.append(0, found / found[-1])
