"""Other methods for boosted models: those that are written out here, and those of a package.

Each gives what rows do for queries, (n_queries, n_rows), larger where a row helps more, and what
each row does for itself, (n_rows,).

``LeafInfluence`` and ``LeafRefit`` (Sharchilev et al. 2018, as adapted by Brophy, Hammoudeh & Lowd
2023) are written out in NumPy: the package loops over rows, trees and leaves in Python, for about
ten minutes a table of 2,000 rows. Both hold the structure and the starting predictors, and the
first holds what other classes' trees say. The package's own LeafRefit looks at the predictors after
a tree where those before it are meant; with these two lines exchanged, it agrees.
"""

import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.slow_boosting import Softmax, influences, replay

from .models import LIGHTGBM

CHECKOUT = Path(__file__).parents[2]
AT_A_TIME = 100
#: Methods of the package that finish on tables of thousands of rows.
PACKAGE = ("BoostIn", "Trex", "LeafSim")


class Scores(NamedTuple):
    """What rows do for queries, (n_queries, n_rows), and for themselves, (n_rows,), if known."""

    queries: np.ndarray
    themselves: np.ndarray | None = None


class OwnClassOnly(Softmax):
    """The package takes what it divides by for the derivative of the gradient."""

    def slopes(self, y, eta):
        slope, second = super().slopes(y, eta)
        return self.factor * slope, second


def leaf_influence(boosted, query_leaves, y_query, eta_query, eta):
    """The derivative of leaf values, as LeafInfluence has it: nothing crosses between classes."""
    K = boosted.loss.n_outputs
    if K > 1:
        boosted = boosted._replace(loss=OwnClassOnly(K, boosted.loss.factor))
    leaves = np.hstack([query_leaves, boosted.leaves])
    y, predictors = np.concatenate([y_query, boosted.y]), np.vstack([eta_query, eta])
    held = {"crossed": False, "moved_start": False}
    found = influences(boosted, np.ones(len(boosted.y)), leaves, y, predictors, **held)["influence"]
    return Scores(found[: len(y_query)], np.diag(found[len(y_query) :]))


def leaf_refit(boosted, query_leaves, y_query):
    """The rise of a loss when leaf values are fitted without a row."""
    n, m, loss = len(boosted.y), len(y_query), boosted.loss
    everyone = np.ones((1, n))
    start = loss.start(boosted.y, everyone)[0]
    queries, themselves = np.empty((m, n)), np.empty(n)
    leaves = np.hstack([query_leaves, boosted.leaves])
    y = np.concatenate([y_query, boosted.y])
    before = loss.loss(y, replay(boosted, everyone, leaves, start))[0]
    for first in range(0, n, AT_A_TIME):
        rows = np.arange(first, min(first + AT_A_TIME, n))
        weights = np.ones((len(rows), n))
        weights[np.arange(len(rows)), rows] = 0
        rise = loss.loss(y, replay(boosted, weights, leaves, start)) - before
        queries[:, rows] = rise[:, :m].T
        themselves[rows] = rise[np.arange(len(rows)), m + rows]
    return Scores(queries, themselves)


def leaf_proximity(boosted, query_leaves, y_query, eta_query):
    """The share of trees in whose leaf both are; negative where the labels pull apart.

    Those of a regression do where they are on different sides of the query's prediction.
    """
    shares = (boosted.leaves[:, None, :] == query_leaves[:, :, None]).mean(axis=0)
    if np.issubdtype(boosted.y.dtype, np.floating):
        agrees = (boosted.y >= eta_query) == (y_query[:, None] >= eta_query)
    else:
        agrees = boosted.y == y_query[:, None]
    return Scores(np.where(agrees, shares, -shares))


def object_importances(model, split):
    """{method: Scores} of CatBoost's own, whose values fall where a row helps."""
    from catboost import Pool

    train, queries = Pool(split.X, split.y), Pool(split.X_query, split.y_query)
    found = {}
    for method in ("SinglePoint", "AllPoints"):
        rows, values = model.get_object_importance(
            queries, train, type="PerObject", update_method=method, thread_count=1
        )
        scores = np.empty((len(split.y_query), len(split.y)))
        np.put_along_axis(scores, np.asarray(rows), np.asarray(values), axis=1)
        found[f"get_object_importance, {method}"] = Scores(-scores)
    return found


def of_package(python, split, expected, themselves, methods=PACKAGE):
    """{method: Scores} of ``tree-influence``, run by the interpreter of its own environment.

    It fits the model again, by the same version of LightGBM; ``expected`` are the predictions for
    the queries that it must have.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "given.npz"), Path(folder, "result.npz")
        asked = {"methods": methods, "themselves": themselves}
        np.savez(given, **split._asdict(), **asked, **LIGHTGBM)
        command = [python, "-m", "benchmarks.trees.with_tree_influence", given, result]
        subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
        found = np.load(result)
    if not np.allclose(found["predicted"], expected, atol=1e-9):
        raise RuntimeError(
            f"the model of {python} is another one: is its LightGBM another version?"
        )
    return {name: Scores(found[name], found.get(f"{name} themselves")) for name in methods}
