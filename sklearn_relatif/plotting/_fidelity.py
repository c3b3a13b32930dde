"""What removing rows was predicted to do, against what retraining shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..metrics import at_explainer
from ..utils._drawing import SCORE_NAMES, draw_points
from ..utils._style import add_legend, dress, new_axes, palette_of
from ..utils._validation import check_choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ESTIMATES = (*list(SCORE_NAMES)[:3], "first", "newton", "structure")

_ESTIMATED = {
    "influence": "change of the loss, by influence",
    "first": "change of the loss, to first order",
    "newton": "change of the loss, by one Newton step",
    "structure": "change of the loss, structure held",
    "theta_relative": SCORE_NAMES["theta_relative"],
    "loss_relative": SCORE_NAMES["loss_relative"],
}
_TRUTHS = {
    "retrain": "retrained",
    "pbrf": "proximal Bregman response",
    "structure": "structure held",
}
_RETRAINED = {
    "theta_relative": "change of the loss over the change of the parameters",
    "loss_relative": "change of the loss over the change of all losses",
}


class RemovalFidelityDisplay:
    """Predicted effects of leaving rows out, against the effects of retraining without them.

    Each point is one query and one training row. Points on the line are predicted exactly; the
    title gives Pearson's correlation. Create it with :meth:`from_estimator`, which also draws it.

    Parameters
    ----------
    estimate : array-like of shape (n_queries, n_removals)
        What was predicted.
    retrained : array-like of shape (n_queries, n_removals)
        What retraining showed.
    kind : {"influence", "theta_relative", "loss_relative", "first", "newton", "structure"}
        What the estimates are: a criterion or an order of ``removal_effect``. The loss-relative
        criterion is an estimate up to a factor: there is no line then.
    truth : {"retrain", "pbrf", "structure"}, default="retrain"
        What is in the place of retraining, if anything: a network's proximal Bregman response, or
        models of trees with their structure held.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    points_ : matplotlib.collections.PathCollection
        The pairs.
    line_ : matplotlib.lines.Line2D or None
        The line of exact predictions.

    Examples
    --------
    >>> from sklearn_relatif.plotting import RemovalFidelityDisplay
    >>> display = RemovalFidelityDisplay([[0.1, 0.2, 0.4]], [[0.1, 0.2, 0.3]], kind="newton")
    >>> display.plot().ax_.get_title()
    'Pearson correlation 0.982'
    """

    def __init__(
        self, estimate: ArrayLike, retrained: ArrayLike, *, kind: str, truth: str = "retrain"
    ) -> None:
        check_choice("kind", kind, ESTIMATES)
        check_choice("truth", truth, tuple(_TRUTHS))
        self.estimate = np.asarray(estimate)
        self.retrained = np.asarray(retrained)
        self.kind = kind
        self.truth = truth

    def plot(self, ax: Axes | None = None) -> RemovalFidelityDisplay:
        """Draw the pairs.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : RemovalFidelityDisplay
            Itself, with `ax_`, `figure_`, `points_` and `line_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes(5.2, 4.6) if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        x, y = self.estimate.ravel(), self.retrained.ravel()
        self.points_ = draw_points(ax, x, y)
        self.line_ = None
        ax.ticklabel_format(scilimits=(-3, 4), useMathText=True)
        retrained = _RETRAINED.get(self.kind, "change of the loss")
        dress(
            ax,
            f"Pearson correlation {np.corrcoef(x, y)[0, 1]:.3f}",
            f"predicted: {_ESTIMATED[self.kind]}",
            f"{_TRUTHS[self.truth]}: {retrained}",
        )
        if self.kind != "loss_relative":
            # A segment over the data, so that the line does not widen the axes of either.
            low, high = max(x.min(), y.min()), min(x.max(), y.max())
            color = palette_of(ax).opposes
            (self.line_,) = ax.plot([low, high], [low, high], color=color, linewidth=1.2, zorder=0)
            add_legend(ax, [self.line_], ["exact"])
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        order: str | None = None,
        truth: str = "retrain",
        ax: Axes | None = None,
    ) -> RemovalFidelityDisplay:
        """Leave out rows, retrain exactly, and draw what was predicted against what came.

        The rows are the ``n_retrainings`` ones of :meth:`RelatIFExplainer.score`: half those with
        the largest criterion on the queries, half drawn at random.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
        X : {array-like, sparse matrix, data frame} of shape (n_queries, n_features)
            The queries.
        y : array-like of shape (n_queries,), optional
            Their labels. None: the predicted ones.
        order : {"first", "newton", "structure"}, optional
            Predict by ``removal_effect`` of this order. None: by the explainer's criterion.
        truth : {"retrain", "pbrf", "structure"}, default="retrain"
            In the place of retraining: "pbrf", a network's proximal Bregman response; "structure",
            a model of trees with their structure held.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : RemovalFidelityDisplay

        Raises
        ------
        ValueError
            If an argument is invalid.
        ImportError
            If matplotlib is not installed.
        """
        if order is not None:
            check_choice("order", order, ("first", "newton", "structure"))
        explainer, X = at_explainer(estimator, X)
        estimate, retrained = explainer.estimate_and_truth(X, y, order=order, truth=truth)
        kind = explainer.criterion if order is None else order
        return cls(estimate, retrained, kind=kind, truth=truth).plot(ax)
