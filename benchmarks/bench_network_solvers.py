"""Fidelity of the approximate curvatures of a network beside its Gauss-Newton matrix.

Run ``python -m benchmarks.bench_network_solvers`` for a perceptron on scikit-learn's digits, as a
Markdown table.
"""

import argparse
import time
import warnings

import numpy as np
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.bench_solvers import CRITERIA, digits, highest
from sklearn_relatif import RelatIFExplainer

APPROXIMATE = ("cg", "block_diagonal", "ekfac", "kfac")
#: Of which the best scores are compared.
N_EXAMPLES = 5


def scores_by(solver, model, X, y, X_query, damping):
    """Return {criterion: scores}, one row a query, and the seconds they took."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        explainer = RelatIFExplainer.from_fitted(
            model, X, y, curvature="gauss_newton", damping=damping, solver=solver
        )
        scores = explainer.pairwise_influence(X_query, criterion=CRITERIA)
    return scores, time.perf_counter() - start


def agreement(exact, found):
    """Pearson and Spearman correlations over rows, on the mean of queries, and shared top rows."""
    both = list(zip(exact, found, strict=True))
    pearson = np.mean([np.corrcoef(a, b)[0, 1] for a, b in both])
    spearman = np.mean([spearmanr(a, b).statistic for a, b in both])
    best = [highest(scores, N_EXAMPLES) for scores in (exact, found)]
    shared = np.mean([np.isin(a, b).mean() for a, b in zip(*best, strict=True)])
    return f"{pearson:.3f}, {spearman:.3f}, {shared:.3f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--units", type=int, default=66, help="units of the hidden layer")
    parser.add_argument("--damping", type=float, nargs="+", default=[0.1, 0.001])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--solvers", nargs="+", default=APPROXIMATE, choices=APPROXIMATE)
    arguments = parser.parse_args()
    X, y, X_query = digits()
    X_query = X_query[: arguments.queries]
    model = MLPClassifier((arguments.units,), max_iter=500, random_state=0).fit(X, y)
    n_params = sum(part.size for part in (*model.coefs_, *model.intercepts_))
    print(f"Digits: {len(X):,} rows, {n_params:,} parameters, {len(X_query)} queries.", end=" ")
    print("In each criterion: Pearson and Spearman correlation with the exact scores,", end=" ")
    print(f"overlap of the top {N_EXAMPLES}.")
    for damping in arguments.damping:
        print(f"\nDamping {damping:g}:\n\n| solver |", " | ".join(CRITERIA), "| seconds |")
        print("|---|" + "---|" * len(CRITERIA) + "---:|")
        exact, seconds = scores_by("cholesky", model, X, y, X_query, damping)
        for solver in ("cholesky", *arguments.solvers):
            found = exact
            if solver != "cholesky":
                found, seconds = scores_by(solver, model, X, y, X_query, damping)
            cells = [agreement(exact[name], found[name]) for name in CRITERIA]
            print(f"| {solver} |", " | ".join(cells), f"| {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
