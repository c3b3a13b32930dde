"""Explainers that have let go of their training features."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import blas, lapack

from .._study import Attribution, Study
from ..criteria import CRITERIA, named_criteria
from ..curvature import Curvature
from ..jacobians import Gradients, LinearJacobian, take_columns
from ..losses import Loss
from ..objectives import LinearObjective
from ..results import Explanation, TrainingRows
from ..search import SIGNS, score_matrices
from ..utils._boxes import box, code_line
from ..utils._threads import in_one_blas_thread
from ..utils._validation import check_choice, check_positive_int, refuse_elsewhere
from ._persistence import VersionedMixin

#: Training rows as whose features some queries are made that single precision must do for, and how
#: far their scores may be off, relative to the largest of each query.
COMPARED = 100
TOLERATED = 1e-5


class CompactExplainer(VersionedMixin):
    """Explains by the index of training rows whose features it does not have.

    Made by :meth:`RelatIFExplainer.compact`, whose docstring says what it keeps and costs.

    Parameters
    ----------
    attribution : Attribution
        Without training features.
    criterion : {"influence", "theta_relative", "loss_relative"}
        What rows are ranked by, unless another is asked for.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    training_rows_ : TrainingRows
        Index, labels, predictions and probabilities of the training rows.
    """

    def __init__(self, attribution: Attribution, criterion: str) -> None:
        self._attribution = attribution
        self.criterion = criterion

    def __repr__(self) -> str:
        return f"CompactExplainer of {self._caption()}"

    def _repr_html_(self) -> str:
        """A box for notebooks."""
        way = code_line("explain(X)", "and pairwise_influence(X) are what it can be asked.")
        return box("CompactExplainer", self._caption(), way)

    def _caption(self) -> str:
        name, n_rows = type(self._attribution.model).__name__, len(self.training_rows_.index)
        return f"{name}, {n_rows:,} training rows, criterion {self.criterion}"

    @property
    def classes_(self) -> np.ndarray:
        return self._attribution.model.classes_

    @property
    def training_rows_(self) -> TrainingRows:
        return self._attribution.training_rows

    @overload
    def explain(
        self,
        X: Any,
        y: Any = ...,
        *,
        n_examples: int = ...,
        sign: str = ...,
        criterion: str | None = ...,
    ) -> Explanation: ...

    @overload
    def explain(
        self,
        X: Any,
        y: Any = ...,
        *,
        n_examples: int = ...,
        sign: str = ...,
        criterion: Sequence[str],
    ) -> dict[str, Explanation]: ...

    def explain(
        self,
        X: Any,
        y: Any = None,
        *,
        n_examples: int = 5,
        sign: str = "positive",
        criterion: str | Sequence[str] | None = None,
    ) -> Explanation | dict[str, Explanation]:
        """Find the training rows that explain predictions best.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
            Rows whose predictions are to be explained.
        y : array-like of shape (n_queries,) or (n_queries, n_labels), default=None
            The labels to explain. None: those that the model predicts.
        n_examples : int, default=5
            How many training rows to return for each query.
        sign : {"positive", "negative", "absolute"}, default="positive"
            Rows that support the label, that oppose it, or the strongest of both.
        criterion : str or sequence of str, default=None
            Overrides the criterion of the explainer that this one was made from.

        Returns
        -------
        Explanation, or dict of str to Explanation if ``criterion`` is a sequence
            As of :meth:`RelatIFExplainer.explain`.
        """
        check_choice("sign", sign, SIGNS)
        check_positive_int("n_examples", n_examples)
        names, several = named_criteria(self.criterion if criterion is None else criterion)
        explanations = self._attribution.explanations(X, y, names, n_examples, sign)
        return explanations if several else explanations[names[0]]

    @overload
    def pairwise_influence(self, X: Any, y: Any = ..., *, criterion: str | None = ...) -> Any: ...

    @overload
    def pairwise_influence(
        self, X: Any, y: Any = ..., *, criterion: Sequence[str]
    ) -> dict[str, Any]: ...

    def pairwise_influence(
        self, X: Any, y: Any = None, *, criterion: str | Sequence[str] | None = None
    ) -> Any:
        """Score of every training row for every query.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
            The queries.
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            The label to explain for each query. None: the label that the model predicts.
        criterion : str or sequence of str, default=None
            Overrides the criterion of the explainer that this one was made from. For a sequence,
            the matrices of all criteria come from one product.

        Returns
        -------
        ndarray or data frame of shape (n_queries, n_rows), or dict of str to such
            A dict if ``criterion`` is a sequence.
            Of queries in a data frame, one of the same library, with the index labels of queries
            and training rows, as of :meth:`RelatIFExplainer.removal_effect`.
            In single precision, where that holds five digits.
        """
        names, several = named_criteria(self.criterion if criterion is None else criterion)
        scores = self._attribution.labelled_scores(X, y, names)
        return scores if several else scores[names[0]]


@dataclass(frozen=True)
class CompactModel:
    """A linear model with the gradients of its training rows, and without the rows.

    Attributes
    ----------
    loss : Loss
    weights : ndarray of shape (n_outputs, n_columns)
    no_rows : LinearJacobian of 0 rows
        The columns into which queries are brought.
    columns : ndarray of int or None
        Columns of the user's features that these are made of. None: all.
    rows : Gradients
        In the coordinates of :class:`Whitening`.
    """

    loss: Loss
    weights: np.ndarray
    no_rows: LinearJacobian
    columns: np.ndarray | None
    rows: Gradients

    @property
    def place(self) -> None:
        """Its rows are NumPy's."""

    def query_jacobian(self, X: Any) -> LinearJacobian:
        """Features of queries, in the columns of the model and in their own precision."""
        return self.no_rows.at(X if self.columns is None else take_columns(X, self.columns))

    def predictor(self, jacobian: LinearJacobian) -> np.ndarray:
        """Linear predictor of queries, in double precision, shape (n_queries, n_outputs)."""
        jacobian = jacobian.astype(np.float64)
        return in_one_blas_thread(jacobian.predictor, self.weights, slice(None))

    def predict(self, jacobian: LinearJacobian) -> np.ndarray:
        """Positions of the predicted classes of queries, shape (n_queries,)."""
        return self.loss.predict(self.predictor(jacobian))

    def query_rows(self, jacobian: LinearJacobian, y: np.ndarray) -> Gradients:
        """Unit gradients of the loss of queries with explained targets ``y``."""
        norm, unit = self.loss.query_direction(y, self.predictor(jacobian))
        dtype = self.no_rows.dtype
        return Gradients(jacobian.astype(dtype), unit.astype(dtype), norm.astype(dtype))


