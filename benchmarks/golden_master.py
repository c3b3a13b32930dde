"""Hold what every public method answers, to see whether a rebuilt package answers the same.

``python -m benchmarks.golden_master save FILE`` asks every public method of explainers of some
forty models, weights and forms of features, and saves the answers. ``compare FILE`` asks again,
and prints the largest difference of each method, relative to the largest number that it gave.
"""

import argparse
import sys
import warnings
from collections import defaultdict

import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer
from sklearn_relatif.serving import ExplanationIndex

CRITERIA = ("influence", "theta_relative", "loss_relative")
N_ROWS, N_QUERIES = 120, 12
REFUSALS = (TypeError, ValueError, AttributeError)


def problems():
    """Yield name, model, features, targets, weights and parameters of each explainer."""
    two, three = load_breast_cancer(return_X_y=True), load_wine(return_X_y=True)
    data = {}
    for name, (X, y) in {"two": two, "three": three}.items():
        order = np.random.default_rng(0).permutation(len(y))[: N_ROWS + N_QUERIES]
        data[name] = StandardScaler().fit_transform(X[order])[:, :10], y[order]
    wide = np.random.default_rng(1).normal(size=(N_ROWS + N_QUERIES, 300))
    data["wide"] = wide * (np.abs(wide) > 1), data["three"][1]
    data["real"] = data["two"][0], data["two"][0][:, 0] + wide[:, 0]
    weight = np.random.default_rng(2).integers(0, 4, N_ROWS).astype(float)
    tight = {"tol": 1e-8, "max_iter": 5000}
    liblinear = {"solver": "liblinear", "tol": 1e-9, "max_iter": 5000, "random_state": 0}
    sgd = {"alpha": 0.1, "tol": None, "max_iter": 200, "average": True, "random_state": 0}
    models = {
        "logistic": ("two", LogisticRegression(**tight)),
        "balanced": ("two", LogisticRegression(class_weight="balanced", **tight)),
        "no intercept": ("two", LogisticRegression(fit_intercept=False, C=0.1, **tight)),
        "softmax": ("three", LogisticRegression(**tight)),
        "softmax, wide": ("wide", LogisticRegression(C=0.1, **tight)),
        "liblinear": ("two", LogisticRegression(**liblinear)),
        "one vs rest": ("three", OneVsRestClassifier(LogisticRegression(**tight))),
        "search": ("two", LogisticRegressionCV(Cs=[0.1, 1.0], **tight)),
        "squared hinge": ("three", LinearSVC(tol=1e-9, max_iter=50_000, random_state=0)),
        "hinge": (
            "two",
            LinearSVC(loss="hinge", C=0.1, tol=1e-9, max_iter=200_000, random_state=0),
        ),
        "machine": ("two", SVC(tol=1e-9)),
        "machine of three": ("three", SVC(kernel="linear", C=0.1, tol=1e-9)),
        "nu machine": ("two", NuSVC(nu=0.2, tol=1e-9)),
        "sgd": ("three", SGDClassifier(loss="modified_huber", **sgd)),
        "sgd of numbers": ("real", SGDRegressor(**sgd)),
    }
    for name, (key, model) in models.items():
        X, y = data[key]
        yield name, model, X, y, None, {}
        if not isinstance(model, OneVsRestClassifier):  # It takes weights by routing only.
            yield f"{name}, weights", model, X, y, weight, {"criterion": "influence"}
    X, y = data["three"]
    logistic = LogisticRegression(**tight)
    yield "sparse", logistic, sparse.csr_matrix(X * (X > 0)), y, weight, {}
    yield "sparse, wide", logistic, sparse.csr_matrix(data["wide"][0]), y, None, {}
    yield "float32", logistic, X.astype(np.float32), y, None, {}
    yield "pipeline", make_pipeline(SelectKBest(k=5), logistic), X, y, None, {}
    yield "grid", GridSearchCV(make_pipeline(logistic), {}, cv=2), X, y, None, {}
    for curvature in ("fisher", "empirical_fisher", "identity"):
        yield curvature, logistic, X, y, None, {"curvature": curvature, "damping": 0.01}
    for solver in ("woodbury", "cg", "lissa", "block_diagonal", "kfac", "ekfac"):
        options = {"solver": solver, "damping": 0.01, "random_state": 0}
        yield solver, logistic, X, y, None, options
    two = data["two"]
    yield "active set", SVC(tol=1e-9), *two, None, {"curvature": "active_set"}


