"""Small pictures as SVG text, which inherit the colours of the page they stand in."""

from __future__ import annotations

from html import escape

import numpy as np

from ...utils._text import clip_apart

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 92, 20, 16, 62
#: Of a forest: the height of a line, the width of the names, and their characters.
LINE, NAME_WIDTH, NAME_LENGTH = 28, 190, 24
#: Cells across and up in which many points are counted.
N_CELLS = 64, 40
#: Up to this many points are drawn one by one.
MAX_POINTS = 1500


def histogram(values, *, x_label, y_label, n_bins=20):
    """How many values lie in each part of the range from 0 to 1."""
    counts, edges = np.histogram(values, n_bins, (0, 1))
    top = max(1, counts.max())
    x, y = Axis(0, 1, is_log=False), Axis(0, top, is_log=False)
    bars = []
    for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        left, right, upper = across(x, low), across(x, high), up(y, count)
        title = f"{low:.2f} to {high:.2f}: {count} rows"
        bars.append(
            f'<rect class="bar" x="{left + 1:.1f}" y="{upper:.1f}" width="{right - left - 2:.1f}" '
            f'height="{HEIGHT - BOTTOM - upper:.1f}"><title>{title}</title></rect>'
        )
    return picture([axes(x, y, x_label, y_label), *bars], f"Histogram: {x_label}")


def scatter(x_values, y_values, marked, *, x_label, y_label, axis=None):
    """Points, or their density where there are many.

    Parameters
    ----------
    x_values, y_values : ndarray of shape (n,)
        What lies beyond an axis is drawn at its edge.
    marked : list of (int, str, str)
        Points that stand out: position, class of style, and the text shown on hover.
    x_label, y_label : str
    axis : callable, default=None
        Makes an axis of values. None: :func:`log_axis`.
    """
    axis = axis or log_axis
    x, y = axis(x_values), axis(y_values)
    if len(x_values) > MAX_POINTS:
        points = _density(x, y, x_values, y_values)
    else:
        points = [
            f'<circle class="point" cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>'
            for a, b in zip(across(x, x_values), up(y, y_values), strict=True)
        ]
    for position, style, text in marked:
        a, b = across(x, x_values[position]), up(y, y_values[position])
        points.append(
            f'<circle class="{style}" cx="{a:.1f}" cy="{b:.1f}" r="5">'
            f"<title>{escape(text)}</title></circle>"
        )
    return picture([axes(x, y, x_label, y_label), *points], f"{y_label} against {x_label}")


def curves(series, *, x_label, y_label):
    """Shares from 0 to 1 over counts, as lines on a logarithmic axis.

    Parameters
    ----------
    series : dict of str to ndarray
        Under the class of style of each line, its values at 1, 2, 3, ...
    x_label, y_label : str
    """
    longest = max(len(values) for values in series.values())
    x, y = Axis(1, max(10, longest), is_log=True), Axis(0, 1, is_log=False)
    lines = []
    for style, values in series.items():
        points = zip(across(x, np.arange(1, len(values) + 1)), up(y, values), strict=True)
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        lines.append(f'<polyline class="{style}" points="{path}"/>')
    return picture([axes(x, y, x_label, y_label), *lines], f"{y_label} over {x_label}")