class CompactCurvature(Curvature):
    """The inverse of a curvature, with the solutions in the coordinates of compact rows.

    Parameters
    ----------
    curvature : Curvature
    basis : ndarray of shape (n_columns, n_coordinates) or None
    dtype : dtype
        Precision of the solutions.
    """

    def __init__(self, curvature: Curvature, basis: np.ndarray | None, dtype: DTypeLike) -> None:
        self.curvature = copy(curvature)
        self.basis = basis
        self.dtype = np.dtype(dtype)

    def solve(self, gradients: np.ndarray) -> np.ndarray:
        """``M^-1 g`` for each row g, in the form that multiplies coordinates. Overwrites."""
        solved = self.curvature.solve(gradients)
        if self.basis is not None:
            solved = solved.reshape(-1, len(self.basis)) @ self.basis
        return solved.reshape(len(gradients), -1).astype(self.dtype)


class CompactInverse(Curvature):
    """A coupled curvature's inverse itself, ``N^-1``, between coordinates of compact rows.

    In these coordinates it is so well conditioned that single precision mostly does it no harm,
    and as it is symmetric, one triangle of it is saved: then a quarter of the factor.

    Parameters
    ----------
    inverse : ndarray of shape (n_params, n_params)
    transform : ndarray of shape (n_columns, n_coordinates)
        Of :class:`Whitening`.
    """

    def __init__(self, inverse: np.ndarray, transform: np.ndarray) -> None:
        self.inverse = inverse
        self.transform = transform
        self.dtype = inverse.dtype

    def solve(self, gradients: np.ndarray) -> np.ndarray:
        """``N^-1`` of the coordinates of each row g."""
        coordinates = gradients.reshape(-1, len(self.transform)) @ self.transform
        coordinates = coordinates.reshape(len(gradients), -1).astype(self.inverse.dtype)
        (symm,) = blas.get_blas_funcs(("symm",), (self.inverse,))
        return symm(1.0, self.inverse.T, coordinates.T).T

    def __getstate__(self) -> dict[str, Any]:
        (trttp,) = lapack.get_lapack_funcs(("trttp",), (self.inverse,))
        triangle, _ = trttp(self.inverse.T)
        return {"triangle": triangle, "size": len(self.inverse), "transform": self.transform}

    def __setstate__(self, state: dict[str, Any]) -> None:
        (tpttr,) = lapack.get_lapack_funcs(("tpttr",), (state["triangle"],))
        inverse, _ = tpttr(state["size"], state["triangle"])
        self.inverse, self.transform = inverse.T, state["transform"]
        self.dtype = inverse.dtype


