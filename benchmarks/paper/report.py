"""Markdown and figures."""

from textwrap import fill

#: Dots per inch of the figures, which are to stay small.
DPI = 80


def table(headings, rows):
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [headings, ["---"] + ["--:"] * (len(headings) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def paragraph(text):
    """Text of any line breaks in lines of 100 characters."""
    return fill(" ".join(text.split()), 100, break_long_words=False, break_on_hyphens=False)


def new_figure(width, height):
    """A figure of a size in inches, drawn without a display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure, path):
    figure.savefig(path, dpi=DPI)


def times(seconds):
    """A section with the time of each part."""
    rows = [(name, f"{value:.0f}") for name, value in seconds.items()]
    total = ("all", f"{sum(seconds.values()):.0f}")
    body = table(["part", "seconds"], [*rows, total])
    return f"## Time of each part, loading of data included\n\n{body}\n"
