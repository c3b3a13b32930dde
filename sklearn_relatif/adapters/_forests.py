"""Forests and single trees of scikit-learn.

A tree is grown by some criterion, and then the value of each of its leaves is the weighted mean of
the targets of its rows: shares of the classes, or a mean. These minimise half a squared error (of
classes: half the Brier score), and a Poisson deviance too, whatever the tree was grown by.
"""

from __future__ import annotations

import warnings
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import sklearn
from sklearn.base import is_classifier
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.fixes import parse_version

from ..losses import (
    BrierScore,
    IdentityLink,
    Loss,
    PoissonDeviance,
    SeparateTargets,
    SquaredError,
)
from ..objectives import ForestObjective
from ..trees import Forest, Leaves, TreeWeights, check_forest
from ._class_weight import class_weight_of_rows
from ._forest_refits import ForestRefits
from ._registry import register
from ._targets import BoundedTargets, ClassTargets, ColumnTargets, RealTargets
from ._trees import NO_CHILD, TreeAdapter, hierarchy, numbered_leaves
from ._wrappers import model_rows

#: Since this release, the weights of rows are how probably trees draw them, and nothing else, and
#: forests balance classes by the weights of their rows: before, by counting these.
DRAWS_BY_WEIGHT = parse_version(sklearn.__version__) >= parse_version("1.9.dev0")
#: Before this release, fits may put rows with missing values into other leaves than predictions do.
MISPLACES_MISSING = parse_version(sklearn.__version__) < parse_version("1.8.dev0")
#: Criteria whose leaves have weighted means.
MEANS = ("gini", "entropy", "log_loss", "squared_error", "friedman_mse", "poisson")
#: What a fit tells of the rows that trees have not drawn, which those grown again do not.
OF_OTHERS = ("oob_score_", "oob_prediction_", "oob_decision_function_")
#: Share of the rows in pure leaves from which a forest has little to explain by its values.
MOSTLY_PURE = 0.9