def compact_curvature(
    curvature: Curvature, whitening: Whitening | None, dtype: DTypeLike
) -> CompactCurvature | CompactInverse:
    """The inverse of a curvature, for queries' gradients and rows in whitened coordinates.

    Parameters
    ----------
    curvature : curvature object
    whitening : Whitening or None
    dtype : dtype
        Precision in which what belongs to the rows is kept.
    """
    if whitening is None:
        return CompactCurvature(curvature, None, dtype)
    basis, transform = whitening
    if not (curvature.is_dense and whitening.is_complete):
        return CompactCurvature(curvature, basis, dtype)
    n_columns = len(basis)
    n_outputs = curvature.n_whitened // n_columns
    directions = np.kron(np.eye(n_outputs), basis.T).astype(curvature.dtype)
    inverse = curvature.solve(directions).reshape(-1, n_columns) @ basis
    return CompactInverse(inverse.reshape(curvature.n_whitened, -1).astype(dtype), transform)


def compacted(study: Study) -> Attribution:
    """What explains without the training features.

    Rows and solutions are kept in single precision, or in double precision where scores of some
    queries say that single precision is not enough.
    """
    objective, curvature = study.objective, study.curvature
    refuse_elsewhere("compact()", study.training_data.features)
    if objective.members:
        raise ValueError(
            f"compact() is for one model, and {type(study.model).__name__} is made of several. "
            "Save the explainer as it is, or an ExplanationIndex of it."
        )
    if objective.has_leaves:
        raise ValueError(
            f"compact() is for linear models, and {type(study.model).__name__} is of trees: what "
            "explains it is which leaves the training rows are in. Save the explainer as it is."
        )
    if not objective.rows.are_vectors or objective.jacobian.needs_rows:
        raise ValueError(
            "compact() is for linear models: kernel machines, Gaussian processes and "
            "curvature='active_set' compare queries with the training features themselves."
        )
    if not objective.is_linear:
        n_rows, n_params = objective.n_rows, objective.weights.size
        raise ValueError(
            "compact() is for models that are linear in their parameters. A row of this one is its "
            f"gradient, of {n_params:,} numbers, and {n_rows:,} rows would take "
            f"{4 * n_rows * n_params / 2**20:,.1f} MiB in single precision. Make a compact form of "
            "its last layer, or save the explainer as it is."
        )
    curvature.check_factored("compact()")
    factors = {name: study.factors(name) for name in reversed(CRITERIA)}
    queries = _trial_queries(objective)
    expected = score_matrices(queries, objective.rows, curvature, factors)
    for dtype in (np.float32, np.float64):
        small, whitening = compact_model(objective, dtype)
        own = compact_curvature(curvature, whitening, dtype)
        found = score_matrices(queries, small.rows, own, factors)
        error = max(_largest_difference(found[name], expected[name]) for name in factors)
        if error <= TOLERATED:
            kept = {part.name: vars(study)[part.name] for part in fields(Attribution)}
            return Attribution(**kept | {"objective": small, "curvature": own})
    raise ValueError(
        "compact() cannot keep the scores: without the training features they would be off by "
        f"{error:.0e} of the largest, because the curvature is ill-conditioned. Set a positive "
        "damping (for example damping=1e-3), or save the explainer as it is."
    )


