"""What models of trees do without rows: how far is the structure held from growing them again?

Run ``python -m benchmarks.bench_tree_removal`` from the top of a checkout: boosted models and
forests of scikit-learn on its breast cancer and diabetes tables, a quarter of the rows for queries.
For single rows, groups of 10 rows and groups of a tenth of the rows, all drawn at random, it
correlates the effects on the losses of 50 queries with those of growing the trees again
(``order="retrain"``): by influence ("first") and with the structure held ("structure"), and says
how large both are. "Top" and "random" are what losses rise by on average when the 1 % of the rows
that explain a query best by influence, or as many random ones, are taken away from each of 20
queries, first with the structure held and then grown again.

``--time`` measures removals by the recursion of several models side by side, and one after the
other, on synthetic rows.
"""

import argparse
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import train_test_split

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.adapters import reduce_estimator
from sklearn_relatif.trees import boosted_without

from ._measure import seconds

FOREST = {"n_estimators": 100, "min_samples_leaf": 5, "random_state": 0}
TABLES = {
    "breast cancer": (
        load_breast_cancer,
        [
            GradientBoostingClassifier(n_estimators=50, random_state=0),
            HistGradientBoostingClassifier(max_iter=50),
            RandomForestClassifier(**FOREST),
        ],
    ),
    "diabetes": (
        load_diabetes,
        [
            GradientBoostingRegressor(n_estimators=50, random_state=0),
            HistGradientBoostingRegressor(max_iter=50),
            RandomForestRegressor(**FOREST),
        ],
    ),
}
#: How many removals of each size; None is a tenth of the rows.
SIZES = {1: 40, 10: 20, None: 10}
N_QUERIES, N_TARGETED, SHARE = 50, 20, 0.01


def explained(table, model):
    """An explainer of a model, and queries with their labels."""
    X, y = TABLES[table][0](return_X_y=True)
    X, queries, y, labels = train_test_split(X, y, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* in pure leaves")
        explainer = RelatIFExplainer(model, criterion="influence").fit(X, y)
    return explainer, queries[:N_QUERIES], labels[:N_QUERIES]


def correlations(explainer, queries, labels):
    """For each size: correlations with growing again, and root mean square effects."""
    n_rows = len(explainer.training_rows_.index)
    rng = np.random.default_rng(0)
    for size, n_removals in SIZES.items():
        size = size or n_rows // 10
        groups = np.full(n_rows, None)
        groups[rng.permutation(n_rows)[: size * n_removals]] = np.repeat(range(n_removals), size)
        effects = {
            order: explainer.removal_effect(queries, labels, groups, order=order).ravel()
            for order in ("first", "structure", "retrain")
        }
        truth = effects["retrain"]
        told = [np.corrcoef(effects[order], truth)[0, 1] for order in ("first", "structure")]
        sizes = [np.sqrt(np.mean(effect**2)) for effect in effects.values()]
        print(
            f"  {size:3d} rows: correlation {told[0]:.2f} {told[1]:.2f}; "
            f"size {sizes[0]:.2g} {sizes[1]:.2g} {sizes[2]:.2g}",
            flush=True,
        )


def targeted(explainer, queries, labels):
    """What losses rise by without the rows that explain each query best, and without others."""
    scores = explainer.pairwise_influence(queries, labels)
    n_rows = scores.shape[1]
    n_removed = max(1, int(SHARE * n_rows))
    rng = np.random.default_rng(0)
    rises = {}
    for query in range(N_TARGETED):
        groups = np.full(n_rows, None)
        best = np.argsort(-scores[query], kind="stable")[:n_removed]
        groups[rng.choice(np.setdiff1d(np.arange(n_rows), best), n_removed, replace=False)] = "r"
        groups[best] = "best"
        own = queries[[query]], labels[[query]], groups
        for order in ("structure", "retrain"):
            rises.setdefault(order, []).append(explainer.removal_effect(*own, order=order)[0])
    for order, each in rises.items():
        best, random = np.mean(each, axis=0)
        print(
            f"  without {n_removed} rows, {order}: top {best:.3g}, random {random:.3g}", flush=True
        )


def times():
    """Seconds for a removal, side by side and one after the other."""
    rng = np.random.default_rng(0)
    for n_rows in (1_000, 10_000, 100_000):
        X = rng.normal(size=(n_rows, 10)).astype(np.float32)
        y = (X[:, 0] * X[:, 1] + rng.normal(size=n_rows) > 0).astype(int)
        model = HistGradientBoostingClassifier(early_stopping=False).fit(X, y)
        trees = reduce_estimator(model, X, y, np.ones(n_rows)).trees
        n_removals = max(4, 100_000 // n_rows)
        removals = list(np.arange(n_removals)[:, None])
        weight = np.tile(trees.weight, (4, 1))
        weight[range(4), range(4)] = 0
        together = seconds(list, boosted_without(trees, removals))[0] / n_removals
        apart = seconds(list, map(trees.resolved, weight))[0] / 4
        print(
            f"{n_rows:7,d} rows x 100 trees: {1e3 * together:.1f} ms a removal side by side, "
            f"{1e3 * apart:.1f} ms one after the other",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", action="store_true")
    if parser.parse_args().time:
        times()
        return
    for table, (_, models) in TABLES.items():
        for model in models:
            print(f"{table}, {type(model).__name__}", flush=True)
            own = explained(table, model)
            correlations(*own)
            targeted(*own)


if __name__ == "__main__":
    main()
