"""Figures 1 and 2: what the criteria choose in the plane, and why."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from sklearn_relatif import RelatIFExplainer

from . import report
from .study import NAMES

CRITERIA = ("influence", "loss_relative")
N_GRID = 160
SEED = 0


def two_groups(seed=SEED):
    """Two groups of points in the plane, and an outlier of the first among the second."""
    rng = np.random.default_rng(seed)
    X = np.concatenate([rng.normal(center, 0.8, (12, 2)) for center in ((-1.5, 0), (1.5, 0))])
    return np.append(X, [[2.6, 1.6]], axis=0), np.append(np.repeat([0, 1], 12), 0)


def regions(X, y, n_grid=N_GRID):
    """The row that explains the prediction at each point of a grid, by each criterion.

    Returns
    -------
    dict with
        "axes" : two ndarrays of shape (n_grid,)
        "chosen" : dict of criterion to ndarray of int, shape (n_grid, n_grid)
        "decision" : ndarray of shape (n_grid, n_grid), of the model
    """
    explainer = RelatIFExplainer(LogisticRegression()).fit(X, y)
    low, high = X.min(axis=0) - 0.8, X.max(axis=0) + 0.8
    axes = [np.linspace(*ends, n_grid) for ends in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    explanations = explainer.explain(grid, n_examples=1, criterion=CRITERIA)
    chosen = {
        criterion: one.indices[:, 0].reshape(n_grid, n_grid)
        for criterion, one in explanations.items()
    }
    decision = explainer.decision_function(grid).reshape(n_grid, n_grid)
    return {"axes": axes, "chosen": chosen, "decision": decision}


def vectors(X, y, query):
    """Rows and a query as vectors whose inner products are influences.

    The model has no intercept, so that its two coefficients make vectors of the plane.

    Returns
    -------
    dict with
        "rows" : ndarray of shape (n_rows, 2)
        "query" : ndarray of shape (2,)
        "chosen" : dict of criterion to int
    """
    explainer = RelatIFExplainer(LogisticRegression(fit_intercept=False)).fit(X, y)
    explanations = explainer.explain(query[None], n_examples=1, criterion=CRITERIA)
    return {
        "rows": explainer.transform(X, y),
        "query": explainer.transform(query[None])[0],
        "chosen": {criterion: one.indices[0, 0] for criterion, one in explanations.items()},
    }


#: The query of the geometric figure, on the side of the second group.
QUERY = np.array([0.9, -0.8])


def run(study):
    X, y = two_groups()
    return {"X": X, "y": y, "regions": regions(X, y), "vectors": vectors(X, y, QUERY)}


def write(results, folder):
    counts = {
        criterion: len(np.unique(chosen))
        for criterion, chosen in results["regions"]["chosen"].items()
    }
    outlier = len(results["X"]) - 1
    shares = {
        criterion: np.mean(chosen == outlier)
        for criterion, chosen in results["regions"]["chosen"].items()
    }
    draw_regions(results, folder / "regions.png")
    draw_vectors(results, folder / "vectors.png")
    return f"""## Figures 1 and 2: an illustration in the plane

Two groups of 12 points, and an outlier of the first among the second (ringed). Each point of the
plane is coloured by the training row that supports its prediction most; the line is the model's
boundary. IF chooses {counts["influence"]} different rows, the outlier for
{shares["influence"]:.0%} of the plane; RelatIF {counts["loss_relative"]} rows, the outlier for
{shares["loss_relative"]:.0%}.

![Regions of the plane by the row chosen](regions.png)

Why: rows and the query as vectors whose inner products are influences. IF takes the row that
reaches farthest along the query, RelatIF the one at the smallest angle to it.

![Rows and a query as vectors](vectors.png)
"""


def draw_regions(results, path):
    """Figure 1: the plane, coloured by the row that each criterion chooses."""
    X, y, found = results["X"], results["y"], results["regions"]
    figure = report.new_figure(9, 4.3)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    for ax, (criterion, chosen) in zip(axes, found["chosen"].items(), strict=True):
        ax.pcolormesh(*found["axes"], chosen, cmap="tab20", vmin=0, vmax=len(X), alpha=0.55)
        ax.contour(*found["axes"], found["decision"], levels=[0], colors="black")
        for label, marker in ((0, "o"), (1, "^")):
            ax.scatter(*X[y == label].T, marker=marker, color="black", s=26)
        ax.scatter(*X[-1], s=160, facecolors="none", edgecolors="black")
        ax.set_title(f"{NAMES[criterion]}: {len(np.unique(chosen))} rows chosen")
        ax.set_xticks([])
        ax.set_yticks([])
    report.save(figure, path)


def draw_vectors(results, path):
    """Figure 2: the criteria as projection and as angle."""
    found = results["vectors"]
    query = found["query"] / np.linalg.norm(found["query"])
    reach = 1.3 * (found["rows"] @ query).max()
    figure = report.new_figure(6, 5)
    ax = figure.subplots()
    ax.scatter(*found["rows"].T, color="0.6", s=14, label="training rows")
    ax.plot(*zip((0, 0), reach * query, strict=True), color="black", label="query (direction)")
    for color, (criterion, row) in zip(
        ("#D55E00", "#0072B2"), found["chosen"].items(), strict=True
    ):
        vector = found["rows"][row]
        ax.plot([0, vector[0]], [0, vector[1]], color=color, lw=2)
        foot = vector @ query * query
        ax.plot([vector[0], foot[0]], [vector[1], foot[1]], color=color, ls=":")
        ax.scatter(*vector, color=color, zorder=3, label=f"choice of {NAMES[criterion]}")
    ax.set_aspect("equal")
    ax.margins(0.08)
    ax.legend()
    report.save(figure, path)