class SingleTreeAdapter(TreeAdapter):
    """A tree by itself, and what forests share with it."""

    has_several_targets = True
    #: Whether balanced classes count sample weights.
    balances_weights = False

    def each(self, model: Any) -> list[Any]:
        """The trees."""
        return [model]

    def model_rows(self, transformers, model, X):
        """Rows as the model takes them, with missing values where its trees know these."""
        return model_rows(transformers, model, X, get_tags(model).input_tags.allow_nan)

    def leaves_of(self, model, X) -> Leaves:
        return numbered_leaves(self.each(model), X)

    def reduce(self, model, X, y, sample_weight):
        name = type(model).__name__
        if model.criterion not in MEANS:
            raise ValueError(
                f"{name} with criterion={model.criterion!r} sets the values of leaves to something "
                "other than means of targets, such as medians, which do not follow the weights of "
                f"rows smoothly. Criteria that are covered: {', '.join(MEANS)}."
            )
        weight = sample_weight * self.class_weight(model, y, sample_weight)
        objective = self.objective(model, X, y, weight, self.weights(model, y, weight))
        values = np.concatenate([self.values(model, tree) for tree in self.each(model)])
        causes = f"{self.causes(model)}{cause_of_missing(X)}".strip()
        check_forest(objective.forest, values, name, causes)
        warn_if_pure(objective.forest, name)
        return objective

    def objective(
        self,
        model: Any,
        X: Any,
        y: np.ndarray,
        sample_weight: np.ndarray,
        weights: TreeWeights,
    ) -> ForestObjective:
        """What a fitted model minimises, by what rows weigh in its trees.

        Parameters
        ----------
        model, X, y
            As of :meth:`reduce`.
        sample_weight : ndarray of shape (n_rows,)
            With class weights.
        weights : TreeWeights
        """
        trees_above = partial(hierarchy, self.each(model))
        forest = Forest(self.indicators(model, y), self.leaves_of(model, X), weights, trees_above)
        bend = None
        if model.criterion == "poisson":
            values = forest.values
            bend = np.divide(1, values, out=np.zeros_like(values), where=values > 0)
        leaves_of = partial(self.leaves_of, model)
        refits = ForestRefits(self, model, X, y, sample_weight, weights)
        return ForestObjective(
            self.loss(model), y, sample_weight, leaves_of, forest, bend, refits=refits
        )

    def causes(self, model: Any) -> str:
        """What may be wrong where leaf values do not follow from the rows, by the options set."""
        if model.monotonic_cst is None:
            return ""
        return "monotonic_cst clips the values of leaves that would go against it: fit without it."

    # --- without some rows -----------------------------------------------------------------

    def tree_labels(self, model: Any, y: np.ndarray) -> np.ndarray:
        """Targets as each tree takes them."""
        return self.targets(model).shown(y, None)

    def with_trees(self, model: Any, trees: list[Any]) -> Any:
        """A fitted model of other trees."""
        (tree,) = trees
        class_weight = model.get_params().get("class_weight")
        # The rows that are left would balance classes otherwise.
        if class_weight not in (None, "balanced"):
            tree.set_params(class_weight=class_weight)
        return tree

    # --- targets ---------------------------------------------------------------------------

    def classes(self, model: Any) -> list[np.ndarray]:
        """The classes of each label."""
        return [model.classes_] if model.n_outputs_ == 1 else model.classes_

    def targets(self, model):
        if is_classifier(model):
            columns = [ClassTargets(classes) for classes in self.classes(model)]
            return columns[0] if len(columns) == 1 else ColumnTargets(columns)
        if model.criterion == "poisson":
            domain = PoissonDeviance(IdentityLink()).targets
            return BoundedTargets(domain, type(model).__name__, model.n_outputs_)
        return RealTargets(model.n_outputs_)

    def loss(self, model: Any) -> Loss:
        """That which the values of leaves minimise."""
        each: list[Loss]
        if is_classifier(model):
            each = [BrierScore(len(classes)) for classes in self.classes(model)]
        elif model.criterion == "poisson":
            each = [PoissonDeviance(IdentityLink())] * model.n_outputs_
        else:
            return SquaredError(model.n_outputs_)
        return each[0] if len(each) == 1 else SeparateTargets(each)

    def indicators(self, model: Any, y: np.ndarray) -> np.ndarray:
        """What leaves have means of: targets, or indicators of the classes of each label."""
        columns = y.reshape(len(y), -1)
        if not is_classifier(model):
            return columns
        both = zip(columns.T, self.classes(model), strict=True)
        return np.hstack([np.eye(len(classes))[column] for column, classes in both])

    def values(self, model: Any, tree: Any) -> np.ndarray:
        """Values of the leaves of a tree, in the columns of :meth:`indicators`."""
        own = tree.tree_
        values = own.value[own.children_left == NO_CHILD]
        if not is_classifier(model):
            return values[:, :, 0]
        # Labels of fewer classes are filled up.
        both = enumerate(self.classes(model))
        return np.hstack([values[:, label, : len(classes)] for label, classes in both])

    # --- weights ---------------------------------------------------------------------------

    def class_weight(self, model: Any, y: np.ndarray, sample_weight: np.ndarray) -> np.ndarray:
        """What each row counts by its classes, in all trees, shape (n_rows,)."""
        weight = np.ones(len(y))
        if not is_classifier(model):
            return weight
        given, columns = self.shared_class_weight(model), y.reshape(len(y), -1).T
        each = given if isinstance(given, list) else [given] * len(columns)
        counted = sample_weight if self.balances_weights else None
        for own, classes, column in zip(each, self.classes(model), columns, strict=True):
            weight *= class_weight_of_rows(own, classes, column, counted)
        return weight

    def shared_class_weight(self, model: Any) -> Any:
        """Class weights that are the same in all trees, as they were given."""
        return model.class_weight

    def weights(self, model: Any, y: np.ndarray, weight: np.ndarray) -> TreeWeights:
        """What rows weigh in each tree.

        Parameters
        ----------
        model : fitted estimator
        y : ndarray of shape (n_rows,) or (n_rows, n_targets)
        weight : ndarray of shape (n_rows,)
            Sample weights times those of classes.
        """
        return TreeWeights(weight)


