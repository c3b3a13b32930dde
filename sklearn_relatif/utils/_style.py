"""The one look of all displays: colours, sizes of text, frames, legends, and names that fit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from ._colors import NEUTRAL, OPPOSING, OPPOSING_ON_DARK, SUPPORTING, SUPPORTING_ON_DARK
from ._text import clip, clip_apart, short_text, text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Axes of less width, in inches, have smaller text: those of a grid of pictures.
SMALL = 3.5
#: Square inches of axes in which points have their full size.
FULL_SIZE = 16
#: Width of a character, in sizes of its font, on average.
CHARACTER = 0.55
#: Fewest characters of a name.
SHORTEST = 6
#: Smallest text, in points.
SMALLEST = 4.0
#: What is kept for a legend, in its heights: axes shrink when those beside them get their labels;
#: and at most, as a share of the height of the axes.
LEGEND_PADDING, MAX_LEGEND = 1.25, 0.6
#: Dashes and marks that tell lines apart where colours do not.
DASHES, MARKS = ("-", "--", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1))), "osD^v"


@dataclass(frozen=True)
class Palette:
    """Colours that are told apart with every form of colour vision, against their background.

    Attributes
    ----------
    paper : str
        The background, or nearly so.
    supports, opposes, neither : str
        Of rows by the sign of their score; the first is of points, the second marks some of them.
    lines : tuple of str
        Of curves.
    """

    paper: str
    supports: str
    opposes: str
    neither: str
    lines: tuple[str, ...]

    def line(self, place: int) -> dict[str, Any]:
        """Style of one of several curves."""
        return {
            "color": self.lines[place % len(self.lines)],
            "linestyle": DASHES[place % len(DASHES)],
        }


LIGHT = Palette(
    "#FFFFFF",
    SUPPORTING,
    OPPOSING,
    NEUTRAL,
    (SUPPORTING, OPPOSING, "#4A1020", "#9A3FF0", "#10106A"),
)
DARK = Palette(
    "#000000",
    SUPPORTING_ON_DARK,
    OPPOSING_ON_DARK,
    NEUTRAL,
    (SUPPORTING_ON_DARK, OPPOSING_ON_DARK, "#F0E442", "#B06CFF", "#E8308A"),
)


def new_axes(width: float = 7, height: float = 4.5) -> Axes:
    """Axes of a new figure, which makes room for all labels."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plotting needs matplotlib, which is not installed: pip install matplotlib"
        ) from error
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def palette_of(ax: Axes) -> Palette:
    """The colours for the background that axes have, by a style sheet or otherwise."""
    from matplotlib.colors import to_rgba

    red, green, blue, opacity = to_rgba(ax.get_facecolor())
    if opacity == 0:
        red, green, blue, _ = to_rgba(ax.figure.get_facecolor())
    return DARK if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else LIGHT


