"""Time and memory of explaining boosted models, and how they grow with rows, trees and queries.

Run ``python -m benchmarks.bench_boosting`` from the top of a checkout: HistGradientBoosting on
synthetic rows; ``--library lightgbm`` takes that. ``--rows``, ``--trees`` and ``--queries`` set one
size, measured in a process of its own together with its peak memory; without them, each of three
sizes is doubled. "Fit" is ``from_fitted``: leaves of the rows, leaf values by the recursion, and
their comparison with the model's own. "Explain" is that of all queries by influence, the
derivative included. "Relative" is what the lengths of rows for both relative criteria take
once, beyond that. Fitting the model is not part of any.

``--adult PATH`` takes the Adult table of the UCI repository as one CSV file with a column
``income``, one-hot encoded, with the defaults of the library and 1,000 queries.
"""

import argparse
import resource
import sys

import numpy as np

from sklearn_relatif import RelatIFExplainer

from ._measure import in_child, seconds

BASE = {"rows": 20_000, "trees": 50, "queries": 100}
DOUBLINGS = 3
N_COLUMNS = 20


def classifier(library, trees):
    """A classifier with so many trees of up to 31 leaves; None: as many as it has by default."""
    if library == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(n_estimators=trees or 100, verbose=-1)
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=trees or 100, early_stopping=False)


def synthetic(rows, queries):
    """Rows with interactions and noise, and queries of the same kind."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows + queries, N_COLUMNS)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]) + X[:, 3] + rng.normal(size=len(X))
    return X[queries:], (score[queries:] > 0).astype(int), X[:queries]


def adult(path):
    """The first 32,561 rows of the table, and 1,000 of the others."""
    import pandas as pd

    table = pd.read_csv(path)
    y = table["income"].astype(str).str.contains(">50K").to_numpy().astype(int)
    X = pd.get_dummies(table.drop(columns=["income", "split"], errors="ignore")).to_numpy(float)
    return X[:32561], y[:32561], X[-1000:]


def measured(library, trees, rows=None, queries=None, path=None):
    """Seconds of fit, explain and relative lengths, the way that was taken, and the peak in MB."""
    X, y, asked = synthetic(rows, queries) if path is None else adult(path)
    model = classifier(library, trees).fit(X, y)
    fit, explainer = seconds(
        lambda: RelatIFExplainer.from_fitted(model, X, y, criterion="influence")
    )
    explain, _ = seconds(explainer.explain, asked)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    names = ["loss_relative", "theta_relative"]
    both, _ = seconds(lambda: explainer.explain(asked[:1], criterion=names))
    peak = after / (1e6 if sys.platform == "darwin" else 1e6 / 1024)
    return fit, explain, both, explainer.solver_.name, peak


def table_of_one(library, arguments):
    """Print one size."""
    found = in_child(measured, library, *arguments)
    print("| fit | explain | relative | way | peak memory, but for relative |")
    print("|--:|--:|--:|---|--:|")
    print("| {:.1f} s | {:.1f} s | {:.1f} s | {} | {:,.0f} MB |".format(*found))


def table_of_growth(library):
    """Print doublings of each size."""
    print("| sizes | fit | explain | relative | way |")
    print("|---|--:|--:|--:|---|")
    for name in BASE:
        for factor in 2 ** np.arange(DOUBLINGS + 1):
            sizes = BASE | {name: int(BASE[name] * factor)}
            found = in_child(measured, library, sizes["trees"], sizes["rows"], sizes["queries"])
            text = ", ".join(f"{size:,} {what}" for what, size in sizes.items())
            print("| {} | {:.2f} s | {:.2f} s | {:.2f} s | {} |".format(text, *found), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", choices=["sklearn", "lightgbm"], default="sklearn")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--trees", type=int)
    parser.add_argument("--queries", type=int, default=BASE["queries"])
    parser.add_argument("--adult", metavar="PATH")
    asked = parser.parse_args()
    if asked.adult:
        table_of_one(asked.library, (asked.trees, None, None, asked.adult))
    elif asked.rows:
        table_of_one(asked.library, (asked.trees, asked.rows, asked.queries))
    else:
        table_of_growth(asked.library)


if __name__ == "__main__":
    main()
