"""Transformers, fitted again on some of the rows at the cost of a few sums.

A *node* stands for a fitted transformer. What it makes of a row in part does not depend on any
other row: that is its *base*, computed once. What depends on them, ``fit`` finds anew from the
bases of the rows that are left, by the formulas of scikit-learn without its checks. A transformer
that has no node of its own is fitted again by scikit-learn itself; none is held as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import _safe_indexing

from ._tangents import (
    EPS,
    Affine,
    NotCoveredError,
    divided,
    imputed,
    projected,
    side_by_side,
    standardised,
    stretched,
    unmoved,
    varying,
)

#: Most bytes of features that were sparse.
MOST_BYTES = 2**30


class Fitted(NamedTuple):
    """What a node has become on some rows.

    Attributes
    ----------
    transform : callable
        From bases of any rows to the features that it makes of them.
    features : ndarray or data frame
        Those of the rows that it was fitted on.
    """

    transform: Callable[[Any], Any]
    features: Any


def take(base: Any, rows: Any) -> Any:
    """The bases of some rows; of a node with branches, a tuple of those of each."""
    if isinstance(base, tuple):
        return tuple(take(part, rows) for part in base)
    return base[rows] if isinstance(base, np.ndarray) else _safe_indexing(base, rows)


class Node:
    """A fitted transformer, as the rows decide on it.

    Attributes
    ----------
    is_fixed : bool, default=False
        Whether what it makes of a row is its base, whatever the other rows are.
    name : str
        Of the transformer.
    """

    is_fixed = False
    name = ""

    def base(self, X: Any) -> Any:
        """What it makes of rows, as far as it needs no other row for that."""
        return X

    def fit(self, base: Any, y: Any) -> Fitted:
        """What it becomes on the rows of some bases."""
        raise NotImplementedError

    def start(self, base: Any) -> Affine:
        """What it makes of the training rows, as it moves with their weights."""
        return self.after(unmoved(numbers(base)))

    def after(self, given: Affine) -> Affine:
        """The same of features that move themselves."""
        raise NotCoveredError(f"{self.name} has no derivative in the weights of rows")


class Stateless(Node):
    """A function of single rows."""

    is_fixed = True

    def __init__(self, transformer: Any):
        self.transformer = transformer

    def base(self, X):
        result = dense(self.transformer.transform(X))
        array = np.asarray(result)
        return array.astype(np.float64, copy=False) if array.dtype.kind in "biuf" else result

    def fit(self, base, y):
        return Fitted(lambda other: other, base)

    def start(self, base):
        return unmoved(numbers(base))


class OneHot(Stateless):
    """Indicators of categories, of which each must have a row left.

    Where unknown ones are ignored, a category without rows is a column of zeros in the training
    rows, to which a penalty gives the coefficient 0: as if there were none.
    """

    is_fixed = False

    def __init__(self, transformer: OneHotEncoder):
        super().__init__(transformer)
        self.is_forgiving = transformer.handle_unknown == "ignore" and transformer.drop is None

    def fit(self, base, y):
        if not (self.is_forgiving or base.any(axis=0).all()):
            raise NotCoveredError("the last row of a category leaves")
        return super().fit(base, y)


class Columns(Node):
    """A shift and a scale for each column of numbers.

    Parameters
    ----------
    shift_and_scale : callable
        From features (n_rows, n_columns) to two arrays (n_columns,).
    bounds : pair of float or None
        What the results are clipped to.
    moved : callable or None
        The same of features that move with the weights of rows, where there is a derivative.
    """

    def __init__(
        self,
        shift_and_scale: Callable[[np.ndarray], Any],
        bounds: Any = None,
        moved: Callable[[Affine], Affine] | None = None,
    ):
        self.shift_and_scale, self.bounds, self.moved = shift_and_scale, bounds, moved

    def base(self, X):
        return numbers(X)

    def fit(self, base, y):
        shift, scale = self.shift_and_scale(base)

        def transform(other):
            result = (other - shift) / scale
            return result if self.bounds is None else np.clip(result, *self.bounds)

        return Fitted(transform, transform(base))

    def after(self, given):
        if self.moved is None or self.bounds is not None:
            return super().after(given)
        return self.moved(given)


def standard(scaler: StandardScaler) -> Columns:
    """StandardScaler."""

    def shift_and_scale(X: np.ndarray) -> Any:
        mean = X.mean(axis=0)
        spread = np.ones_like(mean)
        if scaler.with_std:
            variance = X.var(axis=0)
            spread = np.sqrt(np.where(varying(len(X), mean, variance), variance, 1.0))
        return mean if scaler.with_mean else np.zeros_like(mean), spread

    return Columns(
        shift_and_scale, moved=lambda given: standardised(given, scaler.with_mean, scaler.with_std)
    )


def _or_one(scale: np.ndarray) -> np.ndarray:
    """A scale, with 1 for that of columns which do not vary."""
    return np.where(scale < 10 * EPS, 1.0, scale)


def min_max(scaler: MinMaxScaler) -> Columns:
    """MinMaxScaler."""
    low, high = scaler.feature_range

    def shift_and_scale(X: np.ndarray) -> Any:
        least = X.min(axis=0)
        scale = _or_one(X.max(axis=0) - least) / (high - low)
        return least - low * scale, scale

    bounds = scaler.feature_range if scaler.clip else None
    return Columns(shift_and_scale, bounds, lambda given: stretched(given, low, high))


def max_abs(scaler: MaxAbsScaler) -> Columns:
    """MaxAbsScaler."""
    bounds = (-1.0, 1.0) if vars(scaler).get("clip", False) else None

    def shift_and_scale(X: np.ndarray) -> Any:
        return np.zeros(X.shape[1]), _or_one(np.abs(X).max(axis=0))

    return Columns(shift_and_scale, bounds, divided)


def robust(scaler: RobustScaler) -> Columns | None:
    """RobustScaler."""
    if scaler.unit_variance:
        return None

    def shift_and_scale(X: np.ndarray) -> Any:
        first, last = scaler.quantile_range
        low, middle, high = np.percentile(X, [first, 50, last], axis=0)
        centre = middle if scaler.with_centering else np.zeros(X.shape[1])
        return centre, _or_one(high - low) if scaler.with_scaling else np.ones(X.shape[1])

    return Columns(shift_and_scale)


class Impute(Node):
    """SimpleImputer of numbers, by their mean or median, or by a constant."""

    def __init__(self, imputer: SimpleImputer):
        self.imputer = imputer
        self.fills: Any = {"mean": np.nanmean, "median": np.nanmedian}.get(imputer.strategy)

    def base(self, X):
        return numbers(X, allow_nan=True)

    def fit(self, base, y):
        fill = self._fill(base)

        def transform(other):
            return np.where(np.isnan(other), fill, other)

        return Fitted(transform, transform(base))

    def _fill(self, base):
        if np.isnan(base).all(axis=0).any():
            raise NotCoveredError("the last known value of a column leaves")
        return self.imputer.statistics_ if self.fills is None else self.fills(base, axis=0)

    def start(self, base):
        if self.imputer.strategy == "median":
            return super().after(unmoved(base))
        return imputed(base, self._fill(base), self.fills is not None)

    def after(self, given):
        return given  # Nothing is missing any more.


class Project(Node):
    """PCA by the covariance of the rows."""

    def __init__(self, pca: PCA):
        self.pca = pca

    def base(self, X):
        return numbers(X)

    def fit(self, base, y):
        mean = base.mean(axis=0)
        centred = base - mean
        variances, axes = np.linalg.eigh(centred.T @ centred / (len(base) - 1))
        axes = axes[:, ::-1][:, : self.pca.n_components_]
        variances = variances[::-1][: self.pca.n_components_]
        # Axes have no sign of their own; that of all rows keeps the coefficients near theirs.
        axes = axes * np.where(np.sum(axes.T * self.pca.components_, axis=1) < 0, -1, 1)
        if self.pca.whiten:
            if variances[-1] <= EPS * variances[0]:
                raise NotCoveredError("a component that is whitened hardly varies")
            axes = axes / np.sqrt(variances)
        return Fitted(lambda other: (other - mean) @ axes, centred @ axes)

    def after(self, given):
        return projected(given, self.pca.n_components_, self.pca.whiten)


class Chain(Node):
    """One node after the other; the fixed ones at the start are part of its base."""

    def __init__(self, nodes: Sequence[Node]):
        n_fixed = next((i for i, node in enumerate(nodes) if not node.is_fixed), len(nodes))
        self.fixed, self.rest = nodes[:n_fixed], nodes[n_fixed:]
        self.is_fixed = not nodes

    def base(self, X):
        for node in self.fixed:
            X = node.base(X)
        return self.rest[0].base(X) if self.rest else X

    def fit(self, base, y):
        maps, features = [], base
        for position, node in enumerate(self.rest):
            own = features if position == 0 else node.base(features)
            fitted = node.fit(own, y)
            maps.append((node, fitted.transform))
            features = fitted.features

        def transform(other):
            for position, (node, apply) in enumerate(maps):
                other = apply(other if position == 0 else node.base(other))
            return other

        return Fitted(transform, features)

    def start(self, base):
        if not self.rest:
            return unmoved(numbers(base))
        first, *others = self.rest
        moved = first.start(base)
        for node in others:
            moved = node.after(moved)
        return moved

    def after(self, given):
        for node in (*self.fixed, *self.rest):
            given = node.after(given)
        return given


class Branches(Node):
    """Nodes side by side, each of some of the columns."""

    def __init__(self, nodes: Sequence[Node], columns: Sequence[Any]):
        self.nodes, self.columns = nodes, columns

    def base(self, X):
        return tuple(
            node.base(X if columns is None else _safe_indexing(X, columns, axis=1))
            for node, columns in zip(self.nodes, self.columns, strict=True)
        )

    def fit(self, base, y):
        fits = [node.fit(part, y) for node, part in zip(self.nodes, base, strict=True)]

        def transform(other):
            return np.hstack([f.transform(part) for f, part in zip(fits, other, strict=True)])

        return Fitted(transform, np.hstack([fitted.features for fitted in fits]))

    def start(self, base):
        return side_by_side([n.start(part) for n, part in zip(self.nodes, base, strict=True)])


class Refitted(Node):
    """Any other transformer, which scikit-learn fits again."""

    def __init__(self, transformer: Any):
        self.transformer = transformer

    def fit(self, base, y):
        fitted = clone(self.transformer).fit(base, y)
        return Fitted(lambda other: dense(fitted.transform(other)), dense(fitted.transform(base)))


def chain_of(transformers: Sequence[Any]) -> Chain:
    """The node of fitted transformers that rows go through one after the other."""
    return Chain([node_of(transformer) for transformer in transformers])


def node_of(transformer: Any) -> Node:
    """The node of a fitted transformer."""
    make = NODES.get(type(transformer))
    node = None if make is None else make(transformer)
    node = Refitted(transformer) if node is None else node
    node.name = type(transformer).__name__
    return node


def _pipeline(pipeline: Pipeline) -> Node:
    return chain_of([step for _, step in pipeline.steps if step not in (None, "passthrough")])


def _column_transformer(transformer: ColumnTransformer) -> Node | None:
    nodes, columns = [], []
    if transformer.transformer_weights:
        return None
    for _, part, of_part in transformer.transformers_:
        if np.ndim(of_part) == 0:  # One column as a vector, or a slice.
            return None
        if part == "drop" or len(of_part) == 0:
            continue
        nodes.append(Stateless(FunctionTransformer()) if part == "passthrough" else node_of(part))
        columns.append(of_part)
    return Branches(nodes, columns) if nodes else None


def _union(union: FeatureUnion) -> Node | None:
    parts = [part for _, part in union.transformer_list if part != "drop"]
    if union.transformer_weights or "passthrough" in parts:
        return None
    return Branches([node_of(part) for part in parts], [None] * len(parts))


def _imputer(imputer: SimpleImputer) -> Node | None:
    plain = (
        imputer.strategy in ("mean", "median", "constant")
        and not imputer.add_indicator
        and imputer.missing_values is np.nan
        and imputer.statistics_.dtype.kind == "f"
        and not np.isnan(imputer.statistics_).any()
    )
    return Impute(imputer) if plain else None


def _pca(pca: PCA) -> Node | None:
    n_rows, n_columns = pca.n_samples_, pca.n_features_in_
    is_small = max(n_rows, n_columns) <= 500 or (n_columns <= 1000 and n_rows >= 10 * n_columns)
    is_exact = pca.svd_solver in ("full", "covariance_eigh")
    is_exact = is_exact or (pca.svd_solver == "auto" and is_small)
    holds_number = pca.n_components is None or isinstance(pca.n_components, (int, np.integer))
    return Project(pca) if is_exact and holds_number else None


def _one_hot(encoder: OneHotEncoder) -> Node | None:
    groups_rare = encoder.min_frequency is not None or encoder.max_categories is not None
    return None if groups_rare or encoder.drop is not None else OneHot(encoder)


NODES: dict[type, Callable[[Any], Node | None]] = {
    Pipeline: _pipeline,
    ColumnTransformer: _column_transformer,
    FeatureUnion: _union,
    StandardScaler: standard,
    MinMaxScaler: min_max,
    MaxAbsScaler: max_abs,
    RobustScaler: robust,
    SimpleImputer: _imputer,
    PCA: _pca,
    OneHotEncoder: _one_hot,
    FunctionTransformer: Stateless,
    Normalizer: Stateless,
    Binarizer: Stateless,
    PolynomialFeatures: Stateless,
}


def dense(X: Any) -> Any:
    """Features that a transformer returned, without sparsity."""
    if not sparse.issparse(X):
        return X
    if 8 * X.shape[0] * X.shape[1] > MOST_BYTES:
        raise NotCoveredError("sparse features would take too much memory without sparsity")
    return X.toarray()


def numbers(X: Any, allow_nan: bool = False) -> np.ndarray:
    """Features as an array of double precision."""
    if isinstance(X, np.ndarray) and X.dtype == np.float64:
        result = X
    else:
        result = np.asarray(dense(X), dtype=np.float64)
    if not allow_nan and not np.isfinite(result).all():
        raise NotCoveredError("a column has missing values where scikit-learn leaves them out")
    return result
