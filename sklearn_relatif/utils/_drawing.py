"""Points of rows in pictures, and names of some of them that keep apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._style import (
    keep_free,
    lay_out,
    n_characters,
    names_of,
    note_size,
    palette_of,
    points_of,
    size_of_points,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

SCORE_NAMES = {
    "influence": "influence",
    "theta_relative": "theta-relative influence",
    "loss_relative": "loss-relative influence",
    "nearest_neighbors": "minus the distance to the query",
}
RANKING_NAMES = {
    "self_influence": "self-influence",
    "test_influence": "influence on the test rows",
    "loo_loss": "leave-one-out",
    "loo_probability": "leave-one-out",
    "oob_loss": "out of bag",
}
#: Least distance of two labels, as a share of the height of the axes, and in heights of their text.
LABEL_GAP, LINE_HEIGHT = 0.07, 1.35
#: Where labels end, what is kept free around them, and most of what is kept for them, as shares of
#: the width of the axes.
LABEL_RIGHT, LABEL_PADDING, MAX_STRIP = 0.985, 0.04, 0.6
#: Share of the width of the axes that names may take if they can be told apart by less.
NAME_SHARE = 0.35
#: Decades below the largest value that a logarithmic axis shows.
DECADES = 10


def on_log_axis(values: ArrayLike) -> NDArray[np.floating]:
    """Values for a logarithmic axis: what is too small for it comes to lie at its lower end."""
    values = np.asarray(values, dtype=np.float64)
    top = values.max(initial=0.0)
    floor = top * 10.0**-DECADES if top > 0 else 1.0
    return np.maximum(values, floor)


def draw_points(
    ax: Axes, x: NDArray[Any], y: NDArray[Any], areas: ArrayLike | None = None
) -> PathCollection:
    """Points, smaller and fainter the more there are; as pixels, so that a PDF stays small."""
    n_points = max(1, len(x))
    if areas is None:
        areas = np.clip(3e4 / n_points * size_of_points(ax), 3, 18 * size_of_points(ax) ** 0.5)
    return ax.scatter(
        x,
        y,
        areas,
        color=palette_of(ax).supports,
        alpha=float(np.clip(2000 / n_points, 0.2, 0.5)),
        linewidths=0,
        rasterized=n_points > 2000,
    )


def label_points(
    ax: Axes,
    x: NDArray[Any],
    y: NDArray[Any],
    names: NDArray[Any],
    notes: Sequence[str] | None = None,
    *,
    top: float = 1,
) -> list[Any]:
    """Names of some points, one below the other, with lines to them.

    They get a strip of their own at the right, inside the axes: whatever the layout of the figure,
    they neither cover a point nor are they cut off. To be called when all points are drawn.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : ndarray of shape (n_points,)
    names : ndarray of shape (n_points,)
        The most important first: where there is not room for all, the last ones are left out.
    notes : sequence of str, optional
        What stands behind each name.
    top : float, default=1
        Share of the height of the axes that is free for names: what a legend leaves.
    """
    from matplotlib.text import Text

    ax.autoscale_view()
    lay_out(ax)
    size, box = note_size(ax), ax.get_window_extent()
    line = points_of(size) * LINE_HEIGHT * ax.figure.dpi / 72 / box.height
    gap = max(LABEL_GAP, line)
    n_labels = min(len(names), max(1, int(top / gap)))
    if not n_labels:
        return []
    most = n_characters(ax, MAX_STRIP * box.width, size)
    enough = min(30, n_characters(ax, NAME_SHARE * box.width, size))
    texts = names_of(names[:n_labels], enough, most)
    if notes is not None:
        texts = [text + note for text, note in zip(texts, notes, strict=False)]
    points = ax.transData.transform(np.column_stack([x, y])[:n_labels])
    heights = ax.transAxes.inverted().transform(points)[:, 1]
    order = np.argsort(-heights, kind="stable")
    labels = [
        ax.annotate(
            texts[point],
            (x[point], y[point]),
            (LABEL_RIGHT, height),
            textcoords="axes fraction",
            ha="right",
            va="center",
            fontsize=size,
            arrowprops={
                "arrowstyle": "-",
                "color": palette_of(ax).neither,
                "linewidth": 0.7,
                "relpos": (0, 0.5),
                "shrinkB": 3,
            },
        )
        for point, height in zip(order, spread(heights[order], gap, top), strict=True)
    ]
    # An annotation's own extent includes its line.
    widest = max(Text.get_window_extent(label).width for label in labels)
    keep_free(ax, right=min(MAX_STRIP, LABEL_PADDING + widest / box.width))
    return labels


def spread(
    heights: NDArray[np.floating], gap: float = LABEL_GAP, top: float = 1
) -> NDArray[np.floating]:
    """Descending heights in the axes, moved as far as they need to keep their distance."""
    bottom, top = gap / 2, top - gap / 2
    gap = min(gap, (top - bottom) / max(1, len(heights) - 1))
    steps = gap * np.arange(len(heights))
    # With the steps added, "apart by a gap" reads "not ascending": a running minimum from above,
    # and from below, where the first has pushed labels out of the axes, a running maximum.
    from_above = np.minimum.accumulate(np.minimum(heights + steps, top))
    return np.maximum(from_above, bottom + steps[-1:]) - steps
