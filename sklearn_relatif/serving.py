"""Explanations from an index of vectors, which need not look at every training row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ._study import Study
from .criteria import CRITERIA
from .explainers import RelatIFExplainer, study_of
from .results import Explanation
from .search import SIGNS, merge_signs
from .utils._blocks import block_budget, row_blocks
from .utils._boxes import box, code_line
from .utils._frames import library_of
from .utils._index import row_index
from .utils._validation import check_choice, check_positive_int

__all__ = ["ExplanationIndex"]

#: Neighbours of each vector in the graph of the approximate index.
GRAPH_DEGREE = 32
#: Candidates that building and searching that graph keep; searching, at least.
BUILD_WIDTH, SEARCH_WIDTH = 100, 128


class ExplanationIndex:
    """Finds the training rows that explain a query as its nearest neighbours.

    With ``H = L L^T``, the score of row i for query t is the inner product of ``L^-1 g_t`` and
    ``a_i = L^-1 g_i / scale_i``. For the loss-relative criterion, where all ``a_i`` are of length
    1, the largest one belongs to the nearest vector. For the other two the exact index gives each
    vector one more coordinate that makes them equally long,
    ``[a_i, sqrt(max_j |a_j|^2 - |a_i|^2)]``, and queries a 0 there [1]_. The approximate index
    searches by inner products themselves [2]_, because among the lengthened vectors of a few long
    and many short ones it finds few of the right ones.

    Parameters
    ----------
    explainer : RelatIFExplainer
        Fitted. It is kept, as the model and the embedding of queries. The index takes no notice
        of its being fitted again.
    criterion : {"influence", "theta_relative", "loss_relative"}, default=None
        What rows are ranked by. None: the explainer's ``criterion``.
    index : {"exact", "approximate"}, default="exact"
        "exact": :class:`sklearn.neighbors.NearestNeighbors`, by brute force. "approximate": a
        navigable small-world graph (HNSW) of the faiss library, in single precision, which
        misses some rows; building it is not deterministic when it uses several threads.

    Attributes
    ----------
    vectors_ : ndarray of shape (n_rows, n_params)
        The vectors ``a_i`` over the length of the longest. They are held in memory, unlike
        anything of this size in ``explainer.explain``.

    Raises
    ------
    AttributeError
        If the explainer has no ``transform``: kernel machines, ``curvature="active_set"``.
    ValueError
        If an argument is invalid, or the solver is "cg" or "lissa", which have no factor ``L``.
    ImportError
        If the index is "approximate" and faiss is not installed.

    References
    ----------
    .. [1] Y. Bachrach et al., "Speeding Up the Xbox Recommender System Using a Euclidean
       Transformation for Inner-Product Spaces", RecSys 2014.
    .. [2] S. Morozov, A. Babenko, "Non-metric Similarity Graphs for Maximum Inner Product
       Search", NeurIPS 2018.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_relatif import RelatIFExplainer
    >>> from sklearn_relatif.serving import ExplanationIndex
    >>> X, y = load_iris(return_X_y=True)
    >>> explainer = RelatIFExplainer(LogisticRegression(max_iter=1000)).fit(X, y)
    >>> index = ExplanationIndex(explainer, criterion="influence")
    >>> found = index.explain(X[:3], n_examples=2)
    >>> expected = explainer.explain(X[:3], n_examples=2, criterion="influence")
    >>> bool((found.indices == expected.indices).all())
    True
    """

    def __init__(
        self, explainer: RelatIFExplainer, criterion: str | None = None, index: str = "exact"
    ) -> None:
        self._study = study_of(explainer)
        check_choice("index", index, tuple(SEARCHES))
        self.explainer = explainer
        self.criterion = explainer.criterion if criterion is None else criterion
        check_choice("criterion", self.criterion, CRITERIA)
        _ = explainer.transform  # or an error that says why there are no vectors
        self._study.coordinates[1].check_factored("ExplanationIndex")
        lengthened, self._longest = _vectors(self._study, self.criterion, DTYPES[index])
        self.vectors_ = lengthened[:, :-1]
        self._search = SEARCHES[index](lengthened)

    def __repr__(self) -> str:
        return f"ExplanationIndex of {self._caption()}"

    def _repr_html_(self) -> str:
        """A box for notebooks."""
        way = code_line("explain(X)", "finds the rows that explain predictions by their vectors.")
        return box("ExplanationIndex", self._caption(), way)

    def _caption(self) -> str:
        n_rows, length = self.vectors_.shape
        name = type(self._study.model).__name__
        return f"{name}, {n_rows:,} vectors of {length:,} numbers, criterion {self.criterion}"

    def explain(
        self, X: Any, y: Any = None, *, n_examples: int = 5, sign: str = "positive"
    ) -> Explanation:
        """Find the training rows that explain predictions best.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features)
            Rows whose predictions are to be explained.
        y : array-like of shape (n_queries,) or (n_queries, n_targets), default=None
            The label to explain for each query. None: the label that the model predicts.
        n_examples : int, default=5
            How many training rows to return for each query.
        sign : {"positive", "negative", "absolute"}, default="positive"
            Rows that support the label, that oppose it, or the strongest of both.

        Returns
        -------
        Explanation
            As of :meth:`RelatIFExplainer.explain`. The scores are those of the rows found,
            computed from their vectors, whatever the index.

        Raises
        ------
        ValueError
            If an argument is invalid, or ``y`` has labels that the model does not know.
        """
        check_choice("sign", sign, SIGNS)
        check_positive_int("n_examples", n_examples)
        study = self._study
        objective, curvature = study.coordinates
        query = study.query(X, y)
        resampler = study.resampler(query, self.criterion)
        targets, query = study.shown(query), study.in_coordinates(query)
        queries = objective.query_rows(query.jacobian, query.y)
        wanted = {"positive": (1,), "negative": (-1,), "absolute": (1, -1)}[sign]
        parts: dict[int, list[_Found]] = {direction: [] for direction in wanted}
        lengths = np.empty(queries.n_rows, queries.unit.dtype)
        bytes_per_query = queries.n_values * queries.dtype.itemsize
        for some in row_blocks(queries.n_rows, bytes_per_query, block_budget()):
            embedded = curvature.whiten(queries.block(some))
            unit, lengths[some] = _unit(embedded)
            unit = unit.astype(self.vectors_.dtype, copy=False)
            for direction, found in parts.items():
                found.append(self._nearest(direction * unit, n_examples))
        best = [(_Found.joined(found), direction) for direction, found in parts.items()]
        indices, scores = merge_signs(best)
        scores *= (queries.norm * lengths * self._longest)[:, None]
        return Explanation(
            indices,
            scores,
            targets,
            criterion=self.criterion,
            sign=sign,
            training_rows=study.training_rows,
            query_index=row_index(X),
            library=library_of(X) or study.training_rows.library,
            solver=study.solver,
            resampler=resampler,
        )

    def _nearest(self, unit: np.ndarray, n_examples: int) -> _Found:
        """The rows with the largest products above 0; -1 where there are not enough."""
        indices = self._search(unit, min(n_examples, len(self.vectors_)))
        products = np.einsum("qkp,qp->qk", self.vectors_[indices], unit)
        products[indices < 0] = 0  # a graph may find fewer
        missing = ((0, 0), (0, n_examples - indices.shape[1]))
        indices = np.pad(np.where(products > 0, indices, -1), missing, constant_values=-1)
        return _Found(np.pad(np.maximum(products, 0), missing), indices)


class _Found(NamedTuple):
    """Rows found for some queries, each of shape (n_queries, n_examples)."""

    scores: np.ndarray
    indices: np.ndarray

    @classmethod
    def joined(cls, parts: list[_Found]) -> _Found:
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


def _vectors(study: Study, criterion: str, dtype: Any) -> tuple[np.ndarray, float]:
    """Rows ``a_i`` over the longest's length, with the coordinate that makes them all of length 1.

    Also returns the length of the longest.
    """
    objective, curvature = study.coordinates
    rows = objective.rows
    factors = study.factors(criterion)
    vectors = np.empty((rows.n_rows, curvature.n_whitened + 1), dtype or rows.dtype)
    lengths = np.empty(rows.n_rows, rows.unit.dtype)
    for some in row_blocks(rows.n_rows, rows.n_values * rows.dtype.itemsize, block_budget()):
        unit, length = _unit(curvature.whiten(rows.block(some)))
        vectors[some, :-1] = unit
        lengths[some] = length * factors[some]
    longest = lengths.max()
    lengths /= longest if longest > 0 else 1
    vectors[:, :-1] *= lengths[:, None]
    vectors[:, -1] = np.sqrt(np.maximum(1 - lengths**2, 0))
    return vectors, longest


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors at length 1 (or 0), and their lengths."""
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors / np.where(lengths > 0, lengths, 1)[:, None], lengths


