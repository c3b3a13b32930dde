"""The training rows as points: which ones pull at the model, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..audit import AuditReport, losses, times_first
from ..explainers import study_of
from ..metrics import at_explainer
from ..utils._drawing import draw_points, label_points, on_log_axis
from ..utils._style import dress, new_axes, palette_of, size_of_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Share of an axis that is left free beyond its outermost point.
MARGIN = 0.06
#: Area of the mark of a hub, in square points.
HUB_AREA = 50.0
#: Area of the largest and of the smallest bubble, in square points.
LARGEST_BUBBLE, SMALLEST_BUBBLE = 500.0, 3.0


class SelfInfluenceDisplay:
    """Self-influence of the training rows against their loss, with the hubs marked.

    Rows at the upper right are fitted badly and pull the model towards themselves: labels to
    check. Hubs, the rows that come first in the explanations of many queries by influence, are
    mostly found among them. Create it with :meth:`from_estimator` or :meth:`from_report`, which
    also draw it.

    Parameters
    ----------
    loss : array-like of shape (n_rows,)
        Training loss of each row.
    self_influence : array-like of shape (n_rows,)
        ``g_i^T H^-1 g_i`` of each row.
    rows : array-like of shape (n_rows,)
        The rows' names.
    times_first : array-like of shape (n_rows,), optional
        For how many queries each row comes first by influence. None: no hubs are marked.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    points_ : matplotlib.collections.PathCollection
        All rows.
    hubs_ : matplotlib.collections.PathCollection or None
        The rows that are marked.

    Examples
    --------
    >>> from sklearn_relatif.plotting import SelfInfluenceDisplay
    >>> display = SelfInfluenceDisplay([0.1, 2.0], [0.3, 40.0], ["ann", "bob"], [0, 7])
    >>> display.plot().ax_.texts[0].get_text()
    'bob: 7×'
    """

    def __init__(
        self,
        loss: ArrayLike,
        self_influence: ArrayLike,
        rows: ArrayLike,
        times_first: ArrayLike | None = None,
    ) -> None:
        self.loss = np.asarray(loss)
        self.self_influence = np.asarray(self_influence)
        self.rows = np.asarray(rows)
        self.times_first = None if times_first is None else np.asarray(times_first)

    def plot(self, ax: Axes | None = None, *, n_marked: int = 6) -> SelfInfluenceDisplay:
        """Draw the rows on logarithmic axes.

        What is ten decades below the largest value, or 0, is drawn at the edge.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        n_marked : int, default=6
            How many hubs to mark, the largest ones.

        Returns
        -------
        display : SelfInfluenceDisplay
            Itself, with `ax_`, `figure_`, `points_` and `hubs_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes() if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        x, y = on_log_axis(self.loss), on_log_axis(self.self_influence)
        ax.set(xscale="log", yscale="log")
        ax.margins(MARGIN)
        self.points_ = draw_points(ax, x, y)
        self.hubs_ = None
        if self.times_first is None or not self.times_first.any():
            dress(ax, "", "loss", "self-influence")
            return self
        n_queries = self.times_first.sum()
        dress(ax, f"hubs: first for how many of {n_queries:,} queries", "loss", "self-influence")
        hubs = np.argsort(-self.times_first, kind="stable")[:n_marked]
        hubs = hubs[self.times_first[hubs] > 0]
        self.hubs_ = ax.scatter(
            x[hubs],
            y[hubs],
            HUB_AREA * size_of_points(ax) ** 0.5,
            facecolors="none",
            edgecolors=palette_of(ax).opposes,
            linewidths=1.6,
        )
        counts = [f": {count}×" for count in self.times_first[hubs]]
        label_points(ax, x[hubs], y[hubs], self.rows[hubs], counts)
        return self

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, *, ax: Axes | None = None
    ) -> SelfInfluenceDisplay:
        """Draw the training rows of an explainer.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
        X : {array-like, sparse matrix, data frame} of shape (n_queries, n_features), optional
            Queries that are explained by influence, each by one row, to find the hubs. None: no
            hubs are marked.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : SelfInfluenceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        explainer, X = at_explainer(estimator, X)
        counts = None
        if X is not None:
            counts = times_first(explainer.explain(X, n_examples=1, criterion="influence"))
        display = cls(
            losses(study_of(explainer).objective),
            explainer.self_influence_,
            explainer.training_rows_.index,
            counts,
        )
        return display.plot(ax)

    @classmethod
    def from_report(cls, report: AuditReport, *, ax: Axes | None = None) -> SelfInfluenceDisplay:
        """Draw the training rows of an audit, which has computed all that is needed.

        Parameters
        ----------
        report : AuditReport
            Hubs are marked if it had test rows.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : SelfInfluenceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        columns = report.columns
        display = cls(
            columns["loss"], columns["self_influence"], report.index, columns.get("hub_if")
        )
        return display.plot(ax)


class LeverageDisplay:
    """Residuals of the training rows against their leverage, self-influence as area.

    A row needs both to move the model: a large residual, which says that the model fits it
    badly, and leverage, which says that the other rows do not hold the model in its place. Create
    it with :meth:`from_estimator` or :meth:`from_report`, which also draw it. For all models that
    have leverage; where there are studentised residuals and Cook's distance,
    :class:`CooksDistanceDisplay` draws them.

    Parameters
    ----------
    leverage : array-like of shape (n_rows,)
        Share of each row's fit that the row itself determines.
    residual : array-like of shape (n_rows,)
        Deviance residual ``sqrt(2 loss_i)`` of each row, of the sign of its target less the
        prediction: for the squared loss, ``y_i - prediction_i``. Of two classes, positive for rows
        of the second. Where a row has several targets, or one of several classes, there is no sign.
    self_influence : array-like of shape (n_rows,)
        ``g_i^T H^-1 g_i`` of each row.
    rows : array-like of shape (n_rows,)
        The rows' names.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    bubbles_ : matplotlib.collections.PathCollection
        All rows, those with the largest bubbles last.

    Examples
    --------
    >>> from sklearn_relatif.plotting import LeverageDisplay
    >>> display = LeverageDisplay([0.1, 0.4], [0.3, 2.0], [0.1, 8.0], ["ann", "bob"])
    >>> [text.get_text() for text in display.plot(n_named=1).ax_.texts]
    ['bob']
    """

    def __init__(
        self,
        leverage: ArrayLike,
        residual: ArrayLike,
        self_influence: ArrayLike,
        rows: ArrayLike,
    ) -> None:
        self.leverage = np.asarray(leverage)
        self.residual = np.asarray(residual)
        self.self_influence = np.asarray(self_influence)
        self.rows = np.asarray(rows)

    def plot(self, ax: Axes | None = None, *, n_named: int = 6) -> LeverageDisplay:
        """Draw the rows as bubbles.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        n_named : int, default=6
            How many rows to name, those with the largest self-influence. The row of the largest
            leverage is named too.

        Returns
        -------
        display : LeverageDisplay
            Itself, with `ax_`, `figure_` and `bubbles_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes() if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        order = np.argsort(self.self_influence, kind="stable")
        x, y, size = self.leverage[order], self.residual[order], self.self_influence[order]
        share = size / size[-1] if len(size) and size[-1] > 0 else np.zeros(len(size))
        ax.margins(MARGIN)
        is_signed = bool((y < 0).any())
        largest_area = LARGEST_BUBBLE * size_of_points(ax)
        self.bubbles_ = draw_points(ax, x, y, np.maximum(SMALLEST_BUBBLE, largest_area * share))
        if is_signed:
            ax.autoscale_view()
            limits = ax.get_xlim()
            ax.plot(limits, [0, 0], color=palette_of(ax).neither, linewidth=0.8, zorder=0)
            ax.set_xlim(limits)
        residual = "deviance residual" if is_signed else "size of the deviance residual"
        dress(ax, "area: self-influence", "leverage", residual)
        if n_named and len(order):
            largest = np.arange(len(order))[::-1][:n_named]
            named = list(dict.fromkeys([*largest, int(np.argmax(x))]))
            label_points(ax, x[named], y[named], self.rows[order[named]])
        return self

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> LeverageDisplay:
        """Draw the training rows of an explainer.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : LeverageDisplay

        Raises
        ------
        AttributeError
            If the model has no leverage, as with the hinge loss.
        ImportError
            If matplotlib is not installed.
        """
        explainer, _ = at_explainer(estimator, None)
        study, rows = study_of(explainer), explainer.training_rows_
        classes = study.model.classes_ if study.targets.has_classes else None
        display = cls(
            explainer.leverage_,
            _side(rows.labels, rows.predictions, classes) * np.sqrt(2 * losses(study.objective)),
            explainer.self_influence_,
            rows.index,
        )
        return display.plot(ax)

    @classmethod
    def from_report(cls, report: AuditReport, *, ax: Axes | None = None) -> LeverageDisplay:
        """Draw the training rows of an audit, which has computed all that is needed.

        Parameters
        ----------
        report : AuditReport
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : LeverageDisplay

        Raises
        ------
        ValueError
            If the model has no leverage, as with the hinge loss.
        ImportError
            If matplotlib is not installed.
        """
        columns = report.columns
        if "leverage" not in columns:
            reason = (
                "it is made of trees" if "n_trees" in report.model else "its loss has no curvature"
            )
            raise ValueError(f"{report.model['model']} has no leverage: {reason}.")
        targets, classes = columns.get("label", columns.get("target")), report.model.get("classes")
        display = cls(
            columns["leverage"],
            _side(targets, columns.get("prediction"), classes) * np.sqrt(2 * columns["loss"]),
            columns["self_influence"],
            report.index,
        )
        return display.plot(ax)


def _side(targets: Any, predictions: Any, classes: Any) -> Any:
    """On which side of the model each target lies, 1 or -1; 1 where there are more than two sides.

    Parameters
    ----------
    targets, predictions : ndarray of shape (n_rows,) or (n_rows, n_targets), or None
    classes : ndarray of shape (n_classes,), or None for numbers
    """
    if targets is None or targets.ndim > 1 or (classes is not None and len(classes) > 2):
        return 1
    above = targets >= predictions if classes is None else targets == classes[-1]
    return np.where(above, 1, -1)
