"""How time grows with the rows, the columns, the classes and the queries.

Run ``python -m benchmarks.bench_growth`` from the top of a checkout. From a base problem on, each
size is doubled four times, the others staying as they are. The exponents are slopes of the
logarithm of the time (the best of three) over that of the size, over all five sizes. The
theoretical ones are those of the terms that dominate in the end; overheads that do not grow pull
the measured ones down.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

from ._measure import N_EXAMPLES, seconds

BASE = {"rows": 4000, "columns": 40, "classes": 4, "queries": 500}
#: Exponents of from_fitted and explain; with P = (classes - 1)(columns + 1) parameters, the first
#: needs 3 rows P² operations and the other 2 queries P² + 2 queries rows P.
THEORY = {"rows": (1, 1), "columns": (2, 1), "classes": (2, 1), "queries": (0, 1)}
CRITERIA = ["influence", "theta_relative", "loss_relative"]
DOUBLINGS = 4
REPETITIONS = 3


def problem(rows, columns, classes, queries):
    """Return a fitted model, the rows it was fitted on, and queries."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, columns)) / np.sqrt(columns)
    y = rng.permutation(np.arange(rows + queries) % classes)
    X = centres[y] + rng.normal(size=(len(y), columns))
    model = LogisticRegression(max_iter=1000).fit(X[queries:], y[queries:])
    return model, X[queries:], y[queries:], X[:queries]


def times(**sizes):
    """Return the seconds of from_fitted and of explain, the best of some repetitions."""
    model, X, y, queries = problem(**sizes)
    runs = []
    for _ in range(REPETITIONS):
        fit, explainer = seconds(RelatIFExplainer.from_fitted, model, X, y)
        explain, _ = seconds(
            lambda explainer=explainer: explainer.explain(
                queries, n_examples=N_EXAMPLES, criterion=CRITERIA
            )
        )
        runs.append((fit, explain))
    return np.min(runs, axis=0)


def main():
    base = ", ".join(f"{size:,} {name}" for name, size in BASE.items())
    print(f"From {base}; seconds of from_fitted / explain\n")
    headings = " | ".join(f"x {2**k}" for k in range(DOUBLINGS + 1))
    print(f"| doubled | {headings} | from_fitted: measured (theory) | explain: measured (theory) |")
    print("|---|" + "--:|" * (DOUBLINGS + 3))
    times(**BASE)  # starts the threads
    factors = 2 ** np.arange(DOUBLINGS + 1)
    for name in BASE:
        found = np.array([times(**BASE | {name: BASE[name] * factor}) for factor in factors])
        slopes = np.polyfit(np.log(factors), np.log(found), 1)[0]
        cells = [f"{fit:.3f} / {explain:.3f}" for fit, explain in found]
        cells += [f"{s:.2f} ({t})" for s, t in zip(slopes, THEORY[name], strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
