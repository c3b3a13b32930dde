"""The record of training rows that were removed from a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._boxes import box, folded, line, paragraph, table
from ..utils._frames import frame_of
from ..utils._text import agreeing, clip, text_of

#: Rows that a sentence names, and that a notebook lists.
MAX_NAMED, MAX_LISTED = 10, 100
#: Relative gradient up to which a model counts as trained.
TRAINED = 1e-10


@dataclass(frozen=True, eq=False)
class RemovedRows:
    """What :meth:`RelatIFExplainer.without` has removed, and how exactly.

    Attributes
    ----------
    rows : ndarray of shape (n_removed,)
        The user's index labels of the rows, in the order in which they were removed.
    positions : ndarray of int, shape (n_removed,)
        Their positions in the training data of the explainer that was fitted.
    requests : ndarray of int, shape (n_removed,)
        Which call of ``without`` removed each row, from 0 on.
    relative_gradients : ndarray of shape (n_requests,)
        How close to the optimum of the rows left each call has come: norm of the gradient of their
        objective, over the root mean square norm of the gradients of the rows. NaN where models
        are found otherwise: in closed form, along the path of a hinge machine, or by
        scikit-learn's own fit.
    n_factorisations : ndarray of int, shape (n_requests,)
        How often each call had to factor the Hessian anew; -1 where it was found otherwise.
    n_left : int
        Number of training rows that are left.
    held : tuple of str
        What was fitted with the rows and is still as it was, such as ``"StandardScaler"``. Empty:
        no such thing is known.
    library : str or None
        The data frame library of the training data.
    """

    rows: NDArray[Any]
    positions: NDArray[np.integer]
    requests: NDArray[np.integer]
    relative_gradients: NDArray[np.floating]
    n_factorisations: NDArray[np.integer]
    n_left: int
    held: tuple[str, ...] = ()
    library: str | None = None

    @classmethod
    def none_of(cls, n_rows: int, library: str | None = None) -> RemovedRows:
        """The record of an explainer that was just fitted to so many rows."""
        nothing, no_numbers = np.empty(0, np.intp), np.empty(0)
        return cls(nothing, nothing, nothing, no_numbers, nothing, n_rows, (), library)

    @property
    def n_removed(self) -> int:
        """Number of rows that were removed."""
        return len(self.positions)

    @property
    def n_requests(self) -> int:
        """Number of calls that removed them."""
        return len(self.relative_gradients)

    def frame(self) -> Any:
        """One line a row, in the order of their removal.

        Returns
        -------
        data frame
            Of the library of the training data; pandas if they were arrays. With the columns `row`
            (the user's index label), `position`, `request` and `relative_gradient`.

        Raises
        ------
        ImportError
            If that library is not installed.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn_relatif import RelatIFExplainer
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
        >>> frame = explainer.without(3).without([3, 5]).removed_.frame()
        >>> frame[["row", "position", "request"]].to_numpy().tolist()
        [[3, 3, 0], [4, 4, 1], [6, 6, 1]]
        """
        columns = {
            "row": self.rows,
            "position": self.positions,
            "request": self.requests,
            "relative_gradient": self.relative_gradients[self.requests],
        }
        return frame_of(columns, self.library, "RemovedRows.frame")

    def _repr_html_(self) -> str:
        """A box for notebooks: the sentences, and the rows by their names and positions."""
        content = paragraph(str(self))
        if self.n_removed:
            places = list(zip(self.rows, self.positions, self.requests, strict=True))[:MAX_LISTED]
            cells = [
                line([clip(text_of(row)), str(place), str(request)], words=[0])
                for row, place, request in places
            ]
            listed = table(["row", "position in the training data", "request"], cells, [0])
            content += folded(f"The rows ({self.n_removed})", listed)
        return box("RemovedRows", f"{self.n_removed} of {self.n_removed + self.n_left}", content)

    def __str__(self) -> str:
        if not self.n_requests:
            return f"No training rows have been removed from the model; it has {self.n_left}."
        names = ", ".join(map(text_of, self.rows[:MAX_NAMED]))
        names += ", ..." if self.n_removed > MAX_NAMED else ""
        names = f"({names}) " if names else ""
        sentences = [
            f"{self.n_removed} training {agreeing(self.n_removed, 'row', 'rows')} {names}"
            f"{agreeing(self.n_removed, 'has', 'have')} been removed in {self.n_requests} "
            f"{agreeing(self.n_requests, 'request', 'requests')}; {self.n_left} are left.",
            self._reached(),
        ]
        if self.held:
            sentences.append(
                f"STILL FITTED WITH THE REMOVED ROWS: {', '.join(self.held)}. To be rid of their "
                "traces there, fit the whole again on the rows that are left."
            )
        return " ".join(sentences)

    def _reached(self) -> str:
        largest = self.relative_gradients[-1]
        if np.isnan(largest):
            return (
                "The model is that of the rows left, found in closed form, along the path of its "
                "solution or by its own fit. Where it has an optimum, distance_to_optimum_ tells "
                "how near it is."
            )
        if largest > TRAINED:
            return (
                "No optimum of these was found, so that the model is only where training has "
                f"stopped: its gradient is {largest:.1g} of the size of a row's."
            )
        return (
            f"The model is at the optimum of these: its gradient is {largest:.1g} of the size of "
            "a row's."
        )
