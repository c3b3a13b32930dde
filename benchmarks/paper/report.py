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


def save(figure, path, n_colors=None):
    """Save a figure, in a palette of so many colours if a number is given."""
    figure.savefig(path, dpi=DPI)
    if n_colors is not None:
        from PIL import Image

        with Image.open(path) as image:
            reduced = image.convert("RGB").quantize(n_colors)
        reduced.save(path, optimize=True)


def costs(parts):
    """A section with what each part took, given {part: Cost}."""
    rows = [
        (name, f"{cost.seconds:.0f}", f"{cost.memory / 1e9:.1f}", *_work_cells(cost.work))
        for name, cost in parts.items()
    ]
    total = ("all", f"{sum(cost.seconds for cost in parts.values()):.0f}", *[""] * 5)
    headings = ["part", "seconds", "peak GB", "computation, seconds", "TFLOP", "floor", "ratio"]
    text = paragraph(
        "Seconds of each part, and the peak of memory of its process, both with the data and what "
        "checks and draws. For parts with one main computation: its seconds, the flops that its "
        "method needs whatever the code does, and the floor: their seconds at the rate of this "
        "machine's single-precision matrix product, measured in the same process. Fits, "
        "retraining, and the machines compute in double precision, for which a matrix product "
        "takes twice the floor. The flops are a gradient for each iteration (models); the Hessian, "
        "its factor, one step and one gradient a model (removals); the kernels between queries and "
        "support vectors, and with a squared hinge the products in its curvature (machines); the "
        "inverse, the products of which two norms are read off, and the queries (surnames); the "
        "same, and the matrix, but not the gradients that it is made of (convnet_table1)."
    )
    return f"## Time and memory\n\n{text}\n\n{table(headings, [*rows, total])}\n"


def _work_cells(work):
    if work is None:
        return [""] * 4
    return [
        f"{work.seconds:.1f}",
        f"{work.flops / 1e12:.2f}",
        f"{work.floor:.1f}",
        f"{work.ratio:.2f}",
    ]