def dress(ax: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give axes their frame, title and labels, in lines no longer than the axes are."""
    size, box = text_size(ax), ax.get_window_extent()
    ax.set_title(in_lines(title, ax, box.width), fontsize=size)
    ax.set_xlabel(in_lines(x, ax, box.width), fontsize=size)
    ax.set_ylabel(in_lines(y, ax, box.height), fontsize=size)
    if is_small(ax):
        ax.tick_params(labelsize="x-small")
    ax.spines[["top", "right"]].set_visible(False)


def show_as_percent(*axes: Any) -> None:
    """Write the ticks of axes, which are shares, as percentages."""
    from matplotlib.ticker import PercentFormatter

    for axis in axes:
        axis.set_major_formatter(PercentFormatter(1))


def is_small(ax: Axes) -> bool:
    """Whether axes are one of several in a figure, which leaves them little room."""
    return bool(ax.get_window_extent().width < SMALL * ax.figure.dpi)


def size_of_points(ax: Axes) -> float:
    """Factor of the areas of points, for axes that are smaller than those of a figure alone."""
    box = ax.get_window_extent()
    return float(min(1, box.width * box.height / ax.figure.dpi**2 / FULL_SIZE))


def text_size(ax: Axes) -> str:
    """Size of the titles of axes; other text in them is a size smaller."""
    return "small" if is_small(ax) else "medium"


def note_size(ax: Axes) -> str:
    """Size of what is written inside axes."""
    return "x-small" if is_small(ax) else "small"


def points_of(size: str) -> float:
    """A named size of a font, in points."""
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=size).get_size_in_points())


def size_for(ax: Axes, n_lines: int) -> float:
    """Size of text, in points, of which so many lines fit beside axes."""
    pitch = ax.get_window_extent().height * 72 / ax.figure.dpi / max(1, n_lines)
    return max(SMALLEST, min(points_of(text_size(ax)), 0.85 * pitch))


def n_characters(ax: Axes, pixels: float, size: str) -> int:
    """How many characters of a size fit."""
    return max(8, int(pixels / (CHARACTER * points_of(size) * ax.figure.dpi / 72)))


def in_lines(text: str, ax: Axes, pixels: float) -> str:
    """A title or a label in lines no longer than there is room."""
    width = n_characters(ax, pixels, text_size(ax))
    paragraphs = (
        textwrap.fill(part, width, break_long_words=False, break_on_hyphens=False)
        for part in text.split("\n")
    )
    return "\n".join(paragraphs)


def plain(text: str) -> str:
    """Keep matplotlib from reading dollar signs in the user's names as mathematics."""
    return text.replace("$", r"\$")


def name_of(value: Any, width: int = 20) -> str:
    """A name of the user's, as it is drawn."""
    return plain(clip(text_of(value), width))


def names_of(values: Iterable[Any], width: int = 20, most: int | None = None) -> list[str]:
    """Names of the user's, as they are drawn: those that differ look different.

    Parameters
    ----------
    values : iterable
    width : int, default=20
        Characters that are enough, if the names are told apart by them.
    most : int, optional
        Characters that there is room for in any case. None: any number.
    """
    names = [text_of(value) for value in values]
    if max(map(len, names), default=0) > width and len(set(names)) > 1:
        names = _without_shared_ends(names)
    names = clip_apart(names, max(SHORTEST, width))
    return [plain(name if most is None else clip(name, most)) for name in names]


def names_with_labels(names: Iterable[Any], labels: Iterable[Any] | None, room: int) -> list[str]:
    """Names of the user's with a label behind each, as far as there is room.

    Parameters
    ----------
    names : iterable
    labels : iterable, optional
    room : int
        Characters of both together.
    """
    if labels is None:
        return names_of(names, min(30, room))
    shown = names_of(map(short_text, labels), min(20, room // 2))
    names = names_of(names, min(30, room - max(map(len, shown), default=0) - 3))
    return [f"{name} ({label})" for name, label in zip(names, shown, strict=True)]


def _without_shared_ends(names: list[str]) -> list[str]:
    """Names without the words that all of them begin and end with."""
    words = [name.split(" ") for name in names]
    most = min(map(len, words)) - 1
    head = min(most, _n_shared(words))
    tail = min(most - head, _n_shared([some[::-1] for some in words]))
    before, after = "..." * bool(head), "..." * bool(tail)
    return [f"{before}{' '.join(some[head : len(some) - tail])}{after}" for some in words]


def _n_shared(words: list[list[str]]) -> int:
    """How many words all names begin with."""
    shared = takewhile(lambda some: len(set(some)) == 1, zip(*words, strict=False))
    return sum(1 for _ in shared)


def lay_out(ax: Axes) -> None:
    """Let the figure find the place of its axes, so that lengths in them can be measured."""
    figure = ax.figure.figure  # Of axes in a part of a figure, the whole.
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


def keep_free(ax: Axes, *, right: float = 0, top: float = 0) -> None:
    """Move the ends of the axes so far that a share of them, inside, is free of data.

    What is written there neither covers data nor is cut off, whatever the layout of the figure.
    Ticks and frame end with the data.
    """
    shares = {"x": (right, ax.spines["bottom"]), "y": (top, ax.spines["left"])}
    corners = ax.transData.transform(list(zip(ax.get_xlim(), ax.get_ylim(), strict=True)))
    ends = corners[1] + (corners[1] - corners[0]) * [right / (1 - right), top / (1 - top)]
    ends = ax.transData.inverted().transform(ends)
    for (axis, (share, spine)), end in zip(shares.items(), ends, strict=True):
        if share:
            first, last = ax.get_xlim() if axis == "x" else ax.get_ylim()
            of_axis = ax.xaxis if axis == "x" else ax.yaxis
            for minor in (False, True):
                ticks = np.asarray(of_axis.get_ticklocs(minor=minor))
                inside = (ticks >= min(first, last)) & (ticks <= max(first, last))
                of_axis.set_ticks(ticks[inside], minor=minor)
            ax.set(**{f"{axis}lim": (first, end)})
            spine.set_bounds(first, last)


def add_legend(ax: Axes, handles: Sequence[Any], names: Sequence[str]) -> float:
    """A legend in a strip of its own at the top, in as few lines as its names allow.

    To be called when all data are drawn.

    Returns
    -------
    float
        Share of the height of the axes that it leaves for the data.
    """
    if not len(handles):
        return 1.0
    lay_out(ax)
    room = ax.get_window_extent()
    for n_columns in range(len(handles), 0, -1):
        legend = ax.legend(
            handles,
            names,
            loc="upper left",
            ncols=n_columns,
            fontsize=note_size(ax),
            frameon=False,
            borderaxespad=0.2,
            handlelength=1.8,
            columnspacing=1.2,
            labelspacing=0.3,
        )
        box = legend.get_window_extent()
        if box.width <= room.width:
            break
    share = min(MAX_LEGEND, LEGEND_PADDING * box.height / room.height)
    keep_free(ax, top=share)
    return 1 - share