def _trial_queries(objective: LinearObjective) -> Gradients:
    """Gradients of some training rows, and of rows with the features of different ones."""
    some = np.arange(objective.n_rows)[:: max(1, objective.n_rows // COMPARED)]
    X = objective.jacobian.features(some)
    if not objective.jacobian.is_sparse:
        order = np.random.RandomState(0).random_sample(X.shape).argsort(axis=0)
        X = np.concatenate([X, np.take_along_axis(X, order, axis=0)])
    jacobian = LinearJacobian(X, objective.jacobian.fit_intercept)
    queries = objective.query_rows(jacobian, objective.predict(jacobian))
    # Numbers that are predicted are no error as labels: such rows ask for the prediction itself.
    is_right = queries.norm == 0
    unit = np.where(is_right[:, None], queries.unit.shape[1] ** -0.5, queries.unit)
    norm = np.ones_like(queries.norm)
    return Gradients(queries.jacobian, unit.astype(queries.unit.dtype), norm)


def _largest_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference of scores, relative to the largest one of each query."""
    largest = np.abs(expected).max(axis=1, keepdims=True)
    return (np.abs(found - expected) / np.where(largest > 0, largest, 1)).max(initial=0)


def compact_model(
    objective: LinearObjective, dtype: DTypeLike
) -> tuple[CompactModel, Whitening | None]:
    """A model without training features, and the coordinates of its rows."""
    rows, whitening = objective.rows, None
    if objective.jacobian.is_sparse:
        jacobian = objective.jacobian.astype(dtype)
    else:
        whitening = Whitening.of(objective)
        jacobian = LinearJacobian(whitening.coordinates(objective, dtype), fit_intercept=False)
    own = Gradients(jacobian, rows.unit.astype(dtype), rows.norm)
    loss, weights = objective.loss, objective.weights
    no_rows = objective.jacobian.without_rows()
    return CompactModel(loss, weights, no_rows, objective.columns, own), whitening


class Whitening(NamedTuple):
    """Coordinates in which the training rows, with the penalty, are uncorrelated and of one size.

    So single precision does as little harm as it can: no feature is large because of its unit,
    or because of a mean that an intercept cancels; and with the penalty, no query is far away
    because the training rows hardly differ in some direction.

    Attributes
    ----------
    basis : ndarray of shape (n_columns, n_coordinates)
        ``coordinates @ basis.T`` is the jacobian.
    transform : ndarray of shape (n_columns, n_coordinates)
        ``jacobian @ transform`` are the coordinates.
    """

    basis: np.ndarray
    transform: np.ndarray

    @classmethod
    def of(cls, objective: LinearObjective) -> Whitening:
        n_columns = objective.jacobian.n_columns
        moment = np.diag(np.broadcast_to(objective.penalty, objective.shape).mean(axis=0))
        for rows in objective.blocks(2 * n_columns):
            x = objective.jacobian.block(rows).astype(np.float64, copy=False)
            moment += x.T @ x
        moment /= objective.n_rows
        lengths = np.sqrt(np.diag(moment))
        lengths[lengths == 0] = 1
        values, vectors = np.linalg.eigh(moment / np.outer(lengths, lengths))
        kept = values > 10 * np.sqrt(n_columns) * np.finfo(float).eps * values.max()
        vectors, roots = vectors[:, kept], np.sqrt(values[kept])
        return cls(vectors * roots * lengths[:, None], vectors / roots / lengths[:, None])

    @property
    def is_complete(self) -> bool:
        """Whether any features, those of queries too, have coordinates."""
        return self.basis.shape[0] == self.basis.shape[1]

    def coordinates(self, objective: LinearObjective, dtype: DTypeLike) -> np.ndarray:
        """Coordinates of the training rows, (n_rows, n_coordinates)."""
        coordinates = np.empty((objective.n_rows, self.basis.shape[1]), dtype)
        for rows in objective.blocks(2 * objective.jacobian.n_columns):
            coordinates[rows] = objective.jacobian.apply(self.transform.T, rows)[:, :, 0]
        return coordinates
