"""What a booster of XGBoost says of itself: its parameters, and the leaves of its trees."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from ...trees import Leaves
from ...utils._blocks import MAX_BLOCK, row_blocks

#: Bytes of a row and a tree, while XGBoost looks its leaf up.
LOOKED_UP = 4
#: A child that no node has: that of a leaf.
NO_CHILD = -1


class BoosterTree:
    """A tree, whose leaves hold a value, or one for each of several predictors.

    Parameters
    ----------
    written : dict
        As the booster writes it.

    Attributes
    ----------
    leaves : ndarray of int, shape (n_leaves,)
        Numbers of the nodes that rows may end in. What was pruned is left out.
    values : ndarray of shape (n_leaves, n_values)
        What is added to predictors there.

    Raises
    ------
    ValueError
        If an older release has written values of several predictors.
    """

    def __init__(self, written: dict[str, Any]) -> None:
        self.written = written
        left, right = (np.asarray(written[side]) for side in ("left_children", "right_children"))
        self.n_nodes, self.leaves = len(left), _leaves_below(0, left, right)
        n_values = max(int(written["tree_param"]["size_leaf_vector"]), 1)
        if n_values == 1:
            self.values = np.asarray(written["split_conditions"], np.float64)[self.leaves, None]
        elif "leaf_weights" not in written:
            raise ValueError(
                "Models with multi_strategy='multi_output_tree' from before XGBoost 3.2 cannot be "
                "explained. Fit them with a newer release, or with "
                "multi_strategy='one_output_per_tree'."
            )
        else:
            values = np.asarray(written["leaf_weights"], np.float64).reshape(-1, n_values)
            self.values = values[right[self.leaves]]

    @property
    def is_of_several(self) -> bool:
        """Whether it adds to several predictors."""
        return self.values.shape[1] > 1

    @property
    def weight(self) -> float:
        """The sum of the second derivatives of all rows."""
        return float(self.written["sum_hessian"][0])

    def positions(self, nodes: np.ndarray) -> np.ndarray:
        """Which of its leaves are in some nodes, from 0."""
        positions = np.zeros(self.n_nodes, np.int32)
        positions[self.leaves] = np.arange(len(self.leaves))
        return positions[nodes]


def xgboost_release() -> str:
    """The release that is installed."""
    from xgboost import __version__ as release

    return str(release)


def _leaves_below(node, left, right):
    """Leaves of the tree below a node, level by level."""
    found, level = [], np.array([node])
    while level.size:
        is_leaf = left[level] == NO_CHILD
        found.append(level[is_leaf])
        level = np.concatenate([side[level[~is_leaf]] for side in (left, right)])
    return np.concatenate(found)


class ReadBooster:
    """The booster of a fitted model.

    Parameters
    ----------
    model : fitted XGBModel
        Of trees.

    Attributes
    ----------
    config : dict
        The parameters of its training.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.booster = model, model.get_booster()
        self.config = json.loads(self.booster.save_config())["learner"]

    @property
    def kind(self) -> str:
        """What it boosts: "gbtree", "dart" or "gblinear"."""
        return str(self.config["gradient_booster"]["name"])

    @property
    def changes_trees(self) -> bool:
        """Whether trees were not grown, but changed; a booster forgets that."""
        return bool(self.model.get_xgb_params().get("process_type", "default") != "default")

    @property
    def callbacks(self) -> set[str]:
        """Names of what was called while it was trained."""
        return {type(callback).__name__ for callback in self.model.callbacks or ()}

    @property
    def objective(self) -> str:
        """Its name; of one that is not XGBoost's, that it is a function."""
        own = self.model.objective
        return "a function of your own" if callable(own) else str(self.config["objective"]["name"])

    @property
    def is_monotone(self) -> bool:
        """Whether predictions may only rise, or only fall, with a feature."""
        return "1" in self.config["gradient_booster"]["tree_train_param"]["monotone_constraints"]

    @property
    def n_outputs(self) -> int:
        """Predictors: one, or one for each class."""
        return max(int(self.config["learner_model_param"]["num_class"]), 1)

    @property
    def n_targets(self) -> int:
        """Targets or labels that a row has."""
        return int(self.config["learner_model_param"]["num_target"])

    @property
    def n_parallel(self) -> int:
        """Trees that share a stage, for each predictor."""
        return int(self.config["gradient_booster"]["gbtree_model_param"]["num_parallel_tree"])

    def parameter(self, name: str) -> float:
        """A parameter of the trees, in the precision that they were grown with."""
        return float(self.config["gradient_booster"]["tree_train_param"][name])

    def of_objective(self, group: str, name: str, default: float = 1.0) -> float:
        """A parameter of the objective."""
        return float(self.config["objective"].get(group, {}).get(name, default))

    @property
    def training(self) -> tuple[Any, ...]:
        """What it was trained by, besides the rows."""
        grown = self.config["gradient_booster"]
        parts = ("tree_train_param", "gbtree_train_param", "specified_updater")
        return (*(grown[part] for part in parts), self.config["objective"], self.n_trees)

    @property
    def base_score(self) -> np.ndarray:
        """Predictions before the first tree, shape (n_outputs,)."""
        written = json.loads(self.config["learner_model_param"]["base_score"])
        return np.broadcast_to(np.asarray(written, np.float32), self.n_outputs)

    @property
    def is_start_estimated(self) -> bool:
        """Whether these are from the rows, and not given."""
        return self.config["learner_model_param"]["boost_from_average"] == "1"

    @cached_property
    def _written(self) -> dict[str, Any]:
        written = json.loads(bytes(self.booster.save_raw(raw_format="json")))
        found: dict[str, Any] = written["learner"]["gradient_booster"]["model"]
        return found

    @property
    def best_stage(self) -> int | None:
        """The last one that predictions are made of, where training stopped early."""
        best = self.booster.attr("best_iteration")
        return None if best is None else int(best)

    @property
    def n_stages(self) -> int:
        """Stages that predictions are made of."""
        return self.booster.num_boosted_rounds() if self.best_stage is None else self.best_stage + 1

    @property
    def n_trees(self) -> int:
        """Trees that predictions are made of."""
        return int(self._written["iteration_indptr"][self.n_stages])

    @cached_property
    def trees(self) -> list[BoosterTree]:
        """The trees that predictions are made of."""
        return [BoosterTree(written) for written in self._written["trees"][: self.n_trees]]

    @property
    def stages(self) -> np.ndarray:
        """Of each tree, shape (n_trees,)."""
        ends = np.asarray(self._written["iteration_indptr"])[1:]
        return np.searchsorted(ends, np.arange(self.n_trees), side="right")

    @property
    def outputs(self) -> np.ndarray:
        """Which predictor each tree adds to, or the first of those it does, shape (n_trees,)."""
        return np.asarray(self._written["tree_info"][: self.n_trees])

    @property
    def n_values(self) -> np.ndarray:
        """To how many predictors each tree adds, shape (n_trees,)."""
        return np.array([tree.values.shape[1] for tree in self.trees])

    def leaves_of(self, X: Any) -> Leaves:
        """The leaves of rows; trees that add to several predictors are there for each.

        Parameters
        ----------
        X : array-like, data frame or CSR matrix of shape (n_rows, n_features)
        """
        trees = [tree for tree in self.trees for _ in range(tree.values.shape[1])]
        sizes = np.array([len(tree.leaves) for tree in trees])
        positions = np.empty((len(trees), X.shape[0]), np.min_scalar_type(int(sizes.max()) - 1))
        firsts = np.cumsum(self.n_values) - self.n_values
        for rows in row_blocks(X.shape[0], LOOKED_UP * self.n_trees, MAX_BLOCK):
            nodes = self._nodes(_safe_indexing(X, rows)).reshape(-1, self.n_trees).astype(np.int32)
            for tree, first, own in zip(self.trees, firsts, nodes.T, strict=True):
                positions[first : first + tree.values.shape[1], rows] = tree.positions(own)
        return Leaves.of(positions, sizes)

    def _nodes(self, X):
        """The same as ``apply``, which refused categories before XGBoost 3."""
        from xgboost import DMatrix

        model = self.model
        rows = DMatrix(
            X,
            missing=model.missing,
            nthread=model.n_jobs,
            feature_types=model.feature_types,
            enable_categorical=model.enable_categorical,
        )
        return self.booster.predict(rows, pred_leaf=True, iteration_range=(0, self.n_stages))
