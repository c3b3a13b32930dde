"""The package ``tree-influence``, in its own environment; see ``rivals.of_package``.

Run as ``python -m benchmarks.trees.with_tree_influence GIVEN RESULT``. The package needs Python 3.9
or 3.10, scikit-learn below 1.2 and NumPy below 1.24.
"""

import sys
import warnings

import lightgbm
import numpy as np
from tree_influence import explainers

AT_A_TIME = 100


def parameters(given):
    kept = ("X", "y", "X_query", "y_query", "kind", "methods", "themselves")
    return {name: given[name].item() for name in given.files if name not in kept}


def themselves(explainer, X, y):
    """What rows do for themselves: ``get_self_influence`` fails for some methods."""
    found = []
    for first in range(0, len(y), AT_A_TIME):
        rows = np.arange(first, min(first + AT_A_TIME, len(y)))
        effects = explainer.get_local_influence(X[rows], y[rows])
        found.append(effects[rows, np.arange(len(rows))])
    return np.concatenate(found)


def main(path, result):
    warnings.simplefilter("ignore")
    given = np.load(path)
    X, y, X_query, y_query = (given[name] for name in ("X", "y", "X_query", "y_query"))
    name = "LGBMRegressor" if given["kind"] == "regression" else "LGBMClassifier"
    model = getattr(lightgbm, name)(**parameters(given)).fit(X, y)
    found = {"predicted": model.booster_.predict(X_query, raw_score=True)}
    for method in given["methods"]:
        explainer = getattr(explainers, method)().fit(model, X, y)
        found[method] = explainer.get_local_influence(X_query, y_query).T
        if given["themselves"]:
            found[f"{method} themselves"] = themselves(explainer, X, y)
    np.savez(result, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
