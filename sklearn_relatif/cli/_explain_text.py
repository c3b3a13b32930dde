"""Explained predictions as text: each row beside those that explain it."""

from __future__ import annotations

from shutil import get_terminal_size

from ..utils._text import apart, clip, clip_apart, short_text, text_of

#: Letters of a cell that stand beside others, and of the name of a column.
WIDTH, NAME_WIDTH = 18, 24
#: Columns of the table that are shown of each row.
N_CELLS = 30
#: Where the output is no terminal.
USUAL_SIZE = (100, 24)


def as_text(explained, has_classes):
    """A prediction, and tables of the rows that explain it.

    Parameters
    ----------
    explained : ExplainedRow
    has_classes : bool
        Whether labels are predicted, not numbers.
    """
    row = explained.row
    parts = [headline(explained, has_classes)]
    for heading, explaining in sides(explained, has_classes):
        lines = _Table(row, explaining, has_classes).lines() if explaining else ["  none"]
        parts.append("\n".join([f"{heading}:", *lines]))
    parts += [explained.flip_sentence] * bool(explained.flip_sentence)
    return "\n\n".join(parts)


def headline(explained, has_classes):
    """What is predicted for a row, and what the table says of it."""
    row = explained.row
    chance, what = explained.certainty, "label" if has_classes else "target"
    sure = "" if chance is None else f" with a probability of {chance:.1%}"
    return (
        f"Row {text_of(row.name)}: the model predicts {short_text(row.prediction)}{sure}; its "
        f"{what} is {text_of(row.label)}."
    )


def sides(explained, has_classes):
    """What the rows of each side do, and the rows."""
    prediction = short_text(explained.row.prediction)
    said = (f"Rows for {prediction}", f"Rows against {prediction}")
    if not has_classes:
        said = ("Rows that raise the prediction", "Rows that lower the prediction")
    return zip(said, (explained.supporting, explained.opposing), strict=True)


class _Table:
    """A row in a column of its own beside those that explain it, as many as fit.

    Cells that are too long for that stand below, one a line.

    Parameters
    ----------
    row : Shown
    explaining : list of Shown
    has_classes : bool
    """

    def __init__(self, row, explaining, has_classes):
        self.rows, self.width = [row, *explaining], get_terminal_size(USUAL_SIZE).columns
        self.names = clip_apart([text_of(it.name) for it in self.rows], WIDTH)
        self.beside = {
            "row": self.names,
            "score": ["", *(f"{it.score:+.3g}" for it in explaining)],
            "label" if has_classes else "target": self._clipped("label", text_of),
            "prediction": self._clipped("prediction", short_text),
        }
        if row.probability is not None:
            self.beside["label's probability"] = [f"{it.probability:.1%}" for it in self.rows]
        shown = list(row.cells)[:N_CELLS]
        self.n_left_out = len(row.cells) - len(shown)
        # Columns of the table may be called like what is told of its rows.
        names = apart([*self.beside, *map(text_of, shown)])[len(self.beside) :]
        texts = [[text_of(it.cells[name]) for it in self.rows] for name in shown]
        cells = dict(zip(clip_apart(names, NAME_WIDTH), texts, strict=True))
        self.long = {title: of for title, of in cells.items() if max(map(len, of)) > WIDTH}
        self.beside |= {title: of for title, of in cells.items() if title not in self.long}

    def _clipped(self, what, text):
        return [clip(text(vars(it)[what]), WIDTH) for it in self.rows]

    def lines(self):
        """The table as lines."""
        head = max(map(len, self.beside))
        widths = [max(map(len, of)) + 2 for of in zip(*self.beside.values(), strict=True)]
        n_fitting = sum(2 + head + sum(widths[: n + 1]) <= self.width for n in range(len(widths)))
        widths = widths[: max(2, n_fitting)]
        for title, of in self.beside.items():
            cells = "".join(text.rjust(width) for text, width in zip(of, widths, strict=False))
            yield f"  {title:<{head}}{cells}".rstrip()
        for title, of in self.long.items():
            yield f"  {title}"
            yield from self._below(of)
        notes = [f"{len(self.rows) - len(widths)} more rows"] * (len(widths) < len(self.rows))
        notes += [f"{self.n_left_out} more columns"] * bool(self.n_left_out)
        if notes:
            yield f"  ... and {', '.join(notes)}: --output FILE.html, .csv or .json has them all"

    def _below(self, texts):
        longest = max(map(len, self.names))
        for name, text in zip(self.names, texts, strict=True):
            yield f"    {name:>{longest}}  {clip(text, max(WIDTH, self.width - longest - 6))}"
