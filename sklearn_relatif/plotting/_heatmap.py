"""Influence of training rows on a few queries, as a table of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import leaves_list, linkage

from ..explainers import study_of
from ..metrics import at_explainer
from ..utils._drawing import SCORE_NAMES
from ..utils._style import (
    CHARACTER,
    SMALLEST,
    dress,
    in_lines,
    lay_out,
    n_characters,
    names_with_labels,
    new_axes,
    note_size,
    palette_of,
    points_of,
    text_size,
)
from ..utils._validation import check_choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Inches of a cell, of what stands around all of them, and at most.
CELL, AROUND, MOST = (0.42, 0.34), (2.8, 2.0), (16.0, 12.0)
#: Share of the width of the axes that the names of queries may take, and in sizes of a font, what
#: the names of rows may.
NAME_SHARE, NAME_LENGTH = 0.35, 26
#: Share of a cell that its value may fill, and of its height or width that a name may.
FILL, LINE = 0.92, 0.85
#: What the bar of colours leaves of the width.
SIDEWAYS = 0.8


class InfluenceHeatmapDisplay:
    """Scores of training rows for a few queries: a line for each query, a column for each row.

    Colours are centred at 0: rows of one colour support the label of a query, of the other oppose
    it. Create it with :meth:`from_estimator`, which chooses and orders the rows and draws them.

    Parameters
    ----------
    scores : array-like of shape (n_queries, n_rows)
        In the order in which they are drawn.
    queries : array-like of shape (n_queries,)
        The queries' names.
    rows : array-like of shape (n_rows,)
        The rows' names.
    targets : array-like of shape (n_queries,), optional
        The explained label of each query, shown behind its name.
    labels : array-like of shape (n_rows,), optional
        The rows' labels, shown behind their names.
    criterion : {"influence", "theta_relative", "loss_relative"}, default="influence"
        What the scores are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    image_ : matplotlib.image.AxesImage
        The cells.
    values_ : list of matplotlib.text.Text
        The scores, line by line; empty where they do not fit into their cells.
    colorbar_ : matplotlib.colorbar.Colorbar

    Raises
    ------
    ValueError
        If the shapes do not agree, or a score is not finite; or if there are none, as where no row
        matters to any query.

    Examples
    --------
    >>> from sklearn_relatif.plotting import InfluenceHeatmapDisplay
    >>> display = InfluenceHeatmapDisplay([[0.75, -0.5]], ["dan"], ["ann", "bob"])
    >>> [text.get_text() for text in display.plot().values_]
    ['0.75', '-0.50']
    """

    def __init__(
        self,
        scores: ArrayLike,
        queries: ArrayLike,
        rows: ArrayLike,
        *,
        targets: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        criterion: str = "influence",
    ) -> None:
        check_choice("criterion", criterion, tuple(SCORE_NAMES)[:3])
        self.scores = np.asarray(scores, dtype=np.float64)
        self.queries = np.asarray(queries)
        self.rows = np.asarray(rows)
        self.targets = None if targets is None else np.asarray(targets)
        self.labels = None if labels is None else np.asarray(labels)
        self.criterion = criterion
        shape = (len(self.queries), len(self.rows))
        if not all(shape):
            raise ValueError("There must be at least one query and one row that matters to it.")
        if self.scores.shape != shape or not np.isfinite(self.scores).all():
            raise ValueError(
                f"scores must be finite, one for each of {shape[0]} queries and {shape[1]} rows; "
                f"got shape {self.scores.shape}."
            )

    def plot(self, ax: Axes | None = None) -> InfluenceHeatmapDisplay:
        """Draw the cells, with their values where these fit.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; the bar of colours takes a part of its place. None: a new figure, large
            enough for all cells.

        Returns
        -------
        display : InfluenceHeatmapDisplay
            Itself, with `ax_`, `figure_`, `image_`, `values_` and `colorbar_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_queries, n_rows = self.scores.shape
        if ax is None:
            cells = np.array([n_rows, n_queries])
            ax = new_axes(*np.minimum(MOST, np.multiply(CELL, cells) + AROUND))
        self.ax_, self.figure_ = ax, ax.figure
        largest = float(np.abs(self.scores).max()) or 1.0
        self.image_ = ax.imshow(
            self.scores, cmap=_colors(ax), vmin=-largest, vmax=largest, aspect="auto"
        )
        dress(ax)
        self.colorbar_ = ax.figure.colorbar(self.image_, ax=ax)
        self.colorbar_.ax.tick_params(labelsize=note_size(ax))
        self.colorbar_.outline.set_visible(False)
        self._name_lines_and_columns()
        meaning = (
            f"opposes \N{LEFTWARDS ARROW} {SCORE_NAMES[self.criterion]} "
            "\N{RIGHTWARDS ARROW} supports"
        )
        lay_out(ax)
        self.colorbar_.set_label(
            in_lines(meaning, ax, ax.get_window_extent().height), fontsize=note_size(ax)
        )
        lay_out(ax)
        self._part(self.targets, ax.axhline)
        self._part(self.labels, ax.axvline)
        self.values_ = self._write_values(largest)
        return self

    def _name_lines_and_columns(self) -> None:
        """Names in the size that they have room for; without, it is told how many there are."""
        ax, (n_queries, n_rows) = self.ax_, self.scores.shape
        box = ax.get_window_extent()
        room = n_characters(ax, NAME_SHARE * box.width, text_size(ax))
        queries = names_with_labels(self.queries, self.targets, room)
        rows = names_with_labels(self.rows, self.labels, NAME_LENGTH)
        sides = (
            (ax.yaxis, queries, box.height, 0, f"{n_queries} queries"),
            (ax.xaxis, rows, SIDEWAYS * box.width, 90, f"{n_rows} training rows"),
        )
        for axis, names, length, rotation, count in sides:
            pitch = LINE * length * 72 / ax.figure.dpi / max(1, len(names))
            if pitch < SMALLEST:
                axis.set_ticks([])
                axis.set_label_text(count)
            else:
                size = min(points_of(note_size(ax)), pitch)
                axis.set_ticks(np.arange(len(names)), names, rotation=rotation, fontsize=size)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    def _part(self, labels: np.ndarray | None, draw: Any) -> None:
        """Lines between cells of different labels."""
        if labels is None or labels.ndim > 1:
            return
        for place in np.flatnonzero(labels[1:] != labels[:-1]):
            draw(place + 0.5, color=self.ax_.get_facecolor(), linewidth=3)

    def _write_values(self, largest: float) -> list[Any]:
        """The scores in their cells, in one precision; none where the longest does not fit."""
        ax, (n_queries, n_rows) = self.ax_, self.scores.shape
        digits = 2 - int(np.ceil(np.log10(largest)))
        form = f".{max(0, digits)}f" if -4 <= digits <= 4 else ".1e"
        # Of what is rounded to 0, without a sign.
        texts = [format(float(format(score, form)) + 0.0, form) for score in self.scores.ravel()]
        size, box = note_size(ax), ax.get_window_extent()
        height = points_of(size) * ax.figure.dpi / 72
        width = CHARACTER * height * max(map(len, texts))
        if width > FILL * box.width / n_rows or height > FILL * box.height / n_queries:
            return []
        colors = self.image_.to_rgba(self.scores)[..., :3].reshape(-1, 3)
        is_light = colors @ [0.3, 0.59, 0.11] > 0.5
        return [
            ax.text(
                place % n_rows,
                place // n_rows,
                text,
                ha="center",
                va="center",
                fontsize=size,
                color="black" if light else "white",
            )
            for place, (text, light) in enumerate(zip(texts, is_light, strict=True))
        ]

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        n_examples: int = 3,
        criterion: str | None = None,
        ax: Axes | None = None,
    ) -> InfluenceHeatmapDisplay:
        """Draw a few queries and the rows that matter to any of them.

        Queries and rows of one class stand together; those whose scores resemble each other are
        neighbours.

        Parameters
        ----------
        estimator : fitted RelatIFExplainer, or Pipeline that ends in one
        X : {array-like, sparse matrix, data frame} of shape (n_queries, n_features)
            The queries.
        y : array-like of shape (n_queries,), optional
            The labels to explain. None: the predicted ones.
        n_examples : int, default=3
            How many rows of each query to draw, those of the largest scores by magnitude. Their
            scores for the other queries are drawn too.
        criterion : {"influence", "theta_relative", "loss_relative"}, optional
            What the scores are. None: the explainer's.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : InfluenceHeatmapDisplay

        Raises
        ------
        ValueError
            If an argument is invalid.
        ImportError
            If matplotlib is not installed.
        """
        explainer, features = at_explainer(estimator, X)
        criterion = explainer.criterion if criterion is None else criterion
        check_choice("criterion", criterion, tuple(SCORE_NAMES)[:3])
        found = explainer.explain(
            features, y, n_examples=n_examples, criterion=criterion, sign="absolute"
        )
        rows = np.unique(found.indices[found.indices >= 0])
        study = study_of(explainer)
        scores = study.scores(features, y, [criterion])[criterion][:, rows]
        known = found.training_rows
        labels = None if known.labels is None else known.labels[rows]
        has_classes = study.targets.has_classes
        down = _order(scores, found.targets if has_classes else None)
        across = _order(scores.T, labels if has_classes else None)
        display = cls(
            scores[down][:, across],
            found.query_index[down],
            known.index[rows[across]],
            targets=None if found.targets is None else found.targets[down],
            labels=None if labels is None else labels[across],
            criterion=criterion,
        )
        return display.plot(ax)


def _colors(ax: Axes) -> Any:
    """Colours from opposing to supporting, with the background of the axes in the middle."""
    from matplotlib.colors import LinearSegmentedColormap

    palette = palette_of(ax)
    ends = [palette.opposes, palette.paper, palette.supports]
    return LinearSegmentedColormap.from_list("opposes_supports", ends)


def _order(vectors: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Positions of vectors, those of one label together, and of these those that are alike."""
    if labels is None:
        groups = [np.arange(len(vectors))]
    else:
        values, member = np.unique(labels, return_inverse=True)
        groups = [np.flatnonzero(member == place) for place in range(len(values))]
    return np.concatenate([group[_by_likeness(vectors[group])] for group in groups])


def _by_likeness(vectors: np.ndarray) -> np.ndarray:
    if len(vectors) < 3:
        return np.arange(len(vectors))
    return np.asarray(leaves_list(linkage(vectors, "average", optimal_ordering=True)))
