"""The answer to "which training rows explain this prediction?", as data."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils._boxes import across, box, code_line, line, paragraph, table
from ..utils._frames import check_names, columns_at, frame_of, library_of
from ..utils._index import rows_at
from ..utils._text import agreeing, clip_apart, short_text, text_of
from ._captions import NO_ROWS, query_title, score_meaning, score_text
from ._display import InfluenceDisplay
from ._resampler import NoResamples, Resampler
from ._solver_choice import SolverChoice
from ._training_rows import TrainingRows

if TYPE_CHECKING:
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
    "stability": "stability",
}
#: Headings of what is text.
_WORDS = ("row", "label", "prediction")


class Explanation:
    """The training rows that explain each query, best first.

    Data only: it holds no features and no model, but for what :meth:`stability` asks as long as the
    explanation is in memory. It pickles, and it can be sliced by query. The explainers create it. A
    query that is explained for several labels has an entry for each of them, as if it were several
    queries: entries are told apart by `query_index` and `targets`.

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
    query_positions : array-like of shape (n_queries,), int, optional
        The position of each query in the rows that were explained. None: they are all of these, in
        their order.
    library : str, optional
        Of whose data frames :meth:`frame` makes one: ``"pandas"``, ``"polars"``, ``"pyarrow"``, ...
        None: neither the queries nor the training rows were in a data frame.
    solver : SolverChoice, optional
        What inverted the curvature, and why; if the scores are approximate, the reason says where
        their denominators come from.
    shares : array-like of shape (n_queries, n_examples), optional
        The stability of each row; see :meth:`with_stability`.
    resampler : Resampler, optional
        What :meth:`stability` asks. Files and copies do without, as it holds the training data.

    Attributes
    ----------
    indices, scores, targets, criterion, sign, training_rows, query_index, query_positions, \
            library, solver, shares
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
        query_positions: ArrayLike | None = None,
        library: str | None = None,
        solver: SolverChoice | None = None,
        shares: ArrayLike | None = None,
        resampler: Resampler | None = None,
    ) -> None:
        self.indices = np.asarray(indices)
        self.scores = np.asarray(scores)
        self.targets = None if targets is None else np.asarray(targets)
        self.criterion = criterion
        self.sign = sign
        self.training_rows = training_rows
        self.query_index = np.asarray(query_index)
        places = np.arange(len(self.indices)) if query_positions is None else query_positions
        self.query_positions = np.asarray(places)
        self.library = library
        self.solver = solver
        self.shares = None if shares is None else np.asarray(shares)
        self._resampler = NoResamples() if resampler is None else resampler
        self._check_shapes()

    def _check_shapes(self) -> None:
        if self.indices.ndim != 2 or self.indices.shape != self.scores.shape:
            raise ValueError(
                "indices and scores must have one shape (n_queries, n_examples), got "
                f"{self.indices.shape} and {self.scores.shape}."
            )
        if self.shares is not None and self.shares.shape != self.scores.shape:
            raise ValueError(
                f"shares must have the shape of the scores, {self.scores.shape}, got "
                f"{self.shares.shape}."
            )
        for name in ("targets", "query_index", "query_positions"):
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
            query_positions=self.query_positions[queries],
            library=self.library,
            solver=self.solver,
            shares=None if self.shares is None else self.shares[queries],
            resampler=self._resampler.of_queries(queries),
        )

    def __getstate__(self) -> dict[str, Any]:
        # What resamples rows has them all.
        return {**self.__dict__, "_resampler": NoResamples()}

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

    def frame(self, X_train: Any = None, X_test: Any = None) -> Any:
        """One line a query and explaining row, best rows first.

        Parameters
        ----------
        X_train : data frame, series, array, sparse matrix or list, default=None
            The training rows in the order of ``fit``, to put their features beside their scores.
        X_test : data frame, series, array, sparse matrix or list, default=None
            The rows that were explained, all of them in their order, to put the features of the
            queries there too. Both may have other columns than the model was given.

        Returns
        -------
        data frame
            Of the library of the queries or else of the training rows: pandas, polars, PyArrow or
            what else they were; pandas if they were arrays. With the columns `query` (the user's
            index label), `target` (the explained label),
            `rank` (from 1), `row` (the user's index label of the training row), `position` (the
            row's position in the training data), `score`, `label`, `prediction` and `probability`
            (the model's, of the row's own label), and `stability` (see :meth:`with_stability`).
            Where a row has several targets, `target`, `label` and `prediction` are columns each,
            `target_0` and so on. Columns of which nothing is known are left out, and so are the
            places for which there was no row.
            Features follow: ``row_<feature>`` of the training row, ``query_<feature>`` of the
            query. Of sparse rows these are the columns that are not 0 in all of them.

        Raises
        ------
        ImportError
            If the library of the frame, such as pandas, is not installed.
        ValueError
            If `X_train` or `X_test` has other rows, by their number or by their index labels; or if
            it is sparse, and over 100 columns are not 0.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explanation = explainer.explain(X.iloc[[77]], n_examples=2)
        >>> frame = explanation.frame(X, X.iloc[[77]])
        >>> frame[["row", "row_petal width (cm)", "query_petal width (cm)"]].to_numpy().tolist()
        [[139.0, 2.1, 1.7], [147.0, 2.0, 1.7]]
        """
        columns: dict[str, Any] = {}
        for name, values in self.columns().items():
            several = values.ndim > 1
            parts = {f"{name}_{k}": part for k, part in enumerate(values.T)} if several else {}
            columns |= parts if several else {name: values}
        library = self.library or library_of(X_train, X_test)
        query, place = np.nonzero(self.indices >= 0)
        if X_train is not None:
            position, n_rows = self.indices[query, place], len(self.training_rows.index)
            features = columns_at(X_train, position, "row_", library, n_rows)
            names, own = self.training_rows.index[position], self.training_rows.library
            check_names(X_train, names, position, own, "X_train")
            columns |= features
        if X_test is not None:
            position = self.query_positions[query]
            check_names(X_test, self.query_index[query], position, self.library, "X_test")
            columns |= columns_at(X_test, position, "query_", library, None)
        return frame_of(columns, library, "Explanation.frame")

    def stability(
        self, n_resamples: int | None = None, random_state: Any = None
    ) -> NDArray[np.floating]:
        """Share of resamples of the training data in which each row would be named too.

        Would the same rows be named, had other data of the same kind been collected? Rows are
        drawn with replacement, as many as there are; the model is fitted to what was drawn; and
        its own gradients and its own curvature rank all training rows for the same query and
        label. Counted is how often a row that is shown is among as many best rows as are shown.

        All rows are ranked, whether they were drawn or not: a model has a gradient for every row,
        and one that was not drawn is one that it has not seen. Preprocessing, the strength of the
        penalty and the weights of the rows are held as they are. Where the penalty counts rows,
        it is that of the rows drawn.

        Parameters
        ----------
        n_resamples : int, default=None
            How many times to fit the model again, at its optimum; models with an L1 penalty are
            fitted by scikit-learn itself. None: in 200 resamples, no model is fitted. Each is taken
            two Newton steps from the model of all rows (for squared error, one is exact), and ranks
            by the gradients and the curvature there.
        random_state : int, RandomState instance or None, default=None
            Draws the resamples.

        Returns
        -------
        ndarray of shape (n_queries, n_examples)
            Between 0 and 1, with a standard error of at most ``0.5 / sqrt(n_resamples)``, and less
            for None: there, all rows are drawn equally often in all of the resamples together [1]_.
            NaN where there is no row.

        Raises
        ------
        ValueError
            If the model is not linear in its parameters, has no smooth loss, or is no longer there:
            files and copies of explanations leave it out. If `n_resamples` is None and an L1
            penalty chooses coefficients.

        Warns
        -----
        ConvergenceWarning
            If two Newton steps fall short, as they may with next to no penalty, or if some
            resamples determine no model.

        See Also
        --------
        Explanation.with_stability : Shows the shares beside the rows.

        Notes
        -----
        With ``w_i`` the number of times that row i was drawn, the parameters of a resample minimise
        ``sum_i w_i s_i loss_i + penalty``; a Newton step from the fitted ones is ``-(sum_i w_i s_i
        H_i + Lambda)^-1 sum_i w_i s_i g_i`` but for the gradient of the penalty. (The infinitesimal
        jackknife has the Hessian of all rows in its place, with which shares come
        out 3 to 10 points worse where rows are few.)

        References
        ----------
        .. [1] A. C. Davison, D. V. Hinkley, E. Schechtman, "Efficient bootstrap simulation",
           Biometrika 73 (1986).

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explanation = explainer.explain(X[[77]], n_examples=3)
        >>> explanation.stability(random_state=0).round(1)
        array([[1. , 0.9, 0.8]])
        """
        return self._resampler.shares(self.indices, str(self.sign), n_resamples, random_state)

    def with_stability(
        self, n_resamples: int | None = None, random_state: Any = None
    ) -> Explanation:
        """The same explanation, with the stability of each row as a column.

        Parameters
        ----------
        n_resamples : int, default=None
            As of :meth:`stability`.
        random_state : int, RandomState instance or None, default=None
            Draws the resamples.

        Returns
        -------
        Explanation
            Its `shares` are what :meth:`stability` returns. They are the column "stability" of
            :meth:`frame`, of the text, and of the table in notebooks.

        Raises
        ------
        ValueError
            As of :meth:`stability`.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> explanation = explainer.explain(X[[77]], n_examples=3)
        >>> explanation.with_stability(random_state=0).frame()[["row", "stability"]].round(1)
           row  stability
        0  139        1.0
        1  147        0.9
        2  112        0.8
        """
        other = copy(self)
        vars(other).update(vars(self), shares=self.stability(n_resamples, random_state))
        return other

    def plot(
        self, query: int = 0, ax: Axes | None = None, *, X_train: Any = None
    ) -> InfluenceDisplay:
        """Draw the rows that explain one query as horizontal bars.

        Parameters
        ----------
        query : int, default=0
            Position of the query in this explanation.
        ax : matplotlib.axes.Axes, optional
            Where to draw. None: a new figure.
        X_train : data frame, series, array, sparse matrix or list, default=None
            The training rows in the order of ``fit``, to write the first cells of each beside its
            bar.

        Returns
        -------
        InfluenceDisplay
            Drawn: ``ax_`` and ``figure_`` are set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return InfluenceDisplay.from_explanation(self, query, ax=ax, X_train=X_train)

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
            "stability": None if self.shares is None else self.shares[query, place],
        }
        return {name: values for name, values in columns.items() if values is not None}

    def __repr__(self) -> str:
        shown = self[:MAX_QUERIES_TEXT]
        header = _header(self)
        tables = [_clipped(_lines(query)) for query in shown]
        widths = [
            max(map(len, column))
            for column in zip(header, *(row for rows in tables for row in rows), strict=True)
        ]

        def aligned(row: list[str]) -> str:
            return "  ".join(["", *map(str.rjust, row, widths)])

        text = [f"Explanation of {_caption(self)}"]
        for query, rows in zip(shown, tables, strict=True):
            text += ["", query_title(query)]
            text += [aligned(row) for row in [header, *rows]] if rows else []
            text += [f"  {note}" for note in _row_notes(query)]
        text += [part for note in _query_notes(self, len(shown)) for part in ("", note)]
        return "\n".join(text)

    def _repr_html_(self) -> str:
        """A box for notebooks; every text in it is escaped."""
        shown = self[:MAX_QUERIES_HTML]
        header = _header(self)
        lines = [one for query in shown for one in _html_lines(query, len(header))]
        notes = "".join(paragraph(note) for note in _query_notes(self, len(shown)))
        words = [place for place, heading in enumerate(header) if heading in _WORDS]
        content = _html_legend(self) + table(header, lines, words) + notes
        way = code_line(
            "explanation.frame(X_train, X_test)", "has all of this with the features beside it."
        )
        return box("Explanation", _caption(self), content + way)


def _caption(explanation: Explanation) -> str:
    """Of what it is, in a line."""
    n_queries = len(explanation)
    caption = f"{n_queries} {agreeing(n_queries, 'query', 'queries')}"
    if explanation.sign is None:
        return f"{caption}: criterion {explanation.criterion}"
    caption = f"{caption}: criterion {explanation.criterion}, sign {explanation.sign}"
    solver = explanation.solver
    if solver is None or solver.is_exact:
        return caption
    return f"{caption}, solver {solver.name} ({solver.reason})"


def _header(explanation: Explanation) -> list[str]:
    columns = explanation[:0].columns()
    return [heading for name, heading in _HEADINGS.items() if name in columns]


def _lines(query: Explanation) -> list[list[str]]:
    """The cells of the first rows of a one-query explanation, as text."""
    columns = query.columns()
    formats = {
        "score": lambda score: score_text(score, query.sign),
        "prediction": short_text,
        "probability": "{:.3f}".format,
        "stability": "{:.2f}".format,
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
    return [f"... and {n_hidden} more {agreeing(n_hidden, one, several)}"]


def _html_lines(query: Explanation, n_columns: int) -> list[str]:
    """The rows of one query, below a line that names it."""
    title = across(escape(query_title(query)), n_columns, is_heading=True)
    words = [place for place, heading in enumerate(_header(query)) if heading in _WORDS]
    styles = (score_meaning(score, query.sign) for score in query.columns()["score"])
    lines = [
        line(texts, style, words)
        for texts, style in zip(_clipped(_lines(query)), styles, strict=False)
    ]
    notes = [across(escape(note), n_columns) for note in _row_notes(query)]
    return [title, *lines, *notes]


def _html_legend(explanation: Explanation) -> str:
    if explanation.sign is None:
        return ""
    meanings = {"supports": "+ supports the target", "opposes": "- opposes the target"}
    keys = (f'<span class="key {style}">{text}</span>' for style, text in meanings.items())
    return f"<p>{''.join(keys)}</p>"