def forest(names, effects, lows, highs, estimates, *, x_label):
    """Effects with their intervals on one axis, a line each.

    Parameters
    ----------
    names : list of str
    effects, lows, highs : ndarray of shape (n,)
    estimates : ndarray of shape (n,) or None
        Of the same effects, by other means.
    x_label : str
    """
    together = [effects, lows, highs, [0.0]] + ([] if estimates is None else [estimates])
    x = plain_axis(np.concatenate(together))
    height = TOP + LINE * len(names) + BOTTOM
    bottom = height - BOTTOM
    parts, shown = [_x_grid(x, NAME_WIDTH, bottom)], clip_apart(names, NAME_LENGTH)
    zero = across(x, 0.0, NAME_WIDTH)
    parts.append(f'<line class="zero" x1="{zero:.1f}" x2="{zero:.1f}" y1="{TOP}" y2="{bottom}"/>')
    for place, (name, short) in enumerate(zip(names, shown, strict=True)):
        y = TOP + LINE * (place + 0.5)
        low, high, effect = (across(x, v[place], NAME_WIDTH) for v in (lows, highs, effects))
        parts.append(
            f'<text class="name" x="{NAME_WIDTH - 12}" y="{y + 5:.1f}" text-anchor="end">'
            f"{escape(short)}<title>{escape(name)}</title></text>"
        )
        if np.isfinite([low, high]).all():
            parts.append(
                f'<line class="interval" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
        if estimates is not None and np.isfinite(estimates[place]):
            a = across(x, estimates[place], NAME_WIDTH)
            parts.append(f'<circle class="estimate" cx="{a:.1f}" cy="{y:.1f}" r="4.5"/>')
        parts.append(f'<circle class="effect" cx="{effect:.1f}" cy="{y:.1f}" r="5.5"/>')
    parts.append(_x_name(x_label, NAME_WIDTH, height))
    return picture(parts, x_label, height)


def _density(x, y, x_values, y_values):
    """Squares that are darker the more points they hold."""
    columns, rows = N_CELLS
    width, height = (WIDTH - LEFT - RIGHT) / columns, (HEIGHT - TOP - BOTTOM) / rows
    column = np.clip(((across(x, x_values) - LEFT) / width).astype(int), 0, columns - 1)
    row = np.clip(((up(y, y_values) - TOP) / height).astype(int), 0, rows - 1)
    counts = np.bincount(row * columns + column, minlength=rows * columns)
    cells = []
    for cell in np.flatnonzero(counts):
        shade = 0.15 + 0.85 * np.log(counts[cell]) / max(1.0, np.log(counts.max()))
        cells.append(
            f'<rect class="cell" x="{LEFT + cell % columns * width:.1f}" '
            f'y="{TOP + cell // columns * height:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'opacity="{shade:.2f}"><title>{counts[cell]} rows</title></rect>'
        )
    return cells


# --- axes -----------------------------------------------------------------------------------


class Axis:
    """A range of values, and whether it is logarithmic."""

    def __init__(self, low, high, *, is_log):
        self.low, self.high, self.is_log = low, high, is_log

    def place(self, values):
        """Where values lie between the ends, from 0 to 1."""
        values = np.clip(values, self.low, self.high)
        if self.is_log:
            return np.log(values / self.low) / np.log(self.high / self.low)
        return (values - self.low) / (self.high - self.low)

    def ticks(self):
        """Values to write at the axis, with their text."""
        if not self.is_log:
            step = _round_step((self.high - self.low) / 5)
            values = step * np.arange(np.ceil(self.low / step), self.high / step + 1e-9)
            # (Rounding makes a zero of either sign.)
            return [(value, f"{value + 0.0:,.10g}") for value in values]
        first, last = np.ceil(np.log10(self.low)), np.floor(np.log10(self.high))
        step = max(1, int(np.ceil((last - first) / 6)))
        exponents = np.arange(first, last + 1, step).astype(int)
        return [(10.0**e, f"{10.0**e:,.10g}" if -4 < e < 5 else f"1e{e}") for e in exponents]


def log_axis(values):
    """A logarithmic axis over the positive values, at most 10 decades and at least one."""
    positive = values[(values > 0) & np.isfinite(values)]
    high = float(positive.max()) if positive.size else 1.0
    low = float(positive.min()) if positive.size else 0.1
    low = max(min(low, high / 10), high * 1e-10)
    return Axis(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)), is_log=True)


def plain_axis(values):
    """An axis over all values, with a little room around them."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    room = 0.05 * (high - low) or max(abs(high), 1.0)
    return Axis(low - room, high + room, is_log=False)


def _round_step(step):
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def across(axis, values, left=LEFT):
    return left + axis.place(values) * (WIDTH - left - RIGHT)


def up(axis, values):
    return HEIGHT - BOTTOM - axis.place(values) * (HEIGHT - TOP - BOTTOM)


def axes(x, y, x_label, y_label):
    """Grid lines, numbers and names of both axes."""
    bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    parts = [_x_grid(x, LEFT, bottom)]
    for value, text in y.ticks():
        b = up(y, value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{b:.1f}" y2="{b:.1f}"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{b + 5:.1f}" text-anchor="end">{text}</text>')
    parts.append(_x_name(x_label, LEFT, HEIGHT))
    parts.append(
        f'<text class="name" transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    return "".join(parts)


def _x_grid(x, left, bottom):
    parts = []
    for value, text in x.ticks():
        a = across(x, value, left)
        parts.append(f'<line class="grid" x1="{a:.1f}" x2="{a:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{a:.1f}" y="{bottom + 24}" text-anchor="middle">{text}</text>')
    return "".join(parts)


def _x_name(label, left, height):
    return (
        f'<text class="name" x="{(left + WIDTH - RIGHT) / 2}" y="{height - 10}" '
        f'text-anchor="middle">{escape(label)}</text>'
    )


def picture(parts, description, height=HEIGHT):
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(description)}">'
        f"{''.join(parts)}</svg>"
    )
