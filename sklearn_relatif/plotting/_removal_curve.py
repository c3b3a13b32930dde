"""What becomes of a model when rows are removed, the first of a ranking first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from ..audit import losses, mean_influence
from ..explainers import study_of
from ..metrics import at_explainer
from ..utils._drawing import RANKING_NAMES
from ..utils._style import add_legend, dress, name_of, new_axes, palette_of, plain, show_as_percent
from ..utils._validation import check_choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RANKINGS = ("self_influence", "loss", "test_influence")
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
CHANCE = "random"
#: Width of the band of several draws, against what is behind it.
BAND_OPACITY = 0.2


class RemovalCurveDisplay:
    """A model's score on held-out rows against the share of its training rows that is removed.

    One curve for each ranking of the rows, of which the first are removed first; the model is
    retrained at each point. A curve that rises says that the rows do harm, one that falls faster
    than that of random rows that the ranking finds those that matter. Create it with
    :meth:`from_estimator`, which also draws it.

    Parameters
    ----------
    shares : array-like of shape (n_shares,)
        Of the training rows, ascending.
    scores : dict of str to array-like of shape (n_shares,) or (n_draws, n_shares)
        The scores by each ranking. Of several draws the mean is drawn, with a band from the lowest
        to the highest. NaN where there is no model: the curve ends there.
    metric : str, default="score"
        What the scores are called.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    lines_ : dict of str to matplotlib.lines.Line2D
        The curves.
    bands_ : dict of str to matplotlib.collections.PolyCollection
        Of the rankings with several draws.

    Raises
    ------
    ValueError
        If there is no ranking, or one has not a score for each share.

    Examples
    --------
    >>> from sklearn_relatif.plotting import RemovalCurveDisplay
    >>> display = RemovalCurveDisplay(
    ...     [0, 0.1, 0.2],
    ...     {"loss": [0.8, 0.9, 0.85], "random": [[0.8, 0.8, 0.7], [0.8, 0.7, 0.7]]},
    ...     metric="accuracy",
    ... )
    >>> print(display.plot().lines_["random"].get_ydata().round(2))
    [0.8 0.75 0.7 ]
    """

    def __init__(
        self, shares: ArrayLike, scores: Mapping[str, ArrayLike], *, metric: str = "score"
    ) -> None:
        self.shares = np.asarray(shares, dtype=np.float64)
        self.scores = {name: np.asarray(values, np.float64) for name, values in scores.items()}
        self.metric = metric
        if not self.scores:
            raise ValueError("scores must hold at least one ranking; it is empty.")
        for name, values in self.scores.items():
            if values.ndim > 2 or values.shape[-1:] != self.shares.shape:
                raise ValueError(
                    f"The ranking {name!r} must have a score for each of the "
                    f"{self.shares.size} shares; its shape is {values.shape}."
                )

    def plot(self, ax: Axes | None = None) -> RemovalCurveDisplay:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : RemovalCurveDisplay
            Itself, with `ax_`, `figure_`, `lines_` and `bands_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        ax = new_axes(6, 4.2) if ax is None else ax
        self.ax_, self.figure_ = ax, ax.figure
        palette, places = palette_of(ax), iter(range(len(self.scores)))
        self.lines_, self.bands_, names = {}, {}, []
        for name, values in self.scores.items():
            shown = name_of(RANKING_NAMES.get(name, name), 30)
            is_chance = name == CHANCE
            style = (
                {"color": palette.neither, "linestyle": ":", "zorder": 1}
                if is_chance
                else palette.line(next(places))
            )
            draws = np.atleast_2d(values)
            (self.lines_[name],) = ax.plot(self.shares, draws.mean(axis=0), **style)
            if values.ndim == 2:
                low, high = draws.min(axis=0), draws.max(axis=0)
                self.bands_[name] = ax.fill_between(
                    self.shares, low, high, color=style["color"], alpha=BAND_OPACITY, linewidth=0
                )
                shown += f" ({len(draws)} draws)"
            names.append(shown)
        dress(ax, "", "training rows removed", plain(self.metric))
        show_as_percent(ax.xaxis)
        add_legend(ax, list(self.lines_.values()), names)
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        rankings: Sequence[str] | Mapping[str, ArrayLike] = RANKINGS,
        shares: ArrayLike = SHARES,
        scoring: Any = None,
        n_random: int = 5,
        random_state: Any = None,
        ax: Axes | None = None,
    ) -> RemovalCurveDisplay:
        """Remove the first rows of each ranking, retrain, and draw the scores on held-out rows.

        Each model is :meth:`RelatIFExplainer.retrain_without` the rows: trained to its own optimum,
        starting from that of all rows, many models at a time; preprocessing, the penalty and the
        weights of the rows that stay are held. So a point is what a refit to the rows that are left
        would give, not an estimate.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
        X : {array-like, sparse matrix, data frame} of shape (n_test, n_features)
            Held-out rows.
        y : array-like of shape (n_test,) or (n_test, n_targets)
            Their targets.
        rankings : sequence of str, or dict of str to array-like of shape (n_rows,)
            Which rows are removed first: by "self_influence", by their training "loss", both from
            the largest, or by "test_influence", from the row that helps the predictions on X the
            most. A dict holds scores of the training rows, from the largest; minus the influence on
            the loss has the harmful rows first. A ranking by the influence on X is chosen by the
            rows that it is scored on: to improve a model, compute it on others.
        shares : array-like of shape (n_shares,), default=(0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
            Of the training rows (of a weight above 0), rounded to whole rows. The model of all is
            always there.
        scoring : str or callable, default=None
            A scorer of scikit-learn. None: the model's ``score``, which is accuracy or R2.
        n_random : int, default=5
            How often random rows are drawn and removed, for the band beside the rankings.
        random_state : int, RandomState instance or None, default=None
            Draws these.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : RemovalCurveDisplay
            Its `shares` are those of the whole rows that were removed. A curve ends where there is
            no row of some class left.

        Raises
        ------
        ValueError
            If an argument is invalid, or there is no model of the rows that are left.
        ImportError
            If matplotlib is not installed.
        """
        explainer, X = at_explainer(estimator, X)
        study = study_of(explainer)
        counted = np.flatnonzero(study.objective.sample_weight > 0)
        n_removed = _n_removed(shares, len(counted))
        orders = {
            name: [counted[np.argsort(-scores[counted], kind="stable")]]
            for name, scores in _rankings(explainer, study, X, y, rankings).items()
        }
        if n_random:
            draws = check_random_state(random_state)
            orders[CHANCE] = [draws.permutation(counted) for _ in range(n_random)]
        sets = [order[:n] for some in orders.values() for order in some for n in n_removed]
        values = _scores(explainer, study, sets, X, y, scoring)
        values = values.reshape(-1, len(n_removed))
        ends = np.cumsum([len(some) for some in orders.values()])
        parts = zip(orders, np.split(values, ends[:-1]), strict=True)
        scores = {name: part if name == CHANCE else part[0] for name, part in parts}
        metric = _metric(scoring, study.targets.has_classes)
        return cls(n_removed / len(counted), scores, metric=metric).plot(ax)


def _n_removed(shares: ArrayLike, n_rows: int) -> np.ndarray:
    """How many rows to remove, ascending from none."""
    shares = np.atleast_1d(np.asarray(shares, dtype=np.float64))
    if not ((shares >= 0) & (shares < 1)).all():
        raise ValueError(f"shares must be at least 0 and below 1; got {shares.tolist()}.")
    return np.unique(np.append(0, np.round(shares * n_rows).astype(np.intp)))


def _rankings(
    explainer: Any, study: Any, X: Any, y: Any, rankings: Sequence[str] | Mapping[str, ArrayLike]
) -> dict[str, np.ndarray]:
    """Scores of the training rows by each ranking, the first to be removed the largest."""
    n_rows = study.objective.n_rows
    if not isinstance(rankings, Mapping):
        find = {
            "self_influence": lambda: explainer.self_influence_,
            "loss": lambda: losses(study.objective),
            "test_influence": lambda: mean_influence(study, X, y),
        }
        for name in rankings:
            check_choice("rankings", name, RANKINGS)
        return {name: find[name]() for name in rankings}
    found = {name: np.asarray(scores, np.float64) for name, scores in rankings.items()}
    for name, scores in found.items():
        if name == CHANCE or scores.shape != (n_rows,) or not np.isfinite(scores).all():
            raise ValueError(
                f"The ranking {name!r} must have one finite score for each of the {n_rows} "
                f"training rows, and another name than {CHANCE!r}."
            )
    return found


def _scores(
    explainer: Any, study: Any, sets: list[np.ndarray], X: Any, y: Any, scoring: Any
) -> np.ndarray:
    """Score of the model without each set of rows; NaN where it has no row of some class."""
    scores = np.full(len(sets), np.nan)
    possible = [place for place, rows in enumerate(sets) if _has_all_classes(study, rows)]
    models = explainer.retrain_without([sets[place] for place in possible])
    for place, model in zip(possible, models, strict=True):
        scores[place] = check_scoring(model, scoring)(model, X, y)
    return scores


def _has_all_classes(study: Any, removed: np.ndarray) -> bool:
    """Whether rows of all classes are left, where the targets are classes."""
    if not study.targets.has_classes:
        return True
    left = study.objective.sample_weight > 0
    left[removed] = False
    return len(np.unique(study.objective.y[left])) == len(study.model.classes_)


def _metric(scoring: Any, has_classes: bool) -> str:
    """What a scorer measures, in words."""
    if scoring is None:
        return "accuracy" if has_classes else "R2"
    name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
    return str(name).replace("_", " ")
