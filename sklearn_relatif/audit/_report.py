"""What an audit found, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from ..optimality import in_standard_errors, is_at_optimum
from ..utils._cells import Cells
from ..utils._frames import frame_of
from ..utils._names import position_of
from ..utils._text import clip_apart, text_of
from ..utils._whole_files import write_whole
from ._files import as_csv, as_json
from ._sentences import why
from ._source import DataSource
from .explained import ExplainedPrediction
from .findings import N_FINDINGS, NOTHING, Finding, not_checked
from .views import View, must_be_optimal, percent, view_of

#: Rows of each section of the report.
N_SHOWN = 20
#: Rows of the summary.
N_SUMMARISED = 5
#: Hubs whose share of the explanations is told.
N_HUBS = 10


@dataclass(frozen=True, eq=False)
class AuditReport:
    """What an audit of a model and its training rows found.

    Data only: it does not hold the model, and of the features it holds no more than the rows that
    ``audit`` was given to show, by reference. Made by :meth:`RelatIFExplainer.audit`.

    Attributes
    ----------
    index : ndarray of shape (n_rows,)
        The names of the training rows: their index labels, or the names given to ``audit``.
    columns : dict of str to ndarray of shape (n_rows,)
        The numbers of each training row, as in :meth:`frame`.
    model : dict of str to object
        Facts of the model and of its fit.
    curvature : dict of str to object
        How the curvature was inverted, and how well it can be; empty of trees.
    predictions : dict of str to ndarray of shape (n_test,)
        The predictions on the test rows, and how they are supported; empty without test rows.
        ``best_row`` is the name of a training row, masked where none supports the prediction.
        Where the labels or targets are known, out of sample: ``loss``, ``suspicion_rank`` from 1
        for the largest, and ``label_probability``, if there are probabilities.
    groups : dict of str to ndarray of shape (n_groups,)
        Groups of training rows, and what removing each does; empty without groups.
    notes : tuple of str
        What was assumed, and what could not be computed.
    findings : tuple of Finding
        What was found, the most important first.
    checked : dict of str to str
        For each thing that was looked for: ``"found"``, ``"nothing found"``, or why it could not
        be.
    explained : tuple of ExplainedPrediction
        Predictions, each with the training rows that speak for it and against it.
    contributions, test_contributions : dict of int to dict of str to float
        For the positions of the most suspicious training rows and test rows, what each column of
        the table adds to the prediction, the largest first; see :class:`ExplainedPrediction`. Empty
        if the model does not tell the columns apart, or no targets of test rows are known.
    source : DataSource
        Where the rows come from.
    cells, test_cells : Cells or None
        The training rows and the test rows as they were given, where they were.
    library : str or None
        Of whose data frames :meth:`frame` makes one; None: of pandas.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> X, y = load_iris(return_X_y=True)
    >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X[::2], y[::2])
    >>> report = explainer.audit(X[1::2], y[1::2])
    >>> report.first_rows(3)
    array([53, 35, 63])
    >>> print(report.frame().loc[35, ["label", "prediction"]].tolist())
    [1, 2]
    """

    index: np.ndarray
    columns: dict[str, np.ndarray]
    model: dict[str, Any]
    curvature: dict[str, Any]
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    checked: dict[str, str] = field(default_factory=dict)
    explained: tuple[ExplainedPrediction, ...] = ()
    contributions: dict[int, dict[str, float]] = field(default_factory=dict)
    test_contributions: dict[int, dict[str, float]] = field(default_factory=dict)
    source: DataSource = field(default_factory=DataSource)
    cells: Cells | None = None
    test_cells: Cells | None = None
    library: str | None = None

    @property
    def view(self) -> View:
        """What is told of targets of their kind."""
        return view_of(self.columns)

    @property
    def n_test(self) -> int | None:
        """Number of test rows, None without."""
        return self.model.get("n_test")

    def first_rows(self, n_rows: int = N_SHOWN) -> np.ndarray:
        """Names of the rows with the most suspicious labels or targets, the most suspicious first.

        Of a data frame they are labels of its index: ``X_train.loc[report.first_rows()]``.

        Parameters
        ----------
        n_rows : int, default=20

        Returns
        -------
        ndarray of shape (min(n_rows, n_train),)
        """
        return self.index[self.first_positions(n_rows)]

    def first_positions(self, n_rows: int = N_SHOWN) -> np.ndarray:
        """Positions of the same rows in the training data: ``X_train.iloc[...]``, and in `columns`.

        Parameters
        ----------
        n_rows : int, default=20

        Returns
        -------
        ndarray of int, shape (min(n_rows, n_train),)
        """
        return np.argsort(self.columns["suspicion_rank"])[:n_rows]

    def first_test_rows(self, n_rows: int = N_SHOWN) -> np.ndarray:
        """Names of the test rows with the most suspicious labels or targets, the worst first.

        The model has not seen them. Of a data frame they are labels of its index.

        Parameters
        ----------
        n_rows : int, default=20

        Returns
        -------
        ndarray of shape (min(n_rows, n_test),)

        Raises
        ------
        ValueError
            If the audit had no test rows with labels or targets.
        """
        return self.predictions["query"][self.first_test_positions(n_rows)]

    def first_test_positions(self, n_rows: int = N_SHOWN) -> np.ndarray:
        """Positions of the same rows in the test data, and in `predictions`.

        Parameters
        ----------
        n_rows : int, default=20

        Returns
        -------
        ndarray of int, shape (min(n_rows, n_test),)

        Raises
        ------
        ValueError
            If the audit had no test rows with labels or targets.
        """
        if "suspicion_rank" not in self.predictions:
            raise ValueError(
                "There are no test rows whose labels or targets are known: audit(X_test, y_test)."
            )
        return np.argsort(self.predictions["suspicion_rank"])[:n_rows]

    def why(self, row: Any) -> str:
        """One sentence on why a row is worth a look.

        Parameters
        ----------
        row : label
            Its name in :attr:`index`.

        Returns
        -------
        str

        Raises
        ------
        KeyError
            If no row has this name.
        TypeError
            If it is no name but a list or an array.
        ValueError
            If several rows have it.
        """
        return why(self.columns, position_of(self.index, row), self.n_test)

    def frame(self) -> Any:
        """One line a training row, in the order of the training data.

        Returns
        -------
        data frame
            Of the library of the training data, or of pandas if they were arrays. The names of the
            rows are its index, and where frames of the library have none, its first column,
            ``row``. Columns, of which those are left out that the
            model or the test rows do not give: ``label``, ``prediction`` and ``probability``
            (of the label) by the fitted model; ``loo_prediction``, ``loo_loss`` and
            ``loo_probability`` by the model without the row, in one Newton step (which is exact
            for squared error). For a regressor, in the place of labels and probabilities:
            ``target``, ``residual`` and ``loo_residual``, the target minus the prediction; of
            several targets each has its own, ``target_0`` and so on, and the rest is of their
            sum. For all: ``loss``; ``leverage``; ``self_influence`` and ``parameter_shift``,
            which are ``g^T H^-1 g`` and ``norm(H^-1 g)``; ``hub_if`` and ``hub_relatif``, the
            numbers of
            test rows for which the row comes first; ``test_influence``, the change of the mean
            test loss without the row, to first order (positive: helpful); ``suspicion_rank``
            and ``loo_rank``, from 1 for the largest loss of the model and of the model without
            the row. Of a forest that draws rows, ``oob_prediction`` and so on, by the trees that
            have not drawn the row, are in the place of ``loo_prediction`` and so on, and
            ``suspicion_rank`` is from 1 for the largest ``oob_loss``.

        Raises
        ------
        ImportError
            If that library is not installed.
        """
        return frame_of(self.columns, self.library, "AuditReport.frame", self.index)

    def test_frame(self) -> Any:
        """One line a test row, in the order of the test rows.

        Returns
        -------
        data frame
            Of the same library as :meth:`frame`, by the names of the test rows. Its columns are
            those of :attr:`predictions`; none without test rows.

        Raises
        ------
        ImportError
            If that library is not installed.
        """
        columns = dict(self.predictions)
        names = columns.pop("query", np.empty(0, np.intp))
        return frame_of(columns, self.library, "AuditReport.test_frame", names)

    def summary(self) -> str:
        """What was found, how good the model is and what to look at first, in a few lines of text.

        Returns
        -------
        str
        """
        lines = [*self._found(), self.view.quality(self.model)]
        first = self.first_positions(N_SUMMARISED)
        lines.append(self.view.heading(self.columns, first))
        names = clip_apart([text_of(name) for name in self.index[first]])
        lines += [
            f"  {rank}. row {name}: {why(self.columns, position, self.n_test)}"
            for rank, (name, position) in enumerate(zip(names, first, strict=True), 1)
        ]
        hubs = self.hub_line()
        if hubs:
            lines.append(hubs)
        return "\n".join([*lines, self.verdict()])

    def _found(self) -> list[str]:
        """Lines on what was found, and what was not looked for."""
        lines = [f"  - {finding.sentence}" for finding in self.findings[:N_FINDINGS]]
        n_more = len(self.findings) - len(lines)
        if n_more > 0:
            lines.append(f"  and {n_more} more")
        lines = ["What was found:", *lines] if lines else [NOTHING]
        missed = not_checked(self.checked)
        return [*lines, f"Not checked: {', '.join(missed)}."] if missed else lines

    def to_html(
        self,
        path: str | PathLike[str],
        X: Any = None,
        X_test: Any = None,
        *,
        n_rows: int = N_SHOWN,
        image_shape: tuple[int, ...] | None = None,
    ) -> None:
        """Write the report as one HTML file that needs nothing else.

        Parameters
        ----------
        path : str or path-like
            The file. One that exists is replaced, when all of the new one is written.
        X : data frame, array-like, sparse matrix or sequence of texts, default=None
            The training rows, to show the cells of those that are listed: of pandas, Polars or
            PyArrow, of NumPy or SciPy, or a list. Of sparse rows, the cells that are not 0. None:
            those that ``audit`` was given.
        X_test : data frame, array-like, sparse matrix or sequence of texts, default=None
            The test rows, likewise.
        n_rows : int, default=20
            Length of the lists.
        image_shape : tuple of int, default=None
            Height and width of the images that rows are, with 3 for colours after or before them:
            explained predictions are shown as pictures, whose largest value is white. None: rows
            are no images, but for those that are arrays of such a shape themselves.

        Raises
        ------
        ValueError
            If X has not as many rows as the training data, or X_test as the test data; if their
            index labels say that these are in another order; or if rows have not as many columns
            as an image has values.
        """
        from .page import render

        write_whole(path, render(self, X, X_test, n_rows, image_shape))

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the numbers of every training row as comma-separated values.

        Texts are written as they are in the data. Spreadsheet programs compute what begins with an
        equals sign: of data that you do not trust, import the columns as text.

        Parameters
        ----------
        path : str or path-like
            The file, in UTF-8. One that exists is replaced, when all of the new one is written.
            Its columns are the names of the rows and those of :meth:`frame`, in the order of the
            training data. What is missing or not finite is left empty.
        """
        write_whole(path, as_csv(self))

    def to_json(self, path: str | PathLike[str]) -> None:
        """Write all that the report holds as JSON, but for the cells of the rows.

        Parameters
        ----------
        path : str or path-like
            The file. One that exists is replaced, when all of the new one is written. It holds one
            object with the attributes of the report; "rows", "predictions" and "groups" have a
            list for each column: ``pandas.DataFrame(json.load(file)["rows"])``. Rows go by their
            names, and where that is said by their positions too. What is missing or not finite is
            null, and times are texts.
        """
        write_whole(path, as_json(self))

    def verdict(self) -> str:
        """A line on the model, and how far its fit is from the optimum of its objective.

        Returns
        -------
        str
        """
        distance = self.model.get("distance_to_optimum")
        if distance is None:
            fit = (
                "rows are explained by the values of its leaves, and the structure of its trees is "
                f"{self.model['structure']}"
            )
        elif np.isnan(distance):
            fit = "IT IS NOT KNOWN HOW FAR THE FIT IS FROM ITS OPTIMUM: numbers overflow"
        elif not must_be_optimal(self.model):
            fit = (
                "it is explained by its tangent where training stopped, "
                f"{in_standard_errors(distance)} of the parameters from an optimum"
            )
        elif is_at_optimum(distance):
            fit = (
                f"the fit is close to its optimum, {in_standard_errors(distance)} of the "
                "parameters from it"
            )
        else:
            fit = (
                f"THE FIT IS NOT AT ITS OPTIMUM, but {in_standard_errors(distance)} of the "
                "parameters from it: the numbers below mislead"
            )
        sizes = f"{self.model['n_rows']} rows, {self.model['n_features']} features"
        if "classes" in self.model:
            sizes += f", {len(self.model['classes'])} classes"
        return f"{self.model['model']}, trained on {sizes}; {fit}."

    def hub_line(self) -> str | None:
        """A line on how many test rows the same few training rows come first for.

        Returns
        -------
        str or None
            None if the audit had no test rows.
        """
        if "hub_if" not in self.columns:
            return None
        shares = {}
        for name in ("hub_if", "hub_relatif"):
            counts = np.sort(self.columns[name])[::-1]
            shares[name] = counts[:N_HUBS].sum() / max(1, counts.sum())
        n_hubs = min(N_HUBS, len(self.index))
        return (
            f"By influence, the same {n_hubs} training rows are the first explanation of "
            f"{percent(shares['hub_if'])} of the test rows; by relative influence, {n_hubs} rows "
            f"are that of {percent(shares['hub_relatif'])}."
        )

    def _repr_html_(self) -> str:
        """A box for notebooks: what was found, and the first rows."""
        from ._box import box_of

        return box_of(self)

    def __repr__(self) -> str:
        return f"AuditReport of {self.model['n_rows']} training rows\n{self.summary()}"
