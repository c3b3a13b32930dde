"""Time and memory of explaining forests, and how they grow with rows, trees, leaves and queries.

Run ``python -m benchmarks.bench_forests`` from the top of a checkout. ``--rows``, ``--trees``,
``--leaf`` (``min_samples_leaf``) and ``--queries`` set one size, measured in a process of its own
together with its peak memory; without ``--rows`` each of four sizes is changed threefold. "Model"
is scikit-learn's own fit, in one process as all of it. "Fit" is ``from_fitted``: leaves of rows,
leaf values, their comparison with the model's own, and the lengths of rows for one relative
criterion. "Explain" and "weights" are ``explain`` and ``target_weights`` of all queries.
"""

import argparse
import resource
import sys

from sklearn.ensemble import RandomForestClassifier

from sklearn_relatif import RelatIFExplainer

from ._measure import in_child, seconds
from .bench_boosting import synthetic

BASE = {"rows": 20_000, "trees": 50, "leaf": 5, "queries": 100}
FACTORS = (1, 3, 9)


def measured(rows, trees, leaf, queries):
    """Seconds of model, fit, explain and weights, and the peak in MB."""
    X, y, asked = synthetic(rows, queries)
    forest = RandomForestClassifier(trees, min_samples_leaf=leaf, random_state=0)
    model, forest = seconds(lambda: forest.fit(X, y))
    fit, explainer = seconds(lambda: RelatIFExplainer.from_fitted(forest, X, y))
    explain, _ = seconds(explainer.explain, asked)
    weights, _ = seconds(explainer.target_weights, asked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return model, fit, explain, weights, peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def line(sizes):
    """One size of the table."""
    text = ", ".join(f"{size:,} {what}" for what, size in sizes.items())
    found = in_child(measured, *sizes.values())
    row = "| {} | {:.1f} s | {:.1f} s | {:.2f} s | {:.2f} s | {:,.0f} MB |"
    print(row.format(text, *found), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, size in BASE.items():
        parser.add_argument(f"--{name}", type=int, default=None if name == "rows" else size)
    asked = vars(parser.parse_args())
    print("| sizes | model | fit | explain | weights | peak memory |")
    print("|---|--:|--:|--:|--:|--:|")
    if asked["rows"]:
        line({name: asked[name] for name in BASE})
        return
    for name in BASE:
        for factor in FACTORS:
            line(BASE | {name: BASE[name] * factor})


if __name__ == "__main__":
    main()
