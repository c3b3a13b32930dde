"""Which node stands for which transformer of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
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

from ._nodes import Branches, Chain, Columns, Impute, Node, OneHot, Project, Refitted, Stateless
from ._tangents import EPS, divided, standardised, stretched, varying


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
