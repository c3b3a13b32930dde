"""Removal of support vectors, by one step and by the path, against leave-one-out refits.

Run ``python -m benchmarks.bench_svm_removal``. On the breast cancer data (standardised, the first
450 rows for training, the others as queries), every support vector of four machines is removed.
Three tables compare `ActiveSetSVM` with leave-one-out refits by `SVC` at a tolerance of 1e-10:

- the change of the decision function at the queries, over all removed rows and queries;
- how far from optimal both solutions are, the worst over the removals: the duality gap, relative to
  the primal value, and the violation of the KKT conditions. (libsvm keeps the kernel in single
  precision; this is what limits its refits.)
- times, medians of 5 repetitions in turn. "Prepare" is the search for the exact solution from the
  fitted `SVC`; the speed-up is that of preparation and path together.
"""

import time
from statistics import median
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_relatif.removal.active_set import ActiveSetSVM

N_TRAIN = 450
REPETITIONS = 5
TOL = 1e-10


class Case(NamedTuple):
    """A support vector machine on the breast cancer data."""

    name: str
    C: float
    metric: str
    parameters: dict

    def svc(self, tol):
        return SVC(kernel=self.metric, C=self.C, tol=tol, **self.parameters)

    def kernel(self, A, B):
        return pairwise_kernels(A, B, metric=self.metric, **self.parameters)


def load():
    """Return training rows, their signs, and queries."""
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    return X[:N_TRAIN], 2.0 * y[:N_TRAIN] - 1, X[N_TRAIN:]


def cases(X):
    scale = 1 / (X.shape[1] * X.var())
    return [
        Case("linear, C=1", 1.0, "linear", {}),
        Case("linear, C=0.05", 0.05, "linear", {}),
        Case("rbf, C=1, gamma=scale", 1.0, "rbf", {"gamma": scale}),
        Case("rbf, C=10, gamma=0.01", 10.0, "rbf", {"gamma": 0.01}),
    ]


def dual_coefficients(model, n_rows):
    """Return the coefficients alpha of a binary SVC."""
    alpha = np.zeros(n_rows)
    alpha[model.support_] = np.abs(model.dual_coef_[0])
    return alpha


def optimality(K, y, C, beta, intercept):
    """Return the duality gap, relative to the primal value, and the largest KKT violation.

    Up to rounding, half the squared distance to the exact solution, in feature space, is at most
    the gap.
    """
    values = K @ beta
    alpha, hinge = y * beta, np.maximum(1 - y * (values + intercept), 0)
    norm = beta @ values
    primal = norm / 2 + C * hinge.sum()
    gap = norm + C * hinge.sum() - alpha.sum()
    excess = y * (values + intercept) - 1
    below = np.where(alpha < C * (1 - 1e-9), np.maximum(-excess, 0), 0)
    above = np.where(alpha > C * 1e-9, np.maximum(excess, 0), 0)
    return abs(gap) / primal, max(below.max(), above.max(), abs(beta.sum()))


class Removals:
    """What each method says about the removal of every support vector of one machine."""

    def __init__(self, case, X, y, queries):
        self.case, self.X, self.y, self.queries = case, X, y, queries
        self.model = case.svc(TOL).fit(X, y)
        self.rows = self.model.support_
        self.is_bounded = dual_coefficients(self.model, len(y))[self.rows] >= self.model.C

    def prepare(self):
        self.svm = ActiveSetSVM(
            lambda rows: self.case.kernel(self.X[rows], self.X),
            self.y,
            dual_coefficients(self.model, len(self.y)),
            np.full(len(self.y), self.case.C),
            fit_intercept=True,
        )
        return self.svm

    def refit(self):
        """Return a fitted machine for each support vector that is left out."""
        others = ~np.eye(len(self.y), dtype=bool)[self.rows]
        return [self.case.svc(TOL).fit(self.X[kept], self.y[kept]) for kept in others]

    def change_by_refits(self, refits):
        now = self.model.decision_function(self.queries)
        return np.array([other.decision_function(self.queries) for other in refits]) - now

    def change(self, removal):
        """Return the change of the decision function, (n_removed, n_queries)."""
        K = self.case.kernel(self.X, self.queries)
        return removal.coefficients @ K + removal.intercepts[:, None]

    def optimality_of_path(self, removal):
        beta = self.y * self.svm.alpha + removal.coefficients.toarray()
        return self._worst(beta, self.svm.intercept + removal.intercepts)

    def optimality_of_refits(self, refits):
        beta = np.zeros((len(refits), len(self.y)))
        for row, out, other in zip(beta, self.rows, refits, strict=True):
            kept = np.delete(np.arange(len(self.y)), out)
            row[kept[other.support_]] = other.dual_coef_[0]
        return self._worst(beta, [other.intercept_[0] for other in refits])

    def _worst(self, beta, intercepts):
        K = self.case.kernel(self.X, self.X)
        found = []
        for out, coefficients, intercept in zip(self.rows, beta, intercepts, strict=True):
            kept = np.arange(len(self.y)) != out
            assert coefficients[out] == 0
            block = K[np.ix_(kept, kept)]
            found.append(
                optimality(block, self.y[kept], self.case.C, coefficients[kept], intercept)
            )
        return np.max(found, axis=0)