class _ExactSearch:
    def __init__(self, lengthened: np.ndarray) -> None:
        # Between vectors of length 1, distances order as cosines do.
        self._neighbors = NearestNeighbors(algorithm="brute", metric="euclidean").fit(lengthened)

    def __call__(self, queries: np.ndarray, n_neighbors: int) -> np.ndarray:
        queries = np.pad(queries, ((0, 0), (0, 1)))
        return self._neighbors.kneighbors(queries, n_neighbors, return_distance=False)


class _ApproximateSearch:
    def __init__(self, lengthened: np.ndarray) -> None:
        try:
            import faiss
        except ImportError as error:
            raise ImportError(
                "index='approximate' needs faiss, which is not installed: "
                "pip install sklearn-relatif[serving]"
            ) from error
        vectors = np.ascontiguousarray(lengthened[:, :-1])
        self._graph = faiss.IndexHNSWFlat(
            vectors.shape[1], GRAPH_DEGREE, faiss.METRIC_INNER_PRODUCT
        )
        self._graph.hnsw.efConstruction = BUILD_WIDTH
        self._graph.add(vectors)

    def __call__(self, queries: np.ndarray, n_neighbors: int) -> np.ndarray:
        self._graph.hnsw.efSearch = max(SEARCH_WIDTH, 2 * n_neighbors)
        return self._graph.search(np.ascontiguousarray(queries), n_neighbors)[1]


SEARCHES: dict[str, Callable[[np.ndarray], _ExactSearch | _ApproximateSearch]] = {
    "exact": _ExactSearch,
    "approximate": _ApproximateSearch,
}
#: Precision of the vectors. None: that of the explainer.
DTYPES = {"exact": None, "approximate": np.float32}
