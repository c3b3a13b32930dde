"""Fidelity and time of the approximate solvers against the exact one, as a Markdown table.

Run ``python -m benchmarks.bench_solvers`` for scikit-learn's digits, and with ``--mnist PATH`` for
MNIST from an npz file with x_train, y_train, x_test and y_test.
"""

import argparse
import time
import warnings
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import RelatIFExplainer

CRITERIA = ("influence", "theta_relative", "loss_relative")
APPROXIMATE = ("cg", "lissa", "block_diagonal", "ekfac", "kfac")
N_EXAMPLES = 5


class Fidelity(NamedTuple):
    """How well scores of training rows, one row a query, stand for exact ones.

    Attributes
    ----------
    correlation : float
        Pearson correlation over the training rows, on the mean of the queries.
    overlap : float
        Share of the highest exact scores of a query that are among its highest.
    cardinality : int
        Number of different training rows among the highest scores of all queries.
    """

    correlation: float
    overlap: float
    cardinality: int


def fidelity(exact, scores, n_examples=N_EXAMPLES):
    """Compare scores with exact ones, both of shape (n_queries, n_rows)."""
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(exact, scores, strict=True)]
    best_exact, best = highest(exact, n_examples), highest(scores, n_examples)
    shared = [np.isin(a, b).mean() for a, b in zip(best, best_exact, strict=True)]
    return Fidelity(float(np.mean(correlations)), float(np.mean(shared)), np.unique(best).size)


def highest(scores, n_examples):
    """Columns of the highest entries of each row, in no order."""
    return np.argpartition(scores, -n_examples, axis=1)[:, -n_examples:]


def digits():
    """Return the standardised digits, 300 of them as queries."""
    X, y = load_digits(return_X_y=True)
    X_train, X_query, y_train, _ = train_test_split(X, y, test_size=300, random_state=0)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), y_train, scaler.transform(X_query)


def mnist(path, n_rows, n_queries):
    """Return the first rows of MNIST, pixels between 0 and 1."""
    with np.load(path) as data:
        X_train, X_query = (data[name].reshape(-1, 784) / 255 for name in ("x_train", "x_test"))
        return X_train[:n_rows], data["y_train"][:n_rows], X_query[:n_queries]


def run(solver, model, X, y, X_query):
    """Return {criterion: scores}, the seconds they took, and the warnings of the solver."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        explainer = RelatIFExplainer.from_fitted(model, X, y, solver=solver, random_state=0)
        influence = explainer.pairwise_influence(X_query, criterion="influence")
        scores = {"influence": influence}
        for name in ("theta_relative", "loss_relative"):
            scale = explainer.set_params(criterion=name).scale_
            scores[name] = influence / np.where(scale > 0, scale, np.inf)
    seconds = time.perf_counter() - start
    return scores, seconds, {str(warning.message) for warning in caught}


def report(title, model, X, y, X_query, solvers):
    """Print the table of a data set."""
    n_classes = len(model.classes_)
    print(f"{title}: {len(X):,} rows, {X.shape[1]} features, {n_classes} classes,", end=" ")
    print(f"{len(X_query):,} queries. In each criterion: correlation of the scores,", end=" ")
    print(f"overlap of the top {N_EXAMPLES}, and how many different rows are in them.\n")
    print("| solver |", " | ".join(CRITERIA), "| seconds |")
    print("|---|" + "---|" * len(CRITERIA) + "---:|")
    exact, seconds, _ = run("cholesky", model, X, y, X_query)
    notes = []
    for solver in ("cholesky", *solvers):
        scores = exact
        if solver != "cholesky":
            scores, seconds, messages = run(solver, model, X, y, X_query)
            notes += [f"{solver}: {message}" for message in messages]
        measured = [fidelity(exact[name], scores[name]) for name in CRITERIA]
        cells = [f"{m.correlation:.3f}, {m.overlap:.3f}, {m.cardinality}" for m in measured]
        print(f"| {solver} |", " | ".join(cells), f"| {seconds:.1f} |", flush=True)
    print("", *notes, "", sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--mnist", metavar="PATH", help="npz file with the MNIST images")
    parser.add_argument("--rows", type=int, default=60_000, help="rows of MNIST to train on")
    parser.add_argument("--queries", type=int, default=500, help="rows of MNIST to explain")
    parser.add_argument("--solvers", nargs="+", default=APPROXIMATE, choices=APPROXIMATE)
    arguments = parser.parse_args()
    if arguments.mnist is None:
        X, y, X_query = digits()
        model = LogisticRegression(max_iter=10_000, tol=1e-6).fit(X, y)
        report("Digits", model, X, y, X_query, arguments.solvers)
    else:
        X, y, X_query = mnist(arguments.mnist, arguments.rows, arguments.queries)
        model = LogisticRegression(C=0.01, max_iter=10_000, tol=1e-4).fit(X, y)
        report("MNIST", model, X, y, X_query, arguments.solvers)


if __name__ == "__main__":
    main()
