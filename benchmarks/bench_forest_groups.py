"""What taking out the rows does that are named for a prediction: a forest is grown again without.

Run ``python -m benchmarks.bench_forest_groups`` from the top of a checkout. Of 40 queries of two
tables of scikit-learn, the 2 % of the training rows with the largest scores for the query's own
target are taken out, and the forest is fitted again. Printed is the mean rise of the loss of the
query (half the squared error, half the Brier score) as a share of the mean loss, with its standard
error.
"""

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from sklearn_relatif import RelatIFExplainer
from sklearn_relatif.criteria import CRITERIA

N_QUERIES, SHARE = 40, 0.02
OPTIONS = {"n_estimators": 50, "min_samples_leaf": 5, "random_state": 0}
TABLES = {
    "diabetes": (load_diabetes, RandomForestRegressor(**OPTIONS)),
    "breast cancer": (load_breast_cancer, RandomForestClassifier(**OPTIONS)),
}


def loss(model, x, y):
    """Of one query."""
    if not hasattr(model, "predict_proba"):
        return (model.predict(x[None])[0] - y) ** 2 / 2
    return ((model.predict_proba(x[None])[0] - (model.classes_ == y)) ** 2).sum() / 2


def rises(explainer, scores, X, y, asked):
    """Of the loss of each query, without the rows of its largest scores."""
    n_out = int(SHARE * len(y))
    for x, target, own in zip(*asked, scores, strict=True):
        left = np.sort(np.argsort(-own)[n_out:])
        refit = clone(explainer.estimator_).fit(X[left], y[left])
        yield loss(refit, x, target) - loss(explainer.estimator_, x, target)


def main():
    rng = np.random.default_rng(0)
    print("| table | rows by | rise of the loss | standard error |\n|---|---|--:|--:|")
    for name, (load, model) in TABLES.items():
        X, y = load(return_X_y=True)
        order = rng.permutation(len(y))
        n_rows = int(0.7 * len(y))
        rows, queries = order[:n_rows], order[n_rows : n_rows + N_QUERIES]
        explainer = RelatIFExplainer(model).fit(X[rows], y[rows])
        asked = X[queries], y[queries]
        scores = explainer.pairwise_influence(*asked, criterion=CRITERIA)
        scores["target weights"] = explainer.target_weights(asked[0])
        scores["chance"] = rng.normal(size=(N_QUERIES, n_rows))
        base = np.mean([loss(explainer.estimator_, *query) for query in zip(*asked, strict=True)])
        for by, own in scores.items():
            found = np.array(list(rises(explainer, own, X[rows], y[rows], asked))) / base
            error = found.std() / np.sqrt(N_QUERIES)
            print(f"| {name} | {by} | {found.mean():.0%} | {error:.0%} |", flush=True)


if __name__ == "__main__":
    main()
