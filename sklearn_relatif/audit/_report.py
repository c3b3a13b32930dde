"""What an audit found, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from .._convergence import in_standard_errors, is_at_optimum
from .._explanation import clip, text_of
from ._sentences import percent, why

if TYPE_CHECKING:
    import pandas as pd

#: Rows of each section of the report.
N_SHOWN = 20
#: Rows of the summary.
N_SUMMARISED = 5
#: Hubs whose share of the explanations is told.
N_HUBS = 10


@dataclass(frozen=True, eq=False)
class AuditReport:
    """What an audit of a model and its training rows found.

    Data only: it holds neither the model nor the features. Made by
    :meth:`RelatIFExplainer.audit`.

    Attributes
    ----------
    index : ndarray of shape (n_rows,)
        The names of the training rows.
    columns : dict of str to ndarray of shape (n_rows,)
        The numbers of each training row, as in :meth:`frame`.
    model : dict of str to object
        Facts of the model and of its fit.
    curvature : dict of str to object
        How the curvature was inverted, and how well it can be.
    predictions : dict of str to ndarray of shape (n_test,)
        The predictions on the test rows, and how they are supported; empty without test rows.
    groups : dict of str to ndarray of shape (n_groups,)
        Groups of training rows, and what removing each does; empty without groups.
    notes : tuple of str
        What was assumed, and what could not be computed.

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

    @property
    def n_test(self) -> int | None:
        """Number of test rows, None without."""
        return self.model.get("n_test")

    def first_rows(self, n_rows: int = N_SHOWN) -> np.ndarray:
        """Positions of the rows with the most suspicious labels, the most suspicious first.

        Parameters
        ----------
        n_rows : int, default=20

        Returns
        -------
        ndarray of int, shape (min(n_rows, n_train),)
        """
        return np.argsort(self.columns["suspicion_rank"])[:n_rows]

    def why(self, row: int) -> str:
        """One sentence on why a row is worth a look.

        Parameters
        ----------
        row : int
            Its position in the training data.

        Returns
        -------
        str
        """
        return why(self.columns, row, self.n_test)

    def frame(self) -> pd.DataFrame:
        """One line a training row, in the order of the training data.

        Returns
        -------
        pandas.DataFrame
            Indexed by the names of the rows. Columns, of which those are left out that the
            model or the test rows do not give: ``label``, ``prediction`` and ``probability``
            (of the label) by the fitted model; ``loo_prediction``, ``loo_loss`` and
            ``loo_probability`` by the model without the row, in one Newton step; ``loss``;
            ``leverage``; ``self_influence`` and ``parameter_shift``, which are
            ``g^T H^-1 g`` and ``norm(H^-1 g)``; ``hub_if`` and ``hub_relatif``, the numbers of
            test rows for which the row comes first; ``test_influence``, the change of the mean
            test loss without the row, to first order (positive: helpful); ``suspicion_rank``
            and ``loo_rank``, from 1 for the largest loss of the model and of the model without
            the row.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "AuditReport.frame needs pandas, which is not installed: pip install pandas"
            ) from error
        return pd.DataFrame(self.columns, index=pd.Index(self.index, name="row"))

    def summary(self) -> str:
        """The report in a few lines of text.

        Returns
        -------
        str
        """
        lines = [self.verdict(), self._accuracy_line()]
        hubs = self.hub_line()
        if hubs:
            lines.append(hubs)
        lines.append("Labels to look at first:")
        lines += [
            f"  {rank}. row {clip(text_of(self.index[row]))}: {self.why(row)}"
            for rank, row in enumerate(self.first_rows(N_SUMMARISED), 1)
        ]
        return "\n".join(lines)

    def to_html(self, path: str | PathLike, X=None, *, n_rows: int = N_SHOWN) -> None:
        """Write the report as one HTML file that needs nothing else.

        Parameters
        ----------
        path : str or path-like
            The file, which is overwritten if it exists.
        X : data frame or array-like of shape (n_rows, n_features), default=None
            The training rows, to show the cells of those that are listed.
        n_rows : int, default=20
            Length of the lists.

        Raises
        ------
        ValueError
            If X has not as many rows as the training data.
        """
        from ._html import render

        page = render(self, X, n_rows)
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)

    def verdict(self) -> str:
        """A line on the model, and how far its fit is from the optimum of its objective.

        Returns
        -------
        str
        """
        distance = self.model["distance_to_optimum"]
        if np.isnan(distance):
            fit = "IT IS NOT KNOWN HOW FAR THE FIT IS FROM ITS OPTIMUM: numbers overflow"
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
        return (
            f"{self.model['model']}, trained on {self.model['n_rows']} rows, "
            f"{self.model['n_features']} features, {len(self.model['classes'])} classes; "
            f"{fit}."
        )

    def _accuracy_line(self) -> str:
        parts = [f"{self.model['accuracy']:.1%} of the training rows"]
        if "loo_accuracy" in self.model:
            parts.append(f"{self.model['loo_accuracy']:.1%} when each is left out")
        line = f"The model predicts {', '.join(parts)}"
        if "test_accuracy" in self.model:
            line += (
                f", and {self.model['test_accuracy']:.1%} of {self.n_test} test rows (always "
                f"the most frequent label: {self.model['test_largest_class']:.1%})"
            )
        return line + "."

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
        return (
            f"The {N_HUBS} most frequent first rows explain {percent(shares['hub_if'])} of the "
            f"test rows by influence, {percent(shares['hub_relatif'])} by relative influence."
        )

    def __repr__(self) -> str:
        return f"AuditReport of {self.model['n_rows']} training rows\n{self.summary()}"
