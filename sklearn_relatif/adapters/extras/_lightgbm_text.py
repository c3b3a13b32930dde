"""What LightGBM writes down of a booster: its trees, and by which parameters they were grown.

Its text has every parameter under one name, with aliases and defaults resolved; but numbers in six
digits only. What was passed to the training has them in full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Of a node's ``decision_type``: it splits by a set of categories.
BY_CATEGORIES = 1


@dataclass(frozen=True)
class WrittenTree:
    """One tree.

    Attributes
    ----------
    values : ndarray of shape (n_leaves,)
        Of its leaves, in the order by which LightGBM numbers these.
    counts : ndarray of int, shape (n_leaves,)
        How many training rows each leaf had; without a split, nothing.
    shrinkage : float
        By what its leaf values were multiplied, in six digits.
    splits : ndarray of int, shape (n_leaves,)
        The feature by whose categories a leaf was split off; -1 for other leaves.
    """

    values: np.ndarray
    counts: np.ndarray
    shrinkage: float
    splits: np.ndarray


@dataclass(frozen=True)
class WrittenBooster:
    """A booster.

    Attributes
    ----------
    trees : list of WrittenTree
        Those that predict: up to the best iteration, where its training stopped early.
    n_outputs : int
        Trees that are grown at once.
    n_categories : ndarray of int, shape (n_features,)
        Bins of features that are split by categories, with one for what is none of them; else 1.
    parameters : dict of str to str
        As they are written.
    given : dict
        What was passed to the training, by whichever name.
    """

    trees: list[WrittenTree]
    n_outputs: int
    n_categories: np.ndarray
    parameters: Mapping[str, str]
    given: Mapping[str, Any]

    @property
    def sizes(self) -> np.ndarray:
        """How many leaves each tree has, shape (n_trees,)."""
        return np.array([len(tree.values) for tree in self.trees])

    def number(self, name: str) -> float:
        """A parameter in all of its digits."""
        written = self.parameters[name]
        passed = [value for value in self.given.values() if isinstance(value, float)]
        return next((value for value in passed if f"{value:g}" == written), float(written))

    def is_on(self, name: str) -> bool:
        """Whether a parameter that is a choice of two is true."""
        return self.parameters[name] == "1"


def read_booster(booster: Any) -> WrittenBooster:
    """What there is in a fitted ``lightgbm.Booster``."""
    text, _, ending = booster.model_to_string().partition("\nend of trees")
    head, *trees = re.split(r"^Tree=\d+$", text, flags=re.MULTILINE)
    header, parameters = _entries(head), ending.partition("\nparameters:\n")[2]
    bins = [len(info.split(":")) for info in header.get("feature_infos", "").split()]
    is_interval = [info.startswith("[") for info in header.get("feature_infos", "").split()]
    return WrittenBooster(
        trees=[_tree(_entries(tree)) for tree in trees],
        n_outputs=int(header["num_tree_per_iteration"]),
        n_categories=np.where(is_interval, 1, bins),
        parameters=dict(re.findall(r"^\[(\w+): (.*)\]$", parameters, flags=re.MULTILINE)),
        given=dict(booster.params),
    )


def _entries(block: str) -> dict[str, str]:
    lines = [line.partition("=") for line in block.splitlines()]
    return {name: value for name, is_entry, value in lines if is_entry}


def _tree(entries: Mapping[str, str]) -> WrittenTree:
    def numbers(name, kind):
        return np.array(entries.get(name, "").split(), kind)

    values, features = numbers("leaf_value", np.float64), numbers("split_feature", np.int64)
    by_categories = numbers("decision_type", np.int64) & BY_CATEGORIES
    splits = np.full(len(values), -1)
    for children in (numbers("left_child", np.int64), numbers("right_child", np.int64)):
        # A child below 0 is a leaf, numbered by the complement.
        is_leaf = children < 0
        splits[~children[is_leaf]] = np.where(by_categories, features, -1)[is_leaf]
    has_split = len(values) > 1
    return WrittenTree(
        values=values,
        counts=numbers("leaf_count", np.int64) if has_split else np.zeros(0, np.int64),
        shrinkage=float(entries["shrinkage"]),
        splits=splits,
    )