class ForestAdapter(SingleTreeAdapter):
    """Random forests and extra trees."""

    balances_weights = DRAWS_BY_WEIGHT

    def each(self, model):
        return model.estimators_

    def causes(self, model):
        causes = super().causes(model)
        if model.warm_start:
            causes += (
                " With warm_start=True, trees that were grown on other rows or weights are not "
                "covered: grow all of them at once."
            )
        return causes.strip()

    def tree_labels(self, model, y):
        return y.astype(np.float64)

    def with_trees(self, model, trees):
        other = copy(model)
        for name in OF_OTHERS:
            vars(other).pop(name, None)
        other.estimators_ = trees
        return other

    def draws_rows(self, model):
        return bool(model.bootstrap)

    def removal_changes_objective(self, model):
        return str(model.get_params().get("class_weight")).startswith("balanced")

    def shared_class_weight(self, model):
        given = model.class_weight
        if self.balances_each_tree(model):
            return None
        return "balanced" if given == "balanced_subsample" else given

    def balances_each_tree(self, model: Any) -> bool:
        """Whether each tree balances the classes that it has drawn."""
        return bool(
            model.bootstrap and is_classifier(model) and model.class_weight == "balanced_subsample"
        )

    def weights(self, model, y, weight):
        if not model.bootstrap:
            return TreeWeights(weight)
        n_rows, drawn = len(y), model.estimators_samples_
        of_draw = np.ones(n_rows) if DRAWS_BY_WEIGHT else weight
        draws = drawn_counts(drawn, n_rows, type(model).__name__)
        if not self.balances_each_tree(model):
            return TreeWeights(of_draw, draws)
        columns = y.reshape(n_rows, -1)
        _, firsts, classes = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        balanced = [compute_sample_weight("balanced", y, indices=rows)[firsts] for rows in drawn]
        return TreeWeights(of_draw, draws, np.stack(balanced), classes.ravel())


def cause_of_missing(X: Any) -> str:
    """What scikit-learn itself may have done to rows with missing values."""
    if not MISPLACES_MISSING or not isinstance(X, np.ndarray) or not np.isnan(X).any():
        return ""
    return (
        " Before release 1.8, trees of scikit-learn may put rows with missing values into other "
        "leaves when they are fitted than when they predict: use a later one, or fill the values."
    )


def drawn_counts(drawn: list[np.ndarray], n_rows: int, name: str) -> np.ndarray:
    """How often each tree drew each row, in the smallest integers, shape (n_trees, n_rows).

    Raises
    ------
    ValueError
        If there are no such rows.
    """
    largest = max(rows.max() for rows in drawn)
    if largest >= n_rows:
        raise ValueError(
            f"X has {n_rows} rows, and this {name} drew others, up to the {largest + 1}th. Pass "
            "the rows that it was fitted on."
        )
    # More than 255 of one row are none of a bootstrap, but weights may make them.
    counts = np.empty((len(drawn), n_rows), np.uint8)
    for tree, rows in enumerate(drawn):
        own = np.bincount(rows, minlength=n_rows)
        counts = counts.astype(np.result_type(counts, np.min_scalar_type(own.max())), copy=False)
        counts[tree] = own
    return counts


def warn_if_pure(forest: Forest, name: str) -> None:
    """Say so where most leaves leave nothing for influence to go by."""
    share = forest.share_in_pure_leaves()
    if share >= MOSTLY_PURE:
        warnings.warn(
            f"{share:.1%} of the training rows in the trees of this {name} are in pure leaves, "
            "whose rows have one and the same target: no row moves the value of such a leaf, and "
            "influence there is exactly zero. What explain and pairwise_influence give rests on "
            "the other leaves; where a query has none of these, no row is found (index -1). "
            "What tells more of such trees: target_weights(X), their predictions as weighted sums "
            "of training targets; removal_effect with order='structure' or 'retrain'; "
            "NearestNeighborsExplainer(metric='leaves'). Or grow them with a larger "
            "min_samples_leaf.",
            UserWarning,
            stacklevel=2,
        )


for _name in ("RandomForest", "ExtraTrees"):
    for _kind in ("Classifier", "Regressor"):
        register(f"sklearn.ensemble.{_name}{_kind}", ForestAdapter())
for _name in ("DecisionTree", "ExtraTree"):
    for _kind in ("Classifier", "Regressor"):
        register(f"sklearn.tree.{_name}{_kind}", SingleTreeAdapter())