def timed(function):
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def fit_quality(estimate, truth):
    """Return Pearson correlation and the slope of truth on the estimate."""
    estimate, truth = estimate.ravel(), truth.ravel()
    slope = np.cov(estimate, truth)[0, 1] / estimate.var(ddof=1)
    return np.corrcoef(estimate, truth)[0, 1], slope


def measure(removals):
    """Return {method: times} and what the methods found."""
    seconds = {"prepare": [], "step": [], "path": [], "refits": []}
    for _ in range(REPETITIONS):
        svm, elapsed = timed(removals.prepare)
        seconds["prepare"].append(elapsed)
        step, elapsed = timed(lambda svm=svm: svm.removal_step(removals.rows))
        seconds["step"].append(elapsed)
        svm = removals.prepare()  # The step has computed kernels that the path needs too.
        path, elapsed = timed(lambda svm=svm: svm.removal_path(removals.rows))
        seconds["path"].append(elapsed)
        refits, elapsed = timed(removals.refit)
        seconds["refits"].append(elapsed)
    return {name: median(values) for name, values in seconds.items()}, step, path, refits


def main():
    X, y, queries = load()
    accuracy, quality, times = [], [], []
    for case in cases(X):
        removals = Removals(case, X, y, queries)
        seconds, step, path, refits = measure(removals)
        truth = removals.change_by_refits(refits)
        by_step, by_path = removals.change(step), removals.change(path)
        bounded = removals.is_bounded
        r_bounded, slope_bounded = fit_quality(by_step[bounded], truth[bounded])
        r_free, slope_free = fit_quality(by_step[~bounded], truth[~bounded])
        r, slope = fit_quality(by_path, truth)
        accuracy.append(
            f"| {case.name} | {bounded.sum()} / {(~bounded).sum()} "
            f"| {r_bounded:.3f} / {r_free:.3f} | {slope_bounded:.2f} / {slope_free:.2f} "
            f"| {1 - r:.0e} | {abs(slope - 1):.0e} "
            f"| {np.abs(by_path - truth).max():.0e} of {np.abs(truth).max():.2f} |"
        )
        gap, violation = removals.optimality_of_path(path)
        gap_refit, violation_refit = removals.optimality_of_refits(refits)
        quality.append(
            f"| {case.name} | {gap:.0e} | {gap_refit:.0e} "
            f"| {violation:.0e} | {violation_refit:.0e} |"
        )
        times.append(
            f"| {case.name} | {1e3 * seconds['prepare']:.0f} | {1e3 * seconds['step']:.0f} "
            f"| {1e3 * seconds['path']:.0f} | {1e3 * seconds['refits']:.0f} "
            f"| {seconds['refits'] / (seconds['prepare'] + seconds['path']):.1f} |"
        )
    print("| SVC | bounded / free | one step: Pearson | slope | path: 1 - Pearson", end="")
    print(" | slope off 1 by | largest difference |\n|---|---|---|---|---|---|---|")
    print(*accuracy, sep="\n")
    print("\n| SVC | duality gap, path | refits | KKT violation, path | refits |", end="")
    print("\n|---|---|---|---|---|")
    print(*quality, sep="\n")
    print("\n| SVC | prepare (ms) | one step (ms) | path (ms) | refits (ms) | speed-up |", end="")
    print("\n|---|---|---|---|---|---|")
    print(*times, sep="\n")


if __name__ == "__main__":
    main()
