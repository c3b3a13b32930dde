"""The training rows that explain one query, as bars."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..utils._cells import Cells
from ..utils._drawing import SCORE_NAMES
from ..utils._frames import check_names
from ..utils._style import (
    add_legend,
    dress,
    is_small,
    lay_out,
    n_characters,
    names_with_labels,
    new_axes,
    note_size,
    palette_of,
    plain,
    size_for,
    text_size,
)
from ..utils._text import clip
from ._captions import (
    NEUTRAL_COLOR,
    NO_ROWS,
    OPPOSING_COLOR,
    SUPPORTING_COLOR,
    query_title,
    score_color,
    score_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Share of the width of the axes that names may take, if they can be told apart by it.
NAME_SHARE = 0.6
#: Most of what is kept free for the score at the end of a bar, as a share of the width of the axes.
MAX_SCORE = 0.3
#: Cells that are told of a row at most, and characters of their names and texts.
N_CELLS, CELL_WIDTH = 5, 20
_MEANINGS = {SUPPORTING_COLOR: "supports", OPPOSING_COLOR: "opposes"}


class InfluenceDisplay:
    """The training rows that explain one query, as horizontal bars, best at the top.

    Create it with :meth:`from_explanation` or :meth:`from_estimator`, which also draw it.

    Parameters
    ----------
    scores : array-like of shape (n_rows,)
        The rows' scores, best first.
    rows : array-like of shape (n_rows,)
        The rows' names: the user's index labels.
    labels : array-like of shape (n_rows,), optional
        The rows' labels, shown behind their names.
    cells : sequence of sequences of str, optional
        What else is told of each row below its name, as far as there is room.
    criterion : {"influence", "theta_relative", "loss_relative", "nearest_neighbors"}
        What the scores are.
    sign : {"positive", "negative", "absolute"} or None, default="absolute"
        Which rows were asked for. None: the sign of a score has no meaning and is not coloured.
    title : str, optional
        Shown above the bars.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
        Where it was drawn.
    bars_ : matplotlib.container.BarContainer
        The bars, best first.

    Examples
    --------
    >>> from sklearn_relatif.plotting import InfluenceDisplay
    >>> display = InfluenceDisplay(
    ...     [0.8, -0.5], ["ann", "bob"], ["yes", "no"], criterion="loss_relative"
    ... )
    >>> display.plot().ax_.get_xlabel()
    'loss-relative influence'
    """

    def __init__(
        self,
        scores: ArrayLike,
        rows: ArrayLike,
        labels: ArrayLike | None = None,
        cells: Sequence[Sequence[str]] | None = None,
        *,
        criterion: str,
        sign: str | None = "absolute",
        title: str | None = None,
    ) -> None:
        self.scores = np.asarray(scores)
        self.rows = np.asarray(rows)
        self.labels = None if labels is None else np.asarray(labels)
        self.cells = cells
        self.criterion = criterion
        self.sign = sign
        self.title = title

    def plot(self, ax: Axes | None = None) -> InfluenceDisplay:
        """Draw the bars, each with its score where there is room.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure, high enough for all bars. Long names need a figure
            that makes room for them, such as ``plt.subplots(layout="constrained")``.

        Returns
        -------
        display : InfluenceDisplay
            Itself, with `ax_`, `figure_` and `bars_` set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_bars = len(self.scores)
        colors = [score_color(score, self.sign) for score in self.scores]
        legend = [color for color in _MEANINGS if color in colors]
        if ax is None:
            height = 0.32 if self.cells is None else 0.5
            ax = new_axes(height=1.4 + height * (max(n_bars, 1) + bool(legend)))
        places = np.arange(n_bars)
        top, bottom = -0.6, n_bars - 0.4
        palette = palette_of(ax)
        here = {
            SUPPORTING_COLOR: palette.supports,
            OPPOSING_COLOR: palette.opposes,
            NEUTRAL_COLOR: palette.neither,
        }
        self.ax_, self.figure_ = ax, ax.figure
        self.bars_ = ax.barh(
            places, self.scores, height=0.7, color=[here[color] for color in colors]
        )
        if n_bars:
            ax.vlines(0, top, bottom, color=palette.neither, linewidth=0.8)
        else:
            ax.text(0.5, 0.5, NO_ROWS, transform=ax.transAxes, ha="center", va="center", wrap=True)
        ax.set_ylim(bottom, top)
        dress(ax, plain(self.title or ""), SCORE_NAMES[self.criterion])
        n_lines = 1 if self.cells is None else 2
        size = size_for(ax, n_lines * n_bars + bool(legend))
        ax.set_yticks(places, self._names(ax), fontsize=size)
        add_legend(
            ax,
            [self.bars_[colors.index(color)] for color in legend],
            [_MEANINGS[color] for color in legend],
        )
        if n_bars and not is_small(ax):
            self._write_scores(ax)
        return self

    def _write_scores(self, ax: Axes) -> None:
        """The score at the end of each bar, for which the axes are made longer."""
        texts = [score_text(score, self.sign, 3) for score in self.scores]
        labels = ax.bar_label(self.bars_, texts, padding=3, fontsize=note_size(ax))
        lay_out(ax)
        width = 1.2 * max(label.get_window_extent().width for label in labels)
        share = min(MAX_SCORE, width / ax.get_window_extent().width)
        lowest, highest = min(0.0, np.min(self.scores)), max(0.0, np.max(self.scores))
        sides = (lowest < 0, highest > 0 or lowest == 0)
        longer = ((highest - lowest) or 1.0) / (1 - share * sum(sides))
        ax.set_xlim(lowest - sides[0] * share * longer, highest + sides[1] * share * longer)

    def _names(self, ax: Axes) -> list[str]:
        """Names of the bars, of which as many letters are shown as leave the bars their room."""
        room = n_characters(ax, NAME_SHARE * ax.get_window_extent().width, text_size(ax))
        names = names_with_labels(self.rows, self.labels, room)
        if self.cells is None:
            return names
        told = (plain(_that_fit(cells, room)) for cells in self.cells)
        return [f"{name}\n{cells}" for name, cells in zip(names, told, strict=True)]

    @classmethod
    def from_explanation(
        cls,
        explanation: Any,
        query: int = 0,
        ax: Axes | None = None,
        *,
        X_train: Any = None,
    ) -> InfluenceDisplay:
        """Draw one query of an explanation.

        Parameters
        ----------
        explanation : Explanation
        query : int, default=0
            Position of the query in the explanation.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        X_train : data frame, series, array, sparse matrix or list, default=None
            The training rows in the order of ``fit``, to write the first cells of each below its
            name.

        Returns
        -------
        display : InfluenceDisplay

        Raises
        ------
        IndexError
            If the explanation has no such query.
        ValueError
            If `X_train` has other rows, by their number or by their index labels.
        ImportError
            If matplotlib is not installed.
        """
        one = explanation[operator.index(query)]
        columns = one.columns()
        display = cls(
            columns["score"],
            columns["row"],
            columns.get("label"),
            None if X_train is None else _first_cells(one, X_train),
            criterion=one.criterion,
            sign=one.sign,
            title=query_title(one, separator="\n"),
        )
        return display.plot(ax)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike | None = None,
        *,
        query: int = 0,
        n_examples: int = 5,
        ax: Axes | None = None,
    ) -> InfluenceDisplay:
        """Explain queries and draw one of them: supporting and opposing rows by magnitude.

        Parameters
        ----------
        estimator : RelatIFExplainer
            Fitted.
        X : {array-like, sparse matrix, data frame} of shape (n_queries, n_features)
            The queries.
        y : array-like of shape (n_queries,), optional
            The labels to explain. None: the predicted ones.
        query : int, default=0
            Position in `X` of the query to draw.
        n_examples : int, default=5
            How many rows to draw.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        display : InfluenceDisplay

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        explanation = estimator.explain(X, y, n_examples=n_examples, sign="absolute")
        return cls.from_explanation(explanation, query, ax)


def _first_cells(query: Any, X_train: Any) -> list[list[str]]:
    """The first cells of each explaining row."""
    position = query.columns()["position"]
    rows = query.training_rows
    cells = Cells(X_train, len(rows.index))
    check_names(X_train, rows.index[position], position, rows.library, "X_train")
    return [
        [
            f"{clip(name, CELL_WIDTH)} {clip(text, CELL_WIDTH)}"
            for name, text in cells.row(row)[:N_CELLS]
        ]
        for row in position
    ]


def _that_fit(texts: Sequence[str], width: int) -> str:
    """As many texts as fit into a line, one at least."""
    ends = np.cumsum([len(text) + len(", ") for text in texts]) - len(", ")
    n_shown = max(1, int(np.sum(ends <= width)))
    return clip(", ".join(texts[:n_shown]), width)
