"""What the displays share: figures, names that are drawn literally, and labels that keep apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._text import clip, text_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

SCORE_NAMES = {
    "influence": "influence",
    "theta_relative": "theta-relative influence",
    "loss_relative": "loss-relative influence",
    "nearest_neighbors": "minus the distance to the query",
}
#: What stands out from the other points.
MARK_COLOR = "#D55E00"
POINT_COLOR = "#0072B2"
#: Least distance of two labels, as a share of the height of the axes.
LABEL_GAP = 0.07
#: Where labels end, what is kept free around them, and most of what is kept for them, as shares of
#: the width of the axes.
LABEL_RIGHT, LABEL_PADDING, MAX_STRIP = 0.985, 0.04, 0.6
#: Decades below the largest value that a logarithmic axis shows.
DECADES = 10


def new_axes(width: float = 7, height: float = 4.5) -> Axes:
    """Axes of a new figure, which makes room for all labels."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plotting needs matplotlib, which is not installed: pip install matplotlib"
        ) from error
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def plain(text: str) -> str:
    """Keep matplotlib from reading dollar signs in the user's names as mathematics."""
    return text.replace("$", r"\$")


def name_of(value: Any, width: int = 20) -> str:
    """A name of the user's, as it is drawn."""
    return plain(clip(text_of(value), width))


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
        areas = np.clip(3e4 / n_points, 4, 18)
    return ax.scatter(
        x,
        y,
        areas,
        color=POINT_COLOR,
        alpha=float(np.clip(2000 / n_points, 0.2, 0.5)),
        linewidths=0,
        rasterized=n_points > 2000,
    )


def label_points(ax: Axes, x: NDArray[Any], y: NDArray[Any], texts: Sequence[str]) -> list[Any]:
    """Names of some points, one below the other, with lines to them.

    They get a strip of their own at the right, inside the axes: whatever the layout of the figure,
    they neither cover a point nor are they cut off. To be called when all points are drawn.
    """
    from matplotlib.text import Text

    if not len(texts):
        return []
    ax.autoscale_view()
    points = ax.transData.transform(np.column_stack([x, y]))
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
            fontsize="small",
            arrowprops={
                "arrowstyle": "-",
                "color": "0.6",
                "linewidth": 0.7,
                "relpos": (0, 0.5),
                "shrinkB": 3,
            },
        )
        for point, height in zip(order, spread(heights[order]), strict=True)
    ]
    # An annotation's own extent includes its line.
    widest = max(Text.get_window_extent(label).width for label in labels)
    share = min(MAX_STRIP, LABEL_PADDING + widest / ax.get_window_extent().width)
    left, right = ax.transData.transform([(edge, ax.get_ylim()[0]) for edge in ax.get_xlim()])[:, 0]
    right += (right - left) * share / (1 - share)
    ax.set_xlim(right=ax.transData.inverted().transform((right, 0))[0])
    return labels


def spread(heights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Descending heights in the axes, moved as far as they need to keep their distance."""
    bottom, top = LABEL_GAP / 2, 1 - LABEL_GAP / 2
    gap = min(LABEL_GAP, (top - bottom) / max(1, len(heights) - 1))
    steps = gap * np.arange(len(heights))
    # With the steps added, "apart by a gap" reads "not ascending": a running minimum from above,
    # and from below, where the first has pushed labels out of the axes, a running maximum.
    from_above = np.minimum.accumulate(np.minimum(heights + steps, top))
    return np.maximum(from_above, bottom + steps[-1:]) - steps
