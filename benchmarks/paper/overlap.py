"""Section 4.3: how much of what influence finds are the nearest neighbours of the query."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklearn_relatif import NearestNeighborsExplainer

from . import influence_sets, report
from .study import CRITERIA, NAMES

SIZES = (1, 5, 10, 20)
#: Queries of the variants that need further neighbours or explanations.
N_SAMPLE = 1000
SEED = 0


def overlap(indices, neighbors):
    """Mean share of each query's rows that are among its nearest neighbours.

    Parameters
    ----------
    indices, neighbors : ndarrays of int, shape (n_queries, k)
    """
    shared = (indices[:, :, None] == neighbors[:, None, :]) & (indices[:, :, None] >= 0)
    return float(shared.any(axis=2).mean())


def overlaps(explanations, neighbors):
    """{criterion: {k: overlap of its top k with the k nearest neighbours}}.

    Parameters
    ----------
    explanations : dict of str to Explanation
    neighbors : Explanation
        By nearest neighbours.
    """
    return {
        criterion: {
            k: overlap(explanations[criterion].indices[:, :k], neighbors.indices[:, :k])
            for k in SIZES
        }
        for criterion in CRITERIA
    }


def variants(images, models, explanations):
    """Overlaps of other queries, other distances and another model.

    Parameters
    ----------
    images : Images
    models : dict of {"weak", "strong"} to dict with "model"
    explanations : dict of str to Explanation
        Of all test images by the weak model, with "nearest_neighbors" among the methods.

    Returns
    -------
    dict of str to dict
        As :func:`overlaps` has them.
    """
    wrong = models["weak"]["model"].predict(images.X_test) != images.y_test
    n_sample = min(N_SAMPLE, len(images.X_test))
    sample = np.random.default_rng(SEED).choice(len(images.X_test), n_sample, replace=False)
    X_train, X = images.X_train, images.X_test[sample]
    scaler = StandardScaler().fit(X_train)
    standard = _neighbors(scaler.transform(X_train), scaler.transform(X))
    strong = influence_sets.explain(images._replace(X_test=X), models["strong"]["model"])
    return {
        "classified as labelled": _of_queries(explanations, ~wrong),
        "misclassified": _of_queries(explanations, wrong),
        "cosine distance": _of_queries(explanations, sample, _neighbors(X_train, X, "cosine")),
        "standardised pixels": _of_queries(explanations, sample, standard),
        "more regularised": overlaps(strong, explanations["nearest_neighbors"][sample]),
    }


def _neighbors(X_train, X, metric="euclidean"):
    explainer = NearestNeighborsExplainer(metric=metric).fit(X_train)
    return explainer.explain(X, n_examples=max(SIZES))


def _of_queries(explanations, queries, neighbors=None):
    some = {method: one[queries] for method, one in explanations.items()}
    return overlaps(some, some["nearest_neighbors"] if neighbors is None else neighbors)


def run(study):
    explanations = study.load("table1")["explanations"]
    models = study.load("models")
    return {
        "overlaps": overlaps(explanations, explanations["nearest_neighbors"]),
        "variants": variants(study.images_as(np.float32), models, explanations),
    }


def write(results, folder):
    headings = ["method", *(f"k = {k}" for k in SIZES)]
    rows = [(NAMES[method], *_cells(shares)) for method, shares in results["overlaps"].items()]
    others = [
        (name, NAMES[method], *_cells(shares[method]))
        for name, shares in results["variants"].items()
        for method in ("influence", "loss_relative")
    ]
    return f"""## Section 4.3: overlap with the nearest neighbours

Share of the best k rows of a query that are among its k nearest training rows (Euclidean distance
of the pixels), on average over the 10,000 queries, with C = 1. The paper: RelatIF 26 to 35 %,
rising with k; IF 1.3 to 2.7 %.

{report.table(headings, rows)}

What moves it: which queries are explained, the distance, and how much the model is regularised
(λ = 0.001); the last three on {N_SAMPLE:,} random queries.

{report.table(["variant", *headings], others)}

{_verdict(results)}
"""


def _cells(shares):
    return [f"{share:.1%}" for share in shares.values()]


def _verdict(results):
    """Which variants are in the paper's range, as a sentence."""
    low, high = 0.26, 0.35
    inside = [
        name
        for name, shares in results["variants"].items()
        if all(low <= share <= high for share in shares["loss_relative"].values())
    ]
    found = f"{' and '.join(inside)}." if inside else "none."
    return report.paragraph(
        "Variants of which ℓ-RelatIF is within the paper's range for each k: "
        f"{found} The paper does not say enough of its queries, distance and model to tell which "
        "of them makes the difference."
    )
