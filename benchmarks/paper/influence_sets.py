"""Table 1: how many different training rows explain the test set, and how typical they are."""

from typing import NamedTuple

import numpy as np

from sklearn_relatif import NearestNeighborsExplainer, RelatIFExplainer

from .._measure import seconds
from . import report
from .study import CRITERIA, DAMPING, NAMES, hessian_flops, peak_memory, work

#: Rows explained with: Table 1 needs 5 of them, the overlap with neighbours 20.
N_EXAMPLES = 20
SIZES = (1, 5)

#: (cardinality, probability) of the top 1 and the top 5.
PAPER = {
    "influence": ((2704, 0.168), (4984, 0.268)),
    "theta_relative": ((8582, 0.929), (29317, 0.922)),
    "loss_relative": ((8776, 0.938), (30431, 0.930)),
}
CHECK = {
    "influence": ((2680, 0.192), (5060, 0.295)),
    "theta_relative": ((8535, 0.930), (28975, 0.926)),
    "loss_relative": ((8717, 0.933), (30259, 0.927)),
}


class InfluenceSet(NamedTuple):
    """The union of the best rows of all queries.

    Attributes
    ----------
    cardinality : int
    mean, deviation : float
        Of the model's probability of the rows' own labels.
    """

    cardinality: int
    mean: float
    deviation: float


def influence_set(indices, probabilities):
    """Describe the rows that stand in ``indices``; -1 stands for no row."""
    rows = np.unique(indices)
    own = probabilities[rows[rows >= 0]]
    return InfluenceSet(len(own), float(own.mean()), float(own.std()))


def influence_sets(explanations, probabilities):
    """{method: {size: InfluenceSet}} of {method: Explanation}."""
    return {
        method: {
            size: influence_set(explanation.indices[:, :size], probabilities) for size in SIZES
        }
        for method, explanation in explanations.items()
    }


def explain(images, model, n_examples=N_EXAMPLES):
    """Explain the predicted labels of the test images in all criteria, from one pass."""
    explainer = RelatIFExplainer.from_fitted(
        model, images.X_train, images.y_train, criterion="theta_relative", damping=DAMPING
    )
    return explainer.explain(images.X_test, n_examples=n_examples, criterion=CRITERIA)


def needed_flops(images, n_classes):
    """Flops of the exact method, whatever the code does.

    With n rows, m queries, d columns (the intercept is one of them), k = K - 1 contrasts of K
    classes and P = k d parameters: n d^2 k (k + 1) / 2 for the symmetric blocks of the Hessian,
    P^3 / 3 for its factor, 2 n P^2 for the two triangular products with every training gradient
    (both kinds of norms), 2 m P^2 for those with the queries, and 2 n m P for all influences.
    """
    n, m, d = len(images.X_train), len(images.X_test), images.X_train.shape[1] + 1
    k = n_classes - 1
    P = k * d
    return hessian_flops(n, d, k) + P**3 / 3 + 2 * n * P**2 + 2 * m * P**2 + 2 * n * m * P


def run(study):
    """Explain MNIST in single precision, with time and memory, and by nearest neighbours."""
    results = measure(study, np.float32)
    images = study.images_as(np.float32)
    neighbors = NearestNeighborsExplainer().fit(images.X_train, images.y_train)
    elapsed, nearest = seconds(lambda: neighbors.explain(images.X_test, n_examples=N_EXAMPLES))
    results["explanations"]["nearest_neighbors"] = nearest
    return results | {"neighbors_seconds": elapsed}


def run_double(study):
    """Explain MNIST in double precision; the sets suffice."""
    results = measure(study, np.float64)
    explanations = results.pop("explanations")
    probabilities = explanations["influence"].training_rows.probabilities
    single = study.load("table1")["explanations"]
    del single["nearest_neighbors"]
    return results | {
        "sets": influence_sets(explanations, probabilities),
        "single": influence_sets(single, probabilities),
    }


def measure(study, dtype):
    """Explanations, and the seconds and the memory above the data that they took."""
    model, images = study.load("models")["weak"]["model"], study.images_as(dtype)
    before = peak_memory()
    elapsed, explanations = seconds(explain, images, model)
    return {
        "explanations": explanations,
        "memory": peak_memory() - before,
        "work": work(elapsed, needed_flops(images, len(model.classes_))),
    }


def write(results, folder):
    explanations = results["explanations"]
    probabilities = explanations["influence"].training_rows.probabilities
    table = sets_table(influence_sets(explanations, probabilities), PAPER, CHECK)
    return f"""## Table 1: sets of explaining rows

The predicted labels of the 10,000 test images are explained, with damping {DAMPING}, by the model
with C = 1. Cardinality is the number of different training rows among the best of all queries;
probability is that which the model gives to their own labels. "Check" is an independent
computation with the same model.

{table}

{_cost(results)}
"""


def sets_table(sets, paper, check):
    """A table of {method: {size: InfluenceSet}} beside the numbers of the paper and of a check."""
    rows = [
        (NAMES[method], f"top {size}", *_cells(sets[method][size], place, paper, check, method))
        for place, size in enumerate(SIZES)
        for method in sets
    ]
    headings = ["cardinality", "paper", "check", "off the check"]
    headings += ["mean probability", *headings[1:], "standard deviation"]
    return report.table(["method", "rows", *headings], rows)


def _cells(found, place, paper, check, method):
    cells = []
    for value, style in ((found.cardinality, "{:,}"), (found.mean, "{:.3f}")):
        position = len(cells) // 4
        cells.append(style.format(value))
        if method not in paper:
            cells += ["", "", ""]
            continue
        expected = check[method][place][position]
        off = f"{value / expected - 1:+.1%}" if position == 0 else f"{value - expected:+.3f}"
        cells += [style.format(paper[method][place][position]), style.format(expected), off]
    return *cells, f"{found.deviation:.3f}"


def _cost(results):
    done = results["work"]
    return f"""All three criteria come from one preparation and one pass over the queries, in single
precision: {done.seconds:.1f} s, the fit of the model excluded. The exact method needs
{done.flops / 1e12:.1f} TFLOP, which take {done.floor:.1f} s at the {done.rate / 1e9:.0f}
GFLOP/s of this machine's single-precision matrix product, measured in the same process: a ratio of
**{done.ratio:.2f}**. The peak of memory was
**{results["memory"] / 1e9:.2f} GB** above the data and the model. The nearest neighbours took
{results["neighbors_seconds"]:.1f} s."""


def write_double(results, folder):
    single = results["single"]
    rows = [
        (
            NAMES[method],
            f"top {size}",
            f"{found.cardinality:,}",
            f"{single[method][size].cardinality:,}",
            f"{single[method][size].cardinality / found.cardinality - 1:+.2%}",
        )
        for method, sets in results["sets"].items()
        for size, found in sets.items()
    ]
    table = report.table(["method", "rows", "float64", "float32", "difference"], rows)
    return f"""### Precision

{table}

In double precision the pass took {results["work"].seconds:.1f} s and
{results["memory"] / 1e9:.2f} GB above the data.
"""