def questions(explainer, X, y):
    """Yield the name of each question and a function that asks it, of the last rows of X."""
    train, query, truth = X[:N_ROWS], X[N_ROWS:], y[N_ROWS:]
    groups = np.where(np.arange(N_ROWS) % 7 < 3, np.arange(N_ROWS) % 7, None)
    removals = [[3], [5, 8, 40]]

    def of_explanations(**options):
        found = explainer.explain(query, n_examples=4, criterion=CRITERIA, **options)
        return [part for one in found.values() for part in (one.indices, one.scores)]

    for sign in ("positive", "negative", "absolute"):
        yield "explain", lambda sign=sign: of_explanations(sign=sign)
    yield "explain", lambda: of_explanations(y=truth)
    for labels in (None, truth):
        yield (
            "pairwise_influence",
            lambda labels=labels: list(
                explainer.pairwise_influence(query, labels, criterion=CRITERIA).values()
            ),
        )
    yield "transform", lambda: [_gram(explainer.transform(query))]
    yield "index", lambda: [ExplanationIndex(explainer).explain(query).scores]
    yield "compact", lambda: [explainer.compact().pairwise_influence(query)]
    for order in ("first", "newton", "retrain"):
        yield (
            f"removal_effect, {order}",
            lambda order=order: [
                explainer.removal_effect(query, truth, order=order),
                explainer.removal_effect(query, None, groups, order=order),
            ],
        )
        yield (
            f"removal_effect_on, {order}",
            lambda order=order: [explainer.removal_effect_on(_mean, query, groups, order=order)],
        )
    yield (
        "retrain_without",
        lambda: [_scores(model, query) for model in explainer.retrain_without(removals)],
    )
    yield "removal_statistics", lambda: list(explainer.removal_statistics(removals, query))
    yield "score", lambda: [explainer.set_params(random_state=0).score(query, truth)]
    yield "loo_proba", lambda: [explainer.loo_proba()]
    yield "flip_set", lambda: [explainer.flip_set(query[:1], max_size=12).size]
    for name in ("self_influence_", "scale_", "leverage_"):
        yield name, lambda name=name: [getattr(explainer, name)]
    yield "predict", lambda: [_scores(explainer, query)]
    yield "audit", lambda: _numbers(explainer.audit(query, truth).frame())
    yield "neighbors", lambda: [NearestNeighborsExplainer().fit(train).explain(query).scores]


def _gram(embedded):
    return embedded @ embedded.T


def _mean(scores):
    return scores.mean(), np.full_like(scores, 1 / scores.size)


def _scores(model, X):
    return getattr(model, "decision_function", model.predict)(X)


def _numbers(frame):
    return [frame[name].to_numpy() for name in frame if frame[name].dtype.kind in "fiu"]


def answers():
    """Return {problem / question / number: array}; what a model has no answer to says why."""
    found = {}
    for name, model, X, y, weight, parameters in problems():
        explainer = RelatIFExplainer(model, **parameters).fit(X[:N_ROWS], y[:N_ROWS], weight)
        for number, (question, ask) in enumerate(questions(explainer, X, y)):
            try:
                values = ask()
            except REFUSALS as error:
                kind = next(kind for kind in REFUSALS if isinstance(error, kind))
                values = [np.array(kind.__name__)]
            for part, value in enumerate(values):
                found[f"{name}/{question}/{number}.{part}"] = np.asarray(value)
    return found


def compare(before, now):
    """Print the largest relative difference by question, and return the names that differ."""
    largest, lost = defaultdict(float), sorted(set(before) ^ set(now))
    for name in sorted(set(before) & set(now)):
        question = name.split("/")[1]
        largest[question] = max(largest[question], _difference(before[name], now[name]))
    for question, difference in largest.items():
        print(f"{question:28}{difference:10.1e}")
    print(f"{len(now):,} answers, the largest difference {max(largest.values()):.1e}")
    for name in lost:
        print("asked in one of them only:", name)
    return lost


def _difference(a, b):
    if a.shape != b.shape or a.dtype.kind != b.dtype.kind:
        return np.inf
    if a.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(a, b) else np.inf
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return np.inf
    scale = np.nanmax(np.abs(a), initial=0)
    return float(np.nanmax(np.abs(a - b), initial=0) / scale) if scale > 0 else 0.0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("action", choices=["save", "compare"])
    parser.add_argument("file")
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        now = answers()
    if options.action == "save":
        np.savez_compressed(options.file, **{name.replace("/", "|"): v for name, v in now.items()})
        print(f"{len(now):,} answers")
        return
    with np.load(options.file) as saved:
        before = {name.replace("|", "/"): saved[name] for name in saved.files}
    sys.exit(bool(compare(before, now)))


if __name__ == "__main__":
    main()
