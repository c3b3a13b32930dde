"""Studentised residuals against leverage, with contours of Cook's distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..diagnostics import diagnostic_columns
from ..explainers import study_of
from ..metrics import at_explainer
from ..utils._drawing import draw_points, label_points
from ..utils._style import add_legend, dress, name_of, new_axes, palette_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

#: Cook's distances of the contours, with the dashes of each: the usual ones for "look at this row"
#: and "this row moves the model".
LEVELS = {0.5: "--", 1.0: "-"}
#: The column of residuals; of several targets, the beginning of its names.
RESIDUAL = "studentised_internal"
#: Points of a contour.
N_STEPS = 200
#: Share of an axis that is left free beyond its outermost point.
MARGIN = 0.06


class CooksDistanceDisplay:
    """Studentised residuals of the training rows against leverage, with Cook's distance.

    Cook's distance is large where both are: ``D = r^2 h / (p (1 - h))`` with the studentised
    residual r, the leverage h and the number of parameters p, which is the sum of all leverages.
    So rows beyond a contour have a larger one. R draws the same of a linear model as "Residuals vs
    Leverage". Create it with :meth:`from_estimator`, which also draws it.

    Parameters
    ----------
    leverage : array-like of shape (n_rows,)
        Of all rows that count in the fit: their mean is ``p / n``.
    residual : array-like of shape (n_rows,)
        Internally studentised residuals, with their signs; NaN where there is none.
    cooks_distance : array-like of shape (n_rows,)
        NaN where there is none.
    rows : array-like of shape (n_rows,)
        The rows' names.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    points_ : matplotlib.collections.PathCollection
        The rows that have a residual.
    contours_ : dict of float to list of matplotlib.lines.Line2D
        Of each Cook's distance, above and below; empty where none is in sight.
    cutoff_ : matplotlib.lines.Line2D or None
        Where the leverage is twice its mean, ``2 p / n``; None where that is not in sight.

    Examples
    --------
    >>> from sklearn_relatif.plotting import CooksDistanceDisplay
    >>> display = CooksDistanceDisplay(
    ...     [0.2, 0.3, 0.5], [0.9, -1.4, 1.1], [0.2, 0.84, 1.21], ["ann", "bob", "cid"]
    ... )
    >>> display.plot(n_named=1).ax_.get_title()
    "largest Cook's distance: 1.21 (cid)"
    """

    def __init__(
        self,
        leverage: ArrayLike,
        residual: ArrayLike,
        cooks_distance: ArrayLike,
        rows: ArrayLike,
    ) -> None:
        self.leverage = np.asarray(leverage, dtype=np.float64)
        self.residual = np.asarray(residual, dtype=np.float64)
        self.cooks_distance = np.asarray(cooks_distance, dtype=np.float64)
        self.rows = np.asarray(rows)

    def plot(self, ax: Axes | None = None, *, n_named: int = 3) -> CooksDistanceDisplay:
        """Draw the rows, the contours of Cook's distance 0.5 and 1, and the cutoff of leverage.

        Rows without a residual, such as those of a leverage of 1, are not drawn; the title counts
        them.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        n_named : int, default=3
            How many rows to name: those of the largest Cook's distance, and as many of the largest
            leverage.

        Returns
        -------
        display : CooksDistanceDisplay
            Itself, with `ax_`, `figure_`, `points_`, `contours_` and `cutoff_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes() if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        drawn = np.flatnonzero(np.isfinite(self.residual))
        x, y = self.leverage[drawn], self.residual[drawn]
        palette = palette_of(ax)
        ax.margins(MARGIN)
        self.points_ = draw_points(ax, x, y)
        dress(ax, self._title(len(drawn)), "leverage", "studentised residual")
        ax.autoscale_view()
        limits = ax.get_xlim(), ax.get_ylim()
        (left, right), heights = limits
        grey = palette.neither
        ax.plot([left, right], [0, 0], color=grey, linewidth=0.8, zorder=0)
        self.cutoff_ = None
        cutoff = 2 * self.leverage.mean() if len(drawn) else np.nan
        keys: dict[str, Line2D] = {}
        self.contours_ = {level: self._draw_contour(level, limits) for level in LEVELS}
        for level, lines in self.contours_.items():
            keys |= {f"Cook's distance {level:g}": line for line in lines[:1]}
        if left < cutoff < right:
            (self.cutoff_,) = ax.plot([cutoff, cutoff], heights, ":", color=grey, zorder=0)
            keys[f"leverage 2p/n = {cutoff:.2g}"] = self.cutoff_
        ax.set(xlim=limits[0], ylim=limits[1])
        top = add_legend(ax, list(keys.values()), list(keys))
        largest = [
            np.argsort(-self._size_of(values[drawn]), kind="stable")[:n_named]
            for values in (self.cooks_distance, self.leverage)
        ]
        named = list(dict.fromkeys(np.concatenate(largest).tolist()))
        label_points(ax, x[named], y[named], self.rows[drawn[named]], top=top)
        return self

    @staticmethod
    def _size_of(values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(values, nan=-np.inf)

    def _title(self, n_drawn: int) -> str:
        if not n_drawn:
            return "no row has a studentised residual"
        first = int(np.argmax(self._size_of(self.cooks_distance)))
        distance = f"{self.cooks_distance[first]:.3g}"
        title = f"largest Cook's distance: {distance} ({name_of(self.rows[first], 30)})"
        n_left_out = len(self.rows) - n_drawn
        without = "without a residual, not drawn"
        rows = "row" if n_left_out == 1 else "rows"
        return title if not n_left_out else f"{title}\n{n_left_out:,} {rows} {without}"

    def _draw_contour(self, level: float, limits: Any) -> list[Line2D]:
        """Where Cook's distance is of a level, above and below, as far as it is in sight."""
        (left, right), heights = limits
        color, dashes = palette_of(self.ax_).opposes, LEVELS[level]
        product = level * self.leverage.sum()
        lines = []
        for edge in heights[::-1]:
            start, end = max(left, product / (product + edge**2)), min(right, 1)
            if start < end:
                leverage = np.linspace(start, end, N_STEPS)
                height = np.sign(edge) * np.sqrt(product * (1 - leverage) / leverage)
                lines += self.ax_.plot(
                    leverage, height, dashes, color=color, linewidth=1, zorder=0.5
                )
        return lines

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, target: int | None = None, ax: Axes | None = None
    ) -> CooksDistanceDisplay:
        """Draw the training rows of an explainer, from its :meth:`RelatIFExplainer.diagnostics`.

        The residuals are ``studentised_internal`` there: of a generalised linear model, Pearson
        residuals; of two classes, positive for rows of the second one.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
            Of a model with one output, such as linear and logistic regression of two classes, or of
            a regression of several targets.
        target : int, optional
            Position of the target of a regression of several.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : CooksDistanceDisplay

        Raises
        ------
        TypeError
            If the model has no studentised residuals, as with more than two classes.
        ValueError
            If `target` is not one of the targets.
        ImportError
            If matplotlib is not installed.
        """
        explainer, _ = at_explainer(estimator, None)
        study = study_of(explainer)
        numbers = diagnostic_columns(study, dfbetas=False)
        endings = [name.removeprefix(RESIDUAL) for name in numbers if name.startswith(RESIDUAL)]
        if not endings:
            raise TypeError(
                f"{type(study.model).__name__} has no studentised residuals: they are of models "
                "with a likelihood and one output. LeverageDisplay draws what there is."
            )
        choices: list[int | None] = [None] if endings == [""] else list(range(len(endings)))
        if target not in choices:
            raise ValueError(f"target must be one of {choices}; got {target!r}.")
        ending = endings[choices.index(target)]
        counts = study.objective.sample_weight > 0
        leverage, residual, distance = (
            numbers[name + ending][counts] for name in ("leverage", RESIDUAL, "cooks_distance")
        )
        return cls(leverage, residual, distance, study.training_rows.index[counts]).plot(ax)
