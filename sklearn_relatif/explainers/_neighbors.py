"""The baseline of the paper: a query's nearest training rows explain it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import (
    check_consistent_length,
    check_scalar,
    column_or_1d,
    gen_batches,
    get_tags,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from ..results import Explanation, NoResamples, TrainingRows
from ..utils._frames import library_of
from ..utils._index import row_index
from ..utils._validation import label_array, refuse_dispatched, refuse_lazy
from ._leaf_neighbors import LeafNeighbors

#: What the stability of an explanation would be of.
NO_MODEL = (
    "stability is of rows that a model names. The nearest ones are nearest in any sample that has "
    "them: no model is fitted."
)


class NearestNeighborsExplainer(BaseEstimator):
    """Explain queries by their nearest training rows.

    The baseline of Barshan, Brunet and Dziugaite (2020), who use the l2 distance: it looks at
    the features only and knows no model, so it cannot tell rows that support a prediction from
    rows that oppose it.

    With ``metric="leaves"`` it is the proximity of Breiman (2001) by which rows are near: the
    share of the trees of a forest, or of a boosted model, in which a training row falls into the
    leaf of the query. The distance is 1 minus that. It knows which features the model splits by,
    and where, but not what the targets in a leaf are, nor what they add to a prediction.

    Parameters
    ----------
    metric : str or callable, default="euclidean"
        The distance, as in :class:`sklearn.neighbors.NearestNeighbors`, but for "precomputed"; or
        "leaves": the share of the trees of ``estimator`` that tell two rows apart.
    n_jobs : int, optional
        Number of parallel jobs, as in :class:`sklearn.neighbors.NearestNeighbors`. Leaves are
        found by those of the estimator itself.
    estimator : estimator, optional
        With ``metric="leaves"``, and only then: the model whose leaves these are, also at the end
        of a Pipeline or inside a search. It is fitted to the training rows, unless it is a
        :class:`sklearn.frozen.FrozenEstimator`.

    Attributes
    ----------
    neighbors_ : sklearn.neighbors.NearestNeighbors
        The fitted search. There is none with ``metric="leaves"``.
    estimator_ : fitted estimator
        That whose leaves are compared, with ``metric="leaves"``.
    training_rows_ : TrainingRows
        Index and labels of the training rows.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if `X` had names that are all strings.

    References
    ----------
    Barshan, Brunet and Dziugaite, "RelatIF: Identifying Explanatory Training Examples via
    Relative Influence", AISTATS 2020.

    Breiman, "Random Forests", Machine Learning 45, 2001.

    Examples
    --------
    >>> from sklearn_relatif.explainers._neighbors import NearestNeighborsExplainer
    >>> explainer = NearestNeighborsExplainer().fit([[0.0], [1.0], [3.0]], ["a", "b", "a"])
    >>> explanation = explainer.explain([[0.9]], n_examples=2)
    >>> explanation.indices
    array([[1, 0]])
    >>> explanation.scores
    array([[-0.1, -0.9]])

    By the leaves of a forest:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0)
    >>> explainer = NearestNeighborsExplainer(metric="leaves", estimator=forest).fit(X, y)
    >>> proximity = 1 + explainer.explain(X[[70]], n_examples=3).scores
    >>> proximity
    array([[1.  , 0.49, 0.43]])
    """

    _search: _DistanceNeighbors | LeafNeighbors

    def __init__(
        self,
        *,
        metric: str | Callable[..., float] = "euclidean",
        n_jobs: int | None = None,
        estimator: Any = None,
    ) -> None:
        self.metric = metric
        self.n_jobs = n_jobs
        self.estimator = estimator

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if self.estimator is not None:
            of_model = get_tags(self.estimator)
            tags.input_tags, tags.target_tags = of_model.input_tags, of_model.target_tags
        return tags

    def fit(self, X: Any, y: ArrayLike | None = None) -> NearestNeighborsExplainer:
        """Store the training rows and index them for the search.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_train, n_features)
            The training rows. Arrays of other shapes, such as pictures, are laid flat, but for an
            estimator, which takes them as they are.
        y : array-like of shape (n_train,) or (n_train, n_targets), optional
            Their labels or targets, to be shown in explanations. They take no part in the search,
            but in the fit of an estimator. It may have several targets.

        Returns
        -------
        NearestNeighborsExplainer
            The fitted explainer.

        Raises
        ------
        ValueError
            If `X` is empty, or is not numeric or not finite (but for what an estimator takes), if
            `y` is not one entry a row, or if `metric`, `n_jobs` or `estimator` is not valid.
        TypeError
            If an estimator has no leaves.
        """
        self._check_params()
        # All that is fitted is put in its place at once, and nothing of a fit that fails.
        fitted = copy(self)
        for name in ("neighbors_", "estimator_"):  # There may be the other one now.
            fitted.__dict__.pop(name, None)
        library = library_of(X)
        X, index = _checked_rows(fitted, X, self.estimator is not None)
        if self.estimator is None:
            fitted.neighbors_ = NearestNeighbors(metric=self.metric, n_jobs=self.n_jobs).fit(X)
            fitted._search = _DistanceNeighbors(fitted.neighbors_)
        else:
            fitted.estimator_ = clone(self.estimator).fit(X, y)
            fitted._search = LeafNeighbors(fitted.estimator_, X)
        labels = _checked_labels(fitted._search, y, index)
        fitted.training_rows_ = TrainingRows(index=index, labels=labels, library=library)
        self.__dict__ = fitted.__dict__
        return self

    def explain(self, X: Any, y: ArrayLike | None = None, *, n_examples: int = 5) -> Explanation:
        """Find the nearest training rows of each query.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_queries, n_features)
            The queries.
        y : array-like of shape (n_queries,) or (n_queries, n_targets), optional
            Their labels, to be shown; they take no part in the search.
        n_examples : int, default=5
            How many rows to return for each query.

        Returns
        -------
        Explanation
            The nearest rows first, rows at equal distances in the order of the training data.
            A score is *minus* the distance, so that larger is closer; its sign has no meaning
            (`sign` is None). Places beyond the number of training rows hold index -1 and score
            NaN.

        Raises
        ------
        ValueError
            If `X` is empty, not finite or has other features than in `fit`, if `y` is not one
            entry a query, or if `n_examples` is below 1.
        TypeError
            If `n_examples` is not an integer.
        sklearn.exceptions.NotFittedError
            If the explainer is not fitted.
        """
        check_is_fitted(self)
        check_scalar(n_examples, "n_examples", Integral, min_val=1)
        library = library_of(X) or self.training_rows_.library
        X, query_index = _checked_rows(self, X, self._search.checks_rows, reset=False)
        targets = _checked_labels(self._search, y, query_index)
        distances, indices = self._search.nearest(X, min(n_examples, self._search.n_rows))
        missing = ((0, 0), (0, n_examples - indices.shape[1]))
        return Explanation(
            np.pad(indices, missing, constant_values=-1),
            # Subtracted from zero, since the minus sign would turn the distance 0 into -0.
            np.pad(0 - distances, missing, constant_values=np.nan),
            targets,
            criterion="nearest_neighbors",
            sign=None,
            training_rows=self.training_rows_,
            query_index=query_index,
            library=library,
            resampler=NoResamples(NO_MODEL),
        )

    def _check_params(self) -> None:
        is_named = isinstance(self.metric, str)
        if is_named and self.metric == "precomputed":
            raise ValueError(
                "metric='precomputed' is not supported: explanations are computed from the "
                "features. Give the name of a metric or a function of two rows."
            )
        by_leaves = is_named and self.metric == "leaves"
        if by_leaves and self.estimator is None:
            raise ValueError(
                "metric='leaves' is by the leaves of a model: give it as estimator, such as "
                "RandomForestClassifier(), or FrozenEstimator(model) if it is fitted already."
            )
        if self.estimator is not None and not by_leaves:
            raise ValueError(
                f"metric={self.metric!r} knows no model: an estimator is for metric='leaves' only."
            )


def _checked_rows(
    explainer: NearestNeighborsExplainer, X: Any, are_checked_later: bool, reset: bool = True
) -> tuple[Any, NDArray[Any]]:
    """The features of rows, and their index labels."""
    refuse_lazy(X)
    refuse_dispatched("neighbours are found with NumPy", X=X)
    index = row_index(X)
    if are_checked_later:
        validate_data(explainer, X, skip_check_array=True, reset=reset)
        return X, index
    if len(getattr(X, "shape", ())) > 2:  # Pictures are compared pixel by pixel.
        X = np.asarray(X).reshape(len(index), -1)
    features = validate_data(
        explainer, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=reset
    )
    return features, index


def _checked_labels(
    search: _DistanceNeighbors | LeafNeighbors, y: ArrayLike | None, index: NDArray[Any]
) -> NDArray[Any] | None:
    if y is None:
        return None
    labels = search.labels(y)
    check_consistent_length(index, labels)
    return labels


class _DistanceNeighbors:
    """Training rows by a distance of their features.

    Parameters
    ----------
    neighbors : sklearn.neighbors.NearestNeighbors
        Fitted to the training rows.

    Attributes
    ----------
    checks_rows : bool
        Whether rows are checked where their neighbours are sought, and not before.
    """

    checks_rows = False

    def __init__(self, neighbors: NearestNeighbors) -> None:
        self.neighbors = neighbors

    @property
    def n_rows(self) -> int:
        return int(self.neighbors.n_samples_fit_)

    def labels(self, y: ArrayLike) -> NDArray[Any]:
        """Labels or targets of rows."""
        return np.array(column_or_1d(label_array(y), warn=True))

    def nearest(self, X: Any, n_nearest: int) -> tuple[NDArray[np.floating], NDArray[np.intp]]:
        """Distances and positions of the nearest rows, ties broken by position.

        The search returns arbitrary ones of the rows that tie for the last place. So it is asked
        for more rows, until the last of them is farther away than the last place.
        """
        n_train = self.n_rows
        distances = np.empty((X.shape[0], n_nearest))
        indices = np.empty((X.shape[0], n_nearest), dtype=np.intp)
        open_queries, width = np.arange(X.shape[0]), n_nearest + 1
        while open_queries.size:
            width = min(width, n_train)
            tied = []
            for batch in gen_batches(open_queries.size, _batch_size(width)):
                queries = open_queries[batch]
                found, where = self.neighbors.kneighbors(X[queries], width)
                order = np.lexsort((where, found))[:, :n_nearest]
                distances[queries] = np.take_along_axis(found, order, axis=1)
                indices[queries] = np.take_along_axis(where, order, axis=1)
                tied.append(queries[found.max(axis=1) == distances[queries, -1]])
            open_queries = np.concatenate(tied) if width < n_train else np.empty(0, dtype=np.intp)
            width *= 2
        return distances, indices


def _batch_size(width: int) -> int:
    """How many queries' searches for `width` rows fit in scikit-learn's working memory."""
    bytes_a_row = 8 * 8  # distances, positions and orders, in the search and after it
    return max(1, int(get_config()["working_memory"] * 2**20) // (bytes_a_row * width))
