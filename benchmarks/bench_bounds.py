"""Bounds on the errors of removal effects: do they hold, how tight are they, what do they cost?

Run ``python -m benchmarks.bench_bounds [--adult PATH] [--removals N]``, where PATH is a table with
the columns of the Adult data; without it, only the data that scikit-learn ships are used. The
README of this folder says what is measured.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
)
from sklearn.linear_model import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC

from benchmarks.bench_groups import adult, preprocessing
from sklearn_relatif import RelatIFExplainer
from tests import optima

PENALTIES = (1e-3, 1e-1, 1.0, 1e2, 1e4, np.inf)
SIZES, N_QUERIES = (1, 5, 25), 10
#: Share of the largest effect of a query, on Adult.
TOL = 0.01


def standardised(X):
    return (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)


def log_loss(C):
    return LogisticRegression(C=C, tol=1e-8, max_iter=10_000), lambda s: 1 / C, 0.0


def deviance(model, **options):
    """With alpha such that it is as strong as 1/C of a sum of a few hundred rows."""

    def make(C):
        return (
            model(alpha=1 / C / 400, tol=1e-8, max_iter=10_000, **options),
            (lambda s: s / C / 400),
            0.0,
        )

    return make


def ridge(C):
    return Ridge(alpha=1 / C), lambda s: 1 / C, 0.0


def squared_hinge(C):
    model = LinearSVC(C=C, tol=1e-8, max_iter=10**6, dual=False)
    return model, lambda s: 1 / C, 1 / C


def data_sets():
    """Name, features, targets, the model by its C, and its loss."""
    binary = optima.Binary()
    cancer, diabetes = load_breast_cancer(return_X_y=True), load_diabetes(return_X_y=True)
    yield "breast cancer", *cancer, log_loss, binary
    yield "wine, softmax", *load_wine(return_X_y=True), log_loss, optima.Softmax(3)
    yield "iris, softmax", *load_iris(return_X_y=True), log_loss, optima.Softmax(3)
    X, y = load_digits(return_X_y=True)
    chosen = (y == 3) | (y == 8)
    yield "digits 3 or 8", X[chosen], (y[chosen] == 8).astype(int), log_loss, binary
    X, y = diabetes
    yield "diabetes, above the median", X, (y > np.median(y)).astype(int), log_loss, binary
    yield "diabetes, least squares", X, y / 100, ridge, optima.Squares()
    yield "diabetes, counts", X, np.round(y / 20), deviance(PoissonRegressor), optima.Deviance(1)
    yield "diabetes, gamma", X, y, deviance(GammaRegressor), optima.Deviance(2)
    X, y = make_friedman1(300, random_state=0)
    y = np.maximum(y - 10, 0)
    tweedie = deviance(TweedieRegressor, power=1.5, link="log")
    yield "Friedman's, Tweedie", X, y, tweedie, optima.Deviance(1.5)
    X, y = make_classification(400, 12, flip_y=0.1, random_state=0)
    yield "flipped labels", X, y, log_loss, binary
    yield "breast cancer, squared hinge", *cancer, squared_hinge, optima.SquaredHinge()


def removals(n_rows, y, n_removals, rng):
    """Positions of rows that are removed together, of several sizes."""
    sizes = rng.choice(SIZES, n_removals, p=[0.7, 0.2, 0.1])
    return [rng.choice(n_rows, size, replace=False) for size in sizes]


class Truth:
    """Effects by optima in extended precision, and what they may be off by."""

    def __init__(self, loss, X, y, penalty, of_intercept, queries):
        self.loss, self.X, self.y, self.queries = loss, X, y, queries
        self.penalty, self.of_intercept = penalty, of_intercept
        self.whole = self.optimum(np.ones(len(y), bool))
        self.before = self.whole.losses(X[queries], y[queries])

    def optimum(self, keep, start=None):
        l2 = self.penalty(float(keep.sum()))
        rows = self.X[keep], self.y[keep], np.ones(keep.sum())
        return optima.Optimum(self.loss, *rows, l2, self.of_intercept, start)

    def __call__(self, rows):
        keep = np.ones(len(self.y), bool)
        keep[rows] = False
        without = self.optimum(keep, self.whole)
        X, y = self.X[self.queries], self.y[self.queries]
        own = self.whole.reach(X) + without.reach(X)
        effect = without.losses(X, y) - self.before
        return effect.astype(float), 10 * own, max(without.decrement, self.whole.decrement)


def hold(name, X, y, make, loss, n_removals, rng):
    """Count removals, violations and bounds that are infinite, for each of the penalties."""
    X = standardised(X)
    n_checked = n_violated = n_unknown = n_unsolved = 0
    ratios, wide = [], []
    for C in PENALTIES:
        if np.isinf(C) and make is squared_hinge:
            continue
        model, penalty, of_intercept = make(C)
        queries = rng.choice(len(y), N_QUERIES, replace=False)
        try:
            explainer = RelatIFExplainer(model).fit(X, y)
            explainer.removal_effect(X[:1], y[:1])
        except ValueError:  # Classes are told apart, without any penalty: there is no model.
            continue
        truth = Truth(loss, X, y, penalty, of_intercept, queries)
        for rows in removals(len(y), y, n_removals, rng):
            groups = np.full(len(y), np.nan)
            groups[rows] = 0
            told = {
                order: explainer.removal_effect(
                    X[queries], y[queries], groups, order=order, tol=TOL, return_bounds=True
                )
                for order in ("newton", "auto")
            }
            expected, off, decrement = truth(rows)
            if not decrement < 1e-10:  # There is no optimum, or it was not found.
                n_unsolved += 1
                continue
            n_checked += 1
            for order, (effect, bound) in told.items():
                error, bound = np.abs(effect[:, 0] - expected), bound[:, 0]
                n_violated += bool((error > bound + off).any())
                if order == "newton":
                    n_unknown += bool(np.isinf(bound).any())
                    sure = (error > 10 * off) & np.isfinite(bound)
                    ratios.extend(bound[sure] / error[sure])
                    wide.append(bool((bound > TOL * np.abs(expected)).any()))
    print(
        f"| {name} | {n_checked} | {n_violated} | {n_unknown} | {np.median(ratios):.2f} "
        f"| {np.quantile(ratios, 0.9):.2f} | {n_unsolved} |",
        flush=True,
    )
    return n_checked, n_violated


def on_adult(path, n_timed, rng):
    """Shares of rows that need more than the Newton step, and times beside retraining."""
    X, y = adult(path)
    X, y = X[:32_561], y[:32_561]
    X = np.asarray(preprocessing().fit_transform(X), np.float64)
    explainer = RelatIFExplainer(LogisticRegression(tol=1e-6, max_iter=10_000)).fit(X, y)
    queries = rng.choice(len(y), 20, replace=False)
    asked = X[queries], y[queries]
    start = time.perf_counter()
    effect, bound = explainer.removal_effect(*asked, return_bounds=True)
    took = time.perf_counter() - start
    largest = np.abs(effect).max(axis=1, keepdims=True)
    share = (bound > TOL * largest).any(axis=0).mean()
    print(f"\n{X.shape[0]:,} x {X.shape[1]}, {len(queries)} queries, all rows, one at a time:")
    print(f"bounds of the Newton steps in {took:.1f} s; {share:.2%} of the rows exceed {TOL:.0%}")
    for order in ("newton", "auto"):
        start = time.perf_counter()
        explainer.removal_effect(*asked, order=order, tol=TOL)
        print(f"order={order!r}: {time.perf_counter() - start:.1f} s")
    some = np.full(len(y), np.nan)
    chosen = rng.choice(len(y), n_timed, replace=False)
    some[chosen] = chosen
    for order in ("newton", "auto", "retrain"):
        start = time.perf_counter()
        explainer.removal_effect(*asked, some, order=order, tol=TOL)
        print(f"{n_timed} of the rows, order={order!r}: {time.perf_counter() - start:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adult", metavar="PATH", help="csv file; default: left out")
    parser.add_argument("--removals", type=int, default=160, help="of each model")
    parser.add_argument("--timed", type=int, default=2000, help="rows to time retraining with")
    options, rng = parser.parse_args(), np.random.default_rng(0)
    warnings.simplefilter("ignore")
    if options.removals:
        print("| data | removals | violated | unknown | bound / error, median | 90 % | unsolved |")
        print("|---|--:|--:|--:|--:|--:|--:|")
        counts = [hold(*data, options.removals, rng) for data in data_sets()]
        print(f"\n{sum(n for n, _ in counts):,} removals, {sum(v for _, v in counts)} violated")
    if options.adult:
        on_adult(options.adult, options.timed, rng)


if __name__ == "__main__":
    main()
