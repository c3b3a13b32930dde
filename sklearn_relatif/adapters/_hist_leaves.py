"""What HistGradientBoosting models do not tell of themselves by public calls.

They have no public leaf indices. So this module, and no other, reads the private attributes of
scikit-learn in which they keep their trees, where these start, and the seed of the rows that early
stopping held out. What rows go through (the encoding of categories, missing values, thresholds)
stays scikit-learn's own code: a copy of a model whose leaves have their numbers in the place of
their values predicts which leaf each row is in.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple

import numpy as np


class HistTree(NamedTuple):
    """The leaves of one tree, in the order of its nodes.

    Attributes
    ----------
    values : ndarray of shape (n_leaves,)
        What is added to the predictor of a row in each of them, the learning rate included.
    counts : ndarray of int, shape (n_leaves,)
        How many training rows were in each of them.
    """

    values: np.ndarray
    counts: np.ndarray


def hist_trees(model: Any) -> list[HistTree]:
    """The trees of a fitted model: those of one iteration after those of the other."""
    return [_leaves_of(tree) for stage in model._predictors for tree in stage]


def start_of(model: Any) -> np.ndarray:
    """The predictors before the first tree, shape (n_outputs,)."""
    start: np.ndarray = model._baseline_prediction.ravel()
    return start


def seed_of_split(model: Any) -> int:
    """The seed by which rows were held out for early stopping, whatever ``random_state`` was."""
    seed: int = model._random_seed
    return seed


def leaf_numbers(model: Any, X: Any) -> Iterator[np.ndarray]:
    """The leaves that rows are in, for one tree after the other.

    Parameters
    ----------
    model : fitted estimator
        Stays as it is.
    X : array-like or data frame of shape (n_rows, n_features)
        Rows as the model takes them.

    Yields
    ------
    ndarray of uint8 or larger, shape (n_rows,)
        Positions in the leaves of :func:`hist_trees`.
    """
    numbered = copy(model)
    numbered._predictors = [[_numbered(tree) for tree in stage] for stage in model._predictors]
    # Whole numbers in double precision: sums of them, and their differences, are exact.
    numbered._baseline_prediction = np.zeros_like(model._baseline_prediction)
    before: Any = 0
    for stage, sums in zip(numbered._predictors, numbered._staged_raw_predict(X), strict=True):
        for tree, numbers in zip(stage, (sums - before).T, strict=True):
            yield numbers.astype(np.min_scalar_type(tree.get_n_leaf_nodes()))
        before = sums


def _leaves_of(tree):
    leaves = tree.nodes[tree.nodes["is_leaf"] == 1]
    return HistTree(leaves["value"].copy(), leaves["count"].astype(np.intp))


def _numbered(tree):
    """A copy of a tree that predicts the numbers of leaves."""
    numbered, nodes = copy(tree), tree.nodes.copy()
    nodes["value"] = np.cumsum(nodes["is_leaf"]) - 1
    numbered.nodes = nodes
    return numbered
