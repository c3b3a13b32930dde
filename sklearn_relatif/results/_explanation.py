"""The answer to "which training rows explain this prediction?", as data."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils._index import rows_at
from ..utils._text import clip_apart, short_text, text_of
from ._captions import NO_ROWS, OPPOSING_COLOR, SUPPORTING_COLOR, query_title, score_color
from ._display import InfluenceDisplay
from ._solver_choice import SolverChoice
from ._training_rows import TrainingRows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


# What a notebook or a terminal shows; `Explanation.frame` holds everything.
MAX_QUERIES_TEXT, MAX_QUERIES_HTML, MAX_ROWS = 5, 20, 20
_HEADINGS = {
    "rank": "rank",
    "row": "row",
    "score": "score",
    "label": "label",
    "prediction": "prediction",
    "probability": "probability",
}


class Explanation:
    """The training rows that explain each query, best first.

    Data only: it holds no model and no features, it pickles, and it can be sliced by query. The
    explainers create it. A query that is explained for several labels has an entry for each of
    them, as if it were several queries: entries are told apart by `query_index` and `targets`.

    Parameters
    ----------
    indices : array-like of shape (n_queries, n_examples), int
        Positions of the explaining rows in the training data, best first, for ``X_train.iloc`` or
        an array: as of ``kneighbors`` of scikit-learn, and unlike `rows` no labels of an index.
        -1 where fewer than `n_examples` rows have the asked sign.
    scores : array-like of shape (n_queries, n_examples), float
        The rows' scores in the `criterion`, NaN where `indices` is -1. Positive: the row
        supports the explained label (removing it raises the query's loss), negative: it
        opposes it.
    targets : array-like of shape (n_queries,) or (n_queries, n_targets), or None
        The explained label of each query, or its numbers where the model has several targets. None:
        no label took part, as may be the case with nearest neighbours.
    criterion : {"influence", "theta_relative", "loss_relative", "nearest_neighbors"}
        What the scores are.
    sign : {"positive", "negative", "absolute"} or None
        Which rows were asked for: supporting, opposing, or both by magnitude. None: the sign
        of a score has no meaning, as with nearest neighbours.
    training_rows : TrainingRows
        What is known of the training rows; kept by reference.
    query_index : array-like of shape (n_queries,)
        The user's index label of each query.
    solver : SolverChoice, optional
        What inverted the curvature, and why; if the scores are approximate, the reason says where
        their denominators come from.

    Attributes
    ----------
    indices, scores, targets, criterion, sign, training_rows, query_index, solver
        The parameters; array-likes as ndarrays.

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_relatif.results import Explanation, TrainingRows
    >>> rows = TrainingRows(index=np.array(["ann", "bob", "cid"]), labels=np.array([0, 1, 1]))
    >>> explanation = Explanation(
    ...     indices=[[2, 1], [0, -1]],
    ...     scores=[[0.75, 0.5], [0.25, np.nan]],
    ...     targets=[1, 0],
    ...     criterion="loss_relative",
    ...     sign="positive",
    ...     training_rows=rows,
    ...     query_index=["dan", "eve"],
    ... )
    >>> explanation
    Explanation of 2 queries: criterion loss_relative, sign positive
    <BLANKLINE>
    query dan, target 1
      rank  row    score  label
         1  cid  +0.7500      1
         2  bob  +0.5000      1
    <BLANKLINE>
    query eve, target 0
      rank  row    score  label
         1  ann  +0.2500      0
    >>> len(explanation[:1])
    1
    """

    def __init__(
        self,
        indices: ArrayLike,
        scores: ArrayLike,
        targets: ArrayLike | None,
        *,
        criterion: str,
        sign: str | None,
        training_rows: TrainingRows,
        query_index: ArrayLike,
        solver: SolverChoice | None = None,
    ) -> None:
        self.indices = np.asarray(indices)
        self.scores = np.asarray(scores)
        self.targets = None if targets is None else np.asarray(targets)
        self.criterion = criterion
        self.sign = sign
        self.training_rows = training_rows
        self.query_index = np.asarray(query_index)
        self.solver = solver
        self._check_shapes()

    def _check_shapes(self) -> None:
        if self.indices.ndim != 2 or self.indices.shape != self.scores.shape:
            raise ValueError(
                "indices and scores must have one shape (n_queries, n_examples), got "
                f"{self.indices.shape} and {self.scores.shape}."
            )
        for name in ("targets", "query_index"):
            values = getattr(self, name)
            n_axes = 2 if name == "targets" else 1
            if values is not None and (values.shape[:1] != (len(self),) or values.ndim > n_axes):
                raise ValueError(
                    f"{name} must have one entry a query, shape ({len(self)},), got {values.shape}."
                )

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Explanation]:
        return (self[query] for query in range(len(self)))

    def __getitem__(self, item: Any) -> Explanation:
        """Select queries by position: an int, a slice, an integer array or a boolean mask.

        Returns
        -------
        explanation : Explanation
            Of the selected queries (of one query for an int), sharing the `training_rows`.

        Raises
        ------
        IndexError
            If a position is out of range, or `item` is none of the above.
        """
        queries = np.arange(len(self))[item]
        if queries.ndim > 1:
            raise IndexError(
                "An Explanation is indexed by query only: an int, a slice, an integer array or a "
                f"boolean mask of one dimension. Got {item!r}."
            )
        queries = np.atleast_1d(queries)
        return Explanation(
            self.indices[queries],
            self.scores[queries],
            None if self.targets is None else self.targets[queries],
            criterion=self.criterion,
            sign=self.sign,
            training_rows=self.training_rows,
            query_index=self.query_index[queries],
            solver=self.solver,
        )

    @property
    def rows(self) -> np.ma.MaskedArray:
        """The explaining rows by the user's index labels, shape (n_queries, n_examples).

        Masked where `indices` is -1.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn_relatif.results import Explanation, TrainingRows
        >>> explanation = Explanation(
        ...     indices=[[2, -1]],
        ...     scores=[[0.75, np.nan]],
        ...     targets=[1],
        ...     criterion="influence",
        ...     sign="positive",
        ...     training_rows=TrainingRows(index=np.array(["ann", "bob", "cid"])),
        ...     query_index=["dan"],
        ... )
        >>> explanation.rows.tolist()
        [['cid', None]]
        """
        return rows_at(self.training_rows.index, self.indices)

    def frame(self) -> pd.DataFrame:
        """One line a query and explaining row, best rows first.

        Returns
        -------
        pandas.DataFrame
            With the columns `query` (the user's index label), `target` (the explained label),
            `rank` (from 1), `row` (the user's index label of the training row), `position` (the
            row's position in the training data), `score`, `label`, `prediction` and `probability`
            (the model's, of the row's own label). Where a row has several targets, `target`,
            `label` and `prediction` are columns each, `target_0` and so on. Columns of which
            nothing is known are left out, and so are the places for which there was no row.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "Explanation.frame needs pandas, which is not installed: pip install pandas"
            ) from error
        columns: dict[str, NDArray[Any]] = {}
        for name, values in self.columns().items():
            several = values.ndim > 1
            parts = {f"{name}_{k}": part for k, part in enumerate(values.T)} if several else {}
            columns |= parts if several else {name: values}
        return pd.DataFrame(columns)

    def plot(self, query: int = 0, ax: Axes | None = None) -> InfluenceDisplay:
        """Draw the rows that explain one query as horizontal bars.

        Parameters
        ----------
        query : int, default=0
            Position of the query in this explanation.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.

        Returns
        -------
        InfluenceDisplay
            Drawn: ``ax_`` and ``figure_`` are set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return InfluenceDisplay.from_explanation(self, query, ax=ax)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns of `frame`, without pandas. Several targets of a row are one of them."""
        query, place = np.nonzero(self.indices >= 0)
        position = self.indices[query, place]
        rows = self.training_rows
        columns = {
            "query": self.query_index[query],
            "target": None if self.targets is None else self.targets[query],
            "rank": place + 1,
            "row": rows.index[position],
            "position": position,
            "score": self.scores[query, place],
            "label": None if rows.labels is None else rows.labels[position],
            "prediction": None if rows.predictions is None else rows.predictions[position],
            "probability": None if rows.probabilities is None else rows.probabilities[position],
        }
        return {name: values for name, values in columns.items() if values is not None}

    def __repr__(self) -> str:
        shown = self[:MAX_QUERIES_TEXT]
        header = _header(self)
        tables = [_clipped(_lines(query)) for query in shown]
        widths = [
            max(map(len, column))
            for column in zip(header, *(line for table in tables for line in table), strict=True)
        ]

        def aligned(line: list[str]) -> str:
            return "  ".join(["", *map(str.rjust, line, widths)])

        text = [_title(self)]
        for query, table in zip(shown, tables, strict=True):
            text += ["", query_title(query)]
            text += [aligned(line) for line in [header, *table]] if table else []
            text += [f"  {note}" for note in _row_notes(query)]
        text += [line for note in _query_notes(self, len(shown)) for line in ("", note)]
        return "\n".join(text)

    def _repr_html_(self) -> str:
        """A self-contained table for notebooks; every text in it is escaped."""
        shown = self[:MAX_QUERIES_HTML]
        header = _header(self)
        groups = "".join(_html_group(query, len(header)) for query in shown)
        notes = "".join(f"<p>{escape(note)}</p>" for note in _query_notes(self, len(shown)))
        # Text and background keep the page's own colours, so light and dark pages both work.
        return (
            '<div style="overflow-x: auto">'
            f"<p>{escape(_title(self))}</p>{_html_legend(self)}"
            '<table style="border-collapse: collapse; text-align: right">'
            f"<thead>{_html_line(header, tag='th')}</thead>{groups}</table>{notes}</div>"
        )


def _title(explanation: Explanation) -> str:
    n_queries = len(explanation)
    title = f"Explanation of {n_queries} {'query' if n_queries == 1 else 'queries'}"
    if explanation.sign is None:
        return f"{title}: criterion {explanation.criterion}"
    title = f"{title}: criterion {explanation.criterion}, sign {explanation.sign}"
    solver = explanation.solver
    if solver is None or solver.is_exact:
        return title
    return f"{title}, solver {solver.name} ({solver.reason})"


def _header(explanation: Explanation) -> list[str]:
    columns = explanation[:0].columns()
    return [heading for name, heading in _HEADINGS.items() if name in columns]


def _lines(query: Explanation) -> list[list[str]]:
    """The cells of the first rows of a one-query explanation, as text."""

    def score_text(score: float) -> str:
        return format(score, "#.4g" if query.sign is None else "+#.4g").removesuffix(".")

    columns = query.columns()
    formats = {
        "score": score_text,
        "prediction": short_text,
        "probability": "{:.3f}".format,
    }
    cells = [
        map(formats.get(name, text_of), columns[name][:MAX_ROWS])
        for name in _HEADINGS
        if name in columns
    ]
    return [list(line) for line in zip(*cells, strict=True)]


def _clipped(lines: list[list[str]]) -> list[list[str]]:
    """Lines of cells, clipped column by column so that different cells stay different."""
    columns = [clip_apart(list(column)) for column in zip(*lines, strict=True)]
    return [list(line) for line in zip(*columns, strict=True)]


def _row_notes(query: Explanation) -> list[str]:
    n_rows = int(np.count_nonzero(query.indices >= 0))
    return _more(n_rows - MAX_ROWS, "row", "rows") if n_rows else [NO_ROWS]


def _query_notes(explanation: Explanation, n_shown: int) -> list[str]:
    return _more(len(explanation) - n_shown, "query", "queries")


def _more(n_hidden: int, one: str, several: str) -> list[str]:
    if n_hidden <= 0:
        return []
    return [f"... and {n_hidden} more {one if n_hidden == 1 else several}"]


def _html_line(cells: list[str], *, tag: str = "td", color: str = "transparent") -> str:
    first, *others = map(escape, cells)
    style = f"border-left: 0.4em solid {color}; padding: 0.1em 0.6em"
    return (
        f'<tr><{tag} style="{style}">{first}</{tag}>'
        + "".join(f'<{tag} style="padding: 0.1em 0.6em">{cell}</{tag}>' for cell in others)
        + "</tr>"
    )


def _html_group(query: Explanation, n_columns: int) -> str:
    """The rows of one query as a `tbody`."""

    def across(text: str, tag: str) -> str:
        style = "text-align: left; padding: 0.6em 0.6em 0.1em"
        return f'<tr><{tag} colspan="{n_columns}" style="{style}">{escape(text)}</{tag}></tr>'

    colors = (score_color(score, query.sign) for score in query.columns()["score"])
    lines = [
        _html_line(line, color=color) for line, color in zip(_lines(query), colors, strict=False)
    ]
    notes = [across(note, "td") for note in _row_notes(query)]
    return f"<tbody>{across(query_title(query), 'th')}{''.join(lines + notes)}</tbody>"


def _html_legend(explanation: Explanation) -> str:
    if explanation.sign is None:
        return ""
    meanings = {SUPPORTING_COLOR: "+ supports the target", OPPOSING_COLOR: "- opposes the target"}
    spans = (
        f'<span style="border-left: 0.4em solid {color}; padding: 0 1.2em 0 0.4em">{text}</span>'
        for color, text in meanings.items()
    )
    return f"<p>{''.join(spans)}</p>"
