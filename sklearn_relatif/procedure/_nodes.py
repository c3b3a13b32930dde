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
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils import _safe_indexing

from ._tangents import (
    EPS,
    Affine,
    NotCoveredError,
    imputed,
    projected,
    side_by_side,
    unmoved,
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
    turns : bool, default=False
        Whether its features may turn among one another as rows leave.
    name : str
        Of the transformer.
    """

    is_fixed = False
    turns = False
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

    turns = True

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
        self.turns = any(node.turns for node in nodes)

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
        self.turns = any(node.turns for node in nodes)

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

    turns = True

    def __init__(self, transformer: Any):
        self.transformer = transformer

    def fit(self, base, y):
        fitted = clone(self.transformer).fit(base, y)
        return Fitted(lambda other: dense(fitted.transform(other)), dense(fitted.transform(base)))


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
