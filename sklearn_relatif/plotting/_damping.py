"""Fidelity to retraining over the damping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from ..utils._style import dress, new_axes, palette_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Ticks of the axis of damping, at most.
MAX_TICKS = 7


class DampingDisplay:
    """Fidelity to retraining over the damping, with its spread over the folds.

    Create it with :meth:`from_search` or :meth:`from_estimator`, which also draw it.

    Parameters
    ----------
    damping : array-like of shape (n_values,)
        Not negative, each value once.
    fidelity : array-like of shape (n_values,)
        Mean score of each.
    spread : array-like of shape (n_values,), optional
        Standard deviation of the score over the folds.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    line_ : matplotlib.lines.Line2D
        The mean.
    best_ : matplotlib.lines.Line2D
        The mark of the best damping.

    Examples
    --------
    >>> from sklearn_relatif.plotting import DampingDisplay
    >>> display = DampingDisplay([0.0, 1e-3, 1.0], [0.7, 0.8, 0.2])
    >>> display.plot().ax_.get_title()
    'best: 0.001'
    """

    def __init__(
        self, damping: ArrayLike, fidelity: ArrayLike, spread: ArrayLike | None = None
    ) -> None:
        order = np.argsort(damping)
        self.damping = np.asarray(damping, dtype=np.float64)[order]
        self.fidelity = np.asarray(fidelity)[order]
        self.spread = None if spread is None else np.asarray(spread)[order]

    def plot(self, ax: Axes | None = None) -> DampingDisplay:
        """Draw the curve on a logarithmic axis, to the left of which 0 has its place.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : DampingDisplay
            Itself, with `ax_`, `figure_`, `line_` and `best_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes(6, 3.6) if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        palette, places = palette_of(ax), self._places()
        (self.line_,) = ax.plot(places, self.fidelity, "o-", color=palette.supports, markersize=4)
        if self.spread is not None:
            low, high = self.fidelity - self.spread, self.fidelity + self.spread
            ax.fill_between(places, low, high, color=palette.supports, alpha=0.15, linewidth=0)
        best = int(np.nanargmax(self.fidelity))
        self.best_ = ax.axvline(places[best], color=palette.opposes, linestyle="--", zorder=0)
        self._set_ticks(places)
        dress(ax, f"best: {self.damping[best]:.3g}", "damping", "fidelity to retraining")
        return self

    def _places(self) -> np.ndarray:
        """Logarithms to base 10 of the damping; 0 comes a decade before the smallest."""
        is_positive = self.damping > 0
        places = np.log10(self.damping, where=is_positive, out=np.zeros(len(self.damping)))
        places[~is_positive] = np.floor(places[is_positive].min(initial=1)) - 1
        return places

    def _set_ticks(self, places: np.ndarray) -> None:
        positive = places[self.damping > 0]
        ticks, names = [], []
        if len(positive) < len(places):
            ticks, names = [places[0]], ["0"]
        if len(positive):
            first, last = np.floor(positive.min()), np.ceil(positive.max())
            step = max(1, int(np.ceil((last - first + 1) / MAX_TICKS)))
            decades = np.arange(first, last + 1, step)
            ticks += list(decades)
            names += [f"$10^{{{decade:.0f}}}$" for decade in decades]
        self.ax_.set_xticks(ticks, names)

    @classmethod
    def from_search(cls, search: Any, *, ax: Axes | None = None) -> DampingDisplay:
        """Draw the scores of a search over the damping.

        Parameters
        ----------
        search : fitted GridSearchCV or the like
            Over ``damping`` of an explainer or of one in a Pipeline. If other parameters vary
            too, each damping is drawn with the best of them.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : DampingDisplay

        Raises
        ------
        ValueError
            If the search was not over the damping, or has several scores.
        ImportError
            If matplotlib is not installed.
        """
        results = search.cv_results_
        name = next((name for name in results if name.split("__")[-1] in _DAMPING), None)
        if name is None or "mean_test_score" not in results:
            raise ValueError(
                "The search must be over 'damping' with one score; its results have "
                f"{', '.join(sorted(results))}."
            )
        damping, mean = np.asarray(results[name], np.float64), results["mean_test_score"]
        values = np.unique(damping)
        best = [
            max(np.flatnonzero(damping == value), key=lambda at: np.nan_to_num(mean[at], nan=-2))
            for value in values
        ]
        return cls(values, mean[best], results["std_test_score"][best]).plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        damping: ArrayLike,
        cv: Any = None,
        ax: Axes | None = None,
    ) -> DampingDisplay:
        """Search over the damping, and draw the scores.

        Parameters
        ----------
        estimator : RelatIFExplainer, or Pipeline that ends in one
            Need not be fitted.
        X : {array-like, sparse matrix, data frame} of shape (n_rows, n_features)
            Rows to train and to explain.
        y : array-like of shape (n_rows,)
            Their labels.
        damping : array-like of shape (n_values,)
            The values to try.
        cv : int, cross-validation generator or iterable, default=None
            As in GridSearchCV.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : DampingDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        name = "damping"
        if isinstance(estimator, Pipeline):
            name = f"{estimator.steps[-1][0]}__damping"
        search = GridSearchCV(estimator, {name: list(np.asarray(damping))}, cv=cv, refit=False)
        return cls.from_search(search.fit(X, y), ax=ax)


#: Ends of the names of the results of a search that hold the damping.
_DAMPING = ("damping", "param_damping")
